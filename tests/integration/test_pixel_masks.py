"""Masks: files of every kind, crops, thresholds and sectors."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

import tomosaxs
from tomosaxs_plugins.integration import masks
from tomosaxs_plugins.integration.geometry import DetectorGeometry

WANTED = np.zeros((5, 70), dtype=bool)  # 70 columns: three 32-bit words a row, the last one only in part
WANTED[0, 3] = WANTED[4, 69] = WANTED[2, 31:34] = True


def write_fit2d(path: Path, mask: np.ndarray) -> None:
    rows, columns = mask.shape
    header = np.zeros(256, dtype="<i4")
    header[:4] = [ord(letter) for letter in "MASK"]
    header[4:7] = columns, rows, 1
    padded = np.zeros((rows, -(-columns // 32) * 32), dtype=np.uint8)
    padded[:, :columns] = mask[::-1]
    path.write_bytes(header.tobytes() + np.packbits(padded, axis=1, bitorder="little").tobytes() + b"x")


def test_npy_hdf5_and_fit2d_masks(tmp_path: Path):
    np.save(tmp_path / "a.npy", WANTED.astype(np.float32) * 3)
    write_fit2d(tmp_path / "a.msk", WANTED)
    with h5py.File(tmp_path / "a.nxs", "w") as file:
        file["entry/instrument/detector/pixel_mask"] = WANTED.astype(np.uint32) * 4
    for name in ("a.npy", "a.msk", "a.nxs"):
        read = masks.read_mask(tmp_path / name)
        assert read.dtype == bool, name
        assert np.array_equal(read, WANTED), name


def test_images_as_masks(tmp_path: Path):
    fabio = pytest.importorskip("fabio", reason="fabio is not installed")
    fabio.edfimage.EdfImage(data=WANTED.astype(np.uint8)).write(str(tmp_path / "a.edf"))
    fabio.tifimage.TifImage(data=WANTED.astype(np.uint8)).write(str(tmp_path / "a.tif"))
    for name in ("a.edf", "a.tif"):
        assert np.array_equal(masks.read_mask(tmp_path / name), WANTED), name


def test_real_fit2d_mask_covers_every_gap_of_its_detector(shared: Path):
    fabio = pytest.importorskip("fabio", reason="fabio is not installed")
    folder = shared / "golden" / "saxs"
    mask = masks.read_mask(folder / "AAA_integ.msk")
    frame = fabio.open(str(folder / "agbeh2_1M.tif")).data
    assert mask.shape == frame.shape == (1043, 981)
    assert not (frame[~mask] < 0).any()
    # the other way up it would not: this is what tells the two apart
    assert (frame[~mask[::-1]] < 0).any()
    assert np.array_equal(mask, np.flipud(fabio.open(str(folder / "AAA_integ.msk")).data) != 0)


def test_broken_masks_are_refused(tmp_path: Path):
    (tmp_path / "a.msk").write_bytes(b"M" * 2000)
    np.save(tmp_path / "a.npy", np.zeros((2, 3, 4)))
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["data"] = WANTED
    write_fit2d(tmp_path / "short.msk", WANTED)
    (tmp_path / "short.msk").write_bytes((tmp_path / "short.msk").read_bytes()[:1040])
    for name, said in (("a.msk", "MASK"), ("a.npy", "two dimensions"), ("a.h5", "none"), ("short.msk", "need")):
        with pytest.raises(ValueError, match=said):
            masks.read_mask(tmp_path / name)
    np.save(tmp_path / "p.npy", np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(ValueError):
        masks.read_mask(tmp_path / "p.npy")


def test_mask_of_the_detector_is_cropped_like_the_frames():
    part = masks.fit_mask(WANTED, (2, 4), (1, 30), (5, 70))
    assert np.array_equal(part, [[False] * 4, [False, True, True, True]])
    assert np.array_equal(masks.fit_mask(part, (2, 4), (1, 30), (5, 70)), part)
    with pytest.raises(ValueError, match="3 x 4"):
        masks.fit_mask(np.zeros((3, 4), bool), (2, 4), (1, 30), (5, 70))


def test_values_that_cannot_be_used():
    whole = np.array([[[5, -1], [7, 2**31 - 1]]], dtype=np.int32)
    assert np.array_equal(masks.unusable_to_nan(whole), [[[5, np.nan], [7, np.nan]]], equal_nan=True)
    assert masks.unusable_to_nan(whole, gaps=False) is whole
    counts = np.array([[[5, 65535], [7, 0]]], dtype=np.uint16)
    assert np.array_equal(masks.unusable_to_nan(counts), [[[5, np.nan], [7, 0]]], equal_nan=True)
    # background-subtracted data are rightly negative
    floats = np.array([[[-1.0, 2.0], [3.0, 9.0]]], dtype=np.float32)
    assert masks.unusable_to_nan(floats) is floats
    limited = masks.unusable_to_nan(floats, below=0.0, above=3.0)
    assert np.array_equal(limited, [[[np.nan, 2], [3, np.nan]]], equal_nan=True)
    assert floats[0, 0, 0] == -1.0  # the input stays what it was


def test_sector_runs_counter_clockwise_with_row_0_at_the_top():
    geometry = DetectorGeometry.from_beam((2.5, 2.5), 1.0, np.eye(3), (1e-3, 1e-3))
    up = ~masks.azimuth_mask(geometry, (5, 5), 80.0, 100.0)
    assert up[0, 2]
    assert up[1, 2]
    assert not up[4, 2]
    assert not up[2, 0]
    assert not up[2, 4]
    right = ~masks.azimuth_mask(geometry, (5, 5), -10.0, 10.0)
    assert right[2, 4]
    assert not right[2, 0]
    left = ~masks.azimuth_mask(geometry, (5, 5), 170.0, 190.0)
    assert left[2, 0]
    assert not left[2, 4]
    assert not left[0, 2]
    assert not masks.azimuth_mask(geometry, (5, 5), -180.0, 180.0).any()


def test_a_nexus_pixel_mask_is_bit_coded_and_says_itself_what_is_masked(tmp_path: Path):
    """Any bit is a reason: 0 gap, 1 dead, 3 over-responding, 8 user-defined, 31 virtual."""
    coded = np.zeros((5, 70), dtype=np.uint32)
    coded[0, 3], coded[4, 69], coded[2, 31:34] = 1 << 31, 1 << 8, (1 << 1) | (1 << 3)
    for name, values in (("a.nxs", coded), ("b.h5", np.stack([coded * (n == 1) for n in range(3)])[None])):
        with h5py.File(tmp_path / name, "w") as file:
            file["entry/instrument/detector/pixel_mask"] = values
        assert np.array_equal(masks.read_mask(tmp_path / name), WANTED)
        assert np.array_equal(masks.read_mask(tmp_path / name, "used"), WANTED)


def test_files_that_mark_the_pixels_to_use(tmp_path: Path):
    np.save(tmp_path / "a.npy", ~WANTED)
    write_fit2d(tmp_path / "a.msk", WANTED)
    with h5py.File(tmp_path / "a.nxs", "w") as file:
        file["entry/mask/mask"] = ~WANTED
    for name in ("a.npy", "a.nxs"):
        assert np.array_equal(masks.read_mask(tmp_path / name, "used"), WANTED), name
        assert np.array_equal(masks.read_mask(tmp_path / name), ~WANTED), name
    # FIT2D's format says what a bit means
    assert np.array_equal(masks.read_mask(tmp_path / "a.msk", "used"), WANTED)
    unknown = np.where(WANTED, 0.0, 1.0)
    unknown[1, 1] = np.nan
    np.save(tmp_path / "b.npy", unknown)
    for marks in ("masked", "used"):
        assert masks.read_mask(tmp_path / "b.npy", marks)[1, 1]


def test_of_several_masks_in_a_file_the_one_of_the_frames_is_taken(tmp_path: Path):
    with h5py.File(tmp_path / "a.nxs", "w") as file:
        file["entry/saxs/pixel_mask"] = WANTED.astype(np.uint32)
        file["entry/waxs/pixel_mask"] = np.zeros((3, 4), np.uint32)
        file["entry/sum/mask"] = np.zeros((2, 3, 4), np.uint32)
    assert np.array_equal(masks.read_mask(tmp_path / "a.nxs", shapes=[(5, 70)]), WANTED)
    for shapes in ((), [(5, 70), (3, 4)], [(9, 9)]):
        with pytest.raises(ValueError, match=r"saxs/pixel_mask.*waxs/pixel_mask"):
            masks.read_mask(tmp_path / "a.nxs", shapes=shapes)
    with h5py.File(tmp_path / "b.nxs", "w") as file:
        file["mask"] = np.zeros((2, 3, 4))
    with pytest.raises(ValueError, match="one mask for all frames"):
        masks.read_mask(tmp_path / "b.nxs")


def test_the_union_tells_what_each_source_masks():
    first, second = np.zeros((4, 5), bool), np.zeros((4, 5), bool)
    first[0], second[:, 0] = True, True
    union = masks.CombinedMask.none((4, 5)).joined("gaps.msk", first).joined("hot pixels", second)
    assert np.array_equal(union.mask, first | second)
    assert union.share == 8 / 20
    assert union.describe() == "masked are 8 of 20 pixels (40.0%): gaps.msk 5, hot pixels 4"
    assert masks.CombinedMask.none((4, 5)).describe() == "masked are 0 of 20 pixels (0.0%)"
    assert not first[1].any()  # what was joined stays as it was
    with pytest.raises(ValueError, match="hot pixels"):
        union.joined("hot pixels", np.zeros((5, 4), bool))


LIST = """\
input:
  frames:
    plugin: array
    path: frames.h5
    dataset: frames
    axes: [y, detector_y, detector_x]
