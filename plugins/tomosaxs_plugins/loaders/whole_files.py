"""Whether an image file is whole: all of what its header promises is there."""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import re
import zlib
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np

from tomosaxs_plugins.loaders.tiff_layout import NotTiff, tiff_pages

_HEAD = 1 << 16
"""Bytes within which a header of text must end or continue."""
_HDF5 = b"\x89HDF\r\n\x1a\n"
_CBF_DATA = b"\x0c\x1a\x04\xd5"
EDF_BYTES = {
    "signedbyte": 1, "unsignedbyte": 1, "signedshort": 2, "unsignedshort": 2, "signedinteger": 4, "unsignedinteger": 4,
    "signedlong": 4, "unsignedlong": 4, "signed64": 8, "unsigned64": 8, "float": 4, "floatvalue": 4, "float32": 4,
    "real": 4, "double": 8, "doublevalue": 8, "float64": 8,
}  # fmt: skip
"""Bytes of a value by EDF's names of types, in lower case."""


def is_whole(path: Path) -> bool:
    """Return whether an image file is whole; see `why_not_whole`."""
    return not why_not_whole(path)


def why_not_whole(path: Path) -> str:
    """Return what a file lacks, or an empty text where it is whole.

    TIFF: every strip and tile lies inside the file. EDF and images of its kind: the values that every header promises.
    CBF: the bytes of the packed image. NumPy: the values. HDF5: it opens and no program has it open for writing.
    Files packed with gzip, bzip2 or xz: the packed stream ends as it should. Of other formats it is only known that
    they hold more than a few bytes. Only headers are read, except of packed files.

    Parameters
    ----------
    path : Path
        The kind of file is taken from its first bytes, not from its name.

    Returns
    -------
    str
        For instance ``the file ends at 4096 of 4096000 bytes``.
    """
    try:
        with path.open("rb") as file:
            head = file.read(16)
            if len(head) < 16:
                return f"the file has {len(head)} bytes only" if head else "the file is empty"
            for begin, check in _KINDS:
                if head.startswith(begin):
                    return check(path, file.fileno())
    except OSError as error:
        return error.strerror or str(error)
    return ""


def _ends(descriptor: int, need: int) -> str:
    size = os.fstat(descriptor).st_size
    return "" if size >= need else f"the file ends at {size} of {need} bytes"


def _tiff(path: Path, descriptor: int) -> str:
    try:
        return _ends(descriptor, max(page.end for page in tiff_pages(descriptor)))
    except NotTiff as error:
        return str(error)


def _cbf(path: Path, descriptor: int) -> str:
    head = os.pread(descriptor, _HEAD, 0)
    begin = head.find(_CBF_DATA)
    size = re.search(rb"X-Binary-Size:\s*(\d+)", head)
    if begin < 0 or size is None:
        return f"the file ends within its header ({os.fstat(descriptor).st_size} bytes)"
    return _ends(descriptor, begin + len(_CBF_DATA) + int(size.group(1)))


def _edf(path: Path, descriptor: int) -> str:
    size, place = os.fstat(descriptor).st_size, 0
    while place < size:
        end, keys = edf_header(descriptor, place)
        if end < 0:
            return f"the file ends within a header ({size} bytes)"
        binary = edf_binary(keys)
        if binary < 0:
            return "" if place else "its header does not tell the size of the image"
        if end + binary > size:
            return f"the file ends at {size} of {end + binary} bytes"
        place = end + binary
        while place < size and os.pread(descriptor, 1, place) in (b"\n", b"\r", b"\0", b" "):
            place += 1
    return ""


def edf_header(descriptor: int, place: int, first: int = _HEAD) -> tuple[int, dict[str, str]]:
    """Return where a header ends (-1: not in the file) and what it says, names in lower case.

    At first `first` bytes are read, then more where the header is longer.
    """
    raw = b""
    while True:
        more = os.pread(descriptor, _HEAD if raw else first, place + len(raw))
        raw += more
        stop = re.search(rb"\}[\r\n]", raw)
        if stop is not None:
            break
        if not more or len(raw) > 64 * _HEAD:
            return -1, {}
    lines = raw[: stop.start()].decode("latin-1").replace("{", " ").split(";")
    pairs = (line.split("=", 1) for line in lines if "=" in line)
    keys = {name.strip().lower(): value.strip() for name, value in pairs}
    stated = keys.get("edf_headersize", keys.get("header_bytes", ""))
    end = int(stated) if stated.isdigit() and int(stated) >= stop.end() else stop.end()
    return place + end, keys


def edf_binary(keys: dict[str, str]) -> int:
    """Return the bytes of the values behind a header, -1 where it does not tell."""
    for name in ("edf_binarysize", "size"):
        if keys.get(name, "").isdigit():
            return int(keys[name])
    sides = [keys[name] for name in ("dim_1", "dim_2", "dim_3") if keys.get(name, "").isdigit()]
    width = EDF_BYTES.get(keys.get("datatype", "").lower(), 0)
    if not sides:  # ADSC and Rigaku
        sides = [keys[name] for name in ("size1", "size2") if keys.get(name, "").isdigit()]
        kind = keys.get("type", keys.get("data_type", "unsigned_short")).lower()
        width = 4 if "long" in kind or "float" in kind else 2
    return int(np.prod([int(side) for side in sides])) * width if sides and width else -1


def _numpy(path: Path, descriptor: int) -> str:
    try:
        mapped = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        return str(error)
    del mapped
    return ""


def _hdf5(path: Path, descriptor: int) -> str:
    head = os.pread(descriptor, 24, 0)
    if len(head) < 24:
        return f"the file has {len(head)} bytes only"
    if head[11 if head[8] >= 2 else 20] & 1:  # the flags of the superblock: open for writing
        return "a program has it open for writing, or was broken off while it wrote"
    try:
        with h5py.File(path, "r"):
            return ""
    except OSError as error:
        if "lock" in str(error):
            return "a program has it open for writing"
        return f"it cannot be opened ({error})"


def _packed(opened: Callable[[Path], object]) -> Callable[[Path, int], str]:
    def check(path: Path, descriptor: int) -> str:
        try:
            with opened(path) as stream:  # type: ignore[attr-defined]
                while stream.read(1 << 22):
                    pass
        except (OSError, EOFError, zlib.error, lzma.LZMAError) as error:
            return str(error)
        return ""

    return check


_KINDS: tuple[tuple[bytes, Callable[[Path, int], str]], ...] = (
    (b"II*\0", _tiff), (b"MM\0*", _tiff), (b"II+\0", _tiff), (b"MM\0+", _tiff), (_HDF5, _hdf5), (b"###CBF", _cbf),
    (b"\x93NUMPY", _numpy), (b"{", _edf), (b"\n{", _edf), (b"\r\n{", _edf), (b"\x1f\x8b", _packed(gzip.open)),
    (b"BZh", _packed(bz2.open)), (b"\xfd7zXZ", _packed(lzma.open)),
)  # fmt: skip
