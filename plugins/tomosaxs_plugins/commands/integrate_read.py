"""Reading a few files at a time for `tomosaxs integrate`: each file once, into memory that is used again."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tomosaxs import InputError
from tomosaxs_plugins.commands.integrate_frames import Frames, Unusable, open_frames
from tomosaxs_plugins.commands.integrate_places import Stamp, stamp_of
from tomosaxs_plugins.loaders.tiff_layout import NotTiff, tiff_pages

BATCH = 8
"""Frames that are integrated side by side; files with more are read in parts."""
_QUICK = 1 << 28  # bytes; larger files are read in the usual way


@dataclass(eq=False)
class Outcome:
    """What became of a file: frames, then curves, or why there are none.

    Parameters
    ----------
    whole : bool
        False where the file may still become whole.
    large : bool
        It has more frames than are read here.
    slot : int
        Place of its only frame in the room's block; -1 where it is not there.
    """

    path: Path
    stamp: Stamp
    checksum: str = ""
    frames: NDArray[Any] | None = None
    curves: NDArray[Any] | None = None
    sigma: NDArray[Any] | None = None
    problem: str = ""
    whole: bool = True
    large: bool = False
    slot: int = -1

    def fail(self, problem: str, whole: bool) -> None:
        """Note that the file cannot be used."""
        self.frames, self.problem, self.whole, self.slot = None, problem, whole, -1


@dataclass(eq=False)
class Room:
    """Memory of one thread: fresh pages for every frame would cost more than the integration."""

    raw: bytearray = field(default_factory=bytearray)
    block: NDArray[Any] = field(default_factory=lambda: np.empty((0, 0, 0), np.int32))
    used: int = 0

    def put(self, frame: NDArray[Any], most: int) -> int:
        """Copy a frame into the block and return its place; -1 where the block is full or of another type."""
        if self.used == 0 and (self.block.shape != (most, *frame.shape) or self.block.dtype != frame.dtype):
            self.block = np.empty((most, *frame.shape), frame.dtype)
        if self.used >= len(self.block) or self.block.dtype != frame.dtype or self.block.shape[1:] != frame.shape:
            return -1
        self.block[self.used] = frame
        self.used += 1
        return self.used - 1


def together(outcomes: list[Outcome], room: Room) -> NDArray[Any]:
    """Return the frames of files as one array, without a copy where they lie side by side."""
    slots = [outcome.slot for outcome in outcomes]
    if min(slots) >= 0 and slots == list(range(slots[0], slots[0] + len(slots))):
        return room.block[slots[0] : slots[-1] + 1]
    frames = [outcome.frames for outcome in outcomes if outcome.frames is not None]
    return frames[0] if len(frames) == 1 else np.concatenate(frames)


def read_file(
    path: Path, stamp: Stamp, shape: tuple[int, int] | None, room: Room, checksum: Callable[[Path], str]
) -> Outcome:
    """Read a file of a few frames, or say why it cannot be used.

    Parameters
    ----------
    shape : (rows, columns) or None
        That its frames must have.
    checksum : callable
        Of a file that is not read here in one piece.
    """
    outcome, before = Outcome(path, stamp), stamp_of(path)
    try:
        if not _quick(outcome, shape, room):
            found = open_frames(path, shape)
            check(found.shape, found.dtype, shape)
            outcome.large = found.shape[0] > BATCH
            if not outcome.large:
                outcome.frames = np.ascontiguousarray(found.read(0, found.shape[0]))
                outcome.problem = found.problem()
                outcome.checksum = checksum(path)
    except Unusable as error:
        outcome.fail(str(error), error.whole)
    except (OSError, ValueError, InputError, MemoryError) as error:
        outcome.fail(f"{type(error).__name__}: {error}", whole=False)
    if outcome.frames is not None and stamp_of(path) != before:
        outcome.fail("it changed while it was read", whole=False)
    return outcome


def check(found: tuple[int, ...], dtype: np.dtype[Any], shape: tuple[int, int] | None) -> None:
    """Refuse frames (n, rows, columns) that cannot be integrated.

    Raises
    ------
    Unusable
        Saying what they are.
    """
    if dtype.kind not in "iufb":
        raise Unusable(f"values of type {dtype} are no counts", whole=True)
    if found[0] == 0:
        raise Unusable("it holds no frames yet", whole=False)
    if shape is not None and tuple(found[1:]) != shape:
        raise Unusable(f"frames of {found[1]} x {found[2]} pixels, {shape[0]} x {shape[1]} are expected", whole=True)


def _quick(outcome: Outcome, shape: tuple[int, int] | None, room: Room) -> bool:
    """Read an uncompressed TIFF of one image at once; return False where it is something else, or not whole."""
    with outcome.path.open("rb", buffering=0) as file:
        size = os.fstat(file.fileno()).st_size
        if not 0 < size <= _QUICK:
            return False
        try:
            pages = tiff_pages(file.fileno(), 2)
        except NotTiff:
            return False
        page = pages[0]
        if len(pages) != 1 or page.place is None or page.dtype is None or page.end > size:
            return False
        check((1, *page.shape), page.dtype, shape)
        if len(room.raw) < size:
            room.raw = bytearray(size)
        view = memoryview(room.raw)[:size]
        done = 0
        while done < size:
            got = file.readinto(view[done:])
            if not got:
                return False
            done += got
    values = np.frombuffer(view, page.dtype, page.shape[0] * page.shape[1], page.place).reshape(page.shape)
    outcome.checksum = hashlib.sha256(view).hexdigest()
    outcome.slot = room.put(values.astype(page.dtype.newbyteorder("="), copy=False), BATCH)
    outcome.frames = room.block[outcome.slot][None] if outcome.slot >= 0 else values[None].copy()
    return True


__all__ = ["BATCH", "Frames", "Outcome", "Room", "check", "read_file", "together"]
