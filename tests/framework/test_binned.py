"""Binning while reading: means, what goes with the data, places on the unbinned axis."""

from __future__ import annotations

import numpy as np
import pytest

from tomosaxs import ArrayReader, Auxiliary, Axis, Dataset, InputError, Source
from tomosaxs.binned import bin_source

SHAPE = (6, 7, 9)


@pytest.fixture
def source() -> Source:
    rng = np.random.default_rng(1)
    frames = rng.integers(0, 60000, SHAPE).astype(np.uint16)
    axes = (
        Axis("rotation_angle", 6, np.arange(6.0), "deg"),
        Axis("detector_y", 7, None, "px"),
        Axis("detector_x", 9, 2e-6 * np.arange(9), "m"),
    )
    mask = np.zeros(SHAPE[1:], bool)
    mask[2, 3] = True
    auxiliaries = {
        "flats": Auxiliary(("flat", "detector_y", "detector_x"), ArrayReader(rng.random((2, *SHAPE[1:])))),
        "mask": Auxiliary(("detector_y", "detector_x"), ArrayReader(mask)),
        "monitor": Auxiliary(("rotation_angle",), ArrayReader(np.arange(6.0))),
    }
    return Source(
        Dataset(axes, frames.dtype, auxiliaries=auxiliaries, uncertainty=True),
        ArrayReader(frames),
        uncertainty=ArrayReader(np.sqrt(frames).astype(np.float32)),
    )


def _means(array, rows: int, columns: int):
    height, width = array.shape[-2] // rows, array.shape[-1] // columns
    cut = array[..., : height * rows, : width * columns]
    return cut.reshape(*array.shape[:-2], height, rows, width, columns).mean(axis=(-3, -1))


def test_means_of_frames_and_of_what_goes_with_them(source) -> None:
    binned = bin_source(source, {"detector_y": 2, "detector_x": 4})
    whole = (slice(None),) * 3
    found = binned.reader.read(whole)
    assert found.dtype == np.float32
    assert binned.dataset.shape == binned.reader.shape == found.shape == (6, 3, 2)
    np.testing.assert_allclose(found, _means(source.reader.array.astype(float), 2, 4), rtol=3e-7)
    flats = binned.dataset.auxiliaries["flats"].reader
    np.testing.assert_allclose(flats.read(whole), _means(source.dataset.auxiliaries["flats"].reader.array, 2, 4))
    mask = binned.dataset.auxiliaries["mask"].reader.read((slice(None), slice(None)))
    np.testing.assert_array_equal(mask, [[False, False], [True, False], [False, False]])
    np.testing.assert_array_equal(binned.dataset.auxiliaries["monitor"].reader.read((slice(None),)), np.arange(6.0))


def test_uncertainty_of_a_mean(source) -> None:
    binned = bin_source(source, {"detector_x": 3})
    sigma = source.uncertainty.array.astype(float)
    expected = np.sqrt((sigma.reshape(6, 7, 3, 3) ** 2).sum(axis=-1)) / 3
    np.testing.assert_allclose(binned.uncertainty.read((slice(None),) * 3), expected, rtol=1e-6)


@pytest.mark.parametrize("taken", [slice(1, 3), slice(0, 3, 2), np.array([0, 2]), slice(2, 2)])
def test_parts_are_parts_of_the_whole(source, taken) -> None:
    reader = bin_source(source, {"detector_y": 2, "detector_x": 2, "rotation_angle": 2}).reader
    whole = reader.read((slice(None),) * 3)
    np.testing.assert_array_equal(reader.read((taken, slice(None), slice(1, 4))), whole[taken][:, :, 1:4])
    np.testing.assert_array_equal(reader.read((slice(None), taken, slice(None))), whole[:, taken])


def test_places_are_those_of_the_unbinned_axis(source) -> None:
    cropped = source.select({"detector_x": slice(1, 9, 2)})  # columns 1, 3, 5, 7
    axis = bin_source(cropped, {"detector_x": 2}).dataset.axis("detector_x")
    np.testing.assert_array_equal(axis.centres, [2.0, 6.0])
    assert axis.pitch == 4
    np.testing.assert_allclose(axis.values, [4e-6, 12e-6])
    again = bin_source(bin_source(source, {"detector_x": 2}), {"detector_x": 2}).dataset.axis("detector_x")
    np.testing.assert_array_equal(again.centres, [1.5, 5.5])


@pytest.mark.parametrize(
    ("factors", "text"),
    [
        ({"detector_z": 2}, "no axis 'detector_z'.*did you mean 'detector_[xy]'"),
        ({"detector_x": 10}, "detector_x has 9 entries, fewer than a bin of 10"),
    ],
)
def test_what_cannot_be_binned(source, factors, text) -> None:
    with pytest.raises(InputError, match=text):
        bin_source(source, factors)


def test_angles_in_no_order_are_refused(source) -> None:
    axes = (Axis("rotation_angle", 6, np.array([0.0, 3, 1, 4, 2, 5]), "deg"), *source.dataset.axes[1:])
    mixed = Source(Dataset(axes, source.dataset.dtype), source.reader)
    with pytest.raises(InputError, match="go up and down"):
        bin_source(mixed, {"rotation_angle": 2})
    uneven = source.select({"detector_x": np.array([0, 1, 3])})
    with pytest.raises(InputError, match="not evenly taken"):
        bin_source(uneven, {"detector_x": 2})
