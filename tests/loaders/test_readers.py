"""Readers give what plain indexing gives, for every kind of selection, and let go of their files."""

from __future__ import annotations

import gc

import h5py
import numpy as np
import pytest

from tomosaxs import ArrayReader, CroppedReader
from tomosaxs_plugins.loaders.companions import time_weights
from tomosaxs_plugins.loaders.hdf5 import open_file
from tomosaxs_plugins.loaders.images import AveragedReader, JoinedReader
from tomosaxs_plugins.loaders.readers import HDF5Reader, as_slice, reader_of, runs

SHAPE = (12, 7, 9)


@pytest.fixture(params=["contiguous", "frames", "tiles", "gzip", "big-endian"])
def stored(request, tmp_path):
    values = np.random.default_rng(3).integers(0, 60000, SHAPE).astype("u2")
    options = {
        "frames": {"chunks": (1, 7, 9)},
        "tiles": {"chunks": (5, 3, 4)},
        "gzip": {"chunks": (2, 7, 9), "compression": "gzip"},
    }.get(request.param, {})
    with h5py.File(tmp_path / "stack.h5", "w") as file:
        file.create_dataset("data", data=values.astype(">u2") if request.param == "big-endian" else values, **options)
    file = open_file(tmp_path / "stack.h5")
    return file, values


def _selection(rng, size):
    kind = rng.integers(5)
    if kind == 0:
        return slice(None)
    if kind == 1:
        begin = int(rng.integers(0, size))
        return slice(begin, int(rng.integers(begin, size + 1)), 1)
    if kind == 2:
        return slice(int(rng.integers(0, 3)), size, int(rng.integers(1, 4)))
    if kind == 3:
        return np.sort(rng.choice(size, int(rng.integers(1, size)), replace=False)).astype(np.intp)
    return np.arange(0, dtype=np.intp)


def _plain(values, selection):
    for axis, each in enumerate(selection):
        values = values[(slice(None),) * axis + (each,)]
    return values


def test_any_selection_of_any_frames(stored):
    file, values = stored
    rng = np.random.default_rng(8)
    for trial in range(120):
        frames = None if trial % 3 == 0 else np.sort(rng.choice(12, 8, replace=False)).astype(np.intp)
        reader = HDF5Reader(file, file.handle["data"], frames)
        whole = values if frames is None else values[frames]
        selection = tuple(_selection(rng, n) for n in reader.shape)
        part = reader.read(selection)
        assert part.dtype == np.uint16
        assert part.dtype.isnative
        np.testing.assert_array_equal(part, _plain(whole, selection))


def test_cropped_twice_is_read_as_one(stored):
    file, values = stored
    reader = HDF5Reader(file, file.handle["data"], np.array([0, 1, 2, 5, 6, 9], dtype=np.intp))
    cropped = CroppedReader(reader, (slice(1, 6, 2), slice(2, 7), np.array([1, 4, 8])))
    part = cropped.read((slice(1, 3), np.array([0, 3]), slice(1, 3)))
    np.testing.assert_array_equal(part, values[[0, 1, 2, 5, 6, 9]][1:6:2][1:3][:, [2, 5]][:, :, [4, 8]])


def test_only_the_rows_asked_for_are_averaged():
    class Counting(ArrayReader):
        def read(self, selection):
            asked.append(selection)
            return super().read(selection)

    asked: list = []
    stack = np.random.default_rng(1).normal(size=(5, 8, 6)).astype("f4")
    reader = AveragedReader((Counting(stack),))
    part = reader.read((slice(None), slice(2, 4), slice(1, 3)))
    np.testing.assert_allclose(part[0], stack.astype("f8").mean(axis=0)[2:4, 1:3], rtol=1e-6)
    assert [each[1] for each in asked] == [slice(2, 4, 1)]
    reader.read((slice(None), slice(3, 6), slice(None)))
    assert [each[1] for each in asked[1:]] == [slice(4, 6, 1)]  # row 3 is known
    count = len(asked)
    reader.read((slice(None), slice(2, 6), slice(None)))
    assert len(asked) == count


@pytest.mark.parametrize("how", ["mean", "median"])
def test_averages_do_not_depend_on_the_block(how):
    stack = np.random.default_rng(2).normal(1e4, 1e3, (7, 16, 33)).astype("f4")
    whole = AveragedReader((ArrayReader(stack),), how).read((slice(None),) * 3)
    for step in (1, 3, 5):
        piecewise = AveragedReader((ArrayReader(stack),), how)
        parts = [piecewise.read((slice(None), slice(n, min(n + step, 16)), slice(None))) for n in range(0, 16, step)]
        np.testing.assert_array_equal(np.concatenate(parts, axis=1), whole)


def test_stacks_joined():
    parts = [np.arange(12.0).reshape(2, 2, 3), np.arange(18.0).reshape(3, 2, 3) + 100]
    joined = JoinedReader(tuple(ArrayReader(part) for part in parts))
    assert joined.shape == (5, 2, 3)
    selection = (np.array([1, 3, 4]), slice(0, 1), slice(1, 3))
    np.testing.assert_array_equal(joined.read(selection), np.concatenate(parts)[[1, 3, 4], :1, 1:3])


def test_single_image_is_a_stack_of_one(tmp_path):
    with h5py.File(tmp_path / "image.h5", "w") as file:
        file["data"] = np.arange(12.0).reshape(3, 4)
    file = open_file(tmp_path / "image.h5")
    reader = reader_of(file, file.handle["data"])
    assert reader.shape == (1, 3, 4)
    np.testing.assert_array_equal(reader.read((slice(None), np.array([0, 2]), slice(1, 3)))[0], [[1, 2], [9, 10]])


def test_file_is_shared_and_closed_with_its_last_reader(tmp_path):
    path = tmp_path / "stack.h5"
    with h5py.File(path, "w") as file:
        file["data"] = np.zeros(SHAPE)
    first = open_file(path)
    assert open_file(path) is first
    reader = reader_of(first, first.handle["data"])
    handle = first.handle
    del first
    gc.collect()
    assert handle
    reader.read((slice(None),) * 3)
    del reader
    gc.collect()
    assert not handle
    with h5py.File(path, "r+"):  # nobody holds it any more
        pass


def test_file_that_was_replaced_is_opened_anew(tmp_path):
    path = tmp_path / "stack.h5"
    for value in (1, 2):
        with h5py.File(tmp_path / "new.h5", "w") as file:
            file["data"] = np.full(3, value)
        (tmp_path / "new.h5").replace(path)
        kept = open_file(path)
        assert kept.handle["data"][0] == value


def test_selections_as_slices_and_runs():
    assert as_slice(9, np.array([2, 4, 6])) == slice(2, 7, 2)
    assert as_slice(9, np.array([5])) == slice(5, 6, 1)
    assert as_slice(9, slice(None)) == slice(0, 9, 1)
    assert as_slice(9, np.array([1, 2, 4])) is None
    assert list(runs(np.array([1, 2, 4, 7, 8]))) == [(0, 1, 3), (2, 4, 5), (3, 7, 9)]


def test_weights_are_linear_in_time_and_constant_outside():
    weights = time_weights([2.0, 6.0, 8.0], np.array([0.0, 2.0, 3.0, 6.0, 7.0, 9.0]))
    np.testing.assert_allclose(
        weights, [[1, 1, 0.75, 0, 0, 0], [0, 0, 0.25, 1, 0.5, 0], [0, 0, 0, 0, 0.5, 1]], atol=1e-15
    )
