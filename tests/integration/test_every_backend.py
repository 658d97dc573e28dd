"""What every backend of azimuthal integration must keep to, against closed forms."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from engine_help import settings_of

from tomosaxs.registry import backends
from tomosaxs_plugins.integration.backends import IntegrationSettings
from tomosaxs_plugins.integration.engine.errors import DarkCounts
from tomosaxs_plugins.integration.engine.factors import sensor_factors
from tomosaxs_plugins.integration.geometry import DetectorGeometry
from tomosaxs_plugins.integration.radial import bin_centres, radial_coordinate

SHAPE = (160, 200)
TILTED = DetectorGeometry.from_tilt((60.3, -20.2), 0.12, 0.1, 0.7, (2e-4, 2.5e-4), 1e-10, SHAPE)
Y, X = np.mgrid[0 : SHAPE[0], 0 : SHAPE[1]] + 0.5

Integrate = Callable[..., tuple[np.ndarray, np.ndarray | None]]


@pytest.fixture(params=list(backends("azimuthal_integrate")))
def integrate(request: pytest.FixtureRequest) -> Integrate:
    entry = backends("azimuthal_integrate")[request.param]
    if entry.missing():
        pytest.skip(entry.missing())

    def run(given: IntegrationSettings, *frames: np.ndarray, **more: np.ndarray):
        backend = entry.load()()
        backend.setup(given)
        return backend.integrate(np.stack(frames), **more)

    return run


@pytest.mark.parametrize("unit", ["q_nm^-1", "q_A^-1", "2theta_deg", "2theta_rad", "radius_mm", "d_nm", "d_A"])
def test_constant_frame_is_a_constant_curve(integrate: Integrate, unit: str):
    for splitting in ("full", "bbox", "no"):
        curves, sigmas = integrate(
            settings_of(TILTED, unit=unit, splitting=splitting, bins=60), np.ones(SHAPE, np.uint16)
        )
        assert sigmas is None
        assert curves.dtype == np.float32
        assert np.nanmax(np.abs(curves - 1)) < 2e-7  # one rounding to 32 bits
        assert np.isfinite(curves[:, 2:-2]).all()


@pytest.mark.parametrize("unit", ["q_nm^-1", "q_A^-1", "2theta_deg", "2theta_rad", "radius_mm", "d_nm", "d_A"])
def test_a_linear_image_comes_back_at_the_announced_bin_centres(integrate: Integrate, unit: str):
    """I = radial coordinate: the curve is the axis. Checks centres, units and range."""
    given = settings_of(TILTED, unit=unit, bins=60)
    curve = integrate(given, radial_coordinate(TILTED, unit, Y, X))[0][0]
    centres = bin_centres(given.low, given.high, 60)
    width = (given.high - given.low) / 60
    # a bin's pixels lie unevenly in it (more towards larger radius, corners of the frame): 0.12 bins measured
    assert np.abs(curve[4:-4] - centres[4:-4]).max() < 0.2 * width
    assert abs(np.mean(curve[4:-4] - centres[4:-4])) < 0.03 * width


def test_rings_have_the_right_place_and_area(integrate: Integrate):
    """Gaussian rings in q, averaged over each pixel by 8 x 8 points."""
    positions, width = (6.0, 11.0, 15.0), 0.25
    sub = (np.arange(8) + 0.5) / 8 - 0.5
    frame = np.zeros(SHAPE)
    for dy in sub:
        for dx in sub:
            q = radial_coordinate(TILTED, "q_nm^-1", Y + dy, X + dx)
            frame += sum(np.exp(-(((q - at) / width) ** 2) / 2) for at in positions) / 64
    given = settings_of(TILTED, bins=400, range=(3.0, 17.0))
    curve = integrate(given, frame)[0][0].astype(float)
    axis = bin_centres(3.0, 17.0, 400)
    step = axis[1] - axis[0]
    for at in positions:
        near = np.abs(axis - at) < 5 * width
        area = curve[near].sum() * step
        # a pixel spans 0.12 nm^-1 here: it broadens the ring but leaves area and centre; bins cut at 5 sigma
        assert area == pytest.approx(np.sqrt(2 * np.pi) * width, rel=2e-3)
        centre = (curve * axis)[near].sum() / curve[near].sum()
        assert centre == pytest.approx(at, abs=0.05 * step + 1e-3)


def test_solid_angle_against_the_formula(integrate: Integrate):
    first, second, third = TILTED.positions(Y, X)
    cosine = TILTED.distance / np.sqrt(first**2 + second**2 + third**2)
    curve = integrate(settings_of(TILTED, solid_angle=True), cosine**3 * 7)[0]
    # 32-bit curves; pyFAI keeps the factor in 32-bit floats too
    assert np.nanmax(np.abs(curve / 7 - 1)) < 1e-6


@pytest.mark.parametrize("factor", [-1.0, 0.0, 0.99])
def test_polarisation_against_the_formula(integrate: Integrate, factor: float):
    turned = replace(TILTED, rot3=0.6)  # with the frame turned, the polarisation stays in the laboratory
    angle, chi = turned.two_theta(Y, X), turned.azimuth(Y, X)
    fraction = (1 + factor) / 2
    weight = fraction * (1 - (np.cos(chi) * np.sin(angle)) ** 2)
    weight += (1 - fraction) * (1 - (np.sin(chi) * np.sin(angle)) ** 2)
    curve = integrate(settings_of(turned, polarization=factor), weight * 5)[0]
    assert np.nanmax(np.abs(curve / 5 - 1)) < 1e-6


def test_empty_bins_and_unusable_pixels(integrate: Integrate):
    mask = radial_coordinate(TILTED, "q_nm^-1", Y, X) > 12.0
    frame = np.full(SHAPE, 3.0, dtype=np.float32)
    frame[::5] = np.nan
    curve = integrate(settings_of(TILTED, mask=mask, range=(0.0, 20.0), bins=100), frame)[0][0]
    axis = bin_centres(0.0, 20.0, 100)
    assert np.isnan(curve[axis > 12.4]).all()
    assert np.isnan(curve[axis < 1.0]).all()
    assert np.array_equal(curve[(axis > 4) & (axis < 11.5)], np.full(((axis > 4) & (axis < 11.5)).sum(), 3.0))


def test_poisson_uncertainty_against_draws(integrate: Integrate):
    random = np.random.default_rng(5)
    given = settings_of(TILTED, bins=40, error_model="poisson")
    frames = random.poisson(20.0, (200, *SHAPE)).astype(np.uint16)
    curves, sigmas = integrate(given, *frames)
    assert sigmas is not None
    # standard deviation of 200 draws: 5 % a bin, so 40 bins agree on average to 0.8 %
    ratio = curves[:, 3:-3].std(axis=0) / sigmas[:, 3:-3].mean(axis=0)
    assert ratio.mean() == pytest.approx(1.0, abs=0.03)


def test_a_curve_does_not_depend_on_its_block(integrate: Integrate):
    frames = np.random.default_rng(1).poisson(50.0, (6, *SHAPE)).astype(np.int32)
    given = settings_of(TILTED, error_model="poisson", solid_angle=True, polarization=0.9)
    whole, sigma = integrate(given, *frames)
    for start in range(6):
        one, its_sigma = integrate(given, frames[start])
        assert one.tobytes() == whole[start : start + 1].tobytes()
        assert its_sigma.tobytes() == sigma[start : start + 1].tobytes()


def test_values_to_leave_out_and_infinite_ones(integrate: Integrate):
    """Left out by the settings, not finite, or in the mask: the same curve."""
    frame = np.random.default_rng(2).integers(5, 50, SHAPE).astype(np.int32)
    bad = np.random.default_rng(3).random(SHAPE) < 0.1
    expected = integrate(settings_of(TILTED, mask=bad, bins=60), frame)[0][0]
    for value, more in ((-1, {"gaps": True}), (2**31 - 1, {"gaps": True}), (3, {"below": 4.5}), (900, {"above": 50})):
        found = integrate(settings_of(TILTED, bins=60, **more), np.where(bad, value, frame).astype(np.int32))[0][0]
        assert np.allclose(found, expected, rtol=1e-6, equal_nan=True), (value, more)
    for value in (np.nan, np.inf, -np.inf):
        found = integrate(settings_of(TILTED, bins=60), np.where(bad, value, frame).astype(np.float32))[0][0]
        assert np.allclose(found, expected, rtol=1e-6, equal_nan=True), value
    kept = integrate(settings_of(TILTED, bins=60), np.where(bad, -1, frame).astype(np.int32))[0][0]
    assert not np.allclose(kept, expected, rtol=1e-3, equal_nan=True)


def test_a_frame_without_a_usable_pixel(integrate: Integrate):
    frames = np.full((3, *SHAPE), 4, dtype=np.int32)
    frames[1] = -2
    curves, sigmas = integrate(settings_of(TILTED, gaps=True, error_model="poisson"), *frames)
    assert np.isnan(curves[1]).all()
    assert np.isnan(sigmas[1]).all()
    assert np.nanmax(np.abs(curves[[0, 2]] - 4)) == 0
    assert np.isfinite(curves[2]).any()


def test_uncertainty_from_the_spread(integrate: Integrate):
    """Splitting no: the standard error of the mean of a bin's pixels, in closed form."""
    frame = np.random.default_rng(4).normal(100.0, 7.0, SHAPE)
    given = settings_of(TILTED, bins=40, splitting="no", error_model="azimuthal")
    sigma = integrate(given, frame)[1][0]
    at = np.floor((radial_coordinate(TILTED, "q_nm^-1", Y, X) - given.low) / (given.high - given.low) * 40)
    at = np.minimum(at, 39).astype(int).ravel()
    number = np.bincount(at, minlength=40)
    mean = np.bincount(at, frame.ravel(), 40) / number
    expected = np.sqrt(np.bincount(at, (frame.ravel() - mean[at]) ** 2, 40)) / number
    # 32-bit frames in pyFAI: 1e-7 of 100 against a spread of 7; a pixel at an edge may count on the other side
    assert np.median(np.abs(sigma / expected - 1)) < 1e-4
    assert np.abs(sigma / expected - 1)[number > 50].max() < 0.02


