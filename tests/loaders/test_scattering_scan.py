"""Scattering scans in one file: every layout and rank, with the right axes, companions and geometry."""

from __future__ import annotations

import h5py
import numpy as np
import pytest
from scattering_help import COLUMNS, ROWS, frames, nxsas, put, said, same_as, values, whole

from tomosaxs import InputError
from tomosaxs.testing import i22_scan, saxs_map_scan
from tomosaxs_plugins.integration.calibration import from_metadata
from tomosaxs_plugins.loaders.scattering_scan import scattering_scan

Y, X = np.linspace(0, 1, 3), np.linspace(5, 8, 4)
GRID_Y, GRID_X = np.meshgrid(Y, X, indexing="ij")


@pytest.mark.parametrize("entry", ["entry", "entry1"])
@pytest.mark.parametrize("detector", ["SAXS", "waxs"])
def test_map_of_i22(tmp_path, entry, detector):
    truth = i22_scan(tmp_path / "i22-1.nxs", entry=entry, angle=20.0)
    source = scattering_scan(truth.path, detector=detector)
    assert source.dataset.names == ("y", "x", "detector_y", "detector_x")
    same_as(source, truth, detector.upper())
    assert source.dataset.axis("x").units == "m"
    assert source.dataset.quantity("count_time").value == pytest.approx(0.1)
    assert source.dataset.quantity("rotation_angle").value == 20.0
    assert source.dataset.quantity("distance").value == {"SAXS": 0.5, "WAXS": 0.2}[detector.upper()]
    geometry = from_metadata(source.dataset)
    assert geometry.beam_centre == pytest.approx((5.8, 4.3 if detector == "SAXS" else 5.3))
    assert geometry.wavelength == pytest.approx(1.239841984e-6 / 14e3)
    assert "/entry" in said(source)
    assert f"/{entry}/I0/data (channel 5 of 7, counted from 0, mean of 2 readings), one value a point" in said(source)
    assert source.files == (truth.path,)


def test_saxs_is_taken_where_there_are_several_and_that_is_said(tmp_path):
    truth = i22_scan(tmp_path / "a.nxs")
    source = scattering_scan(truth.path)
    same_as(source, truth, "SAXS")
    assert "also in the file: WAXS; detector: WAXS takes it" in said(source)
    two = i22_scan(tmp_path / "b.nxs", detectors=("left", "right"))
    with pytest.raises(InputError, match=r"2 detectors: left \(/entry/left/data, 3 x 4 x 12 x 16\), right .*detector:"):
        scattering_scan(two.path)
    same_as(scattering_scan(two.path, detector="right"), two, "right")
    same_as(scattering_scan(two.path, data_path="/entry/left/data"), two, "left")
    with pytest.raises(InputError, match=r"no detectors called 'lift'.*did you mean 'left'"):
        scattering_scan(two.path, detector="lift")


def test_no_geometry_of_another_detector(tmp_path):
    truth = i22_scan(tmp_path / "a.nxs")
    with h5py.File(truth.path, "r+") as file:
        del file["entry/instrument/SAXS/distance"]
        del file["entry/instrument/SAXS/pixel_mask"]
        del file["entry/instrument/SAXS/count_time"]
        other = file.create_group("entry/instrument/detector")  # a third one, under the name that is tried last
        other.attrs["NX_class"] = "NXdetector"
        put(other, "distance", 7.0, "m")
    source = scattering_scan(truth.path, detector="SAXS")
    assert source.dataset.quantity("distance") is None
    assert source.dataset.quantity("count_time") is None
    assert "mask" not in source.dataset.auxiliaries


@pytest.mark.parametrize(
    ("points", "names"),
    [
        ((), ("frame",)),
        ((1,), ("frame",)),
        ((5,), ("frame",)),
        ((3, 4), ("y", "x")),
        ((1, 4), ("scan", "frame")),
        ((2, 3, 4), ("frame", "y", "x")),
        ((2, 2, 3, 4), ("scan_0", "frame", "y", "x")),
    ],
)
def test_any_rank_without_positions(tmp_path, points, names):
    source = scattering_scan(nxsas(tmp_path / "a.nxs", *points))
    assert source.dataset.names == (*names, "detector_y", "detector_x")
    np.testing.assert_array_equal(whole(source), frames(*points).reshape(source.dataset.shape))
    np.testing.assert_array_equal(values(source, "monitor"), np.full(source.dataset.shape[:-2], 7.0))
    assert source.dataset.quantity("wavelength").value == pytest.approx(1e-10)
    assert "NXsas, detector detector: /entry/" in said(source)


