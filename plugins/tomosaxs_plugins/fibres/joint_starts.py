"""Other places to start from: overlapping pairs the other way round, and fibres that went far where they began."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tomosaxs_plugins.fibres.joint_fit import Fit
from tomosaxs_plugins.fibres.joint_pair_kernels import overlap
from tomosaxs_plugins.fibres.joint_sights import Integers
from tomosaxs_plugins.fibres.joint_solver import Solution
from tomosaxs_plugins.fibres.joint_streaks import DELTA, Q0, Streaks
from tomosaxs_plugins.fibres.problem import Floats

OVERLAP = 0.3
"""Cosine of two streaks of the same shape, in the weights of the fit, from which on a pair is tried."""
FAR = 2.5
"""Standard deviations beyond which a fibre went far: of its direction as given, of its shape among all fibres."""
TURNED = 20.0
"""Increase of chi squared by exchanged directions up to which they are tried."""
MOST_PAIRS = 2
"""Pairs that are tried, for every fibre of the slice: more overlap where a slice is filled."""
APART = 3.0
"""Difference of two shapes from which on a pair is tried, in its standard deviations, all others held."""


@dataclass(frozen=True, eq=False)
class Start:
    """Another place to start from.

    Parameters
    ----------
    fibres : (n,) int array
        What is tried elsewhere.
    parameters : (n, 7) float array
        Where.
    near : (n_fibres,) float array
        How much the others overlap with it.
    """

    fibres: Integers
    parameters: Floats
    near: Floats


def overlaps(fit: Fit, streaks: Streaks, precision: Floats) -> Floats:
    """Return (n_fibres, n_fibres) cosines of the streaks of any two fibres, 0 on the diagonal."""
    sights = fit.sights
    out = np.zeros((sights.n_fibres, sights.n_fibres))
    edges = np.searchsorted(sights.fibre, np.arange(sights.n_fibres + 1)).astype(np.int64)
    given = edges, sights.fibre, sights.first, sights.path, sights.path_weight, sights.offsets, sights.sight
    rest = sights.weight, streaks.first, streaks.row_chi, streaks.values, precision, out
    fit.crew.each(lambda low, high: overlap(low, high, *given, *rest), sights.n_fibres)
    size = np.sqrt(np.diagonal(out))
    size = np.where(size > 0, size, 1.0)
    out /= size * size[:, None]
    np.fill_diagonal(out, 0.0)
    return out


def alike(fit: Fit, parameters: Floats, precision: Floats) -> Floats:
    """Return the overlaps that all fibres would have if they had the same shape: who can stand in for whom."""
    same = parameters.copy()
    same[:, Q0 : DELTA + 1] = np.median(parameters[:, Q0 : DELTA + 1], axis=0)
    return overlaps(fit, fit.state(same, terms=1).streaks, precision)


def starts(fit: Fit, solution: Solution, shared: Floats, changed: NDArray[np.bool_]) -> list[Start]:
    """Return what is to be tried, of pairs with one fibre at least `changed`: the most overlapping first.

    Overlapping pairs of different shapes exchange their shapes; those whose given directions allow it exchange all.
    Fibres that went far start afresh.
    """
    here = solution.state.parameters
    spread, shape = deviations(fit, solution)[:, Q0 : DELTA + 1], here[:, Q0 : DELTA + 1]
    first, second = np.nonzero(np.triu(shared, 1) > OVERLAP)
    apart = np.abs(shape[first] - shape[second]) > APART * np.hypot(spread[first], spread[second])
    keep = apart.any(axis=1) & (changed[first] | changed[second])
    first, second = first[keep], second[keep]
    order = np.argsort(-shared[first, second], kind="stable")[: MOST_PAIRS * len(here)]
    pairs = np.stack([first[order], second[order]], axis=1)
    out = []
    for pair in pairs:
        exchanged = here[pair]
        exchanged[:, Q0 : DELTA + 1] = here[pair[::-1], Q0 : DELTA + 1]
        out.append(Start(pair, exchanged, shared[pair].max(axis=0)))
    if fit.terms > DELTA + 1:
        turned = _off(fit, here, *pairs.T) + _off(fit, here, *pairs.T[::-1])
        turned -= _off(fit, here, pairs[:, 0], pairs[:, 0]) + _off(fit, here, pairs[:, 1], pairs[:, 1])
        out += [Start(pair, here[pair[::-1]], shared[pair].max(axis=0)) for pair in pairs[turned < TURNED]]
    far = np.flatnonzero(changed & _far(fit, here))
    if len(far):
        fresh = here.copy()
        fresh[far] = np.median(here, axis=0)  # the shape and height of most, in the given direction
        fresh[far, DELTA + 1 :] = fit.start[far, DELTA + 1 :]
        there = alike(fit, fresh, solution.precision)
        out += [Start(np.array([fibre]), fresh[[fibre]], np.maximum(there, shared)[fibre]) for fibre in far]
    return out


def _far(fit: Fit, here: Floats) -> NDArray[np.bool_]:
    """Return which fibres are far from their given directions, or from the shapes of most."""
    own = np.arange(len(here))
    shape = here[:, Q0 : DELTA + 1] - np.median(here[:, Q0 : DELTA + 1], axis=0)
    typical = 1.4826 * np.median(np.abs(shape), axis=0)  # a standard deviation, of normal numbers
    strange = (np.abs(shape) > FAR * typical).any(axis=1)
    turned = _off(fit, here, own, own) > FAR**2 if fit.terms > DELTA + 1 else np.zeros_like(strange)
    return np.asarray(strange | turned)


def _off(fit: Fit, here: Floats, whose: Integers, where: Integers) -> Floats:
    """Return chi squared of the given directions of fibres `whose` if they had the directions of fibres `where`."""
    off = here[where, DELTA + 1 :] - fit.start[whose, DELTA + 1 :]
    off[:, 1] = (off[:, 1] + np.pi) % (2 * np.pi) - np.pi
    return np.asarray((off**2 * fit.prior[DELTA + 1 :]).sum(axis=1))


def deviations(fit: Fit, solution: Solution) -> Floats:
    """Return (n_fibres, n_terms) standard deviations of the unknowns of every fibre, all others held."""
    extra = np.concatenate([[1e-2], fit.prior[1:]])
    inverse = np.linalg.inv(solution.blocks + np.diag(extra))
    return np.asarray(np.sqrt(np.diagonal(inverse, axis1=1, axis2=2)))
