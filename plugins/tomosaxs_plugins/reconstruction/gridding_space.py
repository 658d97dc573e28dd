"""Memory that a thread works in while it reconstructs by gridding."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tomosaxs_plugins.reconstruction.gridding_plan import CHUNK, Plan
from tomosaxs_plugins.reconstruction.gridding_slices import ROWS

LANES = 8
"""Slices that are reconstructed side by side."""


class Space(NamedTuple):
    """What one thread needs to work in.

    Parameters
    ----------
    gathered, rows, work, block : ndarray, float32
        Eight projections, and the same side by side; two buffers of a transform; some rows or columns of the grid.
    factors, weights, scaled, corner : ndarray, float32
        Of views; of the frequencies of a view; of a row of pixels; a square of eight by eight pixels.
    places : ndarray, int64
        Where the frequencies of a view go.
    """

    gathered: NDArray[np.float32]
    rows: NDArray[np.float32]
    work: NDArray[np.float32]
    block: NDArray[np.float32]
    factors: NDArray[np.float32]
    weights: NDArray[np.float32]
    scaled: NDArray[np.float32]
    corner: NDArray[np.float32]
    places: NDArray[np.int64]


def aligned(count: int) -> NDArray[np.float32]:
    """Return so many zeros, at the beginning of a line of the cache: vectors then never lie across two lines."""
    raw = np.zeros(count + 16, dtype=np.float32)
    skip = (-raw.ctypes.data % 64) // 4
    return raw[skip : skip + count]


def space_for(plan: Plan) -> Space:
    """Return what one thread needs for a plan."""
    half, period = plan.views.length, plan.columns.length
    return Space(
        gathered=aligned(LANES * plan.width),
        rows=aligned(LANES * half),
        work=aligned(32 * max(half, period)),
        block=aligned(16 * max(ROWS * (period // 2 + 1), period)),
        factors=aligned(32 * (half + 4)),
        weights=aligned(16 * (half + 1)),
        scaled=aligned(len(plan.correction)),
        corner=aligned(64),
        places=np.zeros(half + 1, dtype=np.int64),
    )


def spectra_for(plan: Plan) -> NDArray[np.float32]:
    """Return room for the spectra of some views of eight slices."""
    return aligned(16 * CHUNK * (plan.views.length + 1))
