"""A run that is killed in the middle of a section goes on there: finished slices are not made again."""

from __future__ import annotations

import collections
import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest
from running_commands import here, same, values

from tomosaxs.errors import StepError
from tomosaxs.file_target import FileTarget
from tomosaxs.runner import journal
from tomosaxs.runner.journal import Journal, blocks_of

COUNTED = """
import signal
from tomosaxs import Scan, Sinograms

@plugin
def counted(data: Sinograms, scan: Scan) -> Sinograms:
    "Say which slices were seen; die where the file `die` says so."
    die = HERE / "die"
    for number in scan.index:
        if die.exists() and int(die.read_text()) == number:
            time.sleep(0.3)  # the block before is written and noted meanwhile
            os.kill(os.getpid(), signal.SIGKILL)
        with (HERE / "seen").open("a") as handle:
            handle.write(f"{number}\\n")
    scan.note("{count} dark pixels", np.full(len(scan.index), 2))
    scan.remark("a remark")
    scan.keep("table", np.arange(4.0))
    if 16 in scan.index:  # of two ranks the second one's
        scan.keep("middle_table", np.arange(3.0))
    return data
"""
STEPS = "  - plugin: ./own.py:counted\n"
SAVERS = "  - plugin: tiff_stack\n  - plugin: raw_volume\n  - plugin: tiff_volume\n"


def seen(folder: Path) -> collections.Counter[int]:
    """Return how often every slice went through the plugin since this was asked last."""
    file = folder / "seen"
    lines = file.read_text().splitlines() if file.exists() else []
    file.unlink(missing_ok=True)
    return collections.Counter(map(int, lines))


def told(folder: Path) -> tuple[list[str], list[str]]:
    """Return the messages of a result, and the tables that the plugin kept."""
    with h5py.File(folder / "result.nxs") as handle:
        entry = handle["entry"]
        found: list[str] = []
        entry.visititems(
            lambda name, item: (
                found.extend(str(text) for text in np.atleast_1d(item.asstr()[()]))
                if isinstance(item, h5py.Dataset) and h5py.check_string_dtype(item.dtype) and "message" in name
                else None
            )
        )
        tables: list[str] = []
        entry.visititems(lambda name, item: tables.append(name) if name.endswith("table") else None)
    return sorted(text for text in found if "dark pixels" in text), sorted(tables)


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def kill_at(command, listing: Path, out: Path, number: int, *arguments: object, ranks: int = 0) -> None:
    (listing.parent / "die").write_text(str(number))
    done = command("run", listing, "-o", out, *arguments, ranks=ranks)
    (listing.parent / "die").unlink()
    assert done.status != 0, done.text
    assert not (out / "result.nxs").exists()


@pytest.fixture
def listing(make_list):
    path = make_list(STEPS, COUNTED)
    path.write_text(path.read_text() + SAVERS)
    return path


@pytest.mark.parametrize(("ranks", "then"), [(0, 2), (2, 0)])
def test_only_missing_slices_are_made(ranks, then, listing, command, tmp_path) -> None:
    out, fresh = tmp_path / "out", tmp_path / "fresh"
    wanted = here(listing, fresh)
    seen(tmp_path)
    kill_at(command, listing, out, 13, "--block", 3, ranks=ranks)
    first = seen(tmp_path)
    second: collections.Counter[int] = collections.Counter()
    if not ranks:  # a crash while resuming
        kill_at(command, listing, out, 22, "--block", 4, "--resume")
        second = seen(tmp_path)
    again = command("run", listing, "-o", out, "--resume", "--block", 5, ranks=then)
    assert again.status == 0, again.text
    third = seen(tmp_path)

    [line] = again.lines("slices, ")
    there = int(line.rpartition("slices, ")[2].split()[0])
    assert there >= 12
    assert sum(third.values()) == 32 - there
    assert set(first) | set(second) | set(third) == set(range(32))
    # all but the blocks that were under way when a run was killed are made once
    repeated = sum((first + second + third).values()) - 32
    assert repeated <= 4 * (1 + bool(second)) * max(ranks, 1)

    same(wanted, values(out))
    assert told(out) == told(fresh) != ([], [])
    for saver in ("tiff_stack", "raw_volume", "tiff_volume"):
        assert files(out / saver) == files(fresh / saver), saver
    assert not (out / ".work").exists()


def test_nothing_is_mixed_with_what_was_made_of_another_input(make_list, command, tmp_path, scan) -> None:
    """The input changes between the killed run and the next one: no slice of the first counts."""
    copy = tmp_path / "copy.nxs"
    shutil.copy(scan, copy)
    listing = make_list(STEPS, COUNTED)
    listing.write_text(listing.read_text().replace(str(scan), "copy.nxs"))
    out = tmp_path / "out"
    kill_at(command, listing, out, 20, "--block", 4)
    with h5py.File(copy, "r+") as handle:
        handle["entry/instrument/detector/data"][50, 3] += 1000
    seen(tmp_path)
    found = here(listing, out, resume=True)
    assert set(seen(tmp_path).values()) == {1}
    same(found, here(listing, tmp_path / "fresh"))


