"""Every correction on 2 x 2 values worked out by hand, its limits, and its variance."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

from tomosaxs_plugins.scattering.kernels.angular_efficiency import divide_by_efficiency
from tomosaxs_plugins.scattering.kernels.background_subtraction import subtract_background
from tomosaxs_plugins.scattering.kernels.dark_current import subtract_dark_current
from tomosaxs_plugins.scattering.kernels.dead_time import undo_dead_time
from tomosaxs_plugins.scattering.kernels.displaced_volume import subtract_dispersant
from tomosaxs_plugins.scattering.kernels.flat_field import divide_by_flat_field
from tomosaxs_plugins.scattering.kernels.flux_and_transmission import divide_by_flux
from tomosaxs_plugins.scattering.kernels.frame_time import divide_by_time
from tomosaxs_plugins.scattering.kernels.polarisation import divide_by_polarisation
from tomosaxs_plugins.scattering.kernels.scaling import divided
from tomosaxs_plugins.scattering.kernels.self_absorption import self_absorption_ratio, undo_self_absorption
from tomosaxs_plugins.scattering.kernels.solid_angle import divide_by_solid_angle
from tomosaxs_plugins.scattering.kernels.thickness import divide_by_thickness

FRAME = np.array([[1.0, 2.0], [3.0, 4.0]])
TIGHT = {"rtol": 2e-15, "atol": 0.0}  # a few roundings of float64


def test_dead_time_inverts_the_law_of_a_paralysable_detector() -> None:
    # n = 1e5 counts in 1 s with 2 us: n D = 0.2, m = 1e5 exp(-0.2) and so on
    arrived = np.array([[1e5, 2e5], [4e5, 0.0]])
    recorded = np.array([[1e5 * np.exp(-0.2), 2e5 * np.exp(-0.4)], [4e5 * np.exp(-0.8), 0.0]])
    # exp(y) / (1 - y) is up to 11 here: so many roundings
    assert_allclose(undo_dead_time(recorded, 1.0, 2e-6)[0], arrived, rtol=2e-14)
    assert_allclose(undo_dead_time(recorded[None], np.array([[[1.0]]]), 2e-6)[0][0], arrived, rtol=2e-14)


@pytest.mark.parametrize("y", [1e-12, 1e-3, 0.0199, 0.0206, 0.11, 0.5, 0.9, 0.99])
def test_dead_time_at_every_rate(y: float) -> None:
    """At both sides of where the way of solving changes; the error grows as 1 / (1 - y) towards the limit."""
    assert undo_dead_time(np.array([y * np.exp(-y)]), 1.0, 1.0)[0][0] == pytest.approx(y, rel=1e-15 * 5 / (1 - y) ** 2)


def test_dead_time_limits() -> None:
    assert np.array_equal(undo_dead_time(FRAME, 1.0, 0.0)[0], FRAME)
    over = undo_dead_time(np.array([1 / np.e * 1.0001, 1 / np.e * 0.9999, np.nan]), 1.0, 1.0)[0]
    assert np.isnan(over).tolist() == [True, False, True]
    assert over[1] == pytest.approx(1.0, abs=0.02)
    assert np.isnan(undo_dead_time(FRAME, 0.0, 1e-6)[0]).all()
    with pytest.raises(ValueError, match="must not be negative"):
        undo_dead_time(FRAME, 1.0, -1e-6)


def test_dead_time_of_exposures_of_their_own() -> None:
    times = np.array([0.5, 2.0]).reshape(2, 1, 1)
    both = undo_dead_time(np.stack([1e5 * FRAME, 1e5 * FRAME]), times, 1e-7)[0]
    for number, time in enumerate((0.5, 2.0)):
        assert np.array_equal(both[number], undo_dead_time(1e5 * FRAME, time, 1e-7)[0])
    pixelwise = undo_dead_time(1e5 * FRAME, np.array([[0.5, 0.5], [2.0, 2.0]]), 1e-7)[0]
    assert np.array_equal(pixelwise[0], both[0][0])
    assert np.array_equal(pixelwise[1], both[1][1])


def test_variance_of_the_dead_time_correction_is_the_slope_squared() -> None:
    counts, step = np.array([3e4, 1.2e5]), 1.0
    low, high = (undo_dead_time(counts + sign * step, 1.0, 2e-6)[0] for sign in (-1, 1))
    slope = (high - low) / (2 * step)
    spread = undo_dead_time(counts, 1.0, 2e-6, counts)[1]
    assert spread is not None
    assert_allclose(spread, counts * slope**2, rtol=1e-7)  # the central difference is off by (step / counts)^2


def test_dark_current() -> None:
    # base 0.5, 0.25 a second for 2 s, 0.01 for each of 10 counts of flux a second for 2 s: 0.5 + 0.5 + 0.2
    found = subtract_dark_current(FRAME, 2.0, base=0.5, rate=0.25, rate_of_flux=0.01, flux=10.0)[0]
    assert_allclose(found, FRAME - 1.2, rtol=1e-15)
    # a dark frame of 10 s, for 2 s: one fifth of it, and one 25th of its variance
    dark = np.array([[5.0, 0.0], [10.0, 5.0]])
    found, spread = subtract_dark_current(FRAME, 2.0, frame=dark, frame_time=10.0, variance=FRAME, frame_variance=dark)
    assert_allclose(found, [[0.0, 2.0], [1.0, 3.0]], atol=1e-15)
    assert_allclose(spread, FRAME + dark / 25, **TIGHT)
    assert np.array_equal(subtract_dark_current(FRAME, 2.0, frame=dark)[0], FRAME - dark)
    assert np.array_equal(subtract_dark_current(FRAME)[0], FRAME)
    assert np.isnan(subtract_dark_current(FRAME, 0.0)[0]).all()


def test_time_and_flux() -> None:
    found, spread = divide_by_time(FRAME, 2.0, FRAME)
    assert np.array_equal(found, [[0.5, 1.0], [1.5, 2.0]])
    assert np.array_equal(spread, [[0.25, 0.5], [0.75, 1.0]])
    assert np.array_equal(divide_by_flux(FRAME, 8.0, 0.5)[0], FRAME / 4)
    assert np.array_equal(divide_by_flux(FRAME, 4.0)[0], FRAME / 4)  # T = 1: only the flux
    for flux, part in ((0.0, 0.5), (8.0, 0.0), (-8.0, -0.5), (np.nan, 1.0), (8.0, np.nan)):
        assert np.isnan(divide_by_flux(FRAME, flux, part)[0]).all()


def test_self_absorption() -> None:
    # T = exp(-1), 2 theta = 60 deg: 1 / cos - 1 = 1, a = 1, ratio = 1 - 1 / e
    ratio = 1 - 1 / np.e
    found, spread = undo_self_absorption(FRAME, np.exp(-1), 60.0, FRAME)
    assert_allclose(found, FRAME / ratio, rtol=1e-15 * 5)
    assert_allclose(spread, FRAME / ratio**2, rtol=1e-15 * 10)
    assert np.array_equal(undo_self_absorption(FRAME, 1.0, 60.0)[0], FRAME)
    assert np.array_equal(undo_self_absorption(FRAME, 0.1, 0.0)[0], FRAME)
    assert np.isnan(undo_self_absorption(FRAME, 0.5, 90.0)[0]).all()
    assert np.isnan(undo_self_absorption(FRAME, 0.0, 10.0)[0]).all()


def test_self_absorption_is_the_mean_over_the_depth() -> None:
    """Integrated numerically: down to depth x as the beam, the rest of the way at an angle."""
    depth, weight = np.polynomial.legendre.leggauss(40)
    x = 0.5 * (depth + 1)
    thick, angle = 2.3, 35.0
    path = thick * (x + (1 - x) / np.cos(np.radians(angle)))
    expected = 0.5 * np.sum(weight * np.exp(-path)) / np.exp(-thick)
    assert self_absorption_ratio(np.exp(-thick), angle) == pytest.approx(expected, rel=1e-13)


def test_self_absorption_near_the_beam_keeps_its_digits() -> None:
    # to first order 1 - a / 2, with a = ln 2 * theta^2 / 2; 1 - exp would leave nothing of it
    theta = 1e-6
    assert 1 - self_absorption_ratio(0.5, np.degrees(theta)) == pytest.approx(np.log(2) * theta**2 / 4, abs=1.2e-16)


def test_flat_field() -> None:
    found, spread = divide_by_flat_field(FRAME, np.array([[0.5, 1.0], [2.0, 0.0]]), FRAME)
    assert_allclose(found, [[2.0, 2.0], [1.5, np.nan]])
    assert_allclose(spread, [[4.0, 2.0], [0.75, np.nan]])


def test_angular_efficiency() -> None:
    # mu t = ln 2: half is absorbed along the normal, three quarters at 60 degrees
    found = divide_by_efficiency(FRAME, np.array([[1.0, 0.5], [1.0, 0.5]]), np.log(2) / 1e-3, 1e-3)[0]
    assert_allclose(found, [[2.0, 8 / 3], [6.0, 16 / 3]], rtol=1e-15 * 5)
    assert_allclose(divide_by_efficiency(FRAME, 0.5, 1e5, 1.0)[0], FRAME)  # absorbs everything
    with pytest.raises(ValueError, match="must be positive"):
        divide_by_efficiency(FRAME, 1.0, 0.0, 1e-3)


def test_solid_angle() -> None:
    assert np.array_equal(divide_by_solid_angle(FRAME, np.array([[1.0, 0.5], [1.0, 0.5]]))[0], [[1, 16], [3, 32]])
    assert np.array_equal(divide_by_solid_angle(FRAME, 1.0, 0.25, FRAME)[1], 16 * FRAME)


def test_polarisation() -> None:
    # at 2 theta = 30 deg sin^2 is 1/4; chi = 0 along the field, 90 across, 45 between
    chi = np.array([[0.0, 90.0], [45.0, 180.0]])
    assert_allclose(
        divide_by_polarisation(FRAME, 30.0, chi, 1.0)[0], FRAME / [[0.75, 1], [0.875, 0.75]], rtol=1e-15 * 5
    )
    assert_allclose(divide_by_polarisation(FRAME, 30.0, chi, 0.0)[0], FRAME / [[1, 0.75], [0.875, 1]], rtol=1e-15 * 5)
    # an unpolarised beam: (1 + cos^2 2theta) / 2 whatever the azimuth
    assert_allclose(divide_by_polarisation(FRAME, 30.0, chi, 0.5)[0], FRAME / 0.875, rtol=1e-15 * 5)
    assert np.array_equal(divide_by_polarisation(FRAME, 0.0, chi, 0.95)[0], FRAME)
    with pytest.raises(ValueError, match="between 0 and 1"):
        divide_by_polarisation(FRAME, 30.0, chi, 1.1)


def test_thickness() -> None:
    found, spread = divide_by_thickness(FRAME, np.array([[0.5, 0.0], [0.001, np.nan]]), 0.01, FRAME)
    assert_allclose(found, [[2.0, np.nan], [np.nan, np.nan]])
    assert_allclose(spread, [[4.0, np.nan], [np.nan, np.nan]])


def test_background_and_dispersant() -> None:
    other = np.array([[1.0, 1.0], [1.0, 2.0]])
    found, spread = subtract_background(FRAME, other, 2.0, FRAME, other)
    assert np.array_equal(found, [[-1.0, 0.0], [1.0, 0.0]])
    assert np.array_equal(spread, [[5.0, 6.0], [7.0, 12.0]])
    assert np.array_equal(subtract_background(FRAME, other, 2.0, background_variance=other)[1], 4 * other)
    assert subtract_background(FRAME, other)[1] is None
    assert np.array_equal(subtract_dispersant(FRAME, other, 0.75)[0], FRAME - 0.25 * other)
    assert np.array_equal(subtract_dispersant(FRAME, other, 1.0)[0], FRAME)  # nothing is left
    assert np.array_equal(subtract_dispersant(FRAME, other, 0.0)[0], FRAME - other)
    assert np.isnan(subtract_dispersant(FRAME, other, 1.01)[0]).all()


def test_float32_stays_and_is_rounded_once() -> None:
    values = np.random.default_rng(0).random(1000, dtype=np.float32)
    found = divided(values, 0.1)[0]
    assert found.dtype == np.float32
    assert np.array_equal(found, (values.astype(np.float64) / 0.1).astype(np.float32))
    assert divided(np.array([1, 2]), 2)[0].dtype == np.float64
