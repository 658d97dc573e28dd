"""HDF5 values read around the HDF5 library: chunks taken from the file and decoded by several threads at once.

HDF5 reads and decodes one chunk after the other under one lock of the process. Where the file, the layout and the
filters are of the common kinds, the places of the values are asked for once; the bytes are then read and decoded by as
many threads as this rank may use. The values are those that HDF5 gives.
"""

from __future__ import annotations

import itertools
import math
import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any, TypeAlias

import h5py
import numpy as np
from numpy.typing import NDArray

from tomosaxs import count_input
from tomosaxs_plugins.loaders.chunks_filters import Filters, Room, filters_of
from tomosaxs_plugins.loaders.chunks_parts import (
    Chosen,
    Part,
    Region,
    follows,
    is_slice,
    parts_along,
    put,
    spans_within,
    take,
)
from tomosaxs_plugins.reconstruction.parallel import thread_count

Spans: TypeAlias = "dict[tuple[Any, ...], tuple[list[tuple[int, int]], bool]]"
"""Which bytes of a chunk are read, by the part that is taken of it, and whether it is taken entry after entry."""

_SMALL = 1 << 15
"""Bytes of a chunk below which HDF5 itself is as fast."""
_SMALL_RUN = 1 << 10
"""The same of values that lie together. HDF5 reads 64 KiB to take less from a dataset in one piece."""
_ROUNDS = 8
"""Tasks are handed to threads in so many portions each: few enough to cost nothing, enough to end together."""
_QUICK = 2e-4
"""Seconds that a piece takes at most when the system has it."""
_LONG = 1 << 18
"""Bytes of a piece that another thread is worth while for."""
_PIECE = 1 << 23
"""Bytes of contiguous values that a thread reads at a time."""


_Piece: TypeAlias = "tuple[NDArray[np.uint8], int, slice]"
"""Bytes to be filled, their place in the file, and the entry of the first axis that they belong to."""


@dataclass(frozen=True, eq=False)
class Damage:
    """A part that could not be read: where it lies in the result (leading axes at least), and why."""

    region: Region
    why: str


def read_exactly(descriptor: int, target: NDArray[np.uint8], place: int) -> str:
    """Fill a contiguous array from a place of a file; return why that cannot be, or an empty text."""
    view, done = target.data, 0
    while done < target.size:
        try:
            got = os.preadv(descriptor, [view[done:]], place + done)
        except OSError as error:
            return error.strerror or str(error)
        if got == 0:
            return "the file ends within it"
        done += got
    count_input(done)
    return ""


