"""Lines of a grid found in measured stage positions: clusters of values, holes filled in."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_CLEAR = 2.0
"""Lines are told from each other where what separates them is this many times as wide as they are."""
_EXACT = 1e4
"""Lines this narrow are believed wherever they lie; others must be equally spaced, up to lines that are not there."""
_TRIED = 40
"""Ways to split positions into lines that are looked at."""


def step_of(lines: Floats) -> float:
    """Return the usual distance of neighbouring lines; 0 where there is only one."""
    steps = np.abs(np.diff(lines[np.isfinite(lines)]))
    return float(np.median(steps)) if len(steps) else 0.0


def lines_of(values: Floats, expected: int = 0) -> Floats | None:
    """Return the lines (increasing) on which positions lie, or None where they lie on none.

    Positions of one line differ by less than half of what separates lines. A line on which no point was
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
    if len(ordered) == 0 or ordered[-1] <= ordered[0]:
        return ordered[:1]
    floor = 1e-7 * float(ordered[-1] - ordered[0])
    if 1 < expected <= len(ordered):
        bounds = np.sort(np.argsort(-gaps, kind="stable")[: expected - 1]) + 1
        if _clear(ordered, bounds, floor) > _CLEAR:
            return _means(ordered, bounds)[0]
    best: Floats | None = None
    exact: Floats | None = None
    for bounds in _ways_to_split(gaps, floor):
        clear = _clear(ordered, bounds, floor)
        if clear <= _CLEAR:
            continue
        lines = _without_strays(*_means(ordered, bounds), expected)
        if _is_regular(lines) and (best is None or len(lines) > len(best)):
            best = lines
        if clear > _EXACT:
            exact = lines
    return with_holes(best) if best is not None else exact


def _ways_to_split(gaps: Floats, floor: float) -> list[NDArray[np.intp]]:
    """Return where lines may end: at all gaps above one of the jumps between gaps sorted by size."""
    sizes = np.maximum(np.sort(gaps), floor)
    ratios = sizes[1:] / sizes[:-1]
    places = [int(place) for place in np.argsort(-ratios, kind="stable")[:_TRIED] if ratios[place] > 1.5]
    ways = [np.flatnonzero(gaps >= sizes[place + 1]) + 1 for place in places]
    return [*ways, np.arange(1, len(gaps) + 1)] if sizes[0] > floor else ways


def _clear(ordered: Floats, bounds: NDArray[np.intp], floor: float) -> float:
    """Return how much wider the narrowest gap between lines is than the widest line."""
    first, last = np.append(0, bounds), np.append(bounds, len(ordered)) - 1
    width = max(float((ordered[last] - ordered[first]).max()), floor)
    return float((ordered[bounds] - ordered[bounds - 1]).min()) / width


def _means(ordered: Floats, bounds: NDArray[np.intp]) -> tuple[Floats, NDArray[np.intp]]:
    """Return the mean of every line and how many positions lie on it."""
    first = np.append(0, bounds)
    counts = np.diff(np.append(first, len(ordered)))
    return np.add.reduceat(ordered, first) / counts, counts


def _is_regular(lines: Floats) -> bool:
    """Return whether lines are whole multiples of a step apart."""
    if len(lines) < 2:
        return False
    steps = np.diff(lines) / step_of(lines)
    return bool(np.all(np.abs(steps - np.round(steps)) < 0.25) and np.all(np.round(steps) >= 1))


def _without_strays(lines: Floats, counts: NDArray[np.intp], expected: int) -> Floats:
    """Leave out lines that a few points far away make, and where more than `expected` are found the emptiest."""
    step = step_of(lines)
    groups = np.split(np.arange(len(lines)), np.flatnonzero(np.diff(lines) > 3.5 * step) + 1)
    few = max(1, 0.02 * counts.sum())
    kept = [group for group in groups if len(groups) == 1 or counts[group].sum() > few]
    numbers = np.concatenate(kept) if kept else np.arange(len(lines))
    if 1 < expected < len(numbers):
        fullest = np.argsort(-counts[numbers], kind="stable")[:expected]
        numbers = np.sort(numbers[fullest])
    return lines[numbers]


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


def nearest(values: Floats, lines: Floats) -> tuple[NDArray[np.intp], Floats]:
    """Return the line of every position (-1 where it is no number), and how many steps it lies off it."""
    known = np.isfinite(values)
    number = np.full(values.shape, -1, dtype=np.intp)
    off = np.zeros(values.shape)
    if not known.any():
        return number, off
    order = np.argsort(lines)
    sorted_lines = lines[order]
    middle = 0.5 * (sorted_lines[1:] + sorted_lines[:-1])
    number[known] = order[np.searchsorted(middle, values[known])]
    step = step_of(sorted_lines)
    if step > 0:
        off[known] = np.abs(values[known] - lines[number[known]]) / step
    return number, off


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
