"""Simulated images of calibration standards, whose geometry is known exactly."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tomosaxs_plugins.integration.calibrate.standards import Standard
from tomosaxs_plugins.integration.geometry import DetectorGeometry

PIXEL = (172e-6, 172e-6)
PILATUS_1M = (1043, 981)


def fit2d(
    centre: tuple[float, float],
    distance: float,
    tilt: float,
    rotation: float,
    wavelength: float,
    shape: tuple[int, int],
    pixel: tuple[float, float] = PIXEL,
) -> DetectorGeometry:
    """Return the geometry of FIT2D's numbers: centre (x, y from the bottom), mm, degrees, Angstrom.

    Written out from the specification of that program's convention, not with the code under test: s runs along the
    tilt's direction, the detector lies farther by s sin(tilt).
    """
    return DetectorGeometry.from_tilt(
        (shape[0] - centre[1], centre[0]),
        distance * 1e-3,
        np.radians(tilt),
        np.radians(-rotation),
        pixel,
        wavelength * 1e-10,
        shape,
    )


def manual_case() -> DetectorGeometry:
    """Return the geometry of buf1, tilted as in the case of the manual."""
    return fit2d((387.772, 808.370), 1031.657, -10.0, 73.569, 1.54, PILATUS_1M)


def expected(
    geometry: DetectorGeometry,
    standard: Standard,
    *,
    rings: int,
    height: float = 2000.0,
    background: float = 400.0,
    width: float = 4.0,
    subsample: int = 2,
) -> NDArray[np.float64]:
    """Return expected counts: Gaussian rings (`width` in px near the beam) on a background that falls outwards.

    Heights alternate, as those of real rings do.
    """
    assert geometry.shape is not None
    assert geometry.wavelength is not None
    sub = subsample
    rows = (np.arange(geometry.shape[0] * sub)[:, None] + 0.5) / sub
    columns = (np.arange(geometry.shape[1] * sub)[None, :] + 0.5) / sub
    angle = geometry.two_theta(rows, columns)
    sigma = width * np.sqrt(geometry.pixel1 * geometry.pixel2) / geometry.beam_distance
    counts = background * (0.3 + np.exp(-angle / (60 * sigma)))
    for number, ring in enumerate(standard.two_theta(geometry.wavelength)[:rings]):
        near = np.abs(angle - ring) < 6 * sigma
        top = height * (1.0 if number == 0 else (0.5, 0.3, 0.4)[number % 3])
        counts[near] += top * np.exp(-0.5 * ((angle[near] - ring) / sigma) ** 2)
    shape = (geometry.shape[0], sub, geometry.shape[1], sub)
    return np.asarray(counts.reshape(shape).mean(axis=(1, 3)))


def gaps_and_stop(geometry: DetectorGeometry, *, stop: float = 25.0) -> NDArray[np.bool_]:
    """Return the mask of a Pilatus (gaps of 17 rows and 7 columns) with a round beam stop on an arm."""
    assert geometry.shape is not None
    rows, columns = np.arange(geometry.shape[0])[:, None], np.arange(geometry.shape[1])[None, :]
    row, column = geometry.beam_centre
    mask = (rows % 212 >= 195) | (columns % 494 >= 487)
    mask |= np.hypot(rows - row, columns - column) < stop
    mask |= (np.abs(columns - column) < 8) & (rows < row)
    return np.asarray(mask, dtype=np.bool_)


def tilt_of(geometry: DetectorGeometry) -> tuple[float, float]:
    """Return FIT2D's tilt and rotation in degrees, the rotation between -90 and 90."""
    along = geometry.rotation[2]
    tilt = np.degrees(np.arcsin(np.hypot(along[0], along[1])))
    rotation = np.degrees(np.arctan2(-along[0], along[1]))
    if rotation > 90:
        return -tilt, rotation - 180
    if rotation <= -90:
        return -tilt, rotation + 180
    return tilt, rotation


def noisy(counts: NDArray[np.float64], mask: NDArray[np.bool_], seed: int) -> NDArray[Any]:
    """Return Poisson counts, -1 where masked."""
    image = np.random.default_rng(seed).poisson(counts).astype(np.int32)
    image[mask] = -1
    return image
