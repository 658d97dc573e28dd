"""Memory is used again only when nothing can see it any more."""

from __future__ import annotations

import numpy as np
import pytest

import tomosaxs.memory as rooms
from tomosaxs import empty_block as room


@pytest.fixture(autouse=True)
def _nothing_kept(monkeypatch):
    monkeypatch.setattr(rooms, "_LEAST", 1000)
    monkeypatch.setattr(rooms, "_MOST", 10_000)
    monkeypatch.setattr(rooms, "_kept", [])


def place(array):
    return array.__array_interface__["data"][0]


def test_memory_is_used_again_when_the_array_is_gone():
    first = room((10, 100), "u2")
    where = place(first)
    del first
    second = room((9, 25), "f8")
    assert place(second) == where
    assert second.shape == (9, 25)
    assert second.dtype == np.float64


@pytest.mark.parametrize("view", [lambda a: a[3:4], lambda a: a.T, lambda a: memoryview(a), lambda a: a.ravel()[::7]])
def test_any_view_holds_it(view):
    first = room((10, 100), "u2")
    first[...] = 7
    held = view(first)
    where = place(first)
    del first
    second = room((10, 100), "u2")
    second[...] = 9
    assert place(second) != where
    assert (np.asarray(held) == 7).all()
    del held
    assert place(room((10, 100), "u2")) == where


def test_little_is_kept():
    arrays = [room((3000,), "u1") for _ in range(5)]
    assert len({place(each) for each in arrays}) == 5
    assert sum(each.size for each in rooms._kept) <= 10_000
    del arrays
    large = room((9000,), "u1")
    assert sum(each.size for each in rooms._kept) <= 10_000
    assert large.size == 9000
    assert room((20_000,), "u1").size == 20_000
    assert len(rooms._kept) == 1
    assert room((100,), "u1").base is None  # too small to matter
