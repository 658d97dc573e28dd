"""Blocks: ranges of the flattened sliced axes, cut out of N-dimensional data and put back."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tomosaxs.dataset import Reader, Selection, read_into
from tomosaxs.memory import empty_block


def slice_count(shape: Sequence[int], sliced: Sequence[int]) -> int:
    """Return the number of slices when the dimensions `sliced` of `shape` are flattened."""
    return int(np.prod([shape[d] for d in sliced], dtype=np.int64))


def boxes(sizes: Sequence[int], low: int, high: int) -> Iterator[tuple[int, tuple[slice, ...]]]:
    """Cut the flat range [low, high) over axes of `sizes` (C order) into hyper-rectangles.

    Yields
    ------
    start : int
        Flat position of the box's first entry, counted from `low`.
    box : tuple of slice
        One slice an axis.
    """
    if low >= high:
        return
    if len(sizes) <= 1:
        yield 0, (slice(low, high, 1),) if sizes else ()
        return
    inner = int(np.prod(sizes[1:], dtype=np.int64))
    position = low
    while position < high:
        outer, rest = divmod(position, inner)
        if rest == 0 and high - position >= inner:
            whole = (high - position) // inner
            rows = tuple(slice(0, size, 1) for size in sizes[1:])
            yield position - low, (slice(outer, outer + whole, 1), *rows)
            position += whole * inner
        else:
            end = min(high, (outer + 1) * inner)
            for start, box in boxes(sizes[1:], rest, rest + end - position):
                yield position - low + start, (slice(outer, outer + 1, 1), *box)
            position = end


def read_block(reader: Reader, sliced: Sequence[int], low: int, high: int) -> NDArray[Any]:
    """Read the slices [low, high) as a block (n, \\*other dimensions in storage order).

    Parameters
    ----------
    reader : Reader
        The data.
    sliced : sequence of int
        Dimensions that are flattened into the leading axis.
    """
    shape = reader.shape
    rest = [d for d in range(len(shape)) if d not in sliced]
    sizes, core = [shape[d] for d in sliced], [shape[d] for d in rest]
    parts = list(boxes(sizes, low, high))
    if not parts:
        return np.empty((0, *core), reader.dtype)
    leading = [*sliced, *rest] == list(range(len(shape)))
    out = empty_block((high - low, *core), reader.dtype) if len(parts) > 1 else None
    for start, box in parts:
        selection: list[Selection] = [slice(0, size, 1) for size in shape]
        for dimension, part in zip(sliced, box, strict=True):
            selection[dimension] = part
        if out is None:
            read = np.transpose(reader.read(tuple(selection)), [*sliced, *rest])
            return np.ascontiguousarray(read.reshape(-1, *core))
        lengths = [part.stop - part.start for part in box]
        target = out[start : start + math.prod(lengths)]
        if leading:  # in storage order: straight to its place
            read_into(reader, tuple(selection), target.reshape(*lengths, *core))
        else:
            target[...] = np.transpose(reader.read(tuple(selection)), [*sliced, *rest]).reshape(-1, *core)
    return out if out is not None else np.empty((0, *core), reader.dtype)


def write_block(target: NDArray[Any], sliced: Sequence[int], low: int, block: NDArray[Any]) -> None:
    """Put a block read by `read_block` (or one of the same layout) into an array in storage order."""
    shape = target.shape
    rest = [d for d in range(len(shape)) if d not in sliced]
    sizes = [shape[d] for d in sliced]
    order = np.argsort([*sliced, *rest])
    for start, box in boxes(sizes, low, low + len(block)):
        lengths = [part.stop - part.start for part in box]
        count = int(np.prod(lengths, dtype=np.int64))
        piece = block[start : start + count].reshape(*lengths, *(shape[d] for d in rest))
        where: list[slice] = [slice(None)] * len(shape)
        for dimension, part in zip(sliced, box, strict=True):
            where[dimension] = part
        target[tuple(where)] = np.transpose(piece, order)


def share(count: int, parts: int, number: int) -> tuple[int, int]:
    """Return the contiguous range of `count` slices that belongs to rank `number` of `parts`."""
    base, extra = divmod(count, parts)
    low = number * base + min(number, extra)
    return low, low + base + (1 if number < extra else 0)


def block_ranges(low: int, high: int, size: int) -> list[tuple[int, int]]:
    """Return the blocks of at most `size` slices that cover [low, high)."""
    return [(start, min(start + size, high)) for start in range(low, high, max(1, size))]
