"""Whether chi squared about the solution is the parabola that uncertainties are made of, where that is in doubt.

Two fibres whose streaks nearly coincide are told apart by little; along that direction their unknowns go far within
the uncertainty, and chi squared is no parabola. The inverse normal matrix then tells too small an uncertainty, and
nothing else about the fit is wrong.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from tomosaxs_plugins.fibres.joint_covariance import HEIGHT_SD, normal_matrix
from tomosaxs_plugins.fibres.joint_fit import Fit
from tomosaxs_plugins.fibres.joint_part import subset
from tomosaxs_plugins.fibres.joint_sights import Integers
from tomosaxs_plugins.fibres.joint_solver import Solution
from tomosaxs_plugins.fibres.joint_streaks import HEIGHT
from tomosaxs_plugins.fibres.problem import Floats

OVERLAP = 0.5
"""Cosine of two streaks from which on they are looked at."""
TOGETHER = 4
"""Fibres that may move, all others held."""
FAR = 2.0
"""Standard deviations, along the direction that is known least, at which chi squared is looked at."""
BENT = 1.5
"""Factor by which it may differ from the parabola's."""
PART = 0.4
"""Share of its own uncertainty by which a fibre moves along that direction to be concerned."""


def bent(fit: Fit, solution: Solution, covariance: Floats, shared: Floats) -> NDArray[np.bool_]:
    """Return which fibres have uncertainties that chi squared does not bear out.

    Parameters
    ----------
    fit, solution
        What was fitted, and the end of it.
    covariance : (n_fibres, n_terms, n_terms) float array
        Of every fibre.
    shared : (n_fibres, n_fibres) float array
        Cosines of streaks, of `joint_starts.overlaps`.
    """
    out = np.zeros(fit.sights.n_fibres, np.bool_)
    if not len(out):
        return out
    closest = np.argmax(shared, axis=1)
    fibres = np.flatnonzero(shared.max(axis=1) > OVERLAP)
    fibres = fibres[(closest[closest[fibres]] != fibres) | (fibres < closest[fibres])]  # of each other's closest one
    sd = np.sqrt(np.diagonal(covariance, axis1=1, axis2=2))
    results: list[tuple[Integers, Floats, float] | None] = [None] * len(fibres)

    def work(low: int, high: int) -> None:
        for number in range(low, high):
            results[number] = _along(fit, solution, shared, int(fibres[number]))

    fit.crew.each(work, len(fibres))
    for result in results:
        if result is not None and result[2] > BENT:
            members, step, _ = result
            out[members] |= (np.abs(step) / sd[members]).max(axis=1) > PART
    return out


def _along(fit: Fit, solution: Solution, shared: Floats, fibre: int) -> tuple[Integers, Floats, float]:
    """Return fibres, their step of one standard deviation along what is known least, and how bent chi squared is."""
    near = shared[fibre].copy()
    near[fibre] = np.inf
    members = np.sort(np.argsort(-near, kind="stable")[:TOGETHER]).astype(np.int64)
    part = subset(fit, solution, members)
    here = solution.state.parameters[members]
    prior = np.concatenate([[HEIGHT_SD**-2], fit.prior[1:]])
    local = replace(solution, state=part.state(here), precision=part.given)
    matrix = normal_matrix(part, local, np.arange(len(members)), prior)
    matrix = np.tril(matrix) + np.tril(matrix, -1).T
    size = np.sqrt(np.diagonal(matrix))
    values, vectors = np.linalg.eigh(matrix / size / size[:, None])
    step = (vectors[:, 0] / size / np.sqrt(values[0])).reshape(len(members), -1)

    def cost(parameters: Floats) -> float:
        residual, _ = part.residual(part.state(parameters, terms=1).sum, part.given)
        return part.cost(parameters, residual, part.given)

    least, scale, ratios = cost(here), part.scale(here)[:, 0], []
    for side in (-FAR, FAR):
        there = here.copy()
        there[:, 1 : fit.terms] += side * step[:, 1:]
        there[:, HEIGHT] = np.maximum(here[:, HEIGHT] + side * step[:, HEIGHT] * scale, 0.02 * here[:, HEIGHT])
        ratios.append(max(cost(np.clip(there, *fit.limits)) - least, 1e-3) / FAR**2)
    return members, step, max(max(ratios), 1 / min(ratios))
