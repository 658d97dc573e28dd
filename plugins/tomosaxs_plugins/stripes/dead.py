"""Columns that do not respond, or fluctuate: found by how much they change from angle to angle, and interpolated."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation

from tomosaxs_plugins.compiled import compiled
from tomosaxs_plugins.stripes.ranks import bridged

Array = NDArray[np.float32]
Float = NDArray[np.float64]
_FEWEST = 6
"""Rows of a range of angles, at least."""
_FLOOR = 1e-4
"""Change from row to row, as a part of the range of the data, that counts as none."""

_SIDE = 8
"""Columns on each side that a column is compared with, px."""


def dead_columns(sinogram: Array, ratio: float, part: float = 0.6) -> NDArray[np.bool_]:
    """Return which columns change from angle to angle much less or much more than their neighbours.

    The second difference along the angles counts: what moves slowly through a column hardly shows in it.

    Parameters
    ----------
    sinogram : (angles, columns) float32 array
        Finite.
    ratio : float
        How many times more, or less, greater than 1.
    part : float
        In so large a part of the angles at least, 0..1.
    """
    return np.abs(_apart(_changes(sinogram), part)) > float(np.log2(ratio))


def interpolated(sinogram: Array, dead: NDArray[np.bool_], widen: int) -> Array:
    """Return the sinogram with straight lines over the dead columns and `widen` columns beside them."""
    if not dead.any():
        return sinogram
    gone = binary_dilation(dead, iterations=widen) if widen else dead
    if gone.all():
        return sinogram
    where = np.flatnonzero(gone)
    left, right, share = bridged(where, sinogram.shape[1])
    out: Array = sinogram.copy()
    out[:, where] = sinogram[:, left] * (1 - share) + sinogram[:, right] * share
    return out


def _changes(sinogram: Array) -> Float:
    """Return log2 of the mean second difference along the rows, by range of angle: (columns, ranges)."""
    count = len(sinogram) - 2
    ranges = max(min(count // _FEWEST, 32), 1)
    sums = np.zeros((ranges, sinogram.shape[1]))
    _sum_changes(sinogram, np.linspace(0, count, ranges + 1).astype(np.int64), sums)
    floor = _FLOOR * float(sinogram.max() - sinogram.min())
    return np.ascontiguousarray(np.log2(sums + max(floor, 1e-30)).T)


def _apart(changes: Float, part: float) -> Float:
    """Return by how many powers of two every column is apart from its neighbours on both sides."""
    out = np.zeros(len(changes))
    count = changes.shape[1]
    _stand_out(changes, min(max(int(np.ceil(part * count)), 1), count), out)
    return out


def _sum_changes_loop(sinogram: Array, edges: NDArray[np.int64], out: Float) -> None:
    for number in range(len(edges) - 1):
        line = out[number]
        for row in range(edges[number], edges[number + 1]):
            for column in range(len(line)):
                middle = sinogram[row + 1, column]  # what moves slowly through a column hardly counts
                line[column] += abs(sinogram[row, column] - 2 * middle + sinogram[row + 2, column])
        for column in range(len(line)):
            line[column] /= edges[number + 1] - edges[number]


def _sort_loop(values: Float, count: int) -> None:
    """Sort the first, few, values by insertion: to compile numba's sort and median takes seconds."""
    for k in range(1, count):
        value, at = values[k], k
        while at > 0 and values[at - 1] > value:
            values[at] = values[at - 1]
            at -= 1
        values[at] = value


_sort = compiled(_sort_loop, nogil=True)


def _stand_out_loop(changes: Float, need: int, out: Float) -> None:
    """Compare with the medians of the columns on the left and on the right; the weaker of the two counts."""
    columns, ranges = changes.shape
    one, values = np.empty(_SIDE), np.empty(ranges)
    for column in range(columns):
        best, sign = np.inf, 0.0
        for side in (-1, 1):
            reach = min(_SIDE, column if side < 0 else columns - 1 - column)
            if reach < 3:
                continue  # too near to the end of the row: the other side decides
            for number in range(ranges):
                for k in range(reach):
                    one[k] = changes[column + side * (k + 1), number]
                _sort(one, reach)
                values[number] = changes[column, number] - 0.5 * (one[(reach - 1) // 2] + one[reach // 2])
            _sort(values, ranges)
            above, below = values[ranges - need], values[need - 1]
            stands = max(above, 0.0) + min(below, 0.0)
            if sign * stands < 0 or stands == 0:
                best, sign = 0.0, 0.0
                break
            best, sign = min(best, abs(stands)), np.sign(stands)
        out[column] = sign * best if sign != 0 else 0.0


_sum_changes = compiled(_sum_changes_loop, nogil=True)
_stand_out = compiled(_stand_out_loop, nogil=True)
