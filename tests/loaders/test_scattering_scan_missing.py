"""What was not measured is masked, and frames lie where their stages were, frame by frame."""

from __future__ import annotations

import h5py
import numpy as np
import pytest
from scattering_help import COLUMNS, ROWS, frames, nxsas, put, said, same_as, values, whole

from tomosaxs import InputError
from tomosaxs.testing import i22_scan
from tomosaxs_plugins.loaders.scattering_scan import scattering_scan

BROKEN = ["unwritten", "short", "positions"]


@pytest.mark.parametrize("demand", [True, False])
@pytest.mark.parametrize("in_a_row", [False, True])
@pytest.mark.parametrize("snake", [False, True])
def test_order_of_the_frames(tmp_path, snake, in_a_row, demand):
    truth = i22_scan(tmp_path / "a.nxs", snake=snake, in_a_row=in_a_row, demand=demand, y_points=4)
    source = scattering_scan(truth.path)
    same_as(source, truth)
    assert ("2 of 4 rows ran backwards (snake order)" in said(source)) == snake
    row = source.reader.read((slice(1, 2), slice(1, 3), slice(2, 4), np.array([0, 5])))
    np.testing.assert_array_equal(row, truth.frames["SAXS"][1:2, 1:3, 2:4][..., [0, 5]])


@pytest.mark.parametrize("measured", [2, 6, 11])
@pytest.mark.parametrize("broken", BROKEN)
@pytest.mark.parametrize("in_a_row", [False, True])
@pytest.mark.parametrize("snake", [False, True])
def test_a_scan_that_was_broken_off(tmp_path, snake, in_a_row, broken, measured):
    options = {"snake": snake, "in_a_row": in_a_row, "broken": broken, "measured": measured}
    truth = i22_scan(tmp_path / "a.nxs", **options)
    source = scattering_scan(truth.path)
    same_as(source, truth)
    lost = np.count_nonzero(truth.missing)
    assert f"WARNING: {lost} of 12 points were not measured: their frames hold -1" in said(source)


@pytest.mark.parametrize("broken", ["unwritten", "positions"])
@pytest.mark.parametrize("snake", [False, True])
def test_a_scan_that_was_broken_off_without_planned_positions(tmp_path, snake, broken):
    truth = i22_scan(tmp_path / "a.nxs", snake=snake, broken=broken, measured=10, y_points=6, demand=False)
    same_as(scattering_scan(truth.path), truth)


@pytest.mark.parametrize(
    ("dtype", "fill"), [("int16", -1), ("uint16", 65535), ("uint32", 2**32 - 1), ("float32", np.nan)]
)
def test_what_stands_for_a_frame_that_is_not_there(tmp_path, dtype, fill):
    truth = i22_scan(tmp_path / "a.nxs", dtype=dtype, measured=7, rows=4, columns=5)
    source = scattering_scan(truth.path)
    assert source.dataset.dtype == np.dtype(dtype)
    same_as(source, truth, fill=fill)


@pytest.mark.parametrize("snake", [False, True])
def test_positions_that_tremble(tmp_path, snake):
    truth = i22_scan(tmp_path / "a.nxs", snake=snake, jitter=0.15, demand=False, y_points=9, x_points=8)
    source = scattering_scan(truth.path)
    np.testing.assert_array_equal(whole(source), truth.frames["SAXS"])
    np.testing.assert_allclose(source.dataset.axis("x").values, truth.x, atol=0.15 * 5e-5)
    assert "steps off the grid, which is averaged" in said(source)


def test_single_points_without_position(tmp_path):
    truth = i22_scan(tmp_path / "a.nxs")
    with h5py.File(truth.path, "r+") as file:
        file["entry/SAXS_sum/base_x_value"][1, 2] = np.nan
        file["entry/SAXS_sum/base_y_value"][0, 3] = np.nan
    source = scattering_scan(truth.path)
    assert np.argwhere(values(source, "missing")).tolist() == [[0, 3], [1, 2]]
    assert np.all(whole(source)[1, 2] == -1)
    assert np.isnan(values(source, "monitor")[1, 2])
    np.testing.assert_array_equal(whole(source)[2], truth.frames["SAXS"][2])
    assert "1 points have no position in /entry/SAXS_sum/base_x_value" in said(source)


