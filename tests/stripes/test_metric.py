"""The ring metric: zero without rings, proportional to them, blind to what is not a ring."""

from __future__ import annotations

import numpy as np
import pytest

from tomosaxs_plugins.stripes.metric import polar, ring_score

Y, X = np.mgrid[:101, :101] - 50.0
RADIUS = np.hypot(X, Y)


def _ring(strength: float) -> np.ndarray:
    return np.asarray(strength * np.exp(-0.5 * ((RADIUS - 30) / 1.2) ** 2), dtype=np.float32)


def test_polar_makes_a_ring_a_column() -> None:
    picture = polar(_ring(1.0))
    assert picture.shape[1] == 51
    assert picture[:, 30].min() > 0.9
    assert picture[:, [20, 40]].max() < 1e-3


def test_it_grows_with_the_rings_and_is_zero_without() -> None:
    assert ring_score(np.full((64, 64), 3.0)) == 0.0
    assert ring_score(_ring(2.0)) == pytest.approx(2 * ring_score(_ring(1.0)), rel=1e-5)
    width = np.sqrt(np.pi) * 1.2  # integral of the squared profile, px
    assert ring_score(_ring(1.0)) == pytest.approx(np.sqrt(width / 47), rel=0.1)


def test_half_a_ring_counts_and_a_grain_does_not() -> None:
    half = _ring(1.0) * (Y > 0)
    assert ring_score(half) == pytest.approx(ring_score(_ring(1.0)) / np.sqrt(2), rel=0.1)
    grain = np.where(np.hypot(X - 20, Y - 10) < 4, 1.0, 0.0)
    assert ring_score(grain) < 0.05 * ring_score(_ring(1.0))


def test_another_centre() -> None:
    moved = np.roll(_ring(1.0), (4, -7), axis=(0, 1))
    assert ring_score(moved, (54.0, 43.0)) > 1.2 * ring_score(moved)


def test_refused() -> None:
    with pytest.raises(ValueError, match="at least 16 px"):
        ring_score(np.zeros((4, 4)))
