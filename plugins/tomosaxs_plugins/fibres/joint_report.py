"""What a joint fit found, as an outcome with flags: which fibres to trust, and why not the others."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tomosaxs_plugins.fibres.joint_checks import chance_of
from tomosaxs_plugins.fibres.joint_covariance import Covariance, prior_sd
from tomosaxs_plugins.fibres.joint_fit import Fit
from tomosaxs_plugins.fibres.joint_groups import UNKNOWN
from tomosaxs_plugins.fibres.joint_sights import Integers
from tomosaxs_plugins.fibres.joint_solver import Solution
from tomosaxs_plugins.fibres.joint_streaks import ALPHA, BETA, DELTA, HEIGHT, Q0, WA, WMU, shapes
from tomosaxs_plugins.fibres.outcome import Outcome
from tomosaxs_plugins.fibres.problem import BeamPaths, FibreTable, Floats

MOST_CHANGE = 6.0
"""Change on leaving out an angle that is not by chance, as a number of standard deviations of one number."""
NAMES = ("height", "q0", "wa", "wmu", "delta", "alpha", "beta")


def outcome_of(
    fit: Fit,
    solution: Solution,
    covariance: Covariance,
    leader: Integers,
    doubts: tuple[NDArray[np.bool_], NDArray[np.bool_]],
    chi_squared: tuple[Floats, Floats],
    changes: Floats | None,
    paths: BeamPaths,
    details: dict[str, Any],
) -> Outcome:
    """Return the outcome of a slice; members of a group all have the values of the one that stands for it.

    `doubts` are fibres with another place as good, and those whose uncertainties chi squared does not bear out.
    """
    parameters = solution.state.parameters[leader]
    blocks = covariance.blocks[leader]
    values, sd, height_sd = _table(parameters, blocks, fit)
    own, used = chi_squared
    flags, reasons = _flags(fit, solution, covariance, leader, doubts, own - chance_of(used), changes, paths)
    unseen = (flags == 1) | (flags == 6)
    for table in (values, sd):
        for name in ("q0", "wa", "wmu", "delta", "amplitude"):
            getattr(table, name)[unseen] = np.nan
    for name in ("alpha_deg", "beta_deg"):
        getattr(sd, name)[unseen] = np.nan
    height = np.where(unseen, np.nan, parameters[:, HEIGHT])
    path = np.repeat(np.arange(len(paths.path_rotation)), np.diff(paths.offsets))
    seen = (paths.weight > 0) & np.asarray(np.any(fit.usable, axis=(1, 2)))[path]
    n_paths = np.bincount(paths.fibre[seen], minlength=len(leader)).astype(np.int64)
    counts = {"fibres": len(leader), "solved": int((flags == 0).sum()), "products": solution.products}
    counts["groups"] = len(np.unique(leader[flags == 3]))
    return Outcome(
        values, sd, height, np.where(unseen, np.nan, height_sd), flags, leader.astype(np.int64),
        np.where(unseen, np.nan, own[leader]), n_paths, tuple(reasons), solution.backgrounds,
        solution.iterations, float((solution.residual**2 * solution.precision).sum()), counts, details,
    )  # fmt: skip


def _table(parameters: Floats, blocks: Floats, fit: Fit) -> tuple[FibreTable, FibreTable, Floats]:
    """Return values and standard uncertainties, and that of the height."""
    q0, wa, wmu, delta = shapes(parameters).T
    height = parameters[:, HEIGHT]
    amplitude = height * 2 * np.pi * wa * q0 * np.tan(wmu)
    sd = np.sqrt(np.diagonal(blocks, axis1=1, axis2=2))
    tangent = np.tan(wmu)
    slope = np.zeros((len(q0), fit.terms))  # of log amplitude
    slope[:, HEIGHT], slope[:, Q0], slope[:, WA] = 1.0, 1 / q0, 1.0
    slope[:, WMU] = wmu * (1 + tangent**2) / tangent
    # the unknown height is relative to the scale of the fit, which is the height but for heights of nearly zero
    height_scale = fit.scale(parameters)[:, 0]
    slope[:, HEIGHT] = np.where(height > 0, height_scale / np.where(height > 0, height, 1.0), 1.0)
    amplitude_sd = amplitude * np.sqrt(np.einsum("fi,fij,fj->f", slope, blocks, slope))
    angles = [np.degrees(sd[:, k]) if fit.terms > 5 else np.zeros(len(q0)) for k in (ALPHA, BETA)]
    values = FibreTable(
        q0, wa, wmu, delta, amplitude, np.degrees(parameters[:, ALPHA]), np.degrees(parameters[:, BETA])
    )
    spread = FibreTable(
        sd[:, Q0].copy(), wa * sd[:, WA], wmu * sd[:, WMU], delta * (1 - delta) * sd[:, DELTA], amplitude_sd, *angles
    )
    return values, spread, height_scale * sd[:, HEIGHT]


def _flags(
    fit: Fit,
    solution: Solution,
    covariance: Covariance,
    leader: Integers,
    doubts: tuple[NDArray[np.bool_], NDArray[np.bool_]],
    excess: Floats,
    changes: Floats | None,
    paths: BeamPaths,
) -> tuple[NDArray[np.int64], list[str]]:
    """Return a flag and a reason for every fibre; the most fundamental one where there are several."""
    count = len(leader)
    listed = np.bincount(paths.fibre[paths.weight > 0], minlength=count) > 0
    lit = np.diagonal(solution.blocks, axis1=1, axis2=2)[:, HEIGHT] > 0
    sd = np.sqrt(np.diagonal(covariance.blocks, axis1=1, axis2=2))
    before = prior_sd(fit)
    members = np.bincount(leader, minlength=count)
    parameters = solution.state.parameters
    low, high = fit.limits
    edge = 1e-6
    at_bound = (parameters[:, Q0 : DELTA + 1] <= low[Q0 : DELTA + 1] + edge) | (
        parameters[:, Q0 : DELTA + 1] >= high[Q0 : DELTA + 1] - edge
    )
    moves = np.abs(solution.step / sd).max(axis=1)
    limit = fit.terms + MOST_CHANGE * np.sqrt(2 * fit.terms) + MOST_CHANGE**2
    flags, reasons = np.zeros(count, np.int64), [""] * count
    for fibre in range(count):
        f = int(leader[fibre])
        unknown = [NAMES[k] for k in range(1, 5) if sd[f, k] > before[k] / np.sqrt(2)]
        if sd[f, HEIGHT] > UNKNOWN:
            unknown.insert(0, NAMES[HEIGHT])
        if not listed[fibre]:
            flags[fibre], reasons[fibre] = 1, "no beam path lists it with a weight above 0"
        elif not lit[f]:
            flags[fibre], reasons[fibre] = 6, "no usable bin of its beam paths is lit by its streak"
        elif members[f] > 1:
            flags[fibre], reasons[fibre] = 3, f"one object of {members[f]} fibres, the first is {paths.identifiers[f]}"
        elif at_bound[f].any():
            flags[fibre] = 5
            reasons[fibre] = ", ".join(name for name, yes in zip(NAMES[1:], at_bound[f], strict=False) if yes)
        elif unknown:
            flags[fibre], reasons[fibre] = 2, ", ".join(unknown)
        elif moves[f] > 10 * fit.options.tolerance:
            flags[fibre], reasons[fibre] = 7, f"the last step was {moves[f]:.2g} standard uncertainties"
        elif doubts[0][f]:
            flags[fibre], reasons[fibre] = 10, "exchanged with a neighbour, chi squared is about the same"
        elif doubts[1][f]:
            flags[fibre], reasons[fibre] = 11, "nearly one with a neighbour: chi squared is no parabola"
        elif excess[f] > 1.0:
            flags[fibre], reasons[fibre] = 4, "reduced chi squared of its bins is above what chance makes of it"
        elif changes is not None and changes[f].max() > limit:
            angle = fit.rotation_deg[int(np.argmax(changes[f]))]
            flags[fibre] = 8
            reasons[fibre] = f"without {angle:g} degrees: chi squared of the change {changes[f].max():.0f}"
    return flags, reasons
