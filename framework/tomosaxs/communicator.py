"""Ranks and what they tell each other. The only file that imports mpi4py, and only under a launcher.

A process that no launcher started gets a serial communicator and needs no MPI library. Waiting is polite: a rank
that has nothing to do sleeps instead of spinning, leaves the core to the others, and hears Ctrl-C.
"""

from __future__ import annotations

import atexit
import functools
import math
import os
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt

from tomosaxs import launcher
from tomosaxs.codec import decode, encode
from tomosaxs.deliveries import Deliveries, Taken
from tomosaxs.errors import InputError

_SLOT = 4096  # bytes of the first message: the length, and the message itself where it fits, as most do
_TEXT = 64  # where it begins there, so that arrays stay aligned
_CHUNK = 256 * 1024 * 1024  # bytes of one MPI call; far below the 2^31 that some libraries count to
_PRETENDED = "TOMOSAXS_PRETEND_NODES"  # for tests: take the ranks of one machine for those of so many nodes
_LONGEST_SLEEP = 0.002  # seconds between two looks at a request
_SAID_AFTER = 0.3  # seconds after which a rank that waits says so
_FLUSH_SECONDS = 0.3  # the launcher kills at once on an abort: time for it to pass on the last message


class MPIError(InputError):
    """MPI is not set up as the launcher says; nothing was computed."""


class Communicator:
    """One rank alone; the base of what ranks under MPI have.

    Every method except `abort` is collective: all ranks call it in the same order.

    Attributes
    ----------
    rank, size : int
        0-based number of this rank, and how many there are.
    node_rank, node_size : int
        The same among the ranks that share memory with this one.
    node : int
        Number of the node: the lowest rank on it.
    waits : callable or None
        Called with True when this rank has waited for others for a while, with False when it goes on.
    """

    waits: Callable[[bool], None] | None = None
    rank: int = 0
    size: int = 1
    node_rank: int = 0
    node_size: int = 1
    node: int = 0

    def barrier(self) -> None:
        """Wait until all ranks are here."""

    def bcast(self, value: Any, root: int = 0) -> Any:
        """Return root's value on every rank; see `tomosaxs.codec.encode` for what can be sent."""
        _check_root(root, self.size)
        return decode(encode(value))

    def gather(self, value: Any, root: int = 0) -> list[Any] | None:
        """Return all ranks' values in the order of ranks on root, None elsewhere."""
        _check_root(root, self.size)
        return [decode(encode(value))]

    def allgather(self, value: Any) -> list[Any]:
        """Return all ranks' values, in the order of ranks, on every rank."""
        return [decode(encode(value))]

    def allreduce_max(self, value: float) -> Any:
        """Return the largest value; nan when there is one."""
        values = self.allgather(value)
        unordered = [item for item in values if isinstance(item, float) and math.isnan(item)]
        return unordered[0] if unordered else max(values)

    def allreduce_sum(self, value: float) -> Any:
        """Return the sum, added in the order of ranks: the same bits on every rank; ints without limit."""
        return functools.reduce(lambda one, other: one + other, self.allgather(value))

    def deliveries(self, taken: Taken) -> Deliveries | None:
        """Begin a round in which ranks send each other pieces of arrays; None where there is one rank only."""
        return None

    def abort(self, status: int) -> NoReturn:
        """End all ranks at once. Not collective: the rank that failed calls it after its message.

        Parameters
        ----------
        status : int
            Exit status of mpirun, 1 to 255.
        """
        _flush()
        raise SystemExit(status)


def _check_root(root: int, size: int) -> None:
    if not 0 <= root < size:
        raise ValueError(f"rank {root} does not exist, there are {size}")


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):  # nobody listens, or it is closed
            continue


