"""OME-Zarr: opens in the format's own readers, every resolution is the mean of the one before, any blocks."""

from dataclasses import replace

import numpy as np
import pytest
from test_raw_volume import dataset, save

from tomosaxs import Axis, Dataset, InputError
from tomosaxs.declaration import spec_of
from tomosaxs_plugins.savers.ome_zarr_layout import pyramid_of
from tomosaxs_plugins.volume.scaling import Scaling

zarr = pytest.importorskip("zarr", reason="zarr is not installed")
from tomosaxs_plugins.savers.ome_zarr import ome_zarr  # noqa: E402

VALUES = np.random.default_rng(0).normal(5, 2, (11, 37, 42)).astype(np.float32)
OPTIONS = {"chunk": (4, 16, 16)}


def volume(dtype=np.float32, outer=(), shape=(11, 37, 42), **more):
    step = 1.5e-6
    axes = [Axis(name, size, (np.arange(size) - 3) * step, "m") for name, size in zip("zyx", shape, strict=True)]
    return Dataset((*outer, *axes), np.dtype(dtype), "attenuation", "1/m", **more)


def coarser(values):
    """Return means of 2 x 2 x 2 voxels, of those that are there at the edges."""
    padded = np.pad(values.astype(np.float64), [(0, n % 2) for n in values.shape], constant_values=np.nan)
    z, y, x = (n // 2 for n in padded.shape)
    return np.nanmean(padded.reshape(z, 2, y, 2, x, 2), axis=(1, 3, 5))


@pytest.mark.parametrize(("version", "compression"), [("0.4", "zstd"), ("0.5", "none")])
@pytest.mark.parametrize(("cuts", "order"), [((), None), ((3, 5, 6), (3, 1, 0, 2))])
def test_values_of_every_resolution(tmp_path, version, compression, cuts, order):
    save(volume(), VALUES, tmp_path, cuts, order, step=ome_zarr, version=version, compression=compression, **OPTIONS)
    group = zarr.open_group(str(tmp_path / "volume.ome.zarr"), mode="r")
    assert group.metadata.zarr_format == (3 if version == "0.5" else 2)
    expected = VALUES
    assert sorted(group) == ["0", "1", "2"]
    for level in range(3):
        array = group[str(level)]
        assert array.chunks == (4 >> level, 16, 16)
        np.testing.assert_allclose(array[:], expected, rtol=1e-6, atol=1e-6)
        expected = coarser(np.asarray(array[:]))
    kept = {path.relative_to(tmp_path).parts[0] for path in tmp_path.rglob("*") if path.is_file()} - {".parts"}
    assert kept == {"volume.ome.zarr"}  # nothing of the unfinished slabs is left


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_the_formats_own_readers(tmp_path, version):
    reader = pytest.importorskip("ome_zarr.reader", reason="ome-zarr is not installed")
    io = pytest.importorskip("ome_zarr.io")
    save(volume(), VALUES, tmp_path, (5,), step=ome_zarr, version=version, limits=(0.0, 9.0), **OPTIONS)
    path = str(tmp_path / "volume.ome.zarr")
    (node,) = list(reader.Reader(io.parse_url(path))())
    np.testing.assert_array_equal(np.asarray(node.data[0]), VALUES)
    assert [axis["name"] for axis in node.metadata["axes"]] == ["z", "y", "x"]
    assert len(node.data) == 3
    models = pytest.importorskip("ome_zarr_models", reason="ome-zarr-models is not installed")
    image = models.open_ome_zarr(zarr.open_group(path, mode="r"))
    said = image.attributes.ome_attributes if hasattr(image.attributes, "ome_attributes") else image.attributes
    said = getattr(said, "ome", said)
    (scale,) = said.multiscales
    assert [axis.unit for axis in scale.axes] == ["micrometer"] * 3
    steps = [each.coordinateTransformations[0].scale for each in scale.datasets]
    np.testing.assert_allclose(steps, [[1.5 * 2**level] * 3 for level in range(3)])
    places = [each.coordinateTransformations[1].translation for each in scale.datasets]
    # the centre of the first voxel: of a coarser one it lies between those of the finer ones
    np.testing.assert_allclose(places, [[-4.5 + 0.75 * (2**level - 1)] * 3 for level in range(3)])


def test_grey_levels_and_their_window(tmp_path):
    levels = np.random.default_rng(1).integers(0, 255, VALUES.shape).astype(np.uint8)
    data = volume(np.uint8, metadata=Scaling(0.25, -3.0, "1/m", "attenuation").metadata())
    save(data, levels, tmp_path, (5,), step=ome_zarr, **OPTIONS)
    group = zarr.open_group(str(tmp_path / "volume.ome.zarr"), mode="r")
    np.testing.assert_array_equal(group["0"][:], levels)
    said = group.attrs["tomosaxs"]
    assert (said["grey_scale"], said["grey_offset"], said["units"]) == (0.25, -3.0, "1/m")
    (channel,) = group.attrs["omero"]["channels"]
    assert channel["window"] == {"min": 0.0, "max": 255.0, "start": 0.0, "end": 255.0}
    expected = np.floor(coarser(levels) + 0.5)
    np.testing.assert_array_equal(group["1"][:], expected)


def test_time_is_an_axis(tmp_path):
    outer = (Axis("time", 3, np.arange(3) * 2.0, "s"),)
    values = np.random.default_rng(2).random((3, *VALUES.shape), dtype=np.float32)
    save(volume(outer=outer), values, tmp_path, (4, 13, 30), step=ome_zarr, **OPTIONS)
    group = zarr.open_group(str(tmp_path / "volume.ome.zarr"), mode="r")
    np.testing.assert_array_equal(group["0"][:], values)
    assert group["0"].chunks == (1, 4, 16, 16)
    (scale,) = group.attrs["multiscales"]
    assert scale["axes"][0] == {"name": "t", "type": "time", "unit": "second"}
    assert scale["datasets"][1]["coordinateTransformations"][0]["scale"] == [2.0, 3.0, 3.0, 3.0]


def test_resolutions():
    made = pyramid_of((2048, 2048, 2048), (16, 256, 256), None)
    assert [shape[1] for shape in made.shapes] == [2048, 1024, 512, 256]
    assert [chunk[0] for chunk in made.chunks] == [16, 8, 4, 2]
    assert len(pyramid_of((10, 100, 100), (16, 256, 256), None).shapes) == 1
    assert len(pyramid_of((10, 9000, 9000), (4, 256, 256), None).shapes) == 3  # 4, 2, 1
    # no voxel of a slab belongs to the next one: every slab begins at a whole chunk of every resolution
    assert all(made.slab % 2**level == 0 for level in range(len(made.shapes)))


@pytest.mark.parametrize(("given", "options", "words"), [
    (dataset(), {"file_name": "../up"}, "plain file name"), (dataset(np.float64), {}, "not saved as OME-Zarr"),
    (dataset(), {"levels": 4, "chunk": (4, 8, 8)}, "halved 3 times, not 4"),
    (dataset(outer=(Axis("a", 2), Axis("b", 2))), {}, "not for a, b"),
    (dataset(), {"limits": (1.0, 1.0)}, "low < high"),
])  # fmt: skip
def test_what_does_not_fit_is_said_before_the_run(given, options, words):
    values = {"file_name": "volume", "chunk": (16, 256, 256), "levels": None, "limits": None, **options}
    with pytest.raises(InputError, match=words):
        spec_of(ome_zarr).check(given, **values)


def test_no_voxel_size_no_unit(tmp_path):
    data = volume()
    bare = replace(data, axes=tuple(Axis(axis.name, axis.size) for axis in data.axes))
    save(bare, VALUES, tmp_path, (), step=ome_zarr, **OPTIONS)
    (scale,) = zarr.open_group(str(tmp_path / "volume.ome.zarr"), mode="r").attrs["multiscales"]
    assert scale["axes"] == [{"name": name, "type": "space"} for name in "zyx"]
    assert scale["datasets"][1]["coordinateTransformations"][0]["scale"] == [2.0] * 3
