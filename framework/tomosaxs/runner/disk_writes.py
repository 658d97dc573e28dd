"""Hand what was written to the disk now and then, so that little is lost when a machine goes down."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from pathlib import Path

from tomosaxs.runner.journal import Journal

SYNC_SECONDS = 30.0
"""Between two moments at which everything is handed to the disk."""


class DiskWrites:
    """Hands files to the disk now and then, in a thread of its own, and notes it.

    Parameters
    ----------
    files : sequence of Path
        All that a rank writes of a section.
    journal : Journal
    """

    def __init__(self, files: Sequence[Path], journal: Journal) -> None:
        self.files, self.journal = list(files), journal
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None
        if self.files:
            self._thread = threading.Thread(target=self._run, daemon=True, name="disk-writes")
            self._thread.start()

    def _run(self) -> None:
        while not self._ended.wait(SYNC_SECONDS):
            self.now()

    def now(self) -> None:
        """Wait until the disk has what was noted so far, and note that."""
        count = self.journal.noted
        try:
            for file in self.files:
                number = os.open(file, os.O_RDONLY)
                try:
                    os.fsync(number)
                finally:
                    os.close(number)
            self.journal.note_synced(count)
        except OSError:  # nothing is lost but the promise; the writer itself meets a disk that fails
            return

    def close(self) -> None:
        """End; what is not handed over yet is left to the system."""
        self._ended.set()
