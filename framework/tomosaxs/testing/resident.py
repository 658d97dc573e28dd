"""Peak memory of a command: the proportional set size (PSS) of all its processes, sampled while it runs."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tomosaxs.memory import proportional_size

SAMPLE_SECONDS = 0.02


@dataclass(frozen=True)
class Measured:
    """What a command did and needed.

    Parameters
    ----------
    status : int
        Its exit status.
    text : str
        What it wrote to standard output and error.
    seconds : float
        Wall time.
    peak : int
        Largest sum of the PSS of its processes in bytes: pages that several of them share count once.
    parts : mapping of int to int
        The PSS of every process at that moment.
    processor : float
        Processor seconds, user and system, of the command and all it started.
    """

    status: int
    text: str
    seconds: float
    peak: int
    parts: Mapping[int, int]
    processor: float


def measure(
    command: Sequence[str | Path],
    *,
    folder: Path,
    environment: Mapping[str, str] | None = None,
    name: str = "python",
    every: float = SAMPLE_SECONDS,
) -> Measured:
    """Run a command to its end and sample the memory of its processes.

    Parameters
    ----------
    command : sequence of str or Path
        What is run.
    folder : Path
        Where it is run; what it writes to the screen is kept in ``output.txt`` there.
    environment : mapping, optional
        Default: that of this process.
    name : str
        Processes whose program has this in its name count: the ranks, not the launcher; empty counts all.
    every : float
        Seconds between two looks; peaks shorter than that may be missed.
    """
    import resource

    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    output = folder / "output.txt"
    with output.open("w") as out:
        running = subprocess.Popen(
            [str(word) for word in command], cwd=folder, env=environment, stdout=out, stderr=out,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
        most: dict[int, int] = {}
        try:
            while running.poll() is None:
                now = {pid: proportional_size(pid) for pid in descendants(running.pid) if name in _program(pid)}
                if sum(now.values()) > sum(most.values()):
                    most = now
                time.sleep(every)
        finally:
            if running.poll() is None:
                running.terminate()
                running.wait()
    seconds, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Measured(running.returncode, output.read_text(), seconds, sum(most.values()), most, processor)


def descendants(root: int) -> list[int]:
    """Return the numbers of a process and of all it has started that are alive."""
    found, left = [], [root]
    while left:
        pid = left.pop()
        found.append(pid)
        for task in Path(f"/proc/{pid}/task").glob("*/children"):
            try:
                left.extend(int(child) for child in task.read_text().split())
            except OSError:  # it ended meanwhile
                continue
    return found


def _program(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text()
    except OSError:
        return ""