@pytest.mark.parametrize("angle", [0.0, 30.0, -70.0])
def test_every_factor_at_once(integrate: Integrate, angle: float):
    """A frame of all factors and dark counts together is 1: flat, sensor, solid angle, polarisation in a direction."""
    random = np.random.default_rng(6)
    sensitivity, dark = random.uniform(0.8, 1.2, SHAPE), random.uniform(2.0, 9.0, SHAPE)
    given = settings_of(
        TILTED, solid_angle=True, polarization=0.95, polarization_angle=angle,
        efficiency=sensitivity * sensor_factors(TILTED, SHAPE, 3e-4, 3000.0),
        dark=DarkCounts(dark / 3, np.ones(SHAPE, int), 3.0),
    )  # fmt: skip
    two_theta, chi = TILTED.two_theta(Y, X), TILTED.azimuth(Y, X) - np.radians(angle)
    polarised = 0.975 * (1 - (np.cos(chi) * np.sin(two_theta)) ** 2)
    polarised += 0.025 * (1 - (np.sin(chi) * np.sin(two_theta)) ** 2)
    first, second, third = TILTED.positions(Y, X)
    cosine = TILTED.distance / np.sqrt(first**2 + second**2 + third**2)
    factors = sensitivity * (1 - np.exp(-0.9 / cosine)) * cosine**3 * polarised
    curve = integrate(given, 1000 * factors + dark)[0][0]
    # 32-bit curves; pyFAI keeps image and factors in 32-bit floats too
    assert np.nanmax(np.abs(curve / 1000 - 1)) < 2e-6


