"""Parts of the loader of scattering scans: the reader of scattered points, lines of a grid, chunks that exist."""

from __future__ import annotations

import h5py
import numpy as np
import pytest

from tomosaxs import ArrayReader, Axis
from tomosaxs_plugins.loaders.hdf5 import open_file
from tomosaxs_plugins.loaders.scans.lines import filled, lines_of, nearest
from tomosaxs_plugins.loaders.scans.points import Placed
from tomosaxs_plugins.loaders.scans.reader import PointReader, boxes
from tomosaxs_plugins.loaders.scans.stages import direction_of
from tomosaxs_plugins.loaders.scans.union import united
from tomosaxs_plugins.loaders.scans.written import written_frames


def test_boxes_cover_a_range_in_order():
    shape = (3, 4, 5)
    flat = np.arange(60).reshape(shape)
    for first in range(0, 60, 7):
        for last in range(first + 1, 61, 5):
            parts = [flat[box].ravel() for box in boxes(first, last, shape)]
            np.testing.assert_array_equal(np.concatenate(parts), np.arange(first, last))
            assert len(parts) <= 5
    assert list(boxes(0, 1, ())) == [()]


class Counting(ArrayReader):
    """A reader that remembers how much was read."""

    def read(self, selection):
        part = super().read(selection)
        ASKED.append(part.size)
        return part


ASKED: list[int] = []


def test_any_selection_of_scattered_points_reads_what_is_asked():
    rng = np.random.default_rng(5)
    stored = [rng.integers(0, 99, (3, 4, 5, 6)).astype("i4"), rng.integers(0, 99, (7, 5, 6)).astype("i4")]
    frames = np.concatenate([part.reshape(-1, 5, 6) for part in stored])
    where = rng.permutation(np.concatenate([np.arange(19), np.full(5, -1)])).reshape(4, 6)
    reader = PointReader([Counting(part) for part in stored], where)
    grid = np.where((where >= 0)[..., None, None], frames[where], -1)
    for _ in range(150):
        selection = tuple(
            slice(int(a), int(b), int(rng.integers(1, 3)))
            if rng.random() < 0.6
            else np.sort(rng.choice(n, int(rng.integers(1, n + 1)), replace=False))
            for n, (a, b) in ((n, np.sort(rng.integers(0, n + 1, 2))) for n in reader.shape)
        )
        ASKED.clear()
        got = reader.read(selection)
        wanted = grid
        for axis, each in enumerate(selection):
            wanted = wanted[(slice(None),) * axis + (each,)]
        np.testing.assert_array_equal(got, wanted)
        there = where[selection[0]][:, selection[1]] >= 0
        assert sum(ASKED) == np.count_nonzero(there) * wanted.shape[2] * wanted.shape[3]


def test_frames_in_their_order_are_read_at_once():
    stored = np.arange(3 * 4 * 2 * 2, dtype="f4").reshape(3, 4, 2, 2)
    reader = PointReader([Counting(stored)], np.arange(12).reshape(3, 4))
    ASKED.clear()
    np.testing.assert_array_equal(reader.read((slice(1, 3), slice(None), slice(None), slice(None))), stored[1:])
    assert len(ASKED) == 1
    snake = PointReader([Counting(stored)], np.array([[0, 1, 2, 3], [7, 6, 5, 4], [8, 9, 10, 11]]))
    ASKED.clear()
    np.testing.assert_array_equal(snake.read((slice(None),) * 4)[1], stored[1, ::-1])
    assert len(ASKED) == 1


@pytest.mark.parametrize("jitter", [0, 1e-9, 0.1])
def test_lines_from_positions(jitter):
    rng = np.random.default_rng(1)
    lines = np.array([0.0, 1.0, 2.0, 4.0, 5.0])  # nothing was measured on the fourth
    values = np.repeat(lines, 6) + jitter * rng.uniform(-1, 1, 30)
    found = lines_of(rng.permutation(values))
    np.testing.assert_allclose(found, np.arange(6), atol=max(jitter, 1e-12))
    number, off = nearest(values, found)
    np.testing.assert_array_equal(number, np.repeat([0, 1, 2, 4, 5], 6))
    assert off.max() <= 2 * jitter + 1e-12
    assert lines_of(np.full(9, 3.0)).tolist() == [3.0]


