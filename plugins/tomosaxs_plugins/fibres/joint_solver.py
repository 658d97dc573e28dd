"""The iterations of the joint fit: heights first, then everything, with weights from the fit, until nothing moves."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tomosaxs_plugins.fibres.joint_fit import Fit, State, blocks_of, conjugate_gradients
from tomosaxs_plugins.fibres.joint_streaks import HEIGHT
from tomosaxs_plugins.fibres.problem import Floats

MOST_PRODUCTS = 400
_TINY = 1e-9  # of the diagonal, where nothing is known of an unknown


@dataclass(eq=False)
class Solution:
    """The end of the iterations.

    Parameters
    ----------
    state : State
        Parameters, streaks, intensity of all fibres.
    precision : (n_paths, n_chi, n_q) float array
        Weights of the data.
    residual : (n_paths, n_chi, n_q) float array
        Data less fibres and backgrounds; 0 where unusable.
    backgrounds : (n_paths, n_background_terms) float array
        Coefficients.
    blocks : (n_fibres, n_terms, n_terms) float array
        Curvature of the data in the unknowns of single fibres (the first is relative to `Fit.scale`).
    cost : float
        Chi squared of data and prior.
    iterations, products : int
        Iterations, and products with the normal matrix in them.
    step : (n_fibres, n_terms) float array
        The last step taken in the unknowns (the height relative to `Fit.scale`).
    history : list of float
        Cost after every iteration, in the weights of that time.
    """

    state: State
    precision: Floats
    residual: Floats
    backgrounds: Floats
    blocks: Floats
    cost: float
    iterations: int
    products: int
    step: Floats
    history: list[float]


def inverse_blocks(blocks: Floats, extra: Floats) -> Floats:
    """Return inverses of the blocks of single fibres with `extra` (n_fibres, n_terms) on their diagonals."""
    identity = np.eye(blocks.shape[1])
    return np.asarray(np.linalg.inv(blocks + extra[:, :, None] * identity), np.float64)


def first_heights(fit: Fit, rounds: int = 3) -> Floats:
    """Return parameters with heights from linear least squares at the starting shapes.

    None is below a tenth of the median. Weights are from the data first, smoothed along azimuth, then from the fit.
    """
    parameters = fit.start.copy()
    state = fit.state(parameters, terms=1)
    smooth = fit.data.copy()
    smooth[:, 1:] += fit.data[:, :-1]
    smooth[:, :-1] += fit.data[:, 1:]
    expected = np.maximum(smooth / 3, 0)
    for _ in range(rounds):
        precision = fit.precision(expected)
        fit.background.weigh(precision)
        weighted = fit.background.remove(fit.data * precision, precision)
        right = state.streaks.backward(weighted)
        curve = state.streaks.per_fibre(state.streaks.curvature_of_sights(precision))
        seen = curve[curve > 0]
        extra = np.full((len(right), 1), 1e-4 * float(np.median(seen)) if len(seen) else 1.0)
        plain = State(np.ones_like(parameters), state.streaks, state.sum)
        inverse = 1 / (curve + extra[:, :, None])
        heights, _ = conjugate_gradients(fit, plain, precision, extra, inverse, right, 1e-2, MOST_PRODUCTS)
        heights = heights[:, 0]
        typical = np.median(heights[heights > 0]) if np.any(heights > 0) else 1.0
        parameters[:, HEIGHT] = np.maximum(heights, 0.1 * typical)
        total = state.streaks.forward(parameters[:, :1])
        _, coefficients = fit.residual(total, precision)
        expected = total + fit.background.curve(coefficients)
    return np.asarray(parameters)


def solve(fit: Fit, parameters: Floats, most: int | None = None, enough: float | None = None) -> Solution:
    """Iterate from `parameters` until it is at the minimum, or `most` iterations are done.

    The end is where no fibre moves by more than `enough` of its standard uncertainty (that of the fibre alone, which is
    the smaller one), or where chi squared cannot fall by more than the square of five times that: then all of it is so
    near, also along directions in which fibres are determined only together and Newton's steps are no good. The
    damping follows from how well a step did what was foretold of it (Nielsen, 1999).
    """
    enough = fit.options.tolerance if enough is None else enough
    state = fit.state(parameters)
    expected = state.sum
    precision, damping, products, loose = fit.precision(expected), 1e-2, 0, True
    last = np.full((len(parameters), fit.terms), np.inf)
    history: list[float] = []
    for number in range(1, (most or fit.options.max_iterations) + 1):
        for _ in range(2 if number == 1 else 1):  # the first weights do not know the background yet
            precision = fit.precision(expected)
            fit.background.weigh(precision)
            residual, coefficients = fit.residual(state.sum, precision)
            expected = state.sum + fit.background.curve(coefficients)
        cost = fit.cost(state.parameters, residual, precision)
        blocks = blocks_of(fit, state, precision)
        right = state.streaks.backward(residual * precision) * fit.scale(state.parameters)
        right -= fit.prior * (state.parameters - fit.start)[:, : fit.terms]
        diagonal = np.diagonal(blocks, axis1=1, axis2=2)
        harder = 4.0
        for _ in range(6):
            extra = fit.prior + damping * diagonal + _TINY * (1 + diagonal)
            inverse = inverse_blocks(blocks, extra)
            step, used = conjugate_gradients(
                fit, state, precision, extra, inverse, right, 3e-2 if loose else 1e-3, MOST_PRODUCTS
            )
            products += used
            foretold = float((step * right).sum() + damping * (step * step * diagonal).sum())
            trial = fit.state(fit.clip(state.parameters, step))
            trial_residual, trial_coefficients = fit.residual(trial.sum, precision)
            trial_cost = fit.cost(trial.parameters, trial_residual, precision)
            if trial_cost <= cost * (1 + 1e-9) + 1e-3:
                break
            damping, harder = max(harder * damping, 1e-4), 2 * harder
        else:
            break
        gain = (cost - trial_cost) / foretold if foretold > 0 else 1.0
        damping *= min(max(0.1, 1 - (2 * gain - 1) ** 3), 2.0)
        sd = np.sqrt(np.diagonal(inverse_blocks(blocks, fit.prior + _TINY * (1 + diagonal)), axis1=1, axis2=2))
        moves = np.abs(step / sd).max()
        last = step
        state, expected = trial, trial.sum + fit.background.curve(trial_coefficients)
        history.append(trial_cost)
        loose = moves > 1.0
        if moves < enough or (not loose and foretold < (5 * enough) ** 2):
            break
    precision = fit.precision(expected)
    fit.background.weigh(precision)
    residual, coefficients = fit.residual(state.sum, precision)
    return Solution(
        state, precision, residual, coefficients, blocks_of(fit, state, precision),
        fit.cost(state.parameters, residual, precision), number, products, last, history,
    )  # fmt: skip