steps:
  - plugin: find_hot_pixels
    name: hot
    calibration: {distance: 0.1, beam_centre: [20.5, 30.5], pixel_size: 1e-4, wavelength: 1 angstrom}
    mask: masks/gaps.npy
  - plugin: azimuthal_integrate
    calibration: {distance: 0.1, beam_centre: [20.5, 30.5], pixel_size: 1e-4, wavelength: 1 angstrom}
    mask: [masks/gaps.npy, masks/beam.msk]
    hot_pixels: ${hot}
    bins: 30
"""


def test_a_list_with_several_masks_and_hot_pixels(tmp_path: Path):
    """Paths are the list's; the hot pixel that is planted stays out of the curve; log and result tell the masks."""
    frames = np.random.default_rng(1).poisson(40.0, (12, 60, 70)).astype(np.int32)
    frames[:, 44, 50] = 5000
    with h5py.File(tmp_path / "frames.h5", "w") as file:
        file["frames"] = frames
    (tmp_path / "masks").mkdir()
    gaps, beam = np.zeros((60, 70), bool), np.zeros((60, 70), bool)
    gaps[10], beam[18:24, 28:34] = True, True
    np.save(tmp_path / "masks" / "gaps.npy", gaps)
    write_fit2d(tmp_path / "masks" / "beam.msk", beam)
    path = tmp_path / "list.yml"
    path.write_text(LIST)
    result = tomosaxs.run(path, output=tmp_path / "out", log=lambda _: None)
    found = result.estimates["hot"].value
    assert np.argwhere(found).tolist() == [[44, 50]]
    curves = np.asarray(result.data)
    assert np.nanmax(curves) < 80
    log = (tmp_path / "out" / "run.log").read_text()
    assert "masked are 107 of 4200 pixels (2.5%): gaps.npy 70, beam.msk 36, hot pixels 1" in log
    with h5py.File(tmp_path / "out" / "result.nxs") as file:
        kept: list[np.ndarray] = []
        file.visititems(lambda name, node: kept.append(node[()]) if name.endswith("estimates/hot/value") else None)
        used = file["entry/process_02_azimuthal_integrate/mask"][()]
    assert np.array_equal(kept[0] != 0, found)
    assert np.array_equal(used != 0, gaps | beam | (found != 0))
