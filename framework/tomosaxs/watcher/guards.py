"""Which rank hangs, and whether memory grows beyond what was promised."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tomosaxs.watcher.processes import memory_left, moved_bytes, own_memory, processor_seconds
from tomosaxs.watcher.status import RUNNING, WAITING, Status

LOOK_SECONDS = 0.5  # between two looks at the memory
_STALL_LOOKS = 5.0  # seconds between two looks at the progress, at most
_SIGN_OF_LIFE = 1 << 20  # bytes read or written: more than the lines of a log
_COMPUTES = 0.1  # of the time: less is waiting
_PATIENCE = 12.0  # times the limit for a rank that computes: hundreds of iterations are slow, not stuck
_BEYOND = 1.5
_BESIDE = 1e9
"""A run is ended when its ranks hold more than `_BEYOND` times what was promised, and `_BESIDE` bytes."""
_STANDARD = Path(threading.__file__ or "/").parent
_FLOOR = 0.3e9  # bytes that the system keeps: below, what is beyond the promise is ended at once


@dataclass(frozen=True)
class Verdict:
    """Why the run has to end, and which rank is to blame."""

    rank: int
    text: str


def gigabytes(amount: float) -> str:
    """Return an amount of memory for a message."""
    return f"{amount / 1e9:.3g} GB"


class MemoryGuard:
    """Compares what the ranks of a node hold with what was promised.

    Parameters
    ----------
    promised : float
        Bytes of all ranks of this node together.
    """

    def __init__(self, promised: float) -> None:
        self.promised = promised

    def look(self, processes: Mapping[int, int]) -> Verdict | None:
        """Return what is wrong now; `processes` are those that still work, by rank."""
        held = {rank: own_memory(process) for rank, process in processes.items()}
        total = sum(held.values())
        if not held or total <= self.promised:
            return None
        worst = max(held, key=lambda rank: held[rank])
        limit = _BEYOND * self.promised + _BESIDE
        left, of = memory_left(processes[worst])
        if total <= limit and left >= _FLOOR:
            return None
        own = "" if len(held) == 1 else f"; all ranks of this node hold {gigabytes(total)}"
        why = f"{gigabytes(limit)} is the limit" if total > limit else f"{of} has only {gigabytes(left)} left"
        text = (
            f"its memory has grown to {gigabytes(held[worst])}{own}. {gigabytes(self.promised)} were planned "
            f"(--memory), {why}: a plugin keeps what it should give back, or needs more than its memory= declares"
        )
        return Verdict(worst, text)


@dataclass(frozen=True)
class _Sign:
    """The last sign of progress of a rank, and what it had done by then."""

    writes: int
    moved: int
    seconds: float
    when: float


class StallGuard:
    """Finds a rank that has made no progress for too long.

    A sign of progress is a new step or block, or that the process reads or writes data. A rank that waits for others is
    not to blame, unless all do. One that computes gets `_PATIENCE` times as long as one that does nothing.

    Parameters
    ----------
    seconds : float
        The limit.
    everybody : bool
        Whether all ranks of the run are on this node.
    """

    def __init__(self, seconds: float, everybody: bool) -> None:
        self.seconds, self.everybody = seconds, everybody
        self.pause = min(_STALL_LOOKS, seconds / 5)
        self.next = time.monotonic() + self.pause
        self.seen: dict[int, _Sign] = {}

    def look(self, processes: Mapping[int, int], records: Mapping[int, Status]) -> Verdict | None:
        """Return what is wrong now."""
        now = time.monotonic()
        if now < self.next:
            return None
        self.next = now + self.pause
        idle = {rank for rank, process in processes.items() if self._idle(rank, process, records[rank].writes, now)}
        states = {rank: records[rank].state for rank in processes}
        stuck = sorted(rank for rank in idle if states[rank] == RUNNING)
        if stuck:
            since = now - self.seen[stuck[0]].when
            return Verdict(stuck[0], f"no sign of progress for {since:.0f} s{self._cure()}")
        waiting = [rank for rank, state in states.items() if state == WAITING]
        if self.everybody and waiting and idle.issuperset(waiting) and len(waiting) == len(states):
            return Verdict(waiting[0], f"all ranks have waited for each other for {self.seconds:g} s{self._cure()}")
        return None

    def _idle(self, rank: int, process: int, writes: int, now: float) -> bool:
        before = self.seen.get(rank)
        if before is None or before.writes != writes:
            self.seen[rank] = _Sign(writes, moved_bytes(process), processor_seconds(process), now)
            return False
        since = now - before.when
        if since < self.seconds:
            return False
        moved, spent = moved_bytes(process), processor_seconds(process)
        if moved - before.moved > _SIGN_OF_LIFE:
            self.seen[rank] = _Sign(writes, moved, spent, now)
            return False
        return spent - before.seconds < _COMPUTES * since or since >= _PATIENCE * self.seconds

    def _cure(self) -> str:
        return f" (--stall {self.seconds:g} is the limit; --stall 0 waits for ever)"


def where_it_hangs(dump: Path, package: Path) -> str:
    """Return ``FILE:LINE in FUNCTION`` of what this package called, from a dump of faulthandler; else an empty text.

    Of the threads that the package called something in, the main thread comes last in the dump and counts most; one
    that is in the standard library only, waiting for another thread, counts least.
    """
    found, waits = "", ""
    for thread in dump.read_text(errors="replace").split("hread 0x")[1:]:
        lines = (line.strip() for line in thread.splitlines())
        frames = [(line.split('"')[1], line) for line in lines if line.startswith('File "')]
        inside = [number for number, (file, _) in enumerate(frames) if file.startswith(f"{package}/")]
        if not inside or not inside[0]:  # a thread of somebody else, or within the package itself
            continue
        called = [file for file, _ in reversed(frames[: inside[0]])]  # the nearest first, which is the plugin's or,
        entry = next((file for file in called if not _is_library(file)), called[0])  # of a hook, what handed it on
        latest = next(line for file, line in frames if file == entry)
        if Path(entry).is_relative_to(_STANDARD) and "site-packages" not in entry:
            waits = _readable(latest)
        else:
            found = _readable(latest)
    return found or waits


def _is_library(file: str) -> bool:
    return Path(file).is_relative_to(_STANDARD) or "site-packages" in file


def _readable(frame: str) -> str:
    _, file, rest = frame.split('"', 2)
    line, _, function = rest.removeprefix(", line ").partition(" in ")
    return f"{file}:{line} in {function}"
