"""Merging of opposite views: wide sinograms of half a turn made from a full one."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tomosaxs_plugins.compiled import compiled
from tomosaxs_plugins.reconstruction.extended import Opposites, blend_weights, extended_range
from tomosaxs_plugins.reconstruction.parallel import thread_count

TAPS = 8
"""Detector columns that make a value between two columns (a windowed sinc)."""


def merge_opposite(
    data: NDArray[np.float32],
    opposites: Opposites,
    centre: float,
    ramp: float | None = None,
    threads: int | None = None,
) -> NDArray[np.float32]:
    """Return wide sinograms of half a turn: every view blended with the mirror image of the opposite one.

    Parameters
    ----------
    data : ndarray, shape (slices, angles, columns)
        Attenuation of a full turn.
    opposites : Opposites
        From `opposite_views`.
    centre, ramp : float
        As for `blend_weights`.
    threads : int, optional
        By default as `thread_count` says.

    Returns
    -------
    ndarray, shape (slices, views, wide), float32
        Line integrals, as a detector of the whole width would see them.
    """
    columns = data.shape[-1]
    first, last = extended_range(columns, centre)
    mirrored = round(2.0 * centre, 6)  # column u of a view lies at mirrored - u of the opposite one
    whole = math.floor(mirrored)
    taps = _taps(mirrored - whole)
    weight = blend_weights(columns, centre, ramp).astype(np.float32)
    wide = np.empty((len(data), len(opposites.kept), last - first + 1), dtype=np.float32)
    share = opposites.share.astype(np.float32)
    # the partner's weight is one less the view's own where both see the ray: then the sum is exactly one
    place = np.arange(first, last + 1)
    own = np.where((place >= 0) & (place < columns), weight[np.clip(place, 0, columns - 1)], np.float32(0.0))

    def one(number: int) -> None:
        _merge(
            data[number], opposites.kept, opposites.left, opposites.right, share, own, taps, first, whole, wide[number]
        )

    with ThreadPoolExecutor(max(1, min(thread_count(threads), len(data)))) as pool:
        for _ in pool.map(one, range(len(data))):
            pass
    return wide


def _taps(fraction: float) -> NDArray[np.float32]:
    """Return the weights of the columns -3 .. 4 from a place that lies `fraction` beyond column 0."""
    distance = np.arange(TAPS) - (TAPS // 2 - 1) - fraction
    kernel = np.sinc(distance) * np.sinc(distance / (TAPS // 2))
    return np.asarray(kernel / kernel.sum(), dtype=np.float32)


@partial(compiled, nogil=True, error_model="numpy")
def _merge(
    data: Any, kept: Any, left: Any, right: Any, share: Any, own: Any, taps: Any, first: int, whole: int, wide: Any
) -> None:
    """Fill one sinogram (views, wide); a place outside the detector is that of its edge."""
    columns = data.shape[1]
    opposite = np.empty(columns, dtype=np.float32)
    half = len(taps) // 2
    for view in range(len(kept)):
        a, b, part = left[view], right[view], share[view]
        for column in range(columns):
            opposite[column] = data[a, column] + part * (data[b, column] - data[a, column])
        for k in range(wide.shape[1]):
            column = first + k
            near = whole - column
            value = np.float32(0.0)
            if own[k] < np.float32(1.0):
                for tap in range(len(taps)):
                    from_edge = min(max(near + tap - (half - 1), 0), columns - 1)
                    value += taps[tap] * opposite[from_edge]
                value *= np.float32(1.0) - own[k]
            if own[k] > np.float32(0.0):
                value += own[k] * data[kept[view], column]
            wide[view, k] = value
