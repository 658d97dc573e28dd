"""Rays through a slice, row by row: what makes one weight serve a whole row of pixels.

Detector column ``centre + x cos + y sin`` sees the pixel (x, y). A view whose rays run more along the columns of the
slice, ``|cos| >= |sin|``, is first resampled to steps of one pixel along a row: with ``u = x + y tan`` the position is
``centre + u cos``, and going along a row u grows by one a pixel. Where u falls between two samples is therefore the
same for the whole row, and so are the two weights of a linear interpolation. Neighbouring pixels read neighbouring
samples: they stand side by side in the lanes of a vector, no address is worked out for a pixel, and a slice needs no
other slice beside it. The other views see the slice with x and y exchanged, a `Half` each.

All places are counted from the rotation axis, so that a part of a slice is that part of the whole one bit for bit.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tomosaxs_plugins.compiled import compiled
from tomosaxs_plugins.reconstruction.vectors import load8, multiply_add, spread8, store

CHUNK = 64
"""Pixels of a row that are summed together: eight vectors of eight, as many as there are registers for."""

_DEPTH = 16  # views whose part of a tile stays in the first-level cache
_TILE = 64  # rows of a tile


@dataclass(frozen=True)
class Half:
    """The views of one half: those that see the slice by its rows, or by its columns.

    Parameters
    ----------
    members : ndarray, shape (views,)
        Which of all views they are.
    steep : bool
        Whether x and y are exchanged.
    step : ndarray, shape (views,)
        Detector columns from one pixel of a row to the next, at least 0.7 in size, of either sign.
    slope : ndarray, shape (views,)
        Pixels along a row that stand for one row, between -1 and 1.
    """

    members: NDArray[np.intp]
    steep: bool
    step: NDArray[np.float64]
    slope: NDArray[np.float64]

    def reach(self, rows: tuple[float, float], columns: tuple[float, float]) -> NDArray[np.int64]:
        """Return what u some rows and columns, counted from the axis, need: the first and the last of every view."""
        across = np.multiply.outer(self.slope, rows)
        low = np.floor(across.min(axis=1) + columns[0]) - 1
        high = np.ceil(across.max(axis=1) + columns[1]) + 1
        return np.stack([low, high], axis=1).astype(np.int64)


def halves(angles_deg: NDArray[np.float64]) -> list[Half]:
    """Return the one or two halves of some views.

    Parameters
    ----------
    angles_deg : ndarray, shape (views,)
        Angles in degrees.

    Returns
    -------
    list of Half
        Those that have views, the rows' first.
    """
    angles = np.deg2rad(angles_deg)
    cosine, sine = np.cos(angles), np.sin(angles)
    steep = np.abs(sine) > np.abs(cosine)
    found = []
    for kind in (False, True):
        members = np.flatnonzero(steep == kind)
        if len(members):
            along, across = (sine, cosine) if kind else (cosine, sine)
            found.append(Half(members, kind, along[members], across[members] / along[members]))
    return found


def whole_chunks(columns: int) -> int:
    """Return the number of columns rounded up to whole chunks."""
    return -(-columns // CHUNK) * CHUNK


def empty_sums(rows: int, columns: int) -> NDArray[np.float32]:
    """Return sums of nothing yet, in whole chunks, of which no vector lies across two lines of the cache."""
    wide = whole_chunks(columns)
    raw = np.zeros(rows * wide + 16, dtype=np.float32)
    skip = (-raw.ctypes.data % 64) // 4
    return raw[skip : skip + rows * wide].reshape(rows, wide)


@partial(compiled, nogil=True, error_model="numpy")
def resample(samples: Any, origin: float, step: Any, reach: Any, first: int, lines: Any) -> None:
    """Resample projections to steps of a pixel along a row, with quadratic B-splines.

    What that damps, by ``sinc(frequency)**3`` in cycles a position, is for the projections to make up.

    Parameters
    ----------
    samples : ndarray, shape (views, positions), float32, contiguous
        Projections.
    origin : float
        Position of the rotation axis in them.
    step : ndarray, shape (views,), float64
        Positions from one pixel to the next.
    reach : ndarray, shape (views, 2), int64
        First and last u that are needed; all must lie between positions 0 and the last but one, which is not checked.
    first : int
        The u that a line begins with.
    lines : ndarray, shape (views, phases, stride), float32
        The result: ``lines[v, p, n]`` is the value at ``u = first + n + p / phases``.
    """
    phases, half = lines.shape[1], np.float32(0.5)
    for view in range(lines.shape[0]):
        row = samples[view]
        along = step[view]
        begin, count = reach[view, 0], reach[view, 1] + 1 - reach[view, 0]
        for phase in range(phases):
            line = lines[view, phase, begin - first : begin - first + count]
            start = begin + phase / phases
            for n in range(count):
                position = origin + along * (start + n)
                nearest = np.int64(position + 0.5)
                part = np.float32(position - np.float64(nearest))
                at = np.uint64(nearest)
                before, here, after = row[at - np.uint64(1)], row[at], row[at + np.uint64(1)]
                outer = (half * (before + after) - here) * part + half * (after - before)
                line[n] = here + np.float32(0.125) * (before + after - here - here) + outer * part


@partial(compiled, nogil=True, error_model="numpy")
def find_places(
    slope: Any, phases: int, stride: int, first: int, middle: float, offset: float, row: int, places: Any, weights: Any
) -> None:
    """Find for some rows and views which two samples belong to column 0, and their weights.

    Parameters
    ----------
    slope : ndarray, shape (views,), float64
        Of the views.
    phases, stride, first : int
        Samples a pixel, length of a line of samples, and the u of the first of them.
    middle : float
        Column of the axis in the whole slice.
    offset : float
        What takes the number of a row to its distance from the axis.
    row : int
        Number of the first row.
    places : ndarray, shape (rows, views, 2), int32
        The result: places of the two samples among the lines of all views.
    weights : ndarray, shape (rows, views, 2), float32
        The result: their weights.
    """
    share = 1.0 / phases
    for k in range(places.shape[0]):
        distance = row + k + offset
        for view in range(places.shape[1]):
            exact = phases * (slope[view] * distance - middle)
            whole = math.floor(exact)
            pixel = math.floor(whole * share)  # a division of whole numbers would take as long as a chunk of pixels
            phase = whole - phases * pixel
            at = np.int32(pixel) - first + view * phases * stride
            last = phase + 1.0 == phases
            places[k, view, 0] = at + np.int32(phase) * stride
            places[k, view, 1] = at + 1 if last else at + (np.int32(phase) + 1) * stride
            weights[k, view, 0] = 1.0 - (exact - whole)
            weights[k, view, 1] = exact - whole


@partial(compiled, nogil=True, error_model="numpy")
def add_lines(
    total: Any,
    lines: Any,
    slope: Any,
    first: int,
    middle: float,
    corner: Any,
    limits: Any,
    first_row: int,
    last_row: int,
) -> None:
    """Add to some rows of a slice what its pixels see of some views.

    Parameters
    ----------
    total : ndarray, shape (rows, columns), float32, contiguous
        Sums so far, changed in place; the number of columns is a multiple of `CHUNK`.
    lines : ndarray, shape (views, phases, stride), float32, contiguous
        Samples as `resample` makes them, known for every u that the rows need and `CHUNK` beyond.
    slope : ndarray, shape (views,), float64
        Of the views.
    first : int
        The u of the first sample.
    middle : float
        Row and column of the rotation axis in the whole slice.
    corner : tuple of int
        Row and column of the whole slice that the sums begin with.
    limits : ndarray, shape (rows, 2), int64
        First column and the one behind the last that are needed in every row.
    first_row, last_row : int
        Rows to work on, the last one excluded.
    """
    columns = total.shape[1]
    views, phases, stride = lines.shape
    sums = total.reshape(total.size)
    values = lines.reshape(lines.size)
    places = np.empty((_TILE, _DEPTH, 2), np.int32)
    weights = np.empty((_TILE, _DEPTH, 2), np.float32)
    for begin in range(0, views, _DEPTH):
        count = min(views - begin, _DEPTH)
        skip = begin * phases * stride + corner[1]
        for top in range(first_row, last_row, _TILE):
            bottom = min(last_row, top + _TILE)
            find_places(
                slope[begin : begin + count], phases, stride, first, middle, corner[0] - middle, top,
                places[: bottom - top, :count], weights[: bottom - top, :count],
            )  # fmt: skip
            for left in range(0, columns, CHUNK):
                for row in range(top, bottom):
                    if left < limits[row, 1] and left + CHUNK > limits[row, 0]:
                        _add_chunk(
                            sums,
                            row * columns + left,
                            values,
                            skip + left,
                            places[row - top],
                            weights[row - top],
                            count,
                        )


@partial(compiled, nogil=True, error_model="numpy")
def _add_chunk(sums: Any, at: int, values: Any, skip: int, places: Any, weights: Any, count: int) -> None:
    """Add the interpolated samples of some views to a chunk of a row."""
    a0 = spread8(0.0)
    a1, a2, a3, a4, a5, a6, a7 = a0, a0, a0, a0, a0, a0, a0
    for view in range(np.uint64(count)):
        for side in range(np.uint64(2)):
            w = spread8(weights[view, side])
            k = places[view, side] + skip
            a0 = multiply_add(w, load8(values, k), a0)
            a1 = multiply_add(w, load8(values, k + 8), a1)
            a2 = multiply_add(w, load8(values, k + 16), a2)
            a3 = multiply_add(w, load8(values, k + 24), a3)
            a4 = multiply_add(w, load8(values, k + 32), a4)
            a5 = multiply_add(w, load8(values, k + 40), a5)
            a6 = multiply_add(w, load8(values, k + 48), a6)
            a7 = multiply_add(w, load8(values, k + 56), a7)
    store(sums, at, load8(sums, at) + a0)
    store(sums, at + 8, load8(sums, at + 8) + a1)
    store(sums, at + 16, load8(sums, at + 16) + a2)
    store(sums, at + 24, load8(sums, at + 24) + a3)
    store(sums, at + 32, load8(sums, at + 32) + a4)
    store(sums, at + 40, load8(sums, at + 40) + a5)
    store(sums, at + 48, load8(sums, at + 48) + a6)
    store(sums, at + 56, load8(sums, at + 56) + a7)
