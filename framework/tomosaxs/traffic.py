"""Bytes that this process has read from files and written to them, counted where it happens.

What is counted here is what programs ask the system for: whether a disk was involved, or the system's cache of it, is
not known. Messages between ranks, and memory that they share, are no files.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Literal, TypeAlias

Kind: TypeAlias = Literal["input_read", "checksum_read", "work_read", "work_written", "result_written", "result_read"]
KINDS: Mapping[Kind, str] = {
    "input_read": "read from the inputs",
    "checksum_read": "read for the checksums of the inputs",
    "work_read": "read from datasets between passes",
    "work_written": "written to datasets between passes",
    "result_written": "written to the result and the files of saving steps",
    "result_read": "read from the result, to copy or to show it",
}
"""What is told apart, and what it is."""
READ: tuple[Kind, ...] = ("input_read", "checksum_read", "work_read", "result_read")
WRITTEN: tuple[Kind, ...] = ("work_written", "result_written")

_counts: dict[Kind, int] = {}
_lock = threading.Lock()


def count_bytes(kind: Kind, count: int) -> None:
    """Add to what has been read or written; from any thread."""
    with _lock:
        _counts[kind] = _counts.get(kind, 0) + int(count)


def bytes_so_far() -> dict[Kind, int]:
    """Return what this process has read and written since it began."""
    with _lock:
        return {kind: _counts.get(kind, 0) for kind in KINDS}


def bytes_since(before: Mapping[Kind, int]) -> dict[Kind, int]:
    """Return what this process has read and written since it was asked with `bytes_so_far`."""
    return {kind: count - before.get(kind, 0) for kind, count in bytes_so_far().items()}


def count_input(count: int) -> None:
    """Count bytes that the reader of an input reads from its file, as they are stored.

    Of readers that never call this the runner counts the bytes of the blocks that they return.
    """
    count_bytes("input_read", count)
