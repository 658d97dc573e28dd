"""D-periods and strains with their uncertainties, against closed forms and random draws."""

from __future__ import annotations

import numpy as np
import pytest

from tomosaxs_plugins.fibres.strain import Measured, d_period, median, strain


def test_third_order_of_collagen() -> None:
    found = d_period(np.array([0.28218, 6 * np.pi / 66.8, np.nan, 0.0]), np.full(4, 1e-4), 3)
    assert found.values[0] == pytest.approx(66.8, abs=2e-3)  # q0 as given in the literature has five digits
    assert found.values[1] == pytest.approx(66.8, rel=1e-15)
    assert np.isnan(found.values[2:]).all()
    assert np.isnan(found.sd[2:]).all()


def test_uncertainties_are_the_spread_of_draws() -> None:
    rng = np.random.default_rng(7)
    q0, sd, reference, reference_sd = 0.28, 2e-4, 66.0, 0.04
    one = strain(d_period(np.array([q0]), np.array([sd]), 3), reference, reference_sd)
    draws = d_period(rng.normal(q0, sd, 200_000), np.zeros(200_000), 3)
    spread = draws.values / rng.normal(reference, reference_sd, 200_000) - 1
    # the standard deviation of 200 000 draws is known to 0.16 %; curvature adds a millionth
    assert one.sd[0] == pytest.approx(spread.std(), rel=0.006)
    assert one.values[0] == pytest.approx(spread.mean(), abs=5 * spread.std() / 450)
    assert one.values[0] == pytest.approx((6 * np.pi / q0) / reference - 1, rel=1e-12)


def test_the_median_is_as_uncertain_as_measured() -> None:
    rng = np.random.default_rng(8)
    true, sd = np.full(101, 66.8), np.full(101, 0.05)
    medians = [float(np.median(rng.normal(true, sd))) for _ in range(4000)]
    value, uncertainty = median(Measured(true, sd), np.ones(101, dtype=bool))
    assert value == pytest.approx(66.8)
    # sqrt(pi / 2) / sqrt(n) is the limit of many values: 1 % off at 101, and 4000 draws tell 1.1 %
    assert uncertainty == pytest.approx(np.std(medians), rel=0.05)


def test_the_median_is_of_solved_fibres() -> None:
    measured = Measured(np.array([66.0, 67.0, 90.0, np.nan, 68.0]), np.full(5, 0.1))
    assert median(measured, np.array([True, True, False, True, True]))[0] == 67.0
    assert np.isnan(median(measured, np.zeros(5, dtype=bool))).all()
