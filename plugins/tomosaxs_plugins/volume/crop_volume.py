"""Step `crop_volume`: a rectangle of every slice."""

from __future__ import annotations

import re
from typing import Annotated, Any, TypeAlias

import numpy as np

from tomosaxs import Dataset, InputError, Output, Param, VolumeSlices, plugin

Range: TypeAlias = "tuple[int | str, int | str] | None"
_WORD = re.compile(r"(begin|mid|end)\s*(?:([+-])\s*([0-9]{1,12}))?")


def range_of(given: tuple[int | str, int | str] | None, size: int, name: str) -> slice:
    """Return the part of an axis that [first, last) takes, as in the crop of an input.

    A bound is a number or ``begin``, ``mid`` (size // 2) or ``end`` with an offset such as ``mid-8``; words are
    clipped to the data.

    Raises
    ------
    InputError
        When a number lies outside, a bound is neither, or nothing is left.
    """
    if given is None:
        return slice(0, size)
    first, last = (_place(bound, size, name) for bound in given)
    if last <= first:
        raise InputError(f"{name}: {list(given)} of {size} entries takes nothing", parameter=name)
    return slice(first, last)


def _place(bound: int | str, size: int, name: str) -> int:
    if isinstance(bound, str):
        found = _WORD.fullmatch(bound.strip())
        if found is None:
            raise InputError(f"{name}: {bound!r} is no number, nor begin, mid or end with an offset", parameter=name)
        start = {"begin": 0, "mid": size // 2, "end": size}[found[1]]
        offset = int(found[3] or 0)
        return max(0, min(size, start - offset if found[2] == "-" else start + offset))
    if not 0 <= bound <= size:
        raise InputError(f"{name}: {bound} is outside, the axis has {size} entries", parameter=name)
    return int(bound)


def _shape(data: Dataset, *, x: Any, y: Any, **_: Any) -> Output:
    axes = tuple(
        data.axis(name).select(range_of(given, data.axis(name).size, name)) for name, given in (("y", y), ("x", x))
    )
    return Output(axes, str(data.dtype), data.label, data.units)


def _check(data: Dataset, *, x: Any, y: Any, z: Any, **_: Any) -> None:
    for name, given in (("x", x), ("y", y)):
        range_of(given, data.axis(name).size, name)
    if z is not None:
        raise InputError(
            f"z: heights are cropped in the input, where it saves the work: crop: {{detector_y: {list(z)}}} "
            "(of a stored volume crop: {z: ...})",
            parameter="z",
        )


@plugin(shape=_shape, check=_check, memory=1.0)
def crop_volume(
    data: VolumeSlices,
    *,
    x: Annotated[Range, Param("columns [first, last); begin, mid and end as in crop:", unit="px")] = None,
    y: Annotated[Range, Param("rows [first, last)", unit="px")] = None,
    z: Annotated[Range, Param("refused: crop detector_y of the input instead", unit="px")] = None,
) -> VolumeSlices:
    """Keep a rectangle of every slice, the values as they are.

    Ranges are 0-based and half open. Coordinates and places in the full slice are kept, so that the rotation axis
    is where it was. Heights are cropped in the input (``crop: {detector_y: [100, 200]}``): slices that are not
    wanted are then not even read.

    Parameters
    ----------
    data : (n, y, x) array
        Slices; their type is kept.

    Returns
    -------
    (n, height, width) array
        The part.

    Raises
    ------
    InputError
        When a range lies outside or is empty, or heights are given.
    """
    rows, columns = range_of(y, data.shape[1], "y"), range_of(x, data.shape[2], "x")
    return np.ascontiguousarray(data[:, rows, columns])
