"""Values read around HDF5 are those that HDF5 gives, for any filter, chunk, type and selection; damage stays put."""

from __future__ import annotations

import zlib
from pathlib import Path

import h5py
import numpy as np
import pytest

from tomosaxs import InputError
from tomosaxs.traffic import bytes_so_far
from tomosaxs_plugins.loaders import chunks
from tomosaxs_plugins.loaders.chunks import Chunks, Contiguous, around_hdf5
from tomosaxs_plugins.loaders.chunks_lzf import lzf_chunk
from tomosaxs_plugins.loaders.chunks_parts import PAGE, parts_along, spans_within
from tomosaxs_plugins.loaders.hdf5 import open_file
from tomosaxs_plugins.loaders.readers import HDF5Reader, reader_of

hdf5plugin = pytest.importorskip("hdf5plugin")

FILTERS = {
    "plain": {},
    "gzip": {"compression": "gzip", "compression_opts": 1},
    "shuffled gzip": {"compression": "gzip", "compression_opts": 1, "shuffle": True},
    "shuffled": {"shuffle": True},
    "bitshuffle": dict(hdf5plugin.Bitshuffle(nelems=0, cname="lz4")),
    "small blocks": dict(hdf5plugin.Bitshuffle(nelems=24, cname="lz4")),
    "LZ4": dict(hdf5plugin.LZ4()),
    "LZ4 in blocks": dict(hdf5plugin.LZ4(nbytes=1000)),
    "shuffled LZ4": {"shuffle": True, **hdf5plugin.LZ4()},
    "LZF": {"compression": "lzf"},
    "shuffled LZF": {"compression": "lzf", "shuffle": True},
}
ONLY_HDF5 = {
    "bitshuffle zstd": dict(hdf5plugin.Bitshuffle(nelems=0, cname="zstd")),
    "zstd": dict(hdf5plugin.Zstd()),
    "checked": {"compression": "gzip", "fletcher32": True},
    "bitshuffle alone": dict(hdf5plugin.Bitshuffle(nelems=0, cname="none")),
}
TYPES = ["u1", "i2", "u2", ">u2", "i4", "u4", "f4", ">f4", "f8", "i8"]


@pytest.fixture(autouse=True)
def _small_chunks_too(monkeypatch):
    monkeypatch.setattr(chunks, "_SMALL", 0)


