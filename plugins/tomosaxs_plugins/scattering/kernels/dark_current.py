"""Counts that are there without any photon scattered by the sample."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from tomosaxs_plugins.scattering.kernels.scaling import Corrected, added, floating


def subtract_dark_current(
    counts: ArrayLike,
    count_time: ArrayLike = 1.0,
    *,
    base: float = 0.0,
    rate: float = 0.0,
    rate_of_flux: float = 0.0,
    flux: ArrayLike = 0.0,
    frame: ArrayLike | None = None,
    frame_time: float | None = None,
    variance: ArrayLike | None = None,
    frame_variance: ArrayLike | None = None,
) -> Corrected:
    """Return counts without those of the dark current.

    Parameters
    ----------
    counts : (n, ...) array
        Counts of one exposure.
    count_time : array broadcastable to `counts`
        Length of the exposure t, s.
    base : float
        Counts in every exposure, however short.
    rate : float
        Counts a second.
    rate_of_flux : float
        Counts that go with the beam's flux, for each of its counts: ``rate_of_flux * flux * count_time`` is taken off.
    flux : array broadcastable to `counts`
        Flux of the beam, counts a second.
    frame : array broadcastable to `counts`, optional
        Frame taken without beam, scaled by the ratio of the times.
    frame_time : float, optional
        Exposure of that frame, s; None takes the frame as it is.
    variance, frame_variance : array, optional
        Of `counts` and of `frame`.

    Returns
    -------
    counts, variance

    Notes
    -----
    B. R. Pauw et al. (2017), 10.1107/S1600576717015096.
    """
    data = floating(counts)
    time = np.asarray(count_time, dtype=np.float64)
    time = np.where(np.isfinite(time) & (time > 0), time, np.nan)
    scale = np.ones_like(time) if frame_time is None else time / frame_time
    dark = base + rate * time + rate_of_flux * np.asarray(flux, dtype=np.float64) * time
    if frame is not None:
        dark = dark + scale * np.asarray(frame, dtype=np.float64)
    out = np.asarray(data - dark, dtype=data.dtype)
    of_frame = None if frame_variance is None else scale * scale * np.asarray(frame_variance, dtype=np.float64)
    spread = added(variance, of_frame)
    return out, None if spread is None else np.array(np.broadcast_to(spread, out.shape), dtype=data.dtype)
