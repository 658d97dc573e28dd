"""Smoothing of rows with numpy alone: what the search of an axis needs of `scipy.ndimage`, without its long import."""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

Floats = NDArray[np.float64]

TRUNCATE = 4.0
"""Standard deviations at which a Gaussian is cut off."""


def gaussian(values: Floats, sigma: float, *, slope: bool = False) -> Floats:
    """Smooth along the last axis by a Gaussian; beyond the ends the outermost values go on.

    Parameters
    ----------
    values : (..., n) array
        Rows.
    sigma : float
        Standard deviation, px.
    slope : bool
        Return the derivative of the smoothed rows instead, per px.

    Returns
    -------
    (..., n) float64 array
    """
    reach = int(TRUNCATE * sigma + 0.5)
    place = np.arange(-reach, reach + 1)
    taps = np.exp(-0.5 * (place / sigma) ** 2)
    taps /= taps.sum()
    if slope:  # of a sum of values times taps at their distance from here
        taps *= place / sigma**2
    size = values.shape[-1] + 2 * reach
    ends = [(0, 0)] * (values.ndim - 1) + [(reach, reach)]
    spectrum = np.fft.rfft(np.pad(values, ends, mode="edge"), size)
    spectrum *= np.conj(np.fft.rfft(taps, size))
    smoothed: Floats = np.fft.irfft(spectrum, size)[..., : values.shape[-1]]
    return smoothed


def running_median(values: Floats, size: int) -> Floats:
    """Return the median of so many neighbours, an odd number; rows are mirrored at their ends.

    Parameters
    ----------
    values : (n,) array
        One row.
    size : int
        Values of which a median is taken.

    Returns
    -------
    (n,) float64 array
    """
    padded = np.pad(values, size // 2, mode="symmetric")
    medians: Floats = np.median(sliding_window_view(padded, size), axis=-1)
    return medians
