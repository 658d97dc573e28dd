"""Rays at an angle cross more of the detector's sensor, which then absorbs more of them."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tomosaxs_plugins.scattering.kernels.scaling import Corrected, divided


def divide_by_efficiency(
    values: ArrayLike, cosine: ArrayLike, attenuation: float, thickness: float, variance: ArrayLike | None = None
) -> Corrected:
    """Return values over the part of the photons that the sensor absorbs, 1 - exp(-mu t / cos alpha).

    Parameters
    ----------
    values : (n, ...) array
    cosine : array broadcastable to `values`
        Cosine of the angle alpha between ray and detector normal (2 theta where the detector is square to the beam).
    attenuation : float
        Attenuation coefficient mu of the sensor at the photon energy, 1/m.
    thickness : float
        Of the sensor, m.
    variance : array, optional
        Of `values`.

    Raises
    ------
    ValueError
        When `attenuation` or `thickness` is not positive.

    Notes
    -----
    B. R. Pauw et al. (2017), 10.1107/S1600576717015096, appendix C.
    """
    return divided(values, sensor_efficiency(cosine, attenuation, thickness), variance)


def sensor_efficiency(cosine: ArrayLike, attenuation: float, thickness: float) -> NDArray[np.float64]:
    """Return the absorbed part of photons that come at an angle; see `divide_by_efficiency`."""
    if not (attenuation > 0 and thickness > 0):
        raise ValueError(f"attenuation ({attenuation!r} 1/m) and thickness ({thickness!r} m) must be positive")
    slope = np.asarray(cosine, dtype=np.float64)
    return np.asarray(-np.expm1(-attenuation * thickness / np.where(slope > 0, slope, np.nan)))
