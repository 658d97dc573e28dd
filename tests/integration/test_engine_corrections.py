"""Corrections and error models inside our own engine: dark counts, sensitivities, variances of any origin."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

pytest.importorskip("numba", reason="numba is not installed")

from engine_help import SHAPE, TILTED, dense, table

from tomosaxs_plugins.integration.engine.apply import integrate
from tomosaxs_plugins.integration.engine.errors import DarkCounts, error_model
from tomosaxs_plugins.integration.engine.factors import pixel_factors, sensor_factors

RANDOM = np.random.default_rng(11)
MASK = RANDOM.random(SHAPE) < 0.2
SENSITIVITY = RANDOM.uniform(0.7, 1.3, SHAPE)
DARK = RANDOM.uniform(0.0, 9.0, SHAPE)
SENSOR = sensor_factors(TILTED, SHAPE, 3e-4, 3000.0)
ONES = np.ones((1, *SHAPE), dtype=np.int32)


@pytest.mark.parametrize("mean_of_ratios", [False, True])
def test_one_over_the_corrections_is_one(mean_of_ratios: bool):
    """Every combination of flat, sensor, solid angle, polarisation in two directions and dark counts, to 1e-13."""
    choices = [(None, SENSITIVITY), (None, SENSOR), (False, True), (None, (0.9, 0.0), (0.9, 33.0)), (None, DARK)]
    for flat, sensor, solid, polarised, dark in itertools.product(*choices):
        efficiency = None
        for each in (flat, sensor):
            if each is not None:
                efficiency = each if efficiency is None else efficiency * each
        degree, angle = polarised or (None, 0.0)
        factors = pixel_factors(TILTED, SHAPE, solid, degree, angle, efficiency)
        frame = factors + (0.0 if dark is None else dark)
        lookup = table(bins=60, pixel_norm=factors, dark=dark, mask=MASK, mean_of_ratios=mean_of_ratios)
        curve = integrate(lookup, frame[None])[0][0]
        assert np.isfinite(curve).mean() > 0.9
        assert np.nanmax(np.abs(curve - 1)) < 1e-13


def test_a_constant_is_the_same_constant_over_the_mean_factor():
    """A frame of ones through the corrections: the corrected mean, by a dense matrix."""
    factors = pixel_factors(TILTED, SHAPE, True, 0.95, 20.0, SENSITIVITY)
    lookup = table(bins=60, pixel_norm=factors, mask=MASK)
    weights = dense(lookup)
    with np.errstate(invalid="ignore"):
        expected = weights.sum(axis=0) / (factors.ravel() @ weights)
    assert np.allclose(integrate(lookup, ONES)[0][0], expected, rtol=1e-13, equal_nan=True)


def test_absorption_by_the_sensor():
    first, second, third = TILTED.positions(*np.mgrid[0 : SHAPE[0], 0 : SHAPE[1]] + 0.5)
    away = TILTED.distance / np.sqrt(first**2 + second**2 + third**2)
    assert np.allclose(SENSOR, 1 - np.exp(-3e-4 * 3000.0 / away), rtol=1e-13)
    assert SENSOR.max() / SENSOR.min() > 1.01  # otherwise the test would show nothing


@pytest.mark.parametrize("angle", [0.0, 30.0, 90.0, -45.0])
def test_the_direction_of_polarisation(angle: float):
    """Fraction P along the direction, 1 - P across; degree 2 P - 1; the azimuth counts counter-clockwise."""
    rows, columns = np.mgrid[0 : SHAPE[0], 0 : SHAPE[1]] + 0.5
    two_theta, chi = TILTED.two_theta(rows, columns), TILTED.azimuth(rows, columns) - np.radians(angle)
    part = 0.995
    expected = part * (1 - (np.cos(chi) * np.sin(two_theta)) ** 2)
    expected += (1 - part) * (1 - (np.sin(chi) * np.sin(two_theta)) ** 2)
    found = pixel_factors(TILTED, SHAPE, False, 2 * part - 1, angle)
    assert np.allclose(found, expected, rtol=1e-13)


def test_dark_counts_and_variances_against_a_dense_matrix():
    """Also where values of a frame are unusable: their dark counts and variances must go with them."""
    frames = RANDOM.poisson(30.0, (11, *SHAPE)).astype(np.int32)
    bad = RANDOM.random(frames.shape) < 0.03
    dark = DarkCounts(DARK, np.full(SHAPE, 4), 0.5)
    sigma = RANDOM.uniform(1.0, 5.0, frames.shape)
    for bins, text in itertools.product((20, 60, 400), ("poisson", "I / 0.8 + 25", "sqrt(I + 4)", "data")):
        model = error_model(text)
        lookup = table(
            bins=bins, mask=MASK, pixel_norm=SENSITIVITY, dark=dark.counts,
            dark_variance=model.pixel_variance(SHAPE, dark),
        )  # fmt: skip
        curves, sigmas = integrate(lookup, np.where(bad, -7, frames), errors=model, uncertainties=sigma)
        weights, counts = dense(lookup), frames.reshape(11, -1).astype(float)
        kept = ~bad.reshape(11, -1)
        known = dark.measured.ravel()
        of_pixel = {
            "poisson": counts + known / 16,  # half of a mean of four
            "I / 0.8 + 25": counts / 0.8 + 25 + (known / 0.8 + 25) / 16,
            "sqrt(I + 4)": np.sqrt(counts + 4) + np.sqrt(known + 4) / 16,
            "data": sigma.reshape(11, -1) ** 2,
        }[text]
        with np.errstate(invalid="ignore", divide="ignore"):
            norm = kept * SENSITIVITY.ravel() @ weights
            norm[kept.astype(float) @ (weights > 0) == 0] = np.nan
            expected = (kept * (counts - known / 2)) @ weights / norm
            spread = np.sqrt((kept * of_pixel) @ weights**2) / norm
        assert np.allclose(curves, expected, rtol=1e-10, atol=1e-10, equal_nan=True), text
        assert np.allclose(sigmas, spread, rtol=1e-10, equal_nan=True), text


def test_spread_around_a_curve_with_dark_counts():
    frames = RANDOM.poisson(30.0, (3, *SHAPE)).astype(np.int32)
    lookup = table(bins=60, mask=MASK, pixel_norm=SENSITIVITY, dark=DARK)
    curves, sigmas = integrate(lookup, frames, errors="azimuthal")
    weights = dense(lookup)
    for frame, curve, sigma in zip(frames, curves, sigmas, strict=True):
        off = frame.reshape(-1, 1) - DARK.reshape(-1, 1) - SENSITIVITY.reshape(-1, 1) * np.nan_to_num(curve)
        expected = np.sqrt((weights**2 * off**2).sum(axis=0)) / (SENSITIVITY.ravel() @ weights)
        assert np.allclose(sigma, expected, rtol=1e-9, equal_nan=True)


def test_an_unknown_variance_makes_only_that_uncertainty_unknown():
    frames = RANDOM.poisson(30.0, (9, *SHAPE)).astype(np.float64)
    sigma = np.sqrt(frames)
    lookup = table(bins=60)
    hidden = (10, 20)
    for strange in (np.nan, np.inf):
        spoilt = sigma.copy()
        spoilt[4][hidden] = strange
        curves, sigmas = integrate(lookup, frames, errors="data", uncertainties=spoilt)
        plain, known = integrate(lookup, frames, errors="data", uncertainties=sigma)
        touched = dense(lookup)[hidden[0] * SHAPE[1] + hidden[1]] > 0
        assert curves.tobytes() == plain.tobytes()
        assert np.array_equal(np.isnan(sigmas[4]), touched)
        assert np.delete(sigmas, 4, axis=0).tobytes() == np.delete(known, 4, axis=0).tobytes()
        absent = frames.copy()
        absent[4][hidden] = np.nan  # not used at all: its variance does not matter
        assert np.isfinite(integrate(lookup, absent, errors="data", uncertainties=spoilt)[1]).all()


@pytest.mark.parametrize("text", ["poisson", "I / 0.8 + 25", "sqrt(I) * 3", "data", "azimuthal"])
def test_the_same_bits_for_any_block_and_threads(text: str):
    frames = RANDOM.poisson(30.0, (21, *SHAPE)).astype(np.int32)
    frames[3, 10:14] = -1
    sigma = np.sqrt(frames + 3.0)
    model = error_model(text)
    dark = DarkCounts(DARK, np.full(SHAPE, 2))
    lookup = table(
        bins=60, mask=MASK, pixel_norm=SENSITIVITY, dark=DARK, dark_variance=model.pixel_variance(SHAPE, dark)
    )
    curves, sigmas = integrate(lookup, frames, errors=model, uncertainties=sigma)
    for size, threads in ((1, 1), (3, 2), (8, 1), (20, 5)):
        for begin in range(0, 21, size):
            part = slice(begin, begin + size)
            given = {"errors": model, "uncertainties": sigma[part], "threads": threads}
            again = integrate(lookup, frames[part], **given)
            assert (again[0].tobytes(), again[1].tobytes()) == (curves[part].tobytes(), sigmas[part].tobytes())


@pytest.mark.parametrize("splitting", ["full", "no"])
def test_uncertainties_with_dark_counts_against_a_thousand_draws(splitting: str):
    """Frames and dark frames drawn anew each time; detector of gain 1.25 and noise of 5 counts."""
    truth = 12 + 40 * SENSITIVITY
    model = error_model("1.25 * I + 25")
    curves, sigmas = [], []
    for seed in range(10):
        random = np.random.default_rng(seed)
        frames = 1.25 * random.poisson(truth / 1.25, (100, *SHAPE)) + random.normal(0, 5, (100, *SHAPE))
        dark = 1.25 * random.poisson(12 / 1.25, (100, *SHAPE)) + random.normal(0, 5, (100, *SHAPE))
        known = DarkCounts(np.full(SHAPE, 12.0), np.ones(SHAPE, int))
        lookup = table(
            bins=40, splitting=splitting, pixel_norm=SENSITIVITY, dark=known.counts,
            dark_variance=model.pixel_variance(SHAPE, known),
        )  # fmt: skip
        # subtracting a drawn dark image and adding its mean again is what a frame and a dark image make together
        found, its = integrate(lookup, frames - dark + known.counts, errors=model)
        curves.append(found)
        sigmas.append(its)
    ratio = np.concatenate(sigmas).mean(axis=0) / np.concatenate(curves).std(axis=0, ddof=1)
    # the deviation of 1000 draws is known to 2.2 %: 40 bins agree on average to 0.4 %, each within 10 % (4.5 sigma)
    assert abs(ratio.mean() - 1) < 0.02
    assert np.abs(ratio - 1).max() < 0.1


@pytest.mark.parametrize(
    ("text", "kind", "offset", "slope"),
    [
        ("poisson", "counts", 0.0, 1.0), ("I", "counts", 0.0, 1.0), ("I / 0.8 + 25", "counts", 25.0, 1.25),
        ("2 * (3 * I + 1) - I", "counts", 2.0, 5.0), ("25", "given", 0.0, 1.0), ("sqrt(I)", "given", 0.0, 1.0),
        ("where(I > 5, I, 5)", "given", 0.0, 1.0), ("I * I / 100 + I", "given", 0.0, 1.0), ("data", "given", 0.0, 1.0),
    ],
)  # fmt: skip
def test_error_models_that_are_lines_cost_nothing(text: str, kind: str, offset: float, slope: float):
    model = error_model(text)
    assert (model.kind, model.offset, model.slope) == (kind, offset, pytest.approx(slope))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("poison", "poison is unknown"), ("I - 30", "negative"), ("-2 * I", "falls"), ("0 - 1", "no variance"),
        ("I.real", "only arithmetic"), ("__import__('os')", "functions are"), ("I / 0", "zero"), ("", "expression"),
    ],
)  # fmt: skip
def test_wrong_error_models(text: str, said: str):
    with pytest.raises(ValueError, match=said):
        error_model(text)


def test_uncertainties_that_do_not_fit():
    with pytest.raises(ValueError, match="carry no"):
        integrate(table(), ONES, errors="data")
    with pytest.raises(ValueError, match="do not fit"):
        integrate(table(), ONES, errors="data", uncertainties=np.ones((2, *SHAPE)))
    with pytest.raises(ValueError, match="finite"):
        table(dark=np.full(SHAPE, np.nan))
