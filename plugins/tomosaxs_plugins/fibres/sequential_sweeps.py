"""Sweeps of the sequential method: fits in the windows that a survey found, and what is taken over of them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np

from tomosaxs_plugins.fibres.problem import Floats
from tomosaxs_plugins.fibres.sequential_fit import fit_sectors, start_background
from tomosaxs_plugins.fibres.sequential_options import SINGLE, Phase
from tomosaxs_plugins.fibres.sequential_rules import RULES, data_rule, fit_rule
from tomosaxs_plugins.fibres.sequential_search import Candidate, Farthest, survey
from tomosaxs_plugins.fibres.sequential_sectors import Fit
from tomosaxs_plugins.fibres.sequential_state import State
from tomosaxs_plugins.reconstruction.parallel import thread_count


@dataclass(frozen=True, eq=False)
class Trial:
    """What came of a candidate: its fit, if one was made, and the rule that rejected each target (empty: accepted)."""

    candidate: Candidate
    rules: tuple[str, ...]
    fit: Fit | None

    def rule(self, fibre: int) -> str:
        """Return the rule that rejected one of the targets."""
        return self.rules[int(np.flatnonzero(self.candidate.targets == fibre)[0])]


@dataclass
class Ledger:
    """What was found and why not, over all phases.

    Parameters
    ----------
    farthest : Farthest
        Of the present sweep.
    accepted : dict
        Trial and phase of every solved fibre.
    fits, rejections : int, dict
        Fits that were made, and windows that each rule rejected.
    tried : dict
        Trials of the present phase by path and fibres, and how many fibres of the path were solved before.
    """

    farthest: Farthest
    accepted: dict[int, tuple[Trial, str]] = field(default_factory=dict)
    fits: int = 0
    rejections: dict[str, int] = field(default_factory=lambda: dict.fromkeys(RULES, 0))
    tried: dict[tuple[int, ...], tuple[int, Trial]] = field(default_factory=dict)


def attempt(state: State, candidate: Candidate, phase: Phase) -> Trial:
    """Fit one candidate, unless its data are rejected before."""
    sectors = state.sectors(candidate.path, candidate.targets, candidate.rows)
    centre = float(sectors.targets[:, 0].mean())
    below, decay = start_background(sectors, centre, state.options)
    rule = data_rule(sectors, below, centre, phase, state.options)
    if rule:
        return Trial(candidate, (rule,) * len(candidate.targets), None)
    fit = fit_sectors(sectors, below, decay, phase, state.options)
    rules = [fit_rule(fit, t, state.bins.q, phase, state.options) for t in range(len(candidate.targets))]
    relaxed = phase.misfit >= 0.4  # then each fibre of a pair stands for itself
    if any(rules) and not relaxed:
        rules = [each or "partner" for each in rules]
    return Trial(candidate, tuple(rules), fit)


def sweep(state: State, phase: Phase, ledger: Ledger) -> tuple[int, int]:
    """Survey and fit once: single fibres, then two, then three; return how many fits were made and fibres solved.

    Whatever one stage solves is taken over at its end, so that nothing depends on the order of paths or fibres.
    """
    ledger.farthest.rule[:] = -1
    before, solved = ledger.fits, 0
    for kind in range(SINGLE, phase.most + 1):
        found = survey(state, kind, ledger.farthest)
        trials = _stage(state, found, phase, ledger)
        solved += _take_over(state, trials, phase, ledger)
    return ledger.fits - before, solved


def _stage(state: State, found: dict[int, list[Candidate]], phase: Phase, ledger: Ledger) -> list[Trial]:
    """Try the candidates of every fibre until one is accepted; return those in which any fibre is."""
    open_ = {fibre: _untried(state, fibre, candidates, phase, ledger) for fibre, candidates in found.items()}
    done: dict[tuple[int, ...], Trial] = {}
    good: dict[tuple[int, ...], Trial] = {}
    threads = thread_count(state.threads)
    with ThreadPoolExecutor(threads) as pool:
        while any(open_.values()):
            turn = {fibre: candidates.pop(0) for fibre, candidates in open_.items() if candidates}
            new = {each.key: each for each in turn.values() if each.key not in done}
            for trial in pool.map(lambda each: attempt(state, each, phase), new.values()):
                done[trial.candidate.key] = trial
                ledger.fits += trial.fit is not None
                ledger.tried[trial.candidate.key] = (_solved_in(state, trial.candidate.path, phase), trial)
            for fibre, candidate in turn.items():
                trial = done[candidate.key]
                rule = trial.rule(fibre)
                if not all(trial.rules):
                    good[candidate.key] = trial
                if rule:
                    ledger.farthest.tell(fibre, rule)
                    ledger.rejections[rule] += 1
                else:
                    open_[fibre] = []
    return list(good.values())


def _untried(state: State, fibre: int, candidates: list[Candidate], phase: Phase, ledger: Ledger) -> list[Candidate]:
    """Return the candidates that are worth a fit: not those that failed with all else being as it is now."""
    fresh = []
    for candidate in candidates:
        solved, trial = ledger.tried.get(candidate.key, (-1, None))
        if trial is not None and solved == _solved_in(state, candidate.path, phase):
            ledger.farthest.tell(fibre, trial.rule(fibre) or "partner")
        else:
            fresh.append(candidate)
    return fresh[: phase.attempts] if phase.attempts else fresh


def _solved_in(state: State, path: int, phase: Phase) -> int:
    """Return how many fibres of a path are solved; in the survey no second try is made whatever else is solved."""
    return 0 if phase.most == SINGLE else int(np.count_nonzero(state.solved[state.paths.fibre[state.entries(path)]]))


def _take_over(state: State, trials: list[Trial], phase: Phase, ledger: Ledger) -> int:
    """Take over accepted fits, the brightest first; a fibre that two fits solved has the brighter one's values."""
    numbers = state.paths.identifiers
    trials.sort(key=lambda each: (-each.candidate.brightness, *map(int, numbers[each.candidate.targets])))
    taken: dict[int, tuple[Trial, int]] = {}
    for trial in trials:
        for place, fibre in enumerate(map(int, trial.candidate.targets)):
            if not trial.rules[place] and fibre not in taken:
                taken[fibre] = trial, place
    shapes, heights = np.zeros((len(taken), 4)), np.zeros(len(taken))
    for row, (fibre, (trial, place)) in enumerate(taken.items()):
        assert trial.fit is not None
        x = trial.fit.x[place]
        shapes[row] = x[0], np.exp(x[1]), np.exp(x[2]), 1 / (1 + np.exp(-x[3]))
        heights[row] = np.exp(x[4]) / weight_of(state, trial.candidate.path, fibre)
        ledger.accepted[fibre] = trial, phase.name
    if taken:
        state.accept(np.array(list(taken)), shapes, heights)
    return len(taken)


def weight_of(state: State, path: int, fibre: int) -> float:
    """Return the weight of a fibre in a path."""
    part = state.entries(path)
    return float(state.paths.weight[part][state.paths.fibre[part] == fibre][0])


def heights_of_the_unseen(state: State) -> Floats:
    """Return heights in which fibres of no estimated amplitude have the mean of those solved."""
    if not state.solved.any():
        return state.height
    return np.where(~state.solved & (state.height <= 0), state.height[state.solved].mean(), state.height)
