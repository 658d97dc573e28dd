"""Crops: ``{axis: [begin, end]}`` with plain numbers or begin, mid and end with an offset."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from tomosaxs.dataset import Dataset
from tomosaxs.errors import InputError, did_you_mean

_BOUND = re.compile(r"(begin|mid|end)\s*(?:([+-])\s*([0-9]{1,12}))?")
_FORMS = (
    "write [begin, end], [begin, end, step] or one index; "
    "a bound is a number, or begin, mid or end with an offset such as mid-8"
)


def check_crop(crop: Any) -> list[tuple[str, str]]:
    """Return what is wrong with the form of a crop, as (message, axis) pairs."""
    if not isinstance(crop, Mapping):
        return [(f"expected a mapping of axes, for instance {{detector_y: [mid-8, mid+8]}}, got {crop!r:.60}", "")]
    return [(f"{axis}: {fault}", axis) for axis, value in crop.items() if (fault := _fault(value))]


def _fault(value: Any) -> str:
    if not isinstance(value, (list, tuple)):
        return _bound_fault(value)
    if not 2 <= len(value) <= 3:
        return f"{_FORMS}; got {len(value)} value{'' if len(value) == 1 else 's'}"
    for bound in value[:2]:
        fault = _bound_fault(bound)
        if fault:
            return fault
    first, last = value[:2]
    if isinstance(first, int) and isinstance(last, int) and last <= first:
        return f"[{first}, {last}] is empty: the end is the first index that is left out"
    step = value[2] if len(value) == 3 else 1
    if isinstance(step, bool) or not isinstance(step, int) or step < 1:
        return f"the step must be a whole number from 1, got {step!r:.60}"
    return ""


def _bound_fault(bound: Any) -> str:
    if isinstance(bound, int) and not isinstance(bound, bool):
        return f"{bound} is negative; count from the end with end{bound}" if bound < 0 else ""
    if isinstance(bound, str) and _BOUND.fullmatch(bound.strip()):
        return ""
    return f"{_FORMS}; got {'nothing' if bound is None else format(repr(bound), '.60')}"


def resolve_crop(crop: Mapping[str, Any], dataset: Dataset, where: str = "") -> dict[str, slice]:
    """Return the slices that a crop takes of a dataset.

    ``begin``, ``mid`` (size // 2) and ``end`` ranges are clipped to the data; a plain number
    outside is an error. One index ``k`` means ``[k, k + 1]``; the end is left out.

    Parameters
    ----------
    crop : mapping of axis name to bounds
        As in the list.
    dataset : Dataset
        Uncropped.
    where : str, optional
        Put before the message.

    Returns
    -------
    dict of str to slice
        With concrete, non-negative bounds and a positive step.

    Raises
    ------
    InputError
        Naming every axis that does not exist, every number outside and every empty range.
    """
    faults = [message for message, _ in check_crop(crop)]
    found: dict[str, slice] = {}
    if not faults:
        for axis, value in crop.items():
            if axis not in dataset.names:
                faults.append(f"the dataset has no axis {axis!r}{did_you_mean(axis, dataset.names)}")
                continue
            try:
                found[axis] = _slice(value, dataset.axis(axis).size)
            except ValueError as error:
                faults.append(f"{axis}: {error}")
    if faults:
        raise InputError((f"{where}: " if where else "") + "; ".join(faults))
    return found


def _slice(value: Any, size: int) -> slice:
    if not isinstance(value, (list, tuple)):
        first, plain = _position(value, size)
        if not 0 <= first < size:
            given = f"{value}" if plain else f"{value} (index {first})"
            raise ValueError(f"{given} is outside: the axis has indices 0 to {size - 1}")
        return slice(first, first + 1, 1)
    (first, first_plain), (last, last_plain) = _position(value[0], size), _position(value[1], size)
    if (first_plain and first >= size) or (last_plain and last > size):
        raise ValueError(f"[{value[0]}, {value[1]}] is outside: the axis has {size} entries, 0 to {size - 1}")
    low, high = max(0, min(first, size)), max(0, min(last, size))
    if high <= low:
        raise ValueError(f"[{value[0]}, {value[1]}] is empty: of {size} entries it takes {first} to {last}")
    return slice(low, high, value[2] if len(value) == 3 else 1)


def _position(bound: Any, size: int) -> tuple[int, bool]:
    """Return the index and whether it was given as a plain number."""
    if isinstance(bound, int):
        return bound, True
    found = _BOUND.fullmatch(bound.strip())
    if found is None:
        raise ValueError(_bound_fault(bound))
    start = {"begin": 0, "mid": size // 2, "end": size}[found[1]]
    offset = int(found[3]) if found[3] else 0
    return start - offset if found[2] == "-" else start + offset, False
