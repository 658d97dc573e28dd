"""What every store has to do, on any number of ranks: `store_conformance.py FOLDER KIND,KIND`, alone or under mpirun.

The same cases run over every kind: written block by block sliced one way, read block by block sliced another way.
"""

from __future__ import annotations

import gc
import itertools
import os
import sys
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from tomosaxs import deliveries, memory_store, shared_memory
from tomosaxs.blocks import block_ranges, read_block, share, slice_count, write_block
from tomosaxs.communicator import Communicator, world
from tomosaxs.memory_store import MemoryStore, NodesStore
from tomosaxs.store import DataStore, Store, flush

KINDS = ("file", "memory", "named memory", "nodes")


@dataclass(frozen=True)
class Case:
    """A dataset, how it is written and how it is read."""

    shape: tuple[int, ...]
    written: tuple[int, ...]
    read: tuple[int, ...]
    dtype: str = "float32"
    halo: int = 0
    block: int = 2
    stack: tuple[int, ...] = ()


CASES = [
    Case((7, 5, 6), (0,), (1,)),
    Case((7, 5, 6), (0,), (1,), halo=1),
    Case((7, 5, 6), (1,), (2,), "uint16", block=3),
    Case((7, 5, 6), (0,), (0,), "float64"),
    Case((3, 4, 5, 6), (0, 1), (3,), "complex64"),
    Case((3, 4, 5, 6), (0, 1, 2), (0, 3), "bool", block=7),
    Case((3, 2, 4, 5, 6), (0, 1, 2), (2, 3), halo=2, block=5),
    Case((3, 2, 4, 5), (3, 0), (2, 1), "int8"),
    Case((0, 5, 6), (0,), (1,)),
    Case((5, 0, 6), (0,), (1,)),
    Case((1, 2, 300), (0,), (1,), block=1),
    Case((4, 5, 6), (0,), (1,), stack=(2, 3)),
    Case((4, 5, 6), (1,), (2,), halo=1, stack=(2,)),
    Case((130, 3, 260), (0,), (2,), block=130),
]
"""Blocks, ranks and axes of many kinds; the last is large enough to be copied tile by tile."""


def made(kind: str, case: Case, folder: Path) -> DataStore:
    """Return a store of a kind, told how the dataset will be read."""
    if kind == "file":
        return Store(folder / f"case-{CASES.index(case)}" / "data.h5", "/entry/some/data")
    if kind == "nodes":
        return NodesStore(case.read, case.halo, stacked=len(case.stack))
    depth = len(case.stack)
    rest = [number for number in range(len(case.shape)) if number not in case.read]
    return MemoryStore([*range(depth), *(depth + number for number in (*case.read, *rest))])


def flat(data: np.ndarray, sliced: tuple[int, ...]) -> np.ndarray:
    """Return (slices, \\*other axes) by plain numpy."""
    rest = [number for number in range(data.ndim) if number not in sliced]
    return np.transpose(data, [*sliced, *rest]).reshape(slice_count(data.shape, sliced), *(data.shape[d] for d in rest))


def parts(store: DataStore, case: Case) -> Iterator[tuple[tuple[int, ...], DataStore]]:
    """Yield the store, or those of the parts of a stack."""
    if not case.stack:
        yield (), store
    for slot in np.ndindex(*case.stack) if case.stack else ():
        yield slot, store.part(slot)


