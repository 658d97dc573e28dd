"""The iterations of the joint fit: heights first, then everything, with weights from the fit, until nothing moves."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from tomosaxs_plugins.fibres.joint_fit import Fit, State, blocks_of, conjugate_gradients
from tomosaxs_plugins.fibres.joint_streaks import HEIGHT, Q0
from tomosaxs_plugins.fibres.problem import Floats

MOST_PRODUCTS = 400
STAGES = (((0.012, 0.25, 0.18, 0.5), 12, 0.5),)
"""Standard deviations of q0 (relative), log wa, log wmu and logit delta about the start, iterations, last move."""
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
    moves : (n_fibres,) float array
        Last step of every fibre, in its standard uncertainties (of the fibre alone, which are the smaller ones).
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
    moves: Floats
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


def solve_in_stages(fit: Fit, parameters: Floats, most: int | None = None) -> Solution:
    """Iterate from `parameters` with shapes held near the start first, then as free as they are.

    Far from the solution streaks would change their shapes and directions to stand for their neighbours, and stay so.
    """
    free = fit.prior
    iterations, products = 0, 0
    for spread, rounds, enough in STAGES:
        held = np.array([np.inf, spread[0] * float(np.median(fit.start[:, Q0])), *spread[1:]]) ** -2.0
        fit.prior = free.copy()
        fit.prior[: len(held)] = np.maximum(free[: len(held)], held)
        stage = solve(fit, parameters, rounds, enough)
        parameters = stage.state.parameters
        iterations, products = iterations + stage.iterations, products + stage.products
    fit.prior = free
    last = solve(fit, parameters, most)
    return replace(last, iterations=iterations + last.iterations, products=products + last.products)


def solve(fit: Fit, parameters: Floats, most: int | None = None, enough: float | None = None) -> Solution:
    """Iterate from `parameters` until no fibre moves by more than `enough`, or `most` iterations are done."""
    options = fit.options
    enough = options.tolerance if enough is None else enough
    state = fit.state(parameters)
    expected = state.sum
    precision, damping, products, loose = fit.precision(expected), 1e-2, 0, True
    moves = np.full(len(parameters), np.inf)
    history: list[float] = []
    for number in range(1, (most or options.max_iterations) + 1):
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
        accepted = False
        for _ in range(6):
            extra = fit.prior + damping * diagonal + _TINY * (1 + diagonal)
            inverse = inverse_blocks(blocks, extra)
            step, used = conjugate_gradients(
                fit, state, precision, extra, inverse, right, 3e-2 if loose else 1e-3, MOST_PRODUCTS
            )
            products += used
            trial = fit.state(fit.clip(state.parameters, step))
            trial_residual, trial_coefficients = fit.residual(trial.sum, precision)
            trial_cost = fit.cost(trial.parameters, trial_residual, precision)
            if trial_cost <= cost * (1 + 1e-9) + 1e-3:
                accepted = True
                break
            damping = max(10 * damping, 1e-4)
        if not accepted:
            break
        damping = damping / 10 if damping > 1e-6 else 0.0
        sd = np.sqrt(np.diagonal(inverse_blocks(blocks, fit.prior + _TINY * (1 + diagonal)), axis1=1, axis2=2))
        moves = np.abs(step / sd).max(axis=1)
        state, expected = trial, trial.sum + fit.background.curve(trial_coefficients)
        history.append(trial_cost)
        loose = moves.max() > 1.0
        if moves.max() < enough:
            break
    precision = fit.precision(expected)
    fit.background.weigh(precision)
    residual, coefficients = fit.residual(state.sum, precision)
    return Solution(
        state, precision, residual, coefficients, blocks_of(fit, state, precision),
        fit.cost(state.parameters, residual, precision), number, products, moves, history,
    )  # fmt: skip
