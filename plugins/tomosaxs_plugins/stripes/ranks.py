"""Columns of a sinogram sorted by their values, and medians over neighbouring columns of equal rank.

Sorted by value, a feature of the sample lies at almost the same place in neighbouring columns, while a stripe shifts
its whole column: a median over the neighbours then removes the stripe and leaves the rest
(N. T. Vo, R. C. Atwood, M. Drakopoulos 2018, 10.1364/OE.26.028396). Only columns that are asked for are corrected, and
only those and their neighbours are sorted.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from tomosaxs_plugins.compiled import compiled

Array = NDArray[np.float32]
Index = NDArray[np.int64]
_LANES = 64


def sorted_columns(columns: Array) -> tuple[Array, NDArray[np.int32]]:
    """Sort every row of `columns` by value, equal values by their place.

    Parameters
    ----------
    columns : (columns, angles) float32 array
        Finite; a sinogram's columns as rows.

    Returns
    -------
    values : (columns, angles) float32 array
    places : (columns, angles) int32 array
        Where each value stood.
    """
    bits = np.ascontiguousarray(columns).view(np.int32).astype(np.int64)
    bits = np.where(bits < 0, np.int64(-0x80000000) - bits, bits)  # integers in the order of the floats; -0 equals 0
    keys = (bits << 32) | np.arange(columns.shape[1], dtype=np.int64)
    keys.sort(axis=-1)
    places = (keys & 0x7FFFFFFF).astype(np.int32)
    return np.take_along_axis(columns, places, axis=-1), places


def windows(chosen: Index, size: int, columns: int) -> tuple[Index, Index]:
    """Return the columns that the windows about the chosen ones need, and where each window's are among them.

    Parameters
    ----------
    chosen : (m,) int array
    size : int
        Odd; at the ends of the row it goes on with the mirror image.
    columns : int

    Returns
    -------
    needed : (k,) int array
        Increasing.
    among : (m, size) int array
        Positions in `needed`.
    """
    span = chosen[:, None] + np.arange(-(size // 2), size // 2 + 1)
    span = np.abs(span + 0.5).astype(np.int64)  # -1 is 0, -2 is 1 ...
    span = np.where(span >= columns, 2 * columns - 1 - span, span)
    needed, among = np.unique(span, return_inverse=True)
    return needed, among.reshape(span.shape).astype(np.int64)


def rank_medians(values: Array, among: Index) -> Array:
    """Return the medians over windows of columns, rank by rank.

    Parameters
    ----------
    values : (k, angles) float32 array
        Sorted columns.
    among : (m, size) int array
        Windows; size is odd.

    Returns
    -------
    (m, angles) float32 array
    """
    out = np.empty((len(among), values.shape[1]), np.float32)
    _medians(values, among, out)
    return out


def put_back(values: Array, places: NDArray[np.int32]) -> Array:
    """Return sorted columns in their former order."""
    out = np.empty_like(values)
    np.put_along_axis(out, places, values, axis=-1)
    return out


def bridged(chosen: Index, columns: int) -> tuple[Index, Index, Array]:
    """Return the nearest columns that are not chosen on the left and right, and the share of the right one.

    Parameters
    ----------
    chosen : (m,) int array
        Striped columns, increasing.
    columns : int

    Returns
    -------
    left, right : (m,) int arrays
        The same column where there is one side only.
    share : (m,) float32 array
    """
    good = np.setdiff1d(np.arange(columns), chosen)
    after = np.searchsorted(good, chosen)
    left, right = good[np.maximum(after - 1, 0)], good[np.minimum(after, good.size - 1)]
    return left, right, ((chosen - left) / np.maximum(right - left, 1)).clip(0, 1).astype(np.float32)


def levelled(sinogram: Array, weights: Array, size: int, sigma: float = 0.0, sort: bool = True) -> Array:
    """Return a sinogram whose striped columns have the level of their neighbours.

    Where a few columns are striped, their values of one rank come from the straight line between the nearest columns
    that are not; where all are to be corrected, from the median over a window.

    Parameters
    ----------
    sinogram : (angles, columns) float32 array
        Finite.
    weights : (columns,) float32 array
        How far each column is to be corrected, 0..1.
    size : int
        Odd width of the window of the median, px.
    sigma : float
        Only what is smooth along the angles over so many rows is levelled; 0 for everything.
    sort : bool
        Compare values of equal rank; else of equal angle.

    Returns
    -------
    (angles, columns) float32 array
        The sinogram itself where no column is striped.
    """
    total = sinogram.shape[1]
    chosen = np.flatnonzero(weights > 0)
    if not chosen.size:
        return sinogram
    everywhere = chosen.size == total
    if everywhere:
        needed, among = windows(chosen, size, total)
    else:
        left, right, share = bridged(chosen, total)
        needed = np.unique(np.concatenate([chosen, left, right]))
    columns = np.ascontiguousarray(sinogram[:, needed].T)
    if sigma > 0:
        columns = gaussian_filter1d(columns, sigma, axis=1, mode="nearest")
    where = np.searchsorted(needed, chosen)
    before = columns[where]
    places = None
    if sort:
        columns, places = sorted_columns(columns)
    if everywhere:
        after = rank_medians(columns, among)
    else:
        after = columns[np.searchsorted(needed, left)] * (1 - share)[:, None]
        after += columns[np.searchsorted(needed, right)] * share[:, None]
    if places is not None:
        after = put_back(after, places[where])
    out: Array = sinogram.copy()
    out[:, chosen] += ((after - before) * weights[chosen, None]).T
    return out


def _medians_loop(values: Array, among: Index, out: Array) -> None:
    """Select the median by dropping the smallest and the largest of a growing set, for many ranks at a time."""
    size = among.shape[1]
    start = size // 2 + 2 if size > 1 else 1
    pool = np.empty((start, _LANES), np.float32)
    angles = values.shape[1]
    for number in range(among.shape[0]):
        window = among[number]
        for low in range(0, angles, _LANES):
            lanes = min(_LANES, angles - low)
            for each in range(start):
                row = window[each]
                for lane in range(lanes):  # for a copy of slices numba compiles the text of an error too, for seconds
                    pool[each, lane] = values[row, low + lane]
            held, following = start, start
            while held > 1:
                for each in range(1, held):  # the smallest to the front
                    for lane in range(lanes):
                        one, other = pool[0, lane], pool[each, lane]
                        pool[0, lane] = min(one, other)
                        pool[each, lane] = max(one, other)
                for each in range(1, held - 1):  # the largest to the end
                    for lane in range(lanes):
                        one, other = pool[held - 1, lane], pool[each, lane]
                        pool[held - 1, lane] = max(one, other)
                        pool[each, lane] = min(one, other)
                if following < size:
                    row = window[following]
                    for lane in range(lanes):
                        pool[0, lane] = values[row, low + lane]
                    following += 1
                    held -= 1
                elif held == 2:
                    break
                else:
                    for lane in range(lanes):
                        pool[0, lane] = pool[held - 2, lane]
                    held -= 2
            for lane in range(lanes):
                out[number, low + lane] = pool[0, lane]


_medians = compiled(_medians_loop, nogil=True)
