"""Once over the images, or following them: which files are taken when, and when the result is written."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

from tomosaxs import FileRows, GrowingResult
from tomosaxs_plugins.commands.integrate_places import ImagePlaces, Stamp
from tomosaxs_plugins.commands.integrate_work import Job

_TELL = 5.0  # seconds between lines that say how far it is
_YOUNG = 5.0  # seconds; a file that was changed in this time may still grow
_LOOK = 0.5
_SELDOM = 30.0  # seconds between two writes, at least
_QUIET = 4.0  # a long look at a slow file system is followed by a pause of so many times its length
_SHARE = 5.0  # writing takes at most about this part of the time


class Follower:
    """Feeds a job with files and writes its result.

    Parameters
    ----------
    job : Job
        Does the work.
    places : ImagePlaces
        Where images are.
    stop : threading.Event
        Set by Ctrl-C.
    list_text : callable
        Returns the process list that does the same.
    often : float
        Least seconds between two writes.
    """

    def __init__(
        self, job: Job, places: ImagePlaces, stop: threading.Event, list_text: Callable[[], str], often: float = _SELDOM
    ) -> None:
        self.job, self.places, self.stop, self.list_text, self.often = job, places, stop, list_text, often
        self.growing: GrowingResult = job.growing
        self.started = time.perf_counter()
        self._told = self._written = time.monotonic()
        self._busy = 0.0
        self._earlier = (self.growing.folder / "result.nxs").is_file()
        self._seen = 0

    def once(self) -> None:
        """Take all images that are there now; wait a little for those that are being written."""
        found = self._fresh(self.places.scan())
        self._take(found)
        while self.job.unfinished and not self.stop.is_set() and self._growing_still(found):
            self.stop.wait(_LOOK)
            now = self.places.scan()
            again = {path: now[path] for path in self.job.unfinished if path in now and now[path] != found.get(path)}
            found.update(again)
            self._take(again)
        if not self.stop.is_set():
            self._give_up(list(self.job.unfinished))

    def _growing_still(self, found: dict[Path, Stamp]) -> bool:
        now = time.time()
        return any(abs(now - found[path][1] * 1e-9) < _YOUNG for path in self.job.unfinished if path in found)

    def _fresh(self, found: dict[Path, Stamp]) -> dict[Path, Stamp]:
        """Return the files that are not in the result as they are now."""
        done = {path: (file.size, file.modified) for path, file in self.growing.files.items()}
        known = self.job.stamps
        return {
            path: stamp
            for path, stamp in found.items()
            if done.get(path) != stamp[:2] or known.get(path, stamp) != stamp  # another file of that name counts too
        }

    def follow(self, interval: float, patience: float) -> None:
        """Take images as they become whole, until `stop` is set.

        A file is taken when two looks in a row found it unchanged and it opens; one that does not, and does not
        change for `patience` seconds, is noted as unusable until it changes.
        """
        before: dict[Path, Stamp] = {}
        since: dict[Path, float] = {}
        while not self.stop.is_set():
            begun = time.monotonic()
            now = self.places.scan()
            pause = max(interval, _QUIET * (time.monotonic() - begun))
            for path in now:
                if before.get(path) != now[path]:
                    since[path] = begun
            still = {path: stamp for path, stamp in now.items() if before.get(path) == stamp}
            self._take(self._fresh(still))
            late = [path for path in self.job.unfinished if path in since and begun - since[path] >= patience]
            self._give_up([path for path in late if path in still])
            for path in [path for path in self.job.unfinished if path not in now]:  # it was removed or renamed
                del self.job.unfinished[path]
            before = now
            self._write_sometimes()
            self.stop.wait(pause)

    def _give_up(self, paths: list[Path]) -> None:
        for path in paths:
            self.job.give_up(path)

    def _take(self, files: dict[Path, Stamp]) -> None:
        goal = self.job.done + len(files)
        for _ in self.job.take(files):
            now = time.monotonic()
            if now - self._told > _TELL:
                self._told = now
                spent = time.perf_counter() - self.started
                self.growing.log(f"  {self.job.done} of {goal} images, {self.job.frames / spent:.3g} frames/s")
            self._write_sometimes()

    def _write_sometimes(self) -> None:
        now = time.monotonic()
        if self.job.done > self._seen and now - self._written > max(self.often, _SHARE * self._busy):
            self.write()

    def write(self, *messages: str) -> Any:
        """Write the result as it is now; return it, or None where there is nothing yet.

        Without any curve it does not replace an earlier result: a wrong mask must not cost a night's curves.
        """
        if self.job.made is None or not self.growing.files:
            return None
        if self._earlier and all(file.problem for file in self.growing.files.values()):
            return None
        self._earlier = False
        begun = time.monotonic()
        self._seen = self.job.done
        record = self.growing.record
        record.list_text = self.list_text()
        kept, record.messages = record.messages, [*record.messages, *messages]
        try:
            result = self.growing.write(self._order)
        finally:
            record.messages = kept
        self._written = time.monotonic()
        self._busy = self._written - begun
        return result

    def _order(self, file: FileRows) -> Any:
        return self.places.order(file.path)


@contextmanager
def interrupted_by(stop: threading.Event) -> Iterator[None]:
    """Let the first Ctrl-C (or SIGTERM) set `stop`, so that the result is written; the second ends at once."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def asked(number: int, frame: FrameType | None) -> None:
        if not stop.is_set():
            stop.set()
            return
        handler = before[signal.Signals(number)]
        if callable(handler):
            handler(number, frame)
        raise KeyboardInterrupt

    for number in before:
        signal.signal(number, asked)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
