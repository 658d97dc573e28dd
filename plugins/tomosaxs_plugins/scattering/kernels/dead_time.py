"""Counts lost because a detector is paralysed for a while after every photon."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tomosaxs_plugins.compiled import compiled
from tomosaxs_plugins.scattering.kernels.scaling import Corrected, Floats, floating

_SERIES = tuple(float(k ** (k - 1)) / math.factorial(k) for k in range(11, 0, -1))
"""Of n / m in powers of m D, highest first: the inverse of z = y exp(-y) by Lagrange."""


def undo_dead_time(
    counts: ArrayLike, count_time: ArrayLike, dead_time: float, variance: ArrayLike | None = None
) -> Corrected:
    """Return the counts that arrived, from those recorded by a paralysable detector.

    Recorded counts m and arrived counts n obey m = n exp(-n D), where D is `dead_time` over `count_time`. Of the two
    solutions the lower one is meant, n D < 1: n = -W(-m D) / D with the principal branch of Lambert's W.

    Parameters
    ----------
    counts : (n, ...) array
        Recorded counts of one exposure. Negative ones (no detector records those) are treated by the same formula.
    count_time : array broadcastable to `counts`
        Length of the exposure, s.
    dead_time : float
        Time for which a photon makes the detector blind, s. Where a pulse needs a free time before it and one after
        it to be counted, this is the sum of both.
    variance : array, optional
        Of `counts`; it grows by the square of dn/dm = exp(n D) / (1 - n D).

    Returns
    -------
    counts, variance
        NaN where m D > 1/e: no rate makes a paralysable detector count that much.

    Raises
    ------
    ValueError
        When `dead_time` is negative.

    Notes
    -----
    B. R. Pauw et al. (2017), 10.1107/S1600576717015096; B. R. Pauw (2013), 10.1088/0953-8984/25/38/383201,
    section 3.3.4.
    """
    if not dead_time >= 0:
        raise ValueError(f"the dead time is {dead_time!r} s: it must not be negative")
    data = floating(counts)
    time = np.asarray(count_time, dtype=np.float64)
    share = np.where(np.isfinite(time) & (time > 0), dead_time / np.where(time > 0, time, 1.0), np.nan)
    out = np.empty_like(data, order="C")
    if share.size == 1 or (share.ndim == data.ndim and share.size == len(share) == len(data)):  # one an exposure
        pieces = len(data) if share.size > 1 else 1
    else:
        pieces, share = max(1, data.size), np.broadcast_to(share, data.shape)
    blind = np.ascontiguousarray(share, dtype=np.float64).reshape(-1)
    _solve(np.ascontiguousarray(data).reshape(pieces, -1), blind, out.reshape(pieces, -1))
    if variance is None:
        return out, None
    arrived: Floats = out * share
    with np.errstate(divide="ignore", invalid="ignore"):
        slope = np.exp(arrived) / (1 - arrived)
        spread = np.asarray(floating(variance) * slope * slope, dtype=floating(variance).dtype)
    return out, spread


def _solve_each(counts: NDArray[Any], blind: NDArray[np.float64], out: NDArray[Any]) -> None:
    for piece in range(counts.shape[0]):
        for number in range(counts.shape[1]):
            out[piece, number] = arrived_counts(float(counts[piece, number]), blind[piece])


def _arrived_counts(recorded: float, share: float) -> float:
    """Return n of recorded = n exp(-n share), the lower solution; NaN where there is none."""
    z = recorded * share
    if z == 0.0:  # no counts, or no dead time
        return recorded
    if abs(z) < 0.02:  # as nearly always: the series, whose next term is below 4e-16
        total = 0.0
        for number in range(len(_SERIES)):
            total = total * z + _SERIES[number]
        return recorded * total
    if not z * math.e <= 1.0:
        return math.nan
    # start: power series for small rates, expansion about the highest rate for large ones
    if abs(z) < 0.1:
        y = z * (1.0 + z * (1.0 + 1.5 * z))
    elif z > 0.0:
        p = math.sqrt(max(0.0, 2.0 * (1.0 - math.e * z)))
        y = 1.0 - p + p * p / 3.0 - 11.0 / 72.0 * p * p * p
    else:
        y = -math.log1p(-z)
    # Halley's iteration for f(y) = y - z exp(y); it triples the right digits at each round
    for _ in range(8):
        grown = z * math.exp(y)
        f = y - grown
        slope = 1.0 - grown
        step = f / (slope + 0.5 * f * grown / slope) if slope != 0.0 else 0.0
        y -= step
        if abs(step) <= 1e-16 * abs(y):
            break
    return recorded * (y / z)


arrived_counts = compiled(_arrived_counts, nogil=True)
_solve = compiled(_solve_each, nogil=True)
