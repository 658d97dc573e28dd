"""Two results compared, and one run again."""

from __future__ import annotations

import shutil

import h5py
import numpy as np
import pytest
from PIL import Image

from tomosaxs.report.compare import compare_results

LIST = """\
# every comment stays
title: Once more
input:
  tomo:
    plugin: tomography
    path: scan.nxs
    crop: {{detector_y: [mid, mid+4]}}
steps:
  - plugin: dark_flat_correction
  - plugin: minus_log
  - plugin: ./own.py:blur
    size: 3
  - plugin: reconstruct
    name: volume
    centre: 33.7
"""


@pytest.fixture
def runs(scan, make_list, command, tmp_path):
    """A copy of the scan beside its list, and a run of it."""
    shutil.copy(scan, tmp_path / "scan.nxs")
    listing = make_list(text=LIST)
    done = command("run", listing, "-o", tmp_path / "first", "--set", "volume.filter=hann")
    assert done.status == 0, done.text
    return listing


def test_replay_gives_the_same_bits(runs, command, tmp_path) -> None:
    """From the result alone: its list, its settings, its inputs; on two ranks."""
    runs.unlink()
    done = command("replay", tmp_path / "first" / "result.nxs", "-o", tmp_path / "again", ranks=2)
    assert done.status == 0, done.text
    assert "volume: equal, 16384 values" in done.text
    with h5py.File(tmp_path / "first" / "result.nxs") as a, h5py.File(tmp_path / "again" / "result.nxs") as b:
        np.testing.assert_array_equal(a["entry/volume/data"][()], b["entry/volume/data"][()])


def test_replay_where_something_is_not_as_it_was(runs, command, tmp_path) -> None:
    """A changed plugin is found out; a changed or missing input is refused before anything runs."""
    own = tmp_path / "own.py"
    own.write_text(own.read_text().replace("/ np.float32(size)", "/ np.float32(size + 1)"))
    done = command("replay", tmp_path / "first", "-o", tmp_path / "again")
    assert done.status == 1, done.text
    assert "volume: 16384 of 16384 values differ, outside the tolerance 0" in done.text
    with h5py.File(tmp_path / "scan.nxs", "r+") as file:
        file["entry/title"][()] = "other"
    done = command("replay", tmp_path / "first", "-o", tmp_path / "third", ranks=2)
    assert done.status == 2
    assert done.text.count("is not what it was") == 1
    (tmp_path / "scan.nxs").unlink()
    done = command("replay", tmp_path / "first", "-o", tmp_path / "third")
    assert done.status == 2
    assert f"input tomo: {tmp_path / 'scan.nxs'} does not exist; say where it is" in done.text
    assert not (tmp_path / "third").exists()
    assert command("replay", tmp_path / "first", "-o", tmp_path / "first").status == 2


def test_replay_of_a_list_with_a_relative_path_finds_the_moved_scan(runs, command, tmp_path) -> None:
    """The message names the absolute path; its beginning is what --root takes."""
    place = tmp_path / "elsewhere"
    place.mkdir()
    (tmp_path / "scan.nxs").rename(place / "scan.nxs")
    assert "--root OLD=NEW" in command("replay", tmp_path / "first", "-o", tmp_path / "again").text
    done = command("replay", tmp_path / "first", "-o", tmp_path / "again", "--root", f"{tmp_path}={place}")
    assert done.status == 0, done.text
    assert "volume: equal" in done.text


def test_compare_names_what_differs(runs, quick, tmp_path) -> None:
    done = quick("run", runs, "-o", tmp_path / "second", "--set", "volume.filter=ramp")
    assert done.status == 0, done.text
    done = quick("compare", tmp_path / "first", tmp_path / "second", "-o", tmp_path / "pictures")
    assert done.status == 1
    assert "volume.filter: hann -> ramp" in done.text
    assert "-# --set volume.filter=hann" in done.text
    assert "software\n  equal" in done.text
    assert "inputs\n  equal" in done.text
    with Image.open(tmp_path / "pictures" / "difference_volume.png") as picture:
        assert picture.width > 3 * 64
    found = compare_results(tmp_path / "first", tmp_path / "second" / "result.nxs")
    with h5py.File(tmp_path / "first" / "result.nxs") as a, h5py.File(tmp_path / "second" / "result.nxs") as b:
        one, other = (file["entry/volume/data"][()].astype(float) for file in (a, b))
    gap = np.abs(other - one)
    (each,) = found.data
    assert each.largest == gap.max()
    assert each.where == np.unravel_index(gap.argmax(), gap.shape)
    assert each.rms == pytest.approx(np.sqrt((gap**2).mean()))
    assert each.relative == pytest.approx(gap.max() / np.ptp(one))
    assert quick("compare", tmp_path / "first", tmp_path / "second", "--tolerance", "10").status == 0


def test_compare_itself_and_what_is_no_result(runs, quick, tmp_path) -> None:
    done = quick("compare", tmp_path / "first", tmp_path / "first" / "result.nxs")
    assert done.status == 0
    assert "differ" not in done.text
    for wrong in (runs, tmp_path / "nowhere", tmp_path):
        done = quick("compare", tmp_path / "first", wrong)
        assert done.status == 2
        assert len(done.text.strip().splitlines()) == 1
