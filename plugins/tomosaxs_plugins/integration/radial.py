"""Radial coordinates and bins of azimuthal integration; plain numpy, no framework."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tomosaxs_plugins.integration.geometry import DetectorGeometry

RadialUnit: TypeAlias = Literal["q_nm^-1", "q_A^-1", "2theta_deg", "2theta_rad", "radius_mm"]


@dataclass(frozen=True)
class Radial:
    """Name of the axis, its units, and whether it needs a wavelength."""

    axis: str
    units: str
    needs_wavelength: bool


RADIAL: dict[str, Radial] = {
    "q_nm^-1": Radial("q", "nm^-1", True),
    "q_A^-1": Radial("q", "angstrom^-1", True),
    "2theta_deg": Radial("two_theta", "deg", False),
    "2theta_rad": Radial("two_theta", "rad", False),
    "radius_mm": Radial("radius", "mm", False),
}


def radial_coordinate(
    geometry: DetectorGeometry, unit: str, rows: ArrayLike, columns: ArrayLike
) -> NDArray[np.float64]:
    """Return the radial coordinate, in `unit`, of points given in edge coordinates.

    q = 4 pi sin(theta) / wavelength; ``radius_mm`` is the distance of the point from the beam's axis.

    Raises
    ------
    ValueError
        When q is asked for and the wavelength is not known.
    """
    if unit == "radius_mm":
        first, second, _ = geometry.positions(rows, columns)
        return np.asarray(np.hypot(first, second) * 1e3, dtype=np.float64)
    two_theta = geometry.two_theta(rows, columns)
    if unit == "2theta_rad":
        return two_theta
    if unit == "2theta_deg":
        return np.degrees(two_theta)
    if geometry.wavelength is None:
        raise ValueError(f"unit {unit} needs the wavelength, which the calibration does not give")
    per_metre = 4 * np.pi / geometry.wavelength * np.sin(two_theta / 2)
    return np.asarray(per_metre * (1e-9 if unit == "q_nm^-1" else 1e-10), dtype=np.float64)


def full_range(geometry: DetectorGeometry, shape: tuple[int, int], unit: str) -> tuple[float, float]:
    """Return the smallest and largest radial coordinate at the pixel corners of a frame.

    The lower end is 0 where the direct beam falls on the frame. Masks do not change the range, so that
    curves of differently masked frames share their bins.
    """
    rows, columns = np.arange(shape[0] + 1)[:, None], np.arange(shape[1] + 1)[None, :]
    # extrema of a smooth function without an interior one lie on the rim; the only interior one is the beam
    values = [
        radial_coordinate(geometry, unit, rows[[0, -1]], columns),
        radial_coordinate(geometry, unit, rows, columns[:, [0, -1]]),
    ]
    low = min(float(each.min()) for each in values)
    high = max(float(each.max()) for each in values)
    row, column = geometry.beam_centre
    if 0 <= row <= shape[0] and 0 <= column <= shape[1]:
        low = 0.0
    return low, high


def bin_centres(low: float, high: float, bins: int) -> NDArray[np.float64]:
    """Return the centres of `bins` equal bins between `low` and `high`."""
    return np.asarray(low + (high - low) * (np.arange(bins) + 0.5) / bins, dtype=np.float64)
