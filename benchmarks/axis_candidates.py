"""Time forty candidate axes of one row beside forty slices with one axis, in turns; prints medians and their ratio."""

from __future__ import annotations

import statistics
import time

import numpy as np

from tomosaxs_plugins.centring.sharpness import candidate_slices, score_slices
from tomosaxs_plugins.reconstruction.backprojection import filtered_backprojection

ROUNDS, SIZE, COUNT = 5, 512, 40


def main(columns: int = 1024, views: int = 720) -> None:
    """Run the comparison on random numbers."""
    sinogram = np.random.default_rng(0).random((views, columns), dtype=np.float32)
    angles = np.arange(views) * 180 / views
    middle = (columns - 1) / 2
    stack = np.repeat(sinogram[None], COUNT, axis=0)
    slices, axes = [], []
    for _ in range(ROUNDS + 1):
        start = time.process_time()
        filtered_backprojection(stack, angles, middle, padding="edge", size=SIZE)
        between = time.process_time()
        score_slices(candidate_slices(sinogram, angles, middle + np.arange(COUNT) - COUNT / 2, SIZE))
        slices.append(between - start)
        axes.append(time.process_time() - between)
    one, other = statistics.median(slices[1:]), statistics.median(axes[1:])  # the first round compiles
    print(f"{COUNT} slices {one:.2f} s, {COUNT} axes {other:.2f} s of processor time: ratio {other / one:.2f}")


if __name__ == "__main__":
    main()
