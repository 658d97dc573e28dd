"""What a rank is doing, in a file that others can read after its death."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

_RECORD = 512  # bytes of a status record: one letter, a count, then text
_COUNT = 15  # digits
RUNNING, WAITING, FINISHED, FAILED = "r", "w", "f", "x"
LAST_WORDS = "lost-rank.txt"


class Status(NamedTuple):
    """A record as it was read.

    Parameters
    ----------
    state : str
        ``r`` running, ``w`` waiting for other ranks, ``f`` finished, ``x`` failed and told so itself.
    writes : int
        How often the record was written: a rank of which this stands still makes no progress.
    text : str
        What the rank does.
    """

    state: str
    writes: int
    text: str


class RankStatus:
    """What one rank is doing, readable by others after its death.

    Parameters
    ----------
    path : Path
        File of 512 bytes; it is created, its folder has to exist.

    Raises
    ------
    OSError
        The file cannot be written.
    """

    def __init__(self, path: Path | str) -> None:
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
        self._state, self._count = RUNNING, 0
        self._text = b"the start"
        self._write()

    def _write(self) -> None:
        if self._file < 0:
            return
        # one write of constant size at the same place: cheap, never torn, and no disk can fill up through it
        self._count += 1
        record = f"{self._state}{self._count:0{_COUNT}d}".encode() + self._text
        os.pwrite(self._file, record[:_RECORD].ljust(_RECORD, b"\0"), 0)

    def update(self, text: str) -> None:
        """Say what this rank does now, for instance ``step 4 reconstruct, block 3 of 20``."""
        self._text = text.encode(errors="replace")
        self._state = RUNNING
        self._write()

    def waiting(self, waits: bool) -> None:
        """Say that this rank waits for others, or no longer: while it does, its own progress does not count."""
        self._state = WAITING if waits else RUNNING
        self._write()

    def finished(self) -> None:
        """Say that this rank has done its work; its end is nothing to report."""
        self._close(FINISHED)

    def failed(self) -> None:
        """Say that this rank has told what went wrong itself; the watcher ends the others without a word."""
        self._close(FAILED)

    def _close(self, state: str) -> None:
        self._state = state
        self._write()
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


def parse_status(record: bytes) -> Status:
    """Return what a record says; an empty one, of a rank that has not begun, counts as running."""
    text = record.rstrip(b"\0").decode(errors="replace")
    count = text[1 : 1 + _COUNT]
    return Status(text[:1] or RUNNING, int(count) if count.isdigit() else 0, text[1 + _COUNT :])


def read_status(path: Path | str) -> Status:
    """Return a rank's record; finished where the folder went with the finished run."""
    try:
        return parse_status(Path(path).read_bytes())
    except OSError:
        return Status(FINISHED, 0, "")
