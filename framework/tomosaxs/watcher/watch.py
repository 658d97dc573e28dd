"""The process that waits for the ranks of a node: says which one died or hangs, and ends the others."""

from __future__ import annotations

import json
import os
import select
import shutil
import signal
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from tomosaxs.watcher.guards import LOOK_SECONDS, MemoryGuard, StallGuard, Verdict, where_it_hangs
from tomosaxs.watcher.processes import (
    error_stream_of,
    find_launcher,
    remove_shared_files,
    send,
    shared_files,
    wait_status,
)
from tomosaxs.watcher.status import FAILED, FINISHED, LAST_WORDS, Status, parse_status

GRACE_SECONDS = 1.0  # for the launcher, to end the other ranks itself
KILL_SECONDS = 2.5  # then, from SIGTERM to SIGKILL
_PATIENCE = 6.0  # seconds between a signal that a rank heard and its end, whatever still computes
_DUMP_SECONDS = 0.3  # in which a rank writes down where its threads are
_INTERRUPTED = 130  # exit status of a rank that has told so itself


def cause_of(status: int | None) -> str:
    """Return how a process ended."""
    if status is None:
        return "disappeared"
    return f"was killed by signal {status & 0x7F}" if status & 0x7F else f"ended with exit status {status >> 8}"


def hint_of(status: int | None, folder: Path) -> str:
    """Return what ends processes in such a way."""
    free = shutil.disk_usage(folder).free
    hints: dict[int, str] = {
        signal.SIGKILL: " (by hand, or by the system for want of memory)",
        signal.SIGBUS: f" (a full disk does this, {free / 1e9:.3g} GB are free, or a file cut off while it was read)",
        signal.SIGSEGV: " (a fault in compiled code)",
    }
    return hints.get((status or 0) & 0x7F, "")


