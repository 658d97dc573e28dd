"""What the tests run under mpirun: `program.py WHAT [ARGUMENT]`."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

import numpy as np

from tomosaxs.communicator import Communicator, world
from tomosaxs.watcher.start import start_watcher


def values(communicator: Communicator) -> None:
    rank, size = communicator.rank, communicator.size
    large = np.arange(3_000_000, dtype=np.float64) + 0.1  # 24 MB: more than fits beside the length
    for root in range(size):
        got = communicator.bcast({"root": root, "large": large} if rank == root else None, root=root)
        assert got["root"] == root
        assert got["large"].tobytes() == large.tobytes()
    got = communicator.allgather([rank, float("nan"), "ä", np.full((rank + 1, 2), rank, dtype=np.uint16)])
    assert [item[0] for item in got] == list(range(size))
    assert all(item[3].shape == (index + 1, 2) and (item[3] == index).all() for index, item in enumerate(got))
    mixed = communicator.allgather(large if rank == size - 1 else rank)  # short from some, long from one
    assert mixed[:-1] == list(range(size - 1))
    assert mixed[-1].tobytes() == large.tobytes()
    for root in range(size):
        gathered = communicator.gather(large[: 1000 * (rank + 1)], root=root)
        assert (gathered is not None) == (rank == root)
        if gathered is not None:
            assert [len(item) for item in gathered] == [1000 * (index + 1) for index in range(size)]
    assert communicator.allreduce_sum(rank + 1) == size * (size + 1) // 2
    assert communicator.allreduce_sum(2**70) == size * 2**70
    assert communicator.allreduce_max(float(rank)) == size - 1
    if size > 1:
        assert np.isnan(communicator.allreduce_max(float("nan") if rank == 1 else 5.0))
    communicator.barrier()
    print(f"rank {rank} of {size} node {communicator.node_rank} of {communicator.node_size} ok", flush=True)


def waiting(communicator: Communicator) -> None:
    """Processor time of ranks that wait one second for another."""
    communicator.barrier()
    before = time.process_time()
    if communicator.rank == 0:
        time.sleep(1.0)
    communicator.barrier()
    used = communicator.allgather(time.process_time() - before)
    if communicator.rank == 0:
        print(f"waited {max(used):.3f}")


def watched(communicator: Communicator, folder: Path, end: str) -> None:
    """Rank 1 ends in a certain way while the others wait for it, at work or in a barrier."""
    status = start_watcher(communicator, folder)
    (folder / f"pid-{communicator.rank}").write_text(str(os.getpid()))
    communicator.barrier()
    status.update("step 4 reconstruct, block 3 of 20")
    last = communicator.rank == min(1, communicator.size - 1)
    try:
        if last and end == "raise":
            raise ValueError("this block is bad")
        if last and end.startswith("signal"):
            time.sleep(0.05)
            os.kill(os.getpid(), int(end[6:]))
        if last and end.startswith("exit"):
            os._exit(int(end[4:]))
        if end == "stubborn":  # nothing but SIGKILL ends the others
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
        if end in ("sleep", "stubborn"):
            (folder / f"ready-{communicator.rank}").touch()
            time.sleep(60)
        if end == "wait":  # one rank at work, the others in a barrier
            (folder / f"ready-{communicator.rank}").touch()
            if communicator.rank == 0:
                time.sleep(60)
        if end != "done":
            communicator.barrier()
    except ValueError as error:
        status.failed()
        print(f"rank {communicator.rank}: {error}", file=sys.stderr)
        communicator.abort(1)
    except KeyboardInterrupt:
        status.failed()
        communicator.abort(130)
    status.finished()


def main() -> None:
    what, *rest = sys.argv[1:]
    communicator = world()
    if what == "values":
        values(communicator)
    elif what == "waiting":
        waiting(communicator)
    elif what == "status":
        sys.exit(int(rest[0]))
    elif what == "abort":
        if communicator.rank == communicator.size - 1:
            print("the last words", file=sys.stderr)
            communicator.abort(int(rest[0]))
        communicator.barrier()
    elif what == "raise":
        if communicator.rank == communicator.size - 1:
            raise ValueError("nobody catches this")
        communicator.barrier()
    elif what == "watched":
        watched(communicator, Path(rest[0]), rest[1])
    else:
        raise ValueError(what)


if __name__ == "__main__":
    main()
