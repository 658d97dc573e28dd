"""The reader that takes what a block needs from HDF5: frames, rows, columns."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from tomosaxs import InputError, Selection, count_input, empty_block
from tomosaxs_plugins.loaders.chunks import Chunks, Contiguous, around_hdf5
from tomosaxs_plugins.loaders.chunks_parts import Region, put
from tomosaxs_plugins.loaders.chunks_virtual import Virtual, virtual
from tomosaxs_plugins.loaders.gaps import fill_value
from tomosaxs_plugins.loaders.hdf5 import OpenFile, check_readable, is_number

_LISTED = 20
"""Damaged frames that are named one by one."""
_SPAN = 1.5
"""Scattered indices are read as one span where that reads at most this many times too much."""


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
    """Part of an HDF5 dataset, read by several threads where its layout allows, else in slices by HDF5.

    Parameters
    ----------
    file : OpenFile
        Kept open as long as the reader lives.
    dataset : h5py.Dataset
    frames : (n,) int array or None
        Entries of the first axis that belong to the scan, in their order; None for all.
    flat_image : bool
        The dataset is a single image; it is read as a stack of one.
    core : int
        Number of trailing axes of a frame. What is damaged of one frame among several is then filled with the
        `fill_value` and noted, and the others go on; with 0, or when there is one frame only, it is an error.

    Attributes
    ----------
    notes : dict of str to int
        What was found to be damaged.
    """

    file: OpenFile
    dataset: h5py.Dataset
    frames: NDArray[np.intp] | None = None
    flat_image: bool = False
    core: int = 0
    notes: dict[str, int] = field(default_factory=dict)
    _damaged: set[tuple[int, ...]] = field(default_factory=set, repr=False)

    def __post_init__(self) -> None:
        check_readable(self.dataset)  # a filter or a file that is not there is named before the first value is read

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

    @property
    def compressed(self) -> bool:
        """Whether chunks are decoded whole, so that small parts cost as much as large ones."""
        return int(self.dataset.id.get_create_plist().get_nfilters()) > 0

    @property
    def chunks(self) -> tuple[int, ...] | None:
        """Shape of what is decoded together, or None where nothing is."""
        if not self.compressed or self.dataset.chunks is None:
            return None
        chunks = tuple(int(n) for n in self.dataset.chunks)
        return (1, *chunks) if self.flat_image else chunks

    @cached_property
    def _direct(self) -> Chunks | Contiguous | Virtual | None:
        return virtual(self.dataset) if self.dataset.is_virtual else around_hdf5(self.dataset)

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
            raise self._unreadable(error) from None

    def _read(self, selection: tuple[Selection, ...]) -> NDArray[Any]:
        chosen = self._chosen(selection)
        counts = tuple(_length(c) if isinstance(c, slice) else len(c) for c in chosen)
        if self.flat_image:
            image = np.empty((1, *counts[1:]), self.dtype)
            self._fill(image[0], chosen[1:])
            return image if counts[0] else image[:0]
        out = empty_block(counts, self.dtype)
        self._fill(out, chosen)
        return out

    def read_into(self, selection: tuple[Selection, ...], out: NDArray[Any]) -> None:
        """Write the selected part into `out`, which is contiguous and of the machine's byte order.

        Raises
        ------
        InputError
            As `read`.
        """
        if self.flat_image:
            out[...] = self.read(selection)
            return
        try:
            self._fill(out, self._chosen(selection))
        except (OSError, RuntimeError) as error:
            raise self._unreadable(error) from None

    def _unreadable(self, error: Exception) -> InputError:
        place = f"{self.file.path}: {self.dataset.name}"
        return InputError(f"{place} cannot be read; the file is truncated or damaged ({error})")

    def _chosen(self, selection: tuple[Selection, ...]) -> list[slice | NDArray[np.intp]]:
        """Return what is read of every axis of the stored dataset."""
        first = selection[0]
        if self.frames is not None:
            first = self.frames[first]
        chosen: list[slice | NDArray[np.intp]] = []
        whole = (1, *self.dataset.shape) if self.flat_image else self.dataset.shape
        for size, each in zip(whole, (first, *selection[1:]), strict=True):
            made = as_slice(size, each)
            chosen.append(np.asarray(each, dtype=np.intp) if made is None else made)
        return chosen

    def _fill(self, out: NDArray[Any], chosen: Sequence[slice | NDArray[np.intp]]) -> None:
        """Fill `out`, by several threads where that is possible."""
        if out.size == 0:
            return
        damages = None if self._direct is None else self._direct.read(out, chosen)
        if damages is None:
            self._fill_by_hdf5(out, chosen)
            return
        for damage in damages:
            self._give_up(out, chosen, damage.region, damage.why)

    def _give_up(self, out: NDArray[Any], chosen: Sequence[slice | NDArray[np.intp]], region: Region, why: str) -> None:
        """Fill a damaged part of `out` and note its frames, or raise an error where it cannot be done without."""
        points = len(self.dataset.shape) - self.core
        if not self.core or math.prod(self.dataset.shape[:points]) < 2:
            raise OSError(why)
        put(out, (*region, *[slice(None)] * (out.ndim - len(region))), fill_value(out.dtype))
        axes = [
            np.arange(size)[each] if axis >= len(region) else np.arange(size)[each][region[axis]]
            for axis, (size, each) in enumerate(zip(self.dataset.shape[:points], chosen, strict=False))
        ]
        for frame in itertools.product(*(axis.tolist() for axis in axes)):
            if frame in self._damaged:
                continue
            self._damaged.add(frame)
            where = f"{self.file.path}: {self.dataset.name}"
            number = ", ".join(map(str, frame))
            text = f"WARNING: frame {number} of {where} is damaged and counts as not measured ({why})"
            if len(self._damaged) > _LISTED:
                text = f"WARNING: {{count}} more frames of {where} are damaged and count as not measured"
            self.notes[text] = self.notes.get(text, 0) + 1

    def _fill_by_hdf5(self, out: NDArray[Any], chosen: Sequence[slice | NDArray[np.intp]]) -> None:
        """Fill `out`; the first axis given by indices is split, the others follow by recursion."""
        for axis, each in enumerate(chosen):
            if isinstance(each, slice):
                continue
            low, high = int(each.min()), int(each.max()) + 1
            rising = bool(np.all(np.diff(each) > 0))
            between = axis == 0 and self.compressed  # frames that were left out may be damaged: they are not touched
            if not rising or ((high - low) <= _SPAN * len(each) and not between):
                span = np.empty((*out.shape[:axis], high - low, *out.shape[axis + 1 :]), out.dtype)
                self._fill_by_hdf5(span, [*chosen[:axis], slice(low, high, 1), *chosen[axis + 1 :]])
                np.take(span, each - low, axis=axis, out=out, mode="clip")
                return
            for place, begin, end in runs(each):
                part = out[(slice(None),) * axis + (slice(place, place + end - begin),)]
                self._fill_by_hdf5(part, [*chosen[:axis], slice(begin, end, 1), *chosen[axis + 1 :]])
            return
        where = tuple(each for each in chosen if isinstance(each, slice))
        chunks = self.dataset.chunks
        if chunks is not None and len(where) == len(chunks) and chunks[0] == 1 and where[0].step > 1:
            # HDF5 takes strided selections of chunks apart point by point; frame by frame is ten times faster.
            for place, frame in enumerate(range(where[0].start, where[0].stop, where[0].step)):
                self._fill_by_hdf5(out[place : place + 1], [slice(frame, frame + 1, 1), *where[1:]])
            return
        try:
            self._slices(out, where)
        except (OSError, RuntimeError) as error:
            if not self.core:
                raise
            points = out.shape[: out.ndim - self.core]
            split = next((axis for axis, size in enumerate(points) if size > 1), None)
            if split is None:
                self._give_up(out, where, (), str(error).replace("{", "(").replace("}", ")"))
                return
            for place, index in enumerate(range(where[split].start, where[split].stop, where[split].step)):
                part = out[(slice(None),) * split + (slice(place, place + 1),)]
                one = (*where[:split], slice(index, index + 1, 1), *where[split + 1 :])
                self._fill_by_hdf5(part, one)

    def _slices(self, out: NDArray[Any], where: tuple[slice, ...]) -> None:
        count_input(self._stored_bytes(out, where))
        if out.flags.c_contiguous:
            self.dataset.read_direct(out, where)
        else:
            out[...] = self.dataset[where]

    def _stored_bytes(self, out: NDArray[Any], where: tuple[slice, ...]) -> int:
        """Return what HDF5 reads for a selection, of packed chunks by their mean size."""
        chunks = self.dataset.chunks
        if chunks is None or not self.compressed:
            return int(out.nbytes)
        touched = math.prod(
            len({n // size for n in range(part.start, part.stop, part.step)})
            for part, size in zip(where, chunks, strict=True)
        )
        every = math.prod(-(-int(size) // chunk) for size, chunk in zip(self.dataset.shape, chunks, strict=True))
        return int(touched * int(self.dataset.id.get_storage_size()) // max(1, every))


def reader_of(
    file: OpenFile, dataset: h5py.Dataset, frames: NDArray[np.intp] | None = None, rank: int = 3, core: int = 0
) -> HDF5Reader:
    """Return a reader of a stack of images, after a check that it can be read.

    With `core`, the number of trailing axes of a frame, damaged frames are filled and noted (see `HDF5Reader`).

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
    return HDF5Reader(file, dataset, frames, core=core)
