"""Raw volumes: the bytes that ImageJ, PyHST2's readers and tomoscan expect, whoever writes which part."""

import multiprocessing
import xml.etree.ElementTree as ElementTree
from dataclasses import replace

import numpy as np
import pytest

from tomosaxs import Axis, Dataset, InputError, Scan
from tomosaxs.declaration import spec_of
from tomosaxs_plugins.savers.raw_volume import raw_volume
from tomosaxs_plugins.savers.together import note_done
from tomosaxs_plugins.savers.volume_layout import layout_of
from tomosaxs_plugins.volume.scaling import Scaling


def dataset(dtype=np.float32, outer=(), heights=5):
    places = np.arange(30, 30 + heights)
    axes = (Axis("z", heights, places * 2e-6, "m", places, 100), Axis("y", 6, np.arange(6) * 2e-6, "m"))
    return Dataset((*outer, *axes, Axis("x", 7, np.arange(7) * 2e-6, "m")), np.dtype(dtype), "attenuation", "1/m")


def save(data, values, folder, cuts, order=None, step=raw_volume, **options):
    """Call a saving step block by block, in any order."""
    whole = Scan.whole(data, ("y", "x"))
    flat = values.reshape(-1, *values.shape[-2:])
    blocks = list(zip([0, *cuts], [*cuts, len(flat)], strict=True))
    for number in order or range(len(blocks)):
        low, high = blocks[number]
        step(flat[low:high], Scan(data, whole.sliced, whole.core, whole.index[low:high], folder), **options)
    return folder


def info(path):
    lines = path.read_text().splitlines()
    assert lines[0] == "! PyHST_SLAVE VOLUME INFO FILE"
    return {
        key.strip(): value.strip() for key, value in (line.split("=") for line in lines[1:])
    }  # fmt: skip


def imagej(path, said, kind):
    """Read as File > Import > Raw does: width, height, number of images, offset 0, little-endian."""
    width, height, images = (int(said[key]) for key in ("NUM_X", "NUM_Y", "NUM_Z"))
    raw = np.frombuffer(path.read_bytes(), dtype=kind)
    return raw.reshape(images, height, width)


VALUES = np.random.default_rng(0).normal(5, 2, (5, 6, 7)).astype(np.float32)


@pytest.mark.parametrize(("cuts", "order"), [((), None), ((2, 3), None), ((1, 4), (2, 0, 1))])
def test_bytes_and_description(tmp_path, cuts, order):
    save(dataset(), VALUES, tmp_path, cuts, order)
    said = info(tmp_path / "volume.vol.info")
    np.testing.assert_array_equal(imagej(tmp_path / "volume.vol", said, "<f4"), VALUES)
    assert list(said)[:5] == ["NUM_X", "NUM_Y", "NUM_Z", "voxelSize", "BYTEORDER"]
    assert said["voxelSize"] == "2"
    assert said["BYTEORDER"] == "LOWBYTEFIRST"
    np.testing.assert_allclose([float(said[k]) for k in ("ValMin", "ValMax")], [VALUES.min(), VALUES.max()], rtol=1e-8)
    tree = ElementTree.parse(tmp_path / "volume.vol.xml").getroot()
    assert tree.tag == "tomodb2"
    sub = {each.tag: each.text for each in tree.find("reconstruction/listSubVolume/subVolume")}
    assert (sub["SIZEX"], sub["SIZEY"], sub["SIZEZ"], sub["DIM_REC"]) == ("7", "6", "5", "210")
    assert (sub["SUBVOLUME_NAME"], sub["BYTE_ORDER"], sub["ORIGINX"]) == ("volume.vol", "LOWBYTEFIRST", "1")
    assert sub["ValMax"] == said["ValMax"]
    # what lies in .parts is needed until the step is finished; the runner removes it then
    left = sorted(path.name for path in tmp_path.glob("*") if path.is_file())
    assert left == ["volume.vol", "volume.vol.info", "volume.vol.xml"]


def test_tomoscan_reads_it(tmp_path):
    module = pytest.importorskip("tomoscan.esrf.volume.rawvolume", reason="tomoscan is not installed")
    save(dataset(), VALUES, tmp_path, (3,))
    volume = module.RawVolume(file_path=str(tmp_path / "volume.vol"))
    volume.load()
    np.testing.assert_array_equal(volume.data, VALUES)
    assert float(volume.metadata["voxelSize"]) == 2.0


