"""Sinograms of a batch, each by itself, in threads; points that were not measured are put back."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from tomosaxs_plugins.reconstruction.parallel import thread_count

Array = NDArray[np.float32]


def each_sinogram(sinograms: NDArray[np.floating] | Array, correct: Callable[[Array], Array]) -> Array:
    """Return the corrected sinograms of a batch.

    Parameters
    ----------
    sinograms : (n, angles, columns) array
        NaN stays NaN; the correction sees the straight line between its neighbours in the row instead.
    correct : callable
        Takes a finite (angles, columns) float32 array and returns a new one, or the same where nothing changes.

    Returns
    -------
    (n, angles, columns) float32 array
    """
    data = np.asarray(sinograms, dtype=np.float32)
    out = np.empty(data.shape, np.float32)

    def one(number: int) -> None:
        sinogram = np.ascontiguousarray(data[number])
        missing = ~np.isfinite(sinogram)
        if not missing.any():
            out[number] = correct(sinogram)
            return
        filled = filled_rows(sinogram, missing)
        if filled is None:
            out[number] = sinogram
            return
        out[number] = correct(filled)
        out[number][missing] = sinogram[missing]

    threads = min(thread_count(), len(data))
    if threads <= 1:
        for number in range(len(data)):
            one(number)
    else:
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(one, range(len(data))))
    return out


def filled_rows(sinogram: Array, missing: NDArray[np.bool_]) -> Array | None:
    """Return a copy with missing values interpolated along the rows, or None where nothing is there.

    A row without any value takes the mean row.
    """
    out: Array = sinogram.copy()
    columns = np.arange(out.shape[1])
    empty = missing.all(axis=1)
    if bool(empty.all()):
        return None
    for row in np.flatnonzero(missing.any(axis=1) & ~empty):
        gone = missing[row]
        out[row, gone] = np.interp(columns[gone], columns[~gone], sinogram[row, ~gone])
    out[empty] = out[~empty].mean(axis=0)
    return out
