"""Differences of curves to the first of them, on its coordinate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tomosaxs_plugins.curves.curve import Curve, Floats


@dataclass(frozen=True, eq=False)
class Difference:
    """How a curve differs from another, on the other's coordinate.

    Parameters
    ----------
    name : str
        Name of the curve.
    x : (n,) array
        Coordinate of the curve it is compared to.
    difference, percent : (n,) arrays
        Curve minus the other, in its units and relative to it; NaN where either is not known, and outside of
        what the curve covers.
    sigma : (n,) array or None
        Standard uncertainty of the difference, where both curves have one.
    """

    name: str
    x: Floats
    difference: Floats
    percent: Floats
    sigma: Floats | None


def compare_curves(curves: Sequence[Curve]) -> list[Difference]:
    """Return how every further curve differs from the first, interpolated linearly to its coordinate.

    Units of the coordinate are converted. Beside an empty bin there is no value: nothing is interpolated across it.

    Raises
    ------
    ValueError
        When there are fewer than two curves, or the coordinates cannot be compared.
    """
    if len(curves) < 2:
        raise ValueError("a comparison needs at least two curves")
    first = curves[0]
    return [_difference(first, curve.in_units(first.x_units)) for curve in curves[1:]]


def _difference(first: Curve, other: Curve) -> Difference:
    if other.x_name != first.x_name:
        raise ValueError(f"{other.name} is over {other.x_name}, {first.name} over {first.x_name}")
    y = interpolated(other.x, other.y, first.x)
    with np.errstate(divide="ignore", invalid="ignore"):
        percent = np.where(first.y != 0, 100.0 * (y - first.y) / first.y, np.nan)
    sigma = None
    if first.sigma is not None and other.sigma is not None:
        sigma = np.hypot(first.sigma, interpolated(other.x, other.sigma, first.x))
    return Difference(other.name, first.x, y - first.y, percent, sigma)


def interpolated(x: Floats, y: Floats, at: Floats) -> Floats:
    """Return values at other places, linear between neighbours, NaN outside and beside what is not a number."""
    order = np.argsort(x, kind="stable")
    if len(order) == 0:
        return np.full(len(at), np.nan)
    x, y = x[order], y[order]
    # a coordinate of seven digits need not hit its own ends
    room = 1e-6 * float(x[-1] - x[0])
    inside = (at >= x[0] - room) & (at <= x[-1] + room)
    return np.where(inside, np.interp(at, x, y), np.nan)
