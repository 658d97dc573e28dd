"""Several tomograms: cut out of one stream of projections, brought to the same angles, bad projections left out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tomosaxs import InputError, did_you_mean
from tomosaxs_plugins.loaders.angles import find_scans
from tomosaxs_plugins.loaders.series_cut import SeriesChoice, begins_by_number, checked_series


def cut(angles: NDArray[np.float64], choice: SeriesChoice, where: str) -> tuple[list[NDArray[np.intp]], list[str]]:
    """Return the places of the projections of every tomogram in a stream, and messages.

    Parameters
    ----------
    angles : (n,) array
        Degrees, in the order of measurement.
    choice : ``repeats`` or mapping
        ``{projections: N, first: 0, step: N}``; ``{turn: DEGREES, first: 0}``; or what repeats the same angles.

    Raises
    ------
    InputError
        When no tomogram is found.
    """
    entries = checked_series(choice)
    total = len(angles)
    if choice == "repeats":
        scans, left = find_scans(angles)
        parts = [np.arange(total, dtype=np.intp)[scan] for scan in scans]
    elif "turn" in entries:
        parts = _turns(angles, float(entries["turn"]), int(entries.get("first", 0)), where)
        left = total - sum(map(len, parts))
    else:
        begins = begins_by_number(entries, total, where)
        parts = [np.arange(begin, begin + int(entries["projections"]), dtype=np.intp) for begin in begins]
        left = total - sum(map(len, parts))
    said = [f"series: {len(parts)} tomograms of {len(parts[0])} projections"]
    if left:
        said.append(f"{left} of {total} projections belong to no complete tomogram and are left out")
    return parts, said


def _turns(angles: NDArray[np.float64], turn: float, first: int, where: str) -> list[NDArray[np.intp]]:
    steps = np.diff(angles[first:])
    if len(steps) < 1 or not (np.all(steps > 0) or np.all(steps < 0)):
        raise InputError(
            f"{where}: series: turn needs angles that go on in one direction; these do not: give series: "
            "{projections: N} or series: repeats"
        )
    gone = np.abs(angles[first:] - angles[first])
    step = float(np.median(np.abs(steps)))
    whole = int(np.floor((gone[-1] + step) / turn + 1e-6))
    begins = np.searchsorted(gone, np.arange(whole + 1) * turn - 0.5 * step)
    if whole < 1:
        raise InputError(f"{where}: series: the angles span {gone[-1]:g} degrees, less than one turn of {turn:g}")
    size = int(np.diff(begins).min())
    return [np.arange(begin, begin + size, dtype=np.intp) + first for begin in begins[:-1]]


@dataclass(frozen=True, eq=False)
class Alike:
    """What several tomograms have in common.

    Parameters
    ----------
    angles : (n,) array
        Of the first one, in degrees.
    offsets : (t,) array
        What the angles of each have more, in degrees.
    orders : list of (n,) int array
        The projections of each in the order of `angles`.
    deviation : float
        Largest difference that is left, in degrees.
    """

    angles: NDArray[np.float64]
    offsets: NDArray[np.float64]
    orders: list[NDArray[np.intp]]
    deviation: float


def alike(angles: Sequence[NDArray[np.float64]], names: Sequence[str]) -> Alike:
    """Bring tomograms to the angles of the first: by an offset, or by their order reversed.

    Raises
    ------
    InputError
        When they differ otherwise; the message names the odd one.
    """
    base = angles[0]
    forwards = np.arange(len(base), dtype=np.intp)
    tolerance = max(1e-6, 0.25 * float(np.median(np.diff(np.sort(base))))) if len(base) > 1 else np.inf
    offsets, orders, deviation = np.zeros(len(angles)), [], 0.0
    odd: list[int] = []
    for number, own in enumerate(angles):
        best = None
        for order in (forwards, forwards[::-1]):
            if len(own) != len(base):
                break
            difference = own[order] - base
            offset = float(np.median(difference))
            half_turn = 180.0 * round(offset / 180.0)  # the stage stops near a multiple: then it is meant exactly
            offset = half_turn if abs(offset - half_turn) <= tolerance else offset
            left = float(np.max(np.abs(difference - offset)))
            if left <= tolerance and best is None:
                best = (offset, order, left)
        if best is None:
            odd.append(number)
            continue
        offsets[number], deviation = best[0], max(deviation, best[2])
        orders.append(best[1])
    if odd:
        which = 0 if len(odd) == len(angles) - 1 and len(angles) > 2 else odd[0]
        other = 0 if which else 1
        raise InputError(
            f"{names[which]} has other angles than the other tomograms of the series: {_range(angles[which])}, but "
            f"{names[other]} {_range(angles[other])}: leave it out, or load it alone"
        )
    return Alike(base, offsets, orders, deviation)


def _range(angles: NDArray[np.float64]) -> str:
    return f"{len(angles)} from {angles[0]:g} to {angles[-1]:g} deg"


def kept(exclude: Any, angles: NDArray[np.float64], where: str) -> tuple[NDArray[np.intp], list[str]]:
    """Return the projections that are left after an exclusion, and a message.

    Parameters
    ----------
    exclude : list of int, or mapping
        Indices of projections, from 0; or ``{indices: [...], angles: [[a, b], ...]}``, both ends of a range included.
    angles : (n,) array
        Degrees.

    Raises
    ------
    InputError
        When an index does not exist, a range is no pair of increasing angles or holds none, or nothing is left.
    """
    total = len(angles)
    everything = np.arange(total, dtype=np.intp)
    if not exclude:
        return everything, []
    indices, ranges = _asked(exclude)
    wrong = [each for each in indices if not 0 <= each < total]
    if wrong:
        raise InputError(f"exclude: {where} has no projection {wrong[0]}: they are counted from 0 to {total - 1}")
    out = np.zeros(total, dtype=bool)
    out[indices] = True
    for low, high in ranges:
        inside = (angles >= low) & (angles <= high)
        if not inside.any():
            raise InputError(
                f"exclude: no projection of {where} lies between {low:g} and {high:g} degrees; the angles reach from "
                f"{angles.min():g} to {angles.max():g}"
            )
        out |= inside
    left = everything[~out]
    if len(left) < 2:
        raise InputError(f"exclude: leaves {len(left)} of {total} projections of {where}")
    gone = everything[out]
    shown = ", ".join(map(str, gone[:12])) + (", ..." if len(gone) > 12 else "")
    return left, [f"{len(gone)} of {total} projections are excluded and not read: {shown}"]


def _asked(exclude: Any) -> tuple[list[int], list[tuple[float, float]]]:
    if not isinstance(exclude, Mapping):
        return [int(each) for each in exclude], []
    wrong = sorted(set(exclude) - {"indices", "angles"})
    if wrong:
        raise InputError(f"exclude: unknown {wrong[0]!r}{did_you_mean(wrong[0], ['indices', 'angles'])}")
    ranges: list[tuple[float, float]] = []
    for each in exclude.get("angles", []):
        pair = [float(end) for end in each] if isinstance(each, Sequence) else []
        if len(pair) != 2 or pair[0] > pair[1]:
            raise InputError(f"exclude: angles: {each} must be a pair [from, to] of increasing angles in degrees")
        ranges.append((pair[0], pair[1]))
    indices = exclude.get("indices", [])
    if any(not isinstance(each, int) for each in indices):
        raise InputError(f"exclude: indices: {list(indices)} must be whole numbers")
    return list(indices), ranges
