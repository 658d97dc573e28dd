"""What stays and what goes in the folder of a run; nothing is left open behind it."""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tomosaxs
from tomosaxs import InputError, StepError
from tomosaxs.result import Result
from tomosaxs.runner.checksums import Checksums
from tomosaxs.runner.folder import SIDE_KEY, move_side_files, side_files

PLUGINS = """
from pathlib import Path
import numpy as np
from tomosaxs import Projections, Result, Scan, Source, loader, plugin, saver
from tomosaxs.dataset import ArrayReader, Axis, Dataset

@loader
def array(path: Path) -> Source:
    "A stack of frames."
    values = np.load(path)
    axes = tuple(Axis(n, s) for n, s in zip(("rotation_angle", "detector_y", "detector_x"), values.shape))
    return Source(Dataset(axes, values.dtype), ArrayReader(values), files=(path,))

@plugin
def write(data: Projections, scan: Scan, *, prefix: str = "frame") -> None:
    "One file a frame."
    for number, frame in zip(scan.index, data):
        np.save(scan.output / f"{prefix}{number}.npy", frame)

@plugin
def same(data: Projections) -> Projections:
    "The data."
    return data

class Reader:
    shape, dtype = (5, 3, 4), np.dtype("float32")

    def __init__(self, path):
        self.path = path

    def read(self, selection):
        if "short" in self.path.name:
            return np.zeros((2, 3, 4), np.float32)
        raise ValueError("a bad chunk")

@loader
def odd(path: Path) -> Source:
    "Cannot be read."
    axes = tuple(Axis(n, s) for n, s in zip(("rotation_angle", "detector_y", "detector_x"), Reader.shape))
    return Source(Dataset(axes, Reader.dtype), Reader(path))

@saver
def two(result: Result, folder: Path) -> list[Path]:
    "Two files of one name."
    made = [folder / name / "x.txt" for name in "ab"]
    for file in made:
        file.parent.mkdir()
        file.write_text("x")
    return made

@saver
def one_folder(result: Result, folder: Path) -> list[Path]:
    "A folder."
    (folder / "stack").mkdir()
    return [folder / "stack"]
"""


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., Result]:
    """Run one step over five frames into tmp_path/out."""
    (tmp_path / "own.py").write_text(PLUGINS)
    np.save(tmp_path / "frames.npy", np.arange(60, dtype=np.float32).reshape(5, 3, 4))

    def go(step: str = "write", **options: Any) -> Result:
        text = f"""input: {{tomo: {{plugin: {tmp_path}/own.py:array, path: {tmp_path}/frames.npy}}}}
steps:
  - {{plugin: {tmp_path}/own.py:{step}}}
"""
        return tomosaxs.run(text, output=tmp_path / "out", log=lambda line: None, **options)

    return go


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.name != ".key")


def test_files_of_others_beside_written_ones_stay(run: Callable[..., Result], tmp_path: Path) -> None:
    place = tmp_path / "out" / "write"
    run()
    (place / "notes.txt").write_text("mine")
    run("write, prefix: new")
    assert names(place) == sorted(["notes.txt", *(f"new{number}.npy" for number in range(5))])


def test_written_files_come_again(run: Callable[..., Result], tmp_path: Path) -> None:
    """Without --resume always; with it where one is gone."""
    file = tmp_path / "out" / "write" / "frame3.npy"
    run()
    for options in ({}, {"resume": True}):
        file.unlink()
        run(**options)
        assert np.array_equal(np.load(file), np.arange(36, 48, dtype=np.float32).reshape(3, 4))
    file.write_bytes(b"broken")
    run()
    assert np.load(file).shape == (3, 4)


def test_half_written_files_of_a_run_that_was_cut_short_go(run: Callable[..., Result], tmp_path: Path) -> None:
    run(keep_work=True)
    (home,) = [path.parent for path in (tmp_path / "out" / ".work").glob("*/done.json")]
    (home / "done.json").unlink()
    (home / "files").mkdir()
    (home / "files" / "frame9.npy").write_bytes(b"half")
    (tmp_path / "out" / "write" / ".key").write_text("")
    run(resume=True)
    assert names(tmp_path / "out" / "write") == [f"frame{number}.npy" for number in range(5)]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="/proc tells what is open")
