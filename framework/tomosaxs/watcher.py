"""Says which rank died, and sees to it that no rank outlives it.

A rank that raises can tell what happened. One that is killed cannot: by the kernel when memory runs out, by a
segmentation fault, by kill -9. Therefore each rank keeps a small record of what it is doing, and on each node one
process of its own session, started before the work begins, waits for the ranks of that node.

The watcher runs this same file as a script, so it needs nothing but the standard library.
"""

from __future__ import annotations

import array
import ctypes
import fcntl
import os
import resource
import select
import signal
import stat
import struct
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tomosaxs.communicator import Communicator

_RECORD = 512  # bytes of a status record: one letter, then text
_RUNNING, _FINISHED, _FAILED = b"r", b"f", b"x"
_LAUNCHERS = ("mpirun", "mpiexec", "mpiexec.hydra", "prterun", "orterun", "prte", "srun")
LAST_WORDS = "lost-rank.txt"
_PIDFD_GETFD = 438  # number of the system call, the same on all machines (Linux 5.6)
GRACE_SECONDS = 1.0  # for the launcher, to end the other ranks itself
KILL_SECONDS = 2.5  # then, from SIGTERM to SIGKILL


class RankStatus:
    """What one rank is doing, readable by others after its death.

    Parameters
    ----------
    path : Path
        File of 512 bytes; it is created, its folder has to exist.

    Raises
    ------
    OSError
        The file cannot be written.
    """

    def __init__(self, path: Path | str) -> None:
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
        self._state = _RUNNING
        self._text = b"the start"
        self._write()

    def _write(self) -> None:
        if self._file < 0:
            return
        # one write of constant size at the same place: cheap, never torn, and no disk can fill up through it
        text = self._text[: _RECORD - 1]
        os.pwrite(self._file, (self._state + text).ljust(_RECORD, b"\0"), 0)

    def update(self, text: str) -> None:
        """Say what this rank does now, for instance ``step 4 reconstruct, block 3 of 20``."""
        self._text = text.encode(errors="replace")
        self._write()

    def finished(self) -> None:
        """Say that this rank has done its work; its end is nothing to report."""
        self._state = _FINISHED
        self._close()

    def failed(self) -> None:
        """Say that this rank has told what went wrong itself; the watcher ends the others without a word."""
        self._state = _FAILED
        self._close()

    def _close(self) -> None:
        self._write()
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


def read_status(path: Path | str) -> tuple[str, str]:
    """Return state (``r`` running, ``f`` finished, ``x`` failed) and text of a rank's record."""
    try:
        record = Path(path).read_bytes()
    except OSError:  # the folder went with the finished run
        return "f", ""
    return record[:1].decode(errors="replace"), record[1:].rstrip(b"\0").decode(errors="replace")


def start_watcher(communicator: Communicator, status_directory: Path | str) -> RankStatus:
    """Open this rank's record and, with more than one rank, start a watcher on each node. Collective.

    Parameters
    ----------
    communicator : Communicator
    status_directory : Path
        Must exist and be the same on all ranks of a node. It then holds ``rank-0``, ``rank-1`` ..., and
        ``lost-rank.txt`` with the watcher's message after a rank has died.

    Returns
    -------
    RankStatus
        Of this rank. Call `RankStatus.finished` at the end of the work, `RankStatus.failed` before an abort.
    """
    directory = Path(status_directory)
    status = RankStatus(directory / f"rank-{communicator.rank}")
    if communicator.size == 1 or not sys.platform.startswith("linux"):
        return status
    # ranks in containers of their own cannot see each other's processes
    place = [communicator.node, str(Path("/proc/self/ns/pid").readlink())]
    lifeline = _lifeline()
    ranks = communicator.allgather([communicator.rank, os.getpid(), lifeline, place])
    here = [words[:3] for *words, other in ranks if other == place]
    if here[0][0] == communicator.rank:
        (directory / LAST_WORDS).unlink(missing_ok=True)
        watched = [":".join(map(str, words)) for words in here]
        # -I -S: no site-packages, no user settings; starts in some 10 ms. It returns when the watch has begun.
        command = [
            sys.executable,
            "-I",
            "-S",
            __file__,
            str(directory.resolve()),
            str(communicator.size),
            *watched,
        ]
        subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, start_new_session=True, check=True)
    communicator.barrier()
    os.close(lifeline)
    return status


