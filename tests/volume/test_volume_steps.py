"""Masks, crops, projections and smaller volumes, against plain numpy."""

import numpy as np
import pytest

from tomosaxs import ArrayReader, Axis, Dataset, InputError, Source
from tomosaxs.declaration import spec_of
from tomosaxs.testing import run_plugin
from tomosaxs_plugins.volume.binning import halved
from tomosaxs_plugins.volume.crop_volume import crop_volume, range_of
from tomosaxs_plugins.volume.downsample import binned


def source(values):
    axes = tuple(
        Axis(name, size, (np.arange(size) - (size - 1) / 2) * 2e-6, "m")
        for name, size in zip("zyx", values.shape, strict=True)
    )
    return Source(Dataset(axes, values.dtype, "attenuation", "1/m"), ArrayReader(values))


def after(plugin, given, parameters):
    """Return what a step makes as the next step's source."""
    (made,) = run_plugin(plugin, given, parameters)
    dataset = given.dataset
    rule = spec_of(plugin).shape if not isinstance(plugin, str) else None
    axes = {axis.name: axis for axis in rule(dataset, **parameters).axes} if rule else {}
    return Source(
        Dataset(tuple(axes.get(a.name, a) for a in dataset.axes), made.dtype, dataset.label, dataset.units),
        ArrayReader(made),
    )


VOLUME = np.random.default_rng(0).normal(size=(6, 21, 24)).astype(np.float32)


def test_the_circle_is_where_geometry_says():
    (made,) = run_plugin("mask_circle", source(VOLUME), {"radius": 0.8, "value": -7.0})
    y, x = np.mgrid[:21, :24]
    inside = (y - 10) ** 2 + (x - 11.5) ** 2 <= (0.8 * 10.5) ** 2
    np.testing.assert_array_equal(made, np.where(inside, VOLUME, np.float32(-7.0)))
    (blank,) = run_plugin("mask_circle", source(VOLUME), {"value": float("nan")})
    assert np.isnan(blank[0, 0, 0])
    (levels,) = run_plugin("mask_circle", source(VOLUME.astype(np.uint8)), {"value": 255})
    assert levels.dtype == np.uint8
    assert levels[0, 0, 0] == 255


def test_the_mask_of_the_reconstruction_is_the_same_circle():
    from tomosaxs_plugins.reconstruction.grid import mask_outside

    square = np.ones((1, 25, 25), np.float32)
    (made,) = run_plugin("mask_circle", source(square), {"radius": 0.9})
    np.testing.assert_array_equal(made, mask_outside(square.copy(), 0.9))


def test_a_crop_is_the_crop_of_the_whole_and_keeps_the_axis():
    parameters = {"x": ("mid-5", 20), "y": ("begin", "end-3"), "z": None}
    cropped = after(crop_volume, source(VOLUME), parameters)
    np.testing.assert_array_equal(cropped.reader.read((slice(None),) * 3), VOLUME[:, :18, 7:20])
    (masked,) = run_plugin("mask_circle", cropped, {"radius": 0.7})
    (whole,) = run_plugin("mask_circle", source(VOLUME), {"radius": 0.7})
    np.testing.assert_array_equal(masked, whole[:, :18, 7:20])


@pytest.mark.parametrize(("given", "words"), [
    ((0, 25), "25 is outside"), ((5, 5), "takes nothing"), (("middle", 3), "no number"), ((-1, 4), "-1 is outside"),
    (("end", "end+4"), "takes nothing"),
])  # fmt: skip
def test_ranges_that_do_not_fit(given, words):
    with pytest.raises(InputError, match=words):
        range_of(given, 24, "x")


def test_ranges_of_words_are_clipped():
    assert range_of(("mid-20", "end+9"), 24, "x") == slice(0, 24)


def test_heights_are_refused_with_the_cure():
    with pytest.raises(InputError, match=r"crop: \{detector_y: \[2, 5\]\}"):
        spec_of(crop_volume).check(source(VOLUME).dataset, x=None, y=None, z=(2, 5))


@pytest.mark.parametrize(("kind", "function"), [("mean", np.mean), ("max", np.max), ("min", np.min), ("sum", np.sum)])
def test_projections(kind, function):
    tall = np.random.default_rng(1).normal(size=(70, 9, 11)).astype(np.float32)
    found = run_plugin("orthogonal_projections", source(tall), {"kind": kind}, ranks=2)
    for axis, name in enumerate(("along_z", "along_y", "along_x")):
        np.testing.assert_allclose(found.details[name], function(tall, axis=axis), rtol=1e-5, atol=1e-5)
        assert found.pictures[name].dtype == np.uint8


def test_smaller_volumes():
    (made,) = run_plugin("downsample", source(VOLUME), {"factor": 4})
    expected = VOLUME[:, :20].astype(np.float64).reshape(6, 5, 4, 6, 4).mean(axis=(2, 4))
    np.testing.assert_allclose(made, expected, atol=1e-6)
    (low,) = run_plugin("downsample_height", source(VOLUME), {"factor": 3})
    np.testing.assert_allclose(low, VOLUME.astype(np.float64).reshape(2, 3, 21, 24).mean(axis=1), atol=1e-6)
    levels = np.array([[[0, 1], [1, 1]]], np.uint8)
    assert run_plugin("downsample", source(levels), {})[0].tolist() == [[[1]]]  # 0.75, rounded
    with pytest.raises(Exception, match="factor 30 is more than the 21"):
        run_plugin("downsample", source(VOLUME), {"factor": 30})


def test_the_axis_of_a_smaller_volume_says_where_its_voxels_are():
    axis = source(VOLUME).dataset.axis("x")
    half = binned(axis, 2)
    np.testing.assert_allclose(half.values, axis.values.reshape(12, 2).mean(axis=1))
    np.testing.assert_allclose(half.centres, np.arange(12) * 2 + 0.5)
    assert half.pitch == 2.0
    (masked,) = run_plugin("mask_circle", after(downsample_step(), source(VOLUME), {"factor": 2}), {"radius": 0.5})
    assert masked[0, 5, 6] != 0.0
    assert masked[0, 0, 6] == 0.0


def downsample_step():
    from tomosaxs_plugins.volume.downsample import downsample

    return downsample


def test_half_the_resolution_with_odd_edges():
    volume = np.arange(3 * 4 * 5, dtype=np.float32).reshape(3, 4, 5)
    made = halved(volume)
    assert made.shape == (2, 2, 3)
    assert made[0, 0, 0] == volume[:2, :2, :2].mean()
    assert made[1, 1, 2] == volume[2, 2:, 4].mean()
    levels = halved(np.full((2, 2, 2), 65535, np.uint16))
    assert levels.dtype == np.uint16
    assert levels.item() == 65535
