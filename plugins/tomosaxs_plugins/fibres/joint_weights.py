"""Weights of the data: from the fitted expectation, so that a bin that counted little by chance does not count more."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tomosaxs_plugins.fibres.problem import Floats, Library

FEWEST_COUNTS = 0.3
"""Expectations are not taken to be smaller, in counts, when a variance is made of them."""


def gain_of(library: Library, usable: NDArray[np.bool_], robust: bool = False) -> Floats:
    """Return the intensity that one count makes in every bin, (n_paths, n_chi, n_q).

    Counts N with N = value / gain have the uncertainty sqrt(N) gain, so the gain is sigma^2 / value. It is taken as a
    factor of the path (exposure, monitor) times one of the bin (pixels in it), each from sums over many bins, because
    single bins with few or no counts do not tell it. `robust` takes medians: outliers do not tell it either.
    """
    variance = np.where(usable, library.sigma, 0.0) ** 2
    value = np.where(usable, np.maximum(library.values, 0.0), 0.0)
    counted = value > 0
    variance = np.where(counted, variance, 0.0)
    if robust:
        return _medians(_ratio(variance, value), counted)
    per_bin = _ratio(variance.sum(axis=0), value.sum(axis=0))
    whole = _ratio(variance.sum(), value.sum())
    per_bin = np.where(per_bin > 0, per_bin, whole if whole > 0 else 1.0)
    per_path = _ratio(variance.sum(axis=(1, 2)), (value * per_bin).sum(axis=(1, 2)))
    return np.asarray(np.where(per_path > 0, per_path, 1.0)[:, None, None] * per_bin)


def _medians(ratio: Floats, counted: NDArray[np.bool_]) -> Floats:
    """Return the gain of every bin from medians over paths, times one over bins for every path."""
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of bins that never counted
        known = np.where(counted, ratio, np.nan)
        whole = np.nan_to_num(np.nanmedian(known), nan=1.0)
        per_bin = np.nan_to_num(np.nanmedian(known, axis=0), nan=float(whole))
        per_path = np.nan_to_num(np.nanmedian(known / per_bin, axis=(1, 2)), nan=1.0)
    return np.asarray(per_path[:, None, None] * per_bin)


def _ratio(above: Floats, below: Floats) -> Floats:
    return np.divide(above, below, out=np.zeros_like(np.asarray(above)), where=np.asarray(below) > 0)


def precision_of(model: Floats, gain: Floats, usable: NDArray[np.bool_]) -> Floats:
    """Return inverse variances of counts with the expectation `model`; 0 where a bin is not usable."""
    return np.asarray(usable / (gain * np.maximum(model, FEWEST_COUNTS * gain)))


def huber_weights(residual: Floats, precision: Floats, limit: float) -> Floats:
    """Return factors of `precision`: 1, but limit / |z| where the residual is z > limit standard deviations."""
    z = np.abs(residual) * np.sqrt(precision)
    return np.asarray(limit / np.maximum(z, limit))
