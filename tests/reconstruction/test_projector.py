"""The projector and its transpose: matched, of second order, on the project's grid, the same bits on any threads."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("numba")

sys.path.insert(0, str(Path(__file__).parent))
from analytic import Blob, SoftDisc, picture, sinogram, smooth_phantom

from tomosaxs_plugins.reconstruction.projector import Projector


def threads(function: Callable[[Any], None], items: Iterable[Any]) -> None:
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(function, items))


@pytest.mark.parametrize(
    ("width", "size", "centre"), [(64, 64, 30.3), (65, 96, 35.1), (101, 101, 0.2), (96, 47, 50.0), (7, 1, 3.0)]
)
def test_the_transpose_is_exact(width: int, size: int, centre: float) -> None:
    """Any angles, widths, sizes and axes; float32 sums of some thousand products round to 1e-6 of their size."""
    random = np.random.default_rng(width)
    projector = Projector(random.uniform(-200, 400, 37), width, centre, size)
    x = random.normal(size=(size, size)).astype(np.float32)
    y = random.normal(size=(37, width)).astype(np.float32)
    there, back = projector.forward(x).astype(np.float64), projector.backward(y).astype(np.float64)
    scale = np.linalg.norm(there) * np.linalg.norm(y)
    assert np.vdot(there, y) == pytest.approx(np.vdot(x, back), abs=1e-6 * scale)


def test_projections_are_of_second_order() -> None:
    """Half the pixel, a quarter of the error, down to 1e-4 at 200 columns of a smooth phantom."""
    angles = np.random.default_rng(1).uniform(0, 360, 40)
    errors = []
    for width in (50, 100, 200):
        phantom, centre = smooth_phantom(width), 0.47 * width
        truth = sinogram(phantom, angles, width, centre)
        found = Projector(angles, width, centre, width).forward(picture(phantom, width).astype(np.float32))
        errors.append(np.sqrt(np.mean((found - truth) ** 2)) / truth.mean())
    assert errors[0] < 3e-3
    assert errors[1] < errors[0] / 3.5
    assert errors[2] < errors[1] / 3.5


def test_a_point_is_seen_where_the_convention_says() -> None:
    angles = np.array([0.0, 30.0, 90.0, 135.0, 200.0, 271.0])
    spot = [Blob(9.4, -6.2, 2.5)]
    found = Projector(angles, 64, 28.7, 57).forward(picture(spot, 57).astype(np.float32))
    columns = (found * np.arange(64)).sum(axis=1) / found.sum(axis=1)
    turn = np.deg2rad(angles)
    np.testing.assert_allclose(columns, 28.7 + 9.4 * np.cos(turn) - 6.2 * np.sin(turn), atol=5e-3)


def test_the_mass_of_a_slice_is_in_every_projection() -> None:
    disc = picture([SoftDisc(3, -2, 20.5, 0.02, 0)], 64).astype(np.float32)
    found = Projector(np.arange(0, 360, 7.0), 80, 40.2, 64).forward(disc)
    np.testing.assert_allclose(found.sum(axis=1), disc.sum(), rtol=0.004)


def test_threads_change_no_bit() -> None:
    random = np.random.default_rng(3)
    projector = Projector(np.arange(150) * 1.2, 90, 41.3, 90)
    x, y = (random.normal(size=shape).astype(np.float32) for shape in ((90, 90), (150, 90)))
    assert np.array_equal(projector.forward(x), projector.forward(x, threads))
    assert np.array_equal(projector.backward(y), projector.backward(y, threads))
