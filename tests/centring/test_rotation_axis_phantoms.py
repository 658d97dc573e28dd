"""Rotation axis of analytic phantoms, whose axis is known exactly."""

from __future__ import annotations

import time
from functools import lru_cache

import numpy as np
import pytest
from numpy.typing import NDArray

from tomosaxs_plugins.centring.consensus import STOP, AxisEstimate, combine
from tomosaxs_plugins.centring.metric import metric_axis
from tomosaxs_plugins.centring.row import row_estimate
from tomosaxs_plugins.centring.rows import clean_row

Floats = NDArray[np.float64]

HALF = np.linspace(0.0, 180.0, 240, endpoint=False)
HALF_CLOSED = np.linspace(-90.0, 90.0, 241)
FULL = np.linspace(0.0, 360.0, 360, endpoint=False)
FULL_ODD = np.linspace(0.0, 360.0, 361, endpoint=False)  # no frame has an exact opposite one


def ellipses(columns: int, angles: Floats, axis: float, seed: int) -> Floats:
    """Return exact line integrals of random ellipses, (angles, columns), averaged over each pixel; maximum 1."""
    rng = np.random.default_rng(seed)
    radius = 0.46 * columns - abs(axis - (columns - 1) / 2)
    shapes = [(0.0, 0.0, 0.85 * radius, 0.7 * radius, 0.3, 1.0)]
    for _ in range(12):
        r, phase = 0.6 * radius * np.sqrt(rng.random()), 2 * np.pi * rng.random()
        half = radius * rng.uniform(0.03, 0.18, 2)
        shapes.append(
            (r * np.cos(phase), r * np.sin(phase), half[0], half[1], np.pi * rng.random(), rng.uniform(-0.6, 1))
        )
    theta = np.deg2rad(angles)[:, None]
    edges = np.arange(columns + 1)[None, :] - 0.5
    passed = np.zeros((angles.size, columns + 1))  # what lies to the left of every edge of a pixel
    for x, y, a, b, turn, density in shapes:
        centre = axis + x * np.cos(theta) + y * np.sin(theta)
        width = np.hypot(a * np.cos(theta - turn), b * np.sin(theta - turn))
        place = np.clip((edges - centre) / width, -1.0, 1.0)
        passed += density * a * b * (place * np.sqrt(1.0 - place**2) + np.arcsin(place))
    result = np.diff(passed, axis=1)
    return np.asarray(result / result.max())


@lru_cache(maxsize=200)  # several methods look at the same
def noisy(columns: int, angles: bytes, axis: float, seed: int) -> Floats:
    """Return such a sinogram with 2 % noise; `angles` as the bytes of their array."""
    sinogram = ellipses(columns, np.frombuffer(angles), axis, seed)
    return np.asarray(sinogram + 0.02 * np.random.default_rng(5000 + seed).standard_normal(sinogram.shape))


def estimate(sinogram: Floats, angles: Floats, method: str = "auto") -> AxisEstimate:
    return combine([row_estimate(sinogram, angles, method=method)], method=method)


def errors(angles: Floats, columns: int, method: str, count: int = 20) -> tuple[Floats, Floats, Floats]:
    """Return error, uncertainty and confidence for random axes within +-10 % of the width, 2 % noise."""
    found, true = [], []
    for seed in range(count):
        rng = np.random.default_rng(1000 + seed)
        axis = (columns - 1) / 2 + rng.uniform(-0.1, 0.1) * columns
        found.append(estimate(noisy(columns, angles.tobytes(), axis, seed), angles, method))
        true.append(axis)
    return (
        np.array([f.axis for f in found]) - np.array(true),
        np.array([f.uncertainty for f in found]),
        np.array([f.confidence for f in found]),
    )


@pytest.mark.parametrize("columns", [160, 161])
@pytest.mark.parametrize("angles", [HALF, HALF_CLOSED, FULL, FULL_ODD], ids=["180", "180 closed", "360", "360 odd"])
def test_default_method_on_twenty_random_axes(angles: Floats, columns: int) -> None:
    error, sigma, confidence = errors(angles, columns, "auto")
    assert np.median(np.abs(error)) <= 0.1
    assert np.abs(error).max() <= 0.25
    assert confidence.min() >= STOP
    # Uncertainties are honest: errors in units of them scatter by about one. (Twenty values fix that to
    # 16 %; much less than one is caution, which the floors bring where the data are very good.)
    assert np.sqrt(np.mean((error / sigma) ** 2)) <= 1.6


