"""Levenberg-Marquardt fit of one to three streaks in the sectors of one window.

Unknown are q0, log wa, log wmu, logit delta and the logarithm of the height of every target, and the logarithm of a
factor on every streak known before (with a weak prior). The background of a sector is linear and is eliminated.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tomosaxs_plugins.fibres.sequential_algebra import assemble, cholesky, eliminate, normal_equations, solve
from tomosaxs_plugins.fibres.sequential_model import LIMIT, fibres_of, fill_bins, unit_streaks

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Problem:
    """What is fitted.

    Parameters
    ----------
    low, high : (5,) float arrays
        Bounds of a target's unknowns.
    reach, prior : float
        Factors on the streaks known before have logarithms within +-`reach`, with standard deviation `prior`.
    angles : (n, 2) float array
        Directions of the targets in rad, rotation included.
    plan : tuple
        Of the model, for the sectors alone.
    data, weight : (n_rows, n_q) float arrays
        Intensity less what is held, and inverse standard uncertainties (0 where a bin is not used).
    known : (m, n_rows, n_q) float array
        Streaks known before.
    basis : (n_rows, 2, n_q) float array
        Orthonormal weighted shapes of the background.
    most : int
        Most evaluations.
    tolerance : float
        Relative change of the cost at which the fit ends.
    """

    low: Array
    high: Array
    reach: float
    prior: float
    angles: Array
    plan: Any
    data: Array
    weight: Array
    known: Array
    basis: Array
    most: int = 200
    tolerance: float = 1e-8

    def limits(self) -> tuple[Array, Array]:
        """Return lower and upper bounds of all unknowns: targets one after the other, then factors."""
        n, m = len(self.angles), len(self.known)
        low = np.concatenate([np.tile(self.low, n), np.full(m, -self.reach)])
        return low, np.concatenate([np.tile(self.high, n), np.full(m, self.reach)])


def choose_start(problem: Problem, x: Array, grid: Array) -> Array:
    """Return the start with the q0 and the height of every target that describe the data best.

    One target after the other, as many rounds as there are targets.

    Parameters
    ----------
    problem : Problem
        With the streaks known before as they are.
    x : (n, 5) float array
        Start.
    grid : (k,) float array
        Values of q0 in nm^-1 to try.
    """
    x = x.copy()
    weight, basis = problem.weight, problem.basis
    data = (problem.data - problem.known.sum(axis=0)) * weight
    shapes = np.empty((len(x), len(grid), *data.shape))
    for t, each in enumerate(x):
        trial = np.tile(fibres_of(each[None], problem.angles[t : t + 1]), (len(grid), 1))
        trial[:, 2] = grid
        shapes[t] = unit_streaks(trial[:, :2], trial[:, 2:], problem.plan, data.shape[1]) * weight
        for shape in shapes[t]:
            eliminate(shape, basis)
    squares = np.maximum(np.sum(shapes**2, axis=(2, 3)), 1e-300)
    parts = np.zeros((len(x), *data.shape))
    for _ in range(len(x)):
        for t in range(len(x)):
            left = data - parts.sum(axis=0) + parts[t]
            match = np.maximum(np.sum(shapes[t] * left, axis=(1, 2)), 0.0)  # the background is not in the shapes
            best = int(np.argmax(match**2 / squares[t]))
            height = match[best] / squares[t, best]
            parts[t] = height * shapes[t, best]
            if height > 0:
                x[t, 0], x[t, 4] = grid[best], np.log(height)
    return np.clip(x, problem.low, problem.high)


def fit_streaks(problem: Problem, x: Array, factors: Array) -> tuple[Array, Array, Array, bool]:
    """Fit from a start.

    Parameters
    ----------
    problem : Problem
        Data and model.
    x : (n, 5) float array
        Start of the targets: q0, log wa, log wmu, logit delta, log height.
    factors : (m,) float array
        Start of the logarithms of the factors.

    Returns
    -------
    x, factors : (n, 5) and (m,) float arrays
        Fitted.
    covariance : (5 n + m, 5 n + m) float array
        Inverse of the normal matrix; not a number where that is singular.
    converged : bool
        Whether the cost came to rest before the most evaluations.
    """
    n, size = len(x), 5 * len(x) + len(factors)
    low, high = problem.limits()
    unknowns = np.clip(np.concatenate([x.ravel(), factors]), low, high)
    jacobian, residual = np.empty((size, *problem.data.shape)), np.empty(problem.data.shape)
    normal, right = np.empty((size, size)), np.empty(size)
    cost = _evaluate(problem, unknowns, n, residual, jacobian)
    normal_equations(jacobian, residual, unknowns[5 * n :], problem.prior, normal, right)
    damping, converged = 1e-3, False
    for _ in range(problem.most):
        held = ((unknowns <= low) & (right < 0)) | ((unknowns >= high) & (right > 0))
        matrix, step = normal + np.diag(damping * np.diag(normal) + 1e-300), np.where(held, 0.0, right)
        matrix[held], matrix[:, held] = 0.0, 0.0
        matrix[held, held] = 1.0
        if not cholesky(matrix, size):
            damping = max(10 * damping, 1e-6)
            continue
        solve(matrix, size, step)
        trial = np.clip(unknowns + step, low, high)
        new = _evaluate(problem, trial, n, residual, jacobian)
        rest = abs(cost - new) <= problem.tolerance * cost
        if new <= cost:
            unknowns, cost = trial, new
            normal_equations(jacobian, residual, unknowns[5 * n :], problem.prior, normal, right)
            converged = rest and damping <= 1.0
            damping = max(damping / 5, 1e-12)
        else:
            converged = damping > 1e8 or (rest and damping > 1.0)
            damping *= 4
        if converged:
            break
    return unknowns[: 5 * n].reshape(n, 5), unknowns[5 * n :], _inverse(normal), converged


def _evaluate(problem: Problem, unknowns: Array, n: int, residual: Array, jacobian: Array) -> float:
    """Fill the weighted residual and its slopes without the background; return the cost."""
    x, factors = unknowns[: 5 * n].reshape(n, 5), unknowns[5 * n :]
    values, slopes = np.zeros((n, *residual.shape)), np.zeros((n, 6, *residual.shape))
    fibres = fibres_of(x, problem.angles)
    fill_bins(fibres, 0, n, *problem.plan, LIMIT, values, slopes, np.zeros((n, 2), np.intp))
    cost = assemble(
        np.exp(x[:, 4]), values, slopes, np.exp(factors), problem.known, problem.data, problem.weight, problem.basis,
        residual, jacobian,
    )  # fmt: skip
    return float(cost + np.sum((factors / problem.prior) ** 2))


def _inverse(normal: Array) -> Array:
    """Return the inverse of a normal matrix, all not a number where it is singular."""
    size = len(normal)
    factor, inverse = normal.copy(), np.eye(size)
    if not cholesky(factor, size):
        return np.full((size, size), np.nan)
    for row in inverse:
        solve(factor, size, row)
    return inverse
