"""Phantoms against dense numerical integration and a density written out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tomosaxs.testing import (
    Cylinder,
    Ellipsoid,
    Gaussian,
    Phantom,
    Shape,
    SoftEllipsoid,
    packing,
    plateau_masks,
    plateau_phantom,
    random_phantom,
    smooth_phantom,
)

BODY = {"centre": (3.3, -5.1, 1.2), "semi_axes": (7.5, 4.2, 6.1), "angle": 33.0, "value": 0.7}
SHAPES: list[Shape] = [
    Ellipsoid(**BODY),  # type: ignore[arg-type]
    Cylinder(**BODY),  # type: ignore[arg-type]
    SoftEllipsoid(**BODY, power=1.0),  # type: ignore[arg-type]
    SoftEllipsoid(**BODY, power=2.5),  # type: ignore[arg-type]
    Gaussian(**{**BODY, "semi_axes": (2.5, 1.9, 3.0)}),  # type: ignore[arg-type]
]


def density(shape: Shape, x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
    """Return the value at points; written independently of the phantom's own arithmetic."""
    turn = np.deg2rad(shape.angle)
    frame = np.array([[np.cos(turn), np.sin(turn), 0], [-np.sin(turn), np.cos(turn), 0], [0, 0, 1]])
    points = np.stack([x - shape.centre[0], y - shape.centre[1], z - shape.centre[2]])
    u, v, w = np.tensordot(frame, points, axes=1)
    a, b, c = shape.semi_axes
    if isinstance(shape, Cylinder):
        return shape.value * ((np.hypot(u / a, v / b) <= 1) & (np.abs(w) <= c))
    squared = (u / a) ** 2 + (v / b) ** 2 + (w / c) ** 2
    if isinstance(shape, Gaussian):
        return shape.value * np.exp(-squared / 2)
    if isinstance(shape, SoftEllipsoid):
        return shape.value * np.clip(1 - squared, 0, None) ** shape.power
    return shape.value * (squared <= 1)


def name(shape: Shape) -> str:
    return type(shape).__name__ + str(getattr(shape, "power", ""))


@pytest.mark.parametrize("shape", SHAPES, ids=name)
def test_line_integrals_equal_dense_numerical_integration(shape: Shape) -> None:
    rows, columns, centre, angles = 9, 41, 18.7, [-12.0, 0.0, 45.5, 90.0, 200.0]
    exact = Phantom([shape]).projections(angles, rows, columns, centre)
    step = 0.004
    along = np.arange(-35, 35, step)
    for number, angle in enumerate(np.deg2rad(angles)):
        s = (np.arange(columns) - centre)[:, None]
        x = s * np.cos(angle) - along * np.sin(angle)
        y = s * np.sin(angle) + along * np.cos(angle)
        for row in range(0, rows, 4):
            z = np.full_like(x, row - (rows - 1) / 2)
            dense = density(shape, x, y, z).sum(axis=1) * step
            # A sharp edge is placed to one step at each end of the chord; smooth profiles do far better.
            sharp = isinstance(shape, Ellipsoid)
            np.testing.assert_allclose(exact[number, row], dense, atol=(2 * step if sharp else 1e-4) * 0.7)
    assert exact[:, 4].max(axis=1).min() > 1


@pytest.mark.parametrize("shape", SHAPES, ids=name)
def test_volume_samples_the_density_on_the_reconstruction_grid(shape: Shape) -> None:
    size, rows = 37, 20
    z, y, x = np.meshgrid(*(np.arange(n) - (n - 1) / 2 for n in (rows, size, size)), indexing="ij")
    np.testing.assert_allclose(Phantom([shape]).volume(size, rows), density(shape, x, y, z), atol=1e-13)


def test_columns_follow_x_at_zero_and_y_at_ninety_degrees() -> None:
    ball = Phantom([Ellipsoid((10, 0, 3), (2, 2, 2))])
    at = [np.unravel_index(frame.argmax(), frame.shape) for frame in ball.projections([0, 180], 21, 61, 31.0)]
    assert at == [(13, 41), (13, 21)]
    ball = Phantom([Ellipsoid((0, 10, 0), (2, 2, 2))])
    at = [np.unravel_index(frame.argmax(), frame.shape)[1] for frame in ball.projections([90, 270], 21, 61, 31.0)]
    assert at == [41, 21]
    assert np.unravel_index(ball.volume(61, 21).sum(axis=0).argmax(), (61, 61)) == (40, 30)