@pytest.mark.parametrize(
    ("method", "angles", "median", "largest"),
    [
        # One pair of frames: noise alone gives about 0.1 px (sigma of the noise over the slope of the frames).
        ("correlation", HALF_CLOSED, 0.15, 0.5),
        # The opposite frame is extrapolated from two: five times the variance.
        ("correlation", HALF, 0.3, 1.0),
        # 180 pairs: a tenth of one pair's error.
        ("correlation", FULL, 0.02, 0.06),
        # The wedge uses many frames near the seam, about 0.05 px, whether the turn is whole or not.
        ("vo", HALF, 0.1, 0.25),
        ("vo", FULL, 0.1, 0.25),
        # A metric sees streaks (half turn) or blur (full turn), a parabola over half pixels.
        ("metric", HALF, 0.1, 0.3),
        ("metric", FULL, 0.05, 0.1),
    ],
)
def test_each_method_alone(method: str, angles: Floats, median: float, largest: float) -> None:
    error, _, _ = errors(angles, 160, method, count=8)
    assert np.median(np.abs(error)) <= median
    assert np.abs(error).max() <= largest


@pytest.mark.parametrize("method", ["auto", "correlation", "vo", "metric"])
@pytest.mark.parametrize("angles", [HALF_CLOSED, FULL], ids=["180", "360"])
def test_mirror_image_has_the_mirrored_axis(angles: Floats, method: str) -> None:
    sinogram = ellipses(161, angles, 74.37, 5)
    sinogram += 0.02 * np.random.default_rng(5).standard_normal(sinogram.shape)
    one = estimate(sinogram, angles, method).axis
    other = estimate(sinogram[:, ::-1], angles, method).axis
    # Same data, so noise cancels. Only the metric's disc of pixels is not its own mirror image to the last pixel.
    assert one + other == pytest.approx(160.0, abs=0.03 if method == "metric" else 1e-3)


def test_opposite_is_a_matter_of_angle_not_of_order() -> None:
    angles = np.random.default_rng(1).permutation(np.linspace(-140.0, 220.0, 181))
    sinogram = ellipses(160, angles, 84.2, 2)
    found = estimate(sinogram, angles, "correlation")
    assert found.axis == pytest.approx(84.2, abs=0.05)


def test_irregular_angles() -> None:
    rng = np.random.default_rng(3)
    angles = np.sort(np.linspace(0, 185, 300) + rng.uniform(-0.25, 0.25, 300))
    found = estimate(ellipses(160, angles, 70.9, 4), angles)
    assert found.axis == pytest.approx(70.9, abs=0.15)
    assert found.confidence >= STOP


def test_pedestal_static_columns_and_spikes_do_not_move_the_axis() -> None:
    rng = np.random.default_rng(7)
    for angles in (HALF, FULL):
        sinogram = ellipses(160, angles, 86.4, 7)
        sinogram += 0.01 * rng.standard_normal(sinogram.shape)
        sinogram += 0.3 + 0.05 * rng.standard_normal((angles.size, 1))  # pedestal, drifting
        sinogram += 0.2 * rng.standard_normal(160) * (rng.random(160) < 0.05)  # rings, as high as small details
        sinogram[rng.random(sinogram.shape) < 1e-3] = 3.0  # spikes
        found = estimate(sinogram, angles)
        assert found.axis == pytest.approx(86.4, abs=0.25)
        assert found.confidence >= STOP


def test_end_frames_that_are_opposite_against_their_angles() -> None:
    """A list of angles that is one step short: the ends of the scan are opposite, the list denies it."""
    true, stored = np.linspace(0, 180, 91), np.linspace(0, 180, 91, endpoint=False)
    noise = 0.002 * np.random.default_rng(8).standard_normal((91, 160))
    rows = [row_estimate(ellipses(160, true, 72.3, seed) + noise, stored, seed) for seed in range(6)]
    found = combine(rows)
    assert found.axis == pytest.approx(72.3, abs=0.1)
    assert any("opposite" in m for m in found.messages)
    # Believing the list would show: an off-centre detail goes some way in a step of two degrees.
    believed = np.array([row.correlation.axis for row in rows])
    corrected = np.array([row.correlation_ends.axis for row in rows])
    assert np.abs(corrected - 72.3).max() < 0.5 * np.abs(believed - 72.3).max()
    chosen = combine(rows, method="correlation").row_axes
    np.testing.assert_array_equal(chosen, corrected)
    # and angles that are right are believed
    found = combine([row_estimate(ellipses(160, stored, 72.3, seed) + noise, stored, seed) for seed in range(6)])
    assert not any("opposite" in m for m in found.messages)
    assert found.axis == pytest.approx(72.3, abs=0.1)


