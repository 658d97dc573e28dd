"""Transmission of slices whose detector rows have no dead pixel, compiled by numba; it runs without Python's lock."""

from __future__ import annotations

from typing import Any

import numpy as np

from tomosaxs_plugins.compiled import compiled


def _nogil(function: Any) -> Any:
    return compiled(function, nogil=True, error_model="numpy", boundscheck=False)


@_nogil
def transmission_of_healthy(
    counts: Any, dark: Any, flats: Any, weights: Any, dead_below: Any, flat: Any, out: Any
) -> bool:
    """Fill `out` with (counts - dark) / (flat - dark); False as soon as a row may have a dead pixel.

    A pixel is dead where flat - dark is not above a fraction of the median over its row, or above 0. The median is not
    larger than the largest value: where even that fraction of it stays below the smallest value, no pixel is dead, and
    no median is needed. A value that is no number answers no comparison.

    Parameters
    ----------
    counts : (lines, columns) array
        Of one slice; a line is a row of the detector.
    dark : (lines, columns) float32 array
    flats, weights : (k, lines, columns) float32 arrays
        Mean flats of every group and their shares.
    dead_below : float32
        The fraction.
    flat : (columns,) float32 array
        Room for flat - dark of a line.
    out : (lines, columns) float32 array

    Returns
    -------
    bool
        Whether all lines are done.
    """
    lines, columns = counts.shape
    groups = flats.shape[0]
    for line in range(lines):
        for column in range(columns):
            flat[column] = flats[0, line, column] * weights[0, line, column]
        for group in range(1, groups):
            for column in range(columns):
                flat[column] += flats[group, line, column] * weights[group, line, column]
        for column in range(columns):
            flat[column] -= dark[line, column]
        least, most = flat[0], flat[0]
        for column in range(columns):
            least = min(least, flat[column])
            most = max(most, flat[column])
        sound = True
        for column in range(columns):
            sound &= flat[column] == flat[column]
        if not (sound and least > max(dead_below * most, np.float32(0.0))):
            return False
        for column in range(columns):
            out[line, column] = (np.float32(counts[line, column]) - dark[line, column]) / flat[column]
    return True
