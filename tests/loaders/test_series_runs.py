"""Whole runs of time series: the volumes are those of the tomograms alone, on any number of ranks."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

import tomosaxs
from tomosaxs.testing import Defects, ScanSettings, micro_ct_scan, plateau_masks, plateau_phantom

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "running"))
from running_commands import environment, values, words

LISTS = Path(__file__).resolve().parents[2] / "process_lists"
FBP, SERIES = LISTS / "tomography_fbp.yml", LISTS / "time_series.yml"
SIZE, ROWS, COUNT, AXIS = 48, 3, 60, 22.4


def settings(**changes):
    plain = {
        "projections": COUNT, "rows": ROWS, "columns": SIZE, "centre": AXIS, "flats": 2, "darks": 2,
        "pixel_size": 3e-6,
    }  # fmt: skip
    return ScanSettings(**{**plain, **changes})


def write(path, number=0, **changes):
    phantom = plateau_phantom(SIZE, ROWS, 0.01 * (1 + 0.2 * number))
    micro_ct_scan(path, phantom, settings(**changes), Defects.none().but(drift=0.05), seed=number + 1)
    return path


def run(listing, folder, inputs, *more):
    given = [str(each) for each in inputs]
    tomosaxs.run(listing, output=folder, inputs=given, settings=more, log=lambda text: None)
    return values(folder)


@pytest.fixture(scope="module")
def scans(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scans")
    return [write(folder / f"tomo_{number}.nxs", number) for number in range(3)]


@pytest.fixture(scope="module")
def whole(scans, tmp_path_factory):
    folder = tmp_path_factory.mktemp("series") / "out"
    return folder, run(FBP, folder, [scans[0].parent / "tomo_*.nxs"])


def test_the_standard_list_takes_a_series_as_it_is(whole):
    folder, found = whole
    assert found["reconstruct"].shape == (3, ROWS, SIZE, SIZE)
    assert found["axis.value"] == pytest.approx(AXIS, abs=0.1)
    with h5py.File(folder / "result.nxs") as file:
        group = file["entry/reconstruct"]
        assert list(group.attrs["axes"]) == ["time", "z", "y", "x"]
        assert group["data"].attrs["units"] == "1/m"
    body = plateau_masks(SIZE, margin=3)["body"]
    means = found["reconstruct"][:, :, body].mean(axis=(1, 2))
    np.testing.assert_allclose(means, np.array([0.01, 0.012, 0.014]) / 3e-6, rtol=0.02)


def test_every_volume_is_that_of_its_tomogram_alone_bit_for_bit(whole, scans, tmp_path):
    found = whole[1]
    for number, scan in enumerate(scans):
        one = run(FBP, tmp_path / f"{number}", [scan], f"axis.value={float(found['axis.value'])!r}")["reconstruct"]
        assert one.tobytes() == found["reconstruct"][number].tobytes()


def test_two_ranks_and_the_list_of_time_series_give_the_same(whole, scans, tmp_path):
    command = ("run", SERIES, "--input", scans[0].parent, "-o", tmp_path / "out")
    done = subprocess.run(
        words(command, 2), env=environment(), cwd=tmp_path, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert values(tmp_path / "out")["reconstruct"].tobytes() == whole[1]["reconstruct"].tobytes()


def test_one_tomogram_of_the_series_by_its_number(whole, scans, tmp_path):
    found = whole[1]
    axis = f"axis.value={float(found['axis.value'])!r}"
    one = run(SERIES, tmp_path / "out", [scans[0].parent], "tomo.scan=2", axis)
    assert one["reconstruct"].tobytes() == found["reconstruct"][1].tobytes()


@pytest.fixture(scope="module")
def stream(tmp_path_factory):
    """A stage that goes on turning: two tomograms of half a turn in one file."""
    folder = tmp_path_factory.mktemp("stream")
    return write(folder / "whole.nxs", projections=2 * COUNT, span=360.0)


def test_half_turns_of_one_stream_are_volumes_in_one_orientation(stream, tmp_path):
    path = stream
    made = run(FBP, tmp_path / "series", [path], "tomo.series={turn: 180}", f"axis.value={AXIS}")["reconstruct"]
    assert made.shape == (2, ROWS, SIZE, SIZE)
    assert not np.array_equal(made[0], made[1])
    for number in range(2):  # the tomogram alone keeps its own angles: 180 to 357 degrees for the second
        more = ("tomo.series={turn: 180}", f"tomo.scan={number + 1}", f"axis.value={AXIS}")
        one = run(FBP, tmp_path / f"{number}", [path], *more)["reconstruct"]
        np.testing.assert_array_equal(made[number], one)
    alike, turned = np.abs(made[0] - made[1]).mean(), np.abs(made[0] - made[1][:, ::-1, ::-1]).mean()
    assert alike < 0.3 * turned  # the axis off the middle leaves edges that only one of the two sees


def test_series_cropped_binned_and_with_projections_left_out(scans, tmp_path):
    listing = tmp_path / "list.yml"
    listing.write_text(
        FBP.read_text()
        .replace("    path: scan.nxs\n", f"    path: {scans[0].parent}/tomo_*.nxs\n    exclude: [3, 17]\n"
        "    crop: {detector_y: [0, 2], time: [1, 3]}\n    bin: {detector_y: 2, detector_x: 2}\n")
    )  # fmt: skip
    found = run(listing, tmp_path / "out", [], f"axis.value={AXIS}")["reconstruct"]
    assert found.shape == (2, 1, SIZE // 2, SIZE // 2)
    means = found[:, 0, plateau_masks(SIZE // 2, margin=2)["body"]].mean(axis=1)
    np.testing.assert_allclose(means, np.array([0.012, 0.014]) / 3e-6, rtol=0.04)


@pytest.mark.parametrize("binned", [False, True])
def test_a_saved_step_is_continued_by_another_list(scans, tmp_path, binned):
    first = tmp_path / "first.yml"
    text = FBP.read_text().replace("  - plugin: minus_log\n", "    save: true\n\n  - plugin: minus_log\n", 1)
    head, tail = text.split("  - plugin: dark_flat_correction\n")
    first.write_text(head + "  - plugin: dark_flat_correction\n" + tail.lstrip("\n"))
    folder = tmp_path / "first_out"
    cut = f"    path: {scans[1]}\n    crop: {{detector_y: [1, 3], detector_x: [2, 46]}}\n"
    cut += "    bin: {detector_x: 2}\n" if binned else ""
    axis = [f"axis.value={AXIS}"] if binned else []  # 22 columns are too few to find it
    first.write_text(first.read_text().replace("    path: scan.nxs\n", cut))
    whole = run(first, folder, [], *axis)
    second = tmp_path / "second.yml"
    second.write_text(
        "input:\n  tomo:\n    plugin: result\n    path: first_out/result.nxs\n    name: dark_flat_correction\n"
        "steps:\n  - plugin: minus_log\n  - plugin: find_rotation_axis\n    name: axis\n"
        "  - plugin: reconstruct\n    centre: ${axis}\n    save: true\n"
    )
    again = run(second, tmp_path / "second_out", [], *axis)
    assert float(again["axis.value"]) == float(whole["axis.value"])  # columns of the uncropped detector in both
    assert again["reconstruct"].tobytes() == whole["reconstruct"].tobytes()
    with h5py.File(tmp_path / "second_out/result.nxs") as file:
        assert file["entry/reconstruct/data"].attrs["units"] == "1/m"
        assert f"found in that run: axis = {float(whole['axis.value']):.6g} px" in str(
            file["entry/inputs/tomo/messages"][()]
        )


def test_a_list_named_after_the_folder_of_its_scans_leaves_that_folder_alone(scans, tmp_path, monkeypatch) -> None:
    """`tomosaxs new bone -o bone.yml && tomosaxs run bone.yml`: results beside the raw data would be read for them."""
    bone = tmp_path / "bone"
    bone.mkdir()
    for scan in scans[:2]:
        (bone / scan.name).symlink_to(scan)
    before = sorted(bone.iterdir())
    listing = tmp_path / "bone.yml"
    listing.write_text("input: {tomo: {plugin: tomography, path: bone}}\nsteps: [{plugin: dark_flat_correction}]\n")
    monkeypatch.chdir(tmp_path)
    tomosaxs.run(listing, log=lambda text: None)
    assert (tmp_path / "bone_result" / "result.nxs").is_file()
    with pytest.raises(tomosaxs.InputError, match="is the folder of an input"):
        tomosaxs.run(listing, output=bone, log=lambda text: None)
    assert sorted(bone.iterdir()) == before
