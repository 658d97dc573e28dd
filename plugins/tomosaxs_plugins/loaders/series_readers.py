"""Readers of several tomograms as one array (time, rotation_angle, detector_y, detector_x)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tomosaxs import Reader, Selection, empty_block


@dataclass(frozen=True, eq=False)
class GridReader:
    """Frames of one stream, ordered as tomograms.

    Parameters
    ----------
    whole : Reader
        (frame, rows, columns).
    places : (time, rotation_angle) int array
        Frame of every projection.
    """

    whole: Reader
    places: NDArray[np.intp]

    @property
    def shape(self) -> tuple[int, ...]:
        """(time, rotation_angle, rows, columns)."""
        return (*(int(n) for n in self.places.shape), *self.whole.shape[1:])

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the entries."""
        return self.whole.dtype

    @property
    def chunks(self) -> tuple[int, ...] | None:
        """Shape of what is decoded together, or None where nothing is."""
        chunks: tuple[int, ...] | None = getattr(self.whole, "chunks", None)
        return None if chunks is None else (1, *chunks)

    def read(self, selection: tuple[Selection, ...]) -> NDArray[Any]:
        """Return the selected part."""
        wanted = self.places[selection[0]][:, selection[1]]
        part = self.whole.read((wanted.reshape(-1), *selection[2:]))
        return part.reshape(*wanted.shape, *part.shape[1:])


@dataclass(frozen=True, eq=False)
class StackedReader:
    """Arrays of one shape, one for each time.

    Parameters
    ----------
    parts : tuple of Reader
    """

    parts: tuple[Reader, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        """(time, \\*shape of a part)."""
        return (len(self.parts), *self.parts[0].shape)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the entries."""
        return np.result_type(*(part.dtype for part in self.parts))

    @property
    def compressed(self) -> bool:
        """Whether chunks are decoded whole to read a part."""
        return any(getattr(part, "compressed", False) for part in self.parts)

    @property
    def chunks(self) -> tuple[int, ...] | None:
        """Shape of what is decoded together in the first of them, or None where nothing is."""
        chunks: tuple[int, ...] | None = getattr(self.parts[0], "chunks", None)
        return None if chunks is None else (1, *chunks)

    def read(self, selection: tuple[Selection, ...]) -> NDArray[Any]:
        """Return the selected part."""
        wanted = np.arange(len(self.parts))[selection[0]]
        sizes = [len(np.arange(size)[each]) for size, each in zip(self.shape[1:], selection[1:], strict=True)]
        out = empty_block((len(wanted), *sizes), self.dtype)
        for place, number in enumerate(wanted.tolist()):
            direct = getattr(self.parts[number], "read_into", None)
            if direct is None:
                out[place] = self.parts[number].read(selection[1:])
            else:
                direct(selection[1:], out[place])
        return out
