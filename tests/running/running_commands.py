"""The command run for real: how it is started, what it leaves."""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

MPIRUN = shutil.which("mpirun", path=str(Path(sys.executable).parent)) or shutil.which("mpirun")
AXIS = 33.7

SHORT_LIST = """\
title: Short
input:
  tomo:
    plugin: tomography
    path: {scan}
steps:
  - plugin: dark_flat_correction
  - plugin: minus_log
{steps}
  - plugin: reconstruct
    centre: 33.7
    backend: tomosaxs
"""

OWN = """\
from typing import Annotated
import os, sys, time
import numpy as np
from pathlib import Path
from tomosaxs import Param, Projections, plugin

HERE = Path(__file__).parent

@plugin
def blur(data: Projections, *, size: Annotated[int, Param("window", unit="px", ge=1, le=31)] = 3) -> Projections:
    "Mean of `size` neighbouring columns."
    return sum(np.roll(data, k, axis=2) for k in range(size)) / np.float32(size)
"""


@dataclass(frozen=True)
class Done:
    """What a finished command left."""

    status: int
    text: str
    seconds: float

    def lines(self, word: str) -> list[str]:
        return [line for line in self.text.splitlines() if word in line]


def environment(**more: str) -> dict[str, str]:
    """Variables for a child: the same packages as here, no plugin folder of the user."""
    paths = os.pathsep.join(path for path in sys.path if path)
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PMI_", "OMPI_", "PMIX_", "TOMOSAXS_PLUGINS"))}
    return {**kept, "PYTHONPATH": paths, "XDG_CONFIG_HOME": os.devnull, "OPENBLAS_NUM_THREADS": "1", **more}


def words(arguments: tuple[object, ...], ranks: int) -> list[str]:
    """Return the command line; 0 ranks: without mpirun."""
    if ranks and (MPIRUN is None or not _has_mpi4py()):
        pytest.skip("no mpirun beside this Python, or no mpi4py: pip install 'tomosaxs[mpi]'")
    start = [str(MPIRUN), "-n", str(ranks)] if ranks else []
    return [*start, sys.executable, "-m", "tomosaxs", *map(str, arguments)]


def _has_mpi4py() -> bool:
    from importlib.util import find_spec

    return find_spec("mpi4py") is not None


class Started:
    """A command that runs while the test does something to it."""

    def __init__(self, arguments: tuple[object, ...], ranks: int, cwd: Path, env: dict[str, str]) -> None:
        self.output = cwd / f"output-{time.monotonic_ns()}.txt"
        with self.output.open("w") as handle:
            self.process = subprocess.Popen(
                words(arguments, ranks), env=env, cwd=cwd, stdin=subprocess.DEVNULL,
                stdout=handle, stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip

    def until(self, condition: Callable[[], Any], seconds: float = 60) -> None:
        """Wait for a condition that must come true while the command runs."""
        deadline = time.monotonic() + seconds
        while not condition():
            assert self.process.poll() is None, f"it ended too early:\n{self.output.read_text()}"
            assert time.monotonic() < deadline, f"waited {seconds} s:\n{self.output.read_text()}"
            time.sleep(0.02)

    def end(self, seconds: float = 20) -> Done:
        """Wait for the end, which must come soon."""
        begun = time.monotonic()
        try:
            status = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.stop()
            pytest.fail(f"it did not end within {seconds} s:\n{self.output.read_text()}")
        return Done(status, self.output.read_text(), time.monotonic() - begun)

    def stop(self) -> None:
        """End it, whatever it does."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(10)


def values(folder: Path) -> dict[str, np.ndarray[Any, Any]]:
    """Return every dataset and estimate of a result."""
    found: dict[str, np.ndarray[Any, Any]] = {}
    with h5py.File(folder / "result.nxs") as handle:
        entry = handle["entry"]
        for name, group in entry.items():
            alias = isinstance(entry.get(name, getlink=True), h5py.SoftLink)
            if not alias and "key" in group.attrs and "data" in group:
                found[name] = group["data"][...]
        for name, group in entry["estimates"].items() if "estimates" in entry else ():
            for field in ("value", "uncertainty", "confidence"):
                found[f"{name}.{field}"] = group[field][...]
    assert found, "the result is empty"
    return found


def here(listing: Path, folder: Path, **options: Any) -> dict[str, np.ndarray[Any, Any]]:
    """Run a list in this process, which saves the start of another one; return what its result holds."""
    import tomosaxs

    tomosaxs.run(listing, output=folder, log=lambda text: None, **options)
    return values(folder)


def typed(*arguments: object, cwd: Path) -> Done:
    """Run ``tomosaxs ARGUMENTS`` in this process, as it is typed: what it says, and its exit status."""
    from tomosaxs.cli.commands import tomosaxs
    from tomosaxs.cli.ending import guarded

    said, place, begun = io.StringIO(), Path.cwd(), time.monotonic()
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    os.chdir(cwd)
    try:
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            status = guarded(tomosaxs, [str(word) for word in arguments])
    finally:
        os.chdir(place)
        for number, handler in handlers.items():
            signal.signal(number, handler)
    return Done(status, said.getvalue(), time.monotonic() - begun)


def same(one: dict[str, Any], other: dict[str, Any]) -> None:
    """Assert that two results hold the same, bit for bit."""
    assert one.keys() == other.keys()
    for name in one:
        assert one[name].dtype == other[name].dtype, name
        assert one[name].shape == other[name].shape, name
        assert one[name].tobytes() == other[name].tobytes(), f"{name} differs"
