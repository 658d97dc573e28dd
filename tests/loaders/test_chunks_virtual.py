"""Virtual datasets give what HDF5 gives, read around it where their sources are boxes."""

from __future__ import annotations

import h5py
import numpy as np
import pytest

from tomosaxs_plugins.loaders import chunks
from tomosaxs_plugins.loaders.chunks_virtual import Virtual
from tomosaxs_plugins.loaders.hdf5 import open_file
from tomosaxs_plugins.loaders.readers import HDF5Reader, reader_of


@pytest.fixture(autouse=True)
def _small_chunks_too(monkeypatch):
    monkeypatch.setattr(chunks, "_SMALL", 0)


def sources(folder, count=3, frames=4, core=(7, 9), **options):
    """Write files of frames; return their values and virtual sources."""
    values = np.random.default_rng(2).integers(0, 900, (count, frames, *core)).astype("u2")
    given = []
    for number in range(count):
        with h5py.File(folder / f"part_{number}.h5", "w") as file:
            data = file.create_dataset("frames", data=values[number], **options)
            given.append(h5py.VirtualSource(f"part_{number}.h5", "frames", data.shape, dtype=data.dtype))
    return values, given


def virtual_of(path, layout, fill=None):
    with h5py.File(path, "w") as file:
        file.create_virtual_dataset("data", layout, fillvalue=fill)


def compared(path, trials=40):
    file = open_file(path)
    expected = file.handle["data"][()]
    reader = HDF5Reader(file, file.handle["data"])
    rng = np.random.default_rng(5)
    for _ in range(trials):
        selection = []
        for size in reader.shape:
            begin = int(rng.integers(0, size))
            every = slice(begin, int(rng.integers(begin + 1, size + 1)), int(rng.integers(1, 4)))
            picked = rng.integers(0, size, int(rng.integers(1, size + 1))).astype(np.intp)
            selection.append([slice(None), every, picked][int(rng.integers(3))])
        part = expected
        for axis, each in enumerate(selection):
            part = part[(slice(None),) * axis + (each,)]
        np.testing.assert_array_equal(reader.read(tuple(selection)), part)
    return reader


@pytest.mark.parametrize("options", [{}, {"chunks": (1, 7, 9), "compression": "gzip"}, {"chunks": (3, 4, 5)}])
def test_frames_of_several_files_in_a_row(tmp_path, options):
    _, given = sources(tmp_path, **options)
    layout = h5py.VirtualLayout((14, 7, 9), "u2")
    for number, source in enumerate(given):
        layout[4 * number : 4 * number + 4] = source
    virtual_of(tmp_path / "all.h5", layout, fill=77)  # the last two frames come from nowhere
    reader = compared(tmp_path / "all.h5")
    assert isinstance(reader._direct, Virtual)
    assert (reader.read((slice(12, 14), slice(None), slice(None))) == 77).all()


def test_a_file_a_row_of_a_map_and_parts_of_frames(tmp_path):
    _, given = sources(tmp_path)
    layout = h5py.VirtualLayout((3, 4, 7, 9), "u2")
    for number, source in enumerate(given):
        layout[number] = source
    virtual_of(tmp_path / "rows.h5", layout)
    assert isinstance(compared(tmp_path / "rows.h5")._direct, Virtual)
    layout = h5py.VirtualLayout((4, 9, 18), "u2")  # two modules side by side with a gap
    layout[:, :7, :9] = given[0]
    layout[:, 2:, 9:] = given[1]
    virtual_of(tmp_path / "modules.h5", layout, fill=5)
    assert isinstance(compared(tmp_path / "modules.h5")._direct, Virtual)
    layout = h5py.VirtualLayout((2, 5, 9), "u2")  # of single frames some rows
    layout[0] = given[2][3, 1:6]
    layout[1] = given[0][0, 2:7]
    virtual_of(tmp_path / "rows_of_frames.h5", layout)
    assert isinstance(compared(tmp_path / "rows_of_frames.h5")._direct, Virtual)


def test_what_is_no_box_is_left_to_hdf5(tmp_path):
    _, given = sources(tmp_path)
    layout = h5py.VirtualLayout((8, 7, 9), "u2")
    layout[0:8:2] = given[0]
    layout[1:8:2] = given[1]
    virtual_of(tmp_path / "interleaved.h5", layout)
    assert compared(tmp_path / "interleaved.h5")._direct is None
    layout = h5py.VirtualLayout((6, 7, 9), "u2")
    layout[0:4] = given[0]
    layout[2:6] = given[1]
    virtual_of(tmp_path / "overlapping.h5", layout)
    assert compared(tmp_path / "overlapping.h5")._direct is None
    layout = h5py.VirtualLayout((4, 7, 9), "f8")
    layout[...] = given[0]
    virtual_of(tmp_path / "converted.h5", layout)
    assert compared(tmp_path / "converted.h5")._direct is None


def test_damage_in_a_source_is_found_in_the_whole(tmp_path):
    values, given = sources(tmp_path, core=(40, 30), chunks=(1, 40, 30), compression="gzip")
    layout = h5py.VirtualLayout((3, 4, 40, 30), "u2")
    for number, source in enumerate(given):
        layout[number] = source
    virtual_of(tmp_path / "rows.h5", layout)
    with h5py.File(tmp_path / "part_1.h5") as file:
        place = file["frames"].id.get_chunk_info_by_coord((2, 0, 0)).byte_offset
    with (tmp_path / "part_1.h5").open("r+b") as raw:
        raw.seek(place)
        raw.write(b"\xff" * 9)
    file = open_file(tmp_path / "rows.h5")
    reader = reader_of(file, file.handle["data"], rank=4, core=2)
    read = reader.read((np.array([0, 1]), slice(1, 4), slice(3, 9), slice(None)))
    expected = values[:2, 1:, 3:9].copy()
    expected[1, 1] = 65535
    np.testing.assert_array_equal(read, expected)
    assert [text.split(" of ")[0] for text in reader.notes] == ["WARNING: frame 1, 2"]
