"""Inner loops of the joint fit: streaks of sights in the rows of azimuth that they light, and products with them.

``values`` (n_rows, n_terms, n_q) float32 holds, one lit row of bins after the other, the streak of a sight at unit
height and its derivatives. Rows `first[s]` to `first[s + 1]` belong to sight s; `row_chi` says which azimuth each is.
All loops run over whole sights or whole beam paths and sum in a fixed order, so that nothing depends on the threads.
"""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import numpy as np

from tomosaxs_plugins.compiled import compiled
from tomosaxs_plugins.fibres.binned import STRIDE, bins_of, bins_of_all, is_dark, row_derivatives
from tomosaxs_plugins.fibres.binned import row as streak_row
from tomosaxs_plugins.fibres.streak import streak

_loop = partial(compiled, nogil=True, error_model="numpy", fastmath={"contract"})
_sums = partial(compiled, nogil=True, error_model="numpy", fastmath={"contract", "reassoc"})


@_loop
def is_lit(points: Any, m: float, nz: float, constants: Any, least: float) -> bool:
    """Return whether a streak somewhere reaches `least` of its peak along one azimuth.

    The radial factor is 1 where the azimuth crosses the sphere that carries the streak, and the other varies slowly
    there; q0 and the ends of the points are looked at too.
    """
    q = points[0]
    q0, radius, steep, narrow = constants[0], constants[1], constants[2], constants[3]
    lean = points[2, 0] / (q[0] * q[0])  # component along the beam over q^2
    centre = q0 - radius
    along = min(abs(math.sqrt(1 - (q0 * lean) ** 2) * m + q0 * lean * nz), 1.0)
    rest = radius * radius - centre * centre * (1 - along * along)
    crossing = centre * along + math.sqrt(max(rest, 0.0))
    for place in (min(max(crossing, q[0]), q[-1]), q0, q[0], q[-1]):
        out_of_plane = place * lean
        u = place * (math.sqrt(1 - out_of_plane * out_of_plane) * m + out_of_plane * nz)
        if streak(place, u, q0, radius, steep, narrow) >= least:
            return True
    return False


@_loop
def light_rows(
    low: int,
    high: int,
    fibre: Any,
    axis: Any,
    shape: Any,
    points: Any,
    cosines: Any,
    sines: Any,
    least: float,
    lit: Any,
) -> None:
    """Mark in `lit` (n_sights, n_chi) the rows in the middle of which a streak somewhere reaches `least` of its peak.

    `axis` (n_sights, 3) are directions, `shape` (n_fibres, 4) q0, wa, wmu, delta; `points`, `cosines` and `sines` say
    where bins are sampled, as `binned.plan` has them.
    """
    constants = np.empty(6)
    middle, limit = cosines.shape[1] // 2, -math.log(least)  # folded: the first node of the other side
    for s in range(low, high):
        set_constants(shape[fibre[s]], constants)
        for c in range(cosines.shape[0]):
            lit[s, c] = False
            m = cosines[c, middle] * axis[s, 0] + sines[c, middle] * axis[s, 1]
            if is_dark(points, m, axis[s, 2], constants, limit):
                continue
            lit[s, c] = is_lit(points, m, axis[s, 2], constants, least)


@_loop
def set_constants(shape: Any, constants: Any) -> None:
    """Write what the streak is computed from, for q0, wa, wmu and delta."""
    q0, wa, wmu, delta = shape
    tangent = math.tan(wmu)
    constants[0], constants[1] = q0, q0 / delta
    constants[2], constants[3] = 0.5 / (q0 * tangent) ** 2, 1.0 / (wa * wa)
    constants[4], constants[5] = 1.0 - delta, wmu * (1.0 + tangent * tangent) / tangent


