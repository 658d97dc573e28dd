"""Corrections of projections by our own code and by the libraries, side by side: prints a table.

python benchmarks/corrections.py [--width 2048 --frames 4 --threads 1]

Zingers: beside algotom's remove_zinger and nabu's CCDFilter. Distortion: beside discorpy. Tilt: beside scipy's
map_coordinates, which the other packages call. Methods take turns; a figure is the median over the rounds.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from algotom.prep.removal import remove_zinger
from discorpy.post.postprocessing import unwarp_image_backward
from nabu.preproc.ccd import CCDFilter
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates

from tomosaxs_plugins.corrections.distortion import Distortion
from tomosaxs_plugins.corrections.resampling import resample
from tomosaxs_plugins.corrections.zingers import replace_zingers
from tomosaxs_plugins.corrections.zingers_in_time import replace_zingers_in_time

Method = tuple[Callable[[], Any], int, str]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--width", type=int, default=2048)
    parser.add_argument("--frames", type=int, default=4)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    methods = methods_of(made_up(given.frames, given.width), given.threads)
    seconds: dict[str, list[float]] = {title: [] for title in methods}
    for number in range(given.rounds + 1):
        for title, (call, frames, _) in methods.items():
            begin = time.perf_counter()
            call()
            if number:  # the first round compiles
                seconds[title].append((time.perf_counter() - begin) / frames)
    print(f"| a frame of {given.width} x {given.width}, {given.threads} thread(s) | ms, median | ms, best | ratio |")
    print("| --- | --- | --- | --- |")
    for title, (_, _, own) in methods.items():
        middle = statistics.median(seconds[title])
        ratio = f"{middle / statistics.median(seconds[own]):.1f} x {own}" if own else ""
        print(f"| {title} | {middle * 1e3:.1f} | {min(seconds[title]) * 1e3:.1f} | {ratio} |")


def made_up(frames: int, width: int) -> NDArray[np.float32]:
    """Return noisy transmission with zingers."""
    rng = np.random.default_rng(0)
    images = (1 + 0.02 * rng.standard_normal((frames, width, width))).astype(np.float32)
    images[rng.random(images.shape) < 1e-4] += 0.5
    return images


def methods_of(images: NDArray[np.float32], threads: int) -> dict[str, Method]:
    """Return what is measured: the call, the frames it works on, and which of ours it is compared with."""
    count, width = len(images), images.shape[1]
    counts = (40000 * images).clip(0, 65535).astype(np.uint16)
    middle = (width - 1) / 2
    lens = Distortion(middle + 7.3, middle - 11.2, (1.00015, 1.9e-6, -2.4e-9, 1e-12))
    rows = np.arange(float(width))
    sine, cosine = np.sin(np.deg2rad(0.3)), np.cos(np.deg2rad(0.3))

    def turned(first: int, last: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        y, x = (rows[first:last] - middle)[:, None], rows - middle
        return middle + y * cosine - x * sine, middle + y * sine + x * cosine

    def bent(first: int, last: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        return lens.positions(rows[first:last], rows)

    filtered = CCDFilter((1, width, width), 3, "median_clip", 0.1)
    places = turned(0, width)
    lines = lens.xcenter, lens.ycenter, lens.coefficients

    def scipys(order: int) -> Any:
        return map_coordinates(images[0], places, order=order)

    return {
        "zingers": (lambda: replace_zingers(images, 0.1, threads=threads), count, ""),
        "zingers, uint16": (lambda: replace_zingers(counts, 4000.0, threads=threads), count, ""),
        "zingers, 5 x 5": (lambda: replace_zingers(images, 0.1, size=8, threads=threads), count, ""),
        "zingers across frames": (lambda: replace_zingers_in_time(images, 0.1, threads=threads), count, ""),
        "algotom remove_zinger": (lambda: remove_zinger(images[0], 0.1), 1, "zingers"),
        "nabu CCDFilter": (lambda: filtered.median_clip_correction(images[0]), 1, "zingers"),
        "distortion, linear": (lambda: resample(images, bent, "linear", threads), count, ""),
        "distortion, cubic": (lambda: resample(images, bent, "cubic", threads), count, ""),
        "discorpy, linear": (lambda: unwarp_image_backward(images[0], *lines), 1, "distortion, linear"),
        "discorpy, cubic": (lambda: unwarp_image_backward(images[0], *lines, order=3), 1, "distortion, cubic"),
        "tilt, linear": (lambda: resample(images, turned, "linear", threads), count, ""),
        "tilt, cubic": (lambda: resample(images, turned, "cubic", threads), count, ""),
        "scipy, linear": (lambda: scipys(1), 1, "tilt, linear"),
        "scipy, cubic": (lambda: scipys(3), 1, "tilt, cubic"),
    }


if __name__ == "__main__":
    main()
