"""The small vector language of the kernels: the same numbers as NumPy, lane by lane."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("numba")

from numba import njit

from tomosaxs_plugins.reconstruction.vectors import (
    load8,
    load16,
    multiply_add,
    multiply_subtract,
    spread8,
    spread16,
    store,
    take8,
    transpose8,
)


@njit
def _eight(one: Any, other: Any, factor: float) -> None:
    a, b = load8(one, 3), load8(other, 1)
    store(one, 3, multiply_add(a, b, spread8(factor)) - (a + b) * b)


@njit
def _sixteen(one: Any, other: Any, factor: float) -> None:
    total = spread16(0.0)
    for number in range(4):
        total = total + load16(one, 16 * number) * spread16(factor)
    store(other, 5, total)


@njit
def _taken(one: Any, other: Any) -> None:
    store(other, 2, multiply_subtract(take8(one, 5), load8(one, 1), load8(other, 2)))


@njit
def _turned(one: Any, other: Any) -> None:
    transpose8(one, 3, 9, other, 1, 10)


def test_one_value_in_all_lanes() -> None:
    one, other = np.arange(20, dtype=np.float32), np.full(20, 7, dtype=np.float32)
    _taken(one, other)
    np.testing.assert_array_equal(other[2:10], 5 * one[1:9] - 7)
    assert (np.delete(other, range(2, 10)) == 7).all()


def test_rows_become_columns() -> None:
    one, other = np.arange(90, dtype=np.float32), np.full(90, -1, dtype=np.float32)
    _turned(one, other)
    rows = np.array([one[3 + 9 * k : 11 + 9 * k] for k in range(8)])
    columns = np.array([other[1 + 10 * k : 9 + 10 * k] for k in range(8)])
    np.testing.assert_array_equal(columns, rows.T)
    assert (other < 0).sum() == 90 - 64


def test_eight_lanes_from_any_place() -> None:
    generator = np.random.default_rng(1)
    one, other = (generator.normal(size=20).astype(np.float32) for _ in range(2))
    expected = one.copy()
    a, b = one[3:11].astype(float), other[1:9].astype(float)
    expected[3:11] = a * b + 0.25 - (a + b) * b
    _eight(one, other, 0.25)
    np.testing.assert_allclose(one, expected, rtol=0, atol=1e-5)
    np.testing.assert_array_equal(np.delete(one, range(3, 11)), np.delete(expected, range(3, 11)))


def test_sixteen_lanes_summed_in_a_loop() -> None:
    one = np.arange(64, dtype=np.float32)
    other = np.zeros(32, dtype=np.float32)
    _sixteen(one, other, 0.5)
    np.testing.assert_array_equal(other[5:21], 0.5 * one.reshape(4, 16).sum(axis=0))
    assert not other[:5].any()
    assert not other[21:].any()


def test_vectors_of_different_length_are_not_added() -> None:
    def mixed(values: Any) -> None:
        store(values, 0, load8(values, 0) + load16(values, 0))

    with pytest.raises(Exception, match="Vector"):
        njit(mixed)(np.zeros(16, dtype=np.float32))
