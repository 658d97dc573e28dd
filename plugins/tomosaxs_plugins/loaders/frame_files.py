"""A stack of frames in image files: only the rows asked for are read, by several threads."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tomosaxs import InputError, Selection, empty_block
from tomosaxs_plugins.loaders.chunks import Damage, in_threads, read_exactly
from tomosaxs_plugins.loaders.chunks_filters import Room
from tomosaxs_plugins.loaders.chunks_parts import take
from tomosaxs_plugins.loaders.frame_places import FramePlace, Misplaced, frame_places
from tomosaxs_plugins.loaders.image_frames import BrokenImage, by_fabio
from tomosaxs_plugins.loaders.readers import as_slice, runs

_AT_ONCE = 16
"""Frames that a thread reads before it asks for more."""


class _Wanted:
    """Which rows and columns are read of every frame."""

    def __init__(self, rows: list[tuple[int, int, int]], core: tuple[Selection, ...], columns: Any, width: int) -> None:
        self.rows, self.core = rows, core
        self.whole = columns == slice(0, width, 1)


@dataclass(frozen=True, eq=False)
class FrameFiles:
    """Frames of image files, one behind the other, (frame, detector_y, detector_x).

    Files are opened when a frame of theirs is read, not before.

    Parameters
    ----------
    files : sequence of Path
    where : (n, 2) int array
        File and frame in it of every frame of the stack.
    core : (rows, columns)
    dtype : numpy dtype
        In the byte order of this machine.
    plain : bool
        The frames are not compressed, as far as is known.
    places : mapping of int to sequence of FramePlace
        Where the frames of a file lie, for files that hold several.
    """

    files: Sequence[Path]
    where: NDArray[np.intp]
    core: tuple[int, int]
    dtype: np.dtype[Any]
    plain: bool = True
    places: Mapping[int, Sequence[FramePlace]] = field(default_factory=dict)
    _seen: dict[int, FramePlace] = field(default_factory=dict, repr=False)  # of files that were read once

    @property
    def shape(self) -> tuple[int, ...]:
        """(frames, rows, columns)."""
        return (len(self.where), *self.core)

    @property
    def compressed(self) -> bool:
        """Whether frames are decoded whole, so that a few rows cost as much as all."""
        return not self.plain

    @property
    def chunks(self) -> tuple[int, ...] | None:
        """Shape of what is decoded together, or None where nothing is."""
        return None if self.plain else (1, *self.core)

    def read(self, selection: tuple[Selection, ...]) -> NDArray[Any]:
        """Return the selected part.

        Raises
        ------
        InputError
            When a file is missing, cut off or of another kind than the first; the message names it.
        """
        numbers = np.arange(len(self.where), dtype=np.intp)[selection[0]]
        rows, columns = (np.arange(size)[each] for size, each in zip(self.core, selection[1:], strict=True))
        out = empty_block((len(numbers), len(rows), len(columns)), self.dtype)
        if not out.size:
            return out
        wanted = _Wanted(list(runs(rows)), selection[1:], as_slice(self.core[1], selection[2]), self.core[1])
        where = self.where[numbers].tolist()

        def work(first: int, room: Room) -> Damage | None:
            for place in range(first, min(first + _AT_ONCE, len(where))):
                try:
                    self._fill(out[place], int(numbers[place]), where[place], wanted)
                except (Misplaced, BrokenImage, OSError) as error:
                    why = getattr(error, "strerror", None) or str(error)
                    return Damage((slice(place, place + 1),), why)
            return None

        damages = in_threads(work, range(0, len(where), _AT_ONCE), 0)
        if damages:
            bad = [int(numbers[damage.region[0]][0]) for damage in damages]
            raise InputError(
                f"{self._named(bad[0])} cannot be read: {damages[0].why}; copy it again, or leave it out with exclude: "
                f"[{', '.join(map(str, bad[:10]))}]"
            )
        return out

    def _named(self, number: int) -> str:
        file, frame = self.where[number].tolist()
        inside = f", frame {frame} of it" if frame or file in self.places else ""
        return f"{self.files[file]} (image {number} of {len(self.where)}{inside})"

    def _fill(self, out: NDArray[Any], number: int, at: list[int], wanted: _Wanted) -> None:
        file, frame = at
        path = self.files[file]
        descriptor = os.open(path, os.O_RDONLY)
        try:
            place = self._seen.get(number) or self._found(descriptor, file, frame)
            if place is not None:
                self._seen[number] = place
            if place is not None and place.dtype is not None:
                self._rows(out, descriptor, place, place.dtype, wanted)
                return
        finally:
            os.close(descriptor)
        values = _decoded(path, frame)
        self._fits(values.shape, values.dtype)
        out[...] = take(values, wanted.core)

    def _found(self, descriptor: int, file: int, frame: int) -> FramePlace | None:
        known = self.places.get(file) or frame_places(descriptor, frame + 1)
        if known is None or frame >= len(known):
            return None
        self._fits(known[frame].shape, known[frame].dtype or self.dtype)
        return known[frame]

    def _fits(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        if shape != self.core:
            sizes = [" x ".join(map(str, each)) for each in (shape, self.core)]
            raise BrokenImage(f"it has {sizes[0]} pixels, the first one {sizes[1]}")
        if not np.can_cast(dtype, self.dtype, "safe"):
            raise BrokenImage(f"its pixels are {dtype.newbyteorder('=')}, those of the first one {self.dtype}")

    def _rows(
        self, out: NDArray[Any], descriptor: int, place: FramePlace, dtype: np.dtype[Any], wanted: _Wanted
    ) -> None:
        """Fill `out` with rows of an image that lies in one piece, one read a run of rows."""
        width = self.core[1]
        for at, begin, end in wanted.rows:
            lines = out[at : at + end - begin]
            direct = wanted.whole and dtype == self.dtype
            values = lines if direct else np.empty((end - begin, width), dtype)
            why = read_exactly(
                descriptor, values.reshape(-1).view(np.uint8), place.place + begin * width * dtype.itemsize
            )
            if why:
                raise BrokenImage(why)
            if not direct:
                lines[...] = values if wanted.whole else values[:, wanted.core[1]]


def _decoded(path: Path, frame: int) -> NDArray[Any]:
    """Return a frame that is compressed or in pieces.

    Raises
    ------
    InputError
        When fabio, which decodes it, is not installed.
    """
    try:
        return by_fabio(path, frame)
    except ImportError:
        raise InputError(
            f"{path} is compressed or of a kind that needs fabio, which is not installed: pip install fabio"
        ) from None


def looked_at(files: Sequence[Path], *, leave_out: frozenset[int] = frozenset(), what: str = "images") -> FrameFiles:
    """Return the frames of image files as a stack.

    One of the first and the last file are opened, and those whose size is not that of the others; files that hold
    several frames all.

    Parameters
    ----------
    files : sequence of Path
        Not empty.
    leave_out : set of int
        Files that will not be read, and are not looked at.
    what : str
        What they are, for messages.

    Raises
    ------
    InputError
        When one is missing, empty, cut off, or of another size or type.
    """
    used = [number for number in range(len(files)) if number not in leave_out] or [0]
    first = _places(files[used[0]])
    core, dtype, plain = _kind(files[used[0]], first)
    count = max(1, len(first or ()))
    sizes = np.array([_size(path) for path in files], dtype=np.int64)
    looked: dict[int, Sequence[FramePlace]] = {used[0]: first} if first is not None else {}
    for number in sorted({used[-1], *_unusual(sizes, used, plain, count)} - {used[0]}):
        found = _places(files[number])
        if found is None:
            continue
        looked[number] = found
        fault = _unlike(found, core, dtype, plain)
        if fault:
            raise InputError(
                f"{files[number]} holds {fault}; the first of the {what}, {files[used[0]].name}, holds "
                f"{core[0]} x {core[1]} pixels of {dtype}"
            )
    frames = [len(looked.get(number, ())) or 1 for number in range(len(files))]
    where = [(number, frame) for number, several in enumerate(frames) for frame in range(several)]
    several_in = {number: found for number, found in looked.items() if len(found) > 1}
    return FrameFiles(files, np.array(where, dtype=np.intp).reshape(-1, 2), core, dtype, plain, several_in)


def _unlike(found: Sequence[FramePlace], core: tuple[int, int], dtype: np.dtype[Any], plain: bool) -> str:
    """Return what the frames of a file are where they are not like the first, else an empty text."""
    if not found:
        return "no image"
    for each in found:
        if each.shape != core:
            return f"{each.shape[0]} x {each.shape[1]} pixels"
        if plain and each.dtype is None:
            return "a compressed image"
        if plain and each.dtype is not None and not np.can_cast(each.dtype, dtype, "safe"):
            return f"pixels of {each.dtype.newbyteorder('=')}"
    return ""


def _places(path: Path) -> list[FramePlace] | None:
    try:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            return frame_places(descriptor)
        finally:
            os.close(descriptor)
    except (OSError, Misplaced) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise InputError(f"{path} cannot be read: {why}; copy it again, or leave it out with exclude:") from None


def _kind(path: Path, found: list[FramePlace] | None) -> tuple[tuple[int, int], np.dtype[Any], bool]:
    """Return size and type of the first image and whether it is uncompressed."""
    if found and all(each.dtype is not None for each in found):
        dtype = found[0].dtype
        if dtype is not None:
            return found[0].shape, dtype.newbyteorder("="), True
    try:
        values = _decoded(path, 0)
    except BrokenImage as error:
        raise InputError(f"{path} cannot be read: {error}") from None
    if values.ndim != 2 or values.dtype.kind not in "iuf":
        raise InputError(f"{path}: an image of numbers is needed; it holds {values.dtype} of the shape {values.shape}")
    return (int(values.shape[0]), int(values.shape[1])), values.dtype, False


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}") from None


def _unusual(sizes: NDArray[np.int64], used: list[int], plain: bool, count: int) -> list[int]:
    """Return the files to look at: all where they hold several frames, else those of a size of their own."""
    if count > 1:
        return used
    own = sizes[used]
    values, counts = np.unique(own, return_counts=True)
    usual = values[np.argmax(counts)]
    if not plain or counts.max() * 2 <= len(own):  # no size is usual: only an empty file tells something
        return [number for number in used if sizes[number] == 0]
    return [number for number in used if sizes[number] != usual]
