"""Filters, angular weights and compilation."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from tomosaxs_plugins import compiled as kernels
from tomosaxs_plugins.reconstruction.angles import angular_weights, coverage_warning
from tomosaxs_plugins.reconstruction.filters import (
    FILTERS,
    filter_projections,
    filter_response,
    pad,
    padded_length,
    ramp_response,
    window,
)
from tomosaxs_plugins.reconstruction.grid import inside_circle
from tomosaxs_plugins.reconstruction.parallel import thread_count


@pytest.mark.parametrize("width", [1, 2, 7, 64, 641, 2048])
def test_padding_is_even_and_at_least_double(width: int) -> None:
    length = padded_length(width)
    assert length % 2 == 0
    assert 2 * width <= length <= max(16, 3 * width)
    assert padded_length(width, 5 * width) >= 10 * width


def test_ramp_is_the_frequency_except_at_zero() -> None:
    """The sampled ramp differs from |f| only by what its kernel loses beyond the padding: 2 / (pi**2 N) at zero."""
    response = ramp_response(512)
    frequency = np.arange(257) / 512
    assert response[0] == pytest.approx(2 / (np.pi**2 * 512), rel=1e-4)
    assert np.abs(response - frequency)[1:].max() < 4e-4
    assert response[-1] == pytest.approx(0.5, abs=4e-4)


def test_filtered_point_is_the_kernel() -> None:
    """Kak and Slaney (DOI 10.1137/1.9780898719277), equation 61 of chapter 3."""
    row = np.zeros((1, 33), dtype=np.float32)
    row[0, 16] = 1
    n = np.arange(33) - 16
    with np.errstate(divide="ignore"):
        kernel = np.where(n % 2 == 0, 0.0, -1 / (np.pi * n.astype(float)) ** 2)
    kernel[16] = 0.25
    np.testing.assert_allclose(filter_projections(row)[0], kernel, atol=1e-7)


@pytest.mark.parametrize(
    ("name", "quarter", "end"),
    [
        ("ramp", 1.0, 1.0),
        ("shepp-logan", np.sin(np.pi / 4) / (np.pi / 4), 2 / np.pi),
        ("cosine", np.sqrt(0.5), 0.0),
        ("hann", 0.5, 0.0),
        ("hamming", 0.54, 0.08),
        ("parzen", 0.25, 0.0),
    ],
)
def test_windows(name: str, quarter: float, end: float) -> None:
    """At zero, half way to and at the highest frequency."""
    np.testing.assert_allclose(window(name, np.array([0, 0.25, 0.5])), [1.0, quarter, end], atol=1e-12)


def test_filters_have_names() -> None:
    for name in FILTERS:
        assert filter_response(name, 64).shape == (33,)
    with pytest.raises(ValueError, match="there are ramp, shepp-logan"):
        window("ram", np.zeros(1))
    with pytest.raises(ValueError, match="even"):
        ramp_response(33)


def test_padding_values() -> None:
    row = np.array([[3, 4, 5]], dtype=np.float32)
    np.testing.assert_array_equal(pad(row, 8), [[3, 4, 5, 0, 0, 0, 0, 0]])
    np.testing.assert_array_equal(pad(row, 8, "edge"), [[3, 4, 5, 5, 5, 3, 3, 3]])
    with pytest.raises(ValueError, match="there are zero, edge"):
        pad(row, 8, "wrap")
    with pytest.raises(ValueError, match="do not fit"):
        pad(row, 2)


@pytest.mark.parametrize(
    ("angles", "degrees"),
    [
        ([0, 45, 90, 135], [45, 45, 45, 45]),
        ([0, 45, 90, 135, 180], [22.5, 45, 45, 45, 22.5]),  # the repeated view shares the part of the first
        ([0, 90, 180, 270], [45, 45, 45, 45]),  # a full turn: every direction twice
        ([0, 10, 100], [45, 50, 85]),  # cells from -40 to 5, 5 to 55, 55 to 140
        ([100, 0, 10], [85, 45, 50]),
        ([-170, 370, 100], [45, 45, 90]),  # one direction seen twice, and the one across
        ([0, 180, 179.999, 90], [30, 30, 30, 90]),  # one direction, on both sides of where counting begins again
        ([7.0], [180]),
        ([30, 30, 30], [60, 60, 60]),
    ],
)
def test_angular_weights_by_hand(angles: list[float], degrees: list[float]) -> None:
    np.testing.assert_allclose(np.rad2deg(angular_weights(angles)), degrees, atol=1e-12)


def test_angular_weights_sum_to_half_a_turn_in_any_order() -> None:
    random = np.random.default_rng(0)
    for number in (1, 2, 5, 100):
        angles = random.uniform(-500, 500, number)
        weights = angular_weights(angles)
        assert weights.sum() == pytest.approx(np.pi)
        assert (weights > 0).all()
        order = random.permutation(number)
        np.testing.assert_allclose(angular_weights(angles[order]), weights[order], rtol=1e-12)


def test_rounded_angles_of_a_repeated_view_are_one_direction() -> None:
    """Encoders never repeat to the last digit; both ends of half a turn are still one direction."""
    angles = np.append(np.arange(1800) * 0.1, 179.9997)
    weights = np.rad2deg(angular_weights(angles))
    np.testing.assert_allclose(weights[[0, -1]], 0.05, rtol=0.01)
    np.testing.assert_allclose(weights[1:-1], 0.1, rtol=0.01)


def test_missing_directions_are_reported() -> None:
    assert coverage_warning(np.arange(180)) is None
    assert coverage_warning(np.arange(361)) is None
    assert coverage_warning(np.arange(10) * 18.0) is None
    message = coverage_warning(np.arange(-60, 61))
    assert message is not None
    assert "between 60 to 120 degrees" in message
    assert "same direction" in (coverage_warning([5, 185]) or "")


@pytest.mark.parametrize("angles", [[], [0, np.nan], [np.inf]])
def test_useless_angles_are_refused(angles: list[float]) -> None:
    with pytest.raises(ValueError, match="angles"):
        angular_weights(angles)


def test_circle_goes_through_pixel_centres() -> None:
    assert inside_circle(4, 1.0).sum() == 12  # all but the four corners
    assert inside_circle(3, 0.3).sum() == 1
    with pytest.raises(ValueError, match="positive"):
        inside_circle(4, 0.0)


def test_compilation_works_where_nothing_can_be_kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A folder that nobody can write to: compiled anew in each process, but compiled."""
    numba = pytest.importorskip("numba", reason="compiled loops need numba")
    (tmp_path / "file").touch()
    folder = str(tmp_path / "file" / "folder")
    monkeypatch.setattr(
        kernels, "_numba", lambda: SimpleNamespace(njit=numba.njit, config=SimpleNamespace(CACHE_DIR=folder))
    )
    assert kernels.compiled(lambda: 5)() == 5
    assert (tmp_path / "file").is_file()


def test_thread_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NUMBA_NUM_THREADS", "3")
    assert thread_count() == 3
    assert thread_count(1) == 1
    monkeypatch.setenv("NUMBA_NUM_THREADS", "")
    assert thread_count() >= 1
    with pytest.raises(ValueError, match="at least one thread"):
        thread_count(0)
