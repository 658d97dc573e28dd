"""Inner loops of the amplitude estimation: one beam path at a time, in a fixed order of operations."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import numpy as np

from tomosaxs_plugins.compiled import compiled

_KEPT = 1e-20  # part of a background's shape, squared, that must be left beside the shapes before it
_reassociated = {"reassoc", "contract", "nsz"}
"""Sums may be vectorised; how is settled when the code is compiled, not by the number of threads."""


@partial(compiled, nogil=True, error_model="numpy", fastmath=_reassociated)
def dot(a: Any, b: Any) -> float:
    """Return the scalar product of two contiguous arrays."""
    out = 0.0
    for k in range(a.size):
        out += a[k] * b[k]
    return out


@partial(compiled, nogil=True, error_model="numpy", fastmath=_reassociated)
def products(rows: Any, out: Any) -> None:
    """Write the scalar products of all pairs of rows, both triangles."""
    n, length = rows.shape
    for i in range(0, n - 1, 2):  # two rows with four: fewer loads a product
        a, b = rows[i], rows[i + 1]
        j = 0
        while j + 4 <= i + 2:
            p = q = r = s = t = u = v = w = 0.0
            c, d, e, f = rows[j], rows[j + 1], rows[j + 2], rows[j + 3]
            for k in range(length):
                x, y = a[k], b[k]
                p += x * c[k]
                q += x * d[k]
                r += x * e[k]
                s += x * f[k]
                t += y * c[k]
                u += y * d[k]
                v += y * e[k]
                w += y * f[k]
            out[i, j], out[i, j + 1], out[i, j + 2], out[i, j + 3] = p, q, r, s
            out[i + 1, j], out[i + 1, j + 1], out[i + 1, j + 2], out[i + 1, j + 3] = t, u, v, w
            j += 4
        while j < i + 2:
            p = q = 0.0
            c = rows[j]
            for k in range(length):
                p += a[k] * c[k]
                q += b[k] * c[k]
            out[i, j], out[i + 1, j] = p, q
            j += 1
    if n % 2:
        for j in range(n):
            out[n - 1, j] = dot(rows[n - 1], rows[j])
    for i in range(n):
        for j in range(i):
            out[j, i] = out[i, j]


@partial(compiled, nogil=True, error_model="numpy")
def taken_together(variance: Any, group: Any) -> tuple[Any, Any, Any]:
    """Find which bins of a path are used, and which of them are taken together as their mean.

    Parameters
    ----------
    variance : (n_bins,) float array
        Infinite where a bin is not used.
    group : (n_q,) int array
        Bins of one azimuth with the same number, which stand side by side, are one datum.

    Returns
    -------
    at : (m,) int array
        The used bins.
    first : (n_data + 1,) int array
        Where in `at` the bins of each datum begin; data of one bin come before the others.
    scale : (n_data,) float array
        What turns the sum over a datum's bins into their mean in units of its standard uncertainty.
    """
    n_q = group.size
    at, first = np.empty(variance.size, dtype=np.int64), np.empty(variance.size + 1, dtype=np.int64)
    scale = np.zeros(variance.size)
    used, made, last = 0, 0, -1
    for k in range(variance.size):
        if not variance[k] < np.inf:
            continue
        row = (k // n_q) * n_q + group[k % n_q]
        if row != last:
            last = row
            first[made] = used
            made += 1
        at[used] = k
        scale[made - 1] += variance[k]
        used += 1
    first[made] = used
    bins, begin, weight = np.empty(used, dtype=np.int64), np.empty(made + 1, dtype=np.int64), np.empty(made)
    number = place = 0
    for several in (False, True):
        for g in range(made):
            if (first[g + 1] - first[g] > 1) == several:
                begin[number], weight[number] = place, 1.0 / math.sqrt(scale[g])
                number += 1
                for u in range(first[g], first[g + 1]):
                    bins[place] = at[u]
                    place += 1
    begin[made] = used
    return bins, begin, weight


@partial(compiled, nogil=True, error_model="numpy")
def shapes_of_background(basis: Any, at: Any, first: Any, scale: Any) -> Any:
    """Return the background's shapes over the data, weighted and orthonormal; those that are none are zero."""
    terms, n_q = basis.shape
    out = np.zeros((terms, scale.size))
    for t in range(terms):
        mine = out[t]
        _gather_periodic(basis[t], n_q, at, first, scale, mine)
        before = dot(mine, mine)
        for _ in range(2):  # the second time for what rounding left
            for s in range(t):
                part = dot(mine, out[s])
                for k in range(mine.size):
                    mine[k] -= part * out[s, k]
        left = dot(mine, mine)
        norm = 1.0 / math.sqrt(left) if left > _KEPT * before and left > 0 else 0.0
        for k in range(mine.size):
            mine[k] *= norm
    return out