def test_line_scan_keeps_its_order(tmp_path):
    path = nxsas(tmp_path / "a.nxs", 5, stages={"stage_y": (np.linspace(3, 1, 5), "mm")})
    source = scattering_scan(path)
    assert source.dataset.names[0] == "y"
    np.testing.assert_allclose(source.dataset.axis("y").values, np.linspace(3e-3, 1e-3, 5))
    np.testing.assert_array_equal(whole(source), frames(5))


def test_series_in_time_and_stages_that_only_tremble(tmp_path):
    trembling = 3 + 1e-4 * np.random.default_rng(2).normal(size=5)
    path = nxsas(
        tmp_path / "a.nxs", 5, axes=["time"], stages={"time": (np.arange(5) * 0.5, "s"), "sam_x": (trembling, "mm")}
    )
    source = scattering_scan(path)
    assert source.dataset.names[0] == "time"
    np.testing.assert_allclose(source.dataset.axis("time").values, np.arange(5) * 0.5)
    assert source.dataset.axis("time").units == "s"
    np.testing.assert_array_equal(whole(source), frames(5))


def test_line_scan_beside_a_trembling_stage(tmp_path):
    rng = np.random.default_rng(4)
    stages = {"x": (np.linspace(0, 1, 30), "mm"), "y": (2 + 1e-4 * rng.normal(size=30), "mm")}
    source = scattering_scan(nxsas(tmp_path / "a.nxs", 30, stages=stages))
    assert source.dataset.names[0] == "x"
    np.testing.assert_allclose(source.dataset.axis("x").values, np.linspace(0, 1e-3, 30))


@pytest.mark.parametrize("layout", ["lines", "points"])
def test_rotation_in_the_file(tmp_path, layout):
    angles = np.array([0.0, 60.0, 120.0, 90.0])
    stages = {"theta": (angles, "deg"), "y": (Y, "mm"), "x": (X, "mm")}
    if layout == "points":
        stages = {
            "theta": (np.broadcast_to(angles[:, None, None], (4, 3, 4)), "deg"),
            "y": (np.broadcast_to(GRID_Y, (4, 3, 4)), "mm"),
            "x": (GRID_X, "mm"),
        }
    source = scattering_scan(nxsas(tmp_path / "a.nxs", 4, 3, 4, stages=stages))
    assert source.dataset.names == ("rotation_angle", "y", "x", "detector_y", "detector_x")
    np.testing.assert_allclose(source.dataset.axis("rotation_angle").values, angles)
    np.testing.assert_allclose(source.dataset.axis("x").values, X * 1e-3)
    np.testing.assert_array_equal(whole(source), frames(4, 3, 4))


def test_angles_of_the_list_for_a_file_with_all_of_them(tmp_path):
    path = nxsas(tmp_path / "a.nxs", 3, 3, 4, stages={"y": (Y, "mm"), "x": (GRID_X, "mm")})
    source = scattering_scan(path, angles=[0.0, 45.0, 90.0])
    assert source.dataset.names[:3] == ("rotation_angle", "y", "x")
    np.testing.assert_array_equal(source.dataset.axis("rotation_angle").values, [0, 45, 90])
    with pytest.raises(InputError, match=r"2 angles are given, .* has 3"):
        scattering_scan(path, angles=[0.0, 45.0])


def test_axes_where_x_is_slow(tmp_path):
    grid_x, grid_y = np.meshgrid(X, Y, indexing="ij")
    stages = {"x": (grid_x, "mm"), "y": (grid_y, "mm")}
    source = scattering_scan(nxsas(tmp_path / "a.nxs", 4, 3, axes=["y", "x"], stages=stages))
    assert source.dataset.names[:2] == ("x", "y")
    np.testing.assert_allclose(source.dataset.axis("x").values, X * 1e-3)
    assert "calls axis 0 y" in said(source)
    np.testing.assert_array_equal(whole(source), frames(4, 3))


def test_axes_of_the_list(tmp_path):
    path = nxsas(tmp_path / "a.nxs", 3, 4, stages={"y": (GRID_Y, "mm"), "x": (GRID_X, "mm")})
    source = scattering_scan(path, axes=["z", "x", "detector_y", "detector_x"])
    assert source.dataset.names == ("z", "x", "detector_y", "detector_x")
    assert source.dataset.axis("z").values is None
    np.testing.assert_allclose(source.dataset.axis("x").values, X * 1e-3)
    assert scattering_scan(path, axes=["t", "u"]).dataset.names[:2] == ("t", "u")
    turned = scattering_scan(path, axes=["y", "x", "detector_x", "detector_y"])
    assert turned.dataset.axis("detector_x").size == ROWS
    assert turned.dataset.axis("detector_y").size == COLUMNS
    for wrong in (["y"], ["y", "y"], ["y", "x", "q", "chi"]):
        with pytest.raises(InputError, match="must be 2 different names"):
            scattering_scan(path, axes=wrong)


