"""What estimates promise whoever sends them around: flat arrays, independence, order, candidates."""

from __future__ import annotations

import json

import numpy as np
import pytest

from tomosaxs_plugins.centring.consensus import combine
from tomosaxs_plugins.centring.line import robust_line
from tomosaxs_plugins.centring.opposite import is_full_turn, opposite_pairs
from tomosaxs_plugins.centring.row import ROW_SIZE, RowEstimate, row_estimate
from tomosaxs_plugins.centring.spectrum import frequencies, refine_peak

ANGLES = np.linspace(0.0, 180.0, 121)


def disc_pair(axis: float) -> np.ndarray:
    """Return a sinogram of two discs, (121, 96)."""
    theta = np.deg2rad(ANGLES)[:, None]
    u = np.arange(96)[None, :]
    result = np.zeros((121, 96))
    for x, y, radius in ((-6.0, 4.0, 20.0), (9.0, -3.0, 6.0)):
        result += np.sqrt(np.maximum(radius**2 - (u - axis - x * np.cos(theta) - y * np.sin(theta)) ** 2, 0.0))
    return result


def test_flat_array_holds_everything() -> None:
    for row in (row_estimate(disc_pair(44.2), ANGLES, 3.0), row_estimate(np.ones((121, 96)), ANGLES, 4.0)):
        flat = row.to_array()
        assert flat.shape == (ROW_SIZE,)
        assert flat.dtype == np.float64
        again = RowEstimate.from_array(flat)
        np.testing.assert_array_equal(again.to_array(), flat)
        assert again.row == row.row
        assert again.reason == row.reason
        assert isinstance(again.full_turn, bool)
        through_text = np.array(json.loads(json.dumps(flat.tolist())))
        np.testing.assert_array_equal(through_text, flat)
    with pytest.raises(ValueError, match="numbers"):
        RowEstimate.from_array(np.zeros(3))


def test_rows_are_independent_and_repeatable() -> None:
    first = row_estimate(disc_pair(44.2), ANGLES, 1.0)
    row_estimate(disc_pair(50.0), ANGLES, 2.0)
    stack = np.stack([disc_pair(50.0), disc_pair(44.2)], axis=1)  # a strided view of a stack
    again = row_estimate(stack[:, 1], ANGLES, 1.0)
    np.testing.assert_array_equal(first.to_array(), again.to_array())


def test_input_is_not_changed() -> None:
    sinogram = disc_pair(44.2)
    sinogram[4, 4] = np.nan
    before = sinogram.copy()
    row_estimate(sinogram, ANGLES)
    np.testing.assert_array_equal(sinogram, before)


def test_candidates_begin_with_the_axis_and_differ() -> None:
    found = combine([row_estimate(disc_pair(44.2), ANGLES)])
    axes = [axis for axis, _ in found.candidates]
    assert axes[0] == found.axis
    assert len(axes) >= 5
    assert np.diff(np.sort(axes)).min() >= 0.45
    assert all(0.0 <= score <= 1.0 for _, score in found.candidates)


def test_unknown_method_and_no_rows_are_refused() -> None:
    with pytest.raises(ValueError, match="unknown method"):
        row_estimate(disc_pair(44.2), ANGLES, method="guess")
    with pytest.raises(ValueError, match="no rows"):
        combine([])


def test_pairs_by_angle() -> None:
    closed = opposite_pairs(np.linspace(-90.0, 90.0, 91))
    assert closed.count == 2
    assert not closed.extrapolated
    np.testing.assert_allclose(closed.weight, 1.0)
    open_end = opposite_pairs(np.linspace(0.0, 180.0, 90, endpoint=False))
    assert open_end.extrapolated
    first = open_end.first == 0  # 180 degrees from frames at 178 and 176: twice the one less the other
    assert dict(zip(open_end.second[first].tolist(), open_end.weight[first].tolist(), strict=True)) == {
        89: pytest.approx(2.0),
        88: pytest.approx(-1.0),
    }
    odd = opposite_pairs(np.linspace(0.0, 360.0, 91, endpoint=False))
    np.testing.assert_allclose(odd.weight, 0.5)
    assert odd.count == 91
    assert opposite_pairs(np.linspace(0.0, 120.0, 61)).count == 0


def test_full_turn_is_told_from_half() -> None:
    assert is_full_turn(np.linspace(0.0, 360.0, 100, endpoint=False))
    assert is_full_turn(np.linspace(-140.0, 217.0, 52))
    assert not is_full_turn(np.linspace(0.0, 180.0, 100))
    assert not is_full_turn(np.linspace(0.0, 270.0, 100))


def test_peak_of_a_known_spectrum() -> None:
    omega = frequencies(64)
    spectrum = np.exp(-(omega**2)) * np.exp(-1j * omega * 20.37)
    t, curvature = refine_peak(spectrum, omega, 20.0)
    assert t == pytest.approx(20.37, abs=1e-9)
    assert curvature == pytest.approx(float((omega**2 * np.exp(-(omega**2))).sum()))


def test_line_ignores_outliers_and_has_honest_errors() -> None:
    rng = np.random.default_rng(0)
    x = np.arange(40.0)
    pulls = []
    for _ in range(200):
        y = 10.0 + 0.05 * x + 0.2 * rng.standard_normal(40)
        y[::7] += 5.0
        line = robust_line(x, y, np.full(40, 0.2), np.ones(40))
        assert line is not None
        pulls.append((line.at(20.0) - 11.0) / line.sigma)
    assert 0.8 < np.std(pulls) < 1.3  # 200 values fix it to 5 %; downweighting costs a few per cent
    assert abs(np.mean(pulls)) < 0.3
    assert robust_line(x, np.full(40, np.nan), np.ones(40), np.ones(40)) is None
