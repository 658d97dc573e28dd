"""Covariance of the joint fit: the inverse of the normal matrix, of all fibres or of as many as belong together.

The normal matrix of n unknowns takes 8 n^2 bytes and n^3 operations. Up to `MOST_UNKNOWNS` it is inverted as a whole.
Beyond, fibres are taken in portions, each with the fibres that share most of the beam with it, all others held: what is
held makes uncertainties smaller, by less the weaker it is coupled.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tomosaxs_plugins.fibres.joint_fit import Fit
from tomosaxs_plugins.fibres.joint_sights import Integers
from tomosaxs_plugins.fibres.joint_solver import Solution
from tomosaxs_plugins.fibres.problem import Floats

MOST_UNKNOWNS = 8200
"""Size of the largest normal matrix that is inverted: about half a gigabyte."""
HEIGHT_SD = 3.0
"""What is known of a height beforehand, relative to it: next to nothing, but a matrix of it can be inverted."""


@dataclass(frozen=True, eq=False)
class Covariance:
    """Uncertainties of all fibres and who determines whom.

    Parameters
    ----------
    blocks : (n_fibres, n_terms, n_terms) float array
        Covariance of the unknowns of every fibre (relative height, q0, log wa, log wmu, logit delta, alpha, beta).
    partner : (n_fibres,) int array
        The fibre whose height is most correlated with that of each; -1 for none.
    correlation : (n_fibres,) float array
        That correlation; it is negative where the data tell the sum better than the difference.
    """

    blocks: Floats
    partner: Integers
    correlation: Floats


def covariance_of(fit: Fit, solution: Solution, most: int = MOST_UNKNOWNS) -> Covariance:
    """Return the covariance of data and prior.

    Parameters
    ----------
    fit, solution
        What was fitted, and the end of it.
    most : int
        Most unknowns to be taken together.
    """
    fibres = np.flatnonzero(np.diagonal(solution.blocks, axis1=1, axis2=2)[:, 0] > 0)
    terms, count = fit.terms, fit.sights.n_fibres
    prior = np.concatenate([[HEIGHT_SD**-2], fit.prior[1:]])
    blocks = np.tile(np.diag(1 / prior), (count, 1, 1))
    partner, correlation = np.full(count, -1, np.int64), np.zeros(count)
    if len(fibres) * terms <= most:
        portions = [(fibres, fibres)] if len(fibres) else []
    else:
        portions = _portions(fit, fibres, most // terms)
    for mine, together in portions:
        inverse = _inverse(normal_matrix(fit, solution, together, prior))
        place = np.searchsorted(together, mine)
        heights = inverse[::terms, ::terms]
        spread = np.sqrt(np.diagonal(heights))
        for fibre, here in zip(mine, place, strict=True):
            part = slice(here * terms, (here + 1) * terms)
            blocks[fibre] = np.tril(inverse[part, part]) + np.tril(inverse[part, part], -1).T
            row = np.concatenate([heights[here, :here], heights[here:, here]]) / spread / spread[here]
            row[here] = 0.0
            best = int(np.argmax(np.abs(row)))
            if len(row) > 1:
                partner[fibre], correlation[fibre] = together[best], row[best]
    return Covariance(blocks, partner, correlation)


def _portions(fit: Fit, fibres: Integers, most: int) -> list[tuple[Integers, Integers]]:
    """Return portions of fibres, each with all that are taken together with it."""
    sights = fit.sights
    path = np.repeat(np.arange(len(sights.offsets) - 1), np.diff(sights.offsets))
    share = np.zeros((sights.n_fibres, len(sights.offsets) - 1), np.float32)
    share[sights.fibre[sights.sight], path] = sights.weight
    out = []
    for begin in range(0, len(fibres), most // 3):
        mine = fibres[begin : begin + most // 3]
        coupling = (share @ share[mine].sum(axis=0))[fibres]
        coupling[begin : begin + len(mine)] = np.inf
        chosen = fibres[np.argsort(-coupling, kind="stable")[:most]]
        out.append((mine, np.sort(chosen)))
    return out


def normal_matrix(fit: Fit, solution: Solution, fibres: Integers, prior: Floats) -> Floats:
    """Return J^T W J + prior of some fibres, all others held, backgrounds eliminated; only its lower half is right.

    One beam path at a time, in their order.
    """
    terms, streaks, sights = fit.terms, solution.state.streaks, fit.sights
    scale = fit.scale(solution.state.parameters)[:, 0]
    place = np.full(sights.n_fibres, -1, np.int64)
    place[fibres] = np.arange(len(fibres))
    matrix = np.zeros((len(fibres) * terms, len(fibres) * terms), order="F")
    matrix[np.diag_indices(len(matrix))] = np.tile(prior, len(fibres))
    basis = fit.background.basis
    flat = np.tile(basis, (1, streaks.n_chi))
    for path in range(streaks.n_paths):
        entries = np.arange(sights.offsets[path], sights.offsets[path + 1])
        mine = sights.sight[entries]
        entries = entries[(place[sights.fibre[mine]] >= 0) & (streaks.cost[mine] > 0)]
        entries = entries[np.argsort(place[sights.fibre[sights.sight[entries]]], kind="stable")]
        if not len(entries):
            continue
        root = np.sqrt(solution.precision[path])
        jacobian = np.zeros((len(entries), terms, streaks.n_chi, streaks.n_q))
        for row, entry in enumerate(entries):
            s = sights.sight[entry]
            lit = slice(streaks.first[s], streaks.first[s + 1])
            chi = streaks.row_chi[lit]
            factor = sights.weight[entry] * scale[sights.fibre[s]]
            jacobian[row][:, chi] = streaks.values[lit].transpose(1, 0, 2) * (factor * root[chi])
        plain = jacobian.reshape(len(entries) * terms, -1)
        if len(basis):
            within, _ = np.linalg.qr((flat * root.ravel()).T)
            plain -= (plain @ within) @ within.T
        product = plain @ plain.T
        index = (place[sights.fibre[sights.sight[entries]]][:, None] * terms + np.arange(terms)).ravel()
        matrix[np.ix_(index, index)] += product
    return matrix


def _inverse(matrix: Floats) -> Floats:
    """Return the inverse of a symmetric positive matrix in its place; only the lower half is right.

    Raises
    ------
    ValueError
        When the matrix is not positive.
    """
    from scipy.linalg import lapack

    size = np.sqrt(np.diagonal(matrix)).copy()
    matrix /= size
    matrix /= size[:, None]
    factor, fault = lapack.dpotrf(matrix, lower=1, overwrite_a=1, clean=0)
    if fault == 0:
        factor, fault = lapack.dpotri(factor, lower=1, overwrite_c=1)
    if fault:
        raise ValueError("the normal matrix of the fit is not positive: the fit did not come to a minimum")
    factor /= size
    factor /= size[:, None]
    return np.asarray(factor)


def prior_sd(fit: Fit) -> Floats:
    """Return (n_terms,) standard deviations known before: of the relative height, q0, log wa ..."""
    return np.concatenate([[HEIGHT_SD], fit.prior[1:] ** -0.5])


Flags = NDArray[np.int64]