@_loop
def fill_rows(
    low: int, high: int, fibre: Any, axis: Any, turns: Any, shape: Any, points: Any, weights: Any, bands: Any,
    cosines: Any, sines: Any, shares: Any, first: Any, row_chi: Any, values: Any,
) -> None:  # fmt: skip
    """Write streaks at unit height, averaged over bins, and their derivatives.

    `turns` (n_sights, 2, 3) are derivatives of `axis` by alpha and beta.
    """
    terms, n_q = values.shape[1], values.shape[2]
    sums, constants, line = np.empty(7 * STRIDE), np.empty(6), np.empty((7, n_q))
    for s in range(low, high):
        set_constants(shape[fibre[s]], constants)
        ax, ay, az = axis[s]
        for lit in range(first[s], first[s + 1]):
            for t in range(7):
                sums[t * STRIDE : t * STRIDE + points.shape[1]] = 0.0
            for k in range(shares.shape[0]):
                x, y = cosines[row_chi[lit], k], sines[row_chi[lit], k]
                if terms == 1:
                    streak_row(points, x * ax + y * ay, az, constants, shares[k], sums)
                else:
                    row_derivatives(
                        points, x * ax + y * ay, az,
                        x * turns[s, 0, 0] + y * turns[s, 0, 1], turns[s, 0, 2],
                        x * turns[s, 1, 0] + y * turns[s, 1, 1], turns[s, 1, 2], constants, shares[k], sums,
                    )  # fmt: skip
            if terms == 1:
                bins_of(sums, weights, bands, line[0])
            else:
                bins_of_all(sums, weights, bands, line[0], line[1:])
            for t in range(terms):
                for j in range(n_q):
                    values[lit, t, j] = line[t, j]


@_loop
def combine(low: int, high: int, fibre: Any, first: Any, values: Any, factor: Any, out: Any) -> None:
    """Write to `out` (n_rows, n_q) the sum over terms of `factor` (n_fibres, n_terms) times `values`."""
    terms, n_q = values.shape[1], values.shape[2]
    for s in range(low, high):
        f = fibre[s]
        for row in range(first[s], first[s + 1]):
            a = np.float32(factor[f, 0])
            for j in range(n_q):
                out[row, j] = a * values[row, 0, j]
            for t in range(1, terms):
                a = np.float32(factor[f, t])
                for j in range(n_q):
                    out[row, j] += a * values[row, t, j]


@_loop
def add_up(
    low: int, high: int, offsets: Any, sight: Any, weight: Any, first: Any, row_chi: Any, rows: Any, out: Any
) -> None:
    """Write to `out` (n_paths, n_chi, n_q) the weighted sum of the `rows` of the sights of every beam path."""
    n_q = rows.shape[1]
    for p in range(low, high):
        out[p] = 0.0
        for entry in range(offsets[p], offsets[p + 1]):
            s, w = sight[entry], weight[entry]
            for row in range(first[s], first[s + 1]):
                line = out[p, row_chi[row]]
                for j in range(n_q):
                    line[j] += w * rows[row, j]


@_sums
def project(
    low: int, high: int, path_first: Any, path: Any, weight: Any, first: Any, row_chi: Any, values: Any, data: Any,
    out: Any,
) -> None:  # fmt: skip
    """Write to `out` (n_sights, n_terms) the products of `values` with `data` (n_paths, n_chi, n_q), by weight."""
    terms, n_q = values.shape[1], values.shape[2]
    line = np.empty(n_q)
    for s in range(low, high):
        out[s] = 0.0
        for row in range(first[s], first[s + 1]):
            line[:] = 0.0
            for entry in range(path_first[s], path_first[s + 1]):
                w = weight[entry]
                source = data[path[entry], row_chi[row]]
                for j in range(n_q):
                    line[j] += w * source[j]
            for t in range(terms):
                total = 0.0
                for j in range(n_q):
                    total += line[j] * values[row, t, j]
                out[s, t] += total


@_sums
def curvature(
    low: int, high: int, path_first: Any, path: Any, weight: Any, first: Any, row_chi: Any, values: Any, precision: Any,
    out: Any,
) -> None:  # fmt: skip
    """Write to `out` (n_sights, n_terms, n_terms) products of the terms with each other, by weight and precision."""
    terms, n_q = values.shape[1], values.shape[2]
    line, weighted = np.empty(n_q, np.float32), np.empty(n_q, np.float32)
    for s in range(low, high):
        out[s] = 0.0
        for row in range(first[s], first[s + 1]):
            line[:] = 0.0
            for entry in range(path_first[s], path_first[s + 1]):
                w = weight[entry] * weight[entry]
                source = precision[path[entry], row_chi[row]]
                for j in range(n_q):
                    line[j] += w * source[j]
            for t in range(terms):
                for j in range(n_q):
                    weighted[j] = line[j] * values[row, t, j]
                for r in range(t + 1):
                    total = np.float32(0)
                    for j in range(n_q):
                        total += weighted[j] * values[row, r, j]
                    out[s, t, r] += total
        for t in range(terms):
            for r in range(t):
                out[s, r, t] = out[s, t, r]