def test_what_a_saving_step_cannot_go_on_with_is_written_again(make_list, command, tmp_path) -> None:
    """A step that does not say that it can be restarted gets all slices; so does one whose files are gone."""
    appends = """
from tomosaxs import VolumeSlices

@plugin
def appended(data: VolumeSlices, scan: Scan) -> None:
    "Count slices in a file."
    with (scan.output / "count").open("a") as handle:
        handle.write("x" * len(data))
"""
    listing, out = make_list(STEPS, COUNTED + appends), tmp_path / "out"
    listing.write_text(listing.read_text() + "  - plugin: ./own.py:appended\n")
    kill_at(command, listing, out, 20, "--block", 4)
    seen(tmp_path)
    here(listing, out, resume=True)
    assert sum(seen(tmp_path).values()) == 32
    assert (out / "appended" / "count").read_text() == "x" * 32


def entries(folder: Path, *lines: tuple[int, int], identity: str = "a") -> Journal:
    made = Journal(folder)
    made.begin({"data": identity})
    made.open(0)
    for low, high in lines:
        made.note(low, high, {"step": {"dark": high - low}}, {})
    made.close()
    return made


def test_a_torn_line_is_ignored(tmp_path) -> None:
    made = entries(tmp_path, (0, 4), (8, 12), (4, 6))
    [file] = tmp_path.glob("*.lines")
    whole = file.read_bytes()
    for size in range(len(whole) + 1):
        file.write_bytes(whole[:size])
        found = made.earlier({"data": "a"}, [journal.boot()])
        told_lines = max(whole[:size].count(b"\n") - 1, 0)  # the first says on which machine
        assert len(found.ranges) == told_lines
        assert found.notes.get("step", {}).get("dark", 0) == found.count
    assert found.ranges == [(0, 4), (4, 6), (8, 12)]
    assert found.missing(16) == [(6, 8), (12, 16)]
    assert found.missing(12) == [(6, 8)]
    file.write_bytes(whole.replace(b'"slices":[8,12]', b'"slices":[7,12]'))
    assert made.earlier({"data": "a"}, [journal.boot()]).ranges == [(0, 4), (4, 6)]


def test_lines_speak_of_one_file_only(tmp_path) -> None:
    made = entries(tmp_path, (0, 4), identity="a")
    assert made.earlier({"data": "a"}, [journal.boot()]).count == 4
    assert made.earlier({"data": "b"}, [journal.boot()]) is None
    assert made.earlier({"data": "", "other": "a"}, [journal.boot()]) is None
    assert Journal(tmp_path / "none").earlier({"data": "a"}, []) is None


def test_after_a_machine_went_down_only_what_the_disk_had_counts(tmp_path) -> None:
    made = Journal(tmp_path)
    made.begin({"data": "a"})
    made.open(0)
    made.note(0, 4, {}, {})
    made.note(4, 8, {}, {})
    made.note_synced(1)  # the second was noted while the disk was at work
    made.close()
    assert made.earlier({"data": "a"}, [journal.boot()]).ranges == [(0, 4), (4, 8)]
    assert made.earlier({"data": "a"}, ["another start"]).ranges == [(0, 4)]


def test_a_slice_that_was_noted_twice_counts_once(tmp_path) -> None:
    made = entries(tmp_path, (0, 4), (0, 4), (4, 8))
    found = made.earlier({"data": "a"}, [journal.boot()])
    assert found.ranges == [(0, 4), (4, 8)]
    assert found.notes == {"step": {"dark": 8}}


@pytest.mark.parametrize("ranks", [1, 2, 3, 7, 40])
def test_missing_slices_are_shared_evenly(ranks) -> None:
    missing = [(0, 5), (9, 10), (12, 31)]
    shares = [blocks_of(missing, ranks, rank, 4) for rank in range(ranks)]
    counts = [sum(high - low for low, high in blocks) for blocks in shares]
    assert max(counts) - min(counts) <= 1
    every = [number for blocks in shares for low, high in blocks for number in range(low, high)]
    assert every == [number for low, high in missing for number in range(low, high)]
    assert all(high - low <= 4 for blocks in shares for low, high in blocks)


def test_a_rank_may_keep_to_its_share() -> None:
    """Where a dataset lies in parts on several nodes, a rank has only its own slices at hand."""
    missing = [(2, 5), (9, 20)]
    assert blocks_of(missing, 2, 0, 4, 20) == [(2, 5), (9, 10)]
    assert blocks_of(missing, 2, 1, 4, 20) == [(10, 14), (14, 18), (18, 20)]
    assert blocks_of([(0, 3)], 2, 1, 4, 20) == []


def test_a_block_that_cannot_be_written_ends_the_run_by_name(make_list, tmp_path, monkeypatch) -> None:
    """It is written by a thread of its own; the step and its slices are named, and what was written before counts."""
    listing, out = make_list(STEPS, COUNTED), tmp_path / "out"
    real = FileTarget.write

    def write(self, sliced, low, block):
        if low >= 12:
            raise OSError(28, "No space left on device")
        real(self, sliced, low, block)

    with monkeypatch.context() as patched:
        patched.setattr(FileTarget, "write", write)
        with pytest.raises(StepError, match=r"step 4 reconstruct, writing .*, slices 12 to 15 of 32.*No space left"):
            here(listing, out, block=4)
    seen(tmp_path)
    found = here(listing, out, resume=True)
    assert sorted(seen(tmp_path)) == list(range(12, 32))
    same(found, here(listing, tmp_path / "fresh"))
