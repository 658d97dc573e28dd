"""The next block is read while the present one is worked on; nothing else changes."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import tomosaxs
from tomosaxs import StepError

PLUGINS = """
import threading
from pathlib import Path
import numpy as np
from tomosaxs import Axis, Dataset, Projections, Source, loader, plugin

LOG = []
READ = [threading.Event() for _ in range(6)]

class Slow:
    def __init__(self, values, fails):
        self.values, self.shape, self.dtype, self.fails = values, values.shape, values.dtype, fails
        self.notes = {}

    def read(self, selection):
        low = selection[0].start
        LOG.append(("read", low, threading.current_thread().name))
        if low == self.fails:
            READ[low].set()
            raise OSError("the disk is gone")
        self.notes["{count} slices came"] = self.notes.get("{count} slices came", 0) + 1
        READ[low].set()
        return self.values[selection]

@loader
def slow(path: Path, *, fails: int = -1) -> Source:
    "A reader that tells who asks it."
    values = np.load(path)
    axes = tuple(Axis(n, s) for n, s in zip(("rotation_angle", "detector_y", "detector_x"), values.shape))
    LOG.clear()
    for each in READ:
        each.clear()
    return Source(Dataset(axes, values.dtype), Slow(values, fails), (path,))

@plugin
def wait(data: Projections) -> Projections:
    "Goes on only when the next block is there already."
    number = int(data[0, 0, 0])
    LOG.append(("work", number, threading.current_thread().name))
    if number < 5:
        assert READ[number + 1].wait(20), "the next block was not read meanwhile"
    return data + 1
"""


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., tomosaxs.Result]:
    np.save(tmp_path / "scan.npy", np.arange(6.0, dtype=np.float32)[:, None, None] * np.ones((1, 2, 3), np.float32))
    (tmp_path / "own.py").write_text(PLUGINS)

    def run(more: str = "", **options: object) -> tomosaxs.Result:
        text = (
            f"input:\n  tomo:\n    plugin: ./own.py:slow\n    path: scan.npy\n{more}steps:\n  - plugin: ./own.py:wait\n"
        )
        (tmp_path / "list.yml").write_text(text)
        return tomosaxs.run(tmp_path / "list.yml", output=tmp_path / "out", block=1, **options)

    return run


def test_next_block_is_read_meanwhile(run) -> None:
    """The plugin waits for it: without reading ahead it would never go on."""
    result = run()
    assert np.array_equal(result.data[:, 0, 0], np.arange(1.0, 7.0))
    assert any("6 slices came" in message for message in result.messages)  # notes of the reader, none lost
    for thread in threading.enumerate():
        if thread.name.startswith("read-ahead"):
            thread.join(timeout=5)
            assert not thread.is_alive()


def test_a_read_that_fails_names_its_slices(run) -> None:
    with pytest.raises(StepError, match=r"(?s)reading slices 3 to 3.*the disk is gone"):
        run("    fails: 3\n")
