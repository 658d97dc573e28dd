"""Gridding against the sum that it stands for, against truth, and against itself in other company."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("numba")

sys.path.insert(0, str(Path(__file__).parent))
from analytic import Blob, Shape, SoftDisc, picture, sinogram, smooth_phantom

from tomosaxs_plugins.reconstruction.angles import angular_weights
from tomosaxs_plugins.reconstruction.backprojection import filtered_backprojection
from tomosaxs_plugins.reconstruction.filters import FILTERS, filter_response, pad
from tomosaxs_plugins.reconstruction.gridding import gridding
from tomosaxs_plugins.reconstruction.gridding_plan import lengths


def exact(data: Any, angles: Any, centre: float, size: int, filter: str = "ramp", padding: str = "zero") -> Any:
    """Return the slice as the sum over all views and frequencies, in double precision."""
    length = lengths(centre, data.shape[1], size)[0]
    spectra = np.fft.rfft(pad(data, length, padding).astype(float)) * filter_response(filter, length) / length
    spectra[:, 1:-1] *= 2
    place = np.arange(size) - 0.5 * (size - 1)
    turns = np.exp(2j * np.pi / length * np.arange(length // 2 + 1))
    total = np.zeros((size, size))
    for spectrum, angle, weight in zip(spectra, np.deg2rad(angles), angular_weights(angles), strict=True):
        t = centre + place * np.cos(angle) + place[:, np.newaxis] * np.sin(angle)
        total += weight * (spectrum * turns ** t[:, :, np.newaxis]).sum(axis=2).real
    return total


def noise(*shape: int) -> Any:
    return np.random.default_rng(sum(shape)).standard_normal(shape).astype(np.float32)


@pytest.mark.parametrize(
    ("width", "size", "centre", "padding"),
    [
        (24, 24, 11.5, "zero"),
        (24, 24, 11.5, "edge"),
        (25, 25, 9.3, "edge"),
        (23, 30, 13.77, "zero"),
        (37, 21, 2.2, "edge"),
        (16, 17, 15.4, "zero"),
        (3, 5, 1.2, "edge"),
        (1, 1, 0.0, "zero"),
    ],
)
def test_the_sum_itself(width: int, size: int, centre: float, padding: str) -> None:
    """White noise, which has all frequencies up to the highest, everywhere in the slice: to two in a thousand."""
    angles = np.random.default_rng(2).uniform(-400, 400, 19)
    data = noise(1, 19, width)
    truth = exact(data[0], angles, centre, size, padding=padding)
    found = gridding(data, angles, centre, size=size, padding=padding)[0]
    assert np.sqrt(np.mean((found - truth) ** 2)) < 2e-3 * np.sqrt(np.mean(truth**2))


@pytest.mark.parametrize("filter", FILTERS)
def test_all_filters(filter: str) -> None:
    angles, data = np.arange(20) * 9.0, noise(1, 20, 20)
    truth = exact(data[0], angles, 9.1, 20, filter)
    assert np.abs(gridding(data, angles, 9.1, filter=filter)[0] - truth).max() < 4e-3 * np.abs(truth).max()


@pytest.mark.parametrize(("width", "views"), [(127, 200), (512, 720), (1024, 1500)])
def test_smooth_phantom(width: int, views: int) -> None:
    """A tenth of what the benchmark allows, alone and side by side."""
    centre, angles, phantom = 0.47 * width, np.arange(views) * 180 / views, smooth_phantom(width)
    data = sinogram(phantom, angles, width, centre)[np.newaxis].astype(np.float32)
    place = np.arange(width) - 0.5 * (width - 1)
    inside, truth = np.hypot(place, place[:, np.newaxis]) < 0.45 * width, picture(phantom, width)
    error = (gridding(data, angles, centre, threads=1)[0] - truth)[inside]
    assert np.sqrt(np.mean(error**2)) < 1e-4 * truth[inside].mean()


def test_a_wide_detector_with_few_views() -> None:
    """2560 columns x 30 views: as the exact backprojection of the same few views, streaks and all."""
    angles = np.arange(30) * 6.0
    data = sinogram(smooth_phantom(2560), angles, 2560, 1270.6)[np.newaxis].astype(np.float32)
    region = (1000, 1100, 700, 800)
    one = gridding(data, angles, 1270.6, region=region)[0]
    np.testing.assert_allclose(one, filtered_backprojection(data, angles, 1270.6, region=region)[0], atol=5e-4)


def test_axis_far_from_the_middle() -> None:
    """Half the detector sees nothing of the axis, whose surroundings are still whole."""
    blob: list[Shape] = [Blob(2.0, -1.5, 2.0), SoftDisc(1, 0, 7, 0.5, 3)]
    angles = np.arange(120) * 1.5
    data = sinogram(blob, angles, 96, 8.4)[np.newaxis].astype(np.float32)
    assert np.abs(gridding(data, angles, 8.4, size=20)[0] - picture(blob, 20)).max() < 2e-3


@pytest.mark.parametrize(("width", "size"), [(29, 29), (48, 40), (41, 66)])
@pytest.mark.parametrize("padding", ["zero", "edge"])
def test_one_slice_alone_is_the_one_among_eight(width: int, size: int, padding: str) -> None:
    data, angles = noise(8, 21, width), np.arange(21) * 8.0 + 50
    more: dict[str, Any] = {"size": size, "padding": padding, "threads": 1}
    together = gridding(data, angles, 13.3, **more)
    for number in (0, 5):
        np.testing.assert_array_equal(gridding(data[[number]], angles, 13.3, **more)[0], together[number])
    part = (3, 20, 7, 28)
    np.testing.assert_array_equal(gridding(data, angles, 13.3, region=part, **more), together[:, 3:20, 7:28])
    np.testing.assert_array_equal(gridding(data[:1], angles, 13.3, region=part, **more), together[:1, 3:20, 7:28])


def test_nothing_leaks_between_slices() -> None:
    """Not a bit, however large a neighbour is."""
    data, angles = noise(8, 30, 40), np.arange(30) * 6.0
    quiet = gridding(data, angles, 20.2)
    data[1::2] *= 1e30
    data[2] = np.inf
    np.testing.assert_array_equal(gridding(data, angles, 20.2)[[0, 4, 6]], quiet[[0, 4, 6]])


def test_an_axis_for_every_slice() -> None:
    data, angles = noise(11, 25, 32), np.arange(25) * 7.2
    axes = np.linspace(9.0, 22.0, 11)
    found = gridding(data, angles, axes, threads=2)
    for number, axis in enumerate(axes):
        np.testing.assert_array_equal(gridding(data[[number]], angles, axes[[number]], threads=1), found[[number]])
        np.testing.assert_allclose(gridding(data[[number]], angles, axis)[0], found[number], atol=2e-6)


def test_a_slice_of_zeros_and_a_part_that_does_not_exist() -> None:
    assert not gridding(np.zeros((9, 5, 12), np.float32), np.arange(5) * 36.0, 5.5).any()
    with pytest.raises(ValueError, match="are no part of a slice of 12 pixels"):
        gridding(np.zeros((1, 5, 12), np.float32), np.arange(5) * 36.0, 5.5, region=(0, 13, 0, 4))
    with pytest.raises(ValueError, match="at least one pixel"):
        gridding(np.zeros((1, 5, 12), np.float32), np.arange(5) * 36.0, 5.5, size=0)