def _lifeline() -> int:
    """Make a pipe whose writing end this process alone keeps, to its death; return the reading end.

    The number of the writing end is high because Linux closes the files of a dying process from the highest number
    down: the watcher sees the end of this pipe before the launcher sees the end of its own, and before it kills the
    other ranks. So it knows who was first.
    """
    reading, writing = os.pipe()
    highest = min(resource.getrlimit(resource.RLIMIT_NOFILE)[0], 4096) - 64
    fcntl.fcntl(writing, fcntl.F_DUPFD_CLOEXEC, max(highest, writing))
    os.close(writing)
    return reading


# What follows runs in the watcher.


def _stat(process: int) -> list[str]:
    """Fields of /proc/PID/stat from the third (state) on; empty when the process is gone."""
    try:
        return Path(f"/proc/{process}/stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return []


def _find_launcher(process: int) -> int | None:
    """The nearest mpirun among the ancestors; None on a node where there is none."""
    while process > 1:
        fields = _stat(process)
        if not fields:
            return None
        process = int(fields[1])
        try:
            name = Path(f"/proc/{process}/comm").read_text().strip()
        except OSError:
            return None
        if name in _LAUNCHERS:
            return process
    return None


def _file_of(process: int, descriptor: int | None) -> int | None:
    """The error stream of another process; None where that would not be safe or is not allowed."""
    duplicate = ctypes.CDLL(None, use_errno=True).syscall(_PIDFD_GETFD, descriptor, 2, 0)
    if duplicate >= 0:
        return int(duplicate)
    # Opened anew, a file has a place of writing of its own: the two would write over each other.
    try:
        flags = Path(f"/proc/{process}/fdinfo/2").read_text().split("flags:")[1].split()[0]
        regular = stat.S_ISREG(Path(f"/proc/{process}/fd/2").stat().st_mode)
        if regular and not int(flags, 8) & os.O_APPEND:
            return None
        return os.open(f"/proc/{process}/fd/2", os.O_WRONLY | os.O_APPEND | os.O_NOCTTY)
    except (OSError, IndexError):  # a socket, or not ours: the inherited one is the best there is
        return None


def _wait_status(descriptor: int | None, process: int) -> int | None:
    """Wait status of a process that is not our child: from the zombie, or from the kernel (Linux 6.15 and later)."""
    if descriptor is None:
        return None
    request, exit_information = 0xC040FF0B, 1 << 3  # PIDFD_GET_INFO with 64 bytes, PIDFD_INFO_EXIT
    for _ in range(20):
        fields = _stat(process)
        if len(fields) > 49 and fields[0] == "Z":
            return int(fields[49])
        information = array.array("B", struct.pack("<Q", exit_information).ljust(64, b"\0"))
        try:
            fcntl.ioctl(descriptor, request, information)
            if struct.unpack_from("<Q", information)[0] & exit_information:
                return int(struct.unpack_from("<i", information, 60)[0])
        except OSError:  # an older kernel
            if not fields:
                return None
        time.sleep(0.005)
    return None


def _cause(status: int | None) -> str:
    if status is None:
        return "disappeared"
    if status & 0x7F:
        return f"was killed by signal {status & 0x7F}"
    return f"ended with exit status {status >> 8}"


class _Watch:
    """The ranks of this node and their launcher, each held by a descriptor that tells when it ends."""

    def __init__(self, directory: Path, size: int, ranks: dict[int, tuple[int, int]]) -> None:
        self.directory, self.size = directory, size
        self.processes = {rank: process for rank, (process, _) in ranks.items()}
        self.poll = select.epoll()
        self.alive: dict[int, int] = {}  # descriptor of the process -> rank
        self.lifelines: dict[int, int] = {}  # descriptor of the pipe -> rank
        self.descriptors: dict[int, int] = {}  # rank -> descriptor of the process; not of those already gone
        for rank, (process, pipe) in ranks.items():
            try:
                descriptor = os.pidfd_open(process)
            except ProcessLookupError:
                continue
            self.alive[descriptor] = rank
            self.descriptors[rank] = descriptor
            self.poll.register(descriptor, select.EPOLLIN)
            try:
                lifeline = os.open(f"/proc/{process}/fd/{pipe}", os.O_RDONLY | os.O_NONBLOCK)
            except OSError:  # not allowed here: the process descriptor alone has to do
                continue
            self.lifelines[lifeline] = rank
            self.poll.register(lifeline, 0)  # a hang-up is reported always
        self.launcher: int | None = None
        launcher = _find_launcher(next(iter(self.processes.values())))
        if launcher is not None:
            self.launcher = os.pidfd_open(launcher)
            self.poll.register(self.launcher, select.EPOLLIN)
            self._speak_through(launcher)

    def _speak_through(self, launcher: int) -> None:
        # The launcher may stop reading what its ranks say when one is dead: write where it writes itself.
        error = _file_of(launcher, self.launcher)
        if error is not None:
            os.dup2(error, 2)
            os.close(error)

    def wait(self) -> None:
        """Wait for all ranks; report the first that did not finish, then end the others."""
        deadline: float | None = None
        stop = signal.SIGTERM
        for rank in self.processes.keys() - self.descriptors.keys():
            deadline = deadline or self._report(rank)
        while self.alive:
            timeout = None if deadline is None else max(deadline - time.monotonic(), 0)
            # the kernel queues these in the order in which they happened: the first is the one to name
            for descriptor, _ in self.poll.poll(timeout):
                self.poll.unregister(descriptor)
                if descriptor == self.launcher:
                    deadline = deadline or time.monotonic() + GRACE_SECONDS
                    continue
                gone = self.alive.pop(descriptor, None)
                rank = self.lifelines[descriptor] if gone is None else gone
                deadline = deadline or self._report(rank)
            if deadline is not None and time.monotonic() >= deadline:
                for descriptor in self.alive:
                    _send(descriptor, stop)
                stop, deadline = signal.SIGKILL, time.monotonic() + KILL_SECONDS

    def _report(self, rank: int) -> float | None:
        """Say how a rank ended; return when the others have to be gone, None when it had finished."""
        state, text = read_status(self.directory / f"rank-{rank}")
        if state == "f":
            return None
        told = any(read_status(self.directory / f"rank-{other}")[0] == "x" for other in self.processes)
        if not told:
            process = self.processes[rank]
            cause = _cause(_wait_status(self.descriptors.get(rank), process))
            message = (
                f"tomosaxs: rank {rank} of {self.size} (pid {process}) {cause} during {text}; all ranks were ended\n"
            )
            _say(message, self.directory / LAST_WORDS)
        return time.monotonic() + GRACE_SECONDS


def _say(message: str, copy: Path) -> None:
    try:
        copy.write_text(message)
    except OSError as error:
        message += f"tomosaxs: {copy} could not be written: {error}\n"
    try:
        os.write(2, message.encode())
    except OSError:  # nobody listens any more; the copy remains
        return


def _send(descriptor: int, number: signal.Signals) -> None:
    try:
        signal.pidfd_send_signal(descriptor, number)
    except ProcessLookupError:  # ended by itself in the meantime
        return


def main(arguments: list[str]) -> None:
    """Watch: STATUS_DIRECTORY SIZE RANK:PID:PIPE..."""
    words = [[int(number) for number in word.split(":")] for word in arguments[2:]]
    ranks = {rank: (process, pipe) for rank, process, pipe in words}
    # the launcher's signals are for the ranks; this process goes when they are gone
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE):
        signal.signal(number, signal.SIG_IGN)
    watch = _Watch(Path(arguments[0]), int(arguments[1]), ranks)
    os.chdir("/")
    if os.fork() == 0:  # the first process returns now, so that no rank has a child that could become a zombie
        watch.wait()
    os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1:])
