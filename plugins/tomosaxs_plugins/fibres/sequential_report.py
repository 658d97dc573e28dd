"""What the sequential method returns: values, uncertainties, and why the other fibres were not solved."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tomosaxs_plugins.fibres.outcome import Outcome
from tomosaxs_plugins.fibres.problem import FibreTable, Floats
from tomosaxs_plugins.fibres.sequential_options import DELTA, schedule
from tomosaxs_plugins.fibres.sequential_rules import RULES
from tomosaxs_plugins.fibres.sequential_state import State
from tomosaxs_plugins.fibres.sequential_sweeps import Ledger, weight_of

_TOGETHER = {1: "alone", 2: "in pairs", 3: "in triples"}


def outcome_of(state: State, ledger: Ledger, sweeps: int) -> Outcome:
    """Return the outcome of all phases.

    Parameters
    ----------
    state : State
        What is known at the end.
    ledger : Ledger
        What was accepted, tried and rejected.
    sweeps : int
        Sweeps over all beam paths.
    """
    n = len(state.solved)
    values, sd = np.full((n, 5), np.nan), np.full((n, 5), np.nan)
    height, height_sd, reduced = np.full(n, np.nan), np.full(n, np.nan), np.full(n, np.nan)
    reasons, cost, residuals = [""] * n, 0.0, set()
    for fibre, (trial, _) in ledger.accepted.items():
        fit, place = trial.fit, int(np.flatnonzero(trial.candidate.targets == fibre)[0])
        assert fit is not None
        weight = weight_of(state, trial.candidate.path, fibre)
        values[fibre], sd[fibre], height[fibre], height_sd[fibre] = physical(
            fit.x[place], fit.covariance[place], weight
        )
        reduced[fibre] = fit.chi_squared / fit.freedom
        if id(fit) not in residuals:
            residuals.add(id(fit))
            cost += fit.chi_squared
        if not 1.01 * DELTA[0] < values[fibre, 3] < 1 - 1.01 * (1 - DELTA[1]):
            reasons[fibre] = "delta ended at the bound of what is allowed"
    n_paths, blind = _paths_of(state)
    flags = np.where(state.solved, 0, np.where(n_paths == 0, 1, np.where(blind, 6, 9)))
    for fibre in map(int, np.flatnonzero(flags == 9)):
        name = ledger.farthest.name(fibre) or "weak"
        reasons[fibre] = f"{name}: {RULES[name]}"
    held = np.zeros(n)
    directions = state.paths.alpha_deg, state.paths.beta_deg
    return Outcome(
        values=_table(values, *directions),
        sd=_table(sd, held, held),
        height=height,
        height_sd=height_sd,
        flags=flags.astype(np.int64),
        groups=np.arange(n),
        reduced_chi_squared=reduced,
        n_paths=n_paths,
        reasons=tuple(reasons),
        backgrounds=None,
        iterations=sweeps,
        cost=cost,
        counts=_counts(state, ledger, reasons),
        details={
            "phase": tuple(ledger.accepted[f][1] if f in ledger.accepted else "" for f in range(n)),
            "fitted_together": np.array(
                [len(ledger.accepted[f][0].candidate.targets) if f in ledger.accepted else 0 for f in range(n)]
            ),
            "path": np.array([ledger.accepted[f][0].candidate.path if f in ledger.accepted else -1 for f in range(n)]),
        },
    )


def _table(columns: Floats, alpha_deg: Floats, beta_deg: Floats) -> FibreTable:
    return FibreTable(
        q0=columns[:, 0], wa=columns[:, 1], wmu=columns[:, 2], delta=columns[:, 3], amplitude=columns[:, 4],
        alpha_deg=alpha_deg, beta_deg=beta_deg,
    )  # fmt: skip


def physical(x: Floats, covariance: Floats, weight: float) -> tuple[Floats, Floats, float, float]:
    """Return q0, wa, wmu, delta and amplitude, their standard uncertainties, height and its uncertainty.

    Parameters
    ----------
    x : (5,) float array
        q0, log wa, log wmu, logit delta, logarithm of the height in the path.
    covariance : (5, 5) float array
        Of these.
    weight : float
        Of the fibre in the path.
    """
    q0, wa, wmu, delta = x[0], np.exp(x[1]), np.exp(x[2]), 1 / (1 + np.exp(-x[3]))
    height = np.exp(x[4]) / weight
    amplitude = height * 2 * np.pi * wa * q0 * np.tan(wmu)
    slope = np.array([1 / q0, 1.0, wmu / (np.sin(wmu) * np.cos(wmu)), 0.0, 1.0])  # of log amplitude
    sd = np.sqrt(np.diag(covariance))
    amplitude_sd = amplitude * np.sqrt(slope @ covariance @ slope)
    return (
        np.array([q0, wa, wmu, delta, amplitude]),
        np.array([sd[0], wa * sd[1], wmu * sd[2], delta * (1 - delta) * sd[3], amplitude_sd]),
        float(height),
        float(height * sd[4]),
    )


def _paths_of(state: State) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return (n_fibres,) how many paths see each fibre, and whether none of them has data."""
    n, paths = len(state.solved), state.paths
    path_of_entry = np.repeat(np.arange(len(paths.path_rotation)), np.diff(paths.offsets))
    seen = np.asarray(paths.weight > 0)
    count = np.bincount(paths.fibre[seen], minlength=n)
    lit = seen & np.asarray(state.row_usable.any(axis=1))[path_of_entry]
    return count, np.bincount(paths.fibre[lit], minlength=n) == 0


def _counts(state: State, ledger: Ledger, reasons: list[str]) -> dict[str, int]:
    counts = {"fibres": len(state.solved), "solved": int(state.solved.sum()), "fits": ledger.fits}
    for phase in schedule(state.options):
        counts[f"solved in {phase.name}"] = sum(name == phase.name for _, name in ledger.accepted.values())
    for number, text in _TOGETHER.items():
        together = sum(len(trial.candidate.targets) == number for trial, _ in ledger.accepted.values())
        counts[f"solved {text}"] = together
    for name in RULES:
        counts[f"fibres rejected by {name}"] = sum(each.startswith(f"{name}:") for each in reasons)
        counts[f"windows rejected by {name}"] = ledger.rejections[name]
    return counts
