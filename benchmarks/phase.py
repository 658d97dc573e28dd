"""Phase retrieval by our own code beside nabu's, frame by frame: prints a table.

python benchmarks/phase.py [--size 2048] [--length 44.13] [--rounds 7] [--threads 2]

Methods take turns; a figure is the median over the rounds, of wall and of processor seconds a frame (on a busy machine
the latter say more). All see the same frames; the error is against the formula in float64, in surroundings that go on
in the same way (edge or mirrored). nabu's class is used as its defaults are, and with one thread.
"""

from __future__ import annotations

import argparse
import importlib
import statistics
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from scipy import fft, ndimage

from tomosaxs_plugins.phase.cosine import Padding
from tomosaxs_plugins.phase.paganin import paganin_filter, response

FRAMES = 2


def made_up(size: int) -> np.ndarray[Any, Any]:
    """Return transmissions of a crowded sample with photon noise, (FRAMES, size, size)."""
    rng = np.random.default_rng(1)
    made = []
    for _ in range(FRAMES):
        thick = ndimage.gaussian_filter(rng.standard_normal((size, size)), size / 60, mode="nearest")
        thick = 0.8 * (thick - thick.min()) / np.ptp(thick)
        made.append(rng.poisson(6000 * np.exp(-thick)) / 6000)
    return np.asarray(made, dtype=np.float32)


def truth(frame: np.ndarray[Any, Any], length: float, mode: str) -> np.ndarray[Any, Any]:
    """Return the formula's result in float64."""
    size = len(frame)
    wide = np.pad(frame.astype(np.float64), (3 * size // 2 if mode == "edge" else size // 2), mode=mode)  # type: ignore[call-overload]
    along = np.fft.fftfreq(len(wide))[:, None], np.fft.rfftfreq(len(wide))[None, :]
    coefficients = fft.rfft2(wide, workers=-1)
    coefficients *= response(*along, (length, length))
    whole = fft.irfft2(coefficients, s=wide.shape, workers=-1)
    first = (len(wide) - size) // 2
    return np.asarray(whole[first : first + size, first : first + size])


def nabu(size: int, length: float, padding: str, threads: int | None) -> Callable[[Any], Any]:
    """Return nabu's retrieval of one frame: 20 keV, 0.1 m, 1 um."""
    module: Any = importlib.import_module("nabu.preproc.phase")
    ratio = module.lmicron_to_db(length, 20.0, 0.1e6)
    peer = module.PaganinPhaseRetrieval((size, size), 0.1, 20.0, ratio, 1e-6, padding=padding, fft_num_threads=threads)
    return lambda frames: np.stack([peer.retrieve_phase(frame) for frame in frames])


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=2048)
    parser.add_argument("--length", type=float, default=44.13, help="L in pixels")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=2)
    given = parser.parse_args()
    frames = made_up(given.size)
    length, shape = given.length, (given.size, given.size)
    methods: dict[str, tuple[str, Callable[[Any], Any]]] = {}
    paddings: tuple[tuple[Padding, str], ...] = (("edge", "edge"), ("reflect", "symmetric"))
    for padding, theirs in paddings:
        one = paganin_filter(shape, (length, length), (0.0, 0.0), 0.0, padding)
        for threads in (1, given.threads):
            methods[f"tomosaxs, {padding}, {threads} thread(s)"] = theirs, partial(one, threads=threads)
        methods[f"nabu, {theirs}, 1 thread"] = theirs, nabu(given.size, length, theirs, 1)
        methods[f"nabu, {theirs}, its default"] = theirs, nabu(given.size, length, theirs, None)
    right = {mode: truth(frames[0], length, mode) for mode in ("edge", "symmetric")}
    wall: dict[str, list[float]] = {name: [] for name in methods}
    work: dict[str, list[float]] = {name: [] for name in methods}
    errors = {}
    for turn in range(given.rounds + 1):  # the first is not counted
        for name, (mode, method) in methods.items():
            begin, spent = time.perf_counter(), time.process_time()
            made = method(frames)
            if turn:
                wall[name].append((time.perf_counter() - begin) / FRAMES)
                work[name].append((time.process_time() - spent) / FRAMES)
            else:
                errors[name] = float(np.abs(made[0] - right[mode]).max())
    print(f"| {given.size} x {given.size}, L = {length:g} px | s a frame | processor s a frame | largest error |")
    print("|---|---|---|---|")
    for name in methods:
        times = f"{statistics.median(wall[name]):.4f} | {statistics.median(work[name]):.4f}"
        print(f"| {name} | {times} | {errors[name]:.1e} |")


if __name__ == "__main__":
    main()
