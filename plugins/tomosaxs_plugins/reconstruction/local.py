"""Samples wider than the detector: what they attenuate beside it, guessed from what lies on it.

A ramp filter needs whole projections. Cut ones leave a bright rim where zeros follow, and a slope and an offset where
the edge value goes on for ever. A projection p of a homogeneous elliptic cylinder of attenuation m is known beyond any
part of it, because ``p(s)**2 = a + b s - c s**2``, for a circular one with ``c = 4 m**2``.
So c is fitted to the mean square over all projections of a slice, b to each projection, and a continues its edge; what
the parabola leaves above zero goes on beside the detector. The idea of continuing with a cylinder is that of J. Hsieh
et al., DOI 10.1118/1.1776673; there the attenuation is given and the slope is that of the edge alone.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tomosaxs_plugins.compiled import compiled
from tomosaxs_plugins.reconstruction.parallel import thread_count

_EDGE = 0.02  # of the width: columns whose mean is the value at the edge
_AIR = 0.05  # of the largest mean square: below this a rise towards the edge is no sample going on


def margin(columns: int) -> int:
    """Return how many columns are added on either side: a field of a third of the sample is still whole then."""
    return columns


def continue_as_cylinder(data: NDArray[np.float32], threads: int | None = None) -> NDArray[np.float32]:
    """Return sinograms with `margin` columns more on either side, continued as an elliptic cylinder would be.

    Parameters
    ----------
    data : ndarray, shape (slices, angles, columns)
        Attenuation; noise may make it negative.
    threads : int, optional
        By default as `thread_count` says.

    Returns
    -------
    ndarray, shape (slices, angles, columns + 2 margin), float32
        A projection that ends in nothing is continued by nothing. Every slice is treated by itself.
    """
    columns = data.shape[-1]
    side = margin(columns)
    wide = np.zeros((*data.shape[:-1], columns + 2 * side), dtype=np.float32)

    def one(number: int) -> None:
        wide[number, :, side : side + columns] = data[number]
        _continue(wide[number], side, columns, max(3, round(_EDGE * columns)))

    with ThreadPoolExecutor(max(1, min(thread_count(threads), len(data)))) as pool:
        for _ in pool.map(one, range(len(data))):
            pass
    return wide


@partial(compiled, nogil=True, error_model="numpy")
def _continue(wide: Any, side: int, columns: int, edge: int) -> None:
    """Fill the margins of one sinogram."""
    views = wide.shape[0]
    middle = 0.5 * (columns - 1)
    mean, mean2, sum2, sum4, highest = 0.0, 0.0, 0.0, 0.0, 0.0
    square = np.zeros(columns)
    first = np.zeros(views)
    for view in range(views):
        for k in range(columns):
            value = float(wide[view, side + k])
            value *= abs(value)
            square[k] += value / views
            first[view] += (k - middle) * value
    for k in range(columns):
        distance2 = (k - middle) ** 2
        mean += square[k]
        mean2 += distance2 * square[k]
        sum2 += distance2
        sum4 += distance2 * distance2
        highest = max(highest, square[k])
    bend = (mean2 - sum2 / columns * mean) / (sum4 - sum2 * sum2 / columns)  # of the parabola, negative for a body
    if (
        not bend < 0.0
    ):  # thicker towards both edges: nothing tells where it ends, so it goes on straight for half a width
        bend = 0.0
    for view in range(views):
        for direction in (-1, 1):
            level = 0.0
            for k in range(edge):
                level += float(wide[view, side + (columns - 1 - k if direction > 0 else k)])
            level /= edge
            start = level * abs(level)
            # the mean of the outermost columns lies a little inside the edge
            inside = middle - 0.5 * (edge - 1)
            slope = direction * first[view] / sum2 + 2.0 * bend * inside
            if slope > 0.0:
                slope *= min(1.0, max(0.0, start) / (_AIR * highest)) if highest > 0.0 else 0.0
            for k in range(1, side + 1):
                away = k + 0.5 * (edge - 1)
                left = start + slope * away + bend * away * away
                if left <= 0.0:
                    break
                value = np.sqrt(left)
                if bend == 0.0:
                    if k > columns // 2:
                        break
                    value = np.sqrt(start) * 0.5 * (1.0 + np.cos(2.0 * np.pi * k / columns))
                wide[view, side + (columns - 1 + k if direction > 0 else -k)] = value
