"""The loops of a fit of one streak: model and Jacobian in sectors, normal equations, Levenberg-Marquardt.

Plain functions on plain arrays. Parameters are log height, q0, log wa, log wmu and logit delta.
"""

from __future__ import annotations

import math
from functools import partial
from typing import Any

from tomosaxs_plugins.compiled import compiled
from tomosaxs_plugins.fibres.binned import STRIDE, row_derivatives

_compiled = partial(compiled, nogil=True, error_model="numpy", fastmath={"contract"})

FREE = 5
"""Number of parameters."""

LONGEST = 1.0
"""Largest change of a logarithm in one step: no more than a factor of 2.7; q0 may move by three radial widths."""


@_compiled
def model_in_sectors(x: Any, points: Any, rows: Any, values: Any, slopes: Any, sums: Any) -> None:
    """Write the mean over the azimuths of every sector, and its derivatives with respect to the five parameters.

    Parameters
    ----------
    x : (5,) array
        Log height, q0, log wa, log wmu, logit delta.
    points : (3, n_q) array
        |Q|, and its components across and along the beam.
    rows : (n_sectors, n_chi, 2) array
        Components of the fibre's direction along every azimuth and along the beam.
    values, slopes : (n_sectors, n_q) and (5, n_sectors, n_q) arrays
        What is written.
    sums : (7 * STRIDE,) array
        Room to work in.
    """
    n = points.shape[1]
    height, q0, wa, wmu = math.exp(x[0]), x[1], math.exp(x[2]), math.exp(x[3])
    delta = 1.0 / (1.0 + math.exp(-x[4]))
    tangent = math.tan(wmu)
    width = q0 * tangent
    constants = (
        q0, q0 / delta, 0.5 / (width * width), 1.0 / (wa * wa), 1.0 - delta,
        wmu * (1.0 + tangent * tangent) / tangent,
    )  # fmt: skip
    share = height / rows.shape[1]
    for s in range(rows.shape[0]):
        for k in range(5):
            sums[k * STRIDE : k * STRIDE + n] = 0.0
        for c in range(rows.shape[1]):
            row_derivatives(points, rows[s, c, 0], rows[s, c, 1], 0.0, 0.0, 0.0, 0.0, constants, share, sums)
        for j in range(n):
            values[s, j] = sums[j]
            slopes[0, s, j] = sums[j]
            for k in range(1, 5):
                slopes[k, s, j] = sums[k * STRIDE + j]


@_compiled
def normal_equations(data: Any, weights: Any, values: Any, slopes: Any, matrix: Any, vector: Any) -> float:
    """Write J^T W J and J^T W r, and return r^T W r, with r the data less the model."""
    matrix[:] = 0.0
    vector[:] = 0.0
    cost = 0.0
    for s in range(data.shape[0]):
        for j in range(data.shape[1]):
            w = weights[s, j]
            if w == 0.0:
                continue
            r = data[s, j] - values[s, j]
            cost += w * r * r
            for a in range(FREE):
                wa = w * slopes[a, s, j]
                vector[a] += wa * r
                for b in range(a + 1):
                    matrix[a, b] += wa * slopes[b, s, j]
    return cost


@_compiled
def cholesky(matrix: Any, damping: float, held: Any, factor: Any) -> bool:
    """Write the lower factor of a matrix whose diagonal is made larger by a part; return whether there is one.

    Parameters that are `held` have nothing to do with the others.
    """
    for a in range(FREE):
        for b in range(a + 1):
            rest = matrix[a, b] * (1.0 + damping if a == b else 1.0)
            if held[a] or held[b]:
                rest = 1.0 if a == b else 0.0
            for k in range(b):
                rest -= factor[a, k] * factor[b, k]
            if a == b:
                if not (held[a] or rest > 1e-14 * matrix[a, a]):
                    return False
                factor[a, a] = math.sqrt(rest)
            else:
                factor[a, b] = rest / factor[b, b]
    return True


@_compiled
def solve(factor: Any, vector: Any, out: Any) -> None:
    """Write the solution of factor factor^T out = vector."""
    for a in range(FREE):
        rest = vector[a]
        for k in range(a):
            rest -= factor[a, k] * out[k]
        out[a] = rest / factor[a, a]
    for a in range(FREE - 1, -1, -1):
        rest = out[a]
        for k in range(a + 1, FREE):
            rest -= factor[k, a] * out[k]
        out[a] = rest / factor[a, a]


@_compiled
def squares(data: Any, weights: Any, values: Any) -> float:
    """Return the sum of weighted squares of the data less the model."""
    total = 0.0
    for s in range(data.shape[0]):
        for j in range(data.shape[1]):
            if weights[s, j] != 0.0:
                total += weights[s, j] * (data[s, j] - values[s, j]) ** 2
    return total


