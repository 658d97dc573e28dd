"""Images of many formats load alike; broken ones among many are left out and named, a single one is an error."""

from __future__ import annotations

import gzip
import struct
import time

import numpy as np
import pytest

from tomosaxs import InputError
from tomosaxs_plugins.loaders.image_files import image_files, natural
from tomosaxs_plugins.loaders.image_frames import by_fabio, plain_tiff
from tomosaxs_plugins.loaders.image_headers import flat_header, number_in
from tomosaxs_plugins.loaders.tiff_layout import NotTiff

fabio = pytest.importorskip("fabio")
tifffile = pytest.importorskip("tifffile")

ALL = (slice(None),) * 3


def frames(count, shape=(30, 20), dtype="i4", seed=1):
    return np.random.default_rng(seed).integers(0, 1000, (count, *shape)).astype(dtype)


def write(path, values, kind, header=None):
    """Write an image with fabio, TIFF by tifffile."""
    if kind == "tif":
        tifffile.imwrite(path, values)
    else:
        {"edf": fabio.edfimage.EdfImage, "cbf": fabio.cbfimage.CbfImage}[kind](data=values, header=header or {}).write(
            str(path)
        )


@pytest.fixture
def folder(tmp_path):
    """Twelve TIFF images, beside files of other kinds."""
    values = frames(12)
    for number, each in enumerate(values):
        write(tmp_path / f"scan_{number}.tif", each, "tif")
    (tmp_path / "notes.txt").write_text("no image")
    (tmp_path / "mask.msk").write_bytes(b"x")
    return tmp_path, values


def test_a_folder_in_natural_order(folder):
    path, values = folder
    source = image_files([path])
    assert source.dataset.names == ("frame", "detector_y", "detector_x")
    assert source.reader.dtype == np.int32
    assert source.reader.plain
    np.testing.assert_array_equal(source.reader.read(ALL), values)
    assert source.files[2].name == "scan_2.tif"
    assert "12 files" in source.messages[0]
    assert "30 x 20 pixels (int32)" in source.messages[0]
    assert "missing" not in source.dataset.auxiliaries
    part = source.reader.read((np.array([1, 5, 11]), slice(3, 9), np.array([2, 19])))
    np.testing.assert_array_equal(part, values[[1, 5, 11], 3:9][:, :, [2, 19]])
    part = source.reader.read((slice(0, 12, 5), np.array([4, 8]), slice(0, 20, 3)))
    np.testing.assert_array_equal(part, values[::5][:, [4, 8], ::3])


@pytest.mark.parametrize("threads", [1, 4])
@pytest.mark.parametrize(("kind", "dtype"), [("tif", "u2"), ("tif", "f4"), ("edf", "i4"), ("edf", "f4"), ("cbf", "i4")])
def test_formats(tmp_path, monkeypatch, kind, dtype, threads):
    monkeypatch.setenv("NUMBA_NUM_THREADS", str(threads))
    values = frames(5, dtype=dtype)
    for number, each in enumerate(values):
        write(tmp_path / f"{number}.{kind}", each, kind)
    source = image_files([tmp_path])
    assert source.dataset.dtype == values.dtype
    assert source.reader.plain is (kind == "tif")
    np.testing.assert_array_equal(source.reader.read(ALL), values)


@pytest.mark.parametrize(
    "options", [{"byteorder": ">"}, {"rowsperstrip": 7}, {"bigtiff": True}, {"description": "x" * 9000}]
)
def test_plain_tiff_of_any_layout(tmp_path, options):
    values = frames(1, dtype="u2")[0]
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, values, **options)
    np.testing.assert_array_equal(plain_tiff(path, 0), values)
    np.testing.assert_array_equal(plain_tiff(path, 0, slice(4, 11)), values[4:11])
    np.testing.assert_array_equal(by_fabio(path, 0), values)
    assert plain_tiff(path, 0).dtype.isnative


@pytest.mark.parametrize("options", [{"compression": "zlib"}, {"tile": (16, 16)}, {"photometric": "rgb"}])
def test_other_tiff_is_left_to_fabio(tmp_path, options):
    values = frames(3, (32, 32), "u1") if "photometric" in options else frames(1, (32, 32), "u2")[0]
    tifffile.imwrite(tmp_path / "a.tif", values, **options)
    assert plain_tiff(tmp_path / "a.tif", 0) is None


def test_several_frames_a_file(tmp_path):
    values = frames(7)
    for name, part in (("a.edf", values[:4]), ("b.edf", values[4:])):
        image = fabio.edfimage.EdfImage(data=part[0], header={})
        for each in part[1:]:
            image.append_frame(data=each, header={})
        image.write(str(tmp_path / name))
    tifffile.imwrite(tmp_path / "c.tif", values)
    source = image_files([tmp_path], pattern="*.edf")
    np.testing.assert_array_equal(source.reader.read(ALL), values)
    source = image_files([tmp_path / "c.tif"])
    assert source.dataset.shape == (7, 30, 20)
    np.testing.assert_array_equal(source.reader.read((slice(2, 6), *ALL[1:])), values[2:6])
    assert "1 files" not in source.messages[0]