def _values(rng, shape, dtype):
    """Small counts, with gap pixels, zeros and a noisy corner: compressible in parts."""
    values = rng.poisson(rng.choice([0.02, 3.0, 90.0]), shape)
    values[..., -2:] = np.iinfo(np.int8).max
    made = values.astype(dtype)
    noisy = made[: shape[0] // 2 + 1]
    noisy.reshape(-1)[::3] = rng.integers(0, 127, noisy.size)[::3]
    return made


def _selection(rng, size):
    kind = rng.integers(6)
    if kind == 0:
        return slice(None)
    if kind == 1:
        begin = int(rng.integers(0, size))
        return slice(begin, int(rng.integers(begin + 1, size + 1)), 1)
    if kind == 2:
        return slice(int(rng.integers(0, min(3, size))), size, int(rng.integers(1, 5)))
    if kind == 3:
        return np.sort(rng.choice(size, int(rng.integers(1, size + 1)), replace=False)).astype(np.intp)
    if kind == 4:
        return rng.integers(0, size, int(rng.integers(1, size + 1))).astype(np.intp)  # in no order, some twice
    return slice(0, int(rng.integers(0, size + 1)), 1)


def _plain(values, selection):
    for axis, each in enumerate(selection):
        values = values[(slice(None),) * axis + (each,)]
    return values


def _compared(path, rng, trials=12):
    file = open_file(path)
    dataset = file.handle["data"]
    expected = dataset[()]
    reader = HDF5Reader(file, dataset)
    for _ in range(trials):
        selection = tuple(_selection(rng, n) for n in reader.shape)
        part = reader.read(selection)
        assert part.dtype.isnative
        np.testing.assert_array_equal(part, _plain(expected, selection))
    return reader


@pytest.mark.parametrize("name", FILTERS)
@pytest.mark.parametrize("threads", [1, 3])
def test_same_values_as_hdf5(tmp_path, monkeypatch, name, threads):
    monkeypatch.setenv("NUMBA_NUM_THREADS", str(threads))
    rng = np.random.default_rng([sum(map(ord, name)), threads])
    for number in range(14):
        rank = int(rng.integers(1, 5))
        shape = tuple(int(n) for n in rng.integers(1, [400, 40, 14, 7][rank - 1] + 1, rank))
        dtype = np.dtype(TYPES[number % len(TYPES)])
        block = tuple(int(rng.integers(1, n + 1)) for n in shape)
        path = tmp_path / f"{number}.h5"
        with h5py.File(path, "w") as file:
            file.create_dataset("data", data=_values(rng, shape, dtype), chunks=block, **FILTERS[name])
        assert isinstance(_compared(path, rng)._direct, Chunks)


@pytest.mark.parametrize("name", ONLY_HDF5)
def test_other_filters_are_left_to_hdf5(tmp_path, name):
    rng = np.random.default_rng(1)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("data", data=_values(rng, (9, 30, 20), "u2"), chunks=(2, 30, 20), **ONLY_HDF5[name])
    assert _compared(tmp_path / "a.h5", rng)._direct is None


def test_frames_as_large_as_detectors_and_many_rows_of_bits(tmp_path):
    rng = np.random.default_rng(2)
    for dtype in ("u2", "u4"):
        values = rng.poisson(0.4, (3, 515, 1031)).astype(dtype)
        values[:, 100:130] = np.iinfo(dtype).max
        with h5py.File(tmp_path / f"{dtype}.h5", "w") as file:
            file.create_dataset("data", data=values, chunks=(1, 515, 1031), **FILTERS["bitshuffle"])
        file = open_file(tmp_path / f"{dtype}.h5")
        np.testing.assert_array_equal(HDF5Reader(file, file.handle["data"]).read((slice(None),) * 3), values)


@pytest.mark.parametrize("dtype", ["u2", ">u2", "f4"])
def test_values_in_one_piece(tmp_path, monkeypatch, dtype):
    monkeypatch.setattr(chunks, "_PIECE", 100)
    rng = np.random.default_rng(3)
    for number, shape in enumerate([(60,), (7, 30), (5, 6, 20), (3, 2, 4, 11)]):
        with h5py.File(tmp_path / f"{number}.h5", "w") as file:
            file.create_dataset("data", data=_values(rng, shape, dtype))
        reader = _compared(tmp_path / f"{number}.h5", rng, 40)
        assert isinstance(reader._direct, Contiguous) is np.dtype(dtype).isnative


def test_chunks_that_were_never_written_hold_the_fill_value(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        data = file.create_dataset("data", (9, 8, 6), "i4", chunks=(2, 4, 6), fillvalue=-7, **FILTERS["bitshuffle"])
        data[3] = 5
    reader = _compared(tmp_path / "a.h5", np.random.default_rng(4))
    assert isinstance(reader._direct, Chunks)
    assert reader.read((slice(0, 1), slice(0, 1), slice(0, 1)))[0, 0, 0] == -7


def test_filters_left_out_of_single_chunks(tmp_path):
    values = np.arange(24, dtype="u2").reshape(2, 12)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        data = file.create_dataset("data", (3, 12), "u2", chunks=(1, 12), shuffle=True, compression="gzip")
        data[2] = 9
        data.id.write_direct_chunk((0, 0), zlib.compress(values[0].tobytes()), filter_mask=0b01)
        data.id.write_direct_chunk((1, 0), values[1].tobytes(), filter_mask=0b11)
    reader = _compared(tmp_path / "a.h5", np.random.default_rng(5))
    np.testing.assert_array_equal(reader.read((slice(0, 2), slice(None))), values)


def test_what_hdf5_alone_can_read(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w", userblock_size=512) as file:
        file["data"] = np.arange(100.0)
    with h5py.File(tmp_path / "b.h5", "w") as file:
        file["data"] = np.arange(100.0)
        layout = h5py.VirtualLayout((2, 100), "f8")
        layout[0] = h5py.VirtualSource(file["data"])
        file.create_virtual_dataset("virtual", layout)
        file["flags"] = np.zeros(5, bool)
        file.create_dataset("empty", (0, 3), "f4")
        file.create_dataset("never", (4, 3), "f4")
    first, second = open_file(tmp_path / "a.h5"), open_file(tmp_path / "b.h5")
    assert around_hdf5(first.handle["data"]) is None
    handle = second.handle
    for name in ("virtual", "flags", "empty", "never"):
        assert around_hdf5(handle[name]) is None, name
    assert around_hdf5(handle["data"]) is not None


def test_parts_of_chunks():
    def told(chosen, chunk):
        return [
            (p.number, np.arange(50)[p.out].tolist(), np.arange(50)[p.inside].tolist())
            for p in parts_along(chosen, chunk)
        ]

    assert told(slice(1, 8, 3), 4) == [(0, [0], [1]), (1, [1, 2], [0, 3])]
    assert told(slice(4, 6, 1), 4) == [(1, [0, 1], [0, 1])]
    assert told(slice(0, 20, 9), 4) == [(0, [0], [0]), (2, [1], [1]), (4, [2], [2])]
    assert told(np.array([9, 2, 8, 2]), 4) == [(0, [1, 3], [2, 2]), (2, [0, 2], [1, 0])]


# ---- damage


def _damaged(path, dtype="u4", frames=6, hurt=(2,), **options):
    """Write frames, then spoil the chunks of some; return the values."""
    values = np.random.default_rng(6).poisson(2.0, (frames, 40, 50)).astype(dtype)
    with h5py.File(path, "w") as file:
        data = file.create_dataset("data", data=values, chunks=(1, 40, 50), **(options or FILTERS["bitshuffle"]))
        places = [data.id.get_chunk_info_by_coord((frame, 0, 0)) for frame in hurt]
    with path.open("r+b") as raw:
        for info in places:
            raw.seek(info.byte_offset + 12)  # the length of the first block and what follows
            raw.write(b"\xff" * (info.size // 4))
    return values


@pytest.mark.parametrize("dtype", ["u4", "i4", "f4"])
@pytest.mark.parametrize("name", ["bitshuffle", "LZ4", "gzip", "bitshuffle zstd"])
def test_damaged_frames_are_filled_and_named_and_the_others_go_on(tmp_path, name, dtype):
    values = _damaged(tmp_path / "a.h5", dtype, hurt=(2, 5), **{**FILTERS, **ONLY_HDF5}[name])
    file = open_file(tmp_path / "a.h5")
    reader = reader_of(file, file.handle["data"], core=2)
    read = reader.read((slice(1, 6), slice(None), slice(3, 9)))
    np.testing.assert_array_equal(read[[0, 2, 3]], values[[1, 3, 4], :, 3:9])
    filled = {"u4": 2**32 - 1, "i4": -1, "f4": np.nan}[dtype]
    np.testing.assert_array_equal(read[[1, 4]], np.full((2, 40, 6), filled, dtype))
    said = list(reader.notes)
    assert len(said) == 2
    assert "frame 2 of" in said[0]
    assert "a.h5: /data is damaged" in said[0]
    reader.read((slice(2, 3), slice(None), slice(None)))
    assert sum(reader.notes.values()) == 2  # told once


def test_damage_is_an_error_where_frames_are_not_to_be_done_without(tmp_path):
    _damaged(tmp_path / "a.h5")
    file = open_file(tmp_path / "a.h5")
    reader = reader_of(file, file.handle["data"])
    reader.read((slice(0, 2), slice(None), slice(None)))
    with pytest.raises(InputError, match=r"a\.h5: /data cannot be read; the file is truncated or damaged"):
        reader.read((slice(0, 3), slice(None), slice(None)))


def test_a_single_damaged_image_is_an_error(tmp_path):
    _damaged(tmp_path / "a.h5", frames=1, hurt=(0,))
    file = open_file(tmp_path / "a.h5")
    with pytest.raises(InputError, match="damaged"):
        reader_of(file, file.handle["data"], core=2).read((slice(None),) * 3)


def test_many_damaged_frames_are_counted(tmp_path):
    _damaged(tmp_path / "a.h5", frames=40, hurt=range(3, 33))
    file = open_file(tmp_path / "a.h5")
    reader = reader_of(file, file.handle["data"], core=2)
    reader.read((slice(None),) * 3)
    assert len(reader.notes) == 21
    assert reader.notes[next(text for text in reader.notes if "{count} more" in text)] == 10


def test_any_spoilt_bytes_are_harmless(tmp_path):
    """Decoders stay inside their arrays: whatever bytes are changed, a chunk is decoded or told to be damaged."""
    from tomosaxs_plugins.loaders.chunks_filters import Room, filters_of

    rng = np.random.default_rng(7)
    values = rng.poisson(1.0, (1, 60, 70)).astype("u2")
    for name in ("bitshuffle", "small blocks", "LZ4", "LZ4 in blocks", "shuffled LZ4", "gzip"):
        with h5py.File(tmp_path / f"{name}.h5", "w") as file:
            data = file.create_dataset("data", data=values, chunks=(1, 60, 70), **FILTERS[name])
            file.flush()
            raw = np.frombuffer(data.id.read_direct_chunk((0, 0, 0))[1], np.uint8)
            filters = filters_of(data)
        room = Room.of(filters.size)
        np.testing.assert_array_equal(filters.decode(raw, 0, room).view("u2").reshape(values.shape), values)
        refused = 0
        for _ in range(1500):
            spoilt = raw[: rng.integers(0, raw.size + 1)].copy() if rng.random() < 0.2 else raw.copy()
            for _ in range(int(rng.integers(1, 4))):
                if spoilt.size:
                    spoilt[int(rng.integers(spoilt.size if rng.random() < 0.7 else min(20, spoilt.size)))] = (
                        rng.integers(256)
                    )
            room.values[filters.size :] = 77
            decoded = filters.decode(spoilt, 0, room)
            refused += decoded is None
            assert decoded is None or decoded.size == filters.size
        assert refused > 300


@pytest.mark.parametrize("options", [{}, {"chunks": (1, 40, 50)}])
def test_a_file_that_is_cut_off_after_it_was_opened(tmp_path, options):
    """HDF5 refuses such a file when it opens it; later only reading tells."""
    values = np.random.default_rng(6).poisson(2.0, (6, 40, 50)).astype("u2")
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("data", data=values, **options)
    file = open_file(tmp_path / "a.h5")
    reader = reader_of(file, file.handle["data"], core=2)
    reader.read((slice(0, 1), slice(None), slice(None)))
    with (tmp_path / "a.h5").open("r+b") as raw:
        raw.truncate((tmp_path / "a.h5").stat().st_size - 5000)
    read = reader.read((slice(0, 6), slice(0, 20), slice(None)))
    np.testing.assert_array_equal(read[:4], values[:4, :20])
    assert (read[5] == 65535).all()
    assert any("frame 5 of" in text and "the file ends within it" in text for text in reader.notes)


def test_rows_of_a_stack_in_one_piece_are_read_and_nothing_more(tmp_path):
    """HDF5 takes 64 KiB from the file for every row of a frame; what is asked for must not cost more than it is."""
    stored = np.random.default_rng(5).integers(0, 60000, (300, 128, 640)).astype("u2")
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("data", data=stored)
    file = open_file(tmp_path / "a.h5")
    reader = HDF5Reader(file, file.handle["data"])
    io = Path("/proc/self/io")
    if not io.exists():
        pytest.skip("the system does not count the bytes of a process")

    def asked_for() -> int:
        return int(io.read_text().split()[1])

    before, counted = asked_for(), bytes_so_far()["input_read"]
    part = reader.read((slice(None), slice(40, 44, 1), slice(None)))
    read, counted = asked_for() - before, bytes_so_far()["input_read"] - counted
    np.testing.assert_array_equal(part, stored[:, 40:44])
    assert counted == part.nbytes
    assert part.nbytes <= read < 1.1 * part.nbytes


def test_damaged_lzf_chunks_are_told(tmp_path):
    """Any bytes of a chunk changed or cut off: never a value from outside, never a crash; what is whole stays whole."""
    rng = np.random.default_rng(6)
    values = _values(rng, (1, 40, 50), np.dtype("u2"))
    with h5py.File(tmp_path / "a.h5", "w") as file:
        data = file.create_dataset("data", data=values, chunks=(1, 40, 50), compression="lzf")
        packed = np.frombuffer(data.id.read_direct_chunk((0, 0, 0))[1], np.uint8)
    size = values.nbytes
    guarded = np.full(size + 64, 171, np.uint8)
    assert lzf_chunk(packed, guarded[:size], size)
    np.testing.assert_array_equal(guarded[:size].view("u2").reshape(values.shape), values)
    assert not lzf_chunk(packed[:-3], guarded[:size], size)
    assert not lzf_chunk(packed, guarded[:size], size - 1)
    for _ in range(300):
        broken = packed.copy()
        broken[rng.integers(0, broken.size, 4)] = rng.integers(0, 256, 4)
        lzf_chunk(broken, guarded[:size], size)
        assert (guarded[size:] == 171).all()


def test_frames_stored_as_they_are_are_read_row_by_row(tmp_path):
    """Any selection of frames and rows; columns in part; the last chunk cut off."""
    rng = np.random.default_rng(9)
    values = rng.integers(0, 60000, (40, 16, 24)).astype("u2")
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("data", data=values, chunks=(1, 16, 24))
    reader = _compared(path, rng, 60)
    for frames in (slice(None), slice(3, 30, 4), np.array([1, 2, 7, 39])):
        for rows in (slice(2, 9, 1), slice(None), np.array([0, 15])):
            part = reader.read((frames, rows, slice(None)))
            np.testing.assert_array_equal(part, values[frames][:, rows])


def test_spans_of_a_selection() -> None:
    """Every value that is asked for lies in a span; what lies between is read only where it is little."""
    rng = np.random.default_rng(8)
    for _ in range(60):
        rank = int(rng.integers(1, 4))
        shape = tuple(int(n) for n in rng.integers(1, [40000, 200, 40][rank - 1], rank))
        inside = [_selection(rng, size) for size in shape]
        inside = [np.sort(each) if isinstance(each, np.ndarray) else each for each in inside]
        if any(len(np.arange(size)[each]) == 0 for each, size in zip(inside, shape, strict=True)):
            continue
        wanted = np.zeros(shape, bool)
        wanted[np.ix_(*(np.arange(size)[each] for each, size in zip(inside, shape, strict=True)))] = True
        read = np.zeros(wanted.size, bool)
        reached = -PAGE
        for begin, end in spans_within(inside, shape, 2):
            assert begin - reached > PAGE or reached < 0
            read[begin // 2 : end // 2] = True
            reached = end
        flat = wanted.ravel()
        assert not (flat & ~read).any()
        places = np.flatnonzero(flat)
        gaps = np.diff(places) - 1
        # no gap larger than a page is read
        for place, gap in zip(places[:-1][gaps * 2 > PAGE], gaps[gaps * 2 > PAGE], strict=True):
            assert not read[place + 1 : place + 1 + gap].all()


def test_a_row_of_plain_frames_reads_that_row_only(tmp_path, monkeypatch):
    stored = np.random.default_rng(3).integers(0, 60000, (6, 128, 256)).astype("u2")
    path = tmp_path / "plain.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("data", data=stored, chunks=(1, 128, 256))
    read: list[int] = []
    real = chunks.read_exactly

    def counted(descriptor, target, place):
        read.append(target.size)
        return real(descriptor, target, place)

    monkeypatch.setattr(chunks, "read_exactly", counted)
    with h5py.File(path) as file:
        direct = chunks.around_hdf5(file["data"])
        out = np.empty((3, 2, 256), "u2")
        assert direct.read(out, [slice(0, 6, 2), slice(40, 42, 1), slice(0, 256, 1)]) == []
    np.testing.assert_array_equal(out, stored[::2, 40:42])
    assert sum(read) == out.nbytes
