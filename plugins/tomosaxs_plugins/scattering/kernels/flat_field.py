"""Pixels differ in sensitivity."""

from __future__ import annotations

from numpy.typing import ArrayLike

from tomosaxs_plugins.scattering.kernels.scaling import Corrected, divided


def divide_by_flat_field(values: ArrayLike, sensitivity: ArrayLike, variance: ArrayLike | None = None) -> Corrected:
    """Return values over the relative sensitivity of their pixels; NaN where that is not a positive number.

    Parameters
    ----------
    values : (n, ...) array
    sensitivity : array broadcastable to `values`
        What a pixel counts where a mean one counts 1. Programs that multiply want its inverse.
    variance : array, optional
        Of `values`.

    Notes
    -----
    B. R. Pauw et al. (2017), 10.1107/S1600576717015096.
    """
    return divided(values, sensitivity, variance)