@pytest.mark.parametrize(("kind", "read"), [(np.uint8, "u1"), (np.uint16, "<u2")])
def test_grey_levels_state_their_scale(tmp_path, kind, read):
    levels = np.random.default_rng(1).integers(0, np.iinfo(kind).max, (5, 6, 7)).astype(kind)
    data = replace(dataset(kind), metadata=Scaling(0.25, -3.0, "1/m", "attenuation").metadata())
    save(data, levels, tmp_path, (2,), limits=(10.0, 200.0))
    said = info(tmp_path / "volume.raw.info")
    np.testing.assert_array_equal(imagej(tmp_path / "volume.raw", said, read), levels)
    assert (float(said["greyScale"]), float(said["greyOffset"]), said["greyUnits"]) == (0.25, -3.0, "1/m")
    assert (said["s1"], said["s2"]) == ("10", "200")
    # readers of 8 and 16 bit take the third word of the fourth line as numpy's name of the type
    fourth = (tmp_path / "volume.raw.info").read_text().splitlines()[4]
    assert np.dtype(fourth.split()[2].lower()) == kind


def test_a_volume_for_every_time(tmp_path):
    data = dataset(outer=(Axis("time", 3),), heights=4)
    values = np.random.default_rng(2).random((3, 4, 6, 7), dtype=np.float32)
    save(data, values, tmp_path, (3, 5, 11))
    for number in range(3):
        path = tmp_path / f"volume_time{number:04d}.vol"
        np.testing.assert_array_equal(imagej(path, info(path.with_name(path.name + ".info")), "<f4"), values[number])


def test_where_the_slices_of_a_block_lie():
    data = dataset(outer=(Axis("time", 3),), heights=4)
    scan = Scan.whole(data, ("y", "x"))
    runs = list(layout_of(data).runs(Scan(data, scan.sliced, scan.core, scan.index[3:10])))
    assert [(run.place, run.low, run.high, run.first) for run in runs] == [
        ((0,), 3, 4, 0), ((1,), 0, 4, 1), ((2,), 0, 2, 5),
    ]  # fmt: skip


def test_values_that_are_not_numbers_and_no_voxel_size(tmp_path):
    plain = Dataset((Axis("z", 5), Axis("y", 6), Axis("x", 7)), np.dtype(np.float32))
    values = VALUES.copy()
    values[0], values[1, 0, 0], values[2, 0, 0] = np.nan, np.inf, np.nan
    save(plain, values, tmp_path, (1,))
    said = info(tmp_path / "volume.vol.info")
    assert "voxelSize" not in said  # never a made-up one
    good = values[np.isfinite(values)]
    np.testing.assert_allclose([float(said["ValMin"]), float(said["ValMax"])], [good.min(), good.max()], rtol=1e-8)


@pytest.mark.parametrize(("given", "options", "words"), [
    (dataset(), {"file_name": "a/b"}, "plain file name"), (dataset(np.float64), {}, "no raw form"),
    (dataset(), {"limits": (2.0, 1.0)}, "low < high"),
])  # fmt: skip
def test_what_does_not_fit_is_said_before_the_run(given, options, words):
    with pytest.raises(InputError, match=words):
        spec_of(raw_volume).check(given, **{"file_name": "volume", "limits": None, **options})


def _note(log, number, queue):
    queue.put(note_done(log, 3 * number, 3 * number + 3, 24, [number]))


def test_exactly_one_of_many_writers_is_the_last(tmp_path):
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    writers = [context.Process(target=_note, args=(tmp_path / "log", n, queue)) for n in range(8)]
    for each in writers:
        each.start()
    answers = [queue.get(timeout=30) for _ in writers]
    for each in writers:
        each.join()
    told = [answer for answer in answers if answer is not None]
    assert told == [[[float(n)] for n in range(8)]]


def test_slices_that_two_write_are_counted_once(tmp_path):
    assert note_done(tmp_path / "log", 0, 6, 10) is None
    assert note_done(tmp_path / "log", 4, 7, 10) is None
    assert note_done(tmp_path / "log", 8, 10, 10) is None
    assert note_done(tmp_path / "log", 6, 9, 10) is not None
    assert note_done(tmp_path / "other", 0, 9, 10) is None
    assert note_done(tmp_path / "other", 9, 10, 10) is not None
