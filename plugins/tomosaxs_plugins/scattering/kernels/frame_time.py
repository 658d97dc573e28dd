"""Counts to counts a second."""

from __future__ import annotations

from numpy.typing import ArrayLike

from tomosaxs_plugins.scattering.kernels.scaling import Corrected, divided


def divide_by_time(counts: ArrayLike, count_time: ArrayLike, variance: ArrayLike | None = None) -> Corrected:
    """Return counts a second; NaN where the time is not a positive number.

    Parameters
    ----------
    counts : (n, ...) array
    count_time : array broadcastable to `counts`
        Length of the exposure, s.
    variance : array, optional
        Of `counts`.

    Notes
    -----
    B. R. Pauw et al. (2017), 10.1107/S1600576717015096.
    """
    return divided(counts, count_time, variance)
