"""The numbers that a calibration refines, and where a geometry puts a ring; plain numpy."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tomosaxs_plugins.integration.geometry import DetectorGeometry

Floats = NDArray[np.float64]
NAMES = ("row", "column", "distance", "tilt_row", "tilt_column", "wavelength")
"""Beam centre in px (edge coordinates); distance along the beam and wavelength in m; the tilt as the sine of its
angle times its direction along rows and columns, which stays smooth where there is no tilt."""


def parameters(geometry: DetectorGeometry) -> Floats:
    """Return the six numbers of `NAMES`; rotations about the beam are lost, rings do not show them."""
    if geometry.wavelength is None:
        raise ValueError("the wavelength is not known")
    row, column = geometry.beam_centre
    along = geometry.rotation[2]
    return np.array([row, column, geometry.beam_distance, along[0], along[1], geometry.wavelength])


def geometry_of(values: Floats, like: DetectorGeometry) -> DetectorGeometry:
    """Return the geometry of six numbers, with pixels and shape of `like`."""
    sine = min(float(np.hypot(values[3], values[4])), 0.9999)
    return DetectorGeometry.from_tilt(
        (float(values[0]), float(values[1])),
        float(values[2]),
        float(np.arcsin(sine)),
        float(np.arctan2(values[3], values[4])),
        (like.pixel1, like.pixel2),
        float(values[5]),
        like.shape,
    )


def place(geometry: DetectorGeometry, two_theta: ArrayLike, azimuth: ArrayLike) -> tuple[Floats, Floats]:
    """Return (row, column) in edge coordinates where scattering in a direction meets the detector's plane.

    NaN where it does not. Angles in rad, azimuth as in `DetectorGeometry.azimuth`.
    """
    two_theta, azimuth = np.broadcast_arrays(
        np.asarray(two_theta, dtype=np.float64), np.asarray(azimuth, dtype=np.float64)
    )
    sine = np.sin(two_theta)
    direction = np.stack([-np.sin(azimuth) * sine, np.cos(azimuth) * sine, np.cos(two_theta)])
    turned = np.tensordot(geometry.rotation.T, direction, axes=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        length = np.where(turned[2] > 1e-6, geometry.distance / turned[2], np.nan)
    rows = (turned[0] * length + geometry.poni1) / geometry.pixel1
    columns = (turned[1] * length + geometry.poni2) / geometry.pixel2
    return np.asarray(rows), np.asarray(columns)


def pixels_per_radian(geometry: DetectorGeometry, rows: ArrayLike, columns: ArrayLike) -> Floats:
    """Return how many pixels a ring moves, across itself, when its angle grows by one radian."""
    rows, columns = np.asarray(rows, dtype=np.float64), np.asarray(columns, dtype=np.float64)
    step = 0.05
    down = geometry.two_theta(rows + step, columns) - geometry.two_theta(rows - step, columns)
    right = geometry.two_theta(rows, columns + step) - geometry.two_theta(rows, columns - step)
    return np.asarray(2 * step / np.hypot(down, right), dtype=np.float64)
