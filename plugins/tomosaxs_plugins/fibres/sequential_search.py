"""Where single, two or three fibres can be fitted: a survey of all beam paths with what is known at the time."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from tomosaxs_plugins.fibres.sequential_groups import group_windows
from tomosaxs_plugins.fibres.sequential_options import PAIR, SINGLE, TRIPLE
from tomosaxs_plugins.fibres.sequential_rules import RULES, detection_floor
from tomosaxs_plugins.fibres.sequential_state import State
from tomosaxs_plugins.fibres.sequential_windows import HIDDEN, NO_BINS, PASSED, TOO_WEAK, single_windows

ORDER = {name: number for number, name in enumerate(RULES)}
_VERDICTS = {NO_BINS: "no bins", TOO_WEAK: "weak", HIDDEN: "hidden"}


@dataclass(frozen=True, eq=False)
class Candidate:
    """A window in which some fibres can be fitted.

    Parameters
    ----------
    path : int
        Beam path.
    targets : (n,) int array
        Fibres, in the order of their identifiers.
    rows : (m,) int array
        Azimuths.
    brightness : float
        Signal of the fibre that was looked for, mean over the rows.
    """

    path: int
    targets: NDArray[np.intp]
    rows: NDArray[np.intp]
    brightness: float

    @property
    def key(self) -> tuple[int, ...]:
        """Path and fibres."""
        return self.path, *map(int, self.targets)


@dataclass
class Farthest:
    """The rule with which every fibre came farthest; -1 where it was never looked for."""

    rule: NDArray[np.int64]
    names: tuple[str, ...] = field(default_factory=lambda: tuple(RULES))

    def tell(self, fibre: int, name: str) -> None:
        """Note a rule that rejected a fibre."""
        self.rule[fibre] = max(self.rule[fibre], ORDER[name])

    def name(self, fibre: int) -> str:
        """Return the rule of a fibre; empty where it was never looked for."""
        return self.names[self.rule[fibre]] if self.rule[fibre] >= 0 else ""


def survey(state: State, kind: int, farthest: Farthest) -> dict[int, list[Candidate]]:
    """Return the windows of every fibre not yet solved, the brightest first.

    Two fibres together are looked for where one alone does not dominate, three where two do not.

    Parameters
    ----------
    state : State
        What is known.
    kind : int
        Fibres together: 1, 2 or 3.
    farthest : Farthest
        Told of what rejects a fibre.
    """
    found: dict[int, list[Candidate]] = {}
    for path in range(len(state.paths.path_rotation)):
        for entry, candidate in _of_path(state, path, kind, farthest):
            found.setdefault(int(state.paths.fibre[state.entries(path)][entry]), []).append(candidate)
    for candidates in found.values():
        candidates.sort(key=lambda each: -each.brightness)  # stable: paths in their order
    return found


def _of_path(state: State, path: int, kind: int, farthest: Farthest) -> list[tuple[int, Candidate]]:
    fibre = state.paths.fibre[state.entries(path)]
    unsolved = ~state.solved[fibre]
    if not unsolved.any():
        return []
    options, signal = state.options, state.signal(path)
    usable, floor = state.row_usable[path], detection_floor(state.row_noise[path], options)
    width = max(2, round(options.window_deg / state.bins.chi_width_deg))
    wrap = abs(signal.shape[1] * state.bins.chi_width_deg % 180.0) < 1e-6  # streaks repeat on the other side
    windows, bright = np.zeros(signal.shape, np.bool_), np.zeros(len(fibre))
    verdict = np.full(len(fibre), PASSED, np.int64)
    if width <= signal.shape[1]:
        single_windows(signal, unsolved, floor, usable, width, wrap, options.single_share, windows, bright, verdict)
    else:
        verdict[unsolved] = NO_BINS
    for i in np.flatnonzero(unsolved & (verdict != PASSED)):
        farthest.tell(int(fibre[i]), _VERDICTS[int(verdict[i])])
    partners = np.full((len(fibre), 2), -1)
    chosen = unsolved & (verdict == PASSED)
    wanted = unsolved & ~chosen
    for size in range(PAIR, kind + 1):
        score = np.zeros(len(fibre))
        share, least, near = _of_kind(state, size)
        chosen = np.zeros(len(fibre), np.bool_)
        if width <= signal.shape[1]:
            group_windows(
                signal, state.peak_deg[state.paths.path_rotation[path], fibre], unsolved, wanted, size, near, floor,
                usable, width, wrap, share, least, partners, windows, score,
            )  # fmt: skip
            chosen = wanted & (score > 0)
        wanted &= ~chosen
    out = []
    for i in np.flatnonzero(chosen):
        members = np.array([i, *partners[i][partners[i] >= 0]] if kind > SINGLE else [i])
        rows = _rows(state, path, fibre, signal, members, windows[i])
        if len(rows) < 2:
            farthest.tell(int(fibre[i]), "sectors")
            continue
        targets = fibre[members][np.argsort(state.paths.identifiers[fibre[members]])]
        out.append((int(i), Candidate(path, targets, rows, float(signal[i, rows].mean()))))
    return out


def _of_kind(state: State, size: int) -> tuple[float, float, tuple[float, float]]:
    options = state.options
    if size == TRIPLE:
        return options.triple_share, options.triple_least, options.triple_deg
    return options.pair_share, options.pair_least, options.pair_deg


def _rows(
    state: State, path: int, fibre: NDArray[np.intp], signal: NDArray[np.float64], members: NDArray[np.intp],
    window: NDArray[np.bool_],
) -> NDArray[np.intp]:  # fmt: skip
    """Return the rows of a window where solved fibres are not much stronger, or some of them evenly."""
    own, solved = signal[members].sum(axis=0), signal[state.solved[fibre]].sum(axis=0)
    rows = np.flatnonzero(window & (own >= state.options.under_solved * (own + solved)))
    most = state.options.sectors
    if most and len(rows) > most:
        rows = rows[np.round(np.linspace(0, len(rows) - 1, most)).astype(np.intp)]
    return rows
