"""Lines of a grid found in measured stage positions: clusters of values, holes filled in."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_WORST = 0.5
"""Largest deviation of a point from its line, in steps."""


def step_of(lines: Floats) -> float:
    """Return the usual distance of neighbouring lines; 0 where there is only one."""
    steps = np.abs(np.diff(lines[np.isfinite(lines)]))
    return float(np.median(steps)) if len(steps) else 0.0


def lines_of(values: Floats, expected: int = 0) -> Floats | None:
    """Return the lines (increasing) on which positions lie, or None where they lie on none.

    Positions of one line differ by less than a third of what separates lines. A line on which no point was
    measured is put in where the others are equally spaced.

    Parameters
    ----------
    values : array
        Finite positions of all points.
    expected : int, optional
        Number of lines that is likely.
    """
    ordered = np.sort(values.ravel())
    gaps = np.diff(ordered)
    span = float(ordered[-1] - ordered[0]) if len(ordered) else 0.0
    if span <= 0:
        return ordered[:1]
    split = _widest(gaps, expected) if 1 < expected <= len(ordered) else None
    if split is None:
        split = _by_ratio(gaps, span)
    if split is None:
        return None
    bounds = np.flatnonzero(split) + 1
    lines = np.array([part.mean() for part in np.split(ordered, bounds)])
    return with_holes(lines)


def _widest(gaps: Floats, expected: int) -> NDArray[np.bool_] | None:
    """Return the expected - 1 widest gaps, if they stand out."""
    order = np.argsort(gaps)[::-1]
    chosen, rest = order[: expected - 1], order[expected - 1 :]
    if len(rest) and not gaps[chosen].min() > 3 * gaps[rest].max():
        return None
    split = np.zeros(len(gaps), dtype=np.bool_)
    split[chosen] = True
    return split


def _by_ratio(gaps: Floats, span: float) -> NDArray[np.bool_] | None:
    """Return the gaps above the widest jump between the sorted gaps; all where they are alike."""
    ordered = np.maximum(np.sort(gaps), 1e-7 * span)
    ratios = ordered[1:] / ordered[:-1]
    if len(ratios) and ratios.max() > 3:
        place = int(np.argmax(ratios))
        return np.asarray(gaps >= ordered[place + 1])
    return np.ones(len(gaps), dtype=np.bool_) if ordered[-1] <= 3 * ordered[0] else None


def with_holes(lines: Floats) -> Floats:
    """Return lines with those that lie between whole multiples of the step put in."""
    step = step_of(lines)
    if len(lines) < 3 or step <= 0:
        return lines
    numbers = np.round((lines - lines[0]) / step)
    exact = float((lines[-1] - lines[0]) / numbers[-1])
    if np.any(np.abs(lines - lines[0] - numbers * exact) > 0.25 * step) or numbers[-1] > 4 * len(lines):
        return lines
    places = np.arange(numbers[-1] + 1)
    return np.asarray(np.interp(places, numbers, lines))


def nearest(values: Floats, lines: Floats) -> tuple[NDArray[np.intp], float]:
    """Return the line of every position (-1 where it is no number), and the largest deviation in steps."""
    known = np.isfinite(values)
    number = np.full(values.shape, -1, dtype=np.intp)
    if not known.any():
        return number, 0.0
    order = np.argsort(lines)
    sorted_lines = lines[order]
    middle = 0.5 * (sorted_lines[1:] + sorted_lines[:-1])
    number[known] = order[np.searchsorted(middle, values[known])]
    step = step_of(sorted_lines)
    if step <= 0:
        return number, 0.0
    return number, float(np.max(np.abs(values[known] - lines[number[known]])) / step)


def filled(lines: Floats) -> Floats | None:
    """Return lines with those not known (NaN) put on a straight line through the others; None with under two."""
    known = np.flatnonzero(np.isfinite(lines))
    if len(known) == len(lines):
        return lines
    if len(known) < 2:
        return None
    slope, start = np.polyfit(known, lines[known], 1)
    if np.max(np.abs(start + slope * known - lines[known])) > 0.25 * abs(slope):
        return None
    return np.where(np.isfinite(lines), lines, start + slope * np.arange(len(lines)))
