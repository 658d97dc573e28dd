"""Fibres that the data cannot tell apart: found from the covariance, fitted as one, and given back as a group."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from tomosaxs_plugins.fibres.joint_covariance import Covariance
from tomosaxs_plugins.fibres.joint_sights import Integers
from tomosaxs_plugins.fibres.problem import BeamPaths, Floats

OPPOSED = -0.8
"""Correlation of two heights below which it is their sum that is known."""
UNKNOWN = 0.5
"""Relative uncertainty of a height above which it is not known."""
SAME_DIRECTION_DEG = 15.0
"""Fibres farther apart in direction are never one object: their streaks differ."""


def inseparable(covariance: Covariance, parameters: Floats, seen: Integers) -> Integers:
    """Return for every fibre the first of its group: itself, or a fibre that it cannot be told from.

    Two fibres belong together when neither height is known, but their sum is: of the eigenvalues of the covariance of
    the two heights, the larger one, of the difference, is that of fibres without data, and the smaller one is not.

    Parameters
    ----------
    covariance : Covariance
        Of all fibres.
    parameters : (n_fibres, 7) float array
        Of the solution.
    seen : (n_fibres,) int array
        Beam paths that see each fibre.
    """
    leader = np.arange(len(parameters))
    spread = np.sqrt(covariance.blocks[:, 0, 0])
    alpha, beta = parameters[:, 5], parameters[:, 6]
    axis = np.stack([np.sin(alpha) * np.sin(beta), np.cos(alpha), np.sin(alpha) * np.cos(beta)], axis=1)
    for fibre in np.argsort(-spread, kind="stable"):
        other = int(covariance.partner[fibre])
        if other < 0 or not seen[fibre] or covariance.correlation[fibre] > OPPOSED or spread[fibre] < UNKNOWN:
            continue
        close = abs(float(axis[fibre] @ axis[other])) > np.cos(np.radians(SAME_DIRECTION_DEG))
        a, b = spread[fibre] ** 2, spread[other] ** 2
        both = covariance.correlation[fibre] * spread[fibre] * spread[other]
        smaller = (a + b) / 2 - np.hypot((a - b) / 2, both)
        if close and smaller < UNKNOWN**2:
            first, second = sorted((int(leader[fibre]), int(leader[other])))
            leader[leader == second] = first
    return leader


def merged(paths: BeamPaths, leader: Integers) -> BeamPaths:
    """Return beam paths in which every group is one fibre, the first of it, with the weights of all of them."""
    count, fibres = len(paths.path_rotation), len(leader)
    path = np.repeat(np.arange(count), np.diff(paths.offsets))
    key, inverse = np.unique(path * fibres + leader[paths.fibre], return_inverse=True)
    weight = np.zeros(len(key))
    np.add.at(weight, inverse, paths.weight)
    offsets = np.concatenate([[0], np.cumsum(np.bincount(key // fibres, minlength=count))]).astype(np.intp)
    return replace(paths, offsets=offsets, fibre=(key % fibres).astype(np.intp), weight=weight)


def joined(parameters: Floats, leader: Integers) -> Floats:
    """Return parameters in which the first of every group has the mean height of the group, to start from."""
    out = parameters.copy()
    for first in np.unique(leader[leader != np.arange(len(leader))]):
        out[first, 0] = parameters[leader == first, 0].mean()
    return np.asarray(out)
