"""One fit of the sequential method: the sectors of a window, and one to three fibres in them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from tomosaxs_plugins.fibres.joint_weights import precision_of
from tomosaxs_plugins.fibres.problem import Floats
from tomosaxs_plugins.fibres.sequential_algebra import basis_of_background
from tomosaxs_plugins.fibres.sequential_background import background
from tomosaxs_plugins.fibres.sequential_least_squares import Problem, choose_start, fit_streaks
from tomosaxs_plugins.fibres.sequential_model import logit, streaks_of
from tomosaxs_plugins.fibres.sequential_options import DELTA, HEIGHT, WA, Phase, SequentialOptions
from tomosaxs_plugins.fibres.sequential_sectors import Fit, Sectors

_ROUNDS = 3
_GRID = np.arange(-5, 6) * 0.002  # nm^-1 about the start: the steps are a usual radial width


def start_background(sectors: Sectors, centre: float, options: SequentialOptions) -> tuple[Floats, float]:
    """Return the background (n_rows, n_q) found outside the streak, and the decay of its exponential in nm^-1.

    What is known or estimated of all streaks is subtracted before: their tails reach far.
    """
    weight = np.where(sectors.usable, 1 / np.sqrt(sectors.variance), 0.0)
    outside = np.abs(sectors.q - centre) > options.half_streak
    left = sectors.data - sectors.unsolved - sectors.solved.sum(axis=0)
    values, decay, _ = background(sectors.q, left, weight, outside)
    return values, decay


def fit_sectors(sectors: Sectors, below: Floats, decay: float, phase: Phase, options: SequentialOptions) -> Fit:
    """Fit the targets in their sectors.

    Parameters
    ----------
    sectors : Sectors
        The data, and what is known.
    below : (n_rows, n_q) float array
        Background found before; with `background_first` it is subtracted, else it is fitted again.
    decay : float
        Of its exponential in nm^-1.
    phase : Phase
        Gives the bounds.
    options : SequentialOptions
        Of the method.

    Returns
    -------
    Fit
        The last of three: each has the decay of the background, and the variance, that the one before lets expect
        (counts that came out low do not weigh more).
    """
    data = sectors.data - (below if options.background_first else 0.0)
    if options.smooth:
        data = smoothed(data)
    weight = _weights(sectors, sectors.variance, options)
    free, held = _free(sectors.solved, weight, options)
    terms = 0 if options.background_first else 2
    basis = np.zeros((len(data), 2, data.shape[1]))
    problem = _problem(sectors, np.where(sectors.usable, data - held, 0.0), weight, free, basis, phase, options)
    x, factors = np.clip(sectors.targets, problem.low, problem.high), np.zeros(len(free))
    rounds = 1 if options.background_first and options.weights != "poisson" else _ROUNDS
    for number in range(rounds):
        basis_of_background(problem.weight, np.exp(-(sectors.q - sectors.q.mean()) / decay), terms, basis)
        if number == 0:
            grid = np.clip(_GRID + x[:, 0].mean(), problem.low[0], problem.high[0])
            x = choose_start(problem, x, grid)
        x, factors, covariance, converged = fit_streaks(problem, x, factors)
        streaks = streaks_of(x, sectors.angles, sectors.plan, len(sectors.q))
        left = problem.data - streaks.sum(axis=0) - np.tensordot(np.exp(factors), free, 1)
        weight = problem.weight
        slow = _eliminated(left, weight, basis)
        if number == rounds - 1:
            break
        if options.weights == "poisson":
            expected = np.where(sectors.usable, sectors.data - (left - slow), 0.0)
            problem = replace(problem, weight=_weights(sectors, _variance_of_counts(sectors, expected), options))
        if terms:
            outside = np.abs(sectors.q - x[:, 0].mean()) > options.half_streak
            decay = background(sectors.q, left, problem.weight, outside)[1]
    chi_squared = float(np.sum(((left - slow) * weight) ** 2))
    freedom = max(int(np.count_nonzero(weight)) - 5 * len(x) - terms * len(data), 1)
    covariance *= max(1.0, chi_squared / freedom)
    blocks = np.stack([covariance[5 * t : 5 * t + 5, 5 * t : 5 * t + 5] for t in range(len(x))])
    with np.errstate(divide="ignore"):
        sigma = np.where(weight > 0, 1 / weight, np.inf)
    residual = np.where(sectors.usable, left - slow, 0.0)
    at_bound = (x[:, 4] <= problem.low[4]) | (x[:, 4] >= problem.high[4])
    return Fit(x, blocks, converged, chi_squared, freedom, streaks, residual, sigma, at_bound)


def _problem(
    sectors: Sectors,
    data: Floats,
    weight: Floats,
    free: Floats,
    basis: Floats,
    phase: Phase,
    options: SequentialOptions,
) -> Problem:
    """Return the least-squares problem with the bounds of a phase."""
    typical = np.log(sectors.typical)
    height = (float(np.min(typical)) + np.log(HEIGHT[0]), float(np.max(typical)) + np.log(HEIGHT[1]))
    bounds = np.array([phase.q0_bounds(options.order), np.log(WA), np.log(phase.wmu), logit(np.array(DELTA)), height])
    reach = float(np.log(max(options.neighbour_factor, 1.0)))
    return Problem(
        bounds[:, 0].copy(), bounds[:, 1].copy(), reach, max(reach / 3, 1e-6), sectors.angles, sectors.plan,
        data, weight, free, basis,
    )  # fmt: skip


def _weights(sectors: Sectors, variance: Floats, options: SequentialOptions) -> Floats:
    """Return inverse standard uncertainties, or the same number everywhere; 0 where there are no data.

    What the model leaves out, the estimated streaks of other fibres, counts as uncertainty.
    """
    if options.weights == "equal":
        variance = np.full(variance.shape, variance[sectors.usable].mean())
    else:
        variance = variance + sectors.neglected**2
    return np.asarray(np.where(sectors.usable, 1 / np.sqrt(variance), 0.0))


def _variance_of_counts(sectors: Sectors, expected: Floats) -> Floats:
    precision = precision_of(expected, sectors.gain, sectors.usable)
    return np.asarray(1 / np.where(sectors.usable, precision, 1.0))


def _free(solved: Floats, weight: Floats, options: SequentialOptions) -> tuple[Floats, Floats]:
    """Return the streaks whose amplitude the data can tell, and the sum of those that stay as they are."""
    seen = np.sum((solved * weight) ** 2, axis=(1, 2)) > 1.0
    if options.neighbour_factor <= 1.0:
        seen[:] = False
    return np.ascontiguousarray(solved[seen]), solved[~seen].sum(axis=0)


def _eliminated(left: Floats, weight: Floats, basis: Floats) -> Floats:
    """Return the background (n_rows, n_q) that the fit gave to its residuals; 0 where there are no data."""
    share = np.einsum("rtk,rk->rt", basis, left * weight)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.where(weight > 0, np.einsum("rt,rtk->rk", share, basis) / weight, 0.0))


def smoothed(rows: Floats) -> Floats:
    """Return rows (n_rows, n_q) through a Savitzky-Golay filter of three points and first order."""
    out: Floats = rows.copy()
    out[:, 1:-1] = (rows[:, :-2] + rows[:, 1:-1] + rows[:, 2:]) / 3
    out[:, 0] = (5 * rows[:, 0] + 2 * rows[:, 1] - rows[:, 2]) / 6
    out[:, -1] = (5 * rows[:, -1] + 2 * rows[:, -2] - rows[:, -3]) / 6
    return out
