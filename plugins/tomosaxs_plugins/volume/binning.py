"""Means over small rectangles of stacks of images. Plain functions on plain arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tomosaxs_plugins.compiled import compiled
from tomosaxs_plugins.volume.parts import for_each


def mean_of_rectangles(images: NDArray[Any], down: int, across: int, threads: int | None = None) -> NDArray[Any]:
    """Return the means of rectangles of `down` x `across` values, without what is left over at the far edges.

    Parameters
    ----------
    images : (n, rows, columns) array
        Floats or unsigned integers; the type is kept, means of integers are rounded, halves up.
    down, across : int
        Size of a rectangle.
    threads : int, optional
        As `thread_count` says.

    Returns
    -------
    (n, rows // down, columns // across) array
        Means, worked out in float64.
    """
    count, rows, columns = images.shape
    out = np.empty((count, rows // down, columns // across), dtype=images.dtype)
    half = 0.5 if images.dtype.kind in "iu" else 0.0
    source = np.ascontiguousarray(images)

    def one(number: int) -> None:
        _mean(source[number], down, across, half, out[number])

    for_each(one, list(range(count)), threads)
    return out


def halved(volume: NDArray[Any], threads: int | None = None) -> NDArray[Any]:
    """Return the volume at half the resolution: means of 2 x 2 x 2 voxels, of fewer where an edge is odd.

    Parameters
    ----------
    volume : (z, y, x) array
        Floats or unsigned integers; the type is kept, means of integers are rounded, halves up.
    threads : int, optional
        As `thread_count` says.

    Returns
    -------
    (ceil(z / 2), ceil(y / 2), ceil(x / 2)) array
        Means, worked out in float64.
    """
    source = np.ascontiguousarray(volume)
    out = np.empty([-(-size // 2) for size in source.shape], dtype=source.dtype)
    half = 0.5 if source.dtype.kind in "iu" else 0.0

    def one(number: int) -> None:
        _halve(source[2 * number : 2 * number + 2], half, out[number])

    for_each(one, list(range(len(out))), threads)
    return out


def _mean_loop(image: Any, down: int, across: int, half: float, out: Any) -> None:
    for row in range(out.shape[0]):
        for column in range(out.shape[1]):
            total = 0.0
            for y in range(row * down, (row + 1) * down):
                for x in range(column * across, (column + 1) * across):
                    total += image[y, x]
            mean = total / (down * across)
            out[row, column] = np.floor(mean + half) if half else mean


def _halve_loop(pair: Any, half: float, out: Any) -> None:
    for row in range(out.shape[0]):
        last_y = min(2 * row + 2, pair.shape[1])
        for column in range(out.shape[1]):
            last_x = min(2 * column + 2, pair.shape[2])
            total = 0.0
            for z in range(pair.shape[0]):
                for y in range(2 * row, last_y):
                    for x in range(2 * column, last_x):
                        total += pair[z, y, x]
            mean = total / (pair.shape[0] * (last_y - 2 * row) * (last_x - 2 * column))
            out[row, column] = np.floor(mean + half) if half else mean


_mean = compiled(_mean_loop, nogil=True)
_halve = compiled(_halve_loop, nogil=True)
