"""Fibres that may hold each other's place: they are tried elsewhere, and what fits better is kept.

A fit of all fibres can end where two of them stand for each other's streaks. Nothing about the end tells: all others
have adapted. So every pair whose streaks overlap in the beam paths is tried the other way round (`joint_starts`), those
that overlap most with it free to follow, all others held. Where that is better, all fibres start from there again;
where it is about as good, the data cannot decide, and the fibres are flagged.
"""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from tomosaxs_plugins.fibres.joint_fit import Fit
from tomosaxs_plugins.fibres.joint_part import subset
from tomosaxs_plugins.fibres.joint_sights import Integers
from tomosaxs_plugins.fibres.joint_solver import Solution, solve
from tomosaxs_plugins.fibres.joint_starts import Start, deviations
from tomosaxs_plugins.fibres.joint_trial import cropped, descend
from tomosaxs_plugins.fibres.problem import Floats

APART = 3.0
"""Standard deviations, all others held, from which on a fibre is elsewhere."""
TIERS = (8, -150.0), (20, -40.0), (48, -15.0)
"""Fibres that are free in a trial, and the gain beyond which it is gone on with; at first bins are sampled coarsely."""
AFRESH = 16
"""Fibres that are free at least where one starts afresh."""
SLACK = 0.2
"""Share of an exchange within which a first trial has come back: its bins are sampled too coarsely to tell."""
LEAST_WEIGHT = 0.1
"""Of fibres in the beam paths that a first trial looks at."""
ROUNDS = 4, 6
"""Iterations of a trial before it is looked whether it came back, and after."""
BETTER = 1.0
"""Decrease of chi squared for which fibres are moved."""
BEYOND = 2.0
"""Standard uncertainties from which on another place is none of those that a fibre's uncertainty tells of."""


@dataclass(frozen=True, eq=False)
class Trial:
    """What came of a start.

    Parameters
    ----------
    members : (n,) int array
        Fibres that were free.
    parameters : (n, 7) float array
        Of them, at the end.
    gain : float
        Decrease of chi squared, all others held.
    moved : (n,) bool array
        Which ended farther than `APART` standard deviations from where they were.
    """

    members: Integers
    parameters: Floats
    gain: float
    moved: NDArray[np.bool_]


def tried(fit: Fit, solution: Solution, chosen: list[Start]) -> list[Trial]:
    """Return what came of those starts that led elsewhere and not far above, in their order."""
    spread = deviations(fit, solution)
    coarse = copy(fit)
    coarse.bins = replace(fit.bins, chi_samples=1, q_samples=2)
    out: list[Trial | None] = [None] * len(chosen)

    def work(low: int, high: int) -> None:
        for number in range(low, high):
            given, trial = chosen[number], None
            for tier, (free, least) in enumerate(TIERS):
                trial = _one(coarse if tier == 0 else fit, solution, spread, given, free, trial)
                if not trial.moved.any() or trial.gain < least:
                    trial = None
                if trial is None or (tier and trial.gain > BETTER):
                    break
            out[number] = trial

    fit.crew.each(work, len(chosen))
    return [each for each in out if each is not None]


def _one(fit: Fit, solution: Solution, spread: Floats, given: Start, free: int, before: Trial | None) -> Trial:
    """Return what comes of a start, or of going on from a trial with fewer fibres free."""
    near = given.near.copy()
    near[given.fibres] = np.inf
    if before is not None:
        near[before.members] = np.inf
    free = max(free, AFRESH if len(given.fibres) == 1 else 0)
    members = np.sort(np.argsort(-near, kind="stable")[:free]).astype(np.int64)
    here = solution.state.parameters[members]
    start = here.copy()
    if before is None:
        start[np.searchsorted(members, given.fibres)] = given.parameters
    else:
        start[np.searchsorted(members, before.members)] = before.parameters
    end = np.clip(start, *fit.limits)
    if before is None:
        slack = SLACK / APART * np.abs(start - here).max(axis=0)[: fit.terms]
        part = cropped(subset(fit, solution, members, LEAST_WEIGHT), np.concatenate([here, end]))
        for rounds in ROUNDS:
            end, cost, ended = descend(part, end, rounds, 0.3)
            moved = _moved(fit, here, end, np.maximum(spread[members], slack))
            if ended or not moved.any():
                break
    else:
        part = subset(fit, solution, members)
        found = solve(part, end, sum(ROUNDS), 0.3)
        end, cost = found.state.parameters, found.cost
        moved = _moved(fit, here, end, spread[members])
    return Trial(members, end, part.cost(here, part.left, part.given) - cost, moved)


def _moved(fit: Fit, here: Floats, end: Floats, spread: Floats) -> NDArray[np.bool_]:
    return np.asarray((np.abs(end - here)[:, 1 : fit.terms] > APART * spread[:, 1:]).any(axis=1))


def bettered(parameters: Floats, trials: list[Trial]) -> tuple[Floats, NDArray[np.bool_]]:
    """Return parameters with the trials that gain, the best first; and fibres that others of them would have moved."""
    out, taken = parameters.copy(), np.zeros(len(parameters), np.bool_)
    waiting = np.zeros(len(parameters), np.bool_)
    for trial in sorted(trials, key=lambda each: -each.gain):
        moved = trial.members[trial.moved]
        if trial.gain <= BETTER:
            continue
        if bool(taken[moved].any()):
            waiting[moved] = True
            continue
        free = ~taken[trial.members]
        out[trial.members[free]] = trial.parameters[free]
        taken[trial.members] = True
    return out, waiting


def undecided(trials: list[Trial], parameters: Floats, covariance: Floats) -> NDArray[np.bool_]:
    """Return which fibres have another place, beyond their uncertainty, that describes the data about as well.

    Parameters
    ----------
    trials : list of Trial
        From the solution.
    parameters : (n_fibres, 7) float array
        The solution.
    covariance : (n_fibres, n_terms, n_terms) float array
        Of it.
    """
    out = np.zeros(len(parameters), np.bool_)
    sd = np.sqrt(np.diagonal(covariance, axis1=1, axis2=2))[:, 1:]
    for trial in trials:
        off = np.abs(trial.parameters - parameters[trial.members])[:, 1 : 1 + sd.shape[1]] / sd[trial.members]
        out[trial.members] |= (off > BEYOND).any(axis=1)
    return out
