"""Masks: files of every kind, crops, thresholds and sectors."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

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
