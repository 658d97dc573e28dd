"""Memory that the ranks of a node share: nameless, so that the system frees it with the last rank however that ends.

No file that anybody else sees stands behind it: the first rank of a node asks the kernel for memory
(``memfd_create``), the others open it through /proc and that rank's number. Where that is not possible (a Python built
for an old system, ranks in containers of their own that still share /dev/shm), a file in /dev/shm is used, and its
name removed as soon as all have opened it.

Nothing is asked for before a look at what is free: what the kernel promises and cannot give ends in a bus error, or in
the death of some process. What was looked at is then taken at once, every rank its part.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tomosaxs.available import available_memory
from tomosaxs.communicator import Communicator
from tomosaxs.errors import TomosaxsError

SHM = Path("/dev/shm")
_KEPT_FREE = 256e6
"""Bytes that are left to others."""


class NoRoomError(TomosaxsError):
    """The memory cannot be had; raised on all ranks alike."""

    everywhere = True


def free_memory() -> float:
    """Return the bytes this machine, or the container, can still give."""
    return max(0.0, available_memory() - _KEPT_FREE)


def shared_room() -> float:
    """Return the bytes that a window on this node may have; 0 where this system has none."""
    if sys.platform != "linux":
        return 0.0
    return free_memory() if _has_memfd() else min(free_memory(), _file_room())


def _has_memfd() -> bool:
    return hasattr(os, "memfd_create") and Path("/proc/self/fd").is_dir()


def _file_room() -> float:
    """Return what the file system of /dev/shm has left: containers often have 64 MB."""
    try:
        return float(shutil.disk_usage(SHM).free)
    except OSError:
        return 0.0


class Window:
    """Bytes that all ranks of a node map.

    Parameters
    ----------
    comm : Communicator
        All ranks; made collectively.
    size : int
        Bytes, on this node.

    Attributes
    ----------
    bytes : (size,) uint8 array
        The memory, zero at first.

    Raises
    ------
    NoRoomError
        On all ranks, when one node cannot give its part; the message says which and why.
    """

    def __init__(self, comm: Communicator, size: int) -> None:
        self.bytes: NDArray[np.uint8] = np.zeros(0, np.uint8)
        told: list[str] = []
        for way in (_nameless, _named):
            faults = self._made(comm, size, way)
            if not faults:
                return
            told.extend(faults)
        raise NoRoomError("; ".join(dict.fromkeys(told)))

    def _made(self, comm: Communicator, size: int, way: Callable[[int], tuple[int, str]]) -> list[str]:
        """Make the memory in one way; return what stood against it, on any rank, without leaving anything."""
        handle, place, fault = -1, "", ""
        try:
            if comm.node_rank == 0:
                handle, place = way(size)
        except OSError as error:
            fault = f"node {comm.node}: {error}"
        told = comm.allgather([comm.node, comm.node_rank, place, fault])
        faults = [text for *_, text in told if text]
        if not faults:
            fault = self._mapped(comm, size, handle, next(p for n, r, p, _ in told if n == comm.node and r == 0))
            faults = [text for text in comm.allgather(fault) if text]
        if place.startswith(str(SHM)):
            Path(place).unlink(missing_ok=True)
        if handle >= 0:
            os.close(handle)
        if faults:
            self.bytes = np.zeros(0, np.uint8)
        return faults

    def _mapped(self, comm: Communicator, size: int, handle: int, place: str) -> str:
        """Map the memory on this rank and take its part of it; return what stood against it."""
        try:
            own = handle if handle >= 0 else os.open(place, os.O_RDWR | os.O_CLOEXEC)
            try:
                if size == 0:
                    return ""
                low, high = (size * number // comm.node_size for number in (comm.node_rank, comm.node_rank + 1))
                if high > low:
                    os.posix_fallocate(own, low, high - low)
                mapped = mmap.mmap(own, size)
            finally:
                if handle < 0:
                    os.close(own)
        except (OSError, ValueError) as error:
            return f"node {comm.node}, rank {comm.rank}: {error}"
        if hasattr(mmap, "MADV_HUGEPAGE"):
            with contextlib.suppress(OSError):  # this kernel has no large pages for shared memory
                mapped.madvise(mmap.MADV_HUGEPAGE)
        # a view of a view: `tomosaxs.store.release` lets pages go of maps that are files, and finds this is none
        self.bytes = np.frombuffer(memoryview(mapped), np.uint8)
        return ""


def _nameless(size: int) -> tuple[int, str]:
    _look(size, free_memory(), "memory")
    if not _has_memfd():
        raise OSError("this Python has no os.memfd_create")
    handle = os.memfd_create("tomosaxs", os.MFD_CLOEXEC)
    os.ftruncate(handle, size)
    return handle, f"/proc/{os.getpid()}/fd/{handle}"


def _named(size: int) -> tuple[int, str]:
    _look(size, free_memory(), "memory")
    _look(size, _file_room(), str(SHM))
    handle, place = tempfile.mkstemp(prefix="tomosaxs-", dir=SHM)
    os.ftruncate(handle, size)
    return handle, place


def _look(size: int, room: float, where: str) -> None:
    if size > room:
        raise OSError(f"{size / 1e6:.4g} MB are needed, {where} has {room / 1e6:.4g} MB free")