def check(kind: str, case: Case, folder: Path, comm: Communicator) -> None:
    """Write and read a dataset and its uncertainties side by side."""
    rng = np.random.default_rng(CASES.index(case))
    values = (rng.random((*case.stack, *case.shape)) * 200 - 100).astype(case.dtype)
    sigmas = (rng.random(values.shape) * 200 - 100).astype(case.dtype)
    stores = [made(kind, case, folder), made(kind, case, folder / "sigma")]
    for store in stores:
        store.allocate(values.shape, values.dtype, comm)
    for store, data in zip(stores, (values, sigmas), strict=True):
        for slot, part in parts(store, case):
            blocks = flat(data[slot], case.written)
            target = part.open("r+")
            for low, high in block_ranges(*share(len(blocks), comm.size, comm.rank), case.block):
                block = np.array(blocks[low:high])
                write_block(target, case.written, low, block)
                block[...] = 0  # what was handed over may be used again
            flush(target)
    comm.barrier()
    for store, data in zip(stores, (values, sigmas), strict=True):
        if comm.rank == 0:
            store.finish({"key": "k"})
        comm.barrier()
        for slot, part in parts(store, case):
            wanted = flat(data[slot], case.read)
            reader = part.reader()
            assert reader.shape == case.shape
            assert reader.dtype == data.dtype
            for low, high in _ranges(kind, case, len(wanted), comm):
                got = read_block(reader, case.read, low, high)
                assert got.tobytes() == wanted[low:high].tobytes(), (kind, case, slot, low, high)
                assert got.flags.c_contiguous
        known = store.finished()
        assert (known is not None) == store.lasting
        if known is not None and not case.stack:
            assert np.array_equal(known.reader().read((slice(None),) * len(case.shape)), data)
    comm.barrier()
    for store in stores:
        store.release()


def _ranges(kind: str, case: Case, count: int, comm: Communicator) -> list[tuple[int, int]]:
    """Return what a rank reads: its own share with a halo and, but from nodes, any other part."""
    own = share(count, comm.size, comm.rank)
    found = [(max(0, low - case.halo), min(count, high + case.halo)) for low, high in block_ranges(*own, case.block)]
    if kind != "nodes":
        found += list(itertools.combinations(range(0, count + 1, max(1, count // 5)), 2))
    return found


def held_by(process: str = "self") -> int:
    """Return the number of maps of shared memory of ours."""
    gc.collect()
    lines = Path(f"/proc/{process}/maps").read_text().splitlines()
    return sum("tomosaxs" in line and ("memfd" in line or "/dev/shm" in line) for line in lines)


def no_room(kind: str, folder: Path, comm: Communicator) -> None:
    """Without room all ranks hear of it alike, and nothing stays."""
    if kind == "file":
        return
    before = shared_memory.free_memory, set(shared_memory.SHM.iterdir())
    store = made(kind, CASES[0], folder)
    for module in (shared_memory, memory_store):
        module.free_memory = lambda: 10.0 if comm.rank == 0 else 1e12  # type: ignore[attr-defined]
    try:
        with pytest.raises(shared_memory.NoRoomError, match="MB are needed") as told:
            store.allocate(CASES[0].shape, np.dtype("float32"), comm)
    finally:
        for module in (shared_memory, memory_store):
            module.free_memory = before[0]  # type: ignore[attr-defined]
    assert told.value.everywhere
    comm.barrier()
    assert not {path for path in set(shared_memory.SHM.iterdir()) - before[1] if path.name.startswith("tomosaxs")}


def run(kind: str, folder: Path, comm: Communicator) -> None:
    """Run every case over a kind of store."""
    if kind == "named memory":
        shared_memory._has_memfd = lambda: False
    if kind == "nodes":
        deliveries._CHUNK = 4096  # many messages a block
    for case in CASES:
        check(kind, case, folder, comm)
    no_room(kind, folder, comm)
    assert held_by() == 0
    store = made(kind, CASES[0], folder)
    store.allocate(CASES[0].shape, np.dtype("float32"), comm)
    assert (held_by() > 0) == (comm.size > 1 and kind != "file")
    comm.barrier()
    store.release()
    assert held_by() == 0
    comm.barrier()


def wait(kind: str, comm: Communicator) -> None:
    """Hold shared memory until killed."""
    if kind == "named memory":
        shared_memory._has_memfd = lambda: False
    window = shared_memory.Window(comm, 1 << 20)
    window.bytes[:] = 1
    print(f"holding {os.getpid()}", flush=True)
    time.sleep(60)


def main() -> None:
    """Run the kinds of the command line."""
    warnings.simplefilter("error")
    comm = world()
    for kind in sys.argv[2].split(","):
        if kind.startswith("wait "):
            wait(kind.removeprefix("wait "), comm)
        run(kind, Path(sys.argv[1]) / kind.replace(" ", "-"), comm)
        print(f"rank {comm.rank} of {comm.size}, node {comm.node}: {kind} ok", flush=True)


if __name__ == "__main__":
    main()
