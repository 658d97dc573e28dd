"""Series in which not every tomogram begins at the same angle, as a stage that turns on and on leaves them."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np

from tomosaxs import Scan

START_ANGLE = "start_angle"
"""Companion with one value a tomogram: degrees that its angles have more than those of the axis."""


def same_start(scan: Scan, count: int) -> Iterator[tuple[slice, float]]:
    """Yield runs of slices whose projections begin at the same angle, and how many degrees later than the axis tells.

    Parameters
    ----------
    scan : Scan
    count : int
        Slices of the block.
    """
    if START_ANGLE not in scan or count == 0:
        yield slice(0, count), 0.0
        return
    starts = np.broadcast_to(scan.get(START_ANGLE).reshape(-1), (count,))
    bounds = [0, *(np.flatnonzero(np.diff(starts)) + 1).tolist(), count]
    for low, high in pairwise(bounds):
        if high > low:
            yield slice(low, high), float(starts[low])
