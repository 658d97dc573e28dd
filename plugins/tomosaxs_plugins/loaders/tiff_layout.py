"""Where the pixels of a TIFF file lie: enough to read plain images at once and to know whether a file is whole.

Format: TIFF 6.0 (Adobe, 1992), and BigTIFF for files beyond 4 GB.
"""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass
from typing import Any

import numpy as np

_TYPES = {1: "B", 3: "H", 4: "I", 16: "Q", 13: "I", 18: "Q"}  # of the entries that are needed
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
_WIDTH, _ROWS, _BITS, _COMPRESSION, _SAMPLES, _PREDICTOR, _KIND = 256, 257, 258, 259, 277, 317, 339
_PLACES = {273: 279, 324: 325}  # strips or tiles: where they begin -> their bytes
_LARGEST = 1 << 26  # entries; a damaged file must not ask for more


@dataclass(frozen=True)
class TiffPage:
    """One image of a file.

    Parameters
    ----------
    shape : (rows, columns)
    end : int
        Bytes that the file needs to hold it.
    dtype : numpy dtype or None
        Of the pixels, where they are one number each and not compressed.
    place : int or None
        Where the pixels begin, if they lie in one piece, row after row; else None.
    """

    shape: tuple[int, int]
    end: int
    dtype: np.dtype[Any] | None
    place: int | None


class NotTiff(ValueError):
    """It is no TIFF file, or one that is cut off or damaged; the text says which."""


class _File:
    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self.size = os.fstat(descriptor).st_size
        head = os.pread(descriptor, 16, 0)
        self.order = {b"II": "<", b"MM": ">"}.get(head[:2], "")
        if not self.order or len(head) < 8:
            raise NotTiff("it is no TIFF file" if len(head) >= 8 else f"the file has {len(head)} bytes only")
        version = struct.unpack(self.order + "H", head[2:4])[0]
        if version not in (42, 43):
            raise NotTiff("it is no TIFF file")
        self.big = version == 43
        self.first = self.numbers(head[8:16] if self.big else head[4:8], "Q" if self.big else "I")[0]

    def numbers(self, raw: bytes, code: str) -> tuple[int, ...]:
        return struct.unpack(f"{self.order}{len(raw) // struct.calcsize(code)}{code}", raw)

    def take(self, count: int, place: int) -> bytes:
        raw = os.pread(self.descriptor, count, place) if 0 <= place <= self.size else b""
        if len(raw) < count:
            raise NotTiff(f"the file ends at {self.size} bytes, within its description of the image")
        return raw

    def directory(self, place: int) -> tuple[dict[int, tuple[int, ...]], int]:
        """Return the entries that are needed of one directory, and the place of the next."""
        step, head, link = (20, 8, "Q") if self.big else (12, 2, "I")
        count = self.numbers(self.take(head, place), "Q" if self.big else "H")[0]
        if count > 65535:
            raise NotTiff("its description of the image is damaged")
        width = struct.calcsize(link)
        raw = self.take(count * step + width, place + head)
        entries: dict[int, tuple[int, ...]] = {}
        for k in range(count):
            part = raw[k * step : (k + 1) * step]
            tag, kind = self.numbers(part[:4], "H")
            number = self.numbers(part[4 : 4 + width], link)[0]
            if kind not in _TYPES or number > _LARGEST:
                continue
            size = number * _SIZES[kind]
            value = part[4 + width :]
            held = value[:size] if size <= width else self.take(size, self.numbers(value, link)[0])
            entries[tag] = self.numbers(held, _TYPES[kind])
        return entries, self.numbers(raw[-width:], link)[0]

    def page(self, entries: dict[int, tuple[int, ...]]) -> TiffPage:
        """Make sense of a directory."""
        try:
            shape = entries[_ROWS][0], entries[_WIDTH][0]
            places = next(entries[tag] for tag in _PLACES if tag in entries)
            sizes = next(entries[_PLACES[tag]] for tag in _PLACES if tag in entries)
        except (KeyError, IndexError, StopIteration):
            raise NotTiff("its description of the image is damaged") from None
        end = max((place + size for place, size in zip(places, sizes, strict=False)), default=0)
        plain = entries.get(_COMPRESSION, (1,))[0] == 1 and entries.get(_SAMPLES, (1,))[0] == 1
        bits = entries.get(_BITS, (1,))[0]
        kind = {1: "u", 2: "i", 3: "f"}.get(entries.get(_KIND, (1,))[0], "")
        if not plain or entries.get(_PREDICTOR, (1,))[0] != 1 or f"{kind}{bits}" not in _PIXELS:
            return TiffPage(shape, end, None, None)
        dtype = np.dtype(f"{self.order}{kind}{bits // 8}")
        one_piece = 273 in entries and all(
            place + size == after for place, size, after in zip(places, sizes, places[1:], strict=False)
        )
        whole = sum(sizes) >= shape[0] * shape[1] * dtype.itemsize
        return TiffPage(shape, end, dtype, places[0] if one_piece and whole else None)


_PIXELS = {"u8", "u16", "u32", "u64", "i8", "i16", "i32", "i64", "f32", "f64"}


def tiff_pages(descriptor: int, most: int = 1 << 20) -> list[TiffPage]:
    """Return the images of an open TIFF file; only their descriptions are read.

    Raises
    ------
    NotTiff
        When it is no TIFF file, or its descriptions are cut off or damaged.
    """
    file = _File(descriptor)
    pages: list[TiffPage] = []
    place, seen = file.first, set[int]()
    while place and place not in seen and len(pages) < most:
        seen.add(place)
        entries, place = file.directory(place)
        pages.append(file.page(entries))
    if not pages:
        raise NotTiff("it holds no image")
    return pages
