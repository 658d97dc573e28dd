"""Compiled steps from a Cartesian grid of half spectra to slices, eight of them side by side.

The grid is left as it was found: zero everywhere.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from tomosaxs_plugins.compiled import compiled
from tomosaxs_plugins.reconstruction.gridding_plan import PAD
from tomosaxs_plugins.reconstruction.transforms import transform
from tomosaxs_plugins.reconstruction.vectors import (
    load8,
    multiply_add,
    multiply_subtract,
    spread8,
    store,
    take8,
    transpose8,
)

ROWS = 8
"""Rows of slices that are fetched from the grid together."""

_kernel = partial(compiled, nogil=True, error_model="numpy")


@_kernel
def transform_columns(grid: Any, first: int, last: int, plan: Any, space: Any) -> None:
    """Transform columns of a grid in place, and keep the rows of the slice that are asked for.

    Parameters
    ----------
    grid : ndarray, float32, flat
        Columns of ``plan.pitch`` complex numbers; those beyond the period belong to the first ones.
    first, last : int
        Columns, the last one excluded.
    plan : Plan
    space : Space
    """
    period, middle = plan.columns.length, len(plan.correction) // 2
    work, nothing = space.work, spread8(0.0)
    for column in range(first, last):
        begin = 16 * plan.pitch * column
        for place in range(begin, begin + 16 * (2 * PAD), 8):
            store(grid, place, load8(grid, place) + load8(grid, place + 16 * period))
        found = transform(grid, begin, work, plan.columns, False)
        for row in range(plan.top, plan.bottom):
            source = found + 16 * (row - middle if row >= middle else row - middle + period)
            store(grid, begin + 16 * row, load8(work, source))
            store(grid, begin + 16 * row + 8, load8(work, source + 8))
        for place in range(begin, begin + 16 * plan.top, 8):
            store(grid, place, nothing)
        for place in range(begin + 16 * plan.bottom, begin + 16 * plan.pitch, 8):
            store(grid, place, nothing)


@_kernel
def transform_rows(grid: Any, first: int, last: int, plan: Any, space: Any, values: Any, slice_: int) -> None:
    """Transform rows of a grid to pixels of eight slices.

    Parameters
    ----------
    grid : ndarray, float32, flat
        After `transform_columns`.
    first, last : int
        Rows of the slices, the last one excluded.
    plan : Plan
    space : Space
    values : ndarray, float32, flat
        Receives the part of the slices that is asked for: slices, rows, columns.
    slice_ : int
        First of the eight slices; those that there is no room for are left out.
    """
    half, middle = plan.rows.length, len(plan.correction) // 2
    work, block, scaled = space.work, space.block, space.scaled
    wide, width = 16 * (half + 1), plan.right - plan.left
    area = (plan.bottom - plan.top) * width
    lanes = min(8, len(values) // area - slice_)
    for top in range(first, last, ROWS):
        rows = min(ROWS, last - top)
        _fetch(grid, top, rows, plan, block)
        for row in range(rows):
            pairs_of(block, row * wide, half, plan.row_circle)
            found = transform(block, row * wide, work, plan.rows, False)
            for x in range(plan.left, plan.right):
                scaled[x] = plan.correction[top + row] * plan.correction[x]
            to = slice_ * area + (top + row - plan.top) * width - plan.left
            split = min(max(middle, plan.left), plan.right)
            _put_line(work, found + 8 * (2 * half - middle), plan.left, split, space, values, to, area, lanes)
            _put_line(work, found - 8 * middle, split, plan.right, space, values, to, area, lanes)


@_kernel
def _fetch(grid: Any, top: int, rows: int, plan: Any, block: Any) -> None:
    """Copy rows of the grid, each to a place of its own, and leave zeros."""
    half, nothing = plan.rows.length, spread8(0.0)
    wide = 16 * (half + 1)
    for column in range(half + 1):
        source = 16 * (plan.pitch * (column + PAD) + top)
        for row in range(rows):
            at, to = source + 16 * row, row * wide + 16 * column
            store(block, to, load8(grid, at))
            store(block, to + 8, load8(grid, at + 8))
    for away in range(PAD + 1):  # what the kernel put beyond the edges is the conjugate of something within
        for end in range(2):
            to = 16 * (half - away if end else away)
            source = 16 * (plan.pitch * (half + PAD + away if end else PAD - away) + top)
            for row in range(rows):
                at, here = source + 16 * row, to + row * wide
                store(block, here, load8(block, here) + load8(grid, at))
                store(block, here + 8, load8(block, here + 8) - load8(grid, at + 8))
    for column in range(half + 1 + 2 * PAD):
        source = 16 * (plan.pitch * column + top)
        for place in range(source, source + 16 * rows, 8):
            store(grid, place, nothing)


@_kernel
def pairs_of(block: Any, base: int, half: int, circle: Any) -> None:
    """Turn half the spectrum of real values into that of pairs of neighbours as complex values, in place.

    Parameters
    ----------
    block : ndarray, float32
        ``half + 1`` complex numbers from `base` on.
    base, half : int
    circle : ndarray, float32
        See `transforms.circle`.
    """
    for k in range(half // 2 + 1):
        at, across = base + 16 * k, base + 16 * (half - k)
        ar, ai, br, bi = load8(block, at), load8(block, at + 8), load8(block, across), load8(block, across + 8)
        sr, si, dr, di = ar + br, ai - bi, ar - br, ai + bi
        cosine, sine = take8(circle, 2 * k), take8(circle, 2 * k + 1)
        u = multiply_subtract(cosine, di, sine * dr)
        v = multiply_add(cosine, dr, sine * di)
        store(block, across, sr + u)
        store(block, across + 8, v - si)
        store(block, at, sr - u)
        store(block, at + 8, si + v)


@_kernel
def _put_line(
    work: Any, source: int, first: int, last: int, space: Any, values: Any, to: int, area: int, lanes: int
) -> None:
    """Write part of a row of each slice, corrected for the kernel; pixel x of all slices is at ``source + 8 x``."""
    scaled, corner = space.scaled, space.corner
    whole = first + (last - first) // 8 * 8
    for x in range(first, whole, 8):
        transpose8(work, source + 8 * x, 8, corner, 0, 8)
        factor = load8(scaled, x)
        for lane in range(lanes):
            store(values, to + lane * area + x, load8(corner, 8 * lane) * factor)
    for lane in range(lanes):
        for x in range(whole, last):
            values[to + lane * area + x] = work[source + 8 * x + lane] * scaled[x]
