"""Pixels far from the normal of the detector are seen smaller and from farther away."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tomosaxs_plugins.scattering.kernels.scaling import Corrected, divided


def divide_by_solid_angle(
    values: ArrayLike, cosine: ArrayLike, normal_solid_angle: float = 1.0, variance: ArrayLike | None = None
) -> Corrected:
    """Return values over the solid angle of their pixels.

    A small flat pixel at angle alpha from the detector normal subtends cos^3(alpha) of what it would subtend at the
    foot of the normal: it is farther away by 1 / cos, squared, and inclined by cos.

    Parameters
    ----------
    values : (n, ...) array
    cosine : array broadcastable to `values`
        Cosine of the angle alpha between ray and detector normal (2 theta where the detector is square to the beam).
    normal_solid_angle : float
        Solid angle of a pixel at the foot of the normal, sr: area over squared distance. With 1 the correction is
        relative to such a pixel.
    variance : array, optional
        Of `values`.

    Notes
    -----
    B. R. Pauw et al. (2017), 10.1107/S1600576717015096; B. R. Pauw (2013), 10.1088/0953-8984/25/38/383201,
    section 3.4.6.
    """
    return divided(values, normal_solid_angle * relative_solid_angle(cosine), variance)


def relative_solid_angle(cosine: ArrayLike) -> NDArray[np.float64]:
    """Return cos^3, the solid angle of a pixel over that at the foot of the normal."""
    slope = np.asarray(cosine, dtype=np.float64)
    return np.asarray(slope * slope * slope)