def test_every_projection_holds_the_mass_of_the_volume() -> None:
    phantom = smooth_phantom(96, 8)
    volume, projections = phantom.volume(96, 8), phantom.projections(np.arange(0, 180, 17), 8, 96)
    # Sums over pixels of smooth functions equal their integrals to the square of pixel over body size.
    np.testing.assert_allclose(projections.sum(axis=2), np.broadcast_to(volume.sum(axis=(1, 2)), (11, 8)), rtol=2e-3)


def test_pixel_size_scales_lengths_only() -> None:
    coarse = Phantom([SoftEllipsoid((4, -2, 1), (8, 6, 5), 20, 0.3)])
    fine = Phantom([SoftEllipsoid((2, -1, 0.5), (4, 3, 2.5), 20, 0.6)])
    here = coarse.projections([10, 70], 8, 40, 19.0)
    np.testing.assert_allclose(fine.projections([10, 70], 8, 40, 19.0, pixel=0.5), here, atol=1e-12)
    np.testing.assert_allclose(fine.volume(40, 8, pixel=0.5), 2 * coarse.volume(40, 8), atol=1e-12)


def test_subsampling_averages_the_rays_of_a_pixel() -> None:
    phantom = Phantom([Ellipsoid((1.3, 2.1, 0.4), (6, 4, 3), 15, 0.5)])
    fine = phantom.projections([25.0], 8 * 3, 32 * 3, (15.2 + 0.5) * 3 - 0.5, pixel=1 / 3)
    averaged = fine.reshape(1, 8, 3, 32, 3).mean(axis=(2, 4))
    np.testing.assert_allclose(phantom.projections([25.0], 8, 32, 15.2, subsample=3), averaged, atol=1e-12)
    mass = 4 / 3 * math.pi * 6 * 4 * 3 * 0.5
    assert phantom.volume(32, 8, subsample=6).sum() == pytest.approx(mass, rel=2e-3)


def test_axis_may_drift_and_bodies_may_leave_the_field() -> None:
    phantom = Phantom([Ellipsoid((0, 0, 0), (5, 5, 50)), Ellipsoid((300, 0, 0), (5, 5, 5))])
    drifting = phantom.projections([0, 30], 3, 40, [12.0, 20.0])
    np.testing.assert_allclose(drifting[0, :, 7:18], drifting[1, :, 15:26], atol=1e-12)
    cut = Phantom([Ellipsoid((-19, 0, 0), (8, 8, 8))])
    assert cut.projections([0], 3, 40)[0, 1, 0] > 0
    assert cut.volume(40, 3)[1, 20, 0] == 1


def test_moved_scaled_and_sums() -> None:
    phantom = random_phantom(48, 12, seed=5)
    np.testing.assert_allclose(phantom.moved(3).volume(48, 12)[3:], phantom.volume(48, 12)[:-3], atol=1e-15)
    np.testing.assert_allclose((phantom + phantom).volume(48, 12), phantom.scaled(2).volume(48, 12), atol=1e-15)


def test_a_body_without_extent_is_refused() -> None:
    with pytest.raises(ValueError, match="semi-axes"):
        Ellipsoid((0, 0, 0), (1, 0, 1))


@pytest.mark.parametrize("size", [95, 96])
def test_samples_stay_inside_the_field_and_are_not_negative(size: int) -> None:
    rows = 16
    centre = np.arange(size) - (size - 1) / 2
    outside = np.hypot(centre, centre[:, None]) > size / 2
    for phantom in (
        smooth_phantom(size, rows),
        plateau_phantom(size, rows),
        random_phantom(size, rows, seed=1),
        packing(size, rows, seed=2),
    ):
        volume = phantom.volume(size, rows)
        assert np.abs(volume[:, outside]).max() < 1e-12
        assert volume.min() > -1e-12
        assert 0.2 < phantom.projections([0, 50], rows, size).max() < 4


def test_plateaus_have_their_values() -> None:
    layer = plateau_phantom(120, 8, value=0.02).volume(120, 8)[3]
    masks = plateau_masks(120)
    for part, value in (("body", 0.02), ("insert", 0.04), ("hole", 0.0), ("outside", 0.0)):
        assert masks[part].sum() > 100
        np.testing.assert_allclose(layer[masks[part]], value, atol=1e-15)
