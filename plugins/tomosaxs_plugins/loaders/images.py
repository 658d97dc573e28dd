"""Readers over other readers: averages of flats and darks, several stacks in one, a turned detector."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tomosaxs import Reader, Selection
from tomosaxs_plugins.loaders.readers import runs

_AT_ONCE = 64 * 2**20
"""Bytes read at once while frames are averaged."""


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


@dataclass(frozen=True, eq=False)
class FloatReader:
    """Another reader's values as float32, divided by `divisor`: what arithmetic on them cannot overflow."""

    whole: Reader
    divisor: float = 1.0

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the other reader."""
        return self.whole.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """float32."""
        return np.dtype(np.float32)

    def read(self, selection: tuple[Selection, ...]) -> NDArray[np.float32]:
        """Return the selected part."""
        values = self.whole.read(selection).astype(np.float32)
        return values if self.divisor == 1.0 else values / np.float32(self.divisor)


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

    @property
    def chunks(self) -> tuple[int, ...] | None:
        """Shape of what is decoded together, turned alike, or None where nothing is."""
        chunks: tuple[int, ...] | None = getattr(self.whole, "chunks", None)
        if chunks is None or not _TURNS[self.orientation][0]:
            return chunks
        return (*chunks[:-2], chunks[-1], chunks[-2])

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


@dataclass(frozen=True, eq=False)
class JoinedReader:
    """Several stacks of frames, one behind the other."""

    parts: tuple[Reader, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of all together."""
        return (sum(part.shape[0] for part in self.parts), *self.parts[0].shape[1:])

    @property
    def dtype(self) -> np.dtype[np.generic]:
        """Common type."""
        return np.result_type(*(part.dtype for part in self.parts))

    def read(self, selection: tuple[Selection, ...]) -> NDArray[np.generic]:
        """Return the selected part."""
        wanted = np.arange(self.shape[0], dtype=np.intp)[selection[0]]
        pieces, first = [], 0
        for part in self.parts:
            inside = wanted[(wanted >= first) & (wanted < first + part.shape[0])] - first
            pieces.append(part.read((inside, *selection[1:])))
            first += part.shape[0]
        return np.concatenate(pieces)
