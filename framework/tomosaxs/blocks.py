"""Blocks: ranges of the flattened sliced axes, cut out of N-dimensional data and put back."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from tomosaxs.copies import copy_into
from tomosaxs.dataset import ArrayReader, Reader, Selection, chunks_of, innermost, is_compressed, read_into
from tomosaxs.memory import empty_block, file_map, release

_LEAST_PIECE, _MOST_PIECE = 1 << 22, 1 << 25
"""Bytes that are read at a time where the axes of a block change their order."""


class BlockTarget(Protocol):
    """What blocks are written to where that is no array."""

    def write(self, sliced: Sequence[int], low: int, block: NDArray[Any]) -> None:
        """Put a block to its place; see `write_block`."""


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
    from_file = hasattr(innermost(reader), "read_into") or _mapped(reader) is not None
    if len(parts) == 1 and (leading or not from_file):
        read = np.transpose(reader.read(_selection(shape, sliced, parts[0][1])), [*sliced, *rest])
        block = (math.prod(read.shape[: len(sliced)]), *core)
        if read.flags.c_contiguous:
            return read.reshape(block)
        out = empty_block(block, reader.dtype)
        copy_into(out.reshape(read.shape), read)
        return out
    out = empty_block((high - low, *core), reader.dtype)
    for start, box in parts:
        selection = _selection(shape, sliced, box)
        lengths = [part.stop - part.start for part in box]
        target = out[start : start + math.prod(lengths)]
        if leading:  # in storage order: straight to its place
            read_into(reader, selection, target.reshape(*lengths, *core))
        elif rest and from_file:
            _read_turned(reader, sliced, rest, selection, target.reshape(*lengths, *core))
        else:
            read = np.transpose(reader.read(selection), [*sliced, *rest])
            copy_into(target.reshape(read.shape), read)
    return out


def _selection(shape: Sequence[int], sliced: Sequence[int], box: Sequence[slice]) -> tuple[slice, ...]:
    selection = [slice(0, size, 1) for size in shape]
    for dimension, part in zip(sliced, box, strict=True):
        selection[dimension] = part
    return tuple(selection)


def _read_turned(
    reader: Reader, sliced: Sequence[int], rest: Sequence[int], selection: Sequence[Selection], target: NDArray[Any]
) -> None:
    """Read values whose axes change their order a piece at a time, so that they are not in memory twice."""
    first, count = rest[0], reader.shape[rest[0]]
    step, mapped = _piece(reader, first, count, target.nbytes), _mapped(reader)
    for low in range(0, count, step):
        high = min(low + step, count)
        part = [*selection]
        part[first] = slice(low, high, 1)
        piece = np.transpose(reader.read(tuple(part)), [*sliced, *rest])
        copy_into(target[(slice(None),) * len(sliced) + (slice(low, high),)], piece)
        if mapped is not None:
            release(mapped)


def _mapped(reader: Reader) -> NDArray[Any] | None:
    """Return the array of a reader where that is a mapped file."""
    inner = innermost(reader)
    return inner.array if isinstance(inner, ArrayReader) and file_map(inner.array) is not None else None


def _piece(reader: Reader, dimension: int, count: int, size: int) -> int:
    """Return how many entries of an axis are read at a time: whole chunks, where parts of one cost as much as it."""
    step = max(1, count * turned_piece(size) // max(1, size))
    chunks = chunks_of(reader) if is_compressed(reader) else None
    if is_compressed(reader):
        deep = count if chunks is None else chunks[dimension]
        step = -(-step // deep) * deep
    return min(step, count)


def turned_piece(size: int) -> int:
    """Return the bytes read at a time of a block of `size` bytes whose axes change their order."""
    return min(max(size // 4, _LEAST_PIECE), _MOST_PIECE)


def write_block(target: NDArray[Any] | BlockTarget, sliced: Sequence[int], low: int, block: NDArray[Any]) -> None:
    """Put a block read by `read_block` (or one of the same layout) into an array whose axes are those of the data."""
    if not isinstance(target, np.ndarray):
        target.write(sliced, low, block)
        return
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
        copy_into(target[tuple(where)], np.transpose(piece, order))


def share(count: int, parts: int, number: int) -> tuple[int, int]:
    """Return the contiguous range of `count` slices that belongs to rank `number` of `parts`."""
    base, extra = divmod(count, parts)
    low = number * base + min(number, extra)
    return low, low + base + (1 if number < extra else 0)


def block_ranges(low: int, high: int, size: int) -> list[tuple[int, int]]:
    """Return the blocks of at most `size` slices that cover [low, high)."""
    return [(start, min(start + size, high)) for start in range(low, high, max(1, size))]
