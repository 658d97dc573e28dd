"""Readers that take what a block needs from HDF5: frames, rows, columns; averages of flats; a turned detector."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from tomosaxs import InputError, Reader, Selection
from tomosaxs_plugins.loaders.hdf5 import OpenFile, check_readable, is_number

_SPAN = 1.5
"""Scattered indices are read as one span where that reads at most this many times too much."""
_AT_ONCE = 64 * 2**20
"""Bytes read at once while frames are averaged."""


def as_slice(size: int, chosen: Selection) -> slice | None:
    """Return a selection as a slice with explicit ends, or None when its steps differ."""
    if isinstance(chosen, slice):
        start, stop, step = chosen.indices(size)
        return slice(start, max(stop, start), step)
    if len(chosen) == 0:
        return slice(0, 0, 1)
    if len(chosen) == 1:
        return slice(int(chosen[0]), int(chosen[0]) + 1, 1)
    step = int(chosen[1] - chosen[0])
    if step < 1 or not np.all(np.diff(chosen) == step):
        return None
    return slice(int(chosen[0]), int(chosen[-1]) + 1, step)


def runs(indices: NDArray[np.intp]) -> Iterator[tuple[int, int, int]]:
    """Yield (position in `indices`, first, last + 1) of every run of consecutive indices."""
    breaks = np.flatnonzero(np.diff(indices) != 1) + 1
    begins = np.concatenate([[0], breaks])
    ends = np.concatenate([breaks, [len(indices)]])
    for begin, end in zip(begins, ends, strict=True):
        yield int(begin), int(indices[begin]), int(indices[end - 1]) + 1


def _length(chosen: slice) -> int:
    return len(range(chosen.start, chosen.stop, chosen.step))


@dataclass(frozen=True, eq=False)
class HDF5Reader:
    """Part of an HDF5 dataset, read in slices; indices become runs or one span.

    Parameters
    ----------
    file : OpenFile
        Kept open as long as the reader lives.
    dataset : h5py.Dataset
    frames : (n,) int array or None
        Entries of the first axis that belong to the scan, in their order; None for all.
    flat_image : bool
        The dataset is a single image; it is read as a stack of one.
    """

    file: OpenFile
    dataset: h5py.Dataset
    frames: NDArray[np.intp] | None = None
    flat_image: bool = False

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the part."""
        shape = tuple(int(n) for n in self.dataset.shape)
        if self.flat_image:
            shape = (1, *shape)
        return shape if self.frames is None else (len(self.frames), *shape[1:])

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the entries, in the byte order of this machine."""
        dtype: np.dtype[Any] = np.dtype(self.dataset.dtype).newbyteorder("=")
        return dtype

    def read(self, selection: tuple[Selection, ...]) -> NDArray[Any]:
        """Return the selected part.

        Raises
        ------
        InputError
            When the file is damaged there; the message names file and dataset.
        """
        try:
            return self._read(selection)
        except (OSError, RuntimeError) as error:
            raise InputError(
                f"{self.file.path}: {self.dataset.name} cannot be read; the file is truncated or damaged ({error})"
            ) from None

    def _read(self, selection: tuple[Selection, ...]) -> NDArray[Any]:
        first = selection[0]
        if self.frames is not None:
            first = self.frames[first]
        chosen: list[slice | NDArray[np.intp]] = []
        whole = (1, *self.dataset.shape) if self.flat_image else self.dataset.shape
        for size, each in zip(whole, (first, *selection[1:]), strict=True):
            made = as_slice(size, each)
            chosen.append(np.asarray(each, dtype=np.intp) if made is None else made)
        counts = tuple(_length(c) if isinstance(c, slice) else len(c) for c in chosen)
        if self.flat_image:
            image = np.empty((1, *counts[1:]), self.dtype)
            self._fill(image[0], chosen[1:])
            return image if counts[0] else image[:0]
        out = np.empty(counts, self.dtype)
        self._fill(out, chosen)
        return out

    def _fill(self, out: NDArray[Any], chosen: Sequence[slice | NDArray[np.intp]]) -> None:
        """Fill `out`; the first axis given by indices is split, the others follow by recursion."""
        if out.size == 0:
            return
        for axis, each in enumerate(chosen):
            if isinstance(each, slice):
                continue
            low, high = int(each.min()), int(each.max()) + 1
            rising = bool(np.all(np.diff(each) > 0))
            if not rising or (high - low) <= _SPAN * len(each):
                span = np.empty((*out.shape[:axis], high - low, *out.shape[axis + 1 :]), out.dtype)
                self._fill(span, [*chosen[:axis], slice(low, high, 1), *chosen[axis + 1 :]])
                np.take(span, each - low, axis=axis, out=out, mode="clip")
                return
            for place, begin, end in runs(each):
                part = out[(slice(None),) * axis + (slice(place, place + end - begin),)]
                self._fill(part, [*chosen[:axis], slice(begin, end, 1), *chosen[axis + 1 :]])
            return
        where = tuple(each for each in chosen if isinstance(each, slice))
        chunks = self.dataset.chunks
        if chunks is not None and len(where) == len(chunks) and chunks[0] == 1 and where[0].step > 1:
            # HDF5 takes strided selections of chunks apart point by point; frame by frame is ten times faster.
            for place, frame in enumerate(range(where[0].start, where[0].stop, where[0].step)):
                self._fill(out[place : place + 1], [slice(frame, frame + 1, 1), *where[1:]])
            return
        if out.flags.c_contiguous:
            self.dataset.read_direct(out, where)
        else:
            out[...] = self.dataset[where]


def reader_of(
    file: OpenFile, dataset: h5py.Dataset, frames: NDArray[np.intp] | None = None, rank: int = 3
) -> HDF5Reader:
    """Return a reader of a stack of images, after a check that it can be read.

    Raises
    ------
    InputError
        When it does not hold real numbers, has another rank, or cannot be read.
    """
    where = f"{file.path}: {dataset.name}"
    if not is_number(dataset):
        raise InputError(f"{where} has type {dataset.dtype}; real numbers are needed")
    check_readable(dataset)
    if dataset.ndim == rank - 1:
        return HDF5Reader(file, dataset, frames, flat_image=True)
    if dataset.ndim != rank:
        raise InputError(f"{where} has the shape {dataset.shape}; {rank} dimensions are needed")
    if frames is not None and len(frames) == dataset.shape[0] and np.array_equal(frames, np.arange(len(frames))):
        frames = None
    return HDF5Reader(file, dataset, frames)


@dataclass(frozen=True, eq=False)
class AveragedReader:
    """One averaged image a batch of flats or darks, (batch, detector_y, detector_x) float32.

    Only the rows that somebody asks for are read and averaged; they are kept, since a run asks for the
    same rows block after block. A pixel depends on its own frames alone: sums are made in the order of
    the frames, so that the values are the same for any selection.

    Parameters
    ----------
    batches : tuple of Reader
        The frames of every batch, each (n, detector_y, detector_x).
    how : str
        ``mean`` or ``median``.
    """

    batches: tuple[Reader, ...]
    how: str = "mean"
    _images: dict[int, NDArray[np.float32]] = field(default_factory=dict, repr=False)
    _known: dict[int, NDArray[np.bool_]] = field(default_factory=dict, repr=False)

    @property
    def shape(self) -> tuple[int, ...]:
        """(batches, detector_y, detector_x)."""
        return (len(self.batches), *self.batches[0].shape[1:])

    @property
    def dtype(self) -> np.dtype[Any]:
        """float32."""
        return np.dtype(np.float32)

    def read(self, selection: tuple[Selection, ...]) -> NDArray[np.float32]:
        """Return averaged images, reading what was not averaged before."""
        batches, rows, columns = selection
        wanted = np.arange(self.shape[0], dtype=np.intp)[batches]
        lines = np.arange(self.shape[1], dtype=np.intp)[rows]
        parts = [self._rows(int(batch), lines)[:, columns] for batch in wanted]
        if not parts:
            width = len(np.arange(self.shape[2])[columns])
            return np.empty((0, len(lines), width), np.float32)
        return np.stack(parts)

    def _rows(self, batch: int, lines: NDArray[np.intp]) -> NDArray[np.float32]:
        if batch not in self._images:
            self._images[batch] = np.zeros(self.shape[1:], np.float32)
            self._known[batch] = np.zeros(self.shape[1], bool)
        image, known = self._images[batch], self._known[batch]
        missing = lines[~known[lines]]
        if len(missing):
            for _, begin, end in runs(np.unique(missing)):
                image[begin:end] = self._average(self.batches[batch], begin, end)
                known[begin:end] = True
        return image[lines]

    def _average(self, frames: Reader, begin: int, end: int) -> NDArray[np.float32]:
        count, _, width = frames.shape
        rows = slice(begin, end, 1)
        if self.how == "median":
            return self._median(frames, begin, end)
        total = np.zeros((end - begin, width), np.float64)
        at_once = max(1, _AT_ONCE // max(1, total.nbytes))
        for first in range(0, count, at_once):
            part = frames.read((slice(first, min(first + at_once, count), 1), rows, slice(None)))
            for frame in part:
                total += frame
        return (total / count).astype(np.float32)

    def _median(self, frames: Reader, begin: int, end: int) -> NDArray[np.float32]:
        count, _, width = frames.shape
        lines = max(1, _AT_ONCE // max(1, count * width * 8))
        out = np.empty((end - begin, width), np.float32)
        for first in range(begin, end, lines):
            rows = slice(first, min(first + lines, end), 1)
            part = frames.read((slice(None), rows, slice(None))).astype(np.float64)
            out[rows.start - begin : rows.stop - begin] = np.median(part, axis=0)
        return out


_TURNS = {
    "as_stored": (False, False, False), "flip_rows": (False, True, False), "flip_columns": (False, False, True),
    "rotate_180": (False, True, True), "transpose": (True, False, False), "rotate_90": (True, True, False),
    "rotate_270": (True, False, True),
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class TurnedReader:
    """Images turned or mirrored: the last two axes swapped first (if at all), then flipped.

    ``rotate_90`` turns anticlockwise as `numpy.rot90` does, for a detector that was mounted on its side.
    """

    whole: Reader
    orientation: str

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape after turning."""
        *lead, rows, columns = self.whole.shape
        swap = _TURNS[self.orientation][0]
        return (*lead, columns, rows) if swap else (*lead, rows, columns)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the entries."""
        return self.whole.dtype

    def read(self, selection: tuple[Selection, ...]) -> NDArray[Any]:
        """Return the selected part of the turned images."""
        swap, *flips = _TURNS[self.orientation]
        *lead, rows, columns = selection
        inner: list[NDArray[np.intp]] = []
        for size, chosen, flip in zip(self.shape[-2:], (rows, columns), flips, strict=True):
            indices = np.arange(size, dtype=np.intp)[chosen]
            inner.append((size - 1 - indices)[::-1] if flip else indices)
        order = inner[::-1] if swap else inner
        part = self.whole.read((*lead, *order))
        if swap:
            part = np.swapaxes(part, -1, -2)
        if flips[0]:
            part = part[..., ::-1, :]
        if flips[1]:
            part = part[..., ::-1]
        return np.ascontiguousarray(part)


def turned(reader: Reader, orientation: str) -> Reader:
    """Return the reader, turned unless the images are to stay as they are stored."""
    return reader if orientation == "as_stored" else TurnedReader(reader, orientation)
