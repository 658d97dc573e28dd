"""What cannot end by itself is ended: a hang, also in compiled code that keeps the interpreter, and a leak."""

from __future__ import annotations

import re
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from faults_help import Bench

from tomosaxs.watcher.guards import MemoryGuard, StallGuard, where_it_hangs
from tomosaxs.watcher.status import RankStatus, Status, read_status

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="ranks are watched on Linux only")


@pytest.mark.parametrize(("how", "ranks"), [("sleep", 2), ("locked", 0)])
def test_a_hang_is_ended_by_name(how: str, ranks: int, bench: Callable[..., Bench]) -> None:
    made = bench()
    (made.folder / "trouble").write_text(how)
    done = made.fail("", ranks, "--stall", "2.5")
    [said] = done.lines("tomosaxs: error: ")
    assert re.search(rf"step 5 trouble, slices \d+ to 31 of 32, rank {max(ranks - 1, 0)} of {max(ranks, 1)}: ", said)
    assert re.search(r"no sign of progress for \d+ s \(--stall 2.5", said)
    assert re.search(rf"It is at {made.folder}/own.py:\d+ in {'locked' if ranks == 0 else 'trouble|lambda'}", said)
    if how == "sleep":  # where the interpreter is free, the rank itself leaves
        assert done.status == 1, done.text
    assert said.replace("tomosaxs: error", "failed") == (made.out / "run.log").read_text().splitlines()[-1]
    made.finish()


@pytest.mark.long
@pytest.mark.parametrize("ranks", [0, 2])
def test_ctrl_c_where_the_interpreter_is_kept(ranks: int, bench: Callable[..., Bench]) -> None:
    made = bench()
    (made.folder / "trouble").write_text("locked")
    started = made.start("", ranks, "--stall", "0")
    started.until(lambda: made.moment(), 120)
    started.process.send_signal(signal.SIGINT)
    made.ended(started)
    made.finish()


def test_a_leak_is_ended_before_the_system_does(bench: Callable[..., Bench]) -> None:
    made = bench()
    (made.folder / "trouble").write_text("hoard")
    done = made.fail("", 0, "--memory", "100M")
    assert done.status == 1, done.text
    [said] = done.lines("tomosaxs: error: ")
    assert re.search(r"step 5 trouble, slices \d+ to 31 of 32, rank 0 of 1: its memory has grown to [\d.]+ GB", said)
    assert re.search(r"were planned \(--memory\), 1.\d+ GB is the limit", said)
    assert "own.py" in said
    made.finish()


def test_progress(monkeypatch: pytest.MonkeyPatch) -> None:
    """A rank that waits is not to blame, one that reads and writes goes on, and all that wait hang together."""
    moved, spent, clock = {10: 0, 11: 0}, {10: 0.0, 11: 0.0}, [100.0]
    monkeypatch.setattr("tomosaxs.watcher.guards.moved_bytes", moved.__getitem__)
    monkeypatch.setattr("tomosaxs.watcher.guards.processor_seconds", spent.__getitem__)
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    guard = StallGuard(10.0, everybody=True)

    def look(seconds: float, *states: str) -> str:
        clock[0] += seconds
        records = {rank: Status(state[0], int(state[1:]), "") for rank, state in enumerate(states)}
        verdict = guard.look({0: 10, 1: 11}, records)
        return "" if verdict is None else f"{verdict.rank}: {verdict.text}"

    assert look(5, "r1", "r1") == ""
    assert look(9, "r2", "r1") == ""
    assert look(3, "w3", "r2") == ""  # the other one is at work: what waits for it is not to blame
    assert look(9, "w3", "r3") == ""
    assert look(9, "w3", "r4") == ""
    moved[11] += 5 << 20
    assert look(11, "w3", "r4") == ""  # it writes a large file
    assert look(11, "w3", "r4").startswith("1: no sign of progress for 11 s (--stall 10")
    spent[11] += 60.0
    assert look(50, "w3", "r4") == ""  # it computes: many iterations of a large block
    assert look(60, "w3", "r4").startswith("1: no sign of progress for 121 s")
    assert look(11, "w3", "w5") == ""
    assert look(11, "w3", "w5").startswith("0: all ranks have waited for each other for 10 s")
    assert StallGuard(10.0, everybody=False).look({0: 10}, {0: Status("w", 1, "")}) is None


