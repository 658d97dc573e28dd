"""Several files as one dataset: their angles, unequal grids, files that are damaged or not there."""

from __future__ import annotations

import h5py
import numpy as np
import pytest
from scattering_help import frames, nxsas, put, said, values, whole

from tomosaxs import InputError
from tomosaxs.testing import i22_scans
from tomosaxs_plugins.loaders.scattering_scan import scattering_scan

ANGLES = [-90.0, -67.5, -45.0, -22.5, 0.0, 22.5, 45.0, 67.5, 90.0]


def stack(truths, detector="SAXS"):
    return np.stack([truth.frames[detector] for truth in truths])


def paths(truths):
    return [truth.path for truth in truths]


def cut_off(path):
    raw = path.read_bytes()
    path.write_bytes(raw[: len(raw) // 2])


@pytest.mark.parametrize("detector", ["SAXS", "WAXS"])
def test_nine_files(tmp_path, detector):
    truths = i22_scans(tmp_path, ANGLES)
    source = scattering_scan(paths(truths), detector=detector)
    assert source.dataset.names == ("rotation_angle", "y", "x", "detector_y", "detector_x")
    np.testing.assert_array_equal(source.dataset.axis("rotation_angle").values, ANGLES)
    np.testing.assert_array_equal(whole(source), stack(truths, detector))
    np.testing.assert_allclose(values(source, "monitor"), [t.monitor for t in truths])
    assert source.dataset.quantity("count_time").value == pytest.approx(0.1)
    assert "missing" not in source.dataset.auxiliaries
    assert source.files == tuple(paths(truths))
    assert "angles: /entry/sample/rotation_angle, 9 from -90 to 90 deg" in said(source)
    part = source.reader.read((slice(2, 8, 3), slice(1, 2), np.array([0, 3]), slice(3, 5), slice(None)))
    np.testing.assert_array_equal(part, stack(truths, detector)[2:8:3, 1:2][:, :, [0, 3]][..., 3:5, :])


def test_folder_in_natural_order(tmp_path):
    truths = i22_scans(tmp_path, ANGLES[:3])
    for truth, name in zip(truths, ("s2.nxs", "s10.nxs", "s1.nxs"), strict=True):
        truth.path.rename(tmp_path / name)
    (tmp_path / "notes.txt").write_text("x")
    (tmp_path / ".hidden.nxs").write_text("x")
    (tmp_path / "s2-raw.h5").write_text("frames that an .nxs file links to")
    source = scattering_scan(tmp_path)
    assert [path.name for path in source.files] == ["s1.nxs", "s2.nxs", "s10.nxs"]
    np.testing.assert_array_equal(source.dataset.axis("rotation_angle").values, [-45, -90, -67.5])
    assert "not in order" in said(source)
    (tmp_path / "others").mkdir()
    i22_scans(tmp_path / "others", ANGLES[:2])[0].path.rename(tmp_path / "others" / "a.nxs")
    for path in (tmp_path / "others").glob("*.nxs"):
        path.rename(path.with_suffix(".h5"))
    assert scattering_scan(tmp_path / "others").dataset.shape[0] == 2
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="holds no NeXus or HDF5 file"):
        scattering_scan(tmp_path / "empty")


def test_angles_of_the_list(tmp_path):
    truths = i22_scans(tmp_path, ANGLES)
    for given in ([float(n) for n in range(9)], {"start": 0.0, "stop": 8.0}):
        source = scattering_scan(paths(truths), angles=given)
        np.testing.assert_allclose(source.dataset.axis("rotation_angle").values, np.arange(9.0), atol=1e-12)
        assert "i22-1000.nxs says -90 deg, the list gives 0 deg, which is taken" in said(source)
    text = tmp_path / "angles.txt"
    text.write_text("\n".join(map(str, ANGLES)))
    source = scattering_scan(paths(truths), angles=text)
    np.testing.assert_array_equal(source.dataset.axis("rotation_angle").values, ANGLES)
    radians = scattering_scan(paths(truths)[:2], angles=[0.0, np.pi / 2], angle_units="rad")
    np.testing.assert_allclose(radians.dataset.axis("rotation_angle").values, [0, 90])
    single = scattering_scan(paths(truths)[:1], angles=[12.0])
    assert single.dataset.shape[:3] == (1, 3, 4)
    with pytest.raises(InputError, match="3 angles are given for 9 files"):
        scattering_scan(paths(truths), angles=[1.0, 2.0, 3.0])


def test_angles_from_another_place_in_the_files(tmp_path):
    truths = i22_scans(tmp_path, ANGLES[:3])
    for number, truth in enumerate(truths):
        with h5py.File(truth.path, "r+") as file:
            del file["entry/sample/rotation_angle"]
            put(file, "entry/instrument/base_theta/value", np.full((3, 4), 0.2 * number), "rad")
            put(file, "entry/instrument/a_dcm/theta", 7.5, "deg")  # the same in every file: it is no rotation
    source = scattering_scan(paths(truths))
    np.testing.assert_allclose(source.dataset.axis("rotation_angle").values, np.degrees([0, 0.2, 0.4]))
    with pytest.raises(InputError, match=r"say the same rotation angle, 7\.5 deg"):
        scattering_scan(paths(truths), angle_path="entry/instrument/a_dcm/theta")
    with pytest.raises(InputError, match=r"entry/instrument/a_dcm/theta_y does not exist \(angle_path\)"):
        scattering_scan(paths(truths), angle_path="entry/instrument/a_dcm/theta_y")


def test_angles_that_nobody_says(tmp_path):
    truths = i22_scans(tmp_path, ANGLES[:3])
    for number, truth in enumerate(truths):
        with h5py.File(truth.path, "r+") as file:
            del file["entry/sample/rotation_angle"]
            put(file, "entry/sample/stage_rot", 0.5 * number)
    with pytest.raises(InputError, match=r"has no units and values of 0 to 1 in all files.*angle_units"):
        scattering_scan(paths(truths))
    source = scattering_scan(paths(truths), angle_units="rad")
    np.testing.assert_allclose(source.dataset.axis("rotation_angle").values, np.degrees([0, 0.5, 1]))
    del source  # lets go of the files
    for truth in truths:
        with h5py.File(truth.path, "r+") as file:
            del file["entry/sample/stage_rot"]
    with pytest.raises(InputError, match=r"say no rotation angle: give angles: .*angle_path"):
        scattering_scan(paths(truths))
    source = scattering_scan(paths(truths), along="scan")
    assert source.dataset.names[0] == "scan"
    np.testing.assert_array_equal(whole(source), stack(truths))


def test_other_things_than_angles(tmp_path):
    for number in range(3):
        nxsas(tmp_path / f"t{number}.nxs", 5)
    source = scattering_scan([tmp_path / f"t{number}.nxs" for number in range(3)], along="load")
    assert source.dataset.names == ("load", "frame", "detector_y", "detector_x")
    np.testing.assert_array_equal(whole(source), np.stack([frames(5)] * 3))
    with pytest.raises(InputError, match="has an axis frame of its own"):
        scattering_scan([tmp_path / "t0.nxs", tmp_path / "t1.nxs"], along="frame")
    with pytest.raises(InputError, match="the files lie along 'load'"):
        scattering_scan([tmp_path / "t0.nxs", tmp_path / "t1.nxs"], along="load", angles=[1.0, 2.0])


def test_unequal_grids_by_stage_position(tmp_path):
    shift, sizes = [0, 1, -2, 0], [4, 4, 5, 3]
    truths = i22_scans(tmp_path, ANGLES[:4], first_x=shift, x_points=sizes, snake=True, y_points=[3, 4, 3, 2])
    source = scattering_scan(paths(truths))
    assert source.dataset.shape[:3] == (4, 4, 7)
    np.testing.assert_allclose(source.dataset.axis("x").values, np.arange(-2, 5) * 5e-5, atol=1e-12)
    np.testing.assert_allclose(source.dataset.axis("y").values, np.arange(4) * 5e-5, atol=1e-12)
    expected = np.full(source.dataset.shape, -1)
    missing = np.ones(source.dataset.shape[:3], dtype=bool)
    for number, truth in enumerate(truths):
        rows, columns = truth.frames["SAXS"].shape[:2]
        begin = shift[number] + 2
        expected[number, :rows, begin : begin + columns] = truth.frames["SAXS"]
        missing[number, :rows, begin : begin + columns] = False
    np.testing.assert_array_equal(whole(source), expected)
    np.testing.assert_array_equal(values(source, "missing"), missing)
    np.testing.assert_array_equal(np.isnan(values(source, "monitor")), missing)
    assert "x: grids of 3 to 5 points laid on one of 7 by the stage positions" in said(source)
    assert "missing: 16 of 28 points at -90 deg" in said(source)
    assert "missing: 22 of 28 points at -22.5 deg" in said(source)


def test_small_differences_of_the_stages_do_not_matter(tmp_path):
    truths = i22_scans(tmp_path, ANGLES, jitter=0.08, demand=False, seed=list(range(9)), x_points=[8, *[7] * 8])
    source = scattering_scan(paths(truths))
    assert source.dataset.shape[:3] == (9, 3, 8)
    np.testing.assert_array_equal(whole(source)[0], truths[0].frames["SAXS"])
    np.testing.assert_array_equal(whole(source)[1:, :, :7], stack(truths[1:]))


def test_grids_that_do_not_fit_are_laid_by_number(tmp_path):
    truths = i22_scans(tmp_path, ANGLES[:3], step=[0.05, 0.05, 0.06], x_points=[4, 3, 4])
    source = scattering_scan(paths(truths))
    assert source.dataset.shape[:3] == (3, 3, 4)
    assert "WARNING: x: grids of 3 to 4 points laid over each other by number" in said(source)
    missing = np.zeros((3, 3, 4), dtype=bool)
    missing[1, :, 3] = True
    np.testing.assert_array_equal(values(source, "missing"), missing)
    np.testing.assert_array_equal(whole(source)[1, :, :3], truths[1].frames["SAXS"])
    (tmp_path / "half").mkdir()
    half = i22_scans(tmp_path / "half", ANGLES[:2], first_x=[0, 0.5])
    assert "WARNING: x: grids of 4 points laid over each other by number" in said(scattering_scan(paths(half)))
    none = scattering_scan(paths(truths), positions="none")
    assert none.dataset.shape[:3] == (3, 3, 4)
    assert "they have no stage positions" in said(none)


def test_scans_that_were_broken_off(tmp_path):
    measured = [None, 7, None, 1, None]
    truths = i22_scans(tmp_path, ANGLES[:5], measured=measured, demand=False, snake=True, broken="unwritten")
    source = scattering_scan(paths(truths))
    assert source.dataset.shape[:3] == (5, 3, 4)
    missing = np.stack([truth.missing for truth in truths])
    np.testing.assert_array_equal(values(source, "missing"), missing)
    expected = stack(truths)
    expected[missing] = -1
    np.testing.assert_array_equal(whole(source), expected)
    assert "missing: 5 of 12 points at -67.5 deg" in said(source)
    assert "missing: 11 of 12 points at -22.5 deg" in said(source)
    assert "WARNING: 16 of 60 points were not measured" in said(source)


@pytest.mark.parametrize("given", [None, ANGLES])
@pytest.mark.parametrize("fault", ["cut off", "empty", "zeros", "no frame"])
def test_a_damaged_file_among_nine_is_masked(tmp_path, fault, given):
    truths = i22_scans(tmp_path, ANGLES, measured=[*[None] * 3, 0 if fault == "no frame" else None, *[None] * 5])
    bad = truths[3].path
    if fault == "cut off":
        cut_off(bad)
    elif fault != "no frame":
        bad.write_bytes(b"" if fault == "empty" else bytes(4096))
    source = scattering_scan(paths(truths), angles=given)
    np.testing.assert_allclose(source.dataset.axis("rotation_angle").values, ANGLES, atol=1e-9)
    expected = stack(truths)
    expected[3] = -1
    np.testing.assert_array_equal(whole(source), expected)
    assert np.all(values(source, "missing")[3])
    assert np.count_nonzero(values(source, "missing")) == 12
    assert "WARNING: all points of a file are missing: " in said(source)
    assert "missing: 12 of 12 points at -22.5 deg" in said(source)
    assert bad in source.files


def test_a_damaged_file_whose_angle_cannot_be_told(tmp_path):
    truths = i22_scans(tmp_path, [0.0, 10.0, 50.0, 70.0])
    cut_off(truths[2].path)
    with pytest.raises(InputError, match=r"no rotation angle is known of i22-1002\.nxs: give angles:"):
        scattering_scan(paths(truths))
    source = scattering_scan(paths(truths), angles=[0.0, 10.0, 50.0, 70.0])
    assert np.all(values(source, "missing")[2])


def test_files_that_do_not_exist(tmp_path):
    truths = i22_scans(tmp_path, ANGLES)
    truths[0].path.unlink()
    with pytest.raises(InputError, match=r"i22-1000\.nxs does not exist"):
        scattering_scan(paths(truths))
    source = scattering_scan(paths(truths), allow_missing=True)
    np.testing.assert_allclose(source.dataset.axis("rotation_angle").values, ANGLES, atol=1e-9)
    assert np.all(values(source, "missing")[0])
    np.testing.assert_array_equal(whole(source)[1:], stack(truths[1:]))
    assert truths[0].path in source.files  # so that it counts once it is there
    there = paths(truths)[1:]
    source = scattering_scan(there, angles=ANGLES)
    assert "WARNING: 9 angles are given for 8 files: there is none for -90 deg" in said(source)
    np.testing.assert_array_equal(whole(source)[1:], stack(truths[1:]))
    with pytest.raises(InputError, match=r"none of them is -67\.5 deg"):
        scattering_scan(there, angles=[float(n) for n in range(9)])
    for path in there:
        path.unlink()
    with pytest.raises(InputError, match="no file can be read"):
        scattering_scan(paths(truths), allow_missing=True)


def test_files_that_do_not_belong_together(tmp_path):
    truths = i22_scans(tmp_path, ANGLES[:2], rows=[12, 14])
    with pytest.raises(InputError, match=r"has frames of 14 x 16 int32, .* of 12 x 16 int32: they are no parts"):
        scattering_scan(paths(truths))
    truths = i22_scans(tmp_path, ANGLES[:2], dtype=["int32", "int16"])
    with pytest.raises(InputError, match="int16"):
        scattering_scan(paths(truths))
    nxsas(tmp_path / "a.nxs", 5)
    nxsas(tmp_path / "b.nxs", 3, 4)
    with pytest.raises(InputError, match=r"b\.nxs has the axes y, x, a\.nxs has frame"):
        scattering_scan([tmp_path / "a.nxs", tmp_path / "b.nxs"], angles=[0.0, 1.0])
    truths = i22_scans(tmp_path, [10.0, 10.0])
    with pytest.raises(InputError, match=r"i22-1000\.nxs and i22-1001\.nxs say the same rotation angle, 10 deg"):
        scattering_scan(paths(truths))


def test_exposures_and_geometry_that_differ(tmp_path):
    truths = i22_scans(tmp_path, ANGLES[:3])
    with h5py.File(truths[1].path, "r+") as file:
        file["entry/instrument/SAXS/count_time"][...] = 0.4
        file["entry/instrument/SAXS/distance"][...] = 0.6
        file["entry/instrument/SAXS/pixel_mask"][7, 7] = 1
    source = scattering_scan(paths(truths))
    np.testing.assert_allclose(values(source, "count_time"), [0.1, 0.4, 0.1])
    assert source.dataset.auxiliaries["count_time"].axes == ("rotation_angle",)
    assert source.dataset.auxiliaries["count_time"].units == "s"
    assert "distance is not the same in all files; that of i22-1000.nxs is taken" in said(source)
    assert values(source, "mask")[7, 7]
    assert "not the same in all files: 4 pixels" in said(source)
