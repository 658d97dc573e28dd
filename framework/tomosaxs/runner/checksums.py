"""Checksums of the inputs, made beside the run; they also tell when a file changed while it was read."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, TypeAlias

from tomosaxs.errors import InputError

Extent: TypeAlias = Literal["auto", "full", "sampled"]
"""How much of a file its checksum is of; ``auto``: all of it up to `WHOLE_UP_TO`."""
WHOLE_UP_TO = 1 << 30
"""Bytes; hashing costs a second of a core for each, which is more than most lists need for the same data."""
_SAMPLES, _SAMPLE = 64, 1 << 16


class Checksums:
    """sha256 of every input, made beside the run; a file that changes meanwhile is an error.

    Of a file larger than `WHOLE_UP_TO` it is, unless `extent` says otherwise, of the size and of 64 samples of
    64 kB spread over it; such a checksum begins with ``sampled:``.
    """

    def __init__(self, files: Sequence[Path], extent: Extent = "auto") -> None:
        self.extent = extent
        self.files = [path for path in dict.fromkeys(files) if path.is_file()]
        self.before = {path: _stamp(path) for path in self.files}
        self.sums: dict[Path, str] = {}
        self.thread: threading.Thread | None = None
        self.fault = ""

    def start(self, here: bool) -> None:
        """Begin, where `here` is true, in a thread of its own (hashing leaves the interpreter free)."""
        if here:
            self.thread = threading.Thread(target=self._run, daemon=True)
            self.thread.start()

    def _run(self) -> None:
        for path in self.files:
            try:
                self.sums[path] = checksum_of(path, self.before[path][0], self.extent)
            except OSError as error:
                self.fault = f"input {path} cannot be read to its end: {error}"
                return

    def wait(self) -> dict[Path, str]:
        """Return the sums.

        Raises
        ------
        InputError
            When a file cannot be read or changed since the run began.
        """
        if self.thread is not None:
            self.thread.join()
        if self.fault:
            raise InputError(self.fault)
        for path, before in self.before.items():
            if _stamp(path) != before:
                raise InputError(f"input {path} changed while it was read; run again once it is complete")
        return self.sums


def checksum_of(path: Path, size: int, extent: Extent = "auto") -> str:
    """Return the checksum of a file of `size` bytes."""
    whole = extent == "full" or (extent == "auto" and size <= WHOLE_UP_TO)
    return _whole(path) if whole else _sampled(path, size)


def _whole(path: Path) -> str:
    found = hashlib.sha256()
    with path.open("rb") as handle:
        while chunk := handle.read(1 << 22):
            found.update(chunk)
    return found.hexdigest()


def _sampled(path: Path, size: int) -> str:
    found = hashlib.sha256(str(size).encode())
    with path.open("rb") as handle:
        for number in range(_SAMPLES):
            handle.seek(max(0, size - _SAMPLE) * number // (_SAMPLES - 1))
            found.update(handle.read(_SAMPLE))
    return f"sampled:{found.hexdigest()}"


def _stamp(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_size, status.st_mtime_ns
