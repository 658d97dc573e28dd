"""Cakes of our own engine: exactness, anisotropy, uncertainties, unusable values, the same bits whatever the block."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("numba", reason="numba is not installed")

from cake_help import cake_table, dense_cake
from engine_help import SHAPE, TILTED, table

from tomosaxs_plugins.integration.engine.apply import integrate
from tomosaxs_plugins.integration.engine.cake_apply import make_cakes
from tomosaxs_plugins.integration.engine.factors import pixel_factors
from tomosaxs_plugins.integration.geometry import DetectorGeometry
from tomosaxs_plugins.integration.radial import bin_centres, full_range, radial_coordinate

FACTORS = pixel_factors(TILTED, SHAPE, True, 0.9)
MASK = np.random.default_rng(8).random(SHAPE) < 0.2
DARK = np.random.default_rng(9).random(SHAPE) * 3
ROWS, COLUMNS = np.mgrid[0 : SHAPE[0], 0 : SHAPE[1]] + 0.5


def frames_of(number: int, dtype: type = np.int32, mean: float = 40.0) -> np.ndarray:
    return np.random.default_rng(3).poisson(mean, (number, *SHAPE)).astype(dtype)


@pytest.mark.parametrize("splitting", ["full", "no", "subpixel"])
def test_a_constant_frame_and_one_of_the_factors_are_one(splitting: str):
    for factors, mean in ((None, False), (FACTORS, False), (FACTORS, True)):
        lookup = cake_table(splitting=splitting, mask=MASK, pixel_norm=factors, mean_of_ratios=mean)
        frame = np.ones(SHAPE) if factors is None else factors
        cake = make_cakes(lookup, frame[None])[0][0]
        assert np.nanmax(np.abs(cake - 1)) < 1e-13
        filled = np.zeros(cake.size, dtype=bool)
        filled[lookup.used[lookup.area > 0]] = True
        assert np.array_equal(np.isfinite(cake).ravel(), filled)
        assert 0.5 < filled.mean() < 1


@pytest.mark.parametrize(("bins", "sectors"), [(20, 16), (150, 16)])
def test_against_a_dense_matrix(bins: int, sectors: int):
    """Tables of one to four bins a pixel and further runs, factors, dark counts and mask, by a matrix product."""
    given = {"mask": MASK, "pixel_norm": FACTORS, "dark": DARK, "dark_variance": DARK / 4}
    lookup = cake_table(bins=bins, sectors=sectors, **given)
    weights = dense_cake(lookup)
    for dtype in ("u1", "i4", "f4"):
        frames = frames_of(11, np.float64, 20.0).astype(dtype)
        cakes, sigmas = make_cakes(lookup, frames, errors="poisson")
        counts = frames.reshape(11, -1).astype(float)
        norm = np.tensordot(FACTORS.ravel(), weights, 1)
        with np.errstate(invalid="ignore", divide="ignore"):
            expected = np.tensordot(counts - DARK.ravel(), weights, 1) / norm
            spread = np.sqrt(np.tensordot(counts + DARK.ravel() / 4, weights**2, 1)) / norm
        assert np.allclose(cakes, expected, rtol=1e-11, atol=1e-11, equal_nan=True)
        assert np.allclose(sigmas, spread, rtol=1e-11, equal_nan=True)


def test_signal_over_azimuth_is_that_of_the_curve():
    """Sums of whole counts and whole weights: the same number, not only nearly so."""
    frames = frames_of(3)
    lookup, curve = cake_table(mask=MASK), table(mask=MASK)
    cakes = make_cakes(lookup, frames)[0]
    norm = np.zeros(lookup.shape)
    norm.ravel()[lookup.used] = lookup.norm
    assert np.array_equal(norm.sum(axis=0), curve.norm)
    signal = np.rint(np.nan_to_num(cakes) * norm)  # whole numbers far below 2^53: dividing and multiplying is undone
    with np.errstate(invalid="ignore"):
        assert np.array_equal(signal.sum(axis=1) / curve.norm, integrate(curve, frames)[0], equal_nan=True)


LARGE = DetectorGeometry.from_tilt((150.3, 160.8), 0.3, 0.05, 0.4, (2e-4, 2e-4), 1e-10, (300, 310))


def anisotropic(geometry: DetectorGeometry, amplitude: float, turned: float = 0.0) -> np.ndarray:
    rows, columns = np.mgrid[0 : geometry.shape[0], 0 : geometry.shape[1]] + 0.5
    q = radial_coordinate(geometry, "q_nm^-1", rows, columns)
    return (1 + amplitude * np.cos(2 * geometry.azimuth(rows, columns) - 2 * np.radians(turned))) * (1 + 0.3 * q)


def test_an_anisotropic_pattern_is_recovered():
    bins, sectors = 30, 72
    low, high = full_range(LARGE, LARGE.shape, "q_nm^-1")
    lookup = cake_table(LARGE, bins, sectors, mask=np.zeros(LARGE.shape, bool), range=(low, high))
    cake = make_cakes(lookup, anisotropic(LARGE, 0.6)[None])[0][0]
    q, chi = bin_centres(low, high, bins), bin_centres(-180.0, 180.0, sectors)
    expected = (1 + 0.6 * np.cos(2 * np.radians(chi)))[:, None] * (1 + 0.3 * q)
    many = np.zeros(lookup.shape)
    many.ravel()[lookup.used] = lookup.area
    # cells of 5 degrees by 7 pixels: over one, cos 2 chi is lower than in its middle by (5 deg)^2 / 6 = 0.13 %; its
    # pixels may lie off its middle by 3 % of its width: 0.15 deg, 0.3 % of the amplitude at the steepest
    whole = (many > 25) & (np.arange(bins) > 5) & (np.arange(bins) < 20)
    off = np.abs(cake / expected - 1)[whole]
    assert whole.sum() == 14 * sectors
    assert np.median(off) < 1e-3
    assert off.max() < 4e-3


def test_a_pattern_turned_by_90_degrees_is_a_cake_shifted_by_90_degrees():
    lookup = cake_table(LARGE, 30, 72, mask=np.zeros(LARGE.shape, bool), range=(1.0, 8.0))
    cakes = make_cakes(lookup, np.stack([anisotropic(LARGE, 0.6), anisotropic(LARGE, 0.6, 90.0)]))[0]
    inner = slice(6, 20)
    shifted = np.roll(cakes[0], 18, axis=0)
    # the cells have other pixels, spread otherwise: as above
    assert np.nanmax(np.abs(cakes[1] / shifted - 1)[:, inner]) < 0.03
    assert np.nanmax(np.abs(cakes[1] / cakes[0] - 1)[:, inner]) > 1
    # a square detector with the beam in its middle, turned by 90 degrees pixel by pixel: nearly the same bits
    middle = DetectorGeometry.from_tilt((50.0, 50.0), 0.1, 0.0, 0.0, (1e-3, 1e-3), 1e-10, (100, 100))
    even = cake_table(middle, 30, 72, mask=np.zeros((100, 100), bool), range=(1.0, 25.0))
    frame = np.random.default_rng(1).random((100, 100))
    first, second = make_cakes(even, np.stack([frame, np.rot90(frame)]))[0]
    assert np.nanmax(np.abs(np.roll(first, 18, axis=0) - second)) < 1e-4  # shares are rounded to millionths


def test_uncertainty_against_a_thousand_draws():
    lookup = cake_table(bins=12, sectors=10, pixel_norm=FACTORS)
    truth = 20 + 30 * np.exp(-((ROWS - 20) ** 2 + (COLUMNS - 30) ** 2) / 400)
    frames = np.random.default_rng(6).poisson(truth, (1000, *SHAPE)).astype(np.uint16)
    cakes, sigmas = make_cakes(lookup, frames, errors="poisson")
    filled = np.isfinite(cakes[0])
    ratio = sigmas.mean(axis=0)[filled] / cakes.std(axis=0, ddof=1)[filled]
    # the deviation of 1000 draws is known to 2.2 %: 100 cells agree on average to 0.3 %, each within 10 % (4.5 sigma)
    assert filled.sum() > 80
    assert abs(ratio.mean() - 1) < 0.02
    assert np.abs(ratio - 1).max() < 0.1


def test_spread_and_given_uncertainties_in_closed_form():
    lookup = cake_table(bins=30, sectors=16, pixel_norm=FACTORS, mask=MASK, dark=DARK)
    frames = frames_of(3)
    bad = np.random.default_rng(7).random(frames.shape) < 0.05
    weights = dense_cake(lookup)
    given = 1 + np.random.default_rng(2).random(frames.shape)
    holes = np.where(bad, -1, frames)
    cakes, sigmas = make_cakes(lookup, holes, errors="azimuthal")
    of_data = make_cakes(lookup, holes, errors="data", uncertainties=given)[1]
    for number in range(3):
        kept = weights * ~bad[number].reshape(-1, 1, 1)
        norm = np.tensordot(FACTORS.ravel(), kept, 1)
        pixels = (frames[number] - DARK).reshape(-1, 1, 1) - FACTORS.reshape(-1, 1, 1) * np.nan_to_num(cakes[number])
        with np.errstate(invalid="ignore", divide="ignore"):
            expected = np.sqrt((kept**2 * pixels**2).sum(axis=0)) / norm
            its = np.sqrt(np.tensordot(given[number].ravel() ** 2, kept**2, 1)) / norm
        filled = np.isfinite(cakes[number])
        assert np.allclose(sigmas[number][filled], expected[filled], rtol=1e-6, atol=1e-9)
        assert np.allclose(of_data[number][filled], its[filled], rtol=1e-9)


@pytest.mark.parametrize("errors", ["none", "poisson", "azimuthal"])
@pytest.mark.parametrize("dtype", ["i4", "f4"])
def test_the_same_bits_for_any_block_and_threads(dtype: str, errors: str):
    lookup = cake_table(bins=60, pixel_norm=FACTORS, mask=MASK)
    frames = frames_of(21).astype(dtype)
    frames[3, 10:14] = -1 if dtype == "i4" else np.nan  # its neighbours in the block have all their pixels
    frames[17] = -1 if dtype == "i4" else np.nan

    def bits(found):
        return [None if each is None else each.tobytes() for each in found]

    whole = make_cakes(lookup, frames, errors=errors, threads=1)
    assert len({cake.tobytes() for cake in whole[0]}) == 21
    for threads in (2, 5):
        assert bits(make_cakes(lookup, frames, errors=errors, threads=threads)) == bits(whole)
    for size in (1, 3, 8, 20):
        for begin in range(0, 21, size):
            part = slice(begin, begin + size)
            expected = [None if each is None else each[part] for each in whole]
            assert bits(make_cakes(lookup, frames[part], errors=errors, threads=2)) == bits(expected)


@pytest.mark.parametrize("bins", [20, 150])
def test_an_unusable_value_is_as_if_masked(bins: int):
    frames = frames_of(17, np.int32)
    bad = np.random.default_rng(9).random(frames.shape) < 0.02
    bad[5] = True
    bad[6] = False
    bad[7, :30] = True
    bad[8:16] = False  # a block of eight without any, after one with some
    cakes, sigmas = make_cakes(cake_table(bins=bins), np.where(bad, -2, frames), errors="poisson")
    floats = make_cakes(cake_table(bins=bins), np.where(bad, np.nan, frames), errors="poisson")[0]
    assert np.array_equal(floats, cakes, equal_nan=True)
    for number in (0, 5, 6, 7, 8, 16):
        masked = cake_table(bins=bins, mask=bad[number])
        expected, its = make_cakes(masked, frames[number : number + 1], errors="poisson")
        # weights without factors are whole numbers: what is left after taking away is exact
        assert np.array_equal(cakes[number], expected[0], equal_nan=True)
        assert np.array_equal(sigmas[number], its[0], equal_nan=True)
    assert np.isnan(cakes[5]).all()


def test_limits_types_and_garbage():
    lookup = cake_table(mask=MASK)
    frames = frames_of(2).astype(np.float64)
    expected = make_cakes(lookup, frames)[0].tobytes()
    for garbage in (np.nan, np.inf, 1e300, -1.0):
        assert make_cakes(lookup, np.where(MASK, garbage, frames))[0].tobytes() == expected
    held = frames.copy()
    held.flags.writeable = False
    assert make_cakes(lookup, held)[0].tobytes() == expected
    assert make_cakes(lookup, frames[:0])[0].shape == (0, 36, 40)
    assert np.isnan(make_cakes(lookup, frames_of(1), above=-1.0)[0]).all()
    above = make_cakes(lookup, frames_of(1), above=40.0)[0]
    assert np.nanmax(above) <= 40
    with pytest.raises(ValueError, match="frames of"):
        make_cakes(lookup, np.ones((2, 5, 5)))


def test_a_detector_of_a_few_pixels():
    """Fewer than the eight that are loaded together."""
    geometry = DetectorGeometry.from_tilt((0.4, 0.7), 0.1, 0.0, 0.0, (1e-3, 1e-3), 1e-10, (2, 3))
    lookup = cake_table(geometry, 3, 4, mask=np.zeros((2, 3), bool), range=(0.0, 2.0))
    frames = np.arange(12.0).reshape(2, 2, 3)
    weights = dense_cake(lookup)
    with np.errstate(invalid="ignore", divide="ignore"):
        expected = np.tensordot(frames.reshape(2, 6), weights, 1) / weights.sum(axis=0)
    assert np.allclose(make_cakes(lookup, frames)[0], expected, rtol=1e-12, equal_nan=True)


def test_a_range_without_a_usable_pixel():
    mask = np.ones(SHAPE, bool)
    mask[0, 0] = False
    for errors in ("none", "poisson", "azimuthal"):
        cakes, sigmas = make_cakes(cake_table(mask=mask, range=(0.5, 1.0)), frames_of(3), errors=errors)
        assert cakes.shape == (3, 36, 40)
        assert np.isnan(cakes).all()
        assert sigmas is None or np.isnan(sigmas).all()


def test_agrees_with_pyfai():
    pytest.importorskip("pyFAI", reason="pyFAI is not installed")
    from pyFAI.detectors import Detector
    from pyFAI.integrator.azimuthal import AzimuthalIntegrator

    peer = AzimuthalIntegrator(
        dist=LARGE.distance, poni1=LARGE.poni1, poni2=LARGE.poni2, rot1=LARGE.rot1, rot2=LARGE.rot2, rot3=LARGE.rot3,
        detector=Detector(2e-4, 2e-4, max_shape=LARGE.shape, orientation=3), wavelength=1e-10,
    )  # fmt: skip
    frame = np.random.default_rng(3).poisson(1000 * anisotropic(LARGE, 0.5)).astype(np.float32)
    mask = np.zeros(LARGE.shape, bool)
    found = peer.integrate2d(
        frame, 100, 90, unit="q_nm^-1", radial_range=(1.0, 8.0), azimuth_range=(-180, 180), correctSolidAngle=False,
        method=("full", "csr", "cython"),
    )  # fmt: skip
    lookup = cake_table(LARGE, 100, 90, mask=mask, range=(1.0, 8.0))
    cake = make_cakes(lookup, frame[None])[0][0]
    area = np.zeros(lookup.shape)
    area.ravel()[lookup.used] = lookup.area
    # pyFAI takes pixels as quadrilaterals of the plane of q and chi: the same from some pixels off the beam on. What
    # crosses +-180 degrees or the end of the range it counts into the bins there, which then are too full.
    many = (area > 3) & (np.arange(100) > 20) & (np.arange(100) < 75)
    many[[0, -1]] = False
    peers = np.asarray(found.intensity)[::-1]  # it counts azimuths clockwise
    off = np.abs(cake[many] / peers[many] - 1)
    assert many.sum() > 4500
    assert np.median(off) < 1e-4
    assert off.max() < 5e-3
    assert np.abs(area[many] / np.asarray(found.sum_normalization)[::-1][many] - 1).max() < 5e-3