def test_scans(folder):
    path, values = folder
    source = image_files([path], shape=[3, 4])
    assert source.dataset.names == ("y", "x", "detector_y", "detector_x")
    part = source.reader.read((slice(1, 2), np.array([0, 3]), slice(None), slice(2, 4)))
    np.testing.assert_array_equal(part, values.reshape(3, 4, 30, 20)[1:2][:, [0, 3], :, 2:4])
    source = image_files([path], shape=[2, 3, 2], axes=["step", "y", "x"])
    assert source.dataset.names[:3] == ("step", "y", "x")
    source = image_files([path], shape=[3, 5])
    missing = source.dataset.auxiliaries["missing"]
    assert missing.axes == ("y", "x")
    np.testing.assert_array_equal(missing.reader.array.ravel(), [False] * 12 + [True] * 3)
    assert (source.reader.read((slice(2, 3), slice(2, 5), *ALL[1:])) == -1).all()
    assert "WARNING: 3 of 15 points were not measured" in "\n".join(source.messages)
    with pytest.raises(InputError, match=r"12 frames do not fit shape: \[2, 5\], which has 10 points"):
        image_files([path], shape=[2, 5])
    with pytest.raises(InputError, match="must give 3 different names of scan axes"):
        image_files([path], shape=[1, 3, 4])
    with pytest.raises(InputError, match="no rotation angles"):
        image_files([path], axes=["rotation_angle"])


# ---- broken files


