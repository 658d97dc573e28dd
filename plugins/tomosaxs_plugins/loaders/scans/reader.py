"""The reader of a scan whose points lie anywhere in one or several files: every point knows its frame."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tomosaxs import InputError, Reader, Selection
from tomosaxs_plugins.loaders.gaps import fill_value

_AT_ONCE = 64 * 2**20
"""Bytes read in one go where frames have to be put in another order."""


def boxes(first: int, last: int, shape: Sequence[int]) -> Iterator[tuple[slice, ...]]:
    """Yield boxes that together are the entries [first, last) of an array in C order, one after the other."""
    if not shape:
        yield ()
        return
    if len(shape) == 1:
        yield (slice(first, last, 1),)
        return
    inner = math.prod(shape[1:])
    (row, begin), (end_row, end) = divmod(first, inner), divmod(last, inner)
    if row == end_row:
        for box in boxes(begin, end, shape[1:]):
            yield (slice(row, row + 1, 1), *box)
        return
    if begin:
        for box in boxes(begin, inner, shape[1:]):
            yield (slice(row, row + 1, 1), *box)
        row += 1
    if row < end_row:
        yield (slice(row, end_row, 1), *(slice(0, size, 1) for size in shape[1:]))
    if end:
        for box in boxes(0, end, shape[1:]):
            yield (slice(end_row, end_row + 1, 1), *box)


@dataclass(frozen=True, eq=False)
class PointReader:
    """Frames of the points of a grid, (\\*grid, detector_y, detector_x), read only when they are asked for.

    Parameters
    ----------
    parts : sequence of Reader
        Stored frames, each (\\*points, detector_y, detector_x).
    where : int array of the grid's shape
        Which frame belongs to every point, counted through all parts in C order; -1 where there is none.

    Attributes
    ----------
    notes : dict of str to int
        What went wrong while reading; the text holds ``{count}``.
    """

    parts: Sequence[Reader]
    where: NDArray[np.int64]
    notes: dict[str, int] = field(default_factory=dict)
    _starts: NDArray[np.int64] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        counts = [math.prod(part.shape[:-2]) for part in self.parts]
        object.__setattr__(self, "_starts", np.concatenate([[0], np.cumsum(counts, dtype=np.int64)]))

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the grid and of a frame."""
        return (*(int(n) for n in self.where.shape), *self.parts[0].shape[-2:])

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the frames."""
        return self.parts[0].dtype

    @property
    def compressed(self) -> bool:
        """Whether chunks are decoded whole, so that small parts cost as much as large ones."""
        return any(bool(getattr(part, "compressed", False)) for part in self.parts)

    @property
    def chunks(self) -> tuple[int, ...] | None:
        """Shape of what is decoded together: points that lie in one chunk follow each other in the grid."""
        stored: tuple[int, ...] | None = getattr(self.parts[0], "chunks", None)
        if stored is None:
            return None
        together, deep = math.prod(stored[:-2]), []
        for size in reversed(self.where.shape):
            deep.append(min(together, int(size)))
            together = -(-together // max(1, int(size)))
        return (*reversed(deep), *stored[-2:])

    def read(self, selection: tuple[Selection, ...]) -> NDArray[Any]:
        """Return frames; those that are not there, or cannot be read, hold the `fill_value`."""
        wanted = self.where
        for axis, each in enumerate(selection[:-2]):
            wanted = wanted[(slice(None),) * axis + (each,)]
        flat, core = wanted.ravel(), selection[-2:]
        frame = tuple(len(np.arange(n)[each]) for n, each in zip(self.shape[-2:], core, strict=True))
        order = np.argsort(flat, kind="stable")
        runs = list(self._runs(flat[order], max(1, _AT_ONCE // max(1, math.prod(frame) * self.dtype.itemsize))))
        if len(runs) == 1 and runs[0][2] - runs[0][1] == len(flat) and np.all(np.diff(order) == 1):
            part, first, last = runs[0]
            pieces = list(boxes(first, last, self.parts[part].shape[:-2]))
            if len(pieces) == 1:
                return self._frames(part, pieces[0], core, frame).reshape(*wanted.shape, *frame)
        out = np.empty((len(flat), *frame), self.dtype)
        done = int(np.count_nonzero(flat < 0))
        out[order[:done]] = fill_value(self.dtype)
        for part, first, last in runs:
            for box in boxes(first, last, self.parts[part].shape[:-2]):
                count = math.prod(each.stop - each.start for each in box)
                out[order[done : done + count]] = self._frames(part, box, core, frame)
                done += count
        return out.reshape(*wanted.shape, *frame)

    def _runs(self, ordered: NDArray[np.int64], at_once: int) -> Iterator[tuple[int, int, int]]:
        """Yield (part, first, last + 1) of frames that follow each other, at most `at_once` of them."""
        starts = self._starts
        known = ordered[ordered >= 0]
        if len(known) == 0:
            return
        part = np.searchsorted(starts, known, side="right") - 1
        breaks = np.flatnonzero((np.diff(known) != 1) | (np.diff(part) != 0)) + 1
        if len(known) == len(ordered) and len(breaks) == 0:
            at_once = len(known)
        for begin, end in zip([0, *breaks], [*breaks, len(known)], strict=True):
            for low in range(begin, end, at_once):
                high = min(low + at_once, end)
                start = int(starts[part[low]])
                yield int(part[low]), int(known[low]) - start, int(known[high - 1]) + 1 - start

    def _frames(
        self, part: int, box: tuple[slice, ...], core: tuple[Selection, ...], frame: tuple[int, ...]
    ) -> NDArray[Any]:
        """Return the frames of a box, (n, rows, columns); where one cannot be read the others still can."""
        reader = self.parts[part]
        count = math.prod(each.stop - each.start for each in box)
        try:
            frames: NDArray[Any] = reader.read((*box, *core)).reshape(count, *frame)
            return frames
        except InputError as error:
            if self._starts[-1] < 2:  # there is nothing else that could go on
                raise
            if count == 1:
                reason = str(error).replace("{", "(").replace("}", ")")
                text = f"WARNING: {{count}} frames cannot be read and count as not measured ({reason})"
                self.notes[text] = self.notes.get(text, 0) + 1
                return np.full((1, *frame), fill_value(self.dtype), self.dtype)
        finally:
            self._pass_on(reader)
        axis = next(n for n, each in enumerate(box) if each.stop - each.start > 1)
        halves = [
            self._frames(part, (*box[:axis], slice(n, n + 1, 1), *box[axis + 1 :]), core, frame)
            for n in range(box[axis].start, box[axis].stop)
        ]
        return np.concatenate(halves)

    def _pass_on(self, reader: Reader) -> None:
        """Move what a part has to say to the notes of the whole."""
        said: dict[str, int] = getattr(reader, "notes", {})
        for text, count in list(said.items()):
            self.notes[text] = self.notes.get(text, 0) + count
        said.clear()