@pytest.mark.parametrize("demand", [True, False])
@pytest.mark.parametrize("in_a_row", [False, True])
@pytest.mark.parametrize("snake", [False, True])
def test_single_positions_that_are_nonsense(tmp_path, snake, in_a_row, demand):
    options = {"snake": snake, "in_a_row": in_a_row, "demand": demand, "y_points": 6, "x_points": 8, "first_x": 100}
    truth = i22_scan(tmp_path / "a.nxs", **options)
    with h5py.File(truth.path, "r+") as file:
        positions = file["entry/SAXS_sum/base_x_value"]
        positions[(9,) if in_a_row else (1, 1)] = 0.0
    source = scattering_scan(truth.path)
    assert source.dataset.shape[:2] == (6, 8)
    lost = (1, 6) if snake else (1, 1)
    assert [tuple(place) for place in np.argwhere(values(source, "missing"))] == [lost]
    expected = truth.frames["SAXS"].copy()
    expected[lost] = -1
    np.testing.assert_array_equal(whole(source), expected)
    np.testing.assert_allclose(source.dataset.axis("x").values, truth.x)
    assert "WARNING: 1 points lie far off the grid in /entry/SAXS_sum/base_x_value" in said(source)


def test_rows_that_all_run_backwards_keep_their_order(tmp_path):
    x = np.linspace(3, 0, 4)
    grid_y, grid_x = np.meshgrid(np.arange(3.0), x, indexing="ij")
    path = nxsas(tmp_path / "a.nxs", 3, 4, stages={"y": (grid_y, "mm"), "x": (grid_x, "mm")})
    source = scattering_scan(path)
    np.testing.assert_allclose(source.dataset.axis("x").values, x * 1e-3)
    np.testing.assert_array_equal(whole(source), frames(3, 4))
    grid_x[1] = grid_x[1, ::-1]
    path = nxsas(tmp_path / "b.nxs", 3, 4, stages={"y": (grid_y, "mm"), "x": (grid_x, "mm")})
    source = scattering_scan(path)
    np.testing.assert_allclose(source.dataset.axis("x").values, x * 1e-3)
    np.testing.assert_array_equal(whole(source)[1], frames(3, 4)[1, ::-1])


def test_frames_in_any_order_and_a_hole(tmp_path):
    rng = np.random.default_rng(3)
    grid_y, grid_x = np.meshgrid(np.arange(5.0), np.arange(6.0), indexing="ij")
    order = rng.permutation(30)
    kept = order[order != 13]  # this point was never visited
    stages = {"y": (grid_y.ravel()[kept], "um"), "x": (grid_x.ravel()[kept], "um")}
    source = scattering_scan(nxsas(tmp_path / "a.nxs", 29, stages=stages))
    assert source.dataset.shape == (5, 6, ROWS, COLUMNS)
    expected = np.full((30, ROWS, COLUMNS), np.nan)
    expected[kept] = frames(29)
    np.testing.assert_array_equal(whole(source).reshape(expected.shape), expected)
    assert "frames are not stored in order: put right by the stage positions" in said(source)
    assert np.argwhere(values(source, "missing")).tolist() == [[2, 1]]


def test_rotation_and_raster_in_one_row(tmp_path):
    angles, grid_y, grid_x = np.meshgrid([0.0, 60.0, 120.0], np.arange(2.0), np.arange(4.0), indexing="ij")
    stages = {"theta": (angles.ravel(), "deg"), "y": (grid_y.ravel(), "mm"), "x": (grid_x.ravel(), "mm")}
    source = scattering_scan(nxsas(tmp_path / "a.nxs", 24, stages=stages))
    assert source.dataset.names[:3] == ("rotation_angle", "y", "x")
    np.testing.assert_array_equal(whole(source), frames(3, 2, 4))
    np.testing.assert_array_equal(source.dataset.axis("rotation_angle").values, [0, 60, 120])
    broken = {name: (each[:21], units) for name, (each, units) in stages.items()}
    source = scattering_scan(nxsas(tmp_path / "b.nxs", 21, stages=broken))
    assert source.dataset.shape[:3] == (3, 2, 4)
    assert "missing: 3 of 8 points at 120 deg" in said(source)
    np.testing.assert_array_equal(whole(source).reshape(24, ROWS, COLUMNS)[:21], frames(21))


