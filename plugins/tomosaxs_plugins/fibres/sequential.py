"""The sequential method: fibres are solved one after the other where they happen to dominate, as was published.

The strategy: from simulated profiles, windows in azimuth are found in which one fibre of a beam path dominates, or
two, or three. Those are fitted in the sectors of the window, over the background found beside the streak. What is
accepted becomes part of the model, so that further fibres come to dominate. Phases with ever milder rules follow each
other. What was an error of the published program is mended; see the explanation of this method.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tomosaxs_plugins.fibres.outcome import Outcome
from tomosaxs_plugins.fibres.problem import BeamPaths, Bins, FibreTable, Library
from tomosaxs_plugins.fibres.sequential_options import Phase, SequentialOptions, schedule
from tomosaxs_plugins.fibres.sequential_report import outcome_of
from tomosaxs_plugins.fibres.sequential_search import Farthest
from tomosaxs_plugins.fibres.sequential_state import State, first_state
from tomosaxs_plugins.fibres.sequential_sweeps import Ledger, heights_of_the_unseen, sweep

_MOST_SURVEYS = 1000


def solve_sequential(
    library: Library,
    paths: BeamPaths,
    bins: Bins,
    start: FibreTable,
    options: SequentialOptions | None = None,
    *,
    threads: int | None = None,
) -> Outcome:
    """Solve the fibres of one slice one after the other.

    Parameters
    ----------
    library : Library
        Intensity of every beam path.
    paths : BeamPaths
        Which fibres every path crosses, and their directions, which are held.
    bins : Bins
        Of the library.
    start : FibreTable
        Estimated parameters: the mean of each, and an amplitude for every fibre; in the order of the beam-path table.
    options : SequentialOptions, optional
        Thresholds.
    threads : int, optional
        By default as many as the process may use; the result does not depend on it.

    Returns
    -------
    Outcome
        Values of the fibres that were accepted (flag 0), NaN for all others with the rule that rejected them; the
        uncertainties come from the covariance of the one fit that each fibre was accepted with, and know nothing of
        errors of fibres solved before it. `counts` has fibres by phase and by number fitted together, fits, windows
        and fibres rejected by each rule.

    Raises
    ------
    ValueError
        When arrays do not fit each other, or no bin of q is near the streaks.
    """
    options = SequentialOptions() if options is None else options
    state = first_state(library, paths, bins, _filled(start), options, threads)
    ledger = Ledger(Farthest(np.full(len(paths.identifiers), -1, np.int64)))
    sweeps = 0
    for phase in schedule(options):
        sweeps += run_phase(state, phase, ledger)
        if state.solved.all():
            break
    return outcome_of(state, ledger, sweeps)


def run_phase(state: State, phase: Phase, ledger: Ledger) -> int:
    """Sweep until nothing more is solved, or as often as the phase allows; return the number of sweeps."""
    if phase.wake:
        height = heights_of_the_unseen(state)
        woken = np.flatnonzero(height != state.height)
        state.height = height
        if not len(woken):
            return 0  # all the same as in the phase before
    ledger.tried.clear()
    for number in range(phase.sweeps or _MOST_SURVEYS):
        fits, solved = sweep(state, phase, ledger)
        last = not solved if phase.sweeps else not (fits or solved)
        if last or state.solved.all():
            return number + 1
    return phase.sweeps or _MOST_SURVEYS


def _filled(start: FibreTable) -> FibreTable:
    """Return the start with means in the place of parameters that are not known.

    Raises
    ------
    ValueError
        When a parameter is known of no fibre.
    """

    def fill(name: str) -> NDArray[np.float64]:
        values = np.asarray(getattr(start, name), np.float64)
        known = np.isfinite(values)
        if len(values) and not known.any():
            raise ValueError(f"the start has no {name} for any fibre")
        return np.where(known, values, values[known].mean() if len(values) else 0.0)

    return FibreTable(
        fill("q0"), fill("wa"), fill("wmu"), fill("delta"), start.amplitude, start.alpha_deg, start.beta_deg
    )
