"""A sample in a dispersant takes the place of some of it."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from tomosaxs_plugins.scattering.kernels.background_subtraction import subtract_background
from tomosaxs_plugins.scattering.kernels.scaling import Corrected


def subtract_dispersant(
    values: ArrayLike,
    dispersant: ArrayLike,
    fraction: ArrayLike,
    variance: ArrayLike | None = None,
    dispersant_variance: ArrayLike | None = None,
) -> Corrected:
    """Return ``values - (1 - fraction) * dispersant``: only the dispersant that is left in the beam scatters.

    Parameters
    ----------
    values : (n, ...) array
        Sample in its dispersant, background subtracted, before the division by the thickness.
    dispersant : array broadcastable to `values`
        The cell filled with dispersant alone, background subtracted alike.
    fraction : array broadcastable to `values`
        Part of the dispersant's volume in the beam that the sample displaces, 0 to 1. For a solid sample that is
        the sample's path over the inner path of the cell.
    variance, dispersant_variance : array, optional
        Of `values` and of `dispersant`; one that is not given counts as zero.

    Returns
    -------
    values, variance
        NaN where the fraction is not within 0 to 1.

    Notes
    -----
    B. R. Pauw et al. (2017), 10.1107/S1600576717015096, appendix B.
    """
    part = np.asarray(fraction, dtype=np.float64)
    left = np.where((part >= 0) & (part <= 1), 1 - part, np.nan)
    return subtract_background(values, dispersant, left, variance, dispersant_variance)
