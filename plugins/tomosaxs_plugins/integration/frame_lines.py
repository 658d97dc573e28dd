"""Lines on a detector frame: rings, rays, arrows, as points in edge coordinates; plain numpy, no framework.

All of them go through `DetectorGeometry`, the same that assigns pixels to bins.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tomosaxs_plugins.integration.geometry import DetectorGeometry
from tomosaxs_plugins.integration.radial import RADIAL, RADIUS, TWO_THETA, Q, scale_of

Floats = NDArray[np.float64]

_STEPS = 721


def where_on_detector(geometry: DetectorGeometry, two_theta: ArrayLike, chi: ArrayLike) -> tuple[Floats, Floats]:
    """Return (rows, columns), edge coordinates, where rays of a scattering angle and an azimuth (rad) meet the plane.

    The inverse of `DetectorGeometry.two_theta` and `azimuth`; NaN for rays that do not meet it.
    """
    two_theta, chi = np.broadcast_arrays(np.asarray(two_theta, dtype=np.float64), np.asarray(chi, dtype=np.float64))
    across = np.sin(two_theta)
    ray = np.stack([-across * np.sin(chi), across * np.cos(chi), np.cos(two_theta)])
    along = np.tensordot(geometry.rotation.T, ray, axes=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        reach = np.where(along[2] > 1e-9, geometry.distance / along[2], np.nan)
    rows = (along[0] * reach + geometry.poni1) / geometry.pixel1
    columns = (along[1] * reach + geometry.poni2) / geometry.pixel2
    return rows, columns


def ring(geometry: DetectorGeometry, unit: str, value: float) -> tuple[Floats, Floats]:
    """Return (rows, columns) of the closed line on which a radial coordinate has a value; NaN where it has none.

    Parameters
    ----------
    geometry : DetectorGeometry
        Of the frame.
    unit : str
        A key of `tomosaxs_plugins.integration.radial.RADIAL`.
    value : float
        In that unit.

    Raises
    ------
    ValueError
        When the unit needs the wavelength and that is not known.
    """
    chi = np.linspace(-np.pi, np.pi, _STEPS)
    kind, scale = RADIAL[unit].kind, scale_of(geometry, unit)
    if kind == RADIUS:
        return _at_radius(geometry, value / scale, chi)
    if kind == TWO_THETA:
        return where_on_detector(geometry, value / scale, chi)
    with np.errstate(divide="ignore", invalid="ignore"):
        sine = np.float64(value) / scale if kind == Q else scale / np.float64(value)
        return where_on_detector(geometry, 2 * np.arcsin(sine), chi)


def _at_radius(geometry: DetectorGeometry, radius: float, chi: Floats) -> tuple[Floats, Floats]:
    """Return (rows, columns) at a distance (m) from the beam's axis: go along the axis to the detector's plane."""
    turn = geometry.rotation.T
    aside = np.stack([-radius * np.sin(chi), radius * np.cos(chi)])
    along = (geometry.distance - turn[2, :2] @ aside) / turn[2, 2]
    place = turn[:, :2] @ aside + turn[:, 2:] * along
    return (place[0] + geometry.poni1) / geometry.pixel1, (place[1] + geometry.poni2) / geometry.pixel2


def ray(geometry: DetectorGeometry, chi: float, reach: float) -> tuple[Floats, Floats]:
    """Return (rows, columns) of a line of one azimuth (rad), from the beam to the scattering angle `reach` (rad)."""
    return where_on_detector(geometry, np.linspace(0.0, reach, 200), chi)


def corner_angle(geometry: DetectorGeometry, shape: tuple[int, int]) -> float:
    """Return the largest scattering angle (rad) on a frame."""
    rows, columns = np.array([0.0, 0.0, shape[0], shape[0]]), np.array([0.0, shape[1], 0.0, shape[1]])
    return float(geometry.two_theta(rows, columns).max())


def round_values(low: float, high: float, count: int) -> list[float]:
    """Return about `count` multiples of 1, 2 or 5 times a power of ten between two values, zero left out."""
    room = (high - low) / max(count, 1)
    if not (room > 0 and np.isfinite(room)):
        return []
    power = 10.0 ** np.floor(np.log10(room))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= room * 0.999)
    first, last = int(np.ceil(low / step - 1e-9)), int(np.floor(high / step + 1e-9))
    return [number * step for number in range(first, last + 1) if number]


def visible(rows: Floats, columns: Floats, shape: Sequence[int], margin: float = 0.0) -> NDArray[np.bool_]:
    """Return which points lie on the frame, at least `margin` pixels from its edges."""
    with np.errstate(invalid="ignore"):
        inside = (rows >= margin) & (rows <= shape[0] - margin)
        inside &= (columns >= margin) & (columns <= shape[1] - margin)
    return inside
