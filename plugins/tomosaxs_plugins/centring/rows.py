"""Make one sinogram fit for a search of its rotation axis: gaps, spikes, static columns, background.

Whatever is removed here is removed symmetrically: a correction that treated left and right
differently would move the axis that is looked for.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tomosaxs_plugins.centring.smooth import running_median
from tomosaxs_plugins.compiled import compiled

Floats = NDArray[np.float64]

MAX_GAPS = 0.2  # fraction of values that may be missing before a row is refused
EDGE_FRACTION = 0.03  # width of the strip at either side that is taken for background
SPIKE_SIGMAS = 10.0


class UnusableRowError(ValueError):
    """Nothing in a row from which an axis could be found; the text says why."""


@dataclass(frozen=True)
class CleanRow:
    """One sinogram, ready for the search.

    Attributes
    ----------
    values : (angles, columns) float64
        Attenuation, gaps filled, background removed, frames in ascending order of angle.
    plain : (angles, columns) float64
        The same with its background.
    angles : (angles,) float64
        Angles in degrees, ascending, as given (not wrapped).
    noise : float
        Standard deviation of the noise of one pixel.
    contrast : float
        Standard deviation of the noise-free signal, estimated (0 where there is none).
    repaired : float
        Fraction of values that were missing and have been interpolated.
    """

    values: Floats
    plain: Floats
    angles: Floats
    noise: float
    contrast: float
    repaired: float


def clean_row(sinogram: NDArray[np.floating], angles_deg: NDArray[np.floating]) -> CleanRow:
    """Check, repair and flatten one sinogram of attenuation values.

    Parameters
    ----------
    sinogram : (angles, columns) array
        Attenuation, that is after the logarithm; NaN or infinity where unknown.
    angles_deg : (angles,) array
        Degrees, in any order.

    Raises
    ------
    UnusableRowError
        Too few frames or columns, too many missing values, or no contrast at all.
    """
    values = np.array(sinogram, dtype=np.float64)
    angles = np.array(angles_deg, dtype=np.float64)
    if values.ndim != 2 or angles.shape != values.shape[:1]:
        raise UnusableRowError(f"sinogram of shape {values.shape} does not go with {angles.size} angles")
    if values.shape[0] < 2 or values.shape[1] < 8:
        raise UnusableRowError(f"a sinogram of shape {values.shape} is too small to find an axis")
    if not np.isfinite(angles).all():
        raise UnusableRowError("some angles are not finite")
    order = np.argsort(angles, kind="stable")
    values, angles = values[order], angles[order]
    repaired = _fill_gaps(values)
    _clamp_spikes(values)
    values -= _static_columns(values)
    noise = _noise_of(values)
    plain = values
    values = plain - _background(plain)
    variance = float(np.var(values))
    if not variance > 1e-24 * max(1.0, float(np.abs(sinogram[np.isfinite(sinogram)]).max()) ** 2):
        raise UnusableRowError("the row is constant")
    contrast = float(np.sqrt(max(variance - noise**2, 0.0)))
    return CleanRow(values, plain, angles, noise, contrast, repaired)


def _fill_gaps(values: Floats) -> float:
    """Interpolate missing values along their frame, in place; return their fraction."""
    missing = ~np.isfinite(values)
    fraction = float(missing.mean())
    if fraction == 0.0:
        return 0.0
    if fraction > MAX_GAPS:
        raise UnusableRowError(f"{100 * fraction:.0f} % of the row is missing (NaN or infinite)")
    columns = np.arange(values.shape[1])
    for k in np.flatnonzero(missing.any(axis=1)):
        bad = missing[k]
        if bad.all():
            values[k] = np.nan
        else:
            values[k, bad] = np.interp(columns[bad], columns[~bad], values[k, ~bad])
    empty = np.flatnonzero(~np.isfinite(values).all(axis=1))
    if empty.size:  # whole frames are lost: take the nearest one
        whole = np.setdiff1d(np.arange(values.shape[0]), empty)
        for k in empty:
            values[k] = values[whole[np.argmin(np.abs(whole - k))]]
    return fraction


def _clamp_spikes(values: Floats) -> None:
    """Bring isolated spikes (one pixel in one frame) back to the range of their neighbours, in place."""
    if values.shape[0] >= 3:
        values[:] = _clamped(values, SPIKE_SIGMAS * _noise_of(values))


@compiled
def _clamped(values: Floats, margin: float) -> Floats:
    """Return values limited to the range of their four neighbours widened by `margin`."""
    count, n = values.shape
    result: Floats = values.copy()
    for k in range(count):
        before = k - 1 if k > 0 else 2  # the ends have both neighbours on one side
        after = k + 1 if k < count - 1 else count - 3
        for u in range(n):
            left = values[k, u - 1] if u > 0 else values[k, 1]
            right = values[k, u + 1] if u < n - 1 else values[k, n - 2]
            high = max(max(values[before, u], values[after, u]), max(left, right))
            low = min(min(values[before, u], values[after, u]), min(left, right))
            if values[k, u] > high + margin:
                result[k, u] = high
            elif values[k, u] < low - margin:
                result[k, u] = low
    return result


def _static_columns(values: Floats) -> Floats:
    """Return what stands still in all frames and is narrow: defects of detector columns.

    The mean over the angles of a rotating sample is smooth, so what a short median removes
    from it belongs to the detector. With few frames nothing can be told apart, and nothing is removed.
    """
    if values.shape[0] < 16:
        return np.zeros(values.shape[1])
    mean = values.mean(axis=0)
    difference: Floats = mean - running_median(mean, 7)
    return difference


def _noise_of(values: Floats) -> float:
    """Return the standard deviation of white noise, from second differences along the columns."""
    some = values[:: max(1, values.shape[0] // 128)]
    second = some[:, 2:] - 2.0 * some[:, 1:-1] + some[:, :-2]
    return float(1.4826 * np.median(np.abs(second)) / np.sqrt(6.0))


def _background(values: Floats) -> Floats:
    """Return, for each frame, the straight line through the means of its two edges."""
    n = values.shape[1]
    edge = max(2, round(EDGE_FRACTION * n))
    left = values[:, :edge].mean(axis=1, keepdims=True)
    right = values[:, -edge:].mean(axis=1, keepdims=True)
    position = (np.arange(n) - (edge - 1) / 2) / (n - edge)
    line: Floats = left + (right - left) * position
    return line
