"""Stored data: what every store can do, and the store in a file.

In a file: one contiguous HDF5 dataset that every rank maps into memory. The dataset is allocated once by the first
rank; all ranks then read and write it at its byte offset, so neither parallel HDF5 nor messages are needed. A
finished store carries a mark; without it, it is not used. Stores in memory are in `tomosaxs.memory_store`.
"""

from __future__ import annotations

import json
import os
import shutil
from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import h5py
import numpy as np
from numpy.typing import NDArray

from tomosaxs.communicator import Communicator
from tomosaxs.dataset import ArrayReader, Reader
from tomosaxs.errors import InputError

_MARK = "done.json"


class DataStore(ABC):
    """Where the values of a dataset lie between the section that makes them and those that read them.

    Every rank has one; they are the same dataset. In this order: `allocate`, `open` to write, on all ranks
    `tomosaxs.blocks.write_block` and at the end `flush`, a barrier, `finish` on one; then `reader`; then `release`.

    Attributes
    ----------
    lasting : bool
        Whether the values outlive the process.
    slot : tuple of int
        Where it is one part of the dataset only: the part's place along the leading axes.
    """

    lasting: ClassVar[bool]
    slot: tuple[int, ...]

    @abstractmethod
    def allocate(self, shape: tuple[int, ...], dtype: np.dtype[Any], comm: Communicator) -> None:
        """Take the room for the whole dataset; collective."""

    @abstractmethod
    def open(self, mode: str = "r") -> Any:
        """Return what `tomosaxs.blocks.write_block` writes to (``r+``): an array, or an object that takes blocks."""

    @abstractmethod
    def reader(self) -> Reader:
        """Return a reader over the stored values."""

    @abstractmethod
    def part(self, slot: tuple[int, ...]) -> DataStore:
        """Return the store of one part of the dataset, at a place along its leading axes."""

    def finish(self, note: dict[str, Any]) -> None:
        """Mark the store as whole; called by one rank after all have written."""
        del note

    def finished(self) -> DataStore | None:
        """Return the whole store that an earlier run left, or None; what does not last never is."""
        return None

    def release(self) -> None:  # noqa: B027 - a file holds nothing
        """Give back what is held of the dataset, after the last rank has read it."""


@dataclass(frozen=True)
class Store(DataStore):
    """A dataset in a file of its own.

    Parameters
    ----------
    file : Path
        HDF5 file.
    internal : str
        Path of the dataset in it.
    slot : tuple of int
        Where it is one part of the dataset only: the part's place along the leading axes.
    """

    lasting: ClassVar[bool] = True
    file: Path
    internal: str
    slot: tuple[int, ...] = ()

    def allocate(self, shape: tuple[int, ...], dtype: np.dtype[Any], comm: Communicator) -> None:
        """Allocate the dataset on disk, by the first rank; collective.

        Raises
        ------
        InputError
            On the first rank, when the disk has no room for it.
        """
        if comm.rank == 0:
            self.create(shape, dtype)
        comm.barrier()

    def part(self, slot: tuple[int, ...]) -> Store:
        """Return the store of one part of the dataset, at a place along its leading axes."""
        return replace(self, slot=slot)

    def create(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        """Allocate the dataset on disk; called by one rank.

        Raises
        ------
        InputError
            When the disk has no room for it.
        """
        self.file.parent.mkdir(parents=True, exist_ok=True)
        # a new file, never the old one made empty: a result may share its bytes, and the mark spoke of the old one
        (self.file.parent / _MARK).unlink(missing_ok=True)
        self.file.unlink(missing_ok=True)
        need = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
        try:
            with h5py.File(self.file, "w") as handle:
                properties = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
                properties.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
                properties.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
                links = h5py.h5p.create(h5py.h5p.LINK_CREATE)
                links.set_create_intermediate_group(True)
                space = h5py.h5s.create_simple(shape)
                kind = h5py.h5t.py_create(dtype, logical=True)
                made = h5py.h5d.create(handle.id, self.internal.encode(), kind, space, properties, links)
                offset = made.get_offset()
            if need and hasattr(os, "posix_fallocate"):
                # a map into a sparse file on a full disk ends in a bus error: take the room now
                with self.file.open("r+b") as raw:
                    os.posix_fallocate(raw.fileno(), offset, need)
        except OSError as error:
            self.file.unlink(missing_ok=True)
            free = shutil.disk_usage(self.file.parent).free
            raise InputError(
                f"{self.file.parent}: cannot store {need / 1e9:.3g} GB ({free / 1e9:.3g} GB free): {error}"
            ) from error

    def holds(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> bool:
        """Return whether the file has room for such a dataset at its place, whole or not."""
        try:
            with h5py.File(self.file, "r") as handle:
                found = handle.get(self.internal)
                if not isinstance(found, h5py.Dataset) or found.shape != shape or found.dtype != dtype:
                    return False
                offset = found.id.get_offset()
        except OSError:
            return False
        need = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
        return offset is not None and self.file.stat().st_size >= offset + need

    def open(self, mode: str = "r") -> NDArray[Any]:
        """Map the dataset into memory, ``r`` to read or ``r+`` to write."""
        with h5py.File(self.file, "r") as handle:
            dataset = handle[self.internal]
            offset, shape, dtype = dataset.id.get_offset(), dataset.shape, dataset.dtype
            if offset is None:  # empty, or not contiguous (an older, compressed result)
                whole: NDArray[Any] = dataset[self.slot] if self.slot else dataset[...]
                return whole
        mapped: NDArray[Any] = np.memmap(self.file, dtype=dtype, mode=mode, offset=offset, shape=shape)  # type: ignore[call-overload]
        return mapped[self.slot] if self.slot else mapped

    def reader(self) -> Reader:
        """Return a reader over the stored values."""
        return ArrayReader(self.open())

    def finish(self, note: dict[str, Any]) -> None:
        """Mark the store as whole; called by one rank after all have written."""
        temporary = self.file.parent / (_MARK + ".part")
        temporary.write_text(json.dumps({**note, "internal": self.internal, "bytes": self.file.stat().st_size}))
        temporary.replace(self.file.parent / _MARK)

    def finished(self) -> Store | None:
        """Return the whole store that an earlier run left in this file, under whatever name, or None."""
        mark = self.file.parent / _MARK
        if not (mark.is_file() and self.file.is_file()):
            return None
        note = json.loads(mark.read_text())
        if self.file.stat().st_size < note["bytes"]:  # cut off since
            return None
        return replace(self, internal=note["internal"])


def flush(target: Any) -> None:
    """Hand what was written on: a mapped array's changes to the file system, blocks for other nodes to those."""
    if isinstance(target, np.memmap) or not isinstance(target, np.ndarray):
        target.flush()
