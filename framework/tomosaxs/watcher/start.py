"""Start the watcher of a node, and let it reach this rank."""

from __future__ import annotations

import contextlib
import faulthandler
import fcntl
import json
import os
import resource
import signal
import subprocess
import sys
import threading
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from tomosaxs.watcher.status import LAST_WORDS, RankStatus

if TYPE_CHECKING:
    from tomosaxs.communicator import Communicator

# A package of the same name without its __init__: the watcher needs nothing but the standard library, and begins soon.
_BEGIN = (
    "import sys, types; package = types.ModuleType('tomosaxs'); package.__path__ = [sys.argv[1]]; "
    "sys.modules['tomosaxs'] = package; from tomosaxs.watcher.watch import main; main(sys.argv[2])"
)


@dataclass(frozen=True)
class Guards:
    """When a run is ended that does not end by itself.

    Parameters
    ----------
    stall : float
        Seconds without any sign of progress; 0: never.
    memory : float
        Bytes that the ranks of a node promised to stay within; 0: no limit.
    """

    stall: float = 0.0
    memory: float = 0.0


def start_watcher(
    communicator: Communicator, status_directory: Path | str, guards: Guards | None = None, log: Path | None = None
) -> RankStatus:
    """Open this rank's record and start a watcher on each node. Collective.

    A process that is alone gets a watcher only where `guards` are given.

    Parameters
    ----------
    communicator : Communicator
    status_directory : Path
        Must exist and be the same on all ranks of a node. It then holds ``rank-0``, ``rank-1`` ..., and
        ``lost-rank.txt`` with the watcher's message after a rank has died.
    guards : Guards, optional
        Limits; default none.
    log : Path, optional
        File to which the watcher adds its message.

    Returns
    -------
    RankStatus
        Of this rank. Call `RankStatus.finished` at the end of the work, `RankStatus.failed` before an abort.
    """
    directory = Path(status_directory)
    limits = guards or Guards()
    alone = communicator.size == 1
    if (alone and guards is None) or not sys.platform.startswith("linux"):
        return RankStatus(directory / f"rank-{communicator.rank}")
    status = _Watched(directory, communicator)
    # ranks in containers of their own cannot see each other's processes
    place = [communicator.node, str(Path("/proc/self/ns/pid").readlink())]
    ranks = communicator.allgather([communicator.rank, os.getpid(), *status.ends, place])
    here = [words[:4] for *words, other in ranks if other == place]
    if here[0][0] == communicator.rank:
        (directory / LAST_WORDS).unlink(missing_ok=True)
        told = {
            "directory": str(directory.resolve()), "log": "" if log is None else str(log.absolute()),
            "size": communicator.size, "ranks": here, "dump": _dump_signal(), **asdict(limits),
        }  # fmt: skip
        if alone:  # there is nobody to wait for
            threading.Thread(target=_begin, args=(told, status), daemon=True).start()
            return status
        _begin(told)
    communicator.barrier()
    status.release()
    return status


def _begin(told: dict[str, Any], alone: _Watched | None = None) -> None:
    # -I -S: no site-packages, no user settings; starts in some 30 ms. It returns when the watch has begun.
    package = str(Path(__file__).parents[1])
    command = [sys.executable, "-I", "-S", "-c", _BEGIN, package, json.dumps(told)]
    subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, start_new_session=True, check=True)
    if alone is not None:
        alone.release()


def _dump_signal() -> int:
    """A signal that nobody else uses: at it, the C code of faulthandler writes down where every thread is."""
    return int(signal.SIGRTMIN) + 9


class _Watched(RankStatus):
    """The record of a rank that a watcher can hear, look into, and ask to leave.

    Attributes
    ----------
    ends : list of int
        Descriptors that the watcher opens: the reading end of the lifeline, the writing end of the request to leave.
    """

    def __init__(self, directory: Path, communicator: Communicator) -> None:
        super().__init__(directory / f"rank-{communicator.rank}")
        lifeline, self._lifeline = _lifeline()
        asked, request = os.pipe()
        self.ends = [lifeline, request]
        self._places: IO[str] = (directory / f"where-{communicator.rank}.txt").open("w")
        faulthandler.register(_dump_signal(), file=self._places, all_threads=True, chain=False)
        self._dies_loudly = not faulthandler.is_enabled()
        if self._dies_loudly:  # at a fault in compiled code it writes down where that was
            faulthandler.enable(self._places, all_threads=True)
        self._hears = _hear_signals(self._lifeline)
        threading.Thread(target=_listen, args=(asked, communicator), daemon=True, name="watcher").start()
        self._communicator = communicator
        communicator.waits = self.waiting

    def release(self) -> None:
        """Close what only the watcher needs, once it has opened it."""
        for descriptor in self.ends:
            os.close(descriptor)

    def _close(self, state: str) -> None:
        if self._file >= 0:
            self._communicator.waits = None
            faulthandler.unregister(_dump_signal())
            if self._dies_loudly:
                faulthandler.disable()
            self._places.close()
            if self._hears:
                signal.set_wakeup_fd(-1)
        super()._close(state)


def _lifeline() -> tuple[int, int]:
    """Make a pipe whose writing end this process alone keeps, to its death; return both ends.

    The number of the writing end is high because Linux closes the files of a dying process from the highest number
    down: the watcher sees the end of this pipe before the launcher sees the end of its own, and before it kills the
    other ranks. So it knows who was first.
    """
    reading, writing = os.pipe()
    highest = min(resource.getrlimit(resource.RLIMIT_NOFILE)[0], 4096) - 64
    kept = fcntl.fcntl(writing, fcntl.F_DUPFD_CLOEXEC, max(highest, writing))
    os.close(writing)
    os.set_blocking(kept, False)
    return reading, kept


def _hear_signals(descriptor: int) -> bool:
    """Have the numbers of signals written to the lifeline as they come: also while a library keeps the interpreter."""
    if threading.current_thread() is not threading.main_thread():
        return False
    before = signal.set_wakeup_fd(descriptor, warn_on_full_buffer=False)
    if before != -1:  # an event loop, of a notebook for instance, needs it
        signal.set_wakeup_fd(before)
    return before == -1


def _listen(asked: int, communicator: Communicator) -> None:
    """Leave, with all ranks, when the watcher asks for it: it has told why."""
    word = b""
    with contextlib.suppress(OSError):
        word = os.read(asked, 1)
    os.close(asked)
    if not word:  # the watcher has ended, as all is done
        return
    try:
        if communicator.size > 1:
            communicator.abort(1)
    finally:
        os._exit(1)
