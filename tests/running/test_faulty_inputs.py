"""An input or an output folder at fault: refused before anything is computed, with the file and what is expected."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest

DATA = "entry/instrument/detector/data"
KEYS = "entry/instrument/detector/image_key"
ANGLES = "entry/sample/rotation_angle"


def missing(path: Path) -> None:
    path.unlink()


def folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def text(path: Path) -> None:
    path.write_text("these are no data\n" * 100)


def truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def dangling(path: Path) -> None:
    with h5py.File(path, "r+") as file:
        del file[DATA], file["entry/data/data"]
        file[DATA] = h5py.ExternalLink("frames_of_the_scan.h5", "/frames")


def without(key: int) -> Callable[[Path], None]:
    def change(path: Path) -> None:
        with h5py.File(path, "r+") as file:
            keys = file[KEYS][...]
            keys[keys == key] = 3  # invalid frames
            file[KEYS][...] = keys

    change.__name__ = f"without_{key}"
    return change


def zero_flats(path: Path) -> None:
    with h5py.File(path, "r+") as file:
        for frame in np.flatnonzero(file[KEYS][...] == 1):
            file[DATA][frame] = 0


def nan_frames(path: Path) -> None:
    with h5py.File(path, "r+") as file:
        frames = file[DATA][...].astype(np.float32)
        frames[np.flatnonzero(file[KEYS][...] == 0)[10:12]] = np.nan
        del file[DATA]
        file[DATA] = frames


def fewer_angles(path: Path) -> None:
    with h5py.File(path, "r+") as file:
        angles = file[ANGLES][:-5]
        for name in (ANGLES, "entry/instrument/detector/rotation_angle", "entry/data/rotation_angle"):
            if name in file:
                del file[name]
        file[ANGLES] = angles
        file[ANGLES].attrs["units"] = "deg"


def letters(path: Path) -> None:
    with h5py.File(path, "r+") as file:
        del file[DATA], file["entry/data/data"]
        file[DATA] = np.array([b"a", b"b"])


TABLE = [
    (missing, 2, ["list.yml:5: input tomo.path", "no file or folder", "copy.nxs"]),
    (folder, 2, ["list.yml:5: input tomo", "copy.nxs"]),
    (text, 2, ["list.yml:5: input tomo", "copy.nxs", "not a NeXus/HDF5 file"]),
    (truncated, 2, ["list.yml:5: input tomo", "copy.nxs", "truncated"]),
    (dangling, 2, ["list.yml:5: input tomo", "frames_of_the_scan.h5"]),
    (letters, 2, ["list.yml:5: input tomo", "copy.nxs", "no stack of projections"]),
    (without(2), 2, ["list.yml:7: step 1 dark_flat_correction", "no darks", "darks: FILE"]),
    (without(1), 2, ["list.yml:7: step 1 dark_flat_correction", "no flats", "flats: FILE"]),
    (without(0), 2, ["list.yml:5: input tomo", "copy.nxs", "projection"]),
    (fewer_angles, 2, ["list.yml:5: input tomo", "copy.nxs", ANGLES, "98", "103"]),
    (zero_flats, 1, ["step 1 dark_flat_correction", "of 2", "all flats are zero"]),
    (nan_frames, 1, ["step 1 dark_flat_correction", "projections without any finite value: 10, 11 (2 in all)"]),
]


@pytest.mark.parametrize(("change", "status", "parts"), TABLE, ids=[row[0].__name__ for row in TABLE])
def test_refused(change, status, parts, scan, make_list, quick, tmp_path) -> None:
    copy = tmp_path / "copy.nxs"
    shutil.copy(scan, copy)
    change(copy)
    listing = make_list()
    listing.write_text(listing.read_text().replace(str(scan), "copy.nxs"))
    done = quick("run", listing, "-o", tmp_path / "out", ranks=2 if change in (truncated, zero_flats) else 0)
    assert done.status == status, done.text
    assert "Traceback" not in done.text
    said = done.text[done.text.index("tomosaxs: error: ") :]
    assert said.count("tomosaxs: error: ") == 1, done.text
    for part in parts:
        assert part in said, done.text
    assert not (tmp_path / "out" / "result.nxs").exists()
    if status == 2:
        assert not (tmp_path / "out").exists()
        assert not done.lines("pass 1"), done.text


@pytest.mark.parametrize(
    ("crop", "says"),
    [
        ("{detector_y: [4, 40]}", ["crop", "detector_y", "40", "32"]),
        ("{detector_y: [mid-8, mid+80]}", []),
        ("{rows: [4, 8]}", ["crop", "rows", "detector_y"]),
        ("{detector_y: [20, 10]}", ["crop", "detector_y", "[20, 10]"]),
        ("{detector_x: [0, 3.5]}", ["crop", "3.5"]),
    ],
)
def test_crop_outside(crop, says, make_list, quick, tmp_path, scan) -> None:
    listing = make_list()
    listing.write_text(listing.read_text().replace(f"path: {scan}", f"path: {scan}\n    crop: {crop}"))
    done = quick("plan", listing)
    if not says:  # ranges from begin, mid and end are clipped to the data
        assert done.status == 0, done.text
        assert "(rotation_angle 91, detector_y 24, detector_x 64)" in done.text
        return
    assert done.status == 2, done.text
    assert f"{listing}:6: input tomo.crop" in done.text
    assert all(part in done.text for part in says), done.text
    assert "Traceback" not in done.text


def test_crop_of_one_column_or_row_gives_a_message_or_a_result(make_list, quick, tmp_path, scan) -> None:
    listing = make_list()
    listing.write_text(listing.read_text().replace(f"path: {scan}", f"path: {scan}\n    crop: {{detector_x: [5, 6]}}"))
    done = quick("run", listing, "-o", tmp_path / "out")
    assert done.status == 2, done.text
    assert "centre 33.7 lies outside the columns 5 to 5" in done.text
    assert "step 3 reconstruct.centre" in done.text
    assert not (tmp_path / "out" / "result.nxs").exists()


@pytest.mark.parametrize("ranks", [0, 2])
def test_an_output_that_cannot_be_written(ranks, make_list, quick, tmp_path) -> None:
    listing = make_list()
    (tmp_path / "a-file").write_text("mine")
    for place, says in (
        (tmp_path / "a-file", "is a file, not a folder"),
        (tmp_path / "a-file" / "below", "cannot be written"),
        (Path("/proc/nowhere"), "cannot be written"),
    ):
        done = quick("run", listing, "-o", place, ranks=ranks)
        assert done.status == 2, done.text
        assert done.text.count("tomosaxs: error: ") == 1, done.text
        assert says in done.text
        assert str(place) in done.text
        assert "-o" in done.text
        assert "Traceback" not in done.text
    assert (tmp_path / "a-file").read_text() == "mine"


def test_input_is_output(make_list, quick, tmp_path, scan) -> None:
    """Neither by name, nor by a link, nor when the raw data are called result.nxs."""
    out = tmp_path / "out"
    out.mkdir()
    shutil.copy(scan, out / "result.nxs")
    before = hashlib.sha256((out / "result.nxs").read_bytes()).hexdigest()
    (tmp_path / "link.nxs").symlink_to(out / "result.nxs")
    (tmp_path / "hard.nxs").hardlink_to(out / "result.nxs")
    for name in (out / "result.nxs", tmp_path / "link.nxs", tmp_path / "hard.nxs"):
        done = quick("run", make_list(), "--input", name, "-o", out)
        assert done.status == 2, done.text
        assert "input and output are the same file" in done.text
        assert str(out) in done.text
        assert hashlib.sha256((out / "result.nxs").read_bytes()).hexdigest() == before


def test_raw_data_stay_as_they_are(make_list, quick, tmp_path, scan) -> None:
    """Opened for reading only: a file without any permission to write does, and keeps its bytes and its time."""
    copy = tmp_path / "raw.nxs"
    shutil.copy(scan, copy)
    copy.chmod(0o444)
    before = (copy.stat().st_mtime_ns, hashlib.sha256(copy.read_bytes()).hexdigest())
    done = quick("run", make_list(), "--input", copy, "-o", tmp_path / "out")
    assert done.status == 0, done.text
    assert (copy.stat().st_mtime_ns, hashlib.sha256(copy.read_bytes()).hexdigest()) == before
