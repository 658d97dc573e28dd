"""I(chi) of a band less background: straight lines vanish, peaks and anisotropy stay, uncertainties, same bits."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("numba", reason="numba is not installed")

from tomosaxs_plugins.integration.engine.cake_band import build_band_lookup, integrate_band
from tomosaxs_plugins.integration.engine.factors import pixel_factors
from tomosaxs_plugins.integration.geometry import DetectorGeometry
from tomosaxs_plugins.integration.radial import bin_centres, radial_coordinate

SHAPE = (200, 210)
GEOMETRY = DetectorGeometry.from_tilt((100.3, 110.8), 0.3, 0.05, 0.4, (2e-4, 2e-4), 1e-10, SHAPE)
ROWS, COLUMNS = np.mgrid[0 : SHAPE[0], 0 : SHAPE[1]] + 0.5
Q = radial_coordinate(GEOMETRY, "q_nm^-1", ROWS, COLUMNS)
CHI = GEOMETRY.azimuth(ROWS, COLUMNS)
MASK = np.random.default_rng(8).random(SHAPE) < 0.1
FACTORS = pixel_factors(GEOMETRY, SHAPE, True, 0.9)
SECTORS = (36, -180.0, 180.0)
BANDS = {"below": (1.6, 2.0), "above": (3.2, 3.5)}


def band(background: str = "linear", mask=MASK, **more):
    if background != "none":
        more = {**BANDS, **more}
    return build_band_lookup(
        GEOMETRY, mask, "q_nm^-1", (2.2, 3.0), more.pop("sectors", SECTORS), background=background, **more
    )


def peak(width: float = 0.05) -> np.ndarray:
    """Return a peak that lies within the band, and is exactly 0 at a distance from it."""
    return np.where(np.abs(Q - 2.6) < 0.35, np.exp(-(((Q - 2.6) / width) ** 2) / 2), 0.0)


@pytest.mark.parametrize("splitting", ["full", "no", "subpixel"])
@pytest.mark.parametrize("bad", [False, True])
def test_a_straight_line_is_removed_exactly(splitting: str, bad: bool):
    """Also where pixels are unusable in a frame, other ones on the two sides."""
    lookup = band(splitting=splitting, pixel_norm=FACTORS)
    frame = FACTORS * (100 - 17 * Q)
    if bad:
        frame = np.where(np.random.default_rng(1).random(SHAPE) < 0.3, np.nan, frame)
    peaked = frame + FACTORS * 1000 * peak()
    flat, found = integrate_band(lookup, np.stack([frame, peaked]))[0]
    assert np.abs(flat).max() < 1e-10  # sums of some hundred values of 100
    alone = band("none", splitting=splitting, pixel_norm=FACTORS)
    expected = integrate_band(alone, np.where(np.isnan(frame), np.nan, FACTORS * 1000 * peak())[None])[0][0]
    assert expected.min() > 50
    assert np.abs(found - expected).max() < 1e-9


def test_a_constant_is_removed_by_the_mean_and_by_one_band_alone():
    frames = (FACTORS * (30 + 100 * peak()))[None]
    expected = integrate_band(band("none", pixel_norm=FACTORS), (FACTORS * 100 * peak())[None])[0]
    for beside in ({}, {"above": None}, {"below": None}):
        found = integrate_band(band("mean", pixel_norm=FACTORS, **beside), frames)[0]
        assert np.abs(found - expected).max() < 1e-11
    assert np.allclose(integrate_band(band("none", pixel_norm=FACTORS), frames)[0], expected + 30, rtol=0, atol=1e-11)


def test_anisotropy_and_its_direction_are_recovered():
    """A ring whose intensity goes with 1 + a cos 2(chi - 40 deg) on a background that goes with 1 + b cos 2 chi."""
    amplitude, turned = 0.7, np.radians(40.0)
    ring = 300 * peak() * (1 + amplitude * np.cos(2 * (CHI - turned)))
    frame = ring + (50 - 5 * Q) * (1 + 0.4 * np.cos(2 * CHI))
    profile = integrate_band(band(), frame[None])[0][0]
    plain = integrate_band(band(), (300 * peak())[None])[0][0]  # how many counts a ring leaves in a sector's pixels
    chi = np.radians(bin_centres(-180.0, 180.0, 36))
    cosine, sine = (2 * np.mean(profile / plain * each(2 * chi)) for each in (np.cos, np.sin))
    # cos 2 chi is lower by (10 deg)^2 / 6 = 0.5 % over sectors of 10 degrees; what the background's cosine leaves are
    # parts in a hundred of its slope over a sector
    assert np.hypot(cosine, sine) == pytest.approx(amplitude * (1 - np.radians(10) ** 2 / 6), rel=5e-3)
    assert np.degrees(np.arctan2(sine, cosine) / 2) == pytest.approx(40.0, abs=0.2)


def test_folding_takes_opposite_sectors_together():
    frame = np.random.default_rng(1).poisson(50.0, SHAPE)
    folded = integrate_band(band("none", sectors=(18, 0.0, 180.0), fold=True, mask=~(ROWS > 0)), frame[None])[0][0]
    whole = band("none", sectors=(36, 0.0, 360.0), mask=~(ROWS > 0))
    area = np.bincount(whole.sector, whole.weights[:, 0], 36).reshape(2, 18)
    halves = integrate_band(whole, frame[None])[0][0].reshape(2, 18)
    assert np.abs(folded - (halves * area).sum(axis=0) / area.sum(axis=0)).max() < 1e-4  # millionths of a pixel


@pytest.fixture(scope="module")
def draws() -> np.ndarray:
    """Return a thousand frames with a peak, of which each pixel varies as counts do."""
    truth = FACTORS * (10 - 2 * Q + 40 * peak(0.2))
    return np.random.default_rng(6).poisson(np.maximum(truth, 0), (1000, *SHAPE)).astype(np.uint16)


@pytest.mark.parametrize(
    ("background", "touching"),
    [("none", False), ("mean", False), ("mean", True), ("linear", False), ("linear", True)],
)
def test_uncertainty_against_a_thousand_draws(background: str, touching: bool, draws: np.ndarray):
    """Also where bands touch, and share the pixels at their edges."""
    beside = {"below": (1.8, 2.2), "above": (3.0, 3.3)} if touching else {}
    lookup = band(background, pixel_norm=FACTORS, **beside)
    profiles, sigmas = integrate_band(lookup, draws, errors="poisson", threads=2)
    ratio = sigmas.mean(axis=0) / profiles.std(axis=0, ddof=1)
    # the deviation of 1000 draws is known to 2.2 %: 36 sectors agree on average to 0.4 %, each within 10 % (4.5 sigma)
    assert abs(ratio.mean() - 1) < 0.02
    assert np.abs(ratio - 1).max() < 0.1


@pytest.mark.parametrize("background", ["mean", "linear"])
def test_uncertainty_where_bands_touch_is_that_of_the_difference(background: str):
    """What every single pixel does to the result, squared, times its variance: pixels of two bands partly cancel."""
    lookup = band(background, sectors=(1, 10.0, 14.0), below=(1.8, 2.2), above=(3.0, 3.3))
    pixels = np.unique(lookup.pixel)
    assert np.any(np.count_nonzero(lookup.weights, axis=1) > 1)
    units = np.zeros((pixels.size, SHAPE[0] * SHAPE[1]), np.uint8)
    units[np.arange(pixels.size), pixels] = 1
    effects = integrate_band(lookup, units.reshape(-1, *SHAPE))[0][:, 0]
    frame = np.random.default_rng(1).poisson(30.0, SHAPE)
    expected = np.sqrt(np.sum(effects**2 * frame.ravel()[pixels]))
    sigma = integrate_band(lookup, frame[None], errors="poisson")[1][0, 0]
    assert sigma == pytest.approx(expected, rel=1e-12)


def test_dark_counts_and_given_uncertainties():
    dark = np.random.default_rng(2).random(SHAPE) * 5
    lookup = band(pixel_norm=FACTORS, dark=dark, dark_variance=dark / 3)
    plain = band(pixel_norm=FACTORS)
    frame = np.random.default_rng(3).poisson(20.0, SHAPE).astype(float)
    found, sigma = integrate_band(lookup, (frame + dark)[None], errors="poisson")
    expected = integrate_band(plain, frame[None])[0]
    assert np.allclose(found, expected, rtol=0, atol=1e-10)
    given = np.sqrt(frame + dark + dark / 3)
    assert np.allclose(sigma, integrate_band(plain, frame[None], errors="data", uncertainties=given[None])[1])
    twice = integrate_band(plain, frame[None], errors="4 * I")[1]
    assert np.allclose(twice, 2 * integrate_band(plain, frame[None], errors="poisson")[1])


def test_unusable_values_sectors_without_pixels_and_the_same_bits():
    frames = np.random.default_rng(3).poisson(20.0, (19, *SHAPE)).astype(np.int32)
    bad = np.random.default_rng(4).random(SHAPE) < 0.1
    side = (Q < 2.1) & (np.abs(CHI) < 0.5)  # no band below in the sectors around 0
    frames[3, bad] = -1
    frames[5, side] = -1
    frames[6] = -2
    for background in ("none", "mean", "linear"):
        whole = integrate_band(band(background), frames, errors="poisson", threads=1)
        masked = integrate_band(band(background, MASK | bad), frames[3:4], errors="poisson")
        assert np.allclose(whole[0][3], masked[0][0], rtol=1e-12)
        assert np.allclose(whole[1][3], masked[1][0], rtol=1e-12)
        assert np.isnan(whole[0][6]).all()
        assert np.isnan(whole[0][5]).any() == (background == "linear")
        assert np.array_equal(np.isnan(whole[0]), np.isnan(whole[1]))
        for part in (slice(0, 1), slice(3, 8), slice(0, 19)):
            again = integrate_band(band(background), frames[part], errors="poisson", threads=3)
            assert again[0].tobytes() == whole[0][part].tobytes()
            assert again[1].tobytes() == whole[1][part].tobytes()


def test_arguments_that_make_no_sense():
    for background, beside in (("linear", {"above": None}), ("mean", {"above": None, "below": None})):
        with pytest.raises(ValueError, match="band"):
            band(background, **beside)
    with pytest.raises(ValueError, match="cubic"):
        band("cubic")
    with pytest.raises(ValueError, match="azimuthal"):
        integrate_band(band(), np.ones((1, *SHAPE)), errors="azimuthal")
    with pytest.raises(ValueError, match="frames of"):
        integrate_band(band(), np.ones((1, 3, 3)))
