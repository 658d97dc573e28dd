"""Electrons do not radiate along the direction in which the beam's field shakes them."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tomosaxs_plugins.scattering.kernels.scaling import Corrected, divided


def divide_by_polarisation(
    values: ArrayLike,
    two_theta: ArrayLike,
    azimuth: ArrayLike,
    horizontal: float,
    variance: ArrayLike | None = None,
) -> Corrected:
    """Return values over the polarisation factor of their direction.

    The factor is h (1 - cos^2 chi sin^2 2theta) + (1 - h) (1 - sin^2 chi sin^2 2theta): the part h of the beam with
    its field along the horizontal does not scatter to 2 theta = 90 degrees along the horizontal.

    Parameters
    ----------
    values : (n, ...) array
    two_theta, azimuth : array broadcastable to `values`
        Scattering angle, and azimuth chi from the horizontal, deg.
    horizontal : float
        Part h of the intensity that is polarised horizontally: 1 fully, 0.5 an unpolarised beam, about 0.95 to 0.99 at
        a bending magnet or undulator.
    variance : array, optional
        Of `values`.

    Raises
    ------
    ValueError
        When `horizontal` is not within 0 to 1.

    Notes
    -----
    B. R. Pauw et al. (2017), 10.1107/S1600576717015096; B. R. Pauw (2013), 10.1088/0953-8984/25/38/383201,
    section 3.4.1.
    """
    return divided(values, polarisation_factor(two_theta, azimuth, horizontal), variance)


def polarisation_factor(two_theta: ArrayLike, azimuth: ArrayLike, horizontal: float) -> NDArray[np.float64]:
    """Return the relative intensity that a polarised beam scatters in a direction; see `divide_by_polarisation`."""
    if not 0 <= horizontal <= 1:
        raise ValueError(f"the horizontally polarised part is {horizontal!r}: it lies between 0 and 1")
    along = np.sin(np.radians(np.asarray(two_theta, dtype=np.float64))) ** 2
    chi = np.radians(np.asarray(azimuth, dtype=np.float64))
    lost = horizontal * np.cos(chi) ** 2 + (1 - horizontal) * np.sin(chi) ** 2
    return np.asarray(1 - lost * along)
