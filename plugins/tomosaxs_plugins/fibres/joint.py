"""The joint fit: all fibres of one slice at once, from all beam paths and angles, with their uncertainties."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from tomosaxs_plugins.fibres.joint_checks import leave_one_angle_out, reduced_chi_squared
from tomosaxs_plugins.fibres.joint_coarse import coarse_start
from tomosaxs_plugins.fibres.joint_covariance import covariance_of
from tomosaxs_plugins.fibres.joint_fit import Fit
from tomosaxs_plugins.fibres.joint_groups import inseparable, joined, merged
from tomosaxs_plugins.fibres.joint_options import JointOptions
from tomosaxs_plugins.fibres.joint_profile import bent
from tomosaxs_plugins.fibres.joint_report import outcome_of
from tomosaxs_plugins.fibres.joint_restart import Trial, bettered, tried, undecided
from tomosaxs_plugins.fibres.joint_sights import Workers, workers
from tomosaxs_plugins.fibres.joint_solver import Solution, solve
from tomosaxs_plugins.fibres.joint_starts import alike, deviations, overlaps, starts
from tomosaxs_plugins.fibres.outcome import Outcome
from tomosaxs_plugins.fibres.problem import BeamPaths, Bins, FibreTable, Floats, Library


def solve_joint(
    library: Library,
    paths: BeamPaths,
    bins: Bins,
    start: FibreTable,
    options: JointOptions | None = None,
    *,
    threads: int | None = None,
) -> Outcome:
    """Fit all fibres of one slice together.

    Parameters
    ----------
    library : Library
        Intensity of every beam path.
    paths : BeamPaths
        Which fibres every path crosses.
    bins : Bins
        Of the library.
    start : FibreTable
        Where to start, and the middle of what is known beforehand; in the order of `paths.identifiers`. Amplitudes
        are not used: heights come from a linear fit.
    options : JointOptions, optional
        Settings.
    threads : int, optional
        By default as many as the process may use; the result does not depend on it.

    Returns
    -------
    Outcome
        A row for every fibre. `details` has the covariance of every fibre, the changes on leaving out each angle, and
        the products with the normal matrix; `backgrounds` are coefficients of `details['basis']`.

    Raises
    ------
    ValueError
        When arrays do not fit each other, a fibre is twice in a path, or the start lies outside of the bins.
    """
    options = JointOptions() if options is None else options
    check(library, paths, bins, start)
    with workers(threads) as crew:
        return _solve(library, paths, bins, start, options, crew)


def _solve(
    library: Library, paths: BeamPaths, bins: Bins, start: FibreTable, options: JointOptions, crew: Workers
) -> Outcome:
    fit = Fit(library, paths, bins, start, options, crew)
    parameters = coarse_start(library, paths, bins, start, options, crew)
    solution, elsewhere = fitted(fit, parameters)
    covariance = covariance_of(fit, solution)
    leader = inseparable(covariance, solution.state.parameters, fit.sights.paths_of_fibres())
    if np.any(leader != np.arange(len(leader))):
        fit = Fit(library, merged(paths, leader), bins, start, options, crew)
        solution, elsewhere = fitted(fit, joined(solution.state.parameters, leader))
        covariance = covariance_of(fit, solution)
    details: dict[str, Any] = {"covariance": covariance.blocks, "products": solution.products}
    details["basis"] = fit.background.basis
    shared = overlaps(fit, solution.state.streaks, solution.precision)
    doubts = (
        undecided(elsewhere, solution.state.parameters, covariance.blocks),
        bent(fit, solution, covariance.blocks, shared),
    )
    chi_squared = reduced_chi_squared(fit, solution)
    changes = None
    if options.leave_one_out:
        changes, steps = leave_one_angle_out(fit, solution, paths.path_rotation)
        details["changes"], details["steps"] = changes, steps
    return outcome_of(fit, solution, covariance, leader, doubts, chi_squared, changes, paths, details)


def fitted(fit: Fit, parameters: Floats) -> tuple[Solution, list[Trial]]:
    """Return the solution of all fibres from `parameters`, and trials of other places that are not ruled out."""
    solution = solve(fit, parameters)
    changed = np.ones(len(parameters), np.bool_)
    kept: list[Trial] = []
    for _ in range(fit.options.restarts):
        shared = alike(fit, solution.state.parameters, solution.precision)
        trials = tried(fit, solution, starts(fit, solution, shared, changed))
        kept = [each for each in kept if not changed[each.members].any()] + trials
        better, waiting = bettered(solution.state.parameters, trials)
        if np.array_equal(better, solution.state.parameters):
            break
        again = solve(fit, better)
        if again.cost > solution.cost:
            break
        moves = np.abs(again.state.parameters - solution.state.parameters)[:, 1 : fit.terms]
        changed = waiting | np.any(moves > deviations(fit, again)[:, 1:], axis=1)
        iterations, products = solution.iterations + again.iterations, solution.products + again.products
        solution = replace(again, iterations=iterations, products=products)
    return solution, kept


def check(library: Library, paths: BeamPaths, bins: Bins, start: FibreTable) -> None:
    """Raise a ValueError that names the first thing that does not fit."""
    n_paths, n_fibres = len(paths.path_rotation), len(paths.identifiers)
    expected = (n_paths, len(bins.chi_deg), len(bins.q))
    for name in ("values", "sigma", "usable"):
        shape = getattr(library, name).shape
        if shape != expected:
            raise ValueError(f"{name} of the library have the shape {shape}; paths and bins make {expected}")
    if len(start.q0) != n_fibres:
        raise ValueError(f"{len(start.q0)} fibres to start from for {n_fibres} of the beam-path table")
    if len(paths.fibre) and not (paths.fibre.min() >= 0 and paths.fibre.max() < n_fibres):
        raise ValueError(f"a beam path names a fibre beyond the {n_fibres} of the table")
    if not np.all(np.isfinite(paths.weight)) or np.any(paths.weight < 0):
        raise ValueError("weights of fibres in beam paths must be finite and not negative")
    path = np.repeat(np.arange(n_paths), np.diff(paths.offsets))
    entry, counts = np.unique(path * max(n_fibres, 1) + paths.fibre, return_counts=True)
    if np.any(counts > 1):
        twice = int(entry[np.argmax(counts)])
        raise ValueError(
            f"fibre {paths.identifiers[twice % n_fibres]} stands twice in beam path {twice // n_fibres}: "
            "one entry with the sum of the weights is needed"
        )
    low, high = float(bins.q[0] - bins.q_width / 2), float(bins.q[-1] + bins.q_width / 2)
    outside = ~((start.q0 > low) & (start.q0 < high))
    if np.any(outside):
        raise ValueError(
            f"q0 {start.q0[outside][0]:g} nm^-1 to start from lies outside of the bins, {low:g} to {high:g} nm^-1"
        )
    for name, low, high in (("wa", 0, np.inf), ("wmu", 0, np.pi / 2), ("delta", 0, 1)):
        values = getattr(start, name)
        if not np.all((values > low) & (values < high)):
            raise ValueError(f"{name} to start from must be between {low} and {high:g}")
    if not np.all(np.isfinite(start.alpha_deg) & np.isfinite(start.beta_deg)):
        raise ValueError("directions of fibres must be finite")
