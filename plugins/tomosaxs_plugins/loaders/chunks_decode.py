"""Decoders of compressed chunks, compiled by numba: LZ4, bit shuffle, byte shuffle; they run without Python's lock.

A damaged chunk is told by the return value; no byte outside the given arrays is read or written.

The formats: LZ4 block format (https://github.com/lz4/lz4, doc/lz4_Block_format.md); bitshuffle, HDF5 filter 32008
(Masui et al., Astronomy and Computing 12 (2015) 181, doi:10.1016/j.ascom.2015.07.002); HDF5 filters 32004 (LZ4) and 2
(byte shuffle), as registered with the HDF Group.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tomosaxs_plugins.compiled import compiled
from tomosaxs_plugins.loaders.chunks_bits import (
    GROUP,
    join_bits_1,
    join_bits_2,
    join_bits_4,
    join_bits_8,
    join_bytes_2,
    join_bytes_4,
    join_bytes_8,
)
from tomosaxs_plugins.loaders.chunks_copy import WORD, copy_bytes, copy_word, fill_bytes, load_word

SLACK = 2 * WORD
"""Bytes that a buffer needs behind its contents, because short copies move whole words."""


def _nogil(function: Any) -> Any:
    return compiled(function, nogil=True, error_model="numpy", boundscheck=False)


@_nogil
def _big_endian(source: Any, at: int, count: int) -> Any:
    """Return a number of `count` bytes, most significant first."""
    value = np.int64(0)
    for k in range(count):
        value = (value << 8) | np.int64(source[at + k])
    return value


@_nogil
def _length(source: Any, at: int, end: int) -> tuple[int, int]:
    """Return what the bytes that continue a length add, and where they end; -1 where the data end first."""
    more = np.int64(0)
    while at < end:
        byte = np.int64(source[at])
        at += 1
        more += byte
        if byte != 255:
            return more, at
    return more, np.int64(-1)


@_nogil
def _repeat(target: Any, at: int, distance: int, count: int) -> None:
    """Append `count` bytes that begin `distance` before `at`; the ranges overlap where bytes repeat."""
    if distance == 1:
        fill_bytes(target, at, target[at - 1], count)
    elif distance >= count:
        if count <= WORD and distance >= WORD:
            copy_word(target, at, target, at - distance)
        else:
            copy_bytes(target, at, target, at - distance, count)
    else:
        done = np.int64(0)
        period = distance  # what has been written can be copied in turn: the length doubles every time
        while done < count:
            step = min(period, count - done)
            copy_bytes(target, at + done, target, at + done - period, step)
            done += step
            period += step


@_nogil
def lz4_block(source: Any, at: int, end: int, target: Any, begin: int, size: int) -> bool:
    """Decode one LZ4 block, source[at:end], into target[begin:begin + size].

    `SLACK` bytes of the target behind the block are overwritten.

    Returns
    -------
    bool
        Whether the block was whole, gave exactly `size` bytes and kept to the format.
    """
    out, stop = np.int64(begin), np.int64(begin + size)
    if size == 0:
        return bool(at == end or (end - at == 1 and source[at] == 0))
    while at < end:
        token = np.int64(source[at])
        at += 1
        count = token >> 4
        if count == 15:
            more, at = _length(source, at, end)
            if at < 0:
                return False
            count += more
        if count > end - at or count > stop - out:
            return False
        if count <= WORD and source.size - at >= WORD:
            copy_word(target, out, source, at)
        else:
            copy_bytes(target, out, source, at, count)
        at += count
        out += count
        if at == end:
            return bool(out == stop)
        if end - at < 2:
            return False
        distance = np.int64(source[at]) | (np.int64(source[at + 1]) << 8)
        at += 2
        count = (token & 15) + 4
        if count == 19:
            more, at = _length(source, at, end)
            if at < 0:
                return False
            count += more
        if distance == 0 or distance > out - begin or count > stop - out:
            return False
        _repeat(target, out, distance, count)
        out += count
    return False  # the last thing in a block are literals


@_nogil
def _used_planes(rows: Any, length: int, width: int) -> Any:
    """Return a number whose bit k tells whether byte k of any element is not zero: small counts have few bytes."""
    used = np.int64(0)
    for byte in range(width):
        some, first = np.uint64(0), byte * 8 * length
        for k in range(length):
            some |= load_word(rows, first + 8 * k)
        if some != 0:
            used |= np.int64(1) << byte
    return used


@_nogil
def unshuffle_bits(rows: Any, length: int, width: int, target: Any, begin: int) -> None:
    """Turn the bit rows of a block into elements: 8 x `width` rows of `length` bytes, one a bit of an element.

    Byte k of row r holds bit r of the elements 8 k .. 8 k + 7, the first one in the lowest bit.
    """
    used = _used_planes(rows, length, width)
    groups = length // 8
    for group in range(groups):
        here = begin + group * GROUP * width
        if width == 4:
            join_bits_4(rows, group * 8, length, used, target, here)
        elif width == 2:
            join_bits_2(rows, group * 8, length, used, target, here)
        elif width == 1:
            join_bits_1(rows, group * 8, length, used, target, here)
        else:
            join_bits_8(rows, group * 8, length, used, target, here)
    for k in range(groups * 8, length):
        for element in range(8):
            here = begin + (8 * k + element) * width
            for byte in range(width):
                value = np.uint8(0)
                for bit in range(8):
                    value |= ((rows[(8 * byte + bit) * length + k] >> np.uint8(element)) & np.uint8(1)) << np.uint8(bit)
                target[here + byte] = value


@_nogil
def bitshuffle_lz4(source: Any, width: int, target: Any, size: int, scratch: Any) -> bool:
    """Decode a chunk of filter 32008 with LZ4 into target[:size].

    Parameters
    ----------
    source : uint8 array
        12 bytes of header (size of the contents, bytes a block) and the blocks, each behind its length.
    width : int
        Bytes of an element.
    target : uint8 array
    size : int
        Bytes of the chunk.
    scratch : uint8 array
        Room for a block and its slack.
    """
    if source.size < 12 or _big_endian(source, 0, 8) != size:
        return False
    block = _big_endian(source, 8, 4)
    if block <= 0 or block % (8 * width) != 0 or min(block, size) + SLACK > scratch.size:
        return False
    at, out = np.int64(12), np.int64(0)
    rest = size % (8 * width)  # elements that fill no eight are stored as they are
    while out < size - rest:
        here = min(block, size - rest - out)
        if source.size - at < 4:
            return False
        length = _big_endian(source, at, 4)
        at += 4
        if length > source.size - at or not lz4_block(source, at, at + length, scratch, 0, here):
            return False
        at += length
        unshuffle_bits(scratch, here // (8 * width), width, target, out)
        out += here
    if source.size - at != rest:
        return False
    copy_bytes(target, out, source, at, rest)
    return True


@_nogil
def lz4_chunk(source: Any, target: Any, size: int) -> bool:
    """Decode a chunk of filter 32004 into target[:size]; `SLACK` bytes behind it are overwritten.

    `source` holds 12 bytes of header (size of the contents, bytes a block) and the blocks, each behind its length; a
    block that would not shrink is stored as it is.
    """
    if source.size < 12 or _big_endian(source, 0, 8) != size or target.size < size + SLACK:
        return False
    block = min(_big_endian(source, 8, 4), size)
    at, out = np.int64(12), np.int64(0)
    while out < size:
        here = min(block, size - out)
        if here <= 0 or source.size - at < 4:
            return False
        length = _big_endian(source, at, 4)
        at += 4
        if length > source.size - at:
            return False
        if length == here:
            copy_bytes(target, out, source, at, here)
        elif not lz4_block(source, at, at + length, target, out, here):
            return False
        at += length
        out += here
    return True


@_nogil
def unshuffle_bytes(rows: Any, width: int, target: Any, size: int) -> None:
    """Undo HDF5's byte shuffle: `width` rows, row k with byte k of every element; what is left over stays behind."""
    length = size // width
    groups = length // GROUP if width == 2 or width == 4 or width == 8 else 0
    every = np.int64(255)
    for group in range(groups):
        at = group * GROUP
        if width == 4:
            join_bytes_4(rows, at, length, every, target, at * width)
        elif width == 2:
            join_bytes_2(rows, at, length, every, target, at * width)
        else:
            join_bytes_8(rows, at, length, every, target, at * width)
    for k in range(groups * GROUP, length):
        for byte in range(width):
            target[k * width + byte] = rows[byte * length + k]
    copy_bytes(target, length * width, rows, length * width, size - length * width)
