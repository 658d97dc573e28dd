"""Raster scans load with the right axes, coordinates and companions, and say where the file is wrong."""

from __future__ import annotations

import h5py
import numpy as np
import pytest

from tomosaxs import InputError
from tomosaxs_plugins.loaders.positions import along, irregular
from tomosaxs_plugins.loaders.raster_map import raster_map

THETA = np.array([-42.0, 63.0, 10.0])
X, Y = np.linspace(0, 3, 4), np.linspace(5, 6, 3)


def mapping(path, *, core=(2, 5), definition="NXxrd", axes=None, x=None, y=None, units="mm", monitor=True):
    """Write one mapping entry of 3 angles, 3 y and 4 x."""
    grid_y, grid_x = np.meshgrid(Y, X, indexing="ij")
    with h5py.File(path, "a") as file:
        entry = file.create_group(f"entry/{definition[2:]}_entry")
        entry.attrs["NX_class"] = "NXsubentry"
        entry["definition"] = definition
        values = np.arange(36 * int(np.prod(core, dtype=int)), dtype="f4").reshape(3, 3, 4, *core)
        entry["instrument/detector/data"] = values
        entry["data/data"] = entry["instrument/detector/data"]
        plot = entry["data"]
        plot.attrs["signal"] = "data"
        if axes:
            plot.attrs["axes"] = axes
        plot["theta"] = THETA
        plot["theta"].attrs["units"] = "degrees"
        for name, positions in (("x", grid_x if x is None else x), ("y", grid_y if y is None else y)):
            plot[name] = positions
            if units:
                plot[name].attrs["units"] = units
        if monitor:
            entry["monitor/data"] = np.full((3, 3, 4), 7.0)
    return path


def said(source):
    return "\n".join(source.messages)


@pytest.mark.parametrize(
    ("definition", "core", "names"),
    [("NXstxm", (), ()), ("NXfluo", (6,), ("energy",)), ("NXxrd", (2, 5), ("detector_y", "detector_x"))],
)
def test_axes_of_every_technique(tmp_path, definition, core, names):
    source = raster_map(mapping(tmp_path / "map.nxs", core=core, definition=definition))
    data = source.dataset
    assert data.names == ("rotation_angle", "y", "x", *names)
    assert data.shape == source.reader.shape == (3, 3, 4, *core)
    np.testing.assert_array_equal(data.axis("rotation_angle").values, THETA)
    np.testing.assert_allclose(data.axis("y").values, Y * 1e-3)
    np.testing.assert_allclose(data.axis("x").values, X * 1e-3)
    assert data.axis("x").units == "m"
    assert data.auxiliaries["monitor"].axes == ("rotation_angle", "y", "x")
    part = source.reader.read((slice(1, 2), slice(None), np.array([0, 3]), *[slice(None)] * len(core)))
    whole = np.arange(36 * int(np.prod(core, dtype=int))).reshape(data.shape)
    np.testing.assert_array_equal(part, whole[1:2][:, :, [0, 3]])
    assert "not in order" in said(source)


def test_axes_attribute_is_taken_where_it_can_be(tmp_path):
    grid_x, grid_y = np.meshgrid(np.linspace(0, 3, 3), np.linspace(5, 6, 4), indexing="ij")
    path = mapping(tmp_path / "map.nxs", axes=["theta", "x", "y", "detector_y", "detector_x"], x=grid_x, y=grid_y)
    data = raster_map(path).dataset
    assert data.names == ("rotation_angle", "x", "y", "detector_y", "detector_x")
    np.testing.assert_allclose(data.axis("x").values, np.linspace(0, 3, 3) * 1e-3)


def test_positions_overrule_an_axes_attribute_that_says_otherwise(tmp_path):
    source = raster_map(mapping(tmp_path / "map.nxs", axes=["theta", "x", "y", "detector_y", "detector_x"]))
    assert source.dataset.names[:3] == ("rotation_angle", "y", "x")
    np.testing.assert_allclose(source.dataset.axis("x").values, X * 1e-3)
    assert "x and y exchanged" in said(source)


