"""Lines on a detector frame: rings, rays, arrows, as points in edge coordinates; plain numpy, no framework.

All of them go through `DetectorGeometry`, the same that assigns pixels to bins.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tomosaxs_plugins.integration.geometry import DetectorGeometry

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


def two_theta_of(geometry: DetectorGeometry, unit: str, value: ArrayLike) -> Floats:
    """Return scattering angles (rad) of radial coordinates in `unit`, a key of `radial.RADIAL`; NaN beyond 180 deg.

    Raises
    ------
    ValueError
        When q is given and the wavelength is not known, or the unit has no scattering angle.
    """
    value = np.asarray(value, dtype=np.float64)
    if unit == "2theta_deg":
        return np.asarray(np.radians(value), dtype=np.float64)
    if unit == "2theta_rad":
        return np.asarray(value, dtype=np.float64)
    scale = {"q_nm^-1": 1e9, "q_A^-1": 1e10}.get(unit)
    if scale is None or geometry.wavelength is None:
        raise ValueError(f"{unit} has no scattering angle here")
    with np.errstate(invalid="ignore"):
        return np.asarray(2 * np.arcsin(value * scale * geometry.wavelength / (4 * np.pi)), dtype=np.float64)


def ring(geometry: DetectorGeometry, two_theta: float) -> tuple[Floats, Floats]:
    """Return (rows, columns) of a closed ring."""
    return where_on_detector(geometry, two_theta, np.linspace(-np.pi, np.pi, _STEPS))


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
