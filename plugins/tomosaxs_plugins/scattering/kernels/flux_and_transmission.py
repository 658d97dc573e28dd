"""Signal per photon that passed the sample."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from tomosaxs_plugins.scattering.kernels.scaling import Corrected, divided


def divide_by_flux(
    values: ArrayLike, incident: ArrayLike, transmission: ArrayLike = 1.0, variance: ArrayLike | None = None
) -> Corrected:
    """Return values over the transmitted flux, ``incident * transmission``.

    Parameters
    ----------
    values : (n, ...) array
    incident : array broadcastable to `values`
        Flux, or counts of the monitor, before the sample.
    transmission : array broadcastable to `values`
        Part of the beam that passes the sample unscattered and not absorbed, 0 to 1.
    variance : array, optional
        Of `values`.

    Returns
    -------
    values, variance
        NaN where flux or transmission is not a positive number.

    Notes
    -----
    B. R. Pauw et al. (2017), 10.1107/S1600576717015096.
    """
    beam, part = np.asarray(incident, dtype=np.float64), np.asarray(transmission, dtype=np.float64)
    return divided(values, np.where((beam > 0) & (part > 0), beam * part, np.nan), variance)
