"""Fibres that may have settled in a wrong place: found by what does not fit, tried from other places, a few at a time.

A fit of all fibres can end where two of them stand for each other's streaks. Such places are left by solving a small
problem, one fibre and those that share most of the beam with it, from other starts with all others held; what fits
better is kept, and then all fibres are solved again.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from tomosaxs_plugins.fibres.joint_background import Background
from tomosaxs_plugins.fibres.joint_checks import chance_of, leave_one_angle_out, reduced_chi_squared
from tomosaxs_plugins.fibres.joint_fit import Fit
from tomosaxs_plugins.fibres.joint_sights import Integers, Sights, Workers
from tomosaxs_plugins.fibres.joint_solver import Solution, solve, solve_in_stages
from tomosaxs_plugins.fibres.joint_streaks import HEIGHT, Q0, WA
from tomosaxs_plugins.fibres.problem import Floats

BETTER = 6.0
"""Decrease of chi squared for which a fibre is moved."""
MOST_FIBRES = 48
"""Fibres tried in one round, and not more than a quarter of all."""


def suspects(fit: Fit, solution: Solution, path_rotation: Integers) -> Integers:
    """Return fibres that may be in a wrong place, the worst first, at most `MOST_FIBRES`.

    Angles that disagree, a direction or shape far from what was known, more chi squared than most, a low height.
    """
    changes, _ = leave_one_angle_out(fit, solution, path_rotation)
    terms = fit.terms
    strange = changes.max(axis=1, initial=0.0) / (terms + 2 * np.sqrt(2 * terms))
    off = np.abs(solution.state.parameters - fit.start)[:, Q0 + 1 : terms] * np.sqrt(fit.prior[Q0 + 1 :])
    strange = np.maximum(strange, off.max(axis=1) / 2.5)
    chi_squared, used = reduced_chi_squared(fit, solution)
    known = np.isfinite(chi_squared)
    middle = float(np.median(chi_squared[known])) if known.any() else 0.0
    strange = np.maximum(strange, (np.where(known, chi_squared, middle) - middle) / (0.5 * chance_of(used)))
    height = solution.state.parameters[:, HEIGHT]
    strange = np.where(height < 0.4 * np.median(height), np.maximum(strange, 1.5), strange)
    seen = np.diagonal(solution.blocks, axis1=1, axis2=2)[:, HEIGHT] > 0
    order = np.argsort(-strange, kind="stable")
    most = min(MOST_FIBRES, max(8, len(strange) // 4))
    return np.asarray(order[(strange[order] > 1.0) & seen[order]][:most])


def partners(fit: Fit, solution: Solution, fibre: int, most: int = 3) -> Integers:
    """Return a fibre and those whose streaks cover most of its own, in the weights of the fit; ascending."""
    unit = np.zeros((fit.sights.n_fibres, 1))
    unit[fibre] = 1.0
    streaks = solution.state.streaks
    coupling = np.abs(streaks.backward(streaks.forward(unit) * solution.precision)[:, 0])
    scale = fit.scale(solution.state.parameters)[:, 0]
    own = np.diagonal(solution.blocks, axis1=1, axis2=2)[:, HEIGHT] / scale**2
    coupling /= np.sqrt(np.where(own > 0, own, np.inf))
    coupling[fibre] = 0.0
    order = np.argsort(-coupling, kind="stable")[:most]
    return np.sort(np.concatenate([[fibre], order[coupling[order] > 0]])).astype(np.int64)


def moved(fit: Fit, solution: Solution, chosen: Integers) -> tuple[Floats, int]:
    """Return parameters in which some of the `chosen` fibres, and their partners, are in better places; how many are.

    Parameters
    ----------
    fit, solution
        What was fitted, and the end of it.
    chosen : (n,) int array
        Fibres to try.
    """
    parameters, count = solution.state.parameters.copy(), 0
    together = np.unique(np.concatenate([partners(fit, solution, int(fibre), 2) for fibre in chosen]))
    part = subset(fit, solution, together)
    fresh = fit.start[together].copy()
    fresh[:, HEIGHT] = np.median(parameters[:, HEIGHT])
    here = solve(part, parameters[together], 6, 0.3)
    there = solve_in_stages(part, np.clip(fresh, *fit.limits), 20)
    if there.cost < here.cost - BETTER:
        parameters[together] = there.state.parameters
        return parameters, len(together)
    current = replace(solution, state=replace(solution.state, parameters=parameters))
    for fibre in chosen:
        members = partners(fit, solution, int(fibre))
        part = subset(fit, current, members)
        least, found = solve(part, parameters[members], 6, 0.3).cost - BETTER, None
        for trial in _starts(fit, parameters, members, int(fibre)):
            tried = solve(part, trial, 12, 0.3)
            if tried.cost < least:
                least, found = tried.cost, tried.state.parameters
        if found is not None:
            count += 1
            change = part.forward_of(found) - part.forward_of(parameters[members])
            parameters[members] = found
            residual = current.residual.copy()
            residual[part.chosen_paths] -= change
            current = replace(current, residual=residual * fit.usable)
    return parameters, count


def _starts(fit: Fit, parameters: Floats, members: Integers, fibre: int) -> list[Floats]:
    """Return other places to start from: fresh; fresh with q0 exchanged; q0 moved either way."""
    here = int(np.flatnonzero(members == fibre)[0])
    typical = float(np.median(parameters[:, HEIGHT]))
    fresh = fit.start[members].copy()
    fresh[:, HEIGHT] = typical
    out = [fresh]
    for other in range(len(members)):
        if other != here:
            exchanged = fresh.copy()
            exchanged[:, Q0] = parameters[members, Q0]
            exchanged[[here, other], Q0] = exchanged[[other, here], Q0]
            out.append(exchanged)
    for side in (-1, 1):
        shifted = parameters[members].copy()
        shifted[here, WA:] = fit.start[fibre, WA:]
        shifted[here, Q0] += side * 2 * np.exp(fit.start[fibre, WA])
        shifted[here, HEIGHT] = typical
        out.append(shifted)
    return [np.clip(each, *fit.limits) for each in out]


class Part(Fit):
    """A few fibres of a fit, with the beam paths that see them; all others and the backgrounds held."""

    chosen_paths: Integers

    def forward_of(self, parameters: Floats) -> Floats:
        """Return (n_paths, n_chi, n_q) the intensity of the fibres."""
        return self.state(parameters, terms=1).sum


def subset(fit: Fit, solution: Solution, members: Integers) -> Part:
    """Return the problem of some fibres, for residuals with everything else as it is.

    Parameters
    ----------
    fit, solution
        Of all fibres.
    members : (n,) int array
        Indices of the fibres, ascending.
    """
    sights = fit.sights
    mine = np.flatnonzero(np.isin(sights.fibre, members))
    entries = np.concatenate([np.arange(sights.first[s], sights.first[s + 1]) for s in mine])
    counts = np.diff(sights.first)[mine]
    paths, path = np.unique(sights.path[entries], return_inverse=True)
    weight, own = sights.path_weight[entries], np.repeat(np.arange(len(mine)), counts)
    order = np.lexsort((own, path))
    offsets = np.concatenate([[0], np.cumsum(np.bincount(path, minlength=len(paths)))]).astype(np.int64)
    first = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    part = Part.__new__(Part)
    part.__dict__.update(fit.__dict__)
    part.sights = Sights(
        len(members), np.searchsorted(members, sights.fibre[mine]), sights.rotation[mine], first,
        path.astype(np.int64), weight, offsets, own[order].astype(np.int64), weight[order],
    )  # fmt: skip
    part.chosen_paths, part.crew = paths, Workers(None, 1)
    part.usable, part.gain = fit.usable[paths], fit.gain[paths]
    part.given = solution.precision[paths]
    part.options = replace(fit.options, weights="given")
    part.background = Background(np.empty((0, len(fit.bins.q))))
    part.start = fit.start[members]
    part.data = solution.residual[paths] + part.forward_of(solution.state.parameters[members])
    return part