def test_axes_attribute_of_another_rank_is_not_believed(tmp_path):
    source = raster_map(mapping(tmp_path / "map.nxs", axes=["theta", "x", "y", "data"]))
    assert source.dataset.names == ("rotation_angle", "y", "x", "detector_y", "detector_x")
    assert "for 5 dimensions with detector_y and detector_x at every point; taken as rotation_angle, y, x" in said(
        source
    )
    source = raster_map(mapping(tmp_path / "b.nxs", axes=["theta", "y", "x", "q", "chi"]))
    assert source.dataset.names == ("rotation_angle", "y", "x", "detector_y", "detector_x")


def test_detector_axes_may_be_stated_in_either_order(tmp_path):
    source = raster_map(mapping(tmp_path / "map.nxs", axes=["theta", "y", "x", "detector_x", "detector_y"]))
    assert source.dataset.names[3:] == ("detector_x", "detector_y")


def test_axes_of_the_list_come_first(tmp_path):
    path = mapping(tmp_path / "map.nxs")
    names = ["rotation_angle", "z", "x", "detector_y", "detector_x"]
    source = raster_map(path, axes=names)
    assert source.dataset.names == tuple(names)
    with pytest.raises(InputError, match="must be 5 different names"):
        raster_map(path, axes=["y", "x"])


def test_positions_that_do_not_vary_are_passed_over(tmp_path):
    path = mapping(tmp_path / "map.nxs", y=np.full((3, 4), 5.0))
    source = raster_map(path)
    assert source.dataset.axis("y").values is None
    assert source.dataset.axis("y").units == "px"
    assert "axis y only counts points" in said(source)
    del source  # lets go of the file
    with h5py.File(path, "r+") as file:
        sample = file.create_group("entry/xrd_entry/sample")
        sample["y"] = Y
        sample["y"].attrs["units"] = "um"
    np.testing.assert_allclose(raster_map(path).dataset.axis("y").values, Y * 1e-6)


def test_points_near_a_grid_are_averaged_and_far_from_it_refused(tmp_path):
    jitter = np.random.default_rng(1).uniform(-0.1, 0.1, (3, 4))
    grid = np.broadcast_to(X, (3, 4))
    source = raster_map(mapping(tmp_path / "a.nxs", x=grid + jitter))
    assert "off the grid, which is averaged" in said(source)
    np.testing.assert_allclose(source.dataset.axis("x").values, (grid + jitter).mean(axis=0) * 1e-3)
    path = mapping(tmp_path / "b.nxs", x=grid + 10 * jitter)
    with pytest.raises(InputError, match=r"b\.nxs: /entry/xrd_entry/data/x has points up to .*positions: none"):
        raster_map(path)
    assert raster_map(path, positions="none").dataset.axis("x").values is None


def test_unequal_steps_are_said(tmp_path):
    x = np.broadcast_to([0.0, 1.0, 2.0, 9.0], (3, 4))
    assert "steps along x are not equal" in said(raster_map(mapping(tmp_path / "map.nxs", x=x)))


def test_positions_without_units_keep_none(tmp_path):
    source = raster_map(mapping(tmp_path / "map.nxs", units=None))
    assert source.dataset.axis("x").units == ""
    np.testing.assert_array_equal(source.dataset.axis("x").values, X)
    assert "/entry/xrd_entry/data/x has no units" in said(source)


def test_monitor_of_another_shape_is_left_out(tmp_path):
    path = mapping(tmp_path / "map.nxs", monitor=False)
    with h5py.File(path, "r+") as file:
        file["entry/xrd_entry/monitor/data"] = np.ones((3, 2))
    source = raster_map(path)
    assert "monitor" not in source.dataset.auxiliaries
    assert "monitor ignored: /entry/xrd_entry/monitor/data has the shape (3, 2)" in said(source)