def test_lines_that_are_not_known_lie_between_the_others():
    np.testing.assert_allclose(filled(np.array([np.nan, 2, 3, np.nan, 5, np.nan])), [1, 2, 3, 4, 5, 6])
    assert filled(np.array([1, np.nan, np.nan])) is None
    assert filled(np.array([1, 5, 6, np.nan])) is None


def test_names_of_stages():
    names = {
        "base_x_value": "x", "base_y_value_set": "y", "p1xy_x_value_set": "x", "x": "x", "samz": "z", "stage_y": "y",
        "theta": "rotation_angle", "base_theta_value": "rotation_angle", "rotation_angle_set": "rotation_angle",
        "beam_center_x": "", "x_pixel_size": "", "detector_x": "", "count_time": "", "sum": "", "max": "", "index": "",
    }  # fmt: skip
    assert {name: direction_of(name) for name in names} == names


def test_chunks_that_were_never_written(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        several = file.create_dataset("several", (4, 5, 6, 7), "i4", chunks=(1, 2, 3, 7))
        several[0] = 1
        several[1, :2] = 1
        several[1, 2:4, :3] = 1  # half of these frames
        file.create_dataset("never", (4, 5, 6, 7), "i4")
        file["whole"] = np.zeros((2, 3))
    opened = open_file(tmp_path / "a.h5")
    expected = np.zeros((4, 5), dtype=bool)
    expected[0], expected[1, :2] = True, True
    np.testing.assert_array_equal(written_frames(opened.handle["several"]), expected)
    assert not written_frames(opened.handle["never"]).any()
    assert written_frames(opened.handle["whole"]).shape == ()
    assert written_frames(opened.handle["whole"])


def test_sources_of_virtual_frames(tmp_path):
    for name, count in (("a.h5", 5), ("b.h5", 3)):  # the second stayed shorter than planned
        with h5py.File(tmp_path / name, "w") as file:
            file["d"] = np.ones((count, 6, 7))
    rows = h5py.VirtualLayout((4, 5, 6, 7), "f8")
    rows[0] = h5py.VirtualSource("a.h5", "d", (5, 6, 7))
    rows[1] = h5py.VirtualSource("b.h5", "d", (5, 6, 7))
    rows[3, 1:4] = h5py.VirtualSource("a.h5", "d", (5, 6, 7))[:3]
    tiles = h5py.VirtualLayout((5, 12, 7), "f8")
    tiles[:, :6] = h5py.VirtualSource("a.h5", "d", (5, 6, 7))
    tiles[:, 6:] = h5py.VirtualSource("b.h5", "d", (5, 6, 7))
    with h5py.File(tmp_path / "v.h5", "w") as file:
        file.create_virtual_dataset("rows", rows)
        file.create_virtual_dataset("tiles", tiles)
    opened = open_file(tmp_path / "v.h5")
    expected = [[1, 1, 1, 1, 1], [1, 1, 1, 0, 0], [0, 0, 0, 0, 0], [0, 1, 1, 1, 0]]
    assert written_frames(opened.handle["rows"]).astype(int).tolist() == expected
    assert written_frames(opened.handle["tiles"]).tolist() == [True, True, True, False, False]


def test_a_grid_that_runs_the_other_way_is_laid_the_right_way():
    def scan(values):
        values = np.asarray(values, dtype=float)
        return Placed((Axis("x", len(values), values, "m"),), np.arange(len(values)))

    placed, said = united([scan([0, 1, 2, 3]), None, scan([4, 3, 2, 1])], ["a", "b", "c"])
    np.testing.assert_array_equal(placed.axes[0].values, [0, 1, 2, 3, 4])
    np.testing.assert_array_equal(placed.where, [[0, 1, 2, 3, -1], [-1] * 5, [-1, 3, 2, 1, 0]])
    assert said == ["x: grids of 4 points laid on one of 5 by the stage positions"]
