"""Sums of the rows of a slice along slanted rays: the transpose of `sheared.add_lines` with one sample a pixel.

A row that lies a distance d from the axis is moved by ``slope d`` and added; the fraction of a pixel is shared between
two neighbours by the two weights of a linear interpolation, which are the same for the whole row. So the rows are
summed twice, with either weight, and the second sum is moved by one sample at the end: a value is read once.
"""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tomosaxs_plugins.compiled import compiled
from tomosaxs_plugins.reconstruction.vectors import load8, multiply_add, spread8, store

MARGIN = 64
"""Columns of nothing on either side of a slice that is projected."""

_CHUNK = 48  # samples that are summed together: six vectors for either weight
_TILE = 64  # rows whose part of a chunk stays in the first-level cache
_DEPTH = 16  # views that share such a part


def with_margins(image: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return a slice with nothing on either side, as `sum_rows` needs it."""
    wide = np.zeros((image.shape[0], image.shape[1] + 2 * MARGIN), dtype=np.float32)
    wide[:, MARGIN:-MARGIN] = image
    return wide


@partial(compiled, nogil=True, error_model="numpy")
def sum_rows(image: Any, slope: Any, first: int, middle: float, near: Any, far: Any) -> None:
    """Sum the rows of a slice along the rays of some views.

    Parameters
    ----------
    image : ndarray, shape (rows, columns + 2 `MARGIN`), float32, contiguous
        The slice, with `MARGIN` columns of zeros on either side.
    slope : ndarray, shape (views,), float64
        Columns that a ray goes along for every row.
    first : int
        The u (see `sheared`) that the sums begin with.
    middle : float
        Row and column of the rotation axis, without the margin.
    near, far : ndarray, shape (views, stride), float32, contiguous
        The result: what u sees is the near sum at u and the far sum one before. The stride is a multiple of 48.
    """
    rows, wide = image.shape
    columns = wide - 2 * MARGIN
    views, stride = near.shape
    values = image.reshape(image.size)
    near[...] = 0.0
    far[...] = 0.0
    one, other = near.reshape(near.size), far.reshape(far.size)
    places = np.empty((_DEPTH, _TILE), np.int64)
    weights = np.empty((_DEPTH, _TILE, 2), np.float32)
    for begin in range(0, views, _DEPTH):
        count = min(views - begin, _DEPTH)
        for top in range(0, rows, _TILE):
            bottom = min(rows, top + _TILE)
            low, high = stride, 0
            for k in range(count):
                for row in range(top, bottom):
                    exact = slope[begin + k] * (row - middle) - middle
                    whole = math.floor(exact)
                    weights[k, row - top, 0] = 1.0 - (exact - whole)
                    weights[k, row - top, 1] = exact - whole
                    # of the first column among the sums
                    places[k, row - top] = int(whole) - first
                low = min(low, places[k, 0], places[k, bottom - top - 1])
                high = max(high, places[k, 0], places[k, bottom - top - 1])
            for at in range(low // _CHUNK * _CHUNK, high + columns, _CHUNK):
                for k in range(count):
                    least = min(places[k, 0], places[k, bottom - top - 1])
                    most = max(places[k, 0], places[k, bottom - top - 1])
                    if at + _CHUNK > least and at < most + columns:
                        _sum_chunk(
                            values, wide, columns, top, bottom - top, places[k], weights[k], at,
                            one, other, (begin + k) * stride + at,
                        )  # fmt: skip


@partial(compiled, nogil=True, error_model="numpy")
def _sum_chunk(
    values: Any, wide: int, columns: int, top: int, rows: int, places: Any, weights: Any, at: int,
    one: Any, other: Any, to: int,
) -> None:  # fmt: skip
    """Add a chunk of some rows to both sums of one view."""
    a0 = spread8(0.0)
    a1, a2, a3, a4, a5 = a0, a0, a0, a0, a0
    b0, b1, b2, b3, b4, b5 = a0, a0, a0, a0, a0, a0
    for row in range(np.uint64(rows)):
        column = at - places[row]
        if column <= -_CHUNK or column >= columns:
            continue
        k = (top + np.int64(row)) * wide + MARGIN + column
        w, v = spread8(weights[row, 0]), spread8(weights[row, 1])
        x = load8(values, k)
        a0, b0 = multiply_add(w, x, a0), multiply_add(v, x, b0)
        x = load8(values, k + 8)
        a1, b1 = multiply_add(w, x, a1), multiply_add(v, x, b1)
        x = load8(values, k + 16)
        a2, b2 = multiply_add(w, x, a2), multiply_add(v, x, b2)
        x = load8(values, k + 24)
        a3, b3 = multiply_add(w, x, a3), multiply_add(v, x, b3)
        x = load8(values, k + 32)
        a4, b4 = multiply_add(w, x, a4), multiply_add(v, x, b4)
        x = load8(values, k + 40)
        a5, b5 = multiply_add(w, x, a5), multiply_add(v, x, b5)
    store(one, to, load8(one, to) + a0)
    store(one, to + 8, load8(one, to + 8) + a1)
    store(one, to + 16, load8(one, to + 16) + a2)
    store(one, to + 24, load8(one, to + 24) + a3)
    store(one, to + 32, load8(one, to + 32) + a4)
    store(one, to + 40, load8(one, to + 40) + a5)
    store(other, to, load8(other, to) + b0)
    store(other, to + 8, load8(other, to + 8) + b1)
    store(other, to + 16, load8(other, to + 16) + b2)
    store(other, to + 24, load8(other, to + 24) + b3)
    store(other, to + 32, load8(other, to + 32) + b4)
    store(other, to + 40, load8(other, to + 40) + b5)


@partial(compiled, nogil=True, error_model="numpy")
def _cubic(part: float) -> tuple[float, float, float, float]:
    """Return the weights of the four nearest samples in R. Keys' cubic convolution, DOI 10.1109/TASSP.1981.1163711."""
    rest = 1.0 - part
    return (
        -0.5 * part * rest * rest,
        1.0 + part * part * (1.5 * part - 2.5),
        1.0 + rest * rest * (1.5 * rest - 2.5),
        -0.5 * rest * part * part,
    )


@partial(compiled, nogil=True, error_model="numpy")
def to_detector(near: Any, far: Any, step: Any, first: int, centre: float, absolute: bool, rows: Any) -> None:
    """Interpolate the sums of `sum_rows` at the columns of the detector.

    Parameters
    ----------
    near, far : ndarray, shape (views, stride), float32
        Of `sum_rows`.
    step : ndarray, shape (views,), float64
        Detector columns for one u.
    first : int
        The u that the sums begin with.
    centre : float
        Detector column of the rotation axis.
    absolute : bool
        Use the sizes of the weights: what bounds the projection of a slice of any signs.
    rows : ndarray, shape (views, width), float32
        The result: projections, in pixels times the values of the slice.
    """
    stride = near.shape[1]
    for view in range(rows.shape[0]):
        length = 1.0 / abs(step[view])  # of the ray between two rows
        for column in range(rows.shape[1]):
            u = (column - centre) / step[view] - first
            whole = math.floor(u)
            weights = _cubic(u - whole)
            start = int(whole) - 1
            total = 0.0
            for tap in range(4):
                at = start + tap
                if 1 <= at < stride:
                    weight = abs(weights[tap]) if absolute else weights[tap]
                    total += weight * (near[view, at] + far[view, at - 1])
            rows[view, column] = total * length


@partial(compiled, nogil=True, error_model="numpy")
def from_detector(rows: Any, step: Any, first: int, centre: float, absolute: bool, lines: Any) -> None:
    """Spread the columns of the detector over the u of every view: the transpose of `to_detector`.

    Parameters
    ----------
    rows : ndarray, shape (views, width), float32
        Projections.
    step, first, centre, absolute
        As for `to_detector`.
    lines : ndarray, shape (views, 1, stride), float32
        The result, for `sheared.add_lines`.
    """
    stride = lines.shape[2]
    sums = np.empty(stride)
    for view in range(rows.shape[0]):
        length = 1.0 / abs(step[view])
        sums[:] = 0.0
        for column in range(rows.shape[1]):
            u = (column - centre) / step[view] - first
            whole = math.floor(u)
            weights = _cubic(u - whole)
            start = int(whole) - 1
            for tap in range(4):
                at = start + tap
                if 1 <= at < stride:
                    sums[at] += (abs(weights[tap]) if absolute else weights[tap]) * rows[view, column] * length
        for at in range(stride):
            lines[view, 0, at] = sums[at]
