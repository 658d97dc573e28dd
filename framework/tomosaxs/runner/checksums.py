"""Checksums of the inputs, made beside the run; they also tell when a file changed while it was read."""

from __future__ import annotations

import datetime
import hashlib
import os
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, TypeAlias

from tomosaxs.errors import InputError
from tomosaxs.traffic import count_bytes

Extent: TypeAlias = Literal["auto", "full", "sampled"]
"""How much of a file its checksum is of; ``auto``: all of it up to `WHOLE_UP_TO`."""
WHOLE_UP_TO = 1 << 26
"""Bytes. Hashing is a second pass over a file, and a second of a core for each gigabyte."""
_SAMPLES, _SAMPLE = 64, 1 << 16
LOOK_SECONDS = 5.0
"""Between two looks at size and time of the inputs, at least."""


class InputChanged(InputError):
    """An input changed while it was read: what was computed of it is not to be used again."""


class Checksums:
    """sha256 of every input, made beside the run; a file that changes meanwhile is an error.

    Of a file larger than `WHOLE_UP_TO` it is, unless `extent` says otherwise, of the size and of 64 samples of
    64 kB spread over it; such a checksum begins with ``sampled:``.

    Size and time of change are looked at while the run goes on. Contents that changed without them (a file written over
    whose time was set back) are found at the end, where the system's own record of changes gives reason to look.
    """

    def __init__(self, files: Sequence[Path], extent: Extent = "auto") -> None:
        self.extent = extent
        self.files = [path for path in dict.fromkeys(files) if path.is_file()]
        self.before = {path: path.stat() for path in self.files}
        self.sums: dict[Path, str] = {}
        self.thread: threading.Thread | None = None
        self.ended = threading.Event()
        self.owner = threading.current_thread()
        self.fault = self.change = ""

    def start(self, here: bool) -> None:
        """Begin, where `here` is true, in threads of their own (hashing leaves the interpreter free)."""
        if here:
            self.thread = threading.Thread(target=self._run, daemon=True)
            self.thread.start()
            threading.Thread(target=self._watch, daemon=True).start()

    def _run(self) -> None:
        for path in self.files:
            try:
                self.sums[path] = checksum_of(path, self.before[path].st_size, self.extent)
            except OSError as error:
                self.fault = f"input {path} cannot be read to its end: {error}"
                return

    def _watch(self) -> None:
        pause = LOOK_SECONDS
        while not self.ended.wait(pause):
            begun = time.monotonic()
            self.change = self.find_change()
            if self.change:
                return
            pause = max(LOOK_SECONDS, 50 * (time.monotonic() - begun))  # thousands of files on a slow disk

    def find_change(self) -> str:
        """Return which input changed since the run began, and what of it; empty where none did."""
        for path, before in self.before.items():
            what = _difference(path, before)
            if what:
                return f"input {path} changed while it was read: {what}; run again once it is complete"
        return ""

    def refuse_change(self) -> None:
        """Refuse to go on where a change was seen; in the thread of the run only, which can end in order.

        Raises
        ------
        InputError
            With the file and what changed.
        """
        if self.change and threading.current_thread() is self.owner:
            raise InputChanged(self.change)

    def wait(self) -> dict[Path, str]:
        """Return the sums.

        Raises
        ------
        InputError
            When a file cannot be read or changed since the run began.
        """
        self.ended.set()
        if self.thread is not None:
            self.thread.join()
        self.change = self.find_change() or self._changed_contents()
        if self.change:
            raise InputChanged(self.change)
        if self.fault:
            raise InputError(self.fault)
        return self.sums

    def _changed_contents(self) -> str:
        for path, before in self.before.items():
            now = path.stat()
            if (now.st_ino, now.st_ctime_ns) == (before.st_ino, before.st_ctime_ns) or path not in self.sums:
                continue  # nobody touched it: neither its contents, nor its name or rights
            if checksum_of(path, now.st_size, self.extent) != self.sums[path]:
                return f"input {path} changed while it was read: its contents; run again once it is complete"
        return ""


def _difference(path: Path, before: os.stat_result) -> str:
    try:
        now = path.stat()
    except OSError as error:
        return f"it is gone ({error.strerror})"
    found = []
    if now.st_size != before.st_size:
        found.append(f"it had {before.st_size} bytes and has {now.st_size}")
    if now.st_mtime_ns != before.st_mtime_ns:
        moment = datetime.datetime.fromtimestamp(now.st_mtime, datetime.timezone.utc)
        found.append(f"it was written to at {moment:%Y-%m-%d %H:%M:%S} UTC")
    return ", ".join(found)


def checksum_of(path: Path, size: int, extent: Extent = "auto") -> str:
    """Return the checksum of a file of `size` bytes."""
    whole = extent == "full" or (extent == "auto" and size <= WHOLE_UP_TO)
    return _whole(path) if whole else _sampled(path, size)


def _whole(path: Path) -> str:
    found = hashlib.sha256()
    with path.open("rb") as handle:
        while chunk := handle.read(1 << 22):
            found.update(chunk)
            count_bytes("checksum_read", len(chunk))
    return found.hexdigest()


def _sampled(path: Path, size: int) -> str:
    found = hashlib.sha256(str(size).encode())
    with path.open("rb") as handle:
        for number in range(_SAMPLES):
            handle.seek(max(0, size - _SAMPLE) * number // (_SAMPLES - 1))
            chunk = handle.read(_SAMPLE)
            found.update(chunk)
            count_bytes("checksum_read", len(chunk))
    return f"sampled:{found.hexdigest()}"
