"""Background of (azimuth, q) profiles, taken off with its uncertainty: side bands, or an exponential in q.

Nothing here knows of any framework. Profiles come as (n, n_chi, n_q) arrays, NaN where a bin has no usable pixel;
every profile is treated by itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tomosaxs_plugins.compiled import compiled
from tomosaxs_plugins.fibres.problem import Floats

_GOLDEN = 0.6180339887498949
_STEPS = 60  # of a golden section: the interval shrinks to 3e-13 of itself
_LEAST = 3  # numbers that the exponential has


@dataclass(frozen=True, eq=False)
class Exponential:
    """Background a exp(-q / b) + c of every profile, the same at all azimuths.

    Parameters
    ----------
    values, sigma : (n, n_chi, n_q) float arrays
        Profiles less their background, and standard uncertainties of the difference.
    parameters : (n, 3) float array
        a, b (nm^-1) and c; NaN where too few bins are left to fit them.
    at_bound : (n,) bool array
        Whether b ended at a bound of what is allowed.
    """

    values: Floats
    sigma: Floats
    parameters: Floats
    at_bound: NDArray[np.bool_]


def bins_within(q: Floats, q_width: float, band: tuple[float, float]) -> NDArray[np.bool_]:
    """Return (n_q,) True for the bins that lie wholly in a band (rounding allowed for)."""
    slack = 1e-6 * q_width
    return np.asarray((q - q_width / 2 >= band[0] - slack) & (q + q_width / 2 <= band[1] + slack))


def subtract_side_bands(
    values: Floats, sigma: Floats, below: NDArray[np.bool_], above: NDArray[np.bool_], weights: Floats
) -> tuple[Floats, Floats]:
    """Subtract, azimuth by azimuth, the average of the means over two bands of q.

    Parameters
    ----------
    values, sigma : (n, n_chi, n_q) float arrays
        Profiles and standard uncertainties, of independent bins.
    below, above : (n_q,) bool arrays
        Bins of the two bands.
    weights : (n_q,) float array
        What a bin counts in the mean of its band, for instance its q (its number of pixels).

    Returns
    -------
    values, sigma : (n, n_chi, n_q) float arrays
        NaN at azimuths where a band has no usable bin. The uncertainty of every bin is that of the whole difference,
        also of bins that lie in a band themselves; all bins of one azimuth share the error of their background.
    """
    usable = np.isfinite(values)
    mean = np.zeros_like(values)
    for band in (below, above):
        share = np.where(usable, weights * band, 0.0)
        total = share.sum(axis=2, keepdims=True)
        mean += np.divide(share, 2 * total, out=np.full_like(share, np.nan), where=total > 0)
    background = (mean * np.where(usable, values, 0.0)).sum(axis=2, keepdims=True)
    variance = np.where(usable, sigma, 0.0) ** 2
    # bin k less the sum of m_j v_j: its own share is 1 - m_k, that of each other bin -m_j
    shared = (mean**2 * variance).sum(axis=2, keepdims=True)
    spread = shared + (1.0 - 2.0 * mean) * variance
    return values - background, np.where(usable, np.sqrt(np.maximum(spread, 0.0)), np.nan)


def subtract_exponential(
    values: Floats, sigma: Floats, scale: Floats, q: Floats, beside: NDArray[np.bool_], decay: tuple[float, float]
) -> Exponential:
    """Subtract a exp(-q / b) + c, fitted to the bins beside the streak at all azimuths together.

    The fit is weighted twice: first evenly, then by the variances that the first fit expects. Variances taken from
    the counts themselves would draw the background down where there are few.

    Parameters
    ----------
    values, sigma : (n, n_chi, n_q) float arrays
        Profiles and standard uncertainties, of independent bins.
    scale : (n, n_chi, n_q) float array
        Variance of a bin over its intensity (intensity of one count); NaN where it is not known: the variance then
        is that of `sigma`.
    q : (n_q,) float array
        Centres of the bins in nm^-1.
    beside : (n_q,) bool array
        Bins that the background is fitted to.
    decay : (low, high)
        Bounds of b in nm^-1.
    """
    out, spread = np.full_like(values, np.nan), np.full_like(values, np.nan)
    parameters = np.full((len(values), 3), np.nan)
    at_bound = np.zeros(len(values), dtype=np.bool_)
    _exponentials(
        values, sigma, scale, np.ascontiguousarray(q, dtype=np.float64), beside, float(decay[0]), float(decay[1]),
        out, spread, parameters, at_bound,
    )  # fmt: skip
    return Exponential(out, spread, parameters, at_bound)


@partial(compiled, nogil=True, error_model="numpy")
def _misfit(b: float, q: Any, weight: Any, mean: Any, found: Any) -> float:
    """Return the weighted sum of squares that is left at the best a and c for this b; `found` gets a and c."""
    s0 = s1 = s2 = t0 = t1 = 0.0
    for j in range(q.size):
        e = np.exp(-q[j] / b)
        s0 += weight[j]
        s1 += weight[j] * e
        s2 += weight[j] * e * e
        t0 += weight[j] * mean[j]
        t1 += weight[j] * e * mean[j]
    determinant = s0 * s2 - s1 * s1
    if determinant <= 1e-14 * s0 * s2:  # one q only: a constant is all that there is
        found[0], found[1] = 0.0, t0 / s0
    else:
        found[0] = (s0 * t1 - s1 * t0) / determinant
        found[1] = (s2 * t0 - s1 * t1) / determinant
    left = 0.0
    for j in range(q.size):
        off = mean[j] - found[0] * np.exp(-q[j] / b) - found[1]
        left += weight[j] * off * off
    return left


@partial(compiled, nogil=True, error_model="numpy")
def _decay(q: Any, weight: Any, mean: Any, low: float, high: float, found: Any) -> float:
    """Return the b of the least sum of squares between two bounds: the best of some, then a golden section."""
    first, last = np.log(low), np.log(high)
    count = 12
    step = (last - first) / count
    best, least = 0, np.inf
    for k in range(count + 1):
        left = _misfit(np.exp(first + k * step), q, weight, mean, found)
        if left < least:
            best, least = k, left
    one, two = first + max(best - 1, 0) * step, first + min(best + 1, count) * step
    a, b = two - _GOLDEN * (two - one), one + _GOLDEN * (two - one)
    fa, fb = _misfit(np.exp(a), q, weight, mean, found), _misfit(np.exp(b), q, weight, mean, found)
    for _ in range(_STEPS):
        if fa <= fb:
            two, b, fb = b, a, fa
            a = two - _GOLDEN * (two - one)
            fa = _misfit(np.exp(a), q, weight, mean, found)
        else:
            one, a, fa = a, b, fb
            b = one + _GOLDEN * (two - one)
            fb = _misfit(np.exp(b), q, weight, mean, found)
    middle = float(np.exp((one + two) / 2))
    _misfit(middle, q, weight, mean, found)
    return middle


@partial(compiled, nogil=True, error_model="numpy")
def _summed(values: Any, variance: Any, beside: Any, weight: Any, mean: Any) -> int:
    """Add up, q by q, weights of all azimuths and the weighted means; return how many q have any."""
    filled = 0
    for j in range(weight.size):
        weight[j] = 0.0
        mean[j] = 0.0
        if not beside[j]:
            continue
        for i in range(values.shape[0]):
            if np.isfinite(values[i, j]) and variance[i, j] > 0:
                weight[j] += 1 / variance[i, j]
                mean[j] += values[i, j] / variance[i, j]
        if weight[j] > 0:
            mean[j] /= weight[j]
            filled += 1
    return filled


@partial(compiled, nogil=True, error_model="numpy")
def _slopes(q: float, a: float, b: float, out: Any) -> None:
    """Write the derivatives of the background with respect to a, b and c."""
    e = np.exp(-q / b)
    out[0], out[1], out[2] = e, a * e * q / (b * b), 1.0


@partial(compiled, nogil=True, error_model="numpy")
def _covariance(q: Any, weight: Any, a: float, b: float) -> Any:
    """Return the (3, 3) covariance of a, b and c; what the data do not determine has none."""
    normal, slope = np.zeros((3, 3)), np.zeros(3)
    for j in range(q.size):
        _slopes(q[j], a, b, slope)
        for m in range(3):
            for n in range(3):
                normal[m, n] += weight[j] * slope[m] * slope[n]
    size = np.zeros(3)
    for m in range(3):
        size[m] = np.sqrt(normal[m, m]) if normal[m, m] > 0 else 1.0
    for m in range(3):
        for n in range(3):
            normal[m, n] /= size[m] * size[n]
    covariance = np.empty((3, 3))
    for m in range(3):  # a little on the diagonal: b is free where a is 0, and then does nothing
        normal[m, m] += 1e-10
    for m in range(3):
        for n in range(3):
            i, j, k, h = (m + 1) % 3, (m + 2) % 3, (n + 1) % 3, (n + 2) % 3
            covariance[n, m] = normal[i, k] * normal[j, h] - normal[i, h] * normal[j, k]
    determinant = normal[0, 0] * covariance[0, 0] + normal[0, 1] * covariance[1, 0] + normal[0, 2] * covariance[2, 0]
    for m in range(3):
        for n in range(3):
            covariance[m, n] /= determinant * size[m] * size[n]
    return covariance


@partial(compiled, nogil=True, error_model="numpy")
def _exponentials(
    values: Any, sigma: Any, scale: Any, q: Any, beside: Any, low: float, high: float, out: Any, spread: Any,
    parameters: Any, at_bound: Any,
) -> None:  # fmt: skip
    """Fit and subtract the background of one profile after the other."""
    n_chi, n_q = values.shape[1:]
    variance = np.empty((n_chi, n_q))
    weight, mean = np.empty(n_q), np.empty(n_q)
    found, slope = np.empty(2), np.empty(3)
    for p in range(values.shape[0]):
        for i in range(n_chi):
            for j in range(n_q):
                variance[i, j] = 1.0
        if _summed(values[p], variance, beside, weight, mean) < _LEAST:
            continue
        b = _decay(q, weight, mean, low, high, found)
        for i in range(n_chi):
            for j in range(n_q):
                expected = found[0] * np.exp(-q[j] / b) + found[1]
                one = scale[p, i, j]
                if np.isfinite(one):
                    variance[i, j] = one * max(expected, one)
                else:
                    variance[i, j] = sigma[p, i, j] ** 2
        if _summed(values[p], variance, beside, weight, mean) < _LEAST:
            continue
        b = _decay(q, weight, mean, low, high, found)
        a, c = found
        covariance = _covariance(q, weight, a, b)
        parameters[p, 0], parameters[p, 1], parameters[p, 2] = a, b, c
        at_bound[p] = b < low * (1 + 1e-6) or b > high * (1 - 1e-6)
        for j in range(n_q):
            _slopes(q[j], a, b, slope)
            error = 0.0
            for m in range(3):
                for n in range(3):
                    error += slope[m] * covariance[m, n] * slope[n]
            for i in range(n_chi):
                if not np.isfinite(values[p, i, j]):
                    continue
                out[p, i, j] = values[p, i, j] - a * slope[0] - c
                own = sigma[p, i, j] ** 2
                # a bin that took part in the fit lies closer to it than its noise
                spread[p, i, j] = np.sqrt(own + error if not beside[j] else max(own - error, 0.01 * own))