@partial(compiled, nogil=True, error_model="numpy", fastmath=_reassociated)
def _gather(values: Any, factor: float, at: Any, first: Any, scale: Any, out: Any) -> None:
    """Write the weighted data that values of bins make."""
    alone = 0
    while alone < out.size and first[alone + 1] == alone + 1:
        alone += 1
    for k in range(alone):
        out[k] = factor * scale[k] * values[at[k]]
    for k in range(alone, out.size):
        total = 0.0
        for u in range(first[k], first[k + 1]):
            total += values[at[u]]
        out[k] = factor * scale[k] * total


@partial(compiled, nogil=True, error_model="numpy")
def _gather_periodic(values: Any, period: int, at: Any, first: Any, scale: Any, out: Any) -> None:
    """Write the weighted data that values of bins make which are the same at all azimuths."""
    for k in range(out.size):
        total = 0.0
        for u in range(first[k], first[k + 1]):
            total += values[at[u] % period]
        out[k] = scale[k] * total


@partial(compiled, nogil=True, error_model="numpy")
def _project(row: Any, shapes: Any) -> None:
    """Take off a row what the background's shapes can describe."""
    for t in range(shapes.shape[0]):
        share = dot(row, shapes[t])
        if share != 0.0:
            shape = shapes[t]
            for k in range(row.size):
                row[k] -= share * shape[k]


@partial(compiled, nogil=True, error_model="numpy")
def normal_of_path(
    streaks: Any, place: Any, share: Any, data: Any, variance: Any, group: Any, basis: Any, normal: Any, right: Any
) -> tuple[float, int, float]:
    """Write normal matrix and right-hand side of the heights of a path's fibres, its background eliminated.

    Parameters
    ----------
    streaks : (n, n_bins) float array
        Streaks of height 1 at this rotation.
    place, share : (m,) int and float arrays
        Rows of `streaks` that the path sees, and their weights.
    data, variance : (n_bins,) float arrays
        Intensities and variances; infinite where a bin is not used.
    group : (n_q,) int array
        See `taken_together`.
    basis : (terms, n_q) float array
        Shapes of the background against q.
    normal, right : (m, m), (m,) float arrays, written

    Returns
    -------
    cost, n_data, largest
        Weighted sum of squares of the data that no background explains, how many data there are, and the largest
        datum of a streak of height 1.
    """
    m = place.size
    at, first, scale = taken_together(variance, group)
    shapes = shapes_of_background(basis, at, first, scale)
    rows, measured = np.empty((m, scale.size)), np.empty(scale.size)
    sigma = _uncertainty(first, scale)
    largest = 0.0
    for i in range(m):
        _gather(streaks[place[i]], share[i], at, first, scale, rows[i])
        if share[i] > 0:
            top = 0.0
            for k in range(sigma.size):
                top = max(top, rows[i, k] * sigma[k])
            largest = max(largest, top / share[i])
        _project(rows[i], shapes)
    _gather(data, 1.0, at, first, scale, measured)
    _project(measured, shapes)
    products(rows, normal)
    for i in range(m):
        right[i] = dot(rows[i], measured)
    return dot(measured, measured), scale.size, largest


@partial(compiled, nogil=True, error_model="numpy")
def _uncertainty(first: Any, scale: Any) -> Any:
    """Return (n_data,) what turns a weighted datum back into a mean intensity: its standard uncertainty."""
    out = np.empty(scale.size)
    for k in range(scale.size):
        out[k] = 1.0 / (scale[k] * (first[k + 1] - first[k]))
    return out


@partial(compiled, nogil=True, error_model="numpy")
def residuals_of_path(
    streaks: Any, place: Any, share: Any, height: Any, data: Any, variance: Any, group: Any, basis: Any, lit: float,
    terms: Any, squares: Any, number: Any,
) -> float:  # fmt: skip
    """Find how well heights and the best background describe a path, and each of its fibres' data.

    Parameters
    ----------
    streaks, place, share, data, variance, group, basis
        See `normal_of_path`.
    height : (m,) float array
        Heights of the fibres.
    lit : float
        Data to which a streak of height 1 gives at least this count as the fibre's.
    terms : (number of terms,) float array, written
        Coefficients of the background.
    squares, number : (m,) float arrays, written
        Weighted squared residuals of every fibre's data, and how many these are.

    Returns
    -------
    cost : float
        Weighted sum of squared residuals.
    """
    at, first, scale = taken_together(variance, group)
    model, left = np.empty(variance.size), np.empty(scale.size)
    _expect(streaks, place, share, height, data, basis, at, first, scale, model, left, terms)
    own, sigma = np.empty(scale.size), _uncertainty(first, scale)
    for i in range(place.size):
        _gather(streaks[place[i]], 1.0, at, first, scale, own)
        squares[i], number[i] = 0.0, 0.0
        for k in range(scale.size):
            if own[k] * sigma[k] >= lit:
                squares[i] += left[k] * left[k]
                number[i] += 1.0
    return dot(left, left)


