"""A fast descent for a few fibres: the normal matrix is written out, and only bins near their streaks are looked at."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tomosaxs_plugins.fibres import joint_pair_kernels as kernels
from tomosaxs_plugins.fibres.binned import Plan, plan
from tomosaxs_plugins.fibres.joint_part import Part
from tomosaxs_plugins.fibres.joint_streaks import Q0, WA, Streaks
from tomosaxs_plugins.fibres.problem import Floats

REACH = 8.0
"""Bins farther from every q0 than so many half widths are left out."""
_TINY = 1e-9


def cropped(part: Part, parameters: Floats) -> Part:
    """Return the part with the bins of q near the streaks only (in place).

    Parameters
    ----------
    part : Part
        Of `joint_part.subset`.
    parameters : (n, 7) float array
        All q0 that may matter.
    """
    whole: Plan = plan(part.bins)
    points, weights, bands, *rest = whole
    reach = REACH * float(np.exp(np.median(parameters[:, WA]))) + 2 * part.bins.smearing + part.bins.q_width
    low, high = parameters[:, Q0].min() - reach, parameters[:, Q0].max() + reach
    chosen = np.flatnonzero((part.bins.q > low) & (part.bins.q < high))
    first, stop = int(chosen[0]), int(chosen[-1]) + 1
    begin, end = int(bands[first:stop, 0].min()), int(bands[first:stop, 1].max())
    part.plan = (
        np.ascontiguousarray(points[:, begin:end]), np.ascontiguousarray(weights[first:stop, begin:end]),
        bands[first:stop] - begin, rest[0], rest[1], rest[2],
    )  # fmt: skip
    part.usable, part.gain = part.usable[:, :, first:stop], part.gain[:, :, first:stop]
    part.given = np.ascontiguousarray(part.given[:, :, first:stop])
    part.data = np.ascontiguousarray(part.data[:, :, first:stop])
    part.left = part.left[:, :, first:stop]
    return part


@dataclass(eq=False)
class _Place:
    parameters: Floats
    streaks: Streaks
    residual: Floats
    cost: float


def _place(part: Part, parameters: Floats) -> _Place:
    state = part.state(parameters)
    residual = part.data - state.sum
    off = (parameters - part.start)[:, : part.terms]
    cost = float((residual * residual * part.given).sum()) + float((off * off * part.prior).sum())
    return _Place(parameters, state.streaks, residual, cost)


def descend(part: Part, parameters: Floats, rounds: int, enough: float) -> tuple[Floats, float, bool]:
    """Return parameters after at most so many steps of Levenberg and Marquardt, chi squared, and whether it has ended.

    Parameters
    ----------
    part : Part
        Residuals with everything else as it is; weights are held.
    parameters : (n, 7) float array
        Start.
    rounds : int
        Most steps.
    enough : float
        The end is where no unknown moves by more than this many standard deviations, all others held.
    """
    here, damping = _place(part, parameters), 1e-2
    for _ in range(rounds):
        scale = part.scale(here.parameters)
        matrix, right = _normal_equations(part, here, scale)
        diagonal = np.diagonal(matrix).copy()
        prior = np.tile(part.prior, len(parameters))
        harder = 4.0
        for _ in range(6):
            extra = prior + damping * diagonal + _TINY * (1 + diagonal)
            step = right.copy()
            kernels.solve_positive(matrix + np.diag(extra), step)
            foretold = float(step @ right + damping * (step * step * diagonal).sum())
            there = _place(part, part.clip(here.parameters, step.reshape(-1, part.terms)))
            if there.cost <= here.cost * (1 + 1e-9) + 1e-3:
                break
            damping, harder = max(harder * damping, 1e-4), 2 * harder
        else:
            return here.parameters, here.cost, True
        gain = (here.cost - there.cost) / foretold if foretold > 0 else 1.0
        damping *= min(max(0.1, 1 - (2 * gain - 1) ** 3), 2.0)
        here = there
        if np.abs(step * np.sqrt(diagonal + prior)).max() < enough:
            return here.parameters, here.cost, True
    return here.parameters, here.cost, False


def _normal_equations(part: Part, here: _Place, scale: Floats) -> tuple[Floats, Floats]:
    """Return J^T W J (n n_terms, n n_terms) and the right side, with the prior in the latter alone."""
    sights, streaks, terms = part.sights, here.streaks, part.terms
    size = sights.n_fibres * terms
    matrix, right = np.zeros((size, size)), np.zeros(size)
    kernels.normal_equations(
        sights.offsets, sights.sight, sights.weight, sights.fibre, streaks.first, streaks.row_chi, streaks.values,
        part.given, here.residual, matrix, right,
    )  # fmt: skip
    flat = scale.ravel()
    matrix = np.tril(matrix) + np.tril(matrix, -1).T
    off = (part.prior * (here.parameters - part.start)[:, :terms]).ravel()
    return matrix * flat * flat[:, None], right * flat - off
