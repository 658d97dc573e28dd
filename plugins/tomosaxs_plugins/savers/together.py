"""Files that several ranks write together, block by block, without a word between them."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

_END = "."
"""Last field of a line that is whole."""


def write_at(path: Path, offset: int, values: NDArray[Any]) -> None:
    """Write the bytes of an array at their place in a file, which is made where it is missing."""
    rest = np.ascontiguousarray(values).reshape(-1).view(np.uint8).data
    number = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        while rest:
            done = os.pwrite(number, rest, offset)
            rest, offset = rest[done:], offset + done
    finally:
        os.close(number)


def write_whole(path: Path, text: str) -> None:
    """Write a small file so that nobody ever sees half of it; ranks that write the same do not disturb each other."""
    part = path.with_name(f".{path.name}.{os.uname().nodename}.{os.getpid()}.part")
    part.write_text(text, encoding="utf-8")
    part.replace(path)


def note_done(log: Path, low: int, high: int, count: int, note: Iterable[float] = ()) -> list[list[float]] | None:
    """Note that slices [low, high) of `count` are written; return all notes where nothing is missing any more.

    Whoever notes the last part gets the notes and finishes the work. The log stays: a run that was cut short between
    this and what follows notes its parts once more. It is locked while it is read; on a file system without locks
    two may be told at once: what they do must bear that.

    Parameters
    ----------
    log : Path
        File of this piece of work, on the file system that all ranks see.
    low, high, count : int
        Slices may be noted more than once.
    note : iterable of float
        What the finisher should know of this part.

    Returns
    -------
    list of list of float, or None
        The notes of all parts, in the order of their slices.
    """
    fields = [str(low), str(high), *(repr(float(each)) for each in note), _END]
    line = "\n" + " ".join(fields) + "\n"  # on a line of its own, whatever a full disk left of the one before
    with log.open("a+") as handle:
        with contextlib.suppress(OSError):  # a file system without locks: lines are appended whole all the same
            fcntl.lockf(handle, fcntl.LOCK_EX)
        handle.write(line)
        handle.flush()
        handle.seek(0)
        rows = [row.split() for row in handle.read().splitlines()]
    whole = [row for row in rows if len(row) == len(fields) and row[-1] == _END]
    parts = sorted((int(row[0]), int(row[1]), [float(each) for each in row[2:-1]]) for row in whole)
    reached = 0
    for first, last, _ in parts:
        if first > reached:
            return None
        reached = max(reached, last)
    return [each for _, _, each in parts] if reached >= count else None
