"""Extended field: a full turn with the rotation axis near one edge of the detector gives slices almost twice as wide.

Opposite views see opposite halves of the sample and share a strip on either side of the axis. Every ray through that
strip is measured twice, at the distance s from the axis in one view and at -s in the opposite one, so that weights with
``w(s) + w(-s) = 1`` count it once; a smooth ramp between 0 and 1 leaves no seam. Two forms: all views of the turn,
weighted and zero outside the detector (any angles, nothing is interpolated), or half as many views merged from two
opposite ones (ordinary sinograms of half a turn, for whatever asks for these).

Half acquisition is described for instance by N. T. Vo et al., DOI 10.1364/OE.418448.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tomosaxs_plugins.reconstruction.angles import angular_weights

_EXACT = 0.02  # of a step in angle: a view nearer than this to the opposite angle is the opposite one


def extended_range(columns: int, centre: float) -> tuple[int, int]:
    """Return the first and the last column of the wide sinogram, in columns of the detector.

    Parameters
    ----------
    columns : int
        Width of the detector.
    centre : float
        Rotation axis, in pixel centres from 0.

    Returns
    -------
    (int, int)
        One of them is the detector's own end; the other lies as far from the axis, rounded outwards. The axis on the
        left gives a negative first column.

    Raises
    ------
    ValueError
        When the axis is not on the detector.
    """
    if not 0 <= centre <= columns - 1:
        raise ValueError(f"the rotation axis ({centre:g}) is not on the detector, whose columns are 0 to {columns - 1}")
    mirrored = round(2 * centre, 6)  # the mirror image of column 0
    return min(0, math.floor(mirrored) - (columns - 1)), max(columns - 1, math.ceil(mirrored))


def blend_weights(columns: int, centre: float, ramp: float | None = None) -> NDArray[np.float64]:
    """Return the weight of every detector column: 0 at the edge near the axis, 1 beyond the overlap.

    Parameters
    ----------
    columns : int
        Width of the detector.
    centre : float
        Rotation axis, in pixel centres from 0.
    ramp : float, optional
        Width in pixels over which the weight rises, about the axis; default (and at most) the whole overlap.

    Returns
    -------
    ndarray, shape (columns,)
        ``w(s) + w(-s) = 1`` at any distance s from the axis; value and slope are continuous.
    """
    overlap = 2.0 * min(centre, columns - 1 - centre)
    width = overlap if ramp is None else min(float(ramp), overlap)
    distance = np.arange(columns) - centre
    if centre > 0.5 * (columns - 1):  # the long side lies on the left
        distance = -distance
    part = np.clip(0.5 + distance / max(width, 1e-9), 0.0, 1.0)
    return np.asarray(part**2 * (3.0 - 2.0 * part))


def extend(data: NDArray[np.float32], centre: float, ramp: float | None = None) -> NDArray[np.float32]:
    """Return weighted sinograms of the whole width, one row a view.

    Parameters
    ----------
    data : ndarray, shape (slices, angles, columns)
        Attenuation of a full turn.
    centre, ramp : float
        As for `blend_weights`.

    Returns
    -------
    ndarray, shape (slices, angles, wide), float32
        From `extended_range`. To be reconstructed with the angular weights of a full turn (they sum to 2 pi).
    """
    columns = data.shape[-1]
    first, last = extended_range(columns, centre)
    wide = np.zeros((*data.shape[:-1], last - first + 1), dtype=np.float32)
    weights = blend_weights(columns, centre, ramp).astype(np.float32)
    np.multiply(data, weights, out=wide[..., -first : columns - first])
    return wide


def full_turn_factor(angles_deg: ArrayLike) -> NDArray[np.float32]:
    """Return what turns weights of directions in half a turn into weights of views in a full one, one factor a view.

    Filtered backprojection weights views modulo 180 degrees; of an extended field they count modulo 360.
    """
    return (angular_weights(angles_deg, 360.0) / angular_weights(angles_deg)).astype(np.float32)


@dataclass(frozen=True)
class Opposites:
    """Which views make the half turn, and what is opposite to each.

    Attributes
    ----------
    kept : (m,) int array
        Views of the half turn, in the order of the scan.
    left, right : (m,) int arrays
        Views on either side of the opposite angle (the same where one is exactly opposite).
    share : (m,) float array
        Weight of `right`, 0 to 1.
    """

    kept: NDArray[np.intp]
    left: NDArray[np.intp]
    right: NDArray[np.intp]
    share: NDArray[np.float64]


def opposite_views(angles_deg: ArrayLike) -> Opposites:
    """Find half a turn of views, and for each the neighbours of the opposite angle.

    Parameters
    ----------
    angles_deg : array_like, shape (angles,)
        Degrees, in any order; they go all around.

    Returns
    -------
    Opposites
        The views within 180 degrees from the smallest angle.

    Raises
    ------
    ValueError
        When some opposite angle lies in a gap of the scan.
    """
    angles = np.asarray(angles_deg, dtype=np.float64).ravel()
    turned = angles - angles.min()
    order = np.argsort(np.mod(turned, 360.0), kind="stable")
    circle = np.mod(turned, 360.0)[order]
    step = 360.0 / max(len(angles), 1)
    kept = np.flatnonzero(turned < 180.0 - _EXACT * step)
    wanted = np.mod(turned[kept] + 180.0, 360.0)
    after = np.searchsorted(circle, wanted - _EXACT * step)
    right, left = order[after % len(order)], order[(after - 1) % len(order)]
    ahead = np.mod(np.mod(turned[right], 360.0) - wanted + _EXACT * step, 360.0) - _EXACT * step
    behind = np.mod(wanted - np.mod(turned[left], 360.0) + _EXACT * step, 360.0) - _EXACT * step
    exact = ahead <= _EXACT * step
    usual = float(np.median(np.diff(circle))) if len(circle) > 1 else 360.0
    wide = ~exact & (ahead + behind > max(4.0 * usual, 3.0))
    if wide.any():
        place = float(angles[kept[wide][0]])
        raise ValueError(
            f"no projection is opposite to the one at {place:g} degrees: an extended field needs a full turn "
            "without gaps"
        )
    share = np.where(exact, 1.0, behind / np.where(exact, 1.0, ahead + behind))
    return Opposites(kept, np.where(exact, right, left), right, share)