def test_a_column_that_was_never_reached(tmp_path):
    grid_y, grid_x = np.meshgrid(np.arange(3.0), np.array([0.0, 1.0, 3.0, 4.0]), indexing="ij")
    stages = {"y": (grid_y.ravel(), "mm"), "x": (grid_x.ravel(), "mm")}
    source = scattering_scan(nxsas(tmp_path / "a.nxs", 12, stages=stages))
    np.testing.assert_allclose(source.dataset.axis("x").values, np.arange(5) * 1e-3)
    assert np.all(values(source, "missing")[:, 2])
    np.testing.assert_array_equal(whole(source)[:, [0, 1, 3, 4]], frames(3, 4))


def test_points_on_no_grid_are_numbered_and_that_is_said(tmp_path):
    rng = np.random.default_rng(5)
    stages = {"y": (rng.uniform(0, 1, 20), "mm"), "x": (rng.uniform(0, 1, 20), "mm")}
    source = scattering_scan(nxsas(tmp_path / "a.nxs", 20, stages=stages))
    assert source.dataset.names[0] == "frame"
    np.testing.assert_array_equal(whole(source), frames(20))
    assert "WARNING" in said(source)
    stages = {"y": (rng.uniform(0, 1, (4, 5)), "mm"), "x": (rng.uniform(0, 1, (4, 5)), "mm")}
    source = scattering_scan(nxsas(tmp_path / "b.nxs", 4, 5, stages=stages))
    assert source.dataset.names[:2] == ("y", "x")
    np.testing.assert_array_equal(whole(source), frames(4, 5))


def test_points_measured_twice(tmp_path):
    grid_y, grid_x = np.meshgrid(np.arange(5.0), np.arange(6.0), indexing="ij")
    y, x = np.append(grid_y.ravel(), 4.0), np.append(grid_x.ravel(), 5.0)
    source = scattering_scan(nxsas(tmp_path / "a.nxs", 31, stages={"y": (y, "mm"), "x": (x, "mm")}))
    assert "1 points were measured twice: the later frame is taken" in said(source)
    np.testing.assert_array_equal(whole(source)[4, 5], frames(31)[30])


def test_no_frame_at_all(tmp_path):
    truth = i22_scan(tmp_path / "a.nxs", measured=0)
    with pytest.raises(InputError, match=r"no frame of /entry/SAXS/data was ever written"):
        scattering_scan(truth.path)


def test_frames_behind_a_virtual_dataset_that_were_not_written(tmp_path):
    with h5py.File(tmp_path / "raw.h5", "w") as file:
        raw = file.create_dataset("d", (12, ROWS, COLUMNS), "f4", chunks=(1, ROWS, COLUMNS))
        raw[:7] = frames(7)
    layout = h5py.VirtualLayout((3, 4, ROWS, COLUMNS), "f4")
    for row in range(3):
        layout[row] = h5py.VirtualSource("raw.h5", "d", (12, ROWS, COLUMNS))[4 * row : 4 * row + 4]
    with h5py.File(tmp_path / "virtual.nxs", "w") as file:
        file.create_group("entry/SAXS").create_virtual_dataset("data", layout)
    source = scattering_scan(tmp_path / "virtual.nxs")
    expected = frames(3, 4)
    expected.reshape(12, ROWS, COLUMNS)[7:] = np.nan
    np.testing.assert_array_equal(whole(source), expected)


