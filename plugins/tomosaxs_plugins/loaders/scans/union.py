"""Several scans laid on one grid: by stage position where steps agree, else by number."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tomosaxs import Axis, InputError
from tomosaxs_plugins.loaders.scans.lines import step_of
from tomosaxs_plugins.loaders.scans.points import Placed
from tomosaxs_plugins.loaders.scans.stages import Floats, stage_axis

_SAME_STEP = 0.02
"""Steps that differ by less than this part are the same."""
_WHOLE = 0.25
"""Grids that are shifted by whole steps up to this part of a step fit onto each other."""


def united(scans: Sequence[Placed | None], labels: Sequence[str]) -> tuple[Placed, list[str]]:
    """Return scans stacked on the grid that holds all of them, and what is to be said.

    Parameters
    ----------
    scans : sequence of Placed or None
        None for a scan that is missing as a whole.
    labels : sequence of str
        What messages call them.

    Returns
    -------
    placed : Placed
        Axes of the common grid; `where` has one more axis in front, one entry a scan, and numbers the frames of
        every scan from 0.
    messages : list of str

    Raises
    ------
    InputError
        When the scans have different axes.
    """
    known = [(number, scan) for number, scan in enumerate(scans) if scan is not None]
    first_number, first = known[0]
    names = [axis.name for axis in first.axes]
    for number, scan in known:
        other = [axis.name for axis in scan.axes]
        if other != names:
            raise InputError(
                f"{labels[number]} has the axes {', '.join(other)}, {labels[first_number]} has {', '.join(names)}: "
                "they are no parts of one scan; give axes: where the files say it wrongly"
            )
    messages: list[str] = []
    axes: list[Axis] = []
    places: list[list[NDArray[np.intp]]] = []
    for axis, name in enumerate(names):
        made, where, said = _one_axis(name, [scan.axes[axis] for _, scan in known])
        axes.append(made)
        places.append(where)
        messages += said
    shape = tuple(axis.size for axis in axes)
    out = np.full((len(scans), *shape), -1, dtype=np.int64)
    for place, (number, scan) in enumerate(known):
        out[number][np.ix_(*(each[place] for each in places))] = scan.where
    return Placed(tuple(axes), out), messages


def _one_axis(name: str, axes: Sequence[Axis]) -> tuple[Axis, list[NDArray[np.intp]], list[str]]:
    """Return the common axis, and where the entries of every scan lie in it."""
    sizes = sorted({axis.size for axis in axes})
    unequal = f"{sizes[0]} to {sizes[-1]}" if len(sizes) > 1 else str(sizes[0])
    found = _by_position(axes)
    if found is not None:
        numbers, values = found
        silent = sum(axis.values is None for axis in axes)
        said = [f"WARNING: {name}: {silent} of the scans have no positions: laid where most begin"] if silent else []
        if len(values) > sizes[0]:
            said.append(f"{name}: grids of {unequal} points laid on one of {len(values)} by the stage positions")
        units = next(axis.units for axis in axes if axis.values is not None)
        return stage_axis(name, values, units, len(values)), numbers, said
    size = sizes[-1]
    numbers = [np.arange(axis.size, dtype=np.intp) for axis in axes]
    longest = next(axis for axis in axes if axis.size == size)
    with_values = [axis.values for axis in axes if axis.values is not None]
    same = len(with_values) == len(axes) and all(_alike(v, longest.values) for v in with_values)
    said = []
    if len(sizes) > 1 or (with_values and not same):
        why = "their stage positions do not fit onto one grid" if with_values else "they have no stage positions"
        said = [f"WARNING: {name}: grids of {unequal} points laid over each other by number: {why}"]
    values_of_longest = longest.values if with_values else None
    return stage_axis(name, values_of_longest, longest.units, size), numbers, said


def _alike(values: Floats, longest: Floats | None) -> bool:
    return longest is not None and len(values) == len(longest) and bool(np.allclose(values, longest))


def _by_position(axes: Sequence[Axis]) -> tuple[list[NDArray[np.intp]], Floats] | None:
    """Return the number of every entry on the common grid and the grid's coordinates, or None where none fits."""
    units = {axis.units for axis in axes if axis.values is not None}
    lines = [axis.values for axis in axes if axis.values is not None]
    if not lines or len(units) > 1:
        return None
    steps = [float(each[-1] - each[0]) / (len(each) - 1) for each in lines if len(each) > 1]
    if not steps:
        return _single_lines(lines) if len(lines) == len(axes) else None
    step = steps[0]
    if step == 0 or any(abs(abs(each) - abs(step)) > _SAME_STEP * abs(step) for each in steps):
        return None
    origin = next(float(each[0]) for each in lines if len(each) > 1)
    exact = [(each - origin) / step for each in lines]
    whole = [np.round(each - _shift(each)) for each in exact]
    off = max(float(np.max(np.abs(a - b))) for a, b in zip(exact, whole, strict=True))
    if off > _WHOLE or any(len(np.unique(each)) < len(each) for each in whole):
        return None
    low = min(float(each.min()) for each in whole)
    placed = iter([np.asarray(each - low, dtype=np.intp) for each in whole])
    begins = np.bincount([round(float(each[0]) - low) for each in whole])
    usual = int(begins.argmax())  # a scan that was broken off at once has no positions: it began like the others
    numbers = [
        np.arange(usual, usual + axis.size, dtype=np.intp) if axis.values is None else next(placed) for axis in axes
    ]
    size = 1 + max(int(each.max()) for each in numbers)
    if size > 2 * max(map(len, lines)) + len(lines):  # scans that hardly overlap are no parts of one
        return None
    total, count = np.zeros(size), np.zeros(size)
    for each, axis in zip(numbers, axes, strict=True):
        if axis.values is not None:
            np.add.at(total, each, axis.values)
            np.add.at(count, each, 1)
    values = np.where(count > 0, total / np.maximum(count, 1), origin + step * (np.arange(size) + low))
    return numbers, values


def _shift(exact: Floats) -> float:
    """Return the part of a step by which a grid is shifted, so that rounding never breaks it up."""
    return float(np.median(exact - np.round(exact)))


def _single_lines(lines: Sequence[Floats]) -> tuple[list[NDArray[np.intp]], Floats] | None:
    """Scans of one line each: on one line if it is the same."""
    values = np.concatenate(lines)
    if len(values) and step_of(np.unique(np.round(values, 9))) == 0:
        return [np.zeros(1, dtype=np.intp) for _ in lines], lines[0]
    return None
