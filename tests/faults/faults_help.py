"""A run with a fault in it, and everything that must hold afterwards."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from running_commands import Done, Started, environment, here, same, values

HOOK = Path(__file__).with_name("fault_hook.py")
OWN = """\
from typing import Annotated
import ctypes, os, sys, time
import numpy as np
from pathlib import Path
from tomosaxs import Param, Projections, Scan, Sinograms, plugin

HERE = Path(__file__).parent
held = []

@plugin
def blur(data: Projections, *, size: Annotated[int, Param("window", unit="px", ge=1, le=31)] = 3) -> Projections:
    "Mean of `size` neighbouring columns."
    return sum(np.roll(data, k, axis=2) for k in range(size)) / np.float32(size)

def locked():
    "Hang in compiled code that keeps the interpreter, deaf to every signal."
    library, mutex = ctypes.PyDLL(None), ctypes.create_string_buffer(64)
    library.pthread_mutex_lock(mutex)
    library.pthread_mutex_lock(mutex)

def hoard():
    while True:
        held.append(np.ones(20_000_000, np.uint8))
        time.sleep(0.002)

@plugin
def trouble(data: Sinograms, scan: Scan) -> Sinograms:
    "Go wrong on the last slice, as a file `trouble` beside this one says."
    if 31 in scan.index and (HERE / "trouble").exists():
        how = (HERE / "trouble").read_text()
        (HERE / "moment").write_text(repr(time.time()))
        {"sleep": lambda: time.sleep(600), "locked": locked, "hoard": hoard}[how]()
    return data
"""
LIST = """\
title: Faults
input:
  tomo:
    plugin: tomography
    path: {scan}
steps:
  - plugin: dark_flat_correction
  - plugin: minus_log
  - plugin: ./own.py:blur
  - plugin: find_rotation_axis
    name: axis
    rows: 4
  - plugin: ./own.py:trouble
  - plugin: reconstruct
    centre: ${{axis}}
    backend: tomosaxs
  - plugin: tiff_stack
"""
SOON = 15.0
"""Seconds from a fault to the end of the run: at most some 10 on an idle machine, where everything has to be forced."""


def soon() -> float:
    """Return `SOON`, and more on a machine that has more to do than it has cores."""
    return SOON * max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def pictures(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted((folder / "tiff_stack").glob("*.tif"))}


def processes_with(mark: str) -> list[int]:
    """Return the living processes whose environment carries a mark: ranks, launchers, watchers."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            dead = (entry / "stat").read_text(errors="replace").rpartition(")")[2].split()[0] == "Z"
            if not dead and mark.encode() in (entry / "environ").read_bytes():
                found.append(int(entry.name))
        except (OSError, IndexError):
            continue
    return found


@dataclass
class Bench:
    """A folder with a list, an older result, and a scan of its own, in which faults happen.

    Parameters
    ----------
    folder : Path
        Empty folder.
    scan : Path
        Scan, to be copied.
    older : Path
        Folder of an older, different result.
    expected : mapping
        Values of an undisturbed run, and its pictures.
    """

    folder: Path
    scan: Path
    older: Path
    expected: tuple[dict[str, np.ndarray[Any, Any]], dict[str, bytes]]
    block: int = 5
    runs: int = 0

    def __post_init__(self) -> None:
        self.out, self.temporary, self.raw = (self.folder / name for name in ("out", "tmp", "scan.nxs"))
        shutil.copytree(self.older, self.out)
        self.temporary.mkdir()
        shutil.copy(self.scan, self.raw)
        (self.folder / "hooks").mkdir()
        shutil.copy(HOOK, self.folder / "hooks")
        (self.folder / "own.py").write_text(OWN)
        self.listing = self.folder / "list.yml"
        self.listing.write_text(LIST.format(scan=self.raw))
        self.result, self.input = digest(self.out / "result.nxs"), digest(self.raw)

    def start(self, fault: str, ranks: int, *options: object, resume: bool = False) -> Started:
        """Start the run in which it happens."""
        (self.folder / "moment").unlink(missing_ok=True)
        self.runs += 1
        mark = f"{self.folder}-{self.runs}"
        more = {
            "FAULT": fault, "FAULT_FOLDER": str(self.folder), "FAULT_MARK": mark, "TMPDIR": str(self.temporary),
            "TOMOSAXS_PLUGINS": str(self.folder / "hooks"), "OMP_NUM_THREADS": "1",
        }  # fmt: skip
        again = ["--resume"] if resume else []
        words = ("run", self.listing, "-o", self.out, "--block", self.block, *options, *again)
        return Started(words, ranks, self.folder, environment(**more))

    def fail(self, fault: str, ranks: int, *options: object, resume: bool = False) -> Done:
        """Run until it ends by the fault; assert what must hold after every fault."""
        started = self.start(fault, ranks, *options, resume=resume)
        return self.ended(started)

    def interrupt(self, number: signal.Signals, place: str, ranks: int, resume: bool = False) -> Done:
        """Send a signal to the launcher (or the only rank) while a rank waits at a place."""
        started = self.start(f"wait@{place}", ranks, resume=resume)
        while not self.moment() and started.process.poll() is None:
            time.sleep(0.02)
        if self.moment():
            os.kill(started.process.pid, number)
        return self.ended(started)

    def ended(self, started: Started) -> Done:
        """Wait for the end; assert what must hold after every fault."""
        done = started.end(150)
        begun = self.moment()
        assert begun == 0.0 or time.time() - begun < soon(), f"it took too long to end:\n{done.text}"
        assert done.status != 0 or not begun, done.text
        deadline = time.monotonic() + 6
        mark = f"FAULT_MARK={self.folder}-{self.runs}\0"
        while processes_with(mark) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert not processes_with(mark), f"left behind: {processes_with(mark)}\n{done.text}"
        done = replace(done, text=started.output.read_text())  # the watcher may tell after the end
        self.nothing_left()
        if digest(self.out / "result.nxs") != self.result:  # the older one is replaced by what is whole
            same(values(self.out), self.expected[0])
        assert "Traceback" not in done.text, done.text
        assert "fault of tomosaxs" not in done.text, done.text
        return done

    def nothing_left(self) -> None:
        assert not list(self.temporary.iterdir()), "temporary files are left"
        used = {line for file in self.folder.glob("shared-*") for line in file.read_text().splitlines()}
        assert not [name for name in used if Path(name).exists()], "shared memory is left"
        known = {"result.nxs", "report.html", "run.log", "tiff_stack", ".work"}
        assert {path.name for path in self.out.iterdir()} <= known
        assert digest(self.raw) == self.input, "the raw file was touched"

    def moment(self) -> float:
        """Return when the fault happened, 0 where the run ended before."""
        file = self.folder / "moment"
        return float(file.read_text()) if file.exists() else 0.0

    def finish(self, ranks: int | None = None) -> str:
        """Resume, in this process or with ranks; the values must be those of an undisturbed run, bit for bit."""
        (self.folder / "trouble").unlink(missing_ok=True)
        text = ""
        if ranks is None:
            found = here(self.listing, self.out, resume=True, block=self.block)
        else:
            done = self.start("", ranks, resume=True).end(150)
            assert done.status == 0, done.text
            found, text = values(self.out), done.text
        same(found, self.expected[0])
        assert pictures(self.out) == self.expected[1]
        assert not (self.out / ".work").exists()
        self.nothing_left()
        return text
