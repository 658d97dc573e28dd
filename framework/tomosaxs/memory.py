"""Memory of blocks, used again: large new arrays cost more to get from the system than frames cost to decode.

And what a rank may hold at all: the promise of ``--memory``, and what a process holds now.
"""

from __future__ import annotations

import ctypes
import functools
import math
import mmap
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

_LEAST = 1 << 24
"""Bytes below which the memory allocator itself keeps what was used."""
_MOST = 1 << 30
"""Bytes of this process that are kept for later blocks, all together."""

BESIDE = 220e6
"""Bytes of a rank beside its share of ``--memory``: interpreter, libraries and compiled code, as measured."""

_kept: list[NDArray[np.uint8]] = []
_lock = threading.Lock()


def empty_block(shape: Sequence[int], dtype: DTypeLike) -> NDArray[Any]:
    """Return an array of any contents, in memory that an earlier block used where nobody holds that block any more.

    What holds an array or any view of it holds its memory: it is given away again only after the last one is gone.
    """
    kind = np.dtype(dtype)
    size = math.prod(shape) * kind.itemsize
    if size < _LEAST or size > _MOST or not getattr(sys, "_is_gil_enabled", lambda: True)():
        return np.empty(shape, kind)
    with _lock:
        number = next((n for n in range(len(_kept)) if _is_free(n) and size <= _kept[n].size <= 2 * size), None)
        if number is None:
            for n in reversed(range(len(_kept))):
                if _is_free(n) and sum(each.size for each in _kept) + size > _MOST:
                    del _kept[n]
            made = np.empty(size, np.uint8)
            if sum(each.size for each in _kept) + size <= _MOST:
                _kept.append(made)
            return made.view(kind).reshape(shape)
        return _kept[number][:size].view(kind).reshape(shape)


def _is_free(number: int) -> bool:
    """Return whether only the list itself (and this question) refers to the memory; a view refers to it as well."""
    return sys.getrefcount(_kept[number]) <= 2


def forget_blocks() -> None:
    """Give back the memory of blocks that nobody holds any more, and what the allocator keeps of small ones."""
    with _lock:
        for number in reversed(range(len(_kept))):
            if _is_free(number):
                del _kept[number]
    trim = getattr(_allocator(), "malloc_trim", None)
    if trim is not None:
        trim(0)


@functools.cache
def _allocator() -> ctypes.CDLL | None:
    """Return the C library where it is the GNU one, whose memory can be given back."""
    return ctypes.CDLL(None) if sys.platform == "linux" else None


def file_map(array: NDArray[Any]) -> mmap.mmap | None:
    """Return the map of a file that an array is a part of; None for memory that is not backed by a file."""
    each: Any = array
    mapped = False
    while each is not None and not isinstance(each, mmap.mmap):
        mapped = mapped or (isinstance(each, np.memmap) and each.mode != "c")
        each = getattr(each, "base", None)
    return each if mapped else None


def release(array: NDArray[Any]) -> None:
    """Let the pages of a mapped file go from this process's memory; the values stay, in the file.

    Pages of a map count as memory of the process that touched them: without this a rank would hold all it ever wrote.
    The system reads or writes them as it does those of any file. Nothing happens to arrays that are no such map.
    """
    mapped = file_map(array)
    if mapped is not None and hasattr(mmap, "MADV_DONTNEED"):
        mapped.madvise(mmap.MADV_DONTNEED)


def node_limit(memory: float, node_ranks: int) -> float:
    """Return the bytes that all ranks of a node together never exceed: ``--memory`` and `BESIDE` for each of them.

    Parameters
    ----------
    memory : float
        ``--memory`` of a node, `tomosaxs.plan.Options.memory`.
    node_ranks : int
        Ranks on the node.
    """
    return memory + node_ranks * BESIDE


def rank_limit(memory: float, node_ranks: int, needed: float = 0.0) -> float:
    """Return the bytes that one rank never exceeds.

    Parameters
    ----------
    memory, node_ranks
        As for `node_limit`.
    needed : float
        What the plan says that this rank needs at most, where that is more than an equal share of the node (the first
        rank, which finishes estimators); `tomosaxs.plan.memory.rank_need`.
    """
    return max(memory / max(1, node_ranks), needed) + BESIDE


def proportional_size(process: int | str = "self") -> int:
    """Return the memory of a process in bytes, its part of shared pages only (PSS); 0 where it cannot be known."""
    try:
        lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
    except OSError:  # it ended, is not ours, or the system keeps no such file
        return 0
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) * 1024
