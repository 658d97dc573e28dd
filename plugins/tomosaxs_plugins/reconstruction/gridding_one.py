"""Gridding of one slice alone: eight views, columns or rows side by side in the lanes of vectors.

The arithmetic of every value is that of eight slices side by side, in the same order: the result is the same bit for
bit. Real and imaginary parts of a column of the grid lie one behind the other, so that a value is spread along a column
by one vector each.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from tomosaxs_plugins.compiled import compiled
from tomosaxs_plugins.reconstruction.gridding_plan import CHUNK, PAD, TAPS
from tomosaxs_plugins.reconstruction.gridding_slices import pairs_of
from tomosaxs_plugins.reconstruction.gridding_views import factors_of, spectra_of, weigh
from tomosaxs_plugins.reconstruction.transforms import transform
from tomosaxs_plugins.reconstruction.vectors import load8, multiply_add, spread8, store, take8, transpose8

_kernel = partial(compiled, nogil=True, error_model="numpy")


@_kernel
def reconstruct_one(
    sinogram: Any, base: int, aside: float, plan: Any, space: Any, spectra: Any, grid: Any, pixels: Any, place: int
) -> None:
    """Reconstruct one slice.

    Parameters
    ----------
    sinogram : ndarray, float32, flat
        Views and columns from `base` on.
    base : int
    aside : float
        Place of the rotation axis, in columns from that of the plan.
    plan : Plan
    space : Space
    spectra, grid : ndarray, float32
        See `gridding.spectra_for`, and `pitch_of_one` for the grid.
    pixels : ndarray, float32, flat
        Receives rows of pixels from `place` on.
    place : int
    """
    views, columns, samples = len(plan.order), plan.width, plan.views.length + 1
    pitch = pitch_of_one(plan.columns.length)
    for at in range(0, len(grid), 8):
        store(grid, at, spread8(0.0))
    for view in range(0, views, CHUNK):
        count = min(CHUNK, views - view)
        for group in range(0, count, 8):
            for lane in range(8):
                number = min(view + group + lane, views - 1)  # the last one again where there are no eight
                source, to = base + plan.order[number] * columns, lane * columns
                for column in range(columns):
                    space.gathered[to + column] = sinogram[source + column]
                factors_of(plan, number, aside, space.factors, lane, 8)
            spectra_of(space.gathered, 0, columns, plan, space, spectra, 2 * samples * group, True)
        for colour in range(2):
            for number in range(count):
                _spread_view(spectra, number, view + number, colour, pitch, plan, space, grid)
    for column in range(0, plan.rows.length + 1 + 2 * PAD, 8):
        _transform_columns(grid, column, pitch, plan, space)
    for top in range(plan.top, plan.bottom, 8):
        _transform_rows(grid, top, pitch, plan, space, pixels, place)


@_kernel
def pitch_of_one(period: int) -> int:
    """Return how many values of a grid the real parts of a column take: the period, and what vectors hang over."""
    return period + 24


@_kernel
def _spread_view(
    spectra: Any, lane: int, number: int, colour: int, pitch: int, plan: Any, space: Any, grid: Any
) -> None:
    """Add every second segment of a view, all at once: they share no grid point, and none waits for another."""
    samples, size = plan.views.length + 1, plan.segment
    weights, places = space.weights, space.places
    segments = (samples + size - 1) // size
    for segment in range(colour, segments, 2):
        weigh(segment * size, min(samples, segment * size + size), number, 1, 2 * pitch, plan, weights, places, 0)
    source = 16 * samples * (lane // 8) + lane % 8
    for step in range(size):
        for segment in range(colour, segments, 2):
            k = segment * size + step
            if k < samples:
                real, imag = spectra[source + 16 * k], spectra[source + 16 * k + 8]
                along, to = load8(weights, 16 * k + 8), places[k]
                for tap in range(TAPS):
                    weight = weights[16 * k + tap]
                    store(grid, to, multiply_add(along, spread8(weight * real), load8(grid, to)))
                    to += pitch
                    store(grid, to, multiply_add(along, spread8(weight * imag), load8(grid, to)))
                    to += pitch


@_kernel
def _transform_columns(grid: Any, column: int, pitch: int, plan: Any, space: Any) -> None:
    """Transform eight columns, and keep the rows of the slice that are asked for."""
    period, middle, block, work = plan.columns.length, len(plan.correction) // 2, space.block, space.work
    for part in range(2):
        begin = (2 * column + part) * pitch
        for lane in range(8):
            for row in range(2 * PAD):
                grid[begin + lane * 2 * pitch + row] += grid[begin + lane * 2 * pitch + row + period]
        for row in range(0, period, 8):
            transpose8(grid, begin + row, 2 * pitch, block, 16 * row + 8 * part, 16)
    found = transform(block, np.int64(0), work, plan.columns, False)
    for part in range(2):
        begin, source = (2 * column + part) * pitch, found + 8 * part
        split = min(max(middle, plan.top), plan.bottom)
        _keep_rows(work, source + 16 * (period - middle), plan.top, split, grid, begin, pitch)
        _keep_rows(work, source - 16 * middle, split, plan.bottom, grid, begin, pitch)


@_kernel
def _keep_rows(work: Any, source: int, first: int, last: int, grid: Any, begin: int, pitch: int) -> None:
    """Copy some rows of eight columns back to the grid."""
    whole = first + (last - first) // 8 * 8
    for row in range(first, whole, 8):
        transpose8(work, source + 16 * row, 16, grid, begin + row, 2 * pitch)
    for row in range(whole, last):
        for lane in range(8):
            grid[begin + lane * 2 * pitch + row] = work[source + 16 * row + lane]


@_kernel
def _transform_rows(grid: Any, top: int, pitch: int, plan: Any, space: Any, pixels: Any, place: int) -> None:
    """Transform eight rows to pixels."""
    half, middle, block, work = plan.rows.length, len(plan.correction) // 2, space.block, space.work
    for column in range(half + 1):
        source = 2 * pitch * (column + PAD) + top
        store(block, 16 * column, load8(grid, source))
        store(block, 16 * column + 8, load8(grid, source + pitch))
    for away in range(PAD + 1):
        for end in range(2):
            to = 16 * (half - away if end else away)
            source = 2 * pitch * (half + PAD + away if end else PAD - away) + top
            store(block, to, load8(block, to) + load8(grid, source))
            store(block, to + 8, load8(block, to + 8) - load8(grid, source + pitch))
    pairs_of(block, 0, half, plan.row_circle)
    found = transform(block, np.int64(0), work, plan.rows, False)
    width, lanes = plan.right - plan.left, min(8, plan.bottom - top)
    to = place + (top - plan.top) * width - plan.left
    split = min(max(middle, plan.left), plan.right)
    _put_rows(work, found + 8 * (2 * half - middle), plan.left, split, top, lanes, plan, space, pixels, to)
    _put_rows(work, found - 8 * middle, split, plan.right, top, lanes, plan, space, pixels, to)


@_kernel
def _put_rows(
    work: Any, source: int, first: int, last: int, top: int, lanes: int, plan: Any, space: Any, pixels: Any, to: int
) -> None:
    """Write part of some rows, corrected for the kernel; pixel x of all of them is at ``source + 8 x``."""
    width, corner, correction = plan.right - plan.left, space.corner, plan.correction
    whole = first + (last - first) // 8 * 8
    for x in range(first, whole, 8):
        transpose8(work, source + 8 * x, 8, corner, 0, 8)
        for lane in range(lanes):
            factor = take8(correction, top + lane) * load8(correction, x)
            store(pixels, to + lane * width + x, load8(corner, 8 * lane) * factor)
    for lane in range(lanes):
        for x in range(whole, last):
            pixels[to + lane * width + x] = work[source + 8 * x + lane] * (correction[top + lane] * correction[x])
