"""Curves of our own engine: exactness, uncertainties, unusable values, and the same bits whatever the block."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("numba", reason="numba is not installed")

from engine_help import SHAPE, TILTED, dense, table

from tomosaxs_plugins.integration.engine.apply import integrate, usable_values
from tomosaxs_plugins.integration.engine.factors import pixel_factors

FACTORS = pixel_factors(TILTED, SHAPE, True, 0.9)
MASK = np.random.default_rng(8).random(SHAPE) < 0.2


def frames_of(number: int, dtype: type = np.int32, mean: float = 40.0) -> np.ndarray:
    return np.random.default_rng(3).poisson(mean, (number, *SHAPE)).astype(dtype)


@pytest.mark.parametrize("splitting", ["full", "bbox", "no", "subpixel"])
@pytest.mark.parametrize("bins", [9, 60, 400])
def test_a_constant_frame_is_one(splitting: str, bins: int):
    lookup = table(bins=bins, splitting=splitting, mask=MASK)
    curve = integrate(lookup, np.ones((1, *SHAPE), np.uint16))[0][0]
    assert np.nanmax(np.abs(curve - 1)) < 1e-13
    assert np.array_equal(np.isfinite(curve), lookup.area > 0)
    assert np.isfinite(curve).mean() > 0.9


@pytest.mark.parametrize("mean_of_ratios", [False, True])
@pytest.mark.parametrize("bins", [9, 60, 400])
def test_a_frame_of_the_factors_is_one(mean_of_ratios: bool, bins: int):
    lookup = table(bins=bins, pixel_norm=FACTORS, mean_of_ratios=mean_of_ratios, mask=MASK)
    curve = integrate(lookup, FACTORS[None])[0][0]
    assert FACTORS.min() < 0.9  # otherwise the test would show nothing
    assert np.nanmax(np.abs(curve - 1)) < 1e-13


@pytest.mark.parametrize("dtype", ["u1", "u2", "i2", "i4", "u4", "i8", "u8", "f4", "f8", ">i4", ">f4", "f2", "?"])
@pytest.mark.parametrize("bins", [20, 60, 400])
def test_against_a_dense_matrix(dtype: str, bins: int):
    """All widths of the tables (1 to 4 bins a pixel, and pixels apart) and all types, by a matrix product."""
    lookup = table(bins=bins, mask=MASK, pixel_norm=FACTORS)
    frames = frames_of(11, np.float64, 20.0).astype(dtype)
    curves, sigmas = integrate(lookup, frames, errors="poisson")
    weights, counts = dense(lookup), frames.reshape(11, -1).astype(float)
    norm = FACTORS.ravel() @ weights
    with np.errstate(invalid="ignore"):
        assert np.allclose(curves, counts @ weights / norm, rtol=1e-12, atol=0, equal_nan=True)
        assert np.allclose(sigmas, np.sqrt(counts @ weights**2) / norm, rtol=1e-12, atol=0, equal_nan=True)


def test_mean_of_ratios_against_a_dense_matrix():
    lookup = table(bins=60, pixel_norm=FACTORS, mean_of_ratios=True)
    shares = dense(table(bins=60))
    frames = frames_of(2)
    expected = (frames.reshape(2, -1) / FACTORS.ravel()) @ shares / shares.sum(axis=0)
    assert np.allclose(integrate(lookup, frames)[0], expected, rtol=1e-12)
    assert not np.allclose(integrate(table(bins=60, pixel_norm=FACTORS), frames)[0], expected, rtol=1e-6)


def test_sums_of_counts_are_exact():
    """Large counts: signal over normalisation is that of whole numbers, to the last bit."""
    lookup = table(bins=30)
    frame = np.random.default_rng(5).integers(0, 2**20, (1, *SHAPE)).astype(np.uint32)
    shares = dense(lookup).astype(np.int64)
    signal, norm = frame.reshape(-1).astype(np.int64) @ shares, shares.sum(axis=0)
    assert signal.max() < 2**53
    assert np.array_equal(integrate(lookup, frame)[0][0], signal / norm)


@pytest.mark.parametrize("splitting", ["full", "no"])
def test_uncertainty_against_a_thousand_draws(splitting: str):
    lookup = table(bins=40, splitting=splitting, pixel_norm=FACTORS)
    y, x = np.mgrid[0 : SHAPE[0], 0 : SHAPE[1]]
    truth = 20 + 30 * np.exp(-((y - 20) ** 2 + (x - 30) ** 2) / 400)
    frames = np.random.default_rng(6).poisson(truth, (1000, *SHAPE)).astype(np.uint16)
    curves, sigmas = integrate(lookup, frames, errors="poisson")
    ratio = sigmas.mean(axis=0) / curves.std(axis=0, ddof=1)
    # the deviation of 1000 draws is known to 2.2 %: 40 bins agree on average to 0.4 %, each within 10 % (4.5 sigma)
    assert abs(ratio.mean() - 1) < 0.02
    assert np.abs(ratio - 1).max() < 0.1


def test_spread_in_closed_form():
    lookup = table(bins=60, pixel_norm=FACTORS, mask=MASK)
    frames = frames_of(3)
    bad = np.random.default_rng(7).random(frames.shape) < 0.05
    curves, sigmas = integrate(lookup, np.where(bad, -1, frames), errors="azimuthal")
    weights = dense(lookup)
    for frame, missing, curve, sigma in zip(frames, bad, curves, sigmas, strict=True):
        kept = weights * ~missing.reshape(-1, 1)
        off = frame.reshape(-1, 1) - FACTORS.reshape(-1, 1) * np.nan_to_num(curve)
        expected = np.sqrt((kept**2 * off**2).sum(axis=0)) / (FACTORS.ravel() @ kept)
        assert np.allclose(sigma, expected, rtol=1e-9, equal_nan=True)
    constant = integrate(table(bins=60), np.full((1, *SHAPE), 1234567, np.int32), errors="azimuthal")[1]
    assert np.all(constant == 0)


@pytest.mark.parametrize("error_model", ["poisson", "azimuthal"])
@pytest.mark.parametrize("dtype", ["i4", "f4"])
def test_the_same_bits_for_any_block_and_threads(dtype: str, error_model: str):
    lookup = table(bins=60, pixel_norm=FACTORS, mask=MASK)
    frames = frames_of(21).astype(dtype)
    frames[3, 10:14] = -1 if dtype == "i4" else np.nan  # its neighbours in the block have all their pixels
    given = {"errors": error_model}
    curves, sigmas = integrate(lookup, frames, threads=1, **given)
    assert len({curve.tobytes() for curve in curves}) == 21
    for threads in (2, 5):
        again = integrate(lookup, frames, threads=threads, **given)
        assert (again[0].tobytes(), again[1].tobytes()) == (curves.tobytes(), sigmas.tobytes())
    for size in (1, 3, 8, 20):
        for begin in range(0, 21, size):
            part = slice(begin, begin + size)
            again = integrate(lookup, frames[part], threads=2, **given)
            assert (again[0].tobytes(), again[1].tobytes()) == (curves[part].tobytes(), sigmas[part].tobytes())


@pytest.mark.parametrize("bins", [20, 400])
def test_an_unusable_value_is_as_if_masked(bins: int):
    frames = frames_of(9, np.int32)
    bad = np.random.default_rng(9).random(frames.shape) < 0.02
    bad[5] = True
    bad[6] = False
    bad[7, :30] = True
    curves, sigmas = integrate(table(bins=bins), np.where(bad, -2, frames), errors="poisson")
    floats = integrate(table(bins=bins), np.where(bad, np.nan, frames), errors="poisson")[0]
    for number in range(9):
        masked = table(bins=bins, mask=bad[number])
        expected, its = integrate(masked, frames[number : number + 1], errors="poisson")
        # weights without factors are whole numbers: what is left after taking away is exact
        assert np.array_equal(curves[number], expected[0], equal_nan=True)
        assert np.array_equal(sigmas[number], its[0], equal_nan=True)
        assert np.array_equal(floats[number], expected[0], equal_nan=True)
    assert np.isnan(curves[5]).all()
    assert np.isfinite(curves[6]).all()
    # with factors, taking away leaves a rounding error: that must not pass for a pixel
    partly = table(bins=bins, pixel_norm=FACTORS)
    again = integrate(partly, np.where(bad, -2, frames), errors="poisson")
    for found in again:
        assert np.array_equal(np.isnan(found), np.isnan(curves))


def test_which_values_are_usable():
    assert usable_values(np.int32) == (0, 2**31 - 2)
    assert usable_values(np.uint16) == (0, 65534)
    assert usable_values(np.uint16, gaps=False) == (0, 65535)
    assert usable_values(np.int16, gaps=False) == (-32768, 32767)
    assert usable_values(np.int32, 1.5, 9.5) == (2, 9)
    assert usable_values(np.int32, -5.0, 1e12) == (0, 2**31 - 2)
    low, high = usable_values(np.float32, None, 7.0)
    assert (low, high) == (float(np.finfo(np.float32).min), 7.0)
    nothing = integrate(table(), frames_of(2, np.uint16), above=-1.0, errors="poisson")
    assert np.isnan(nothing[0]).all()
    assert np.isnan(nothing[1]).all()


def test_garbage_in_masked_pixels_does_no_harm():
    lookup = table(mask=MASK)
    frames = frames_of(2).astype(np.float64)
    for garbage in (np.nan, np.inf, -np.inf, 1e300, -1.0):
        spoilt = np.where(MASK, garbage, frames)
        assert integrate(lookup, spoilt)[0].tobytes() == integrate(lookup, frames)[0].tobytes()


def test_read_only_strided_and_empty_frames():
    lookup = table()
    frames = frames_of(4)
    expected = integrate(lookup, frames)[0]
    held = frames.copy()
    held.flags.writeable = False
    assert integrate(lookup, held)[0].tobytes() == expected.tobytes()
    assert integrate(lookup, np.repeat(frames, 2, axis=2)[:, :, ::2])[0].tobytes() == expected.tobytes()
    assert integrate(lookup, frames[:0])[0].shape == (0, lookup.bins)


def test_frames_that_do_not_fit():
    for wrong in (np.ones((2, 5, 5)), np.ones(SHAPE), np.ones((1, *SHAPE), dtype=complex)):
        with pytest.raises(ValueError, match="frames of"):
            integrate(table(), wrong)
    with pytest.raises(ValueError, match="gauss"):
        integrate(table(), frames_of(1), errors="gauss")
