"""Every store does the same: what is written in blocks along some axes is read in blocks along others."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from store_conformance import CASES, check, no_room

from tomosaxs.communicator import Communicator
from tomosaxs.copies import copy_into
from tomosaxs.memory_store import MemoryStore, runs_of
from tomosaxs.shared_memory import SHM, shared_room

PROGRAM = Path(__file__).with_name("store_conformance.py")
MPIRUN = shutil.which("mpirun", path=str(Path(sys.executable).parent))
needs_mpi = pytest.mark.skipif(
    MPIRUN is None or importlib.util.find_spec("mpi4py") is None,
    reason=f"needs mpi4py and an mpirun beside {sys.executable}: pip install 'tomosaxs[mpi]'",
)


def environment(nodes: int = 1) -> dict[str, str]:
    paths = os.pathsep.join(path for path in sys.path if path)
    return {**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1", "TOMOSAXS_PRETEND_NODES": str(nodes)}


def words(ranks: int, *arguments: object) -> list[str]:
    assert MPIRUN is not None
    return [MPIRUN, "-n", str(ranks), sys.executable, str(PROGRAM), *map(str, arguments)]


@pytest.mark.parametrize("kind", ["file", "memory", "nodes"])
@pytest.mark.parametrize("case", CASES, ids=str)
def test_one_process(kind, case, tmp_path) -> None:
    check(kind, case, tmp_path, Communicator())


def test_without_room_one_process_says_so(tmp_path) -> None:
    no_room("memory", tmp_path, Communicator())


@needs_mpi
@pytest.mark.parametrize(
    ("ranks", "nodes", "kinds"),
    [(2, 1, "file,memory,named memory"), (3, 1, "memory"), (3, 2, "nodes")],
)
def test_several_ranks(ranks, nodes, kinds, tmp_path) -> None:
    done = subprocess.run(
        words(ranks, tmp_path, kinds), env=environment(nodes), capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    said = re.findall(r"rank (\d+) of \d+, node (\d+): ([a-z ]+) ok", done.stdout)  # ranks may write into one line
    assert len(set(said)) == len(said) == ranks * len(kinds.split(",")), done.stdout
    assert len({node for _, node, _ in said}) == nodes


@pytest.mark.parametrize("kind", ["memory", "named memory"])
def test_nothing_stays_after_a_kill(kind, tmp_path) -> None:
    """The memory goes with the process, also when that had no chance to give it back."""
    before = set(SHM.iterdir())
    words = [sys.executable, str(PROGRAM), str(tmp_path), "wait " + kind]
    running = subprocess.Popen(words, env=environment(), stdout=subprocess.PIPE, text=True)
    try:
        assert running.stdout is not None
        assert running.stdout.readline() == f"holding {running.pid}\n"
        assert "tomosaxs" in Path(f"/proc/{running.pid}/maps").read_text()
    finally:
        running.kill()
        running.wait()
    assert not [path for path in set(SHM.iterdir()) - before if path.name.startswith("tomosaxs")]


def test_values_for_one_reader_may_be_changed_and_others_not() -> None:
    for writable in (False, True):
        store = MemoryStore((1, 0), writable=writable)
        store.allocate((3, 4), np.dtype("float32"), Communicator())
        store.open("r+")[...] = 1
        part = store.reader().read((slice(None), slice(1, 2)))
        assert part.flags.writeable is writable
        assert np.shares_memory(part, store.open())  # no copy


@pytest.mark.parametrize("halo", [0, 2, 100])
@pytest.mark.parametrize("nodes", [[0, 0, 0, 3, 3], [0, 1, 0, 1], [0], [0, 1, 2, 3, 4, 5, 6, 7]])
def test_every_node_holds_what_its_ranks_read(nodes, halo) -> None:
    from tomosaxs.blocks import share

    for count in (0, 1, 5, 23):
        runs = runs_of(count, nodes, halo)
        for rank, node in enumerate(nodes):
            low, high = share(count, len(nodes), rank)
            mine = [each for run in runs if run.node == node for each in range(run.low, run.high)]
            assert len(mine) == len(set(mine))
            if low < high:
                assert set(range(max(0, low - halo), min(count, high + halo))) <= set(mine)
        for node in set(nodes):
            rows = [row for run in runs if run.node == node for row in range(run.row, run.row + run.high - run.low)]
            assert rows == list(range(len(rows)))


@pytest.mark.parametrize("order", [(0, 1, 2), (1, 0, 2), (2, 1, 0), (2, 0, 1), (1, 2, 0)])
@pytest.mark.parametrize("dtype", ["uint8", "float32", "complex128"])
def test_copies_of_turned_axes(order, dtype) -> None:
    source = np.arange(300 * 40 * 90).reshape(300, 40, 90).astype(dtype)
    turned = np.transpose(source, order)
    large = np.zeros([size + 2 for size in turned.shape], dtype)
    copy_into(large[1:-1, 1:-1, 1:-1], turned)
    assert np.array_equal(large[1:-1, 1:-1, 1:-1], turned)
    assert np.count_nonzero(large) == np.count_nonzero(turned)


def test_room_is_looked_at(monkeypatch) -> None:
    """A container with a small /dev/shm gives what that has, where it is what would be used."""
    from tomosaxs import shared_memory

    monkeypatch.setattr(shared_memory, "_has_memfd", lambda: False)
    usage = SimpleNamespace(total=64e6, used=60e6, free=4e6)
    monkeypatch.setattr(shared_memory.shutil, "disk_usage", lambda place: usage)
    assert shared_room() == 4e6
    with pytest.raises(OSError, match="5 MB are needed, /dev/shm has 4 MB free"):
        shared_memory._named(5_000_000)