@partial(compiled, nogil=True, error_model="numpy")
def reweight_path(
    streaks: Any, place: Any, share: Any, height: Any, data: Any, one: Any, variance: Any, group: Any, basis: Any
) -> float:
    """Replace the variances of a path by those of counting the intensities that heights let expect.

    Parameters
    ----------
    streaks, place, share, height, data, group, basis
        See `residuals_of_path`.
    one : (n_bins,) float array
        Intensity of one count; NaN where a bin is not used. The variance is that of one expected count at least.
    variance : (n_bins,) float array, written
        With the weights of the present ones the expectation is found.

    Returns
    -------
    cost : float
        Sum of squared residuals that noise alone gives with the new weights: bins with less than one expected count
        scatter less than their weight says.
    """
    n_q = group.size
    at, first, scale = taken_together(variance, group)
    model, left, terms = np.empty(variance.size), np.empty(scale.size), np.empty(basis.shape[0])
    _expect(streaks, place, share, height, data, basis, at, first, scale, model, left, terms)
    cost = really = told = 0.0
    last = -1
    for k in range(variance.size):
        row = (k // n_q) * n_q + group[k % n_q]
        if row != last:
            cost += really / told if told > 0.0 else 0.0
            really = told = 0.0
            last = row
        if one[k] != one[k]:
            variance[k] = np.inf
            continue
        variance[k] = one[k] * max(model[k], one[k])
        really += one[k] * max(model[k], 0.0)
        told += variance[k]
    cost += really / told if told > 0.0 else 0.0
    return cost


@partial(compiled, nogil=True, error_model="numpy")
def _expect(
    streaks: Any, place: Any, share: Any, height: Any, data: Any, basis: Any, at: Any, first: Any, scale: Any,
    model: Any, left: Any, terms: Any,
) -> None:  # fmt: skip
    """Write expected intensities of all bins, weighted residuals of the data, and the background's coefficients."""
    bins, n_q = model.size, basis.shape[1]
    for k in range(bins):
        model[k] = 0.0
    for i in range(place.size):
        factor, streak = share[i] * height[i], streaks[place[i]]
        if factor != 0.0:
            for k in range(bins):
                model[k] += factor * streak[k]
    said = np.empty(scale.size)
    _gather(data, 1.0, at, first, scale, left)
    _gather(model, 1.0, at, first, scale, said)
    for k in range(scale.size):
        left[k] -= said[k]
    _background_of_path(basis, at, first, scale, left, terms)
    for t in range(basis.shape[0]):
        for k in range(bins):
            model[k] += terms[t] * basis[t, k % n_q]


@partial(compiled, nogil=True, error_model="numpy")
def add_block(normal: Any, right: Any, fibre: Any, block: Any, mine: Any) -> None:
    """Add what one path says of its fibres to the normal equations of all."""
    for i in range(fibre.size):
        row = normal[fibre[i]]
        for j in range(fibre.size):
            row[fibre[j]] += block[i, j]
        right[fibre[i]] += mine[i]


@partial(compiled, nogil=True, error_model="numpy")
def alike(normal: Any, mean: float, same: float, groups: Any) -> None:
    """Give fibres the number of the first of those whose streaks cannot be told from theirs; see `amplitudes.merged`.

    Of unit vectors apart by an angle t, 1 - cos t; the difference of heights has the variance 2 / (N (1 - cos t)).
    """
    n = groups.size
    for i in range(n):
        mine = normal[i, i]
        if not mine > 0.0:
            continue
        for j in range(i + 1, n):
            other = normal[j, j]
            if not other > 0.0:
                continue
            apart = 1.0 - normal[i, j] / math.sqrt(mine * other)
            seen = min(mine, other) * mean * mean
            # two streaks too faint to be told from nothing are no pair
            if not (apart < same or (mean > 0.0 and apart < 0.5 and seen > 2.0 and apart * seen < 2.0)):
                continue
            first, second = min(groups[i], groups[j]), max(groups[i], groups[j])
            for k in range(n):
                if groups[k] == second:
                    groups[k] = first


@partial(compiled, nogil=True, error_model="numpy")
def _background_of_path(basis: Any, at: Any, first: Any, scale: Any, left: Any, terms: Any) -> None:
    """Write the coefficients of the background that describes best what the streaks leave, and take it off."""
    number, n_q = basis.shape
    shapes = shapes_of_background(basis, at, first, scale)
    share, mine = np.empty(number), np.empty(scale.size)
    for t in range(number):
        share[t] = dot(left, shapes[t])
        terms[t] = 0.0
        for k in range(scale.size):
            left[k] -= share[t] * shapes[t, k]
    # the shapes are combinations of the weighted basis, the last of all of it: undo them from the last on
    for t in range(number - 1, -1, -1):
        _gather_periodic(basis[t], n_q, at, first, scale, mine)
        size = dot(mine, shapes[t])
        if size == 0.0:
            continue
        terms[t] = share[t] / size
        for s in range(t):
            share[s] -= terms[t] * dot(mine, shapes[s])
