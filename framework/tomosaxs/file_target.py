"""Write blocks to a dataset that lies in a file in one piece."""

from __future__ import annotations

import ctypes
import functools
import math
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from tomosaxs.blocks import write_block
from tomosaxs.memory import release
from tomosaxs.traffic import Kind, count_bytes

MAPPED = 1 << 24
"""Bytes that are written through a map at a time."""
_WRITE = 2
"""SYNC_FILE_RANGE_WRITE."""


class FileTarget:
    """Takes the blocks of one rank.

    Slices that follow each other in the file are written with one call, which costs half of what a map costs: no page
    is fetched or faulted in. Where the axes of a block lie in another order it is written through a map.

    Parameters
    ----------
    file : Path
        HDF5 file with the room for the dataset.
    internal : str
        Path of the dataset in it.
    slot : tuple of int
        Where blocks are of one part of the dataset only: its place along the leading axes.
    kind : str
        As what the bytes count.
    """

    def __init__(self, file: Path, internal: str, slot: tuple[int, ...] = (), kind: Kind = "work_written") -> None:
        with h5py.File(file, "r") as handle:
            dataset = handle[internal]
            place, shape, self.dtype = dataset.id.get_offset(), dataset.shape, dataset.dtype
        self.file, self.kind = file, kind
        self.shape = tuple(int(size) for size in shape[len(slot) :])
        self.empty = place is None
        size = math.prod(self.shape) * self.dtype.itemsize
        number = int(np.ravel_multi_index(slot, shape[: len(slot)])) if slot else 0
        self.place = (place or 0) + number * size
        self._descriptor: int | None = None
        self._map: NDArray[Any] | None = None

    def write(self, sliced: Sequence[int], low: int, block: NDArray[Any]) -> None:
        """Put a block to its place; see `tomosaxs.blocks.write_block`.

        Raises
        ------
        OSError
            When the disk fails.
        """
        if self.empty or block.size == 0:
            return
        if [*sliced] == [*range(len(sliced))]:
            self._write_run(low, np.ascontiguousarray(block, dtype=self.dtype))
        else:
            if self._map is None:
                self._map = np.memmap(self.file, self.dtype, "r+", self.place, self.shape)
            step = max(1, len(block) * MAPPED // max(1, block.nbytes))
            for first in range(0, len(block), step):  # pages of a map count as memory until they are let go
                write_block(self._map, sliced, low + first, block[first : first + step])
                release(self._map)
        count_bytes(self.kind, block.size * self.dtype.itemsize)

    def _write_run(self, low: int, block: NDArray[Any]) -> None:
        if self._descriptor is None:
            self._descriptor = os.open(self.file, os.O_WRONLY)
        rest = block.reshape(-1).view(np.uint8).data
        begin = at = self.place + low * (block.nbytes // len(block))
        while rest:
            done = os.pwrite(self._descriptor, rest, at)
            rest, at = rest[done:], at + done
        if self.kind == "result_written":  # it has to be on the disk in the end: the disk may as well begin
            _begin_to_save(self._descriptor, begin, block.nbytes)

    def flush(self) -> None:
        """Wait until the disk, and with it every other node, has what was written."""
        number = os.open(self.file, os.O_RDONLY)
        try:
            os.fsync(number)
        finally:
            os.close(number)

    def close(self) -> None:
        """Give the file back; what is written stays."""
        self._map = None
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


@functools.cache
def _sync_file_range() -> Any:
    """Return the system's call, or None where it has none."""
    call = getattr(ctypes.CDLL(None, use_errno=True), "sync_file_range", None) if sys.platform == "linux" else None
    if call is not None:
        call.argtypes = [ctypes.c_int, ctypes.c_int64, ctypes.c_int64, ctypes.c_uint]
    return call


def _begin_to_save(descriptor: int, place: int, count: int) -> None:
    """Ask the system to begin to write a part of a file to the disk; nobody waits for it."""
    call = _sync_file_range()
    if call is not None:
        call(descriptor, place, count, _WRITE)  # a file system that cannot do it does it later
