"""TIFF files of many pages: tifffile and Pillow read what ranks wrote at their places, classic and BigTIFF."""

from dataclasses import replace

import numpy as np
import pytest
from test_raw_volume import dataset, save

from tomosaxs import Axis, InputError
from tomosaxs.declaration import spec_of
from tomosaxs_plugins.savers import tiff_pages
from tomosaxs_plugins.savers.tiff_volume import tiff_volume
from tomosaxs_plugins.volume.scaling import Scaling

tifffile = pytest.importorskip("tifffile")


@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("kind", [np.float32, np.uint8, np.uint16])
@pytest.mark.parametrize(("cuts", "order"), [((), None), ((1, 4), (2, 0, 1))])
def test_pages(tmp_path, monkeypatch, big, kind, cuts, order):
    if big:
        monkeypatch.setattr(tiff_pages, "_CLASSIC_LIMIT", 0)
    values = np.random.default_rng(0).integers(0, 250, (5, 6, 7)).astype(kind)
    save(dataset(kind), values, tmp_path, cuts, order, step=tiff_volume)
    path = tmp_path / "volume.tif"
    with tifffile.TiffFile(path) as file:
        assert file.is_bigtiff == big
        assert len(file.pages) == 5
        np.testing.assert_array_equal(file.asarray(), values)  # as ImageJ's contiguous stack
        for page, image in zip(file.pages, values, strict=True):  # and page by page
            np.testing.assert_array_equal(page.asarray(), image)
        assert (file.imagej_metadata["images"], file.imagej_metadata["spacing"]) == (5, 2.0)
        across = file.pages[0].tags["XResolution"].value
        np.testing.assert_allclose(across[0] / across[1], 0.5)
    pillow = pytest.importorskip("PIL.Image")
    with pillow.open(path) as image:
        assert image.n_frames == 5
        for number in range(5):
            image.seek(number)
            np.testing.assert_array_equal(np.asarray(image), values[number])


def test_large_volumes_are_bigtiff():
    for heights, mark in ((1000, 42), (1100, 43)):  # of 4 MB each
        head = tiff_pages.head_of_pages((heights, 1024, 1024), np.dtype("<f4"), "ImageJ=1.54f\n", None)
        assert int.from_bytes(head[2:4], "little") == mark
        assert len(head) % 4096 == 0


def test_grey_levels_state_their_scale_and_times_have_files_of_their_own(tmp_path):
    data = dataset(np.uint8, outer=(Axis("time", 2),), heights=3)
    data = replace(data, metadata=Scaling(0.5, -3.0, "1/m", "attenuation").metadata())
    levels = np.random.default_rng(1).integers(0, 255, (2, 3, 6, 7)).astype(np.uint8)
    save(data, levels, tmp_path, (2, 5), step=tiff_volume)
    for number in range(2):
        with tifffile.TiffFile(tmp_path / f"volume_time{number:04d}.tif") as file:
            np.testing.assert_array_equal(file.asarray(), levels[number])
            told = file.imagej_metadata
            assert (told["c0"], told["c1"], told["vunit"]) == (-3.0, 0.5, "1/m")


def test_no_voxel_size(tmp_path):
    plain = dataset()
    bare = replace(plain, axes=tuple(Axis(axis.name, axis.size) for axis in plain.axes))
    save(bare, np.ones((5, 6, 7), np.float32), tmp_path, (), step=tiff_volume)
    with tifffile.TiffFile(tmp_path / "volume.tif") as file:
        assert "XResolution" not in file.pages[0].tags
    with pytest.raises(InputError, match="use rescale"):
        spec_of(tiff_volume).check(dataset(np.float64), file_name="volume")
