"""Faults of files: a disk that fills up, data that cannot be read or that change, a folder without locks."""

from __future__ import annotations

import errno
import fcntl
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import h5py
import pytest
from faults_help import Bench, digest
from running_commands import here, same

import tomosaxs
from tomosaxs.runner import checksums
from tomosaxs.runner.folder import Lock

FRAMES = "entry/instrument/detector/data"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 12 MB."""
    place = tmp_path / "disk"
    place.mkdir()
    words = ["mount", "-t", "tmpfs", "-o", "size=12m", "tmpfs", str(place)]
    try:
        made = subprocess.run(words, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        made = False
    if not made:
        pytest.skip("a small file system cannot be mounted here: that needs root")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def test_a_disk_that_fills_up_while_the_run_writes(bench: Callable[..., Bench], small_disk: Path) -> None:
    made = bench()
    shutil.move(made.out, small_disk / "out")
    made.out = small_disk / "out"
    (made.folder / "disk").symlink_to(small_disk)
    done = made.fail("fill@0:before_step:50", 0)
    assert done.status == 1, done.text
    [said] = done.lines("tomosaxs: error: ")
    assert "No space left on device" in said
    assert re.search(r"step \d|pass \d|output", said), said
    (small_disk / "filler").unlink()
    made.finish()


def test_a_file_that_may_not_grow(bench: Callable[..., Bench]) -> None:
    """The limit of the system on the size of files stands for a quota, without a file system of one's own."""
    made = bench()
    done = made.fail("short@0:before_step:50", 0)
    assert done.status == 1, done.text
    [said] = done.lines("tomosaxs: error: ")
    assert re.search(r"File too large|requested and \d+ written", said)
    assert "rank 0 of 1" in said
    made.finish()


def spoil_chunk(path: Path, packed: Path) -> None:
    """Copy a scan with packed frames, one of which cannot be unpacked."""
    packed.write_bytes(path.read_bytes())
    with h5py.File(packed, "r+") as handle:
        frames = handle[FRAMES][...]
        for name in (FRAMES, "entry/data/data"):
            if name in handle:
                del handle[name]
        made = handle.create_dataset(FRAMES, data=frames, chunks=(1, *frames.shape[1:]), compression="gzip")
        place = made.id.get_chunk_info(60)
    with packed.open("r+b") as raw:
        raw.seek(place.byte_offset + place.size // 3)
        raw.write(b"\xff" * 64)


def test_a_chunk_that_cannot_be_unpacked(bench: Callable[..., Bench]) -> None:
    made = bench()
    packed = made.folder / "packed.nxs"
    spoil_chunk(made.raw, packed)
    before = digest(packed)
    done = made.fail("", 2, "--input", packed)
    assert done.status == 1, done.text
    [said] = done.lines("tomosaxs: error: ")
    assert "reading slices" in said
    assert str(packed) in said or packed.name in said
    assert digest(packed) == before
    made.finish()


FLAKY = """
from tomosaxs import Axis, Dataset, Source, loader

class Reader:
    "Values of a disk that fails in the middle, as long as a file `broken` lies beside."
    shape, dtype = (40, 4, 5), np.dtype("float32")
    def read(self, selection):
        if selection[0].start >= 20 and (HERE / "broken").exists():
            raise OSError(5, "Input/output error")
        return np.arange(800, dtype=np.float32).reshape(self.shape)[selection]

@loader
def flaky(path: Path) -> Source:
    "A reader that fails."
    axes = tuple(Axis(n, s) for n, s in zip(("rotation_angle", "detector_y", "detector_x"), Reader.shape))
    return Source(Dataset(axes, Reader.dtype), Reader(), (path,))

@plugin
def changes(data: Projections) -> Projections:
    "Do something to the input meanwhile, as a file `change` says."
    if (HERE / "change").exists():
        raw, how = HERE / "raw.dat", (HERE / "change").read_text()
        (HERE / "change").unlink()
        status = raw.stat()
        if how == "grow":
            with raw.open("ab") as handle:
                handle.write(b"more")
        elif how == "time":
            os.utime(raw, ns=(1, 1))
        elif how == "contents":
            raw.write_bytes(b"other!")
            os.utime(raw, ns=(status.st_atime_ns, status.st_mtime_ns))
        elif how == "gone":
            raw.unlink()
        elif how == "rights":
            raw.chmod(0o600)
    time.sleep(0.03)
    return data * 2
"""


@pytest.fixture
def flaky(tmp_path: Path) -> Path:
    from faults_help import OWN

    (tmp_path / "own.py").write_text(OWN + FLAKY)
    (tmp_path / "raw.dat").write_bytes(b"values")
    listing = tmp_path / "list.yml"
    listing.write_text(
        "input:\n  tomo:\n    plugin: ./own.py:flaky\n    path: raw.dat\nsteps:\n"
        "  - plugin: ./own.py:changes\n  - plugin: ./own.py:blur\n"
    )
    return listing


def test_a_disk_that_cannot_be_read(flaky: Path, tmp_path: Path) -> None:
    expected = here(flaky, tmp_path / "fresh", block=4)
    (tmp_path / "broken").touch()
    with pytest.raises(tomosaxs.StepError, match=r"step 1 changes .*reading slices 20 to 23.*Input/output error"):
        here(flaky, tmp_path / "out", block=4)
    assert not (tmp_path / "out" / "result.nxs").exists()
    (tmp_path / "broken").unlink()
    same(here(flaky, tmp_path / "out", block=4, resume=True), expected)


@pytest.mark.parametrize(
    ("how", "says"),
    [
        ("grow", "it had 6 bytes and has 10, it was written to at"),
        ("time", "it was written to at 1970-01-01 00:00:00 UTC"),
        ("contents", "its contents"),
        ("gone", "it is gone"),
        ("rights", ""),
    ],
)
def test_an_input_that_changes(how: str, says: str, flaky: Path, tmp_path: Path, monkeypatch) -> None:
    expected, out, raw = here(flaky, tmp_path / "fresh", block=4), tmp_path / "out", tmp_path / "raw.dat"
    monkeypatch.setattr(checksums, "LOOK_SECONDS", 0.02)
    (tmp_path / "change").write_text(how)
    before = raw.stat()
    if not says:  # who may read it is not what it holds
        same(here(flaky, out, block=4), expected)
        return
    lines: list[str] = []
    with pytest.raises(tomosaxs.InputError, match=rf"input {raw} changed while it was read: {says}"):
        tomosaxs.run(flaky, output=out, block=4, log=lines.append)
    assert not (out / "result.nxs").exists()
    if how != "contents":  # found by the way: most blocks were not even begun
        assert not any("4 of" in line for line in lines)
    raw.write_bytes(b"values")  # put back, with its time: what was made of the other contents must not be used
    os.utime(raw, ns=(before.st_atime_ns, before.st_mtime_ns))
    again: list[str] = []
    tomosaxs.run(flaky, output=out, block=4, resume=True, log=again.append)
    assert not any("earlier run" in line for line in again), again
    same(here(flaky, out, block=4, resume=True), expected)


def test_a_file_system_without_locks_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    lock = Lock(tmp_path / ".work")
    assert "has no locks" in lock.take()
    lock.free()
