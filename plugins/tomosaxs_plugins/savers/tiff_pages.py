"""The head of a TIFF file of many pages whose images lie behind it without gaps: ranks write them at their places.

Up to 4 GB it is a classic TIFF, above a BigTIFF (offsets of eight bytes). Plain functions on plain arrays.
Source: Adobe, TIFF revision 6.0 (1992); AWare Systems, BigTIFF file format.
"""

from __future__ import annotations

import struct
from fractions import Fraction

import numpy as np

_SHORT, _LONG, _RATIONAL, _ASCII, _LONG8 = 3, 4, 5, 2, 16
_SIZES = {_SHORT: 2, _LONG: 4, _RATIONAL: 8, _ASCII: 1, _LONG8: 8}
_ALIGNED = 4096
_CLASSIC_LIMIT = (1 << 32) - (1 << 20)


def head_of_pages(
    shape: tuple[int, int, int],
    dtype: np.dtype[np.generic],
    description: str,
    pixels_per_um: tuple[float, float] | None,
) -> bytes:
    """Return everything before the first image.

    Parameters
    ----------
    shape : (pages, rows, columns)
        Of the images.
    dtype : numpy dtype
        Floats or unsigned integers, little endian on disk.
    description : str
        Of the first page.
    pixels_per_um : (across, down) or None
        Resolution in pixels per micrometre, as ImageJ has it (resolution unit none).

    Returns
    -------
    bytes
        A multiple of 4096 bytes; the images follow without gaps.
    """
    pages, rows, columns = shape
    image = rows * columns * dtype.itemsize
    text = description.encode("utf-8") + b"\0"
    entries = 11 + (3 if pixels_per_um else 0)
    upper = 64 + len(text) + pages * (16 + 20 * (entries + 1)) + _ALIGNED
    big = upper + pages * image > _CLASSIC_LIMIT
    count, entry, offset = ("<Q", 20, "<Q") if big else ("<H", 12, "<I")
    begin = 16 if big else 8
    directory = struct.calcsize(count) + entry * entries + struct.calcsize(offset)
    # behind the file header: the description, two ratios, then the directories
    shared = begin + (len(text) + 7) // 8 * 8
    first = shared + 16
    one_more = entry  # the first page also has the description
    size = first + pages * directory + one_more
    start = -(-size // _ALIGNED) * _ALIGNED
    head = bytearray(start)
    head[:begin] = struct.pack("<2sHHHQ", b"II", 43, 8, 0, first) if big else struct.pack("<2sHI", b"II", 42, first)
    head[begin : begin + len(text)] = text
    for place, value in enumerate(pixels_per_um or ()):
        ratio = Fraction(value).limit_denominator(1_000_000)
        struct.pack_into("<II", head, shared + 8 * place, ratio.numerator, ratio.denominator)
    place = first
    for page in range(pages):
        tags: list[tuple[int, int, int, int]] = [
            (256, _LONG, 1, columns),
            (257, _LONG, 1, rows),
            (258, _SHORT, 1, 8 * dtype.itemsize),
            (259, _SHORT, 1, 1),  # not compressed
            (262, _SHORT, 1, 1),  # black is zero
            (273, _LONG8 if big else _LONG, 1, start + page * image),
            (277, _SHORT, 1, 1),
            (278, _LONG, 1, rows),
            (279, _LONG8 if big else _LONG, 1, image),
            (284, _SHORT, 1, 1),
            (339, _SHORT, 1, 3 if dtype.kind == "f" else 1),
        ]
        if page == 0:
            tags.append((270, _ASCII, len(text), begin))
        if pixels_per_um:
            tags += [(282, _RATIONAL, 1, shared), (283, _RATIONAL, 1, shared + 8), (296, _SHORT, 1, 1)]
        place = _put_directory(head, place, sorted(tags), count, offset, last=page == pages - 1)
    return bytes(head)


def _put_directory(
    head: bytearray, place: int, tags: list[tuple[int, int, int, int]], count: str, offset: str, *, last: bool
) -> int:
    """Write one directory and return where the next one begins."""
    struct.pack_into(count, head, place, len(tags))
    place += struct.calcsize(count)
    for tag, kind, number, value in tags:
        struct.pack_into("<HH", head, place, tag, kind)
        struct.pack_into(offset, head, place + 4, number)
        field = place + 4 + struct.calcsize(offset)
        whole = _SIZES[kind] * number
        if whole > struct.calcsize(offset) or kind == _ASCII:
            struct.pack_into(offset, head, field, value)
        elif kind == _RATIONAL:  # eight bytes fit into the entry of a BigTIFF
            head[field : field + 8] = head[value : value + 8]
        else:
            struct.pack_into({_SHORT: "<H", _LONG: "<I", _LONG8: "<Q"}[kind], head, field, value)
        place += 4 + 2 * struct.calcsize(offset)
    struct.pack_into(offset, head, place, 0 if last else place + struct.calcsize(offset))
    return place + struct.calcsize(offset)