def test_metric_on_a_reduced_sinogram_keeps_the_pixel_grid() -> None:
    clean = clean_row(ellipses(401, FULL, 190.7, 6), FULL)
    candidates = 190.0 + np.arange(-8.0, 9.0)
    axis, sigma, _ = metric_axis(clean.values, clean.angles, candidates, columns=100)
    assert axis == pytest.approx(190.7, abs=0.1)  # a fortieth of a coarse pixel; wrong bookkeeping costs 1.5 px
    assert sigma < 0.5


def test_tilt_is_found_and_empty_or_wrong_rows_have_no_vote() -> None:
    rng = np.random.default_rng(9)
    rows = []
    for row in range(0, 120, 10):
        axis = 78.0 + 0.01 * (row - 55)
        sinogram = ellipses(160, HALF, axis, row)
        if row in (0, 10, 110):
            sinogram *= 0.0  # empty
        if row == 60:
            sinogram = ellipses(160, HALF, axis + 9.0, row)  # something else moved there
        rows.append(row_estimate(sinogram + 0.01 * rng.standard_normal(sinogram.shape), HALF, row))
    found = combine(rows)
    assert found.tilt == pytest.approx(np.rad2deg(np.arctan(0.01)), abs=0.1)
    assert found.at(55) == pytest.approx(78.0, abs=0.1)
    assert found.confidence >= STOP
    assert found.row_weights[[0, 1, 6, 11]].max() < 0.2


@pytest.mark.parametrize("angles", [HALF, FULL], ids=["180", "360"])
def test_noise_constants_and_gaps_have_no_confidence(angles: Floats) -> None:
    rng = np.random.default_rng(11)
    for count in (1, 6):
        noise = [row_estimate(rng.standard_normal((angles.size, 160)), angles, r) for r in range(count)]
        found = combine(noise)
        assert found.confidence < 0.3
        assert found.messages
    constant = combine([row_estimate(np.ones((angles.size, 160)), angles)])
    assert constant.confidence == 0.0
    assert "constant" in constant.messages[0]
    lost = combine([row_estimate(np.full((angles.size, 160), np.nan), angles)])
    assert lost.confidence == 0.0
    assert "missing" in lost.messages[0]


def test_some_missing_values_are_interpolated_and_told() -> None:
    sinogram = ellipses(160, HALF, 75.6, 12)
    sinogram[:, 90] = np.nan
    sinogram[3, :40] = np.inf
    sinogram[7] = np.nan
    found = estimate(sinogram, HALF)
    assert found.axis == pytest.approx(75.6, abs=0.1)
    assert any("missing" in m for m in found.messages)


def test_too_few_angles_are_refused_with_a_reason() -> None:
    angles = np.linspace(0, 120, 121)
    found = estimate(ellipses(160, angles, 80.0, 1), angles)
    assert found.confidence == 0.0
    assert any("half a turn" in m for m in found.messages)


def test_extended_field_of_view_is_found_by_the_default_method() -> None:
    angles = np.linspace(0, 360, 480, endpoint=False)
    sinogram = ellipses(512, angles, 255.5, 3)
    sinogram += 0.01 * np.random.default_rng(3).standard_normal(sinogram.shape)
    found = estimate(sinogram[:, :300], angles)  # the axis at 255.5 of 300 columns
    assert found.axis == pytest.approx(255.5, abs=0.1)
    assert found.confidence >= STOP
    assert any("extended field" in m for m in found.messages)


def test_ten_rows_of_721_angles_take_about_a_second() -> None:
    angles = np.linspace(0, 180, 721)
    sinogram = ellipses(640, angles, 331.3, 1)
    sinogram += 0.02 * np.random.default_rng(1).standard_normal(sinogram.shape)
    row_estimate(sinogram, angles)  # compiled now
    start = time.process_time()
    found = combine([row_estimate(sinogram, angles, row) for row in range(3)])
    took = (time.process_time() - start) / 3
    assert found.axis == pytest.approx(331.3, abs=0.1)
    assert took < 0.5  # 0.08 s on an idle core; a machine that is shared may be several times slower
