"""A dataset written in projections and read in sinograms, by several ranks: our stores and a plain Alltoallv, in turns.

    mpirun -n 2 python benchmarks/reslice.py [--shape 721,256,1024] [--repeat 5] [--folder DIR]
    TOMOSAXS_PRETEND_NODES=2 mpirun -n 2 python benchmarks/reslice.py      (every rank on a node of its own)

Every rank writes its projections in blocks of 16 and, when all have, reads its sinograms in blocks of 16, each copied
once more, as work on it would read it. ``new``: with memory or a file that is asked for each time; ``again``: with the
same memory or file, so that the system has its pages ready. GB/s of the dataset, over all ranks, and processor seconds
of all ranks together (what the system writes to the disk in the background is not in them).
"""

from __future__ import annotations

import argparse
import contextlib
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from tomosaxs.blocks import block_ranges, read_block, share, write_block
from tomosaxs.communicator import Communicator, world
from tomosaxs.file_target import FileTarget
from tomosaxs.memory_store import MemoryStore, NodesStore
from tomosaxs.store import DataStore, Store, flush

BLOCK = 16


class Stored:
    """The reslice through one of our stores."""

    def __init__(self, make: Callable[[], DataStore], shape: tuple[int, ...], comm: Communicator) -> None:
        self.make, self.shape, self.comm = make, shape, comm
        self.store: DataStore | None = None

    def new(self) -> None:
        if self.store is not None:
            self.store.release()
        self.store = self.make()
        self.store.allocate(self.shape, np.dtype(np.float32), self.comm)

    def __call__(self, projections: np.ndarray, scratch: np.ndarray) -> float:
        if self.store is None:
            self.new()
        store, comm = self.store, self.comm
        target = (
            FileTarget(store.file, store.internal, store.slot, "work_written")
            if isinstance(store, Store)
            else store.open("r+")
        )
        low, high = share(self.shape[0], comm.size, comm.rank)
        for first, last in block_ranges(low, high, BLOCK):
            write_block(target, (0,), first, projections[first - low : last - low])
        flush(target)
        if isinstance(target, FileTarget):
            target.close()
        comm.barrier()
        reader, total = store.reader(), 0.0
        for first, last in block_ranges(*share(self.shape[1], comm.size, comm.rank), BLOCK):
            block = read_block(reader, (1,), first, last)
            np.copyto(scratch[: len(block)], block)
            total += float(scratch[0, -1, -1])
        return total


class Exchanged:
    """The reslice by packing, Alltoallv and unpacking, as one writes it with mpi4py."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        from mpi4py import MPI

        self.shape, self.comm, self.mpi = shape, MPI.COMM_WORLD, MPI
        self.buffers: list[np.ndarray] = []

    def new(self) -> None:
        ranks, rank = self.comm.Get_size(), self.comm.Get_rank()
        angles, rows, columns = self.shape
        mine, own = (np.diff(share(count, ranks, rank))[0] for count in (angles, rows))
        sizes = (mine * rows * columns, angles * own * columns, own * angles * columns)
        self.buffers = [np.empty(size, np.float32) for size in sizes]

    def __call__(self, projections: np.ndarray, scratch: np.ndarray) -> float:
        if not self.buffers:
            self.new()
        packed, came, made = self.buffers
        ranks, rank = self.comm.Get_size(), self.comm.Get_rank()
        angles, rows, columns = self.shape
        cuts = [share(rows, ranks, each) for each in range(ranks)]
        sources = [share(angles, ranks, each) for each in range(ranks)]
        own = cuts[rank][1] - cuts[rank][0]
        counts = [len(projections) * (high - low) * columns for low, high in cuts]
        offset = 0
        for (low, high), count in zip(cuts, counts, strict=True):
            packed[offset : offset + count].reshape(len(projections), high - low, columns)[...] = projections[
                :, low:high
            ]
            offset += count
        incoming = [(high - low) * own * columns for low, high in sources]
        self.comm.Alltoallv([packed, counts, self.mpi.FLOAT], [came, incoming, self.mpi.FLOAT])
        whole, offset = made.reshape(own, angles, columns), 0
        for (low, high), count in zip(sources, incoming, strict=True):
            piece = came[offset : offset + count].reshape(high - low, own, columns)
            whole[:, low:high] = piece.transpose(1, 0, 2)
            offset += count
        total = 0.0
        for first, last in block_ranges(0, own, BLOCK):
            np.copyto(scratch[: last - first], whole[first:last])
            total += float(scratch[0, -1, -1])
        return total


def candidates(comm: Communicator, shape: tuple[int, ...], folder: Path) -> dict[str, Stored | Exchanged]:
    """Return what is measured, by name."""
    found: dict[str, Stored | Exchanged] = {}
    if comm.size == comm.node_size:
        found["memory"] = Stored(lambda: MemoryStore((1, 0, 2)), shape, comm)
    else:
        found["nodes"] = Stored(lambda: NodesStore((1,)), shape, comm)
    found["file"] = Stored(lambda: Store(folder / "data.h5", "/data"), shape, comm)
    if comm.size > 1:
        found["Alltoallv"] = Exchanged(shape)
    return found


@contextlib.contextmanager
def shared_folder(comm: Communicator, given: Path | None) -> Iterator[Path]:
    """Give all ranks the same folder, removed at the end."""
    with tempfile.TemporaryDirectory(prefix="tomosaxs_benchmark_", dir=given) as name:
        yield Path(comm.bcast(name))
        comm.barrier()


def main() -> None:
    """Measure in turns and print medians."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shape", default="721,256,1024")
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--folder", type=Path)
    given = parser.parse_args()
    comm = world()
    shape = tuple(int(each) for each in given.shape.split(","))
    low, high = share(shape[0], comm.size, comm.rank)
    projections = np.empty((high - low, *shape[1:]), np.float32)
    projections[...] = np.arange(low, high, dtype=np.float32)[:, None, None]
    scratch = np.zeros((BLOCK, shape[0], shape[2]), np.float32)
    taken: dict[tuple[str, str], list[tuple[float, float]]] = {}
    with shared_folder(comm, given.folder) as folder:
        ways = candidates(comm, shape, folder)
        for _ in range(given.repeat):
            for name, way in ways.items():
                for state in ("new", "again"):
                    comm.barrier()
                    begun, spent = time.perf_counter(), time.process_time()
                    if state == "new":
                        way.new()
                    total = way(projections, scratch)
                    spent = comm.allreduce_sum(time.process_time() - spent)
                    taken.setdefault((name, state), []).append((time.perf_counter() - begun, spent))
                    blocks = len(block_ranges(*share(shape[1], comm.size, comm.rank), BLOCK))
                    assert total == blocks * (shape[0] - 1), (name, total)
    if comm.rank == 0:
        size = float(np.prod(shape)) * 4
        nodes = len(set(range(0, comm.size, comm.node_size)))
        print(f"{'x'.join(map(str, shape))} float32, {size / 1e9:.2f} GB, {comm.size} ranks on {nodes} node(s)")
        for (name, state), measured in taken.items():
            wall, processor = zip(*measured, strict=True)
            rates = sorted(size / each / 1e9 for each in wall)
            print(
                f"{name:10} {state:6} {statistics.median(rates):5.2f} GB/s  ({rates[0]:.2f} - {rates[-1]:.2f}), "
                f"{statistics.median(processor):.2f} processor s"
            )


if __name__ == "__main__":
    main()
