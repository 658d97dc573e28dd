"""Ctrl-C, SIGTERM, and two runs into one folder: nothing half made, nothing lost, nothing left running."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest
from running_commands import here, same, values

SLOW = """
from tomosaxs import Sinograms

@plugin
def slow(data: Sinograms) -> Sinograms:
    "Wait for a file `go` beside this one; say in `pid-*` which processes are here."
    (HERE / f"pid-{os.getpid()}").touch()
    begun = time.monotonic()
    while not (HERE / "go").exists() and time.monotonic() - begun < 60:
        time.sleep(0.02)
    return data
"""
STEPS = "  - plugin: ./own.py:blur\n  - plugin: ./own.py:slow\n"


@pytest.fixture
def listing(make_list):
    return make_list(STEPS, SLOW)


def processes(folder: Path) -> list[int]:
    return [int(path.name[4:]) for path in folder.glob("pid-*")]


def alive(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.parametrize(
    ("number", "ranks", "place"),
    [
        (signal.SIGINT, 0, "file"),
        (signal.SIGINT, 2, "file"),
        (signal.SIGTERM, 0, "file"),
        (signal.SIGTERM, 2, "file"),
        (signal.SIGTERM, 2, "memory"),
    ],
)
def test_a_signal_ends_the_run_and_resume_goes_on(number, ranks, place, listing, command, start, tmp_path) -> None:
    out = tmp_path / "out"
    (tmp_path / "go").touch()
    older = here(listing, out, settings=["blur.size=5"])
    bytes_before = (out / "result.nxs").read_bytes()
    (tmp_path / "go").unlink()
    for path in tmp_path.glob("pid-*"):
        path.unlink()

    running = start("run", listing, "-o", out, "--block", 5, "--intermediates", place, ranks=ranks)
    running.until(lambda: len(processes(tmp_path)) == max(ranks, 1))
    os.kill(running.process.pid, number)
    done = running.end(15)
    if ranks == 0:
        assert done.status == 130, done.text
        assert done.text.count("tomosaxs: interrupted") == 1, done.text
        assert "--resume" in done.text
    else:
        assert done.status != 0, done.text
    assert "Traceback" not in done.text, done.text
    deadline = time.monotonic() + 8
    while any(map(alive, processes(tmp_path))) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(map(alive, processes(tmp_path)))
    assert (out / "result.nxs").read_bytes() == bytes_before

    (tmp_path / "go").touch()
    again = command("run", listing, "-o", out, "--resume", ranks=ranks)
    assert again.status == 0, again.text
    taken = again.lines("taken from the earlier run: blur, dark_flat_correction, minus_log")
    assert bool(taken) == (place == "file"), again.text  # what lay in memory went with the run
    same(values(out), here(listing, tmp_path / "fresh"))
    assert older["reconstruct"].tobytes() != values(out)["reconstruct"].tobytes()


def test_two_runs_into_one_folder(listing, command, start, tmp_path) -> None:
    out = tmp_path / "out"
    first = start("run", listing, "-o", out)
    first.until(lambda: processes(tmp_path))
    for ranks in (0, 2):
        second = command("run", listing, "-o", out, ranks=ranks)
        assert second.status == 2, second.text
        assert second.text.count("tomosaxs: error: ") == 1, second.text
        assert f"process {first.process.pid} on " in second.text
        assert str(out) in second.text
    cleaned = command("clean", out)
    assert cleaned.status == 2, cleaned.text
    assert f"process {first.process.pid} on " in cleaned.text
    (tmp_path / "go").touch()
    done = first.end(30)
    assert done.status == 0, done.text
    assert values(out)["reconstruct"].shape == (32, 64, 64)
    assert not (out / ".work").exists()
    assert command("run", listing, "-o", out).status == 0  # the lock went with the run


def test_clean_removes_what_an_interrupted_run_left(listing, command, start, tmp_path) -> None:
    out = tmp_path / "out"
    running = start("run", listing, "-o", out)
    running.until(lambda: processes(tmp_path))
    os.kill(running.process.pid, signal.SIGKILL)
    running.end(5)
    assert list((out / ".work").glob("*/data.h5"))
    done = command("clean", out)
    assert done.status == 0, done.text
    assert "removed" in done.text
    assert not (out / ".work").exists()
    assert command("clean", out).status == 0
    assert command("clean", tmp_path / "nowhere").status == 2


def test_a_failing_saver_leaves_the_older_result(make_list, command, tmp_path) -> None:
    """The new result is renamed to its place only when it is whole."""
    listing, out = make_list("  - plugin: ./own.py:blur\n"), tmp_path / "out"
    here(listing, out)
    before = (out / "result.nxs").read_bytes()
    saver = """
from tomosaxs import Result, saver

@saver
def half(result: Result, folder: Path) -> list[Path]:
    "Write half a file, then fail."
    (folder / "result.nxs").write_bytes(b"half")
    raise OSError(28, "No space left on device")
"""
    broken = make_list("  - plugin: ./own.py:blur\n    size: 5\n", saver, name="broken.yml")
    broken.write_text(broken.read_text() + "output:\n  plugin: ./own.py:half\n")
    done = command("run", broken, "-o", out, ranks=2)
    assert done.status == 1, done.text
    assert "No space left on device" in done.text
    assert done.text.count("tomosaxs: error: ") == 1, done.text
    assert "Traceback" not in done.text
    assert (out / "result.nxs").read_bytes() == before
    assert "fault of tomosaxs" not in done.text
    assert "half" in done.text
