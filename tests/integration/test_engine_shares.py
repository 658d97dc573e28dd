"""How pixels are shared among bins, against closed forms and brute force."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("numba", reason="numba is not installed")

from engine_help import FLAT, SHAPE, TILTED, dense, table

from tomosaxs_plugins.integration.engine.factors import pixel_factors
from tomosaxs_plugins.integration.engine.pixel_area import AREA_UNIT, area_below, place_of, radial_value
from tomosaxs_plugins.integration.radial import RADIAL, full_range, radial_coordinate


@pytest.mark.parametrize("unit", RADIAL)
def test_radial_value_is_the_radial_coordinate(unit: str):
    place = place_of(TILTED, unit)
    rows, columns = np.random.default_rng(0).uniform(-5, 90, (2, 50))
    found = [radial_value(place, r, c) for r, c in zip(rows, columns, strict=True)]
    assert np.allclose(found, radial_coordinate(TILTED, unit, rows, columns), rtol=1e-11, atol=0)


def test_q_without_a_wavelength():
    with pytest.raises(ValueError, match="wavelength"):
        place_of(replace(TILTED, wavelength=None), "q_nm^-1")


@pytest.mark.parametrize("slopes", [(1.0, 0.3), (0.3, -1.0), (0.7, 0.7), (-0.5, 0.0), (0.0, 0.0)])
def test_area_below_against_counting(slopes: tuple[float, float]):
    points = (np.arange(400) + 0.5) / 400 - 0.5
    values = slopes[0] * points[:, None] + slopes[1] * points[None, :]
    for z in (-2.0, -0.4, -0.05, 0.01, 0.3, 0.62, 2.0):
        # a line cuts at most 2 x 400 of the 400 x 400 squares
        assert area_below(z, *slopes) == pytest.approx((values < z).mean(), abs=3e-3)


@pytest.mark.parametrize("splitting", ["full", "bbox", "no", "subpixel"])
@pytest.mark.parametrize("bins", [7, 40, 300])
def test_shares_of_a_pixel_add_up(splitting: str, bins: int):
    low, high = full_range(TILTED, SHAPE, "q_nm^-1")
    # bbox is as wide on both sides of the centre: it may reach beyond the largest corner
    lookup = table(bins=bins, splitting=splitting, oversampling=4, range=(low, high * 1.05))
    unit = {"full": AREA_UNIT, "bbox": AREA_UNIT, "no": 1, "subpixel": 16}[splitting]
    shares = dense(lookup)
    inside = np.ones(len(shares), dtype=bool)
    if splitting == "bbox":  # near the beam its lower end is below 0
        inside = shares.argmax(axis=1) > 0.1 * bins
    assert np.array_equal(shares[inside].sum(axis=1), np.full(inside.sum(), unit))
    assert np.all(shares >= 0)
    if splitting == "full":
        assert np.array_equal(lookup.area, shares.sum(axis=0) / AREA_UNIT)
        assert lookup.area.sum() == np.prod(SHAPE)


@pytest.mark.parametrize("unit", ["q_nm^-1", "2theta_deg", "radius_mm", "d_nm"])
@pytest.mark.parametrize("bins", [25, 150])
def test_areas_against_many_sub_pixels(unit: str, bins: int):
    """Beam on the frame, strong tilt, pixels not square: 64 x 64 centres of sub-pixels as truth."""
    exact = dense(table(bins=bins, unit=unit)) / AREA_UNIT
    brute = dense(table(bins=bins, unit=unit, splitting="subpixel", oversampling=64)) / 64**2
    # truth is good to the sub-pixels that a line cuts: some 64 of 4096, mostly on either side alike
    assert np.abs(exact - brute).max() < 0.02
    assert np.sqrt(np.mean((exact - brute)[brute > 0] ** 2)) < 2e-3
    assert np.abs(exact.sum(axis=0) - brute.sum(axis=0)).max() < 0.03


def test_a_ring_has_its_area():
    """Square to the beam: bins that lie wholly on the frame are rings, pi (R^2 - r^2)."""
    lookup = table(FLAT, bins=60, unit="radius_mm", range=(0.0, 30.0))
    edges = np.linspace(0, 30, 61)
    expected = np.pi * np.diff(edges**2)
    # cells are straight to 3e-4 of a pixel: 1e-3 pixels in the innermost rings, which have up to 9
    assert np.abs(lookup.area - expected).max() < 2e-3
    assert np.abs(lookup.area / expected - 1)[4:].max() < 3e-5


def test_a_range_cuts_off():
    whole = dense(table(FLAT, bins=60, unit="radius_mm", range=(0.0, 30.0)))
    part = dense(table(FLAT, bins=20, unit="radius_mm", range=(5.0, 15.0)))
    assert np.array_equal(part, whole[:, 10:30])
    assert dense(table(FLAT, bins=3, unit="radius_mm", range=(100.0, 130.0))).sum() == 0


def test_masked_pixels_have_no_share():
    mask = np.random.default_rng(1).random(SHAPE) < 0.3
    shares = dense(table(mask=mask))
    assert np.all(shares[mask.ravel()] == 0)
    assert np.array_equal(shares[~mask.ravel()], dense(table())[~mask.ravel()])


def test_tables_do_not_depend_on_threads():
    one, other = table(threads=1, bins=100), table(threads=3, bins=100)
    for name in ("groups", "keep", "first", "weights", "apart", "apart_weights", "norm", "entries"):
        assert np.array_equal(getattr(one, name), getattr(other, name))


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"splitting": "half"}, "half"),
        ({"oversampling": 0}, "oversampling"),
        ({"range": (3.0, 3.0)}, "low < high"),
        ({"pixel_norm": np.ones((2, 2))}, "do not fit"),
    ],
)
def test_wrong_arguments(given: dict, said: str):
    with pytest.raises(ValueError, match=said):
        table(**given)


def test_factors_of_a_pixel():
    """Solid angle and polarisation at the pixel centres, written out in other terms."""
    rows, columns = np.mgrid[0 : SHAPE[0], 0 : SHAPE[1]] + 0.5
    first, second, third = TILTED.positions(rows, columns)
    cosine = TILTED.distance / np.sqrt(first**2 + second**2 + third**2)
    assert np.allclose(pixel_factors(TILTED, SHAPE, True, None), cosine**3, rtol=1e-14)
    angle, chi = TILTED.two_theta(rows, columns), TILTED.azimuth(rows, columns)
    plane = 0.995 * (1 - (np.cos(chi) * np.sin(angle)) ** 2) + 0.005 * (1 - (np.sin(chi) * np.sin(angle)) ** 2)
    assert np.allclose(pixel_factors(TILTED, SHAPE, False, 0.99), plane, rtol=1e-13)
    assert np.allclose(pixel_factors(TILTED, SHAPE, True, 0.99), plane * cosine**3, rtol=1e-13)
    assert np.all(pixel_factors(TILTED, SHAPE, False, None) == 1)