@_compiled
def start_height(x: Any, points: Any, rows: Any, data: Any, weights: Any, values: Any, slopes: Any, sums: Any) -> float:
    """Set the height that fits best with the other parameters as they are, and model and derivatives with it.

    Returns the sum of weighted squares of the data; 0 where no positive height fits.
    """
    x[0] = 0.0
    model_in_sectors(x, points, rows, values, slopes, sums)
    above = below = whole = 0.0
    for s in range(data.shape[0]):
        for j in range(data.shape[1]):
            w = weights[s, j]
            if w != 0.0:
                above += w * data[s, j] * values[s, j]
                below += w * values[s, j] * values[s, j]
                whole += w * data[s, j] * data[s, j]
    if not (above > 0.0 and below > 0.0):
        return 0.0
    height = above / below
    x[0] = math.log(height)
    values *= height
    slopes *= height
    return whole


@_compiled
def propose(
    x: Any, matrix: Any, vector: Any, factor: Any, damping: float, low: Any, high: Any, held: Any, step: Any, trial: Any
) -> float:
    """Write the parameters to try next, and return by how much they promise to lower the cost.

    Parameters at a bound that would go beyond it are held. Steps longer than `LONGEST` are made shorter. Returns a
    negative number where the normal equations have no solution.
    """
    for a in range(FREE):
        held[a] = (x[a] <= low[a] and vector[a] < 0.0) or (x[a] >= high[a] and vector[a] > 0.0)
    if not cholesky(matrix, damping, held, factor):
        return -1.0
    for a in range(FREE):
        trial[a] = 0.0 if held[a] else vector[a]
    solve(factor, trial, step)
    longest = 0.0
    for a in range(FREE):
        longest = max(longest, abs(step[a]) * (math.exp(-x[2]) / 3.0 if a == 1 else 1.0))
    shorter = min(1.0, LONGEST / longest) if longest > 0.0 else 1.0
    promised = 0.0
    for a in range(FREE):
        trial[a] = min(max(x[a] + shorter * step[a], low[a]), high[a])
        step[a] = trial[a] - x[a]
        promised += step[a] * (2.0 * vector[a] - matrix[a, a] * step[a])
        for b in range(a):
            promised -= 2.0 * step[a] * matrix[a, b] * step[b]
    return promised


@_compiled
def fit(
    x: Any, points: Any, rows: Any, data: Any, weights: Any, low: Any, high: Any, most: int, tolerance: float,
    work: Any, matrix: Any, factor: Any, held: Any,
) -> tuple[float, int, bool]:  # fmt: skip
    """Fit the five parameters in place.

    Levenberg-Marquardt with the damping of Nielsen: each step is the solution of the normal equations with the diagonal
    made larger by a part, which shrinks after good steps and grows after bad ones. The fit
    has converged when a step promises less than `tolerance` of the cost.

    Parameters
    ----------
    x, low, high : (5,) arrays
        Parameters, and where they may be. The height begins where it fits best.
    points, rows : arrays
        As of `model_in_sectors`.
    data, weights : (n_sectors, n_q) arrays
        Intensity and its weight, 0 where it is not used.
    most : int
        Evaluations allowed.
    tolerance : float
        Part of the cost.
    work : tuple of arrays
        values, slopes, values and slopes of a trial, sums, vector, step, trial.
    matrix, factor : (5, 5) arrays
        J^T W J at the end, lower half, and room for its factor.
    held : (5,) bool array
        Parameters at a bound at the end that would go beyond it.

    Returns
    -------
    float
        Cost, the sum of weighted squares; NaN where no positive height fits at the start.
    int
        Evaluations.
    bool
        Whether it converged.
    """
    values, slopes, other_values, other_slopes, sums, vector, step, trial = work
    sums[:] = 0.0
    whole = start_height(x, points, rows, data, weights, values, slopes, sums)
    if not whole > 0.0:
        return math.nan, 1, False
    cost = normal_equations(data, weights, values, slopes, matrix, vector)
    damping, growth = 1e-3, 2.0
    for count in range(2, most + 1):
        promised = propose(x, matrix, vector, factor, damping, low, high, held, step, trial)
        if 0.0 <= promised <= tolerance * cost or cost <= 1e-22 * whole:
            return cost, count, damping < 1.0
        if promised < 0.0:
            damping, growth = max(damping * growth, 1e-9), 2.0 * growth
            if damping > 1e12:
                return cost, count, False
            continue
        model_in_sectors(trial, points, rows, other_values, other_slopes, sums)
        new = squares(data, weights, other_values)
        if new < cost:
            gain = (cost - new) / promised
            damping *= max(1.0 / 3.0, 1.0 - (2.0 * gain - 1.0) ** 3)
            growth = 2.0
            for a in range(x.size):
                x[a] = trial[a]
            values, other_values = other_values, values
            slopes, other_slopes = other_slopes, slopes
            cost = normal_equations(data, weights, values, slopes, matrix, vector)
        else:
            damping, growth = max(damping * growth, 1e-9), 2.0 * growth
            if damping > 1e12:
                return cost, count, False
    return cost, most, False
