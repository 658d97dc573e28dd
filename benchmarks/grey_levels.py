"""Grey levels and their limits against other libraries, in turn, medians; prints ratios.

python benchmarks/grey_levels.py [WIDTH]
"""

from __future__ import annotations

import importlib
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from tomosaxs_plugins.volume.grey import to_grey
from tomosaxs_plugins.volume.statistics import tally

LOW, HIGH, ROUNDS = 50.0, 150.0, 5


def medians(ways: dict[str, Callable[[], Any]]) -> dict[str, float]:
    """Return the median seconds of each way; they take turns, so that a busy machine is fair to all."""
    for way in ways.values():
        way()
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(ROUNDS):
        for name, way in ways.items():
            begun = time.perf_counter()
            way()
            seconds[name].append(time.perf_counter() - begun)
    return {name: float(np.median(each)) for name, each in seconds.items()}


def main() -> None:
    """Measure and print."""
    width = int(sys.argv[1]) if len(sys.argv) > 1 else 2048
    volume = np.random.default_rng(0).normal(100, 20, (16, width, width)).astype(np.float32)
    levels: dict[str, Callable[[], Any]] = {"tomosaxs": lambda: to_grey(volume, (LOW, HIGH), np.uint8)}
    others = {
        "nabu": ("nabu.io.cast_volume", lambda m: m.clamp_and_rescale_data(volume, 0, 255, LOW, HIGH)),
        "algotom": ("algotom.post.postprocessing", lambda m: m.rescale(volume, nbit=8, minmax=(LOW, HIGH))),
    }
    for name, (module, call) in others.items():
        try:
            found = importlib.import_module(module)
        except ImportError as error:
            print(f"{name} is left out: {error}")
            continue
        levels[name] = lambda call=call, found=found: call(found)
    limits = {
        "tomosaxs": lambda: tally(volume).percentiles((0.1, 99.9)),
        "numpy": lambda: np.percentile(volume, (0.1, 99.9)),
    }
    for title, ways in (("to 8 bit", levels), ("percentiles", limits)):
        found = medians(ways)
        ratios = ", ".join(
            f"{name} {each / found['tomosaxs']:.1f}" for name, each in found.items() if name != "tomosaxs"
        )
        print(f"{title}: tomosaxs {volume.nbytes / found['tomosaxs'] / 1e9:.2f} GB/s; times as long: {ratios}")


if __name__ == "__main__":
    main()
