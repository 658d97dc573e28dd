"""Intensity of curves in a band, with or without what lies under it; plain numpy."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


def band_weights(
    axis: ArrayLike, band: tuple[float, float], background: tuple[tuple[float, float], ...] = (), measure: str = "mean"
) -> Floats:
    """Return the weights of the bins in the band and in each background band.

    Parameters
    ----------
    axis : (bins,) array
        Centres of the bins, increasing.
    band : (low, high)
        Both included.
    background : up to two (low, high)
    measure : {"mean", "integral", "invariant"}
        Weights 1, the bin's width, or its width times the square of the axis.

    Returns
    -------
    (4, bins) array
        Weights in the band, 1 in the first and in the second background band (zeros where there is none), and the
        centres of the bins; for `band_values`.
    """
    centres = np.asarray(axis, dtype=np.float64)
    width = np.gradient(centres) if centres.size > 1 else np.ones(1)
    factor = {"mean": np.ones_like(centres), "integral": width, "invariant": width * centres**2}[measure]

    def inside(limits: tuple[float, float]) -> NDArray[np.bool_]:
        return np.asarray((centres >= limits[0]) & (centres <= limits[1]))

    rows = [np.where(inside(band), factor, 0.0)]
    rows += [inside(limits).astype(np.float64) for limits in background]
    rows += [np.zeros_like(centres)] * (2 - len(background))
    return np.stack([*rows, centres])


def band_values(
    curves: NDArray[Any], table: Floats, sigma: NDArray[Any] | None = None, *, sums: bool = False
) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:
    """Return the intensity of curves in a band.

    Parameters
    ----------
    curves : (n, bins) array
        NaN where a bin has no value: it is left out, and so is its place in the background.
    table : (4, bins) array
        Of `band_weights`.
    sigma : (n, bins) array, optional
        Standard uncertainties of independent bins.
    sums : bool
        Sums of weights times intensity; else they are divided by the sum of the weights.

    Returns
    -------
    values, sigmas : (n,) arrays
        NaN where no bin of the band, or of a background band, has a value; the second None without `sigma`.
    """
    data = np.asarray(curves, dtype=np.float64)
    usable = np.isfinite(data)
    peak, first, second, x = table
    weights = np.where(usable, peak, 0.0)
    empty = ~np.any(usable & (peak != 0), axis=1)
    # the background is linear in the curve: its weights are taken off those of the band
    total, moment = weights.sum(axis=1, keepdims=True), (weights * x).sum(axis=1, keepdims=True)
    coefficients = weights
    sides = [np.where(usable, side, 0.0) for side in (first, second) if side.any()]
    if sides:
        counts = [side.sum(axis=1, keepdims=True) for side in sides]
        empty |= np.any(np.concatenate(counts, axis=1) == 0, axis=1)
        with np.errstate(invalid="ignore", divide="ignore"):
            means = [side / count for side, count in zip(sides, counts, strict=True)]
            if len(means) == 1:
                coefficients = weights - total * means[0]
            else:
                low, high = ((mean * x).sum(axis=1, keepdims=True) for mean in means)
                share = (moment - total * low) / (high - low)
                coefficients = weights - (total - share) * means[0] - share * means[1]
    scale = 1.0 if sums else total
    with np.errstate(invalid="ignore", divide="ignore"):
        coefficients = coefficients / scale
    values = np.where(empty, np.nan, (coefficients * np.where(usable, data, 0.0)).sum(axis=1))
    if sigma is None:
        return values.astype(np.float32), None
    known = np.isfinite(np.asarray(sigma, dtype=np.float64)) & usable
    spread = np.where(known, np.asarray(sigma, dtype=np.float64), 0.0) * coefficients
    return values.astype(np.float32), np.where(empty, np.nan, np.sqrt((spread**2).sum(axis=1))).astype(np.float32)
