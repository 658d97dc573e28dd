"""Copies between arrays whose axes lie in memory in different orders, in parts that stay in the cache.

NumPy copies fast where the last axis is contiguous on both sides. Where it is not, its inner loop jumps from cache
line to cache line, and every line is fetched again for each of the values in it: here such copies go tile by tile.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

_SMALL = 1 << 16
"""Bytes that stay in the cache however they are copied."""
_TILE = (128, 256)
"""Entries of a tile along the axis that is contiguous in the source, and along the one contiguous in the target."""
_LEAST = 1 << 12
"""Entries along these two axes below which tiles would be too small to gain anything."""
_AT_ONCE = 1 << 15
"""Entries of one call of NumPy, so that calls cost little beside copies."""


def copy_into(target: NDArray[Any], source: NDArray[Any]) -> None:
    """Do ``target[...] = source`` for arrays of the same shape that do not overlap.

    Parameters
    ----------
    target, source : array
        Any strides, any types that NumPy converts.
    """
    inner = _innermost(target), _innermost(source)
    plain = inner[0] == inner[1] or target.shape[inner[0]] * target.shape[inner[1]] < _LEAST
    if target.nbytes <= _SMALL or plain:
        target[...] = source
        return
    for tile in _tiles(target.shape, inner, source.strides):
        target[tile] = source[tile]


def contiguous(source: NDArray[Any], out: NDArray[Any] | None = None) -> NDArray[Any]:
    """Return an array in C order: the given one where it is that already, else a copy, in `out` where that is given."""
    if source.flags.c_contiguous:
        return source
    made = np.empty(source.shape, source.dtype) if out is None else out
    copy_into(made, source)
    return made


def _innermost(array: NDArray[Any]) -> int:
    """Return the axis along which neighbours are nearest in memory, of those with more than one entry."""
    axes = [axis for axis, size in enumerate(array.shape) if size > 1]
    return min(reversed(axes), key=lambda axis: abs(array.strides[axis]), default=0)


def _tiles(shape: Sequence[int], inner: tuple[int, int], strides: Sequence[int]) -> Iterator[tuple[slice, ...]]:
    """Cut a shape into tiles: wide along the two inner axes, along others only as far as those are short."""
    sizes = [1] * len(shape)
    sizes[inner[1]] = min(shape[inner[1]], _TILE[0])
    sizes[inner[0]] = min(shape[inner[0]], _TILE[1])
    room = _AT_ONCE // (sizes[inner[0]] * sizes[inner[1]])
    for axis in sorted(set(range(len(shape))) - set(inner), key=lambda axis: abs(strides[axis])):
        sizes[axis] = max(1, min(shape[axis], room))
        room //= sizes[axis]
    steps = (range(0, length, size) for length, size in zip(shape, sizes, strict=True))
    for corner in product(*steps):
        yield tuple(slice(low, low + size) for low, size in zip(corner, sizes, strict=True))
