"""What is measured without the sample."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from tomosaxs_plugins.scattering.kernels.scaling import Corrected, added, floating


def subtract_background(
    values: ArrayLike,
    background: ArrayLike,
    scale: ArrayLike = 1.0,
    variance: ArrayLike | None = None,
    background_variance: ArrayLike | None = None,
) -> Corrected:
    """Return ``values - scale * background``, and the sum of the variances.

    Parameters
    ----------
    values : (n, ...) array
        Sample with what surrounds it, per transmitted flux.
    background : array broadcastable to `values`
        The same without the sample, corrected alike.
    scale : array broadcastable to `values`
        1 where both were corrected for flux and transmission.
    variance, background_variance : array, optional
        Of `values` and of `background`; one that is not given counts as zero.

    Notes
    -----
    B. R. Pauw et al. (2017), 10.1107/S1600576717015096.
    """
    data = floating(values)
    part = np.asarray(scale, dtype=np.float64)
    out = np.asarray(data - part * np.asarray(background, dtype=np.float64), dtype=data.dtype)
    of_background = None if background_variance is None else part * part * np.asarray(background_variance, np.float64)
    spread = added(variance, of_background)
    return out, None if spread is None else np.array(np.broadcast_to(spread, out.shape), dtype=data.dtype)