class Watch:
    """The ranks of this node and their launcher, each held by a descriptor that tells when it ends.

    Parameters
    ----------
    told : mapping
        What `tomosaxs.watcher.start` has to say.
    """

    def __init__(self, told: Mapping[str, Any]) -> None:
        self.directory, self.size = Path(told["directory"]), int(told["size"])
        self.log, self.dump = told["log"], int(told["dump"])
        self.processes: dict[int, int] = {}
        self.poll = select.epoll()
        self.alive: dict[int, int] = {}  # descriptor of the process -> rank
        self.lifelines: dict[int, int] = {}  # descriptor of the pipe -> rank
        self.descriptors: dict[int, int] = {}  # rank -> descriptor of the process; not of those already gone
        self.records: dict[int, int] = {}  # rank -> descriptor of its record
        self.requests: dict[int, int] = {}  # rank -> descriptor through which it is asked to leave
        self.deadline: float | None = None
        self.shared: dict[str, int] = {}  # files of /dev/shm that MPI works with, and leaves when a rank is killed
        for rank, process, lifeline, request in told["ranks"]:
            self.processes[rank] = process
            self._hold(rank, process, lifeline, request)
        self.stop = signal.SIGTERM
        self.memory = MemoryGuard(told["memory"]) if told["memory"] else None
        self.stall = StallGuard(told["stall"], len(self.processes) == self.size) if told["stall"] else None
        self.launcher: int | None = None
        launcher = find_launcher(told["ranks"][0][1]) if self.size > 1 else None
        if launcher is not None:
            self.launcher = os.pidfd_open(launcher)
            self.poll.register(self.launcher, select.EPOLLIN)
            self._speak_through(launcher)

    def _hold(self, rank: int, process: int, lifeline: int, request: int) -> None:
        try:
            self.records[rank] = os.open(self.directory / f"rank-{rank}", os.O_RDONLY)
        except FileNotFoundError:  # the folder went with a run that is done already
            del self.processes[rank]
            return
        try:
            descriptor = os.pidfd_open(process)
        except ProcessLookupError:
            return
        self.alive[descriptor] = rank
        self.descriptors[rank] = descriptor
        self.poll.register(descriptor, select.EPOLLIN)
        if self.size > 1:
            self.shared.update(shared_files(process))
        try:
            pipe = os.open(f"/proc/{process}/fd/{lifeline}", os.O_RDONLY | os.O_NONBLOCK)
            self.requests[rank] = os.open(f"/proc/{process}/fd/{request}", os.O_WRONLY | os.O_NONBLOCK)
        except OSError:  # not allowed here: the process descriptor alone has to do
            return
        self.lifelines[pipe] = rank
        self.poll.register(pipe, select.EPOLLIN)  # signals that the rank hears; a hang-up is reported always

    def _speak_through(self, launcher: int) -> None:
        # The launcher may stop reading what its ranks say when one is dead: write where it writes itself.
        error = error_stream_of(launcher, self.launcher)
        if error is not None:
            os.dup2(error, 2)
            os.close(error)

    def wait(self) -> None:
        """Wait for all ranks; report the first that did not finish or must not go on, then end the others."""
        for rank in self.processes.keys() - self.descriptors.keys():
            self._ended(rank)
        while self.alive:
            # the kernel queues these in the order in which they happened: the first is the one to name
            for descriptor, event in self.poll.poll(self._timeout()):
                self._hear(descriptor, event)
            if self.deadline is None and self._look():
                return
            if self.deadline is not None and time.monotonic() >= self.deadline:
                if self.size == 1 and self._told():  # it may be a notebook, and lives on
                    return
                for descriptor in self.alive:
                    send(descriptor, self.stop)
                self.stop, self.deadline = signal.SIGKILL, time.monotonic() + KILL_SECONDS
        remove_shared_files(self.shared)

    def _timeout(self) -> float | None:
        if self.deadline is not None:
            return max(self.deadline - time.monotonic(), 0)
        return LOOK_SECONDS if self.memory or self.stall else None

    def _hear(self, descriptor: int, event: int) -> None:
        """Take note of the end of a process, or of a signal that a rank heard."""
        if event == select.EPOLLIN and descriptor in self.lifelines:
            heard = os.read(descriptor, 512)
            if signal.SIGINT in heard or signal.SIGTERM in heard:
                self._set(_PATIENCE)
                self.stop = signal.SIGKILL  # anything less it has heard already
            return
        self.poll.unregister(descriptor)
        if descriptor == self.launcher:
            self._set(GRACE_SECONDS)
            return
        gone = self.alive.pop(descriptor, None)
        self._ended(self.lifelines[descriptor] if gone is None else gone)

    def _set(self, seconds: float) -> None:
        moment = time.monotonic() + seconds
        self.deadline = moment if self.deadline is None else min(self.deadline, moment)

    def _record(self, rank: int) -> Status:
        return parse_status(os.pread(self.records[rank], 4096, 0))

    def _told(self) -> bool:
        return any(self._record(rank).state == FAILED for rank in self.processes)

    def _ended(self, rank: int) -> None:
        """Say how a rank ended; the others have to go soon unless it had finished."""
        record = self._record(rank)
        if record.state == FINISHED:
            return
        if self.deadline is None and not self._told():
            status = wait_status(self.descriptors.get(rank), self.processes[rank])
            if status is None or status >> 8 != _INTERRUPTED:
                others = "; all ranks were ended" if self.size > 1 else ""
                self._say(
                    f"rank {rank} of {self.size} (pid {self.processes[rank]}) {cause_of(status)} during "
                    f"{record.text}{hint_of(status, self.directory)}{others}{self._place(rank, 'It was')}"
                )
        self._set(GRACE_SECONDS)

    def _look(self) -> bool:
        """Look after progress and memory; return whether all ranks have finished."""
        if not (self.memory or self.stall):
            return False
        records = {rank: self._record(rank) for rank in self.processes}
        if all(record.state == FINISHED for record in records.values()):
            return True
        working = {rank: self.processes[rank] for rank in self.alive.values() if records[rank].state not in "fx"}
        verdict = self.memory.look(working) if self.memory else None
        if verdict is None and self.stall:
            verdict = self.stall.look(working, records)
        if verdict is not None and not self._told():
            self._end(verdict, records[verdict.rank].text)
        return False

    def _end(self, verdict: Verdict, stage: str) -> None:
        """Say why the run has to end, and end it: by the rank itself, else soon after by force."""
        place = self._where(verdict.rank)
        self._say(f"error: {stage}, rank {verdict.rank} of {self.size}: {verdict.text}{place}")
        with suppress(OSError):  # a rank of another user's container, or gone: force does it
            os.write(self.requests.get(verdict.rank, -1), b"1")
        self.stop = signal.SIGKILL
        self._set(GRACE_SECONDS)

    def _where(self, rank: int) -> str:
        """Return in which line of a plugin a rank is, as the C code of faulthandler tells."""
        send(self.descriptors[rank], self.dump)
        time.sleep(_DUMP_SECONDS)
        return self._place(rank, "It is")

    def _place(self, rank: int, verb: str) -> str:
        """Return what a rank has written down of its place, at our request or at a fault in compiled code."""
        dump = self.directory / f"where-{rank}.txt"
        try:
            if not dump.stat().st_size:
                return ""
            place = where_it_hangs(dump, Path(__file__).parents[1])
        except OSError:
            return ""
        return f". {verb} at {place} (all threads: {dump})" if place else f" (its threads: {dump})"

    def _say(self, text: str) -> None:
        message = f"tomosaxs: {text}\n"
        copy = self.directory / LAST_WORDS
        try:
            copy.write_text(message)
            if self.log:
                with Path(self.log).open("a") as log:
                    log.write(f"failed: {text.removeprefix('error: ')}\n")
        except OSError as error:
            message += f"tomosaxs: {copy} could not be written: {error}\n"
        with suppress(OSError):  # nobody listens any more; the copy remains
            os.write(2, message.encode())


def main(text: str) -> None:
    """Watch what a JSON text tells; return to the caller when the watch has begun."""
    # the launcher's signals are for the ranks; this process goes when they are gone
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE):
        signal.signal(number, signal.SIG_IGN)
    watch = Watch(json.loads(text))
    os.chdir("/")
    if os.fork() == 0:  # the first process returns now, so that no rank has a child that could become a zombie
        watch.wait()
    os._exit(0)
