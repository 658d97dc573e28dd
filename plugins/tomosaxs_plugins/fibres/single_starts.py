"""A fit of one streak from several starts, with its covariance, as one compiled function.

Plain functions on plain arrays.
"""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import numpy as np

from tomosaxs_plugins.compiled import compiled
from tomosaxs_plugins.fibres.binned import STRIDE
from tomosaxs_plugins.fibres.single_kernels import FREE, cholesky, fit, solve

_compiled = partial(compiled, nogil=True, error_model="numpy")


@_compiled
def weights_of(data: Any, sigma: Any) -> Any:
    """Return 1 / sigma^2, 0 where data or sigma are not finite; all 1 where `sigma` is of no sector."""
    weights = np.zeros(data.shape)
    for s in range(data.shape[0]):
        for j in range(data.shape[1]):
            if sigma.shape[0] == 0:
                weights[s, j] = 1.0
            elif sigma[s, j] > 0.0:
                weights[s, j] = 1.0 / (sigma[s, j] * sigma[s, j])
            if not math.isfinite(data[s, j]) or not math.isfinite(weights[s, j]):
                weights[s, j] = 0.0
    return weights


@_compiled
def places(q: Any, chi: Any, alpha: float, beta: float, wavelength: float, points: Any, rows: Any) -> None:
    """Write what `model_in_sectors` takes: components of Q, and of the fibre's direction; angles are in rad."""
    for j in range(q.size):
        sine = q[j] * wavelength / (4.0 * math.pi)
        points[0, j], points[1, j], points[2, j] = q[j], q[j] * math.sqrt(1.0 - sine * sine), q[j] * sine
    x, y, z = math.sin(alpha) * math.sin(beta), math.cos(alpha), math.sin(alpha) * math.cos(beta)
    for s in range(chi.shape[0]):
        for c in range(chi.shape[1]):
            rows[s, c, 0], rows[s, c, 1] = math.cos(chi[s, c]) * x + math.sin(chi[s, c]) * y, z


@_compiled
def covariance_of(matrix: Any, held: Any, factor: Any, covariance: Any) -> None:
    """Write the inverse of J^T W J, NaN where it has none and for parameters that are held."""
    covariance[:] = math.nan
    if not cholesky(matrix, 0.0, held, factor):
        return
    unit, column = np.zeros(FREE), np.zeros(FREE)
    for a in range(FREE):
        unit[:] = 0.0
        unit[a] = 1.0
        solve(factor, unit, column)
        for b in range(FREE):
            if not (held[a] or held[b]):
                covariance[b, a] = column[b]


@_compiled
def fit_from_starts(
    q: Any, chi: Any, alpha: float, beta: float, wavelength: float, data: Any, weights: Any, start: Any, changes: Any,
    low: Any, high: Any, most: int, tolerance: float, good: float, best: Any, covariance: Any,
) -> tuple[float, int, bool]:  # fmt: skip
    """Fit from a start and, as long as that ends badly, from others around it.

    Parameters
    ----------
    q, chi : (n_q,) and (n_sectors, n_chi) arrays
        In nm^-1 and rad.
    alpha, beta, wavelength : float
        Direction of the fibre in rad; wavelength in nm.
    data, weights : (n_sectors, n_q) arrays
        Intensity and its weight.
    start, low, high : (5,) arrays
        Start and bounds.
    changes : (n_starts, 5) array
        Of the start.
    most, tolerance : int, float
        As of `fit`.
    good : float
        A cost up to which a fit that has converged is taken without looking further.
    best, covariance : (5,) and (5, 5) arrays
        Are written: the parameters and the inverse of J^T W J.

    Returns
    -------
    float
        Cost; infinite where no start has led anywhere.
    int
        Evaluations from all starts.
    bool
        Whether it converged with no parameter at a bound.
    """
    shape = data.shape
    points, rows = np.empty((3, q.size)), np.empty((chi.shape[0], chi.shape[1], 2))
    places(q, chi, alpha, beta, wavelength, points, rows)
    work = (
        np.empty(shape), np.empty((FREE, shape[0], shape[1])), np.empty(shape), np.empty((FREE, shape[0], shape[1])),
        np.empty(7 * STRIDE), np.empty(FREE), np.empty(FREE), np.empty(FREE),
    )  # fmt: skip
    matrix, factor, held = np.zeros((FREE, FREE)), np.zeros((FREE, FREE)), np.zeros(FREE, np.bool_)
    cost, count, ended, x = math.inf, 0, False, np.empty(FREE)
    for a in range(FREE):
        best[a] = start[a]
    covariance[:] = math.nan
    for k in range(changes.shape[0]):
        for a in range(FREE):
            x[a] = min(max(start[a] + changes[k, a], low[a]), high[a])
        new, tried, converged = fit(
            x, points, rows, data, weights, low, high, most, tolerance, work, matrix, factor, held
        )
        count += tried
        if new < cost:
            cost, ended = new, converged and not np.any(held)
            for a in range(FREE):
                best[a] = x[a]
            covariance_of(matrix, held, factor, covariance)
        if ended and cost <= good:
            break
    return cost, count, ended
