"""Frames of one image file for `tomosaxs integrate`, read as the loaders of lists read them, once the file is whole."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import h5py
import numpy as np
from numpy.typing import NDArray

from tomosaxs import InputError, Reader
from tomosaxs_plugins.loaders.image_frames import BrokenImage, by_fabio, plain_tiff
from tomosaxs_plugins.loaders.tiff_layout import NotTiff, tiff_pages
from tomosaxs_plugins.loaders.whole_files import why_not_whole


class Unusable(Exception):
    """A file cannot be used; `whole` tells whether that is sure, or may change when more of it is written."""

    def __init__(self, text: str, whole: bool) -> None:
        super().__init__(text)
        self.whole = whole


class Frames(Protocol):
    """Frames of a file."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """Frames, rows, columns."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the values."""

    def read(self, first: int, last: int) -> NDArray[Any]:
        """Return frames `first` to `last` (not included)."""

    def problem(self) -> str:
        """Return what could not be read, or an empty text."""


@dataclass(frozen=True, eq=False)
class _Image:
    """A file of one image, read already."""

    values: NDArray[Any]

    @property
    def shape(self) -> tuple[int, int, int]:
        return 1, *self.values.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.values.dtype

    def read(self, first: int, last: int) -> NDArray[Any]:
        return self.values[None][first:last]

    def problem(self) -> str:
        return ""


@dataclass(frozen=True, eq=False)
class _Images:
    """A file of several images, read one by one."""

    path: Path
    shape: tuple[int, int, int]
    dtype: np.dtype[Any]

    def read(self, first: int, last: int) -> NDArray[Any]:
        frames = [_frame(self.path, number) for number in range(first, last)]
        if any(frame.shape != self.shape[1:] for frame in frames):
            raise Unusable("its frames have several sizes", whole=True)
        return np.stack(frames)

    def problem(self) -> str:
        return ""


@dataclass(frozen=True, eq=False)
class _Scan:
    """Frames of an HDF5 file at the points of a scan, flattened in C order."""

    reader: Reader
    grid: tuple[int, ...]

    @property
    def shape(self) -> tuple[int, int, int]:
        return int(np.prod(self.grid, dtype=np.int64)), *self.reader.shape[-2:]  # type: ignore[return-value]

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.reader.dtype

    def read(self, first: int, last: int) -> NDArray[Any]:
        core = slice(None), slice(None)
        if len(self.grid) == 1:
            return self.reader.read((slice(first, last, 1), *core))
        parts, width = [], self.grid[-1]
        while first < last:  # line by line of the last axis
            line, begin = divmod(first, width)
            end = min(width, begin + last - first)
            place = np.unravel_index(line, self.grid[:-1]) if self.grid[:-1] else ()
            at = [slice(int(each), int(each) + 1, 1) for each in place]
            part = self.reader.read((*at, slice(begin, end, 1), *core))
            parts.append(part.reshape(end - begin, *part.shape[-2:]))
            first += end - begin
        return np.concatenate(parts)

    def problem(self) -> str:
        inner: Any = self.reader
        while hasattr(inner, "whole"):
            inner = inner.whole
        notes: dict[str, int] = getattr(inner, "notes", {})
        return "; ".join(text.replace("{count}", str(count)) for text, count in notes.items())


def open_frames(path: Path, shape: tuple[int, int] | None = None) -> Frames:
    """Open a file: an image, several images, or an HDF5 file of frames.

    Parameters
    ----------
    shape : (rows, columns), optional
        Of the frames that are looked for, where an HDF5 file has several stacks.

    Raises
    ------
    Unusable
        When it is not whole, or holds no frames.
    """
    lack = why_not_whole(path)
    if lack:
        raise Unusable(f"not whole: {lack}", whole=False)
    try:
        return _scan(path, shape) if h5py.is_hdf5(path) else _images(path)
    except (BrokenImage, InputError, OSError) as error:
        raise Unusable(f"cannot be read: {str(error).removeprefix(f'{path}: ')}", whole=False) from None
    except ImportError as error:
        raise Unusable(f"images of this kind need a package ({error}); install with: pip install fabio", True) from None


def _images(path: Path) -> Frames:
    count = _count(path)
    first = _frame(path, 0)
    if first.ndim != 2:
        raise Unusable(f"an image has two dimensions, this has the shape {first.shape}", whole=True)
    return _Image(first) if count == 1 else _Images(path, (count, *first.shape), first.dtype)


def _frame(path: Path, number: int) -> NDArray[Any]:
    if path.suffix.lower() == ".npy":
        values: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
        return np.array(values[number] if values.ndim == 3 else values)
    found = plain_tiff(path, number)
    return by_fabio(path, number) if found is None else found


def _count(path: Path) -> int:
    """Return the number of images in a file."""
    if path.suffix.lower() == ".npy":
        values: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
        return len(values) if values.ndim == 3 else 1
    descriptor = os.open(path, os.O_RDONLY)
    try:
        return len(tiff_pages(descriptor))
    except NotTiff:
        pass
    finally:
        os.close(descriptor)
    import fabio

    try:
        with fabio.open(str(path)) as image:
            return max(1, int(image.nframes))
    except Exception as error:  # noqa: BLE001 - fabio's readers fail in any way on a damaged file
        raise BrokenImage(f"fabio: {type(error).__name__}: {error}") from None


def _scan(path: Path, shape: tuple[int, int] | None) -> Frames:
    from tomosaxs_plugins.commands.integrate_hdf5 import frames_in

    reader = frames_in(path, shape)
    return _Scan(reader, tuple(reader.shape[:-2]) or (1,))
