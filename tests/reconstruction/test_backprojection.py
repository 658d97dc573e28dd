"""The exact backprojection: the same bits for any part, batch, mask, threads; exact where interpolation is hardest."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("numba")

from tomosaxs_plugins.reconstruction.angles import angular_weights
from tomosaxs_plugins.reconstruction.backprojection import filtered_backprojection
from tomosaxs_plugins.reconstruction.filters import ramp_response


@pytest.mark.parametrize(
    ("width", "views", "centre", "size"),
    [(641, 31, 300.3, None), (97, 61, 1.2, 150), (2, 4, 0.5, None), (90, 3, 64, 1)],
)
@pytest.mark.parametrize("mask", [None, 0.8])
def test_a_part_is_that_part_of_the_whole(width: int, views: int, centre: float, size: int | None, mask: Any) -> None:
    random = np.random.default_rng(width)
    data = random.normal(size=(3, views, width)).astype(np.float32)
    angles = random.uniform(0, 360, views)
    whole = filtered_backprojection(data, angles, centre, size=size, mask_ratio=mask, threads=2)
    assert np.isfinite(whole).all()
    for _ in range(3):
        top, left = (int(at) for at in random.integers(0, whole.shape[1], 2))
        bottom, right = (int(random.integers(at + 1, whole.shape[1] + 1)) for at in (top, left))
        part = filtered_backprojection(
            data[1:2], angles, centre, size=size, mask_ratio=mask, threads=1, region=(top, bottom, left, right)
        )
        assert np.array_equal(part[0], whole[1, top:bottom, left:right])


def test_white_noise_comes_near_to_the_exact_sum() -> None:
    """Noise has all frequencies: linear interpolation of two samples a pixel leaves seven per cent, and no bias.

    The truth is the filtered projection interpolated exactly, by its Fourier series at every pixel's position.
    """
    width, views = 33, 40
    data = np.random.default_rng(2).normal(size=(views, width))
    angles, centre, length = np.arange(views) * 4.5 + 0.3, 15.7, 128
    frequency = np.fft.rfftfreq(length)
    spectrum = np.fft.rfft(data, length) * ramp_response(length) * angular_weights(angles)[:, np.newaxis]
    spectrum[:, 1:-1] *= 2
    place = np.arange(width) - 0.5 * (width - 1)
    inside = np.hypot(place, place[:, np.newaxis]) < 15
    y, x = (each[inside] for each in np.meshgrid(place, place, indexing="ij"))
    truth = np.zeros(len(x))
    for row, angle in zip(spectrum, np.deg2rad(angles), strict=True):
        column = centre + x * np.cos(angle) + y * np.sin(angle)
        truth += (np.exp(2j * np.pi * np.outer(column, frequency)) @ row).real / length
    found = filtered_backprojection(data[np.newaxis].astype(np.float32), angles, centre)[0][inside]
    assert np.std(found - truth) < 0.08 * np.std(truth)
    assert np.vdot(found, truth) / np.vdot(truth, truth) == pytest.approx(1, abs=0.01)