@pytest.mark.parametrize("text", ["poisson", "I / 0.8 + 25", "25", "sqrt(I) * 3", "data"])
def test_variances_of_any_origin(integrate: Integrate, text: str):
    """Splitting no: sums over the pixels of a bin in closed form, dark counts with a variance of their own."""
    random = np.random.default_rng(7)
    frame, dark = random.poisson(30.0, SHAPE).astype(np.float64) + 1, random.poisson(9.0, SHAPE).astype(np.float64)
    sensitivity = random.uniform(0.8, 1.2, SHAPE)
    given = settings_of(
        TILTED, bins=40, splitting="no", error_model=text, efficiency=sensitivity,
        dark=DarkCounts(dark, np.full(SHAPE, 5), 2.0),
    )  # fmt: skip
    sigma = random.uniform(2.0, 6.0, SHAPE)
    curves, sigmas = integrate(given, frame, **({"uncertainties": sigma[None]} if text == "data" else {}))
    variance = {
        "poisson": frame + dark * 4 / 5, "I / 0.8 + 25": frame / 0.8 + 25 + (dark / 0.8 + 25) * 4 / 5,
        "25": np.full(SHAPE, 25 + 25 * 4 / 5), "sqrt(I) * 3": np.sqrt(frame) * 3 + np.sqrt(dark) * 3 * 4 / 5,
        "data": sigma**2,
    }[text]  # fmt: skip
    at = np.floor((radial_coordinate(TILTED, "q_nm^-1", Y, X) - given.low) / (given.high - given.low) * 40)
    at = np.minimum(at, 39).astype(int).ravel()
    norm = np.bincount(at, sensitivity.ravel(), 40)
    expected = np.bincount(at, (frame - 2 * dark).ravel(), 40) / norm
    spread = np.sqrt(np.bincount(at, variance.ravel(), 40)) / norm
    wide = np.bincount(at, minlength=40) > 50
    # a pixel at an edge may count on the other side in another program
    assert np.median(np.abs(curves[0] / expected - 1)) < 1e-5
    assert np.median(np.abs(sigmas[0] / spread - 1)) < 1e-5
    assert np.abs(sigmas[0] / spread - 1)[wide].max() < 0.02


@pytest.mark.parametrize("centre", [(-4000.0, 90.0), (80.0, 5000.0)])
def test_a_beam_far_outside_of_the_detector(integrate: Integrate, centre: tuple[float, float]):
    away = DetectorGeometry.from_tilt(centre, 0.5, 0.02, 0.7, (2e-4, 2e-4), 1e-10, SHAPE)
    for unit in ("q_nm^-1", "d_nm"):
        given = settings_of(away, unit=unit, bins=50)
        assert given.low > 0
        curve = integrate(given, radial_coordinate(away, unit, Y, X))[0][0]
        width = (given.high - given.low) / 50
        assert np.abs(curve - bin_centres(given.low, given.high, 50))[3:-3].max() < 0.2 * width
