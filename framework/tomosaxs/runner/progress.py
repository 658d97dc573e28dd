"""Progress of a run: a bar for one rank at a terminal, plain lines at intervals otherwise.

mpirun gives its ranks a terminal even inside a batch job, so a bar is drawn only for a world of one rank.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable

WIDTH = 30
INTERVAL = 5.0
HEARTBEAT = 30.0


class Heartbeat:
    """Says at intervals what the first rank is at, so that a long step does not look like a hang.

    Parameters
    ----------
    log : callable
        Writes a line.
    stage : callable
        Returns what is being done now.
    """

    def __init__(self, log: Callable[[str], None], stage: Callable[[], str]) -> None:
        self.log, self.stage = log, stage
        self.ended = threading.Event()

    def __enter__(self) -> Heartbeat:
        """Begin."""
        threading.Thread(target=self._beat, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        """End."""
        self.ended.set()

    def _beat(self) -> None:
        before, since = "", time.monotonic()
        while not self.ended.wait(HEARTBEAT):
            now = self.stage()
            if now == before:
                self.log(f"  still at {now} ({time.monotonic() - since:.0f} s)")
            else:
                before, since = now, time.monotonic()


class Progress:
    """Tells how far a pass is, on the first rank.

    Parameters
    ----------
    log : callable
        Writes a line to screen and log.
    ranks : int
        Size of the world.
    """

    def __init__(self, log: Callable[[str], None], ranks: int) -> None:
        self.log = log
        self.bar = ranks == 1 and sys.stderr.isatty()
        self.last = 0.0
        self.drawn = False

    def begin(self, text: str) -> None:
        """Say what begins."""
        self.log(text)
        self.last = time.monotonic()

    def at(self, done: int, total: int, text: str) -> None:
        """Say that `done` of `total` blocks are finished."""
        now = time.monotonic()
        if self.bar:
            if total > 1 and (now - self.last > 0.1 or done == total):
                filled = WIDTH * done // total
                sys.stderr.write(f"\r  [{'#' * filled}{'.' * (WIDTH - filled)}] {done}/{total} {text[:40]:<40}")
                sys.stderr.flush()
                self.last, self.drawn = now, True
            if done == total and self.drawn:
                sys.stderr.write("\n")
                self.drawn = False
        elif now - self.last >= INTERVAL and done < total:
            self.last = now
            self.log(f"  {done} of {total} blocks of {text}")