def in_threads(work: Callable[[Any, Room], Damage | None], tasks: Iterable[Any], size: int) -> list[Damage]:
    """Do all tasks, in as many threads as this rank may use; each thread has room for chunks of `size` bytes."""
    listed = list(tasks)
    threads = min(thread_count(), len(listed))
    if threads <= 1:
        return _in_turn(work, listed, Room.of(size))
    rooms: SimpleQueue[Room] = SimpleQueue()
    for _ in range(threads):
        rooms.put(Room.of(size))

    def portion(some: list[Any]) -> list[Damage | None]:
        room = rooms.get()
        try:
            return [work(task, room) for task in some]
        finally:
            rooms.put(room)

    each = -(-len(listed) // (threads * _ROUNDS))
    portions = [listed[low : low + each] for low in range(0, len(listed), each)]
    with ThreadPoolExecutor(threads) as pool:
        return [damage for found in pool.map(portion, portions) for damage in found if damage is not None]


def _in_turn(work: Callable[[Any, Room], Damage | None], tasks: Iterable[Any], room: Room) -> list[Damage]:
    return [damage for damage in (work(task, room) for task in tasks) if damage is not None]


def quickly(work: Callable[[Any, Room], Damage | None], tasks: Iterable[Any], size: int) -> list[Damage]:
    """Do tasks that only read: one after the other while the system has what they ask for, else in threads.

    A piece that lies in the system's cache is copied sooner than another thread takes over; where a disk or a server
    has to be asked, several questions at a time save most of the waiting.
    """
    listed = list(tasks)
    first = max(1, len(listed) // 16)
    begun = time.perf_counter()
    found = _in_turn(work, listed[:first], Room.of(size))
    if time.perf_counter() - begun < _QUICK * first:
        return found + _in_turn(work, listed[first:], Room.of(size))
    return found + in_threads(work, listed[first:], size)


class Chunks:
    """A chunked dataset whose chunks are read and decoded here.

    Parameters
    ----------
    dataset : h5py.Dataset
    descriptor : int
        Of its file, open as long as the dataset is.
    filters : Filters
    """

    def __init__(self, dataset: h5py.Dataset, descriptor: int, filters: Filters) -> None:
        self._dataset = dataset
        self._descriptor = descriptor
        self._filters = filters
        self._chunk = tuple(int(n) for n in dataset.chunks)
        self._counts = tuple(-(-int(n) // chunk) for n, chunk in zip(dataset.shape, self._chunk, strict=True))
        self._dtype: np.dtype[Any] = np.dtype(dataset.dtype)
        self._fill = np.asarray(dataset.fillvalue).astype(self._dtype.newbyteorder("="))
        self._place, self._length, self._mask = self._index()

    def _index(self) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """Return place in the file (-1: never written), bytes and left-out filters of every chunk."""
        total = math.prod(self._counts)
        place, length, mask = np.full(total, -1, np.int64), np.zeros(total, np.int64), np.zeros(total, np.int64)
        steps = [math.prod(self._counts[axis + 1 :]) for axis in range(len(self._counts))]
        scale = list(zip(self._chunk, steps, strict=True))

        def note(info: Any) -> None:
            number = sum(at // chunk * step for at, (chunk, step) in zip(info.chunk_offset, scale, strict=True))
            place[number], length[number], mask[number] = info.byte_offset, info.size, info.filter_mask

        self._dataset.id.chunk_iter(note)
        return place, length, mask

    def read(self, out: NDArray[Any], chosen: Sequence[Chosen]) -> list[Damage]:
        """Fill `out` with a selection that is not empty; return what could not be read."""
        axes = [parts_along(each, chunk) for each, chunk in zip(chosen, self._chunk, strict=True)]
        spans: Spans = {}

        def work(parts: tuple[Part, ...], room: Room) -> Damage | None:
            return self._one(out, parts, room, spans)

        rows = self._rows_of_frames(out, axes)
        if rows is not None:
            return quickly(self._one_row_of_frames, rows, 0)
        tasks = list(itertools.product(*axes))
        short = not self._filters.codes and out.nbytes < _LONG * len(tasks)
        return (quickly if short else in_threads)(work, tasks, self._filters.size)

    def _rows_of_frames(self, out: NDArray[Any], axes: Sequence[list[Part]]) -> list[_Piece] | None:
        """Return what is read where every chunk is a frame, stored as it is, and gives rows in one piece; else None."""
        plain = not self._filters.codes and self._dtype.isnative and out.flags.c_contiguous and len(out) > 0
        if not plain or self._chunk[0] != 1 or any(len(parts) != 1 for parts in axes[1:]):
            return None
        inside = [slice(0, 1, 1), *(parts[0].inside for parts in axes[1:])]
        spans = spans_within(inside, self._chunk, self._dtype.itemsize)
        begin, end = spans[0]
        each = out.nbytes // len(out)
        if len(spans) != 1 or end - begin != each or each >= _LONG or not all(map(follows, inside)):
            return None
        flat = out.reshape(-1).view(np.uint8)
        found = []
        for part in axes[0]:
            number = part.number * math.prod(self._counts[1:]) + sum(
                parts[0].number * math.prod(self._counts[axis + 1 :]) for axis, parts in enumerate(axes[1:], start=1)
            )
            place, length = int(self._place[number]), int(self._length[number])
            alone = isinstance(part.out, slice) and part.out.stop - part.out.start == 1
            if place < 0 or length != self._filters.size or not alone:
                return None
            assert isinstance(part.out, slice)
            at = part.out.start
            found.append((flat[at * each : (at + 1) * each], place + begin, part.out))
        return found

    def _one_row_of_frames(self, piece: _Piece, room: Room) -> Damage | None:
        into, place, frame = piece
        why = read_exactly(self._descriptor, into, place)
        return Damage((frame,), why) if why else None

    def _one(self, out: NDArray[Any], parts: tuple[Part, ...], room: Room, spans: Spans) -> Damage | None:
        region = tuple(part.out for part in parts)
        number = 0
        for part, count in zip(parts, self._counts, strict=True):
            number = number * count + part.number
        if self._place[number] < 0:
            put(out, region, self._fill)
            return None
        into = self._direct(out, parts)
        if into is None and not self._filters.codes and int(self._length[number]) == self._filters.size:
            return self._plain(out, parts, number, room, spans)
        raw, why = self._stored(number, room, into)
        values = None if raw is None else self._filters.decode(raw, int(self._mask[number]), room, into)
        if values is None and raw is not None and raw.size == self._filters.size and self._at_the_edge(parts):
            values = raw  # a file may leave chunks that reach over the edge as they are
        if values is None:
            return Damage(region, why or "its chunk cannot be decoded")
        if into is not None:
            if values is not into:
                into[:] = values
            return None
        whole = values.view(self._dtype).reshape(self._chunk)
        put(out, region, take(whole, tuple(part.inside for part in parts)))
        return None

    def _plain(
        self, out: NDArray[Any], parts: tuple[Part, ...], number: int, room: Room, spans: Spans
    ) -> Damage | None:
        """Take part of a chunk that is stored as it is: only what is asked for is read, and small gaps."""
        region = tuple(part.out for part in parts)
        # most chunks give the same part of themselves
        key = tuple(str(part.inside) if isinstance(part.inside, slice) else id(part.inside) for part in parts)
        if key not in spans:
            inside = [part.inside for part in parts]
            spans[key] = spans_within(inside, self._chunk, self._dtype.itemsize), all(map(follows, inside))
        wanted, straight = spans[key]
        if straight and len(wanted) == 1 and self._dtype.isnative and all(isinstance(each, slice) for each in region):
            target = out[region]
            begin, end = wanted[0]
            if target.nbytes == end - begin and target.flags.c_contiguous:
                into = target.reshape(-1).view(np.uint8)
                why = read_exactly(self._descriptor, into, int(self._place[number]) + begin)
                return Damage(region, why) if why else None
        raw = room.raw_bytes(self._filters.size)
        for begin, end in wanted:
            why = read_exactly(self._descriptor, raw[begin:end], int(self._place[number]) + begin)
            if why:
                return Damage(region, why)
        values = raw.view(self._dtype).reshape(self._chunk)
        put(out, region, take(values, tuple(part.inside for part in parts)))
        return None

    def _at_the_edge(self, parts: tuple[Part, ...]) -> bool:
        ends = ((part.number + 1) * chunk for part, chunk in zip(parts, self._chunk, strict=True))
        return any(end > size for end, size in zip(ends, self._dataset.shape, strict=True))

    def _stored(self, number: int, room: Room, into: NDArray[np.uint8] | None) -> tuple[NDArray[np.uint8] | None, str]:
        """Return the bytes of a chunk as they are stored, in the place wanted where nothing needs decoding."""
        size = int(self._length[number])
        plain = into is not None and not self._filters.codes and size == self._filters.size
        raw = into if plain and into is not None else room.raw_bytes(size)
        why = read_exactly(self._descriptor, raw, int(self._place[number]))
        return (None, why) if why else (raw, "")

    def _direct(self, out: NDArray[Any], parts: tuple[Part, ...]) -> NDArray[np.uint8] | None:
        """Return the bytes of the result where exactly this chunk belongs, or None."""
        if not self._dtype.isnative:
            return None
        region: list[slice] = []
        for part, chunk in zip(parts, self._chunk, strict=True):
            if not is_slice(part.inside, 0, chunk) or not isinstance(part.out, slice):
                return None
            region.append(part.out)
        target = out[tuple(region)]
        return target.reshape(-1).view(np.uint8) if target.flags.c_contiguous else None


class Contiguous:
    """A dataset that lies in the file in one piece, uncompressed."""

    def __init__(self, dataset: h5py.Dataset, descriptor: int, place: int) -> None:
        self._shape = tuple(int(n) for n in dataset.shape)
        self._width = int(dataset.dtype.itemsize)
        self._descriptor = descriptor
        self._place = place

    def read(self, out: NDArray[Any], chosen: Sequence[Chosen]) -> list[Damage] | None:
        """Fill `out` with a selection that is not empty; None where it is of too many small pieces."""
        if not out.flags.c_contiguous:
            return None
        axis = len(self._shape) - 1
        while axis > 0 and is_slice(chosen[axis], 0, self._shape[axis]):
            axis -= 1
        inner = math.prod(self._shape[axis + 1 :])
        each = chosen[axis]
        whole = isinstance(each, slice) and each.step == 1
        run = inner * self._width * (out.shape[axis] if whole else 1)
        if run < min(_SMALL_RUN, _SMALL):
            return None
        flat = out.reshape(-1).view(np.uint8)

        def work(task: tuple[int, int, int, int], room: Room) -> Damage | None:
            number, begin, end, place = task
            why = read_exactly(self._descriptor, flat[begin:end], place)
            if not why:
                return None
            at = np.unravel_index(number, out.shape[: axis if whole else axis + 1])
            return Damage(tuple(slice(int(n), int(n) + 1) for n in at), why)

        tasks = self._pieces(chosen[: axis + 1], inner * self._width, run, whole)
        return quickly(work, tasks, 0) if run < _LONG else in_threads(work, tasks, 0)

    def _pieces(self, chosen: Sequence[Chosen], row: int, run: int, whole: bool) -> Iterator[tuple[int, int, int, int]]:
        """Yield (number of the run, begin and end in bytes of the result, place in the file) of pieces to be read."""
        listed = [
            range(each.start, each.stop, each.step) if isinstance(each, slice) else each.tolist() for each in chosen
        ]
        if whole:
            listed[-1] = listed[-1][:1]
        for number, first in enumerate(itertools.product(*listed)):
            at = 0
            for index, size in zip(first, self._shape, strict=False):
                at = at * size + index
            for offset in range(0, run, _PIECE):
                begin = number * run + offset
                end = min((number + 1) * run, begin + _PIECE)
                yield number, begin, end, self._place + at * row + offset


def around_hdf5(dataset: h5py.Dataset) -> Chunks | Contiguous | None:
    """Return what reads a dataset in several threads, or None where only HDF5 itself can read it."""
    file = dataset.file
    if dataset.is_virtual or dataset.external or file.driver != "sec2" or file.userblock_size or not dataset.size:
        return None
    if not hasattr(dataset.id, "chunk_iter") or not hasattr(os, "preadv"):
        return None
    if h5py.h5t.py_create(dataset.dtype, logical=True) != dataset.id.get_type() or dataset.dtype.kind not in "iuf":
        return None
    descriptor = int(file.id.get_vfd_handle())
    if dataset.chunks is None:
        place = dataset.id.get_offset()
        return None if place is None or not dataset.dtype.isnative else Contiguous(dataset, descriptor, int(place))
    if math.prod(dataset.chunks) * dataset.dtype.itemsize < _SMALL:
        return None
    filters = filters_of(dataset)
    if filters is None or dataset.id.get_create_plist().fill_value_defined() == h5py.h5d.FILL_VALUE_UNDEFINED:
        return None
    return Chunks(dataset, descriptor, filters)
