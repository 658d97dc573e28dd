"""Signal per length of sample."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from tomosaxs_plugins.scattering.kernels.scaling import Corrected, divided


def divide_by_thickness(
    values: ArrayLike, thickness: ArrayLike, minimum: float = 0.0, variance: ArrayLike | None = None
) -> Corrected:
    """Return values over the thickness of the sample; NaN where that is zero, below `minimum` or not a number.

    Parameters
    ----------
    values : (n, ...) array
    thickness : array broadcastable to `values`
        Path of the beam in the sample, m.
    minimum : float
        Thickness below which a value would be little but noise, m.
    variance : array, optional
        Of `values`.

    Notes
    -----
    B. R. Pauw et al. (2017), 10.1107/S1600576717015096.
    """
    path = np.asarray(thickness, dtype=np.float64)
    return divided(values, np.where(path >= minimum, path, np.nan), variance)