def test_nothing_stays_open_after_a_run(run: Callable[..., Result]) -> None:
    run("same")
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(3):
        run("same")
    assert len(list(Path("/proc/self/fd").iterdir())) <= before


def test_an_input_that_cannot_be_read_to_its_end_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "scan.nxs"
    file.write_bytes(b"values")
    sums = Checksums([file])

    def fail(*_: Any, **__: Any) -> Any:
        raise OSError("input/output error")

    monkeypatch.setattr(Path, "open", fail)
    sums.start(True)
    with pytest.raises(InputError, match=r"scan\.nxs cannot be read to its end: input/output error"):
        sums.wait()


@pytest.mark.parametrize(("name", "message"), [("short", "2 slices came of 5"), ("other", "ValueError: a bad chunk")])
def test_a_reader_that_fails_is_named(run: Callable[..., Result], tmp_path: Path, name: str, message: str) -> None:
    (tmp_path / "own.py").write_text(PLUGINS)
    (tmp_path / f"{name}.npy").touch()
    text = f"""input: {{tomo: {{plugin: {tmp_path}/own.py:odd, path: {tmp_path}/{name}.npy}}}}
steps:
  - {{plugin: {tmp_path}/own.py:same}}
"""
    with pytest.raises(StepError, match=f"step 1 same .*reading slices 0 to 4.*{message}"):
        tomosaxs.run(text, output=tmp_path / "out", log=lambda line: None)


@pytest.mark.parametrize(("saver", "message"), [("two", r"called x\.txt"), ("one_folder", "stack is none")])
def test_files_of_savers_do_not_replace_each_other(
    run: Callable[..., Result], tmp_path: Path, saver: str, message: str
) -> None:
    with pytest.raises(StepError, match=message):
        run(f"same}}\noutput:\n  - {{plugin: {tmp_path}/own.py:{saver}")
    assert not (tmp_path / "out" / "result.nxs").exists()


def test_checksums_of_all_or_of_samples(tmp_path: Path) -> None:
    """Small files whole; by samples a changed size or a changed sample is seen."""
    file = tmp_path / "scan.nxs"

    def told(content: bytes, extent: Any) -> str:
        file.write_bytes(content)
        sums = Checksums([file], extent)
        sums.start(True)
        return sums.wait()[file]

    content = bytes(range(256)) * 40000
    assert told(content, "auto") == told(content, "full") == hashlib.sha256(content).hexdigest()
    sampled = told(content, "sampled")
    assert sampled.startswith("sampled:")
    assert sampled == told(content, "sampled")
    assert sampled != told(content + b"0", "sampled")
    assert sampled != told(b"1" + content[1:], "sampled")
    assert sampled != told(content[:-1] + b"1", "sampled")


@pytest.mark.parametrize("call", range(12))
def test_files_are_moved_by_the_next_run_where_the_first_is_killed(
    call: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever call is the last one: all new files are there in the end, no old one, and what others laid there."""
    made, target = tmp_path / "made", tmp_path / "target"
    made.mkdir()
    target.mkdir()
    for name in ("a", "b", "c"):
        (made / name).write_text(f"new {name}")
    for name in ("b", "old", "foreign"):
        (target / name).write_text("before")
    (target / SIDE_KEY).write_text("earlier\nb\nold")
    calls = 0

    def counted(real: Callable[..., Any]) -> Callable[..., Any]:
        def action(*given: Any, **options: Any) -> Any:
            nonlocal calls
            calls += 1
            if calls > call:
                raise KeyboardInterrupt
            return real(*given, **options)

        return action

    with monkeypatch.context() as patch:
        for owner, name in ((os, "replace"), (os, "unlink"), (os, "rmdir"), (Path, "write_text"), (Path, "unlink")):
            patch.setattr(owner, name, counted(getattr(owner, name)))
        with suppress(KeyboardInterrupt):
            move_side_files(made, target, "key")
    if made.exists():
        move_side_files(made, target, "key")
    assert {path.name: path.read_text() for path in target.iterdir() if path.name != SIDE_KEY} == {
        "a": "new a", "b": "new b", "c": "new c", "foreign": "before",
    }  # fmt: skip
    assert side_files(target) == ("key", ["a", "b", "c"])
    assert not made.exists()
