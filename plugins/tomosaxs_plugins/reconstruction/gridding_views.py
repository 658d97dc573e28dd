"""Compiled steps from rows of sinograms to a Cartesian grid: spectra of views, and their spreading.

Eight slices are worked on side by side (see `transforms`). A transform of real values is one of half as many complex
values, pairs of neighbours, after which the spectra of the two are taken apart.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from tomosaxs_plugins.compiled import compiled
from tomosaxs_plugins.reconstruction.gridding_plan import PAD, STEPS, TAPS
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

_kernel = partial(compiled, nogil=True, error_model="numpy")
_FIRST = 1.0 - 0.5 * TAPS  # a little less than one from here to the first grid point that a value is spread over


@_kernel
def spectra_of(values: Any, base: int, step: int, plan: Any, space: Any, spectra: Any, place: int, own: bool) -> None:
    """Write the filtered spectra of eight projections, complex conjugated, as they go onto the grid.

    Parameters
    ----------
    values : ndarray, float32, flat
        Projections that begin at `base` and `step` further on each.
    base, step : int
    plan : Plan
        Whose factors are in the space (see `factors_of`).
    space : Space
    spectra : ndarray, float32, flat
        Receives ``plan.views.length + 1`` complex numbers from `place` on.
    place : int
    own : bool
        Whether every lane has factors of its own.
    """
    columns, half = plan.width, plan.views.length
    rows, work, factors = space.rows, space.work, space.factors
    whole, nothing = columns // 8 * 8, spread8(0.0)
    for column in range(0, whole, 8):
        transpose8(values, base + column, step, rows, 8 * column, 8)
    for lane in range(8):
        for column in range(whole, columns):
            rows[8 * column + lane] = values[base + lane * step + column]
    for column in range(columns, half):
        store(rows, 8 * column, nothing)
    found = transform(rows, np.int64(0), work, plan.views, True)
    start, end = load8(rows, 0), load8(rows, 8 * (columns - 1))
    go_on, edges, circle = len(plan.edges) > 0, plan.edges, plan.view_circle
    for k in range(half // 2 + 1):
        other = half - k
        at, across = found + 16 * k, found + 16 * (other if k else 0)
        ar, ai, br, bi = load8(work, at), load8(work, at + 8), load8(work, across), load8(work, across + 8)
        er, ei, odd_r, odd_i = ar + br, ai - bi, ar - br, ai + bi
        cosine, sine = take8(circle, 2 * k), take8(circle, 2 * k + 1)
        u = multiply_subtract(cosine, odd_i, sine * odd_r)
        v = multiply_add(cosine, odd_r, sine * odd_i)
        real, imag, far_real, far_imag = er + u, ei - v, er - u, nothing - ei - v
        if go_on:
            near, far = 4 * k, 4 * other
            real = multiply_add(start, take8(edges, near + 2), multiply_add(end, take8(edges, near), real))
            imag = multiply_add(start, take8(edges, near + 3), multiply_add(end, take8(edges, near + 1), imag))
            far_real = multiply_add(start, take8(edges, far + 2), multiply_add(end, take8(edges, far), far_real))
            far_imag = multiply_add(start, take8(edges, far + 3), multiply_add(end, take8(edges, far + 1), far_imag))
        _put_times(spectra, place + 16 * k, real, imag, factors, k, own)
        _put_times(spectra, place + 16 * other, far_real, far_imag, factors, other, own)


@_kernel
def _put_times(spectra: Any, to: int, real: Any, imag: Any, factors: Any, frequency: int, own: bool) -> None:
    if own:
        at = 32 * frequency
        one, two = load8(factors, at), load8(factors, at + 8)
        three, four = load8(factors, at + 16), load8(factors, at + 24)
    else:
        at = 4 * frequency
        one, two = take8(factors, at), take8(factors, at + 1)
        three, four = take8(factors, at + 2), take8(factors, at + 3)
    store(spectra, to, multiply_subtract(real, one, imag * two))
    store(spectra, to + 8, multiply_add(real, three, imag * four))


@_kernel
def factors_of(plan: Any, number: int, aside: float, factors: Any, lane: int, lanes: int) -> None:
    """Write filter, weight and phase of all frequencies for the real part, and with the sign for the imaginary part.

    Parameters
    ----------
    plan : Plan
    number : int
        The view, as sorted in the plan.
    aside : float
        Place of the rotation axis, in columns from that of the plan.
    factors : ndarray, float32
        Receives four numbers a frequency, each for one of so many lanes.
    lane, lanes : int
        1 lane stands for all eight.
    """
    step = np.pi * (plan.shift[number] + aside) / plan.views.length
    cosine4, sine4 = np.cos(4.0 * step), np.sin(4.0 * step)
    weight, sign, response = plan.weights[number], plan.sign[number], plan.response
    for first in range(4):  # four that do not wait for each other
        cosine, sine = np.cos(first * step), np.sin(first * step)
        for k in range(first, plan.views.length + 1, 4):
            real, imag = weight * response[k] * cosine, weight * response[k] * sine
            at = 4 * lanes * k + lane
            factors[at] = real
            factors[at + lanes] = imag
            factors[at + 2 * lanes] = sign * imag
            factors[at + 3 * lanes] = sign * real
            cosine, sine = cosine * cosine4 - sine * sine4, cosine * sine4 + sine * cosine4


@_kernel
def spread(spectra: Any, views: int, view: int, segment: int, plan: Any, space: Any, grid: Any) -> None:
    """Add one segment of the frequencies of some views of eight slices to their grids.

    Parameters
    ----------
    spectra : ndarray, float32, flat
        As `spectra_of` wrote them, view by view.
    views, view : int
        How many, and the first of them.
    segment : int
    plan : Plan
    space : Space
    grid : ndarray, float32, flat
        Columns of ``plan.pitch`` complex numbers.
    """
    samples, column = plan.views.length + 1, 16 * plan.pitch
    weights, places = space.weights, space.places
    first = segment * plan.segment
    last = min(samples, first + plan.segment)
    for number in range(views):
        weigh(first, last, view + number, 16, plan.pitch, plan, weights, places, first)
        k = first
        while k < last:
            mine, to, source = 16 * (k - first), places[k - first], 16 * (number * samples + k)
            if k + 1 < last and places[k - first + 1] == to:
                _add_two(spectra, source, weights, mine, grid, to, column)
                k += 2
            else:
                _add_one(spectra, source, weights, mine, grid, to, column)
                k += 1


@_kernel
def weigh(
    first: int, last: int, number: int, scale: int, pitch: int, plan: Any, weights: Any, places: Any, origin: int
) -> None:
    """Work out where frequencies of a view begin to be spread, and the weights along both axes.

    Parameters
    ----------
    first, last, number : int
        Frequencies, the last one excluded, and the view.
    scale, pitch : int
        Values of a grid point and points of a column in memory.
    plan : Plan
    weights : ndarray, float32
        Receives sixteen numbers a frequency: five for columns, and from the eighth on five for points of a column.
    places : ndarray, int64
    origin : int
        Frequency whose numbers come first.
    """
    step_x, step_y = plan.along_x[number], plan.along_y[number]
    period, table = plan.columns.length, plan.table
    for k in range(first, last):
        x, y = k * step_x + (PAD + _FIRST), k * step_y + (period + _FIRST)  # both positive
        left, low = int(x), int(y)
        x, y = (x - left) * STEPS, (y - low) * STEPS
        step, other = int(x), int(y)
        if low >= period:
            low -= period
        places[k - origin] = scale * (pitch * left + low)
        mine = 16 * (k - origin)
        part = spread8(np.float32(x - step))
        store(weights, mine, multiply_add(load8(table, 16 * step + 8), part, load8(table, 16 * step)))
        part = spread8(np.float32(y - other))
        store(weights, mine + 8, multiply_add(load8(table, 16 * other + 8), part, load8(table, 16 * other)))


@_kernel
def _add_one(spectra: Any, source: int, weights: Any, mine: int, grid: Any, to: int, column: int) -> None:
    """Add one complex number of eight slices to five by five grid points."""
    real, imag = load8(spectra, source), load8(spectra, source + 8)
    w0, w1, w2 = take8(weights, mine + 8), take8(weights, mine + 9), take8(weights, mine + 10)
    w3, w4 = take8(weights, mine + 11), take8(weights, mine + 12)
    for tap in range(TAPS):
        w = take8(weights, mine + tap)
        re, im = w * real, w * imag
        store(grid, to, multiply_add(w0, re, load8(grid, to)))
        store(grid, to + 8, multiply_add(w0, im, load8(grid, to + 8)))
        store(grid, to + 16, multiply_add(w1, re, load8(grid, to + 16)))
        store(grid, to + 24, multiply_add(w1, im, load8(grid, to + 24)))
        store(grid, to + 32, multiply_add(w2, re, load8(grid, to + 32)))
        store(grid, to + 40, multiply_add(w2, im, load8(grid, to + 40)))
        store(grid, to + 48, multiply_add(w3, re, load8(grid, to + 48)))
        store(grid, to + 56, multiply_add(w3, im, load8(grid, to + 56)))
        store(grid, to + 64, multiply_add(w4, re, load8(grid, to + 64)))
        store(grid, to + 72, multiply_add(w4, im, load8(grid, to + 72)))
        to += column


@_kernel
def _add_two(spectra: Any, source: int, weights: Any, mine: int, grid: Any, to: int, column: int) -> None:
    """Add two neighbouring frequencies to the same grid points, which are loaded and stored once."""
    w0, w1, w2 = take8(weights, mine + 8), take8(weights, mine + 9), take8(weights, mine + 10)
    w3, w4 = take8(weights, mine + 11), take8(weights, mine + 12)
    v0, v1, v2 = take8(weights, mine + 24), take8(weights, mine + 25), take8(weights, mine + 26)
    v3, v4 = take8(weights, mine + 27), take8(weights, mine + 28)
    for tap in range(TAPS):
        w, v = take8(weights, mine + tap), take8(weights, mine + 16 + tap)
        re, im = w * load8(spectra, source), w * load8(spectra, source + 8)
        sr, si = v * load8(spectra, source + 16), v * load8(spectra, source + 24)
        store(grid, to, multiply_add(v0, sr, multiply_add(w0, re, load8(grid, to))))
        store(grid, to + 8, multiply_add(v0, si, multiply_add(w0, im, load8(grid, to + 8))))
        store(grid, to + 16, multiply_add(v1, sr, multiply_add(w1, re, load8(grid, to + 16))))
        store(grid, to + 24, multiply_add(v1, si, multiply_add(w1, im, load8(grid, to + 24))))
        store(grid, to + 32, multiply_add(v2, sr, multiply_add(w2, re, load8(grid, to + 32))))
        store(grid, to + 40, multiply_add(v2, si, multiply_add(w2, im, load8(grid, to + 40))))
        store(grid, to + 48, multiply_add(v3, sr, multiply_add(w3, re, load8(grid, to + 48))))
        store(grid, to + 56, multiply_add(v3, si, multiply_add(w3, im, load8(grid, to + 56))))
        store(grid, to + 64, multiply_add(v4, sr, multiply_add(w4, re, load8(grid, to + 64))))
        store(grid, to + 72, multiply_add(v4, si, multiply_add(w4, im, load8(grid, to + 72))))
        to += column
