"""What the watcher finds out of processes that are not its children (Linux)."""

from __future__ import annotations

import array
import ctypes
import fcntl
import os
import signal
import stat
import struct
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

_LAUNCHERS = ("mpirun", "mpiexec", "mpiexec.hydra", "prterun", "orterun", "prte", "srun")
_PIDFD_GETFD = 438  # number of the system call, the same on all machines (Linux 5.6)
_PAGE = os.sysconf("SC_PAGE_SIZE")


def stat_of(process: int) -> list[str]:
    """Fields of /proc/PID/stat from the third (state) on; empty when the process is gone."""
    try:
        return Path(f"/proc/{process}/stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return []


def find_launcher(process: int) -> int | None:
    """The nearest mpirun among the ancestors; None on a node where there is none."""
    while process > 1:
        fields = stat_of(process)
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


def error_stream_of(process: int, descriptor: int | None) -> int | None:
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


def wait_status(descriptor: int | None, process: int) -> int | None:
    """Wait status of a process that is not our child: from the zombie, or from the kernel (Linux 6.15 and later)."""
    if descriptor is None:
        return None
    request, exit_information = 0xC040FF0B, 1 << 3  # PIDFD_GET_INFO with 64 bytes, PIDFD_INFO_EXIT
    for _ in range(20):
        fields = stat_of(process)
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


def send(descriptor: int, number: int) -> None:
    """Send a signal to a process that may have ended in the meantime."""
    try:
        signal.pidfd_send_signal(descriptor, number)
    except ProcessLookupError:
        return


def shared_files(process: int) -> dict[str, int]:
    """Return the files of /dev/shm that a process has mapped, with their inode numbers."""
    found = {}
    for line in _lines(Path(f"/proc/{process}/maps")):
        words = line.split(maxsplit=5)
        if len(words) == 6 and words[5].startswith("/dev/shm/") and not words[5].endswith("(deleted)"):
            found[words[5]] = int(words[4])
    return found


def remove_shared_files(files: Mapping[str, int]) -> None:
    """Remove files of /dev/shm that processes which are gone have left, where they are the same files still."""
    for name, inode in files.items():
        with suppress(OSError):  # removed by the library itself, or not ours
            if os.stat(name).st_ino == inode:  # noqa: PTH116 - a name as the system gave it
                os.unlink(name)  # noqa: PTH108


def own_memory(process: int) -> int:
    """Return the bytes that a process alone holds: without mapped files and shared memory; 0 when it is gone.

    Counted pages of its own are as good as proportional ones here and cost 20 us instead of milliseconds.
    """
    try:
        words = Path(f"/proc/{process}/statm").read_text().split()
    except OSError:
        return 0
    return (int(words[1]) - int(words[2])) * _PAGE


def moved_bytes(process: int) -> int:
    """Return the bytes that a process has read and written so far; 0 where the system does not tell."""
    try:
        lines = Path(f"/proc/{process}/io").read_text().splitlines()
    except OSError:
        return 0
    wanted = ("rchar:", "wchar:", "read_bytes:", "write_bytes:")
    return sum(int(line.split()[1]) for line in lines if line.startswith(wanted))


def processor_seconds(process: int) -> float:
    """Return the processor time of all threads of a process so far; 0 when it is gone."""
    fields = stat_of(process)
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK") if len(fields) > 12 else 0.0


def memory_left(process: int) -> tuple[float, str]:
    """Return the bytes that a process can still get, and of what: of the machine, or of its control group."""
    left, of = float("inf"), "this machine"
    for line in _lines(Path("/proc/meminfo")):
        if line.startswith("MemAvailable:"):
            left = float(line.split()[1]) * 1024
    for line in _lines(Path(f"/proc/{process}/cgroup")):
        number, controllers, path = line.split(":", 2)
        if number == "0":
            names = ("memory.max", "memory.current", "inactive_file", "active_file")
            root = Path("/sys/fs/cgroup")
        elif "memory" in controllers.split(","):
            names = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file", "total_active_file")
            root = Path("/sys/fs/cgroup/memory")
        else:
            continue
        for folder in _folders(root, path):
            here = _left_in_group(folder, names)
            if here < left:
                left, of = here, "its control group (of the container or the job)"
    return left, of


def _folders(root: Path, path: str) -> list[Path]:
    own = root / path.lstrip("/")
    return [each for each in (own, *own.parents) if each == root or root in each.parents]


def _left_in_group(folder: Path, names: tuple[str, str, str, str]) -> float:
    limit, used = ("".join(_lines(folder / name)).strip() for name in names[:2])
    if not (limit.isdigit() and used.isdigit()):
        return float("inf")
    words = (line.split() for line in _lines(folder / "memory.stat"))
    cached = sum(int(word[1]) for word in words if len(word) == 2 and word[0] in names[2:])
    return float(limit) - float(used) + cached


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text().splitlines()
    except OSError:
        return []
