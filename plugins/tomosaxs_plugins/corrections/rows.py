"""Dark and flat correction of one slice, row by row of the detector, compiled; it runs without Python's lock."""

from __future__ import annotations

from typing import Any

import numpy as np

from tomosaxs_plugins.compiled import compiled
from tomosaxs_plugins.selection import select_middle


def _nogil(function: Any) -> Any:
    return compiled(function, nogil=True, error_model="numpy", boundscheck=False)


@_nogil
def transmission_of_rows(
    counts: Any, dark: Any, flats: Any, weights: Any, dead_below: Any, fill: bool, flat: Any, out: Any
) -> int:
    """Fill `out` with (counts - dark) / (flat - dark) and say how many values are of dead pixels.

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
    fill : bool
        Dead pixels get what lies on the line between their neighbours in the row, where there are any; else 1.
    flat : (columns,) float32 array
        Room for flat - dark of a line.
    out : (lines, columns) float32 array

    Returns
    -------
    int
    """
    lines, columns = counts.shape
    groups = flats.shape[0]
    dead = 0
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
        if sound and least > max(dead_below * most, np.float32(0.0)):
            for column in range(columns):
                out[line, column] = (np.float32(counts[line, column]) - dark[line, column]) / flat[column]
            continue
        limit = np.float32(np.inf)  # nothing is above it
        if sound:
            limit = max(dead_below * _median(flat), np.float32(0.0))
        for column in range(columns):
            if flat[column] > limit:
                out[line, column] = (np.float32(counts[line, column]) - dark[line, column]) / flat[column]
            else:
                out[line, column] = np.float32(1.0)
                dead += 1
        if fill:
            _fill(out[line], flat, limit)
    return dead


@_nogil
def _median(values: Any) -> Any:
    """Return the median of float32 values, of an even number the mean of the two in the middle."""
    count = len(values)
    parted = np.empty(count, np.float32)
    for number in range(count):
        parted[number] = values[number]
    middle = select_middle(parted, count)
    if count % 2:
        return middle
    below = parted[0]
    for number in range(count // 2):
        below = max(below, parted[number])
    return (below + middle) / np.float32(2.0)


@_nogil
def _fill(line: Any, flat: Any, limit: Any) -> None:
    """Put dead values on the straight line between the nearest good ones; at the ends take the nearest good one."""
    columns = len(line)
    before, column = -1, 0
    while column < columns:
        if flat[column] > limit:
            before = column
            column += 1
            continue
        after = column
        while after < columns and not flat[after] > limit:
            after += 1
        for place in range(column, after):
            if before >= 0 and after < columns:
                share = np.float32((place - before) / (after - before))
                line[place] = line[before] * (np.float32(1.0) - share) + line[after] * share
            elif before >= 0:
                line[place] = line[before]
            elif after < columns:
                line[place] = line[after]
        column = after
