"""Where the frames of uncompressed image files lie, so that only the rows that are needed are read.

Formats: TIFF 6.0 and BigTIFF (see `tiff_layout`), and EDF as the ESRF writes it: a header of text in braces, then the
values, row after row, ``Dim_1`` columns and ``Dim_2`` rows.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from tomosaxs_plugins.loaders.tiff_layout import NotTiff, tiff_pages
from tomosaxs_plugins.loaders.whole_files import EDF_BYTES, edf_binary, edf_header

_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_FIRST = 1 << 12
"""Bytes read at first of an EDF header, which has a few kilobytes."""


class Misplaced(ValueError):
    """A file is cut off or damaged; the text says how."""


@dataclass(frozen=True)
class FramePlace:
    """One frame of a file.

    Parameters
    ----------
    shape : (rows, columns)
    dtype : numpy dtype or None
        With the byte order of the file; None where the frame is compressed or in pieces.
    place : int
        Where its values begin.
    """

    shape: tuple[int, int]
    dtype: np.dtype[Any] | None
    place: int

    @property
    def end(self) -> int:
        """Bytes that the file needs to hold it."""
        width = 0 if self.dtype is None else self.dtype.itemsize
        return self.place + self.shape[0] * self.shape[1] * width


def frame_places(descriptor: int, most: int = 1 << 20) -> list[FramePlace] | None:
    """Return where the frames of an open file lie, at most `most` of them; None where it is no TIFF and no EDF.

    Raises
    ------
    Misplaced
        When the file is cut off or its description is damaged.
    """
    head = os.pread(descriptor, 4, 0)
    if head in _TIFF:
        return _tiff(descriptor, most)
    if head.lstrip()[:1] == b"{":
        return [_edf_frame(keys, begin, binary) for begin, binary, keys in edf_headers(descriptor, most)]
    if len(head) < 4:
        raise Misplaced(f"the file has {len(head)} bytes only" if head else "the file is empty")
    return None


def _tiff(descriptor: int, most: int) -> list[FramePlace]:
    try:
        pages = tiff_pages(descriptor, most)
    except NotTiff as error:
        raise Misplaced(str(error)) from None
    size = os.fstat(descriptor).st_size
    for page in pages:
        if page.end > size:
            raise Misplaced(f"the file ends at {size} of {page.end} bytes")
    return [FramePlace(page.shape, page.dtype if page.place is not None else None, page.place or 0) for page in pages]


def edf_headers(descriptor: int, most: int = 1 << 20) -> Iterator[tuple[int, int, dict[str, str]]]:
    """Yield of every frame of an open EDF file where its values begin, their bytes and its header, names in lower case.

    Raises
    ------
    Misplaced
        When the file is cut off or a header does not tell the size of its image.
    """
    size, place = os.fstat(descriptor).st_size, 0
    while place < size and most > 0:
        begin, keys = edf_header(descriptor, place, _FIRST)
        if begin < 0:
            raise Misplaced(f"the file ends within a header ({size} bytes)")
        binary = edf_binary(keys)
        if binary < 0:
            raise Misplaced("its header does not tell the size of the image")
        if begin + binary > size:
            raise Misplaced(f"the file ends at {size} of {begin + binary} bytes")
        yield begin, binary, keys
        place, most = begin + binary, most - 1
        while place < size and os.pread(descriptor, 1, place) in (b"\n", b"\r", b"\0", b" "):
            place += 1


def _edf_frame(keys: dict[str, str], begin: int, binary: int) -> FramePlace:
    sides = [keys.get(name, "") for name in ("dim_2", "dim_1")]
    if not all(side.isdigit() for side in sides):
        raise Misplaced("its header does not tell the size of the image")
    shape = int(sides[0]), int(sides[1])
    kind = keys.get("datatype", "").lower()
    packed = keys.get("compression", "none").lower() not in ("", "none", "nocompression")
    if kind not in EDF_BYTES or packed:
        return FramePlace(shape, None, begin)
    letter = "u" if kind.startswith("unsigned") else "f" if kind[0] in "fdr" else "i"
    order = ">" if keys.get("byteorder", "").lower().startswith("high") else "<"
    dtype = np.dtype(f"{order}{letter}{EDF_BYTES[kind]}")
    if shape[0] * shape[1] * dtype.itemsize > binary:
        raise Misplaced(f"its header promises {shape[0]} x {shape[1]} values of {kind} in {binary} bytes")
    return FramePlace(shape, dtype, begin)
