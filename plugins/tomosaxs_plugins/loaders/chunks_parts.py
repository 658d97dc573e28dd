"""Selections cut along chunks: what every chunk gives, where it goes, and which bytes of it hold that."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Chosen: TypeAlias = "slice | NDArray[np.intp]"
"""Part of an axis: a slice with explicit ends and a positive step, or indices."""

Region: TypeAlias = "tuple[slice | NDArray[np.intp], ...]"

PAGE = 1 << 12
"""Bytes that cost less to read than another call."""


@dataclass(frozen=True, eq=False)
class Part:
    """What one chunk gives along one axis: the chunk's number, the places in the result and those in the chunk."""

    number: int
    out: slice | NDArray[np.intp]
    inside: slice | NDArray[np.intp]


def parts_along(chosen: Chosen, chunk: int) -> list[Part]:
    """Return what every chunk along one axis gives to a selection.

    Parameters
    ----------
    chosen : slice or indices
        Not empty.
    chunk : int
        Entries of a chunk along this axis.
    """
    if isinstance(chosen, slice):
        wanted = range(chosen.start, chosen.stop, chosen.step)
        parts, done = [], 0
        while done < len(wanted):
            number = wanted[done] // chunk
            count = min(len(wanted) - done, -(-((number + 1) * chunk - wanted[done]) // chosen.step))
            first = wanted[done] - number * chunk
            inside = slice(first, first + (count - 1) * chosen.step + 1, chosen.step)
            parts.append(Part(number, slice(done, done + count), inside))
            done += count
        return parts
    numbers = chosen // chunk
    order = np.argsort(numbers, kind="stable")
    cuts = np.flatnonzero(np.diff(numbers[order])) + 1
    return [
        Part(int(numbers[group[0]]), slice_if(group), chosen[group] - int(numbers[group[0]]) * chunk)
        for group in np.split(order, cuts)
    ]


def slice_if(indices: NDArray[np.intp]) -> slice | NDArray[np.intp]:
    """Return indices that follow each other as a slice, others as they are."""
    whole = len(indices) == 1 or bool(np.all(np.diff(indices) == 1))
    return slice(int(indices[0]), int(indices[-1]) + 1) if whole else indices


def spans_within(inside: Sequence[Chosen], shape: Sequence[int], width: int) -> list[tuple[int, int]]:
    """Return which bytes of an array of `shape` hold a selection, [begin, end) each, gaps below a page included.

    Parameters
    ----------
    inside : sequence of slice or indices
        Of every axis.
    shape : sequence of int
    width : int
        Bytes of an element.
    """
    chosen = [np.arange(size)[each] for each, size in zip(inside, shape, strict=True)]
    depth = len(shape)
    while depth and len(chosen[depth - 1]) == shape[depth - 1]:
        depth -= 1
    if depth == 0:
        return [(0, math.prod(shape) * width)]
    inner = math.prod(shape[depth:]) * width
    rows = np.sort(np.ravel_multi_index(np.ix_(*chosen[:depth]), tuple(shape[:depth])), axis=None)
    cuts = np.flatnonzero((np.diff(rows) - 1) * inner > PAGE) + 1
    firsts, lasts = rows[np.r_[0, cuts]], rows[np.r_[cuts - 1, len(rows) - 1]]
    return [(int(first) * inner, (int(last) + 1) * inner) for first, last in zip(firsts, lasts, strict=True)]


def follows(chosen: Chosen) -> bool:
    """Return whether entries that follow each other are taken in their order."""
    return chosen.step == 1 if isinstance(chosen, slice) else bool((np.diff(chosen) == 1).all())


def is_slice(chosen: Chosen, start: int, stop: int) -> bool:
    """Return whether exactly the entries [start, stop) are taken."""
    return isinstance(chosen, slice) and chosen == slice(start, stop, 1)


def take(values: NDArray[Any], inside: Region) -> NDArray[Any]:
    """Return the part of an array that is selected axis by axis."""
    for axis, each in enumerate(inside):
        values = values[(slice(None),) * axis + (each,)]
    return values


def put(target: NDArray[Any], region: Region, values: Any) -> None:
    """Set the part of an array that is selected axis by axis."""
    if all(isinstance(each, slice) for each in region):
        target[region] = values
        return
    indices = [np.arange(size)[each] for size, each in zip(target.shape, region, strict=True)]
    target[np.ix_(*indices)] = values