class _MPICommunicator(Communicator):
    """Ranks under MPI. Messages are bytes in numpy buffers: mpi4py's own object messages are pickles."""

    def __init__(self, mpi: Any) -> None:
        self._mpi = mpi
        self._comm = mpi.COMM_WORLD.Dup()  # a user's own messages on the world never mix with these
        self.rank, self.size = self._comm.Get_rank(), self._comm.Get_size()
        shared = self._comm.Split_type(mpi.COMM_TYPE_SHARED, self.rank)
        pretended = os.environ.get(_PRETENDED, "")
        if pretended.isdigit() and int(pretended) > 1:
            whole = shared
            shared = whole.Split(whole.Get_rank() * int(pretended) // whole.Get_size(), self.rank)
            whole.Free()
        self.node_rank, self.node_size = shared.Get_rank(), shared.Get_size()
        first = np.array([self.rank], dtype=np.int64)
        shared.Bcast(first, root=0)
        self.node = int(first[0])
        shared.Free()

    def _wait(self, request: Any) -> None:
        for _ in range(20):  # the others are often here already
            if request.Test():
                return
            time.sleep(0)
        pause, say, told = 2e-5, self.waits, False
        moment = math.inf if say is None else time.monotonic() + _SAID_AFTER
        while not request.Test():
            time.sleep(pause)
            pause = min(pause * 1.5, _LONGEST_SLEEP)
            if say is not None and time.monotonic() > moment:
                say(True)
                moment, told = math.inf, True
        if told and say is not None:
            say(False)

    def barrier(self) -> None:
        self._wait(self._comm.Ibarrier())

    def _bcast_bytes(self, message: npt.NDArray[np.uint8], root: int) -> None:
        for start in range(0, message.size, _CHUNK):
            self._wait(self._comm.Ibcast(message[start : start + _CHUNK], root=root))

    def bcast(self, value: Any, root: int = 0) -> Any:
        _check_root(root, self.size)
        slot = np.zeros(_SLOT, dtype=np.uint8)
        message = encode(value) if self.rank == root else slot
        if self.rank == root:
            _fill(slot, message)
        self._wait(self._comm.Ibcast(slot, root=root))
        short = _from_slot(slot)
        if short is not None:
            return decode(short)
        if self.rank != root:
            message = np.empty(_length(slot), dtype=np.uint8)
        self._bcast_bytes(message, root)
        return decode(message)

    def _slots(self, message: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        mine = np.zeros(_SLOT, dtype=np.uint8)
        _fill(mine, message)
        slots = np.empty((self.size, _SLOT), dtype=np.uint8)
        self._wait(self._comm.Iallgather(mine, slots))
        return slots

    def allgather(self, value: Any) -> list[Any]:
        message = encode(value)
        values = []
        for rank, slot in enumerate(self._slots(message)):
            full = _from_slot(slot)
            if full is None:
                full = message if rank == self.rank else np.empty(_length(slot), dtype=np.uint8)
                self._bcast_bytes(full, rank)
            values.append(decode(full))
        return values

    def gather(self, value: Any, root: int = 0) -> list[Any] | None:
        _check_root(root, self.size)
        message = encode(value)
        slots = self._slots(message)
        if self.rank != root:
            if _from_slot(slots[self.rank]) is None:
                for start in range(0, message.size, _CHUNK):
                    self._wait(self._comm.Isend(message[start : start + _CHUNK], dest=root, tag=1))
            return None
        values = []
        for rank, slot in enumerate(slots):
            full = _from_slot(slot)
            if full is None and rank == root:
                full = message
            elif full is None:
                full = np.empty(_length(slot), dtype=np.uint8)
                for start in range(0, full.size, _CHUNK):
                    self._wait(self._comm.Irecv(full[start : start + _CHUNK], source=rank, tag=1))
            values.append(decode(full))
        return values

    def deliveries(self, taken: Taken) -> Deliveries | None:
        return Deliveries(self._mpi, self._comm.Dup(), taken, self._wait)

    def abort(self, status: int) -> NoReturn:
        _flush()
        time.sleep(_FLUSH_SECONDS)
        if not self._mpi.Is_finalized():
            self._mpi.COMM_WORLD.Abort(status)
        os._exit(status)  # where the library came back from an abort

    def finalize(self) -> None:
        """Wait, asleep, for the ranks that are still at work, then leave MPI. Runs by itself at exit."""
        if not self._mpi.Is_finalized():
            self.barrier()  # MPI_Finalize would wait too, but spinning
            self._mpi.Finalize()


def _fill(slot: npt.NDArray[np.uint8], message: npt.NDArray[np.uint8]) -> None:
    slot[:8] = np.frombuffer(message.size.to_bytes(8, "little"), dtype=np.uint8)
    if message.size <= slot.size - _TEXT:
        slot[_TEXT : _TEXT + message.size] = message


def _length(slot: npt.NDArray[np.uint8]) -> int:
    return int.from_bytes(slot[:8].tobytes(), "little")


def _from_slot(slot: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8] | None:
    """The message, when it was short enough to travel with its length."""
    length = _length(slot)
    return slot[_TEXT : _TEXT + length] if length <= slot.size - _TEXT else None


def _import_mpi() -> Any:
    try:
        import mpi4py

        # thread level stays at "multiple": measured as fast with polite waits, and where the library itself waits
        # (windows, files) it then yields the core
        mpi4py.rc.initialize = False
        mpi4py.rc.finalize = False  # else an exception on one rank waits in MPI_Finalize for the others, for ever
        from mpi4py import MPI

        _check_vendor(MPI.get_vendor()[0])
        with warnings.catch_warnings():
            # mpi4py may suspect two MPI libraries; _check_size finds out, and then it is an error
            warnings.filterwarnings("ignore", message="suspicious MPI execution environment")
            MPI.Init_thread(MPI.THREAD_MULTIPLE)
        return MPI
    except (ImportError, RuntimeError) as error:  # no mpi4py; or it found no MPI library to load
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise MPIError(
            f"started by an MPI launcher as one of {launcher.promised_size()} ranks, but MPI cannot be used here "
            f"({reason}). Cure: pip install 'tomosaxs[mpi]' into this Python ({sys.executable}) and start with the "
            "mpirun beside it; or start without mpirun"
        ) from error


def _check_vendor(vendor: str) -> None:
    """Refuse another library under Open MPI's mpirun before it starts: it would end this process itself."""
    if "OMPI_COMM_WORLD_SIZE" in os.environ and "PMI_SIZE" not in os.environ and vendor != "Open MPI":
        _check_size(1, launcher.promised_size())


def _check_size(size: int, promised: int) -> None:
    """Refuse N worlds of size one: the library in this Python does not belong to the launcher."""
    if size == promised or (promised == 1 and size > 1):
        return
    mpirun = Path(sys.executable).parent / "mpirun"
    raise MPIError(
        f"the launcher started {promised} ranks, but the MPI library of this Python sees {size}: they are of two MPI "
        f"libraries. Cure: start with the mpirun that belongs to this Python ({mpirun}); with srun use --mpi=pmi2 "
        "for MPICH and --mpi=pmix for Open MPI"
    )


def _abort_on_exception(communicator: Communicator, previous: Callable[..., object]) -> Callable[..., None]:
    def hook(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
        previous(kind, error, traceback)
        communicator.abort(130 if issubclass(kind, KeyboardInterrupt) else 1)

    return hook


def _connect() -> Communicator:
    promised = launcher.promised_size()
    if not launcher.under_mpi():
        _check_size(1, promised)
        return Communicator()
    if promised == 1 and not os.environ.get("PMIX_RANK"):
        return Communicator()  # mpirun -n 1 needs no MPI library
    mpi = _import_mpi()
    try:
        _check_size(mpi.COMM_WORLD.Get_size(), promised)
    except MPIError:
        mpi.Finalize()
        raise
    communicator = _MPICommunicator(mpi)
    atexit.register(communicator.finalize)
    sys.excepthook = _abort_on_exception(communicator, sys.excepthook)
    return communicator


@functools.cache
def world() -> Communicator:
    """Return the communicator of all ranks; the same object at every call.

    Under mpirun the first call starts MPI, and from then on an exception that nobody catches ends all ranks with
    exit status 1. Exit statuses other than that are for all ranks together: a rank that leaves alone calls
    `Communicator.abort`.

    Raises
    ------
    MPIError
        A launcher started this process but mpi4py or the MPI library is missing, or it is not the launcher's. Only
        the launcher's first rank raises; the others leave silently with status 2, so that one message appears.
    """
    try:
        return _connect()
    except MPIError:
        if launcher.launcher_rank() == 0:
            raise
        time.sleep(1.0)  # a launcher may kill all when one leaves: first the message
        raise SystemExit(MPIError.exit_status) from None
