"""What reduces the counts of a pixel: solid angle and polarisation; plain numpy."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tomosaxs_plugins.integration.geometry import DetectorGeometry


def pixel_factors(
    geometry: DetectorGeometry, shape: tuple[int, int], solid_angle: bool, polarization: float | None
) -> NDArray[np.float64]:
    """Return (rows, columns) factors at the pixel centres, 1 where nothing is reduced.

    Solid angle, relative to normal incidence: cos^3 of the angle of incidence. Polarisation of degree f (1: along
    columns' direction): ``(1 + cos^2 2theta - f cos 2chi sin^2 2theta) / 2``. Pauw 2013,
    doi:10.1088/0953-8984/25/38/383201.
    """
    rows, columns = np.arange(shape[0])[:, None] + 0.5, np.arange(shape[1])[None, :] + 0.5
    factors = np.ones(shape)
    if not solid_angle and polarization is None:
        return factors
    first, second, third = geometry.positions(rows, columns)
    square = first**2 + second**2 + third**2
    if solid_angle:
        factors *= (geometry.distance / np.sqrt(square)) ** 3
    if polarization is not None:
        # cos 2chi sin^2 2theta = (second^2 - first^2) / square
        factors *= (1 + third**2 / square - polarization * (second**2 - first**2) / square) / 2
    return factors
