"""Scattered rays travel farther through the sample than the direct beam."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tomosaxs_plugins.scattering.kernels.scaling import Corrected, divided


def undo_self_absorption(
    values: ArrayLike, transmission: ArrayLike, two_theta: ArrayLike, variance: ArrayLike | None = None
) -> Corrected:
    """Return values as if scattered rays were absorbed like the direct beam.

    The sample is a plate square to the beam. Averaged over the depth of scattering, a ray at angle 2 theta is
    weakened by the ratio (1 - exp(-a)) / a more than the direct beam, a = -ln T (1 / cos 2 theta - 1); the values,
    already over the transmission, are divided by it.

    Parameters
    ----------
    values : (n, ...) array
    transmission : array broadcastable to `values`
        Transmission T of the direct beam.
    two_theta : array broadcastable to `values`
        Scattering angle, deg, below 90.
    variance : array, optional
        Of `values`.

    Returns
    -------
    values, variance
        NaN where the transmission is not positive, or the ray would not leave the plate's back.

    Notes
    -----
    B. R. Pauw et al. (2017), 10.1107/S1600576717015096; B. R. Pauw (2013), 10.1088/0953-8984/25/38/383201,
    section 3.4.7.
    """
    return divided(values, self_absorption_ratio(transmission, two_theta), variance)


def self_absorption_ratio(transmission: ArrayLike, two_theta: ArrayLike) -> NDArray[np.float64]:
    """Return what passes of a scattered ray over what passes of the direct beam; see `undo_self_absorption`."""
    part = np.asarray(transmission, dtype=np.float64)
    depth = -np.log(np.where(part > 0, part, np.nan))
    a = depth * longer_path(two_theta)
    safe = np.where(a == 0, 1.0, a)
    return np.asarray(np.where(a == 0, 1.0, -np.expm1(-safe) / safe))


def longer_path(two_theta: ArrayLike) -> NDArray[np.float64]:
    """Return 1 / cos(2 theta) - 1, exact for small angles too; NaN from 90 degrees on."""
    degrees = np.asarray(two_theta, dtype=np.float64)
    angle = np.radians(np.where(np.abs(degrees) < 90, degrees, np.nan))
    half = np.sin(0.5 * angle)
    return np.asarray(2 * half * half / np.cos(angle))
