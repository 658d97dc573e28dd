"""Transforms of eight series side by side against SciPy's in double precision."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("numba")

import scipy.fft

from tomosaxs_plugins.reconstruction.transforms import circle, good_length, transform, transform_of


def transformed(values: Any, half: bool = False) -> Any:
    """Return the transforms of eight complex series, shape (n, 8)."""
    length = len(values)
    pairs = np.stack([values.real, values.imag], axis=1).astype(np.float32).ravel()
    before, work = pairs.copy(), np.full(32 * length, np.nan, dtype=np.float32)
    begin = transform(pairs, 0, work, transform_of(length), half)
    np.testing.assert_array_equal(pairs, before)  # the series themselves are not touched
    found = work[begin : begin + 16 * length].reshape(length, 2, 8)
    return found[:, 0] + 1j * found[:, 1]


def series(length: int) -> Any:
    """Return eight complex series of white noise, in single precision."""
    generator = np.random.default_rng(length)
    return (generator.normal(size=(length, 8)) + 1j * generator.normal(size=(length, 8))).astype(np.complex64)


@pytest.mark.parametrize("length", [1, 2, 3, 4, 5, 6, 8, 9, 16, 25, 30, 60, 128, 180, 640, 1280, 1296, 1500])
def test_transform_is_that_of_scipy(length: int) -> None:
    """Rounding of single precision grows with the logarithm of the length only."""
    values = series(length)
    expected = scipy.fft.fft(values.astype(np.complex128), axis=0)
    error = np.abs(transformed(values) - expected).max() / np.sqrt(length)
    assert error < 1e-6 * (1 + np.log2(length))


@pytest.mark.parametrize("length", [8, 20, 60, 640])
def test_second_half_that_is_zero(length: int) -> None:
    values = series(length)
    filled = values.copy()
    values[length // 2 :] = 0
    filled[length // 2 :] = np.nan  # not looked at
    np.testing.assert_array_equal(transformed(filled, half=True), transformed(values, half=True))
    np.testing.assert_allclose(transformed(values, half=True), scipy.fft.fft(values, axis=0), atol=2e-5)


def test_lanes_never_mix() -> None:
    values = series(60)
    alone = transformed(values)
    values[:, 3] = np.nan
    values[:, 5] *= 1e20
    keep = [0, 1, 2, 4, 6, 7]
    np.testing.assert_array_equal(transformed(values)[:, keep], alone[:, keep])


def test_lengths_that_are_quick() -> None:
    assert good_length(1281, 16) == 1296
    assert good_length(1280, 8) == 1280
    assert good_length(1, 16) == 16
    assert good_length(17, 1) == 18
    for least in range(1, 300):
        length = good_length(least, 8)
        assert length >= least
        assert length % 8 == 0
        assert int(np.prod(transform_of(length).factors)) == length
    with pytest.raises(ValueError, match="14 has a prime factor above 5"):
        transform_of(14)


def test_circle() -> None:
    np.testing.assert_allclose(circle(2), [1, 0, 0, 1, -1, 0], atol=1e-7)