def test_points_may_stay_as_they_are_stored(tmp_path):
    truth = i22_scan(tmp_path / "a.nxs", snake=True)
    source = scattering_scan(truth.path, positions="none")
    assert source.dataset.axis("x").values is None
    np.testing.assert_array_equal(whole(source)[1], truth.frames["SAXS"][1, ::-1])


def test_maps_of_nxxrd(tmp_path):
    path = tmp_path / "map.nxs"
    saxs_map_scan(path)
    source = scattering_scan(path)
    assert source.dataset.shape == (3, 4, 5, 120, 160)
    assert source.dataset.names == ("rotation_angle", "y", "x", "detector_y", "detector_x")
    np.testing.assert_array_equal(source.dataset.axis("rotation_angle").values, [0, 60, 120])
    with h5py.File(path) as file:
        np.testing.assert_array_equal(whole(source), file["entry/xrd_entry/data/data"][()])
        np.testing.assert_allclose(values(source, "monitor"), file["entry/xrd_entry/monitor/data"][()])
    assert "NXxrd, detector xrd_entry" in said(source)
    assert from_metadata(source.dataset).distance == pytest.approx(0.5)


def test_layout_of_the_waxs_tutorial(tmp_path):
    with h5py.File(tmp_path / "a.nxs", "w") as file:
        put(file, "entry1/Pilatus2M_WAXS/data", frames(1, 5))
        mask = np.zeros((ROWS, COLUMNS), "u4")
        mask[2, 3] = 2
        put(file, "entry1/Pilatus2M_WAXS/pixel_mask", mask)
        put(file, "entry1/I0/data", np.arange(5.0).reshape(1, 5) + 1)
        put(file, "entry1/It/data", np.arange(5.0).reshape(1, 5) + 11)
        put(file, "entry1/sample/thickness", 1.5, "mm")
        put(file, "entry1/instrument/Pilatus2M_WAXS/count_time", np.full((1, 5), 0.5), "s")
        put(file, "entry1/instrument/Pilatus2M_WAXS/distance", 180.0, "mm")
    source = scattering_scan(tmp_path / "a.nxs", detector="WAXS")
    np.testing.assert_array_equal(whole(source), frames(1, 5))
    np.testing.assert_array_equal(values(source, "monitor"), [[1, 2, 3, 4, 5]])
    np.testing.assert_array_equal(values(source, "transmitted"), [[11, 12, 13, 14, 15]])
    np.testing.assert_array_equal(values(source, "count_time"), np.full((1, 5), 0.5))
    assert np.argwhere(values(source, "mask")).tolist() == [[2, 3]]
    assert (source.dataset.quantity("thickness").value, source.dataset.quantity("thickness").units) == (1.5, "mm")
    assert source.dataset.quantity("distance").value == pytest.approx(0.18)


