"""Filtered reconstruction by our own code and by the libraries of the field, side by side: prints a table.

python benchmarks/reconstruction.py [--sizes 512x720,1024x1500 --threads 1,2 --rounds 5 --other-python PATH --only TEXT]

Methods take turns (A B A B); figures are medians. Speed is slices per second of wall clock and of processor time. The
error is that of a smooth phantom with exact projections, inside 0.9 of the field of view, relative to its mean there;
for gridrec gain and offset are fitted first, because its own are arbitrary. Every library is forgiven its pixel grid:
the smallest error over orientations and half pixels counts. TomoPy is not on PyPI: --other-python names an environment
that has it; it is measured in a process of its own, in turn with the others.
"""

from __future__ import annotations

import argparse
import importlib.util
import sys
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).parent))
from reconstruction_peers import FITTED, METHODS, Elsewhere, timed

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "reconstruction"))
from analytic import Shape, picture, sinogram, smooth_phantom


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", default="512x720,1024x1500", help="columns x projections")
    parser.add_argument("--threads", default="1,2")
    parser.add_argument("--rounds", type=int, default=5, help="turns that count; the first one never does")
    parser.add_argument("--slow", type=int, default=1, help="turns of methods below a slice a second")
    parser.add_argument("--slices", type=int, default=16)
    parser.add_argument("--other-python", default=sys.executable, help="Python of an environment with TomoPy")
    parser.add_argument("--only", default="", help="methods with one of these texts, separated by commas")
    given = parser.parse_args()
    names = [name for name in METHODS if any(text in name for text in given.only.split(","))]
    with Elsewhere(given.other_python) as elsewhere:
        print(f"gridrec: {elsewhere.library}")
        for name in list(names):
            module = METHODS[name].module
            if not (
                elsewhere.library.startswith("tomopy ") if module == "tomopy" else importlib.util.find_spec(module)
            ):
                print(f"{name}: left out, {module} is not installed")
                names.remove(name)
        for size in given.sizes.split(","):
            for threads in given.threads.split(","):
                measure(names, *map(int, size.split("x")), int(threads), given, elsewhere)


def measure(names: list[str], width: int, views: int, threads: int, given: Any, elsewhere: Elsewhere) -> None:
    """Measure all methods at one size with so many threads, and print a table."""
    angles, centre, phantom = np.arange(views) * 180.0 / views, 0.5 * (width - 1) + 1.3, smooth_phantom(width)
    one = sinogram(phantom, angles, width, centre).astype(np.float32)
    stack = (
        np.repeat(one[np.newaxis], given.slices, axis=0)
        * np.linspace(1, 2, given.slices, dtype=np.float32)[:, None, None]
    )
    walls: dict[str, list[float]] = {name: [] for name in names}
    processors: dict[str, list[float]] = {name: [] for name in names}
    errors = {}
    for turn in range(given.rounds + 1):
        for name in names:
            slow = METHODS[name].slow
            if slow and turn > given.slow:
                continue
            data = stack[:1] if slow else stack
            run = elsewhere.run if METHODS[name].module == "tomopy" else timed
            if slow and turn == 0:
                run(name, data[:, ::50], angles[::50], centre, threads)  # compiles
                continue
            wall, processor, first = run(name, data, angles, centre, threads)
            if turn:  # the first one compiles and plans
                walls[name].append(wall / len(data))
                processors[name].append(processor / len(data))
            if turn == 1:
                errors[name] = error(first, phantom, name in FITTED)
    print(f"\n| {width} x {views}, {threads} thread(s) | slices/s | a CPU second | error | wall, relative | CPU |")
    print("| --- | --- | --- | --- | --- | --- |")
    ours, own = median(walls[names[0]]), median(processors[names[0]])
    for name in names:
        wall, processor = median(walls[name]), median(processors[name])
        print(
            f"| {name} | {1 / wall:.3g} | {1 / processor:.3g} | {errors[name]:.1e} | {wall / ours:.3g} | "
            f"{processor / own:.3g} |",
            flush=True,
        )


def error(found: NDArray[Any], phantom: list[Shape], fitted: bool) -> float:
    """Return the smallest relative error over orientations and half pixels."""
    size = len(found)
    place = np.arange(size) - 0.5 * (size - 1)
    inside = np.hypot(place, place[:, np.newaxis]) < 0.45 * size
    mean, best = picture(phantom, size)[inside].mean(), np.inf
    for turned in (found, found[::-1], found[:, ::-1], found[::-1, ::-1]):
        values = turned[inside].astype(np.float64)
        for x in (-0.5, 0.0, 0.5):
            for y in (-0.5, 0.0, 0.5):
                moved = [type(one)(**{**vars(one), "x": one.x + x, "y": one.y + y}) for one in phantom]
                truth = picture(moved, size)[inside]
                compared = np.polyval(np.polyfit(values, truth, 1), values) if fitted else values
                best = min(best, float(np.sqrt(np.mean((compared - truth) ** 2)) / mean))
    return best


if __name__ == "__main__":
    main()
