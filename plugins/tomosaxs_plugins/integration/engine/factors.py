"""What reduces the counts of a pixel: solid angle, polarisation, absorption by the sensor; plain numpy."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tomosaxs_plugins.integration.geometry import DetectorGeometry
from tomosaxs_plugins.scattering.kernels.angular_efficiency import sensor_efficiency


def pixel_factors(
    geometry: DetectorGeometry,
    shape: tuple[int, int],
    solid_angle: bool,
    polarization: float | None,
    polarization_angle: float = 0.0,
    efficiency: NDArray[np.float64] | None = None,
) -> NDArray[np.float64]:
    """Return (rows, columns) factors at the pixel centres, 1 where nothing is reduced.

    Solid angle, relative to normal incidence: cos^3 of the angle of incidence. Polarisation of degree f along the
    direction a (degrees, counter-clockwise from the columns' direction in a picture with row 0 on top):
    ``(1 + cos^2 2theta - f cos 2(chi - a) sin^2 2theta) / 2``; where a fraction P of the light is polarised along a and
    the rest across, f = 2 P - 1. `efficiency` (rows, columns) multiplies what the others give. Pauw 2013,
    doi:10.1088/0953-8984/25/38/383201.
    """
    factors = np.ones(shape) if efficiency is None else np.array(efficiency, dtype=np.float64)
    if not solid_angle and polarization is None:
        return factors
    first, second, third = geometry.positions(*_centres(shape))
    square = first**2 + second**2 + third**2
    if solid_angle:
        factors *= (geometry.distance / np.sqrt(square)) ** 3
    if polarization is not None:
        # cos 2chi sin^2 2theta = (second^2 - first^2) / square, sin 2chi sin^2 2theta = -2 first second / square
        along = (second**2 - first**2) / square
        if polarization_angle != 0:
            turn = np.radians(2 * polarization_angle)
            along = np.cos(turn) * along - np.sin(turn) * (2 * first * second / square)
        factors *= (1 + third**2 / square - polarization * along) / 2
    return factors


def sensor_factors(
    geometry: DetectorGeometry, shape: tuple[int, int], thickness: float, attenuation: float
) -> NDArray[np.float64]:
    """Return (rows, columns): the part of the photons that a sensor absorbs, 1 - exp(-mu t / cos alpha).

    alpha is the angle between ray and detector normal, t `thickness` (m), mu `attenuation` (1/m). Pauw et al. 2017,
    doi:10.1107/S1600576717015096.
    """
    first, second, third = geometry.positions(*_centres(shape))
    cosine = geometry.distance / np.sqrt(first**2 + second**2 + third**2)
    return sensor_efficiency(cosine, attenuation, thickness)


def _centres(shape: tuple[int, int]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    rows, columns = np.arange(shape[0], dtype=np.float64), np.arange(shape[1], dtype=np.float64)
    return np.asarray(rows[:, None] + 0.5), np.asarray(columns[None, :] + 0.5)
