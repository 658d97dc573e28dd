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
    for i in range(n):
        a = rows[i]
        j = 0
        while j + 4 <= i + 1:
            p = q = r = s = 0.0
            b, c, d, e = rows[j], rows[j + 1], rows[j + 2], rows[j + 3]
            for k in range(length):
                x = a[k]
                p += x * b[k]
                q += x * c[k]
                r += x * d[k]
                s += x * e[k]
            out[i, j], out[i, j + 1], out[i, j + 2], out[i, j + 3] = p, q, r, s
            j += 4
        while j <= i:
            p = 0.0
            b = rows[j]
            for k in range(length):
                p += a[k] * b[k]
            out[i, j] = p
            j += 1
    for i in range(n):
        for j in range(i):
            out[j, i] = out[i, j]


@partial(compiled, nogil=True, error_model="numpy")
def taken_together(variance: Any, group: Any) -> tuple[Any, Any, Any, Any]:
    """Find which bins of a path are used, and which of them are taken together as their mean.

    Parameters
    ----------
    variance : (n_bins,) float array
        Infinite where a bin is not used.
    group : (n_q,) int array
        Bins of one azimuth with the same number, which stand side by side, are one datum.

    Returns
    -------
    at, to, share : (m,) int, int and float arrays
        The used bins, the datum that each is part of, and its share in that mean.
    root : (n_data,) float array
        Inverse standard uncertainty of every datum.
    """
    n_q = group.size
    at, to = np.empty(variance.size, dtype=np.int64), np.empty(variance.size, dtype=np.int64)
    root, number = np.zeros(variance.size), np.zeros(variance.size)
    used, made, last = 0, 0, -1
    for k in range(variance.size):
        if not variance[k] < np.inf:
            continue
        row = (k // n_q) * n_q + group[k % n_q]
        if row != last:
            last = row
            made += 1
        at[used], to[used] = k, made - 1
        number[made - 1] += 1.0
        root[made - 1] += variance[k]
        used += 1
    share = np.empty(used)
    for u in range(used):
        share[u] = 1.0 / number[to[u]]
    for g in range(made):
        root[g] = number[g] / math.sqrt(root[g])
    return at[:used], to[:used], share, root[:made]


@partial(compiled, nogil=True, error_model="numpy")
def shapes_of_background(basis: Any, at: Any, to: Any, share: Any, root: Any) -> Any:
    """Return the background's shapes over the data, weighted and orthonormal; those that are none are zero."""
    terms, n_q = basis.shape
    out = np.zeros((terms, root.size))
    for t in range(terms):
        mine = out[t]
        _gather(basis[t], n_q, 1.0, at, to, share, root, mine)
        before = dot(mine, mine)
        for _ in range(2):  # the second time for what rounding left
            for s in range(t):
                part = dot(mine, out[s])
                for k in range(mine.size):
                    mine[k] -= part * out[s, k]
        left = dot(mine, mine)
        scale = 1.0 / math.sqrt(left) if left > _KEPT * before and left > 0 else 0.0
        for k in range(mine.size):
            mine[k] *= scale
    return out


@partial(compiled, nogil=True, error_model="numpy")
def _gather(values: Any, period: int, factor: float, at: Any, to: Any, share: Any, root: Any, out: Any) -> None:
    """Write the weighted data that values of bins make."""
    for k in range(out.size):
        out[k] = 0.0
    for u in range(at.size):
        out[to[u]] += share[u] * values[at[u] % period]
    for k in range(out.size):
        out[k] *= factor * root[k]


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
    m, bins = place.size, variance.size
    at, to, part, root = taken_together(variance, group)
    shapes = shapes_of_background(basis, at, to, part, root)
    rows = np.empty((m, root.size))
    largest = 0.0
    for i in range(m):
        _gather(streaks[place[i]], bins, share[i], at, to, part, root, rows[i])
        if share[i] > 0:
            for k in range(root.size):
                largest = max(largest, rows[i, k] / (root[k] * share[i]))
        _project(rows[i], shapes)
    measured = np.empty(root.size)
    _gather(data, bins, 1.0, at, to, part, root, measured)
    _project(measured, shapes)
    products(rows, normal)
    for i in range(m):
        right[i] = dot(rows[i], measured)
    return dot(measured, measured), root.size, largest


@partial(compiled, nogil=True, error_model="numpy")
def residuals_of_path(
    streaks: Any, place: Any, share: Any, height: Any, data: Any, variance: Any, group: Any, basis: Any, lit: float,
    model: Any, terms: Any, squares: Any, number: Any,
) -> float:  # fmt: skip
    """Write what heights and the best background say of a path, and how well each fibre's data are described.

    Parameters
    ----------
    streaks, place, share, data, variance, group, basis
        See `normal_of_path`.
    height : (m,) float array
        Heights of the fibres.
    lit : float
        Data to which a streak of height 1 gives at least this count as the fibre's.
    model : (n_bins,) float array, written
        Expected intensity of every bin, background included.
    terms : (number of terms,) float array, written
        Coefficients of the background.
    squares, number : (m,) float arrays, written
        Weighted squared residuals of every fibre's data, and how many these are.

    Returns
    -------
    cost : float
        Weighted sum of squared residuals.
    """
    m, bins, n_q = place.size, variance.size, group.size
    at, to, part, root = taken_together(variance, group)
    for k in range(bins):
        model[k] = 0.0
    for i in range(m):
        factor, streak = share[i] * height[i], streaks[place[i]]
        if factor != 0.0:
            for k in range(bins):
                model[k] += factor * streak[k]
    left, said = np.empty(root.size), np.empty(root.size)
    _gather(data, bins, 1.0, at, to, part, root, left)
    _gather(model, bins, 1.0, at, to, part, root, said)
    for k in range(root.size):
        left[k] -= said[k]
    _background_of_path(basis, at, to, part, root, left, terms)
    for t in range(basis.shape[0]):
        for k in range(bins):
            model[k] += terms[t] * basis[t, k % n_q]
    cost = 0.0
    for k in range(root.size):
        cost += left[k] * left[k]
    own = np.empty(root.size)
    for i in range(m):
        _gather(streaks[place[i]], bins, 1.0, at, to, part, root, own)
        squares[i], number[i] = 0.0, 0.0
        for k in range(root.size):
            if own[k] >= lit * root[k]:
                squares[i] += left[k] * left[k]
                number[i] += 1.0
    return cost


@partial(compiled, nogil=True, error_model="numpy")
def _background_of_path(basis: Any, at: Any, to: Any, part: Any, root: Any, left: Any, terms: Any) -> None:
    """Write the coefficients of the background that describes best what the streaks leave, and take it off."""
    number, n_q = basis.shape
    shapes = shapes_of_background(basis, at, to, part, root)
    share, mine = np.empty(number), np.empty(root.size)
    for t in range(number):
        share[t] = dot(left, shapes[t])
        terms[t] = 0.0
        for k in range(root.size):
            left[k] -= share[t] * shapes[t, k]
    # the shapes are combinations of the weighted basis, the last of all of it: undo them from the last on
    for t in range(number - 1, -1, -1):
        _gather(basis[t], n_q, 1.0, at, to, part, root, mine)
        size = dot(mine, shapes[t])
        if size == 0.0:
            continue
        terms[t] = share[t] / size
        for s in range(t):
            share[s] -= terms[t] * dot(mine, shapes[s])
