"""Scattering scans through whole lists: several files, SAXS beside WAXS, points that were not measured."""

from __future__ import annotations

import shutil

import h5py
import numpy as np
import pytest

import tomosaxs
from tomosaxs import ListError
from tomosaxs.testing import i22_scans
from tomosaxs_plugins.integration.azimuthal_integrate import AzimuthalIntegrate
from tomosaxs_plugins.loaders.scattering_scan import scattering_scan

ANGLES = [0.0, 20.0, 40.0, 60.0]
LIST = """\
title: Small and wide angles
input:
  saxs:
    plugin: scattering_scan
    path: {path}
    detector: SAXS
  waxs:
    plugin: scattering_scan
    path: {path}
    detector: WAXS
steps:
  - plugin: azimuthal_integrate
    name: small
    on: saxs
    bins: 9
    normalise: monitor
  - plugin: azimuthal_integrate
    name: wide
    on: waxs
    bins: 9
"""


@pytest.fixture
def truths(tmp_path):
    """Four files: a scan in snake order, one that was broken off, one of another grid, one cut off."""
    made = i22_scans(
        tmp_path,
        ANGLES,
        snake=[True, False, True, False],
        measured=[None, 5, None, None],
        x_points=[4, 4, 5, 4],
        dtype="uint16",
    )
    raw = made[3].path.read_bytes()
    made[3].path.write_bytes(raw[: len(raw) // 2])
    return made


def run(tmp_path, path="i22-*.nxs", output="out", **options):
    (tmp_path / "list.yml").write_text(LIST.format(path=path))
    lines: list[str] = []
    result = tomosaxs.run(tmp_path / "list.yml", output=tmp_path / output, log=lines.append, **options)
    return result, "\n".join(lines)


def expected(truths, detector):
    """Curves of every point from the frames as they were written, and which points there are."""
    source = scattering_scan([truth.path for truth in truths], detector=detector)
    step = AzimuthalIntegrate(bins=9)
    curves = np.full((4, 3, 5, 9), np.nan, np.float32)
    for number, truth in enumerate(truths[:3]):
        rows, columns = truth.missing.shape
        for y, x in np.argwhere(~truth.missing):
            scan = tomosaxs.Scan.whole(source.dataset, ("detector_y", "detector_x"))
            curve = step(truth.frames[detector][y, x][None], scan)
            curves[number, y, x] = getattr(curve, "values", curve)[0]
            if detector == "SAXS":
                curves[number, y, x] /= truth.monitor[y, x]
        assert (rows, columns) == (3, 5 if number == 2 else 4)
    return curves


def test_saxs_and_waxs_in_one_list(tmp_path, truths):
    result, log = run(tmp_path)
    for name, detector in (("small", "SAXS"), ("wide", "WAXS")):
        wanted = expected(truths, detector)
        assert result[name].shape == (4, 3, 5, 9)
        np.testing.assert_allclose(result[name], wanted, rtol=2e-6)
        there = ~np.isnan(wanted).all(axis=-1)
        assert np.count_nonzero(there) == 12 + 5 + 15
        np.testing.assert_array_equal(np.isnan(result[name]).all(axis=-1), ~there)
    assert "WARNING: all points of a file are missing: " in log
    assert "missing: 10 of 15 points at 20 deg" in log
    with h5py.File(result.path) as file:
        names = [text.decode() for text in file["entry/inputs/saxs/files"][()]]
        assert [name.rpartition("/")[2] for name in names] == [truth.path.name for truth in truths]
        np.testing.assert_allclose(file["entry/small/rotation_angle"][()], ANGLES, atol=1e-9)


def test_every_path_to_the_files_is_the_same(tmp_path, truths):
    first, _ = run(tmp_path)
    folder = tmp_path / "scans"
    folder.mkdir()
    for truth in truths:
        shutil.copy(truth.path, folder)
    names = ", ".join(truth.path.name for truth in truths)
    for number, path in enumerate((f"[{names}]", "scans", "['i22-100[01].nxs', 'i22-100[23].nxs']")):
        again, _ = run(tmp_path, path, f"out{number}")
        np.testing.assert_array_equal(again["small"], first["small"])
    again, _ = run(tmp_path, "nothing-*.nxs", "out9", inputs=[f"saxs={folder}/i22-*.nxs", f"waxs={folder}/i22-*.nxs"])
    np.testing.assert_array_equal(again["wide"], first["wide"])


def test_small_blocks_and_ranks_give_the_same(tmp_path, truths, command):
    first, _ = run(tmp_path)
    again, _ = run(tmp_path, output="blocks", block=2)
    np.testing.assert_array_equal(again["small"], first["small"])
    done = command("run", tmp_path / "list.yml", "-o", tmp_path / "ranks", ranks=2)
    assert done.status == 0, done.text
    with h5py.File(tmp_path / "ranks" / "result.nxs") as file:
        np.testing.assert_array_equal(file["entry/small/I"][()], first["small"])


def test_every_file_counts_for_resume(tmp_path, truths):
    first, _ = run(tmp_path)
    before = first["small"].copy()
    _, log = run(tmp_path, resume=True)
    assert "taken from the earlier run: small, wide" in log
    changed_file = tmp_path / "changed.h5"
    shutil.copy(truths[2].path, changed_file)
    with h5py.File(changed_file, "r+") as file:
        file["entry/SAXS/data"][1, 1] += 7
    changed_file.replace(truths[2].path)
    second, _ = run(tmp_path, resume=True)
    changed = second["small"] != before
    assert np.argwhere((changed & ~np.isnan(second["small"])).any(axis=-1)).tolist() == [
        [2, 1, 3]
    ]  # this row ran backwards


def test_a_crop_takes_its_part_of_what_is_missing(tmp_path, truths):
    whole, _ = run(tmp_path)
    text = LIST.format(path="i22-*.nxs").replace(
        "    detector: SAXS\n", "    detector: SAXS\n    crop: {y: [1, 3], x: 2}\n"
    )
    part = tomosaxs.run(text.replace("i22-*", f"{tmp_path}/i22-*"), output=tmp_path / "part", log=lambda line: None)
    np.testing.assert_array_equal(part["small"].reshape(4, 2, 9), whole["small"][:, 1:3, 2])


def test_only_the_frames_of_a_block_are_read(tmp_path, monkeypatch):
    """A map larger than the memory budget: the largest piece read at once stays within a block."""
    from tomosaxs_plugins.loaders.readers import HDF5Reader

    truths = i22_scans(tmp_path, ANGLES, y_points=8, x_points=20, snake=True, rows=40, columns=50)
    asked = []
    plain = HDF5Reader.read

    def read(self, selection):
        part = plain(self, selection)
        if part.ndim > 2:
            asked.append(part.nbytes)
        return part

    monkeypatch.setattr(HDF5Reader, "read", read)
    result, _ = run(tmp_path, block=16)
    frame = truths[0].frames["SAXS"][0, 0].nbytes
    assert max(asked) <= 16 * frame
    assert 1280 * frame <= sum(asked) <= 1.1 * 1280 * frame  # every frame once, and a few for the report's pictures
    assert np.isfinite(result["small"]).all()


def test_faults_carry_their_line(tmp_path, truths):
    with pytest.raises(ListError, match=r"list\.yml:5: input saxs\.path: no file matches 'i23-\*\.nxs'"):
        run(tmp_path, "i23-*.nxs")
    with pytest.raises(
        ListError, match=r"--set saxs\.detector=SAXS2: input saxs\.detector: .* no detectors called 'SAXS2'"
    ):
        run(tmp_path, settings=["saxs.detector=SAXS2"])
    truths[0].path.unlink()
    names = ", ".join(truth.path.name for truth in truths)
    with pytest.raises(ListError, match=r"list\.yml:5: input saxs\.path: no file or folder 'i22-1000\.nxs'"):
        run(tmp_path, f"[{names}]")
    result, log = run(tmp_path, f"[{names}]\n    allow_missing: true\n    angles: [0, 20, 40, 60]")
    assert np.isnan(result["small"][0]).all()
    assert log.count("WARNING: all points of a file are missing: ") >= 2


def test_corrections_find_what_the_scan_brings(tmp_path, truths):
    steps = """\
  - plugin: frame_corrections
    on: saxs
    to: chain
    transmission: 0.5
  - plugin: flux_and_transmission
    on: saxs
    to: flux
    transmitted: transmitted
    empty_beam: 1.0
  - plugin: frame_time
    on: flux
    to: flux
"""
    text = LIST.format(path=f"{tmp_path}/i22-*.nxs").partition("steps:\n")[0] + "steps:\n" + steps
    result = tomosaxs.run(text, output=tmp_path / "corrected", log=lambda line: None)
    truth, point = truths[0], (1, 2)
    frame = truth.frames["SAXS"][point].astype(float)
    corrected = result["frame_time"][0][point]
    np.testing.assert_allclose(corrected, frame / truth.transmitted[point] / 0.1, rtol=1e-5)
    assert np.isnan(result["frame_time"][3]).all()
    assert np.isfinite(result["frame_corrections"][0][point]).all()
    assert np.isnan(result["frame_corrections"][1][2]).all()  # never measured
