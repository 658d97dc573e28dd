"""Checks of a joint fit: chi squared of every fibre's own bins, and what leaving out one angle would change."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tomosaxs_plugins.fibres.joint_fit import Fit
from tomosaxs_plugins.fibres.joint_solver import Solution
from tomosaxs_plugins.fibres.joint_streaks import Streaks
from tomosaxs_plugins.fibres.problem import Floats


def reduced_chi_squared(fit: Fit, solution: Solution) -> tuple[Floats, Floats]:
    """Return chi squared per bin of what every fibre lights, and the number of bins, (n_fibres,) each.

    A bin counts by the share of the fibre's peak that the fibre has in it and by the weight of the beam path. It is
    compared with the uncertainties of the fit, so 1 is expected, a little less where few bins determine much. Bins that
    expect less than a count are left out: what they add is rare and large.
    """
    counted = (fit.data - solution.residual > fit.gain) & fit.usable
    fitted = solution.residual**2 * solution.precision * counted
    streaks = _plain(solution.state.streaks)
    above = streaks.backward(fitted)[:, 0]
    used = streaks.backward(counted.astype(np.float64))[:, 0]
    return np.divide(above, used, out=np.full(len(above), np.nan), where=used > 0), used


def chance_of(used: Floats) -> Floats:
    """Return by how much reduced chi squared exceeds 1 by chance, at most, for so many bins: five standard deviations.

    It is not taken to be below 0.2: bins are never described to better than that.
    """
    return np.asarray(np.maximum(0.2, 5 * np.sqrt(2 / np.maximum(used, 1.0))))


def _plain(streaks: Streaks) -> Streaks:
    """Return the same streaks without their derivatives, for products with them alone."""
    import copy

    out = copy.copy(streaks)
    out.terms, out.values = 1, np.ascontiguousarray(streaks.values[:, :1])
    return out


def leave_one_angle_out(fit: Fit, solution: Solution, path_rotation: NDArray[np.intp]) -> tuple[Floats, Floats]:
    """Return the change of every fibre when the data of one angle are left out, against its expected size.

    One Gauss-Newton step of every single fibre from the solution, with the curvature of that angle taken away and all
    other fibres held. With curvature H, of which the angle brings O, the change has the covariance 1/(H - O) - 1/H if
    the others are exact; they are fitted to the same data, so real changes are smaller and the test errs on the side
    of the fibre.

    Returns
    -------
    changes : (n_fibres, n_rotations) float array
        Chi squared of the change, with as many degrees of freedom as the fibre has unknowns; directions of which the
        angle brings more than nine tenths of what is known are not compared.
    steps : (n_fibres, n_rotations) float array
        Change of q0 in its standard uncertainties, those of the fibre alone.
    """
    state, terms, sights = solution.state, fit.terms, fit.sights
    scale = fit.scale(state.parameters)
    of_sights = state.streaks.curvature_of_sights(solution.precision)
    of_sights *= (scale[:, :, None] * scale[:, None, :])[sights.fibre]
    pull = state.streaks.backward_of_sights(solution.residual * solution.precision) * scale[sights.fibre]
    whole = solution.blocks + np.diag(np.concatenate([[1e-6], fit.prior[1:]]))
    covariance = np.asarray(np.linalg.inv(whole), np.float64)
    sd = np.sqrt(np.diagonal(covariance, axis1=1, axis2=2))
    changes = np.zeros((sights.n_fibres, len(fit.rotation_deg)))
    steps = np.zeros_like(changes)
    for rotation in np.unique(path_rotation):
        chosen = sights.rotation == rotation
        own, right = np.zeros((sights.n_fibres, terms, terms)), np.zeros((sights.n_fibres, terms))
        own[sights.fibre[chosen]], right[sights.fibre[chosen]] = of_sights[chosen], pull[chosen]
        step = np.asarray(-np.linalg.solve(whole - own, right[:, :, None])[:, :, 0], np.float64)
        steps[:, rotation] = step[:, 1] / sd[:, 1]
        changes[:, rotation] = _against_expected(step, own, covariance)
    return changes, steps


def _against_expected(step: Floats, own: Floats, covariance: Floats) -> Floats:
    """Return chi squared of steps whose covariance is inverse(inverse(covariance) - own) less `covariance`.

    In the directions in which the angle brings more than nine tenths of what is known nothing is compared.
    """
    root = np.linalg.cholesky(covariance)
    share, turn = np.linalg.eigh(np.einsum("fji,fjk,fkl->fil", root, own, root))
    along = np.einsum("fji,fj->fi", turn, np.linalg.solve(root, step[:, :, None])[:, :, 0])
    share = np.clip(share, 0.0, None)
    tested = (share > 1e-3) & (share < 0.9)
    expected = np.where(tested, share / np.where(tested, 1 - share, 1.0), 1.0)
    return np.asarray((np.where(tested, along**2 / expected, 0.0)).sum(axis=1))