def test_flat_file_of_a_preprocessed_scan(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        put(file, "data", frames(3, 4))
        put(file, "sum", frames(3, 4).sum(axis=(2, 3)))
        put(file, "base_x_value_set", X, "mm")
        put(file, "count_time", np.array([0.2]))
        put(file, "I0_data", np.ones((3, 4, 1, 9)) * np.arange(9))
        put(file, "OAV_data", np.zeros((3, 4, 5, 5)))
    source = scattering_scan(tmp_path / "a.h5")
    assert source.dataset.names[:2] == ("y", "x")
    np.testing.assert_allclose(source.dataset.axis("x").values, X * 1e-3)
    assert source.dataset.axis("y").values is None
    np.testing.assert_array_equal(values(source, "monitor"), np.full((3, 4), 5.0))
    assert source.dataset.quantity("count_time").value == pytest.approx(0.2)
    again = scattering_scan(tmp_path / "a.h5", monitor_channel=7)
    np.testing.assert_array_equal(values(again, "monitor"), np.full((3, 4), 7.0))
    assert "monitor ignored: /I0_data (3, 4, 1, 9) has the channels 0 to 8, not 12" in said(
        scattering_scan(tmp_path / "a.h5", monitor_channel=12)
    )


def test_companions_of_the_list(tmp_path):
    path = nxsas(tmp_path / "a.nxs", 3, 4)
    with h5py.File(path, "r+") as file:
        put(file, "entry/sample/temperature", np.arange(12.0).reshape(3, 4), "K")
        put(file, "entry/sample/odd", np.zeros((2, 7)))
    given = {"temperature": "entry/sample/temperature", "monitor": "none"}
    source = scattering_scan(path, companions=given)
    np.testing.assert_array_equal(values(source, "temperature"), np.arange(12.0).reshape(3, 4))
    assert source.dataset.auxiliaries["temperature"].units == "K"
    assert "monitor" not in source.dataset.auxiliaries
    with pytest.raises(InputError, match=r"odd \(2, 7\) does not fit the \(3, 4\) frames"):
        scattering_scan(path, companions={"odd": "entry/sample/odd"})
    with pytest.raises(InputError, match=r"entry/sample/nothing does not exist \(companions odd\)"):
        scattering_scan(path, companions={"odd": "entry/sample/nothing"})


def test_unknown_layout_lists_what_there_is(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        put(file, "measurement/eiger", frames(3, 4))
        put(file, "measurement/table", np.zeros((4, 5)))
    with pytest.raises(InputError, match=r"/measurement/eiger \(3 x 4 x 6 x 8 float32\).*data_path: PATH.*axes:"):
        scattering_scan(tmp_path / "a.h5")
    source = scattering_scan(tmp_path / "a.h5", data_path="measurement/eiger")
    np.testing.assert_array_equal(whole(source), frames(3, 4))
    with pytest.raises(InputError, match=r"measurement/ieger does not exist.*did you mean 'eiger'"):
        scattering_scan(tmp_path / "a.h5", data_path="measurement/ieger")
    with h5py.File(tmp_path / "b.h5", "w") as file:
        put(file, "numbers", np.zeros(4))
    with pytest.raises(InputError, match="it holds no stack at all"):
        scattering_scan(tmp_path / "b.h5")


def test_external_links_and_virtual_datasets(tmp_path):
    with h5py.File(tmp_path / "raw.h5", "w") as file:
        put(file, "d", frames(12))
    with h5py.File(tmp_path / "linked.nxs", "w") as file:
        file["entry/SAXS/data"] = h5py.ExternalLink("raw.h5", "d")
    source = scattering_scan(tmp_path / "linked.nxs")
    np.testing.assert_array_equal(whole(source), frames(12))
    assert source.files == (tmp_path / "linked.nxs", tmp_path / "raw.h5")
    layout = h5py.VirtualLayout((3, 4, ROWS, COLUMNS), "f4")
    for row in range(3):
        layout[row] = h5py.VirtualSource("raw.h5", "d", (12, ROWS, COLUMNS))[4 * row : 4 * row + 4]
    with h5py.File(tmp_path / "virtual.nxs", "w") as file:
        file.create_group("entry/SAXS").create_virtual_dataset("data", layout)
    source = scattering_scan(tmp_path / "virtual.nxs")
    np.testing.assert_array_equal(whole(source), frames(3, 4))
    assert source.files == (tmp_path / "virtual.nxs", tmp_path / "raw.h5")
    del source
    (tmp_path / "raw.h5").unlink()
    for name in ("linked.nxs", "virtual.nxs"):
        with pytest.raises(InputError, match=r"raw\.h5, a file that does not exist"):
            scattering_scan(tmp_path / name)


def test_several_entries(tmp_path):
    path = nxsas(tmp_path / "a.nxs", 3, 4)
    nxsas(path, 5, entry="second", mode="a")
    with pytest.raises(InputError, match="2 detectors"):
        scattering_scan(path)
    assert scattering_scan(path, entry="second").dataset.shape == (5, ROWS, COLUMNS)
    assert scattering_scan(path, entry="/entry").dataset.shape == (3, 4, ROWS, COLUMNS)


def test_measured_maps(shared):
    source = scattering_scan(shared / "data/mapping/xrd_test.nxs")
    assert source.dataset.shape == (2, 2, 2, 100, 1000)
    assert source.dataset.names == ("rotation_angle", "y", "x", "detector_y", "detector_x")
    np.testing.assert_array_equal(source.dataset.axis("rotation_angle").values, [-42, 63])
    with h5py.File(shared / "data/mapping/xrd_test.nxs") as file:
        np.testing.assert_array_equal(whole(source), file["entry1/xrd_entry/instrument/detector/data"][()])
    many = scattering_scan(shared / "data/mapping/mm.nxs")  # beside NXstxm and NXfluo, whose data are no frames
    assert many.dataset.shape == (2, 2, 2, 100, 1000)
    np.testing.assert_array_equal(many.dataset.axis("rotation_angle").values, [-42, 63])


def test_axes_without_positions_are_said(tmp_path):
    path = nxsas(tmp_path / "a.nxs", 2, 3, 4, axes=["theta", "y", "x"])
    source = scattering_scan(path)
    assert source.dataset.names[:3] == ("rotation_angle", "y", "x")
    assert "WARNING: the rotation angles are not known: give angles:" in said(source)
    assert "axis y only counts points" in said(source)
    given = scattering_scan(path, angles=[0.0, 90.0])
    np.testing.assert_array_equal(given.dataset.axis("rotation_angle").values, [0, 90])
    assert "rotation angles are not known" not in said(given)