def test_memory_against_what_was_promised(monkeypatch: pytest.MonkeyPatch) -> None:
    held, left = {10: 1e9, 11: 3e9}, [8e9]
    monkeypatch.setattr("tomosaxs.watcher.guards.own_memory", held.__getitem__)
    monkeypatch.setattr("tomosaxs.watcher.guards.memory_left", lambda process: (left[0], "this machine"))
    guard = MemoryGuard(3e9)
    assert guard.look({0: 10, 1: 11}) is None  # above the promise, below its limit of 5.5 GB
    left[0] = 0.2e9
    verdict = guard.look({0: 10, 1: 11})
    assert verdict is not None
    assert verdict.rank == 1
    assert "this machine has only 0.2 GB left" in verdict.text
    left[0], held[10] = 8e9, 2.6e9
    verdict = guard.look({0: 10, 1: 11})
    assert verdict is not None
    assert "grown to 3 GB; all ranks of this node hold 5.6 GB. 3 GB were planned (--memory), 5.5 GB is" in verdict.text
    held[10], left[0] = 0.0, 0.1e9
    assert guard.look({0: 10}) is None  # within the promise, the machine's want of memory is not ours


def test_the_place_is_found_in_a_dump(tmp_path: Path) -> None:
    """The latest line of the file that was called, not the library below it nor the threads that wait."""
    dump = tmp_path / "where.txt"
    dump.write_text(
        'Thread 0x0001 (most recent call first):\n  File "/usr/lib/python3/threading.py", line 1 in wait\n\n'
        'Thread 0x0002 (most recent call first):\n  File "/site/reader.py", line 5 in read\n'
        '  File "/package/tomosaxs/runner/ahead.py", line 3 in take\n\n'
        'Current thread 0x0003 (most recent call first):\n  File "/site/numpy/fft.py", line 9 in fft\n'
        '  File "/home/own.py", line 31 in inner\n  File "/home/own.py", line 12 in trouble\n'
        '  File "/package/tomosaxs/runner/call.py", line 3 in call\n'
    )
    assert where_it_hangs(dump, Path("/package/tomosaxs")) == "/home/own.py:31 in inner"
    dump.write_text(dump.read_text().split("Current")[0])
    assert where_it_hangs(dump, Path("/package/tomosaxs")) == "/site/reader.py:5 in read"
    dump.write_text(
        "Fatal Python error: Segmentation fault\n\nCurrent thread 0x0003 (most recent call first):\n"
        '  File "/home/hooks/mine.py", line 4 in before_step\n  File "/site-packages/pluggy/c.py", line 9 in call\n'
        '  File "/package/tomosaxs/runner/call.py", line 3 in call\n'
    )
    assert where_it_hangs(dump, Path("/package/tomosaxs")) == "/home/hooks/mine.py:4 in before_step"
    dump.write_text("")
    assert where_it_hangs(dump, Path("/package/tomosaxs")) == ""


def test_records(tmp_path: Path) -> None:
    status = RankStatus(tmp_path / "rank-0")
    status.update("step 4 reconstruct, " + "ä" * 600)
    first = read_status(tmp_path / "rank-0")
    status.waiting(True)
    second = read_status(tmp_path / "rank-0")
    assert (first.state, second.state) == ("r", "w")
    assert second.writes == first.writes + 1
    assert second.text.startswith("step 4 reconstruct, ")
    status.finished()
    status.update("nothing")
    assert read_status(tmp_path / "rank-0").state == "f"
    assert (tmp_path / "rank-0").stat().st_size == 512
    assert read_status(tmp_path / "nowhere").state == "f"