def test_broken_images_among_many(folder):
    path, values = folder
    cut = (path / "scan_4.tif").read_bytes()
    (path / "scan_4.tif").write_bytes(cut[: len(cut) // 2])
    (path / "scan_7.tif").write_bytes(b"")
    tifffile.imwrite(path / "scan_9.tif", np.zeros((31, 20), "i4"))  # larger: known when it is read
    damaged = bytearray((path / "scan_10.tif").read_bytes())
    damaged[0:4] = b"\0\0\0\0"
    (path / "scan_10.tif").write_bytes(damaged)
    source = image_files([path])
    np.testing.assert_array_equal(np.flatnonzero(source.dataset.auxiliaries["missing"].reader.array), [4, 7])
    said = "\n".join(source.messages)
    assert "scan_4.tif is left out: the file ends at" in said
    assert "scan_7.tif is left out: the file is empty" in said
    expected = values.copy()
    expected[[4, 7, 9, 10]] = -1
    np.testing.assert_array_equal(source.reader.read(ALL), expected)
    noted = sorted(source.reader.notes)
    assert len(noted) == 2
    assert (
        "scan_9.tif cannot be read and counts as not measured (it has 31 x 20 pixels, the others 30 x 20)" in noted[1]
    )
    source.reader.read(ALL)
    assert len(source.reader.notes) == 2
    assert set(source.reader.notes.values()) == {1}


def test_a_first_image_that_is_broken(folder):
    path, values = folder
    (path / "scan_0.tif").write_bytes((path / "scan_0.tif").read_bytes()[:500])
    source = image_files([path])
    np.testing.assert_array_equal(source.reader.read((slice(1, 12), *ALL[1:])), values[1:])
    assert source.dataset.auxiliaries["missing"].reader.array[0]


def test_types_of_other_files(tmp_path):
    write(tmp_path / "1.tif", frames(1, dtype="u2")[0], "tif")
    write(tmp_path / "2.tif", frames(1, dtype="u1")[0], "tif")
    write(tmp_path / "3.tif", frames(1, dtype="f4")[0], "tif")
    source = image_files([tmp_path])
    read = source.reader.read(ALL)
    np.testing.assert_array_equal(read[1], frames(1, dtype="u1")[0])
    assert (read[2] == 65535).all()
    assert "its pixels are float32, those of the others uint16" in next(iter(source.reader.notes))


@pytest.mark.parametrize("kind", ["tif", "edf", "cbf"])
def test_a_single_broken_image_is_an_error(tmp_path, kind):
    path = tmp_path / f"a.{kind}"
    write(path, frames(1)[0], kind)
    image_files([path]).reader.read(ALL)
    whole = path.read_bytes()
    path.write_bytes(whole[:-200])
    with pytest.raises(InputError, match=rf"a\.{kind} cannot be read: the file ends at"):
        image_files([path])
    path.write_bytes(b"\0" * 300)
    with pytest.raises(InputError, match=rf"a\.{kind} cannot be read: "):
        image_files([path])


def test_an_image_that_breaks_after_loading(tmp_path):
    path = tmp_path / "a.tif"
    write(path, frames(1)[0], "tif")
    source = image_files([path])
    path.write_bytes(path.read_bytes()[:600])
    with pytest.raises(InputError, match=r"a\.tif cannot be read"):
        source.reader.read(ALL)


def test_many_broken_images_are_counted(tmp_path):
    for number in range(60):
        write(tmp_path / f"{number}.tif", frames(1)[0], "tif")
    for number in range(10, 40):
        raw = bytearray((tmp_path / f"{number}.tif").read_bytes())
        raw[:4] = b"\0\0\0\0"
        (tmp_path / f"{number}.tif").write_bytes(raw)
    reader = image_files([tmp_path]).reader
    reader.read(ALL)
    assert len(reader.notes) == 21
    assert reader.notes["WARNING: {count} more images cannot be read and count as not measured"] == 10


# ---- what is said of files and headers


def test_folders_that_leave_a_choice(folder):
    path, _ = folder
    write(path / "mask.edf", frames(1)[0], "edf")
    with pytest.raises(InputError, match=r"images of several kinds \(12 tif, 1 edf\): choose by pattern: '\*\.tif'"):
        image_files([path])
    assert image_files([path], pattern="scan_1*.tif").dataset.shape[0] == 3
    with pytest.raises(InputError, match=r"no file that fits pattern: \*\.cbf"):
        image_files([path], pattern="*.cbf")
    empty = path / "empty"
    empty.mkdir()
    with pytest.raises(InputError, match="has no images among its 0 files"):
        image_files([empty])
    with pytest.raises(InputError, match=r"nothing\.tif does not exist"):
        image_files([path / "nothing.tif"])
    (path / "scan.nxs").write_bytes(b"")
    with pytest.raises(InputError, match="scattering_scan, raster_map and array read those"):
        image_files([path / "scan.nxs"])


def test_numbers_from_headers(tmp_path):
    for number, each in enumerate(frames(6)):
        header = {"Photo": str(100.5 + number), "ExposureTime": "0.5 s", "Title": "agbeh", "counter_mne": "mon det",
                  "counter_pos": f"{number}e3 7"}  # fmt: skip
        write(tmp_path / f"{number}.edf", each, "edf", header)
    companions = {"monitor": "Photo", "count_time": "ExposureTime", "beam": "mon"}
    source = image_files([tmp_path], shape=[2, 4], companions=companions)
    found = source.dataset.auxiliaries
    assert found["count_time"].units == "s"
    monitor = found["monitor"].reader.read((slice(None), slice(1, 4)))
    np.testing.assert_array_equal(monitor, [[101.5, 102.5, 103.5], [105.5, np.nan, np.nan]])
    np.testing.assert_array_equal(found["beam"].reader.read((slice(0, 1), slice(None))), [[0, 1000, 2000, 3000]])
    with pytest.raises(InputError, match=r"no entry 'Foto' \(did you mean 'Photo'\?\); its numbers are .*Photo"):
        image_files([tmp_path], companions={"monitor": "Foto"})
    with pytest.raises(InputError, match="'Title' of its header is no number: 'agbeh'"):
        image_files([tmp_path], companions={"monitor": "Title"})


def test_lines_of_detectors_in_one_entry():
    header = flat_header({"_array_data.header_contents": "# Detector: PILATUS 1M\n# Exposure_time 0.0990 s\n# N 4"})
    assert number_in(header["Exposure_time"]) == (0.099, "s")
    assert number_in(header["N"]) == (4.0, "")
    assert header["Detector"] == "PILATUS 1M"
    assert np.isnan(number_in("text")[0])


def test_natural_order():
    names = ["b2", "a10", "a9", "A1", "a", "10", "9"]
    assert sorted(names, key=natural) == ["9", "10", "a", "A1", "a9", "a10", "b2"]


def test_packed_images(tmp_path):
    values = frames(3)
    for number, each in enumerate(values):
        write(tmp_path / "a.edf", each, "edf")
        (tmp_path / f"{number}.edf.gz").write_bytes(gzip.compress((tmp_path / "a.edf").read_bytes()))
    (tmp_path / "a.edf").unlink()
    np.testing.assert_array_equal(image_files([tmp_path]).reader.read(ALL), values)


def test_thousands_of_files_load_at_once(tmp_path):
    """Only the first is opened: a thousand small files take a fraction of a second."""
    write(tmp_path / "0.tif", frames(1, (4, 4))[0], "tif")
    raw = (tmp_path / "0.tif").read_bytes()
    for number in range(1, 1000):
        (tmp_path / f"{number}.tif").write_bytes(raw)
    begin = time.process_time()
    source = image_files([tmp_path])
    assert time.process_time() - begin < 1.0
    assert source.dataset.shape == (1000, 4, 4)


def test_damaged_descriptions_of_tiff_are_no_trap(tmp_path):
    """Whatever bytes of a header are changed: an image, or an error of the known kinds."""
    rng = np.random.default_rng(3)
    path = tmp_path / "a.tif"
    write(path, frames(1)[0], "tif")
    whole = path.read_bytes()
    (place,) = struct.unpack("<I", whole[4:8])
    for _ in range(250):
        raw = bytearray(whole)
        for _ in range(int(rng.integers(1, 4))):
            raw[int(rng.integers(0, 8)) if rng.random() < 0.2 else place + int(rng.integers(0, 180))] = rng.integers(
                256
            )
        path.write_bytes(raw)
        try:
            plain_tiff(path, 0)
        except (ValueError, OSError, NotTiff):
            pass
        except MemoryError:
            pytest.fail("a damaged header asks for too much memory")
