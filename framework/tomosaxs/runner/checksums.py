"""Checksums of the inputs, made beside the run; they also tell when a file changed while it was read."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Sequence
from pathlib import Path

from tomosaxs.errors import InputError


class Checksums:
    """sha256 of every input, made beside the run; a file that changes meanwhile is an error."""

    def __init__(self, files: Sequence[Path]) -> None:
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
            found = hashlib.sha256()
            try:
                with path.open("rb") as handle:
                    while chunk := handle.read(1 << 22):
                        found.update(chunk)
            except OSError as error:
                self.fault = f"input {path} cannot be read to its end: {error}"
                return
            self.sums[path] = found.hexdigest()

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


def _stamp(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_size, status.st_mtime_ns