def test_technique_must_be_chosen(tmp_path):
    path = mapping(tmp_path / "map.nxs")
    mapping(path, core=(), definition="NXstxm")
    with pytest.raises(InputError, match=r"2 raster scans: stxm \(/entry/stxm_entry\), xrd .*choose technique:"):
        raster_map(path)
    assert raster_map(path, technique="stxm").dataset.shape == (3, 3, 4)
    assert raster_map(path, entry="/entry/stxm_entry").dataset.shape == (3, 3, 4)
    with pytest.raises(InputError, match="no raster scan of technique fluo; there is stxm"):
        raster_map(path, technique="fluo")


def test_dangling_signal_falls_back_to_the_detector(tmp_path):
    path = mapping(tmp_path / "map.nxs")
    with h5py.File(path, "r+") as file:
        del file["entry/xrd_entry/data/data"]
        file["entry/xrd_entry/data/data"] = h5py.SoftLink("entry/nowhere")
    source = raster_map(path)
    assert source.dataset.shape == (3, 3, 4, 2, 5)
    assert "/entry/xrd_entry/data/data is a link to entry/nowhere" in said(source)


def test_constant_angles_are_refused(tmp_path):
    path = mapping(tmp_path / "map.nxs")
    with h5py.File(path, "r+") as file:
        file["entry/xrd_entry/data/theta"][...] = 0
    with pytest.raises(InputError, match=r"map\.nxs: no rotation angles: .*holds zeros only"):
        raster_map(path)
    data = raster_map(path, angles={"start": 0.0, "stop": 180.0}).dataset
    np.testing.assert_array_equal(data.axis("rotation_angle").values, [0, 90, 180])


def test_coordinates_along_one_axis():
    grid_y, grid_x = np.meshgrid(Y, X, indexing="ij")
    np.testing.assert_array_equal(along(grid_x, (9, 3, 4), 2).values, X)
    np.testing.assert_array_equal(along(np.broadcast_to(grid_y, (9, 3, 4)), (9, 3, 4), 1).values, Y)
    assert along(grid_x, (9, 3, 4), 1) is None
    assert along(grid_x, (9, 3, 4), 0) is None
    assert along(X, (9, 3, 4), 1) is None
    assert irregular(X) == 0
    assert irregular(np.array([0.0, 1.0, 2.0, 9.0])) == pytest.approx(4 / 3)


@pytest.mark.parametrize(("technique", "shape"), [("stxm", (52, 7, 101)), ("fluo", (2, 2, 2, 4096))])
def test_measured_map_mm(shared, technique, shape):
    source = raster_map(shared / "data/mapping/mm.nxs", technique=technique)
    assert source.dataset.shape == shape
    assert ("monitor" in source.dataset.auxiliaries) == (technique == "stxm")
    if technique == "stxm":
        angles = source.dataset.axis("rotation_angle").values
        assert (angles[0], angles[2]) == (-42.0, -140.0)  # the order of measurement
        np.testing.assert_allclose(source.dataset.axis("x").values[[0, -1]], [-0.85e-3, -0.65198e-3], rtol=1e-5)
        np.testing.assert_allclose(source.dataset.axis("y").values[[0, -1]], [13.6e-3, 13.63e-3], rtol=1e-9)
        assert source.dataset.quantity("energy").value == pytest.approx(17000.0, abs=0.01)
    else:
        assert "monitor ignored" in said(source)


def test_measured_map_xrd(shared):
    source = raster_map(shared / "data/mapping/xrd_test.nxs", technique="xrd")
    assert source.dataset.shape == (2, 2, 2, 100, 1000)
    assert source.dataset.names == ("rotation_angle", "y", "x", "detector_y", "detector_x")
    np.testing.assert_array_equal(source.dataset.axis("rotation_angle").values, [-42, 63])
    np.testing.assert_allclose(source.dataset.axis("x").values, [-0.85, -0.84802], rtol=1e-5)
    assert "/entry1/xrd_entry/instrument/detector/data is taken instead" in said(source)
    assert "has no units: taken as degrees" in said(source)