@pytest.mark.parametrize("snake", [False, True])
def test_frames_that_cannot_be_decoded_are_masked_and_counted(tmp_path, snake):
    grid_y, grid_x = np.meshgrid(np.arange(3.0), np.arange(4.0), indexing="ij")
    if snake:
        grid_x[1] = grid_x[1, ::-1]
    path = tmp_path / "a.nxs"
    with h5py.File(path, "w") as file:
        put(file, "entry/SAXS/data", frames(3, 4), chunks=(1, 1, ROWS, COLUMNS), compression="gzip", fletcher32=True)
        put(file, "entry/SAXS/x", grid_x, "mm")
        put(file, "entry/SAXS/y", grid_y, "mm")
        place = file["entry/SAXS/data"].id.get_chunk_info_by_coord((1, 2, 0, 0))
    with path.open("r+b") as raw:
        raw.seek(place.byte_offset + 6)
        raw.write(b"\xff\x00\xff\x00\xff\x00")
    source = scattering_scan(path)
    expected = frames(3, 4)
    expected[1, 2] = np.nan
    if snake:
        expected[1] = expected[1, ::-1]
    np.testing.assert_array_equal(whole(source), expected)
    ((text, count),) = source.reader.notes.items()
    assert count == 1
    assert "frame 1, 2 of " in text
    assert "is damaged and counts as not measured" in text


@pytest.mark.parametrize("seed", range(60))
def test_scans_of_any_size_and_order(tmp_path, seed):
    rng = np.random.default_rng(seed)
    rows, columns = int(rng.integers(2, 9)), int(rng.integers(2, 12))
    options = {"snake": rng.random() < 0.5, "in_a_row": rng.random() < 0.5, "seed": seed}
    options |= {"first_x": int(rng.integers(-5, 50)), "first_y": int(rng.integers(-5, 50)), "demand": seed % 2 == 0}
    if rng.random() < 0.5:  # without planned positions nobody can know how large the scan was to become
        first = columns + 2 if seed % 2 else 2
        kinds = BROKEN if seed % 2 == 0 else ["unwritten", "positions"]
        options |= {"measured": int(rng.integers(first, rows * columns + 1)), "broken": str(rng.choice(kinds))}
        options["in_a_row"] &= seed % 2 == 0
    elif columns > 3:
        options["jitter"] = float(rng.choice([0.0, 0.1]))
    truth = i22_scan(
        tmp_path / "a.nxs", y_points=rows, x_points=columns, rows=3, columns=4, detectors=("SAXS",), **options
    )
    source = scattering_scan(truth.path)
    expected = truth.frames["SAXS"].copy()
    expected[truth.missing] = -1
    np.testing.assert_array_equal(whole(source), expected)
    for axis, wanted in (("y", truth.y), ("x", truth.x)):
        np.testing.assert_allclose(source.dataset.axis(axis).values, wanted, atol=0.2 * 5e-5)


def test_a_damaged_frame_in_a_file_of_its_own(tmp_path):
    for number in range(3):
        path = tmp_path / f"{number}.nxs"
        with h5py.File(path, "w") as file:
            one = {"chunks": (ROWS, COLUMNS), "compression": "gzip", "fletcher32": True}
            put(file, "entry/SAXS/data", frames() + number, **one)
            place = file["entry/SAXS/data"].id.get_chunk_info_by_coord((0, 0))
        if number == 1:
            with path.open("r+b") as raw:
                raw.seek(place.byte_offset + 6)
                raw.write(b"\xff\x00\xff\x00\xff\x00")
    source = scattering_scan(sorted(tmp_path.glob("*.nxs")), along="scan")
    got = whole(source)
    assert got.shape == (3, 1, ROWS, COLUMNS)
    np.testing.assert_array_equal(got[[0, 2], 0], [frames(), frames() + 2])
    assert np.isnan(got[1]).all()
    ((text, count),) = source.reader.notes.items()
    assert "1.nxs: /entry/SAXS/data cannot be read" in text
    assert count == 1
    with pytest.raises(InputError, match="cannot be read"):
        whole(scattering_scan(tmp_path / "1.nxs"))


def test_a_file_that_was_cut_off_is_named(tmp_path):
    truth = i22_scan(tmp_path / "a.nxs")
    raw = truth.path.read_bytes()
    truth.path.write_bytes(raw[: len(raw) // 2])
    with pytest.raises(InputError, match=r"a\.nxs is truncated"):
        scattering_scan(truth.path)
