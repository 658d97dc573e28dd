"""Columns that do not respond, or fluctuate: found by how much they change from angle to angle, and interpolated."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation, median_filter

from tomosaxs_plugins.stripes.detect import agreed, standing_out, strength
from tomosaxs_plugins.stripes.ranks import bridged

Array = NDArray[np.float32]
Float = NDArray[np.float64]
_FEWEST = 6
"""Rows of a range of angles, at least."""
_FLOOR = 1e-4
"""Change from row to row, as a part of the range of the data, that counts as none."""


def dead_columns(sinogram: Array, ratio: float, part: float = 0.6) -> NDArray[np.bool_]:
    """Return which columns change from angle to angle much less or much more than their neighbours.

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
    """Return the logarithm to base 2 of the mean change from row to row, by range of angle: (ranges, columns)."""
    steps = np.abs(np.diff(sinogram, axis=0))
    count = len(steps)
    ranges = max(min(count // _FEWEST, 32), 1)
    edges = np.linspace(0, count, ranges + 1).astype(int)
    means = np.add.reduceat(steps, edges[:-1], axis=0, dtype=np.float64) / np.diff(edges)[:, None]
    floor = _FLOOR * float(sinogram.max() - sinogram.min())
    return np.asarray(np.log2(means + max(floor, 1e-30)))


def _apart(changes: Float, part: float) -> Float:
    """Return by how many powers of two every column is apart from its neighbours."""
    columns = changes.shape[1]
    best, width = np.zeros(columns), 1
    while width <= 4 and 4 * width + 4 < columns:
        score = strength(changes - median_filter(changes, (1, 4 * width + 1), mode="reflect"), part)
        for apart in standing_out(changes, np.unique(np.linspace(width, 2 * width + 1, 5).astype(np.int64))):
            score = agreed(score, strength(apart, part))
        best = np.where(np.abs(score) > np.abs(best), score, best)
        width *= 2
    return best
