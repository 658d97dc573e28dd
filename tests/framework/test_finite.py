"""NaN and infinity are refused where a step makes them, and only there."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tomosaxs import Projections, Scan, StepError, plugin
from tomosaxs.dataset import ArrayReader, Source
from tomosaxs.runner.finite import all_finite
from tomosaxs.testing import example_source, run_plugin


def _spoil(data, scan, value):
    out = np.array(data)
    out[scan.index == 4, 1, 2] = value
    return out


@plugin
def makes_nan(data: Projections, scan: Scan) -> Projections:
    """Spoil one value of projection 4."""
    return _spoil(data, scan, np.nan)


@plugin
def makes_infinity(data: Projections, scan: Scan) -> Projections:
    """Spoil one value of projection 4."""
    return _spoil(data, scan, -np.inf)


@plugin(nan=True)
def means_nan(data: Projections, scan: Scan) -> Projections:
    """Spoil one value of projection 4, on purpose."""
    return _spoil(data, scan, np.nan)


@plugin
def large(data: Projections) -> Projections:
    """Return finite values whose sum is not."""
    return np.full_like(data, 3e38)


@plugin(halo={"rotation_angle": 1})
def spreads(data: Projections) -> Projections:
    """Return differences of neighbouring projections."""
    return data - np.roll(data, 1, axis=0)


@plugin
def spoils_next(data: Projections) -> Projections:
    """Take a NaN to the next projection of the block, without a halo to declare it."""
    return data - np.roll(data, 1, axis=0)


def source(spoiled: int | None = None) -> Source:
    given = example_source("Projections")
    data = np.array(given.reader.read((slice(None),) * 3))
    if spoiled is not None:
        data[spoiled, 0, 0] = np.nan
    return replace(given, reader=ArrayReader(data))


@pytest.mark.parametrize("block", [None, 2, 3])
@pytest.mark.parametrize("target", [makes_nan, makes_infinity])
def test_a_new_one_is_refused_by_name(target, block) -> None:
    for spoiled in (None, 5):  # one that was there already, in the same block, excuses nothing
        with pytest.raises(StepError, match=rf"{target.__name__}.* made 1 value .* in slice 4 of data.*nan=True"):
            run_plugin(target, source(spoiled), block=block)


def test_what_is_declared_or_was_there_goes_on() -> None:
    [made] = run_plugin(means_nan, source())
    assert np.isnan(made).sum() == 1
    [kept] = run_plugin(makes_nan, source(4))
    assert np.isnan(kept[4]).sum() == 2
    [far] = run_plugin(spreads, source(4))
    assert np.flatnonzero(np.isnan(far).any(axis=(1, 2))).tolist() == [4, 5]
    with pytest.raises(StepError, match="1 value that is NaN or infinite in slice 5 of data"):
        run_plugin(spoils_next, source(4))
    [high] = run_plugin(large, source())
    assert np.isfinite(high).all()


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "complex64"])
@pytest.mark.parametrize("threads", ["1", "3"])
def test_one_value_among_many(dtype, threads, monkeypatch) -> None:
    monkeypatch.setenv("NUMBA_NUM_THREADS", threads)
    block = np.zeros((7, 1 << 20), dtype)
    assert all_finite(block)
    for value in (np.nan, np.inf, -np.inf):
        block[6, -1] = value
        assert not all_finite(block)
    block[0, 0] = np.inf
    assert not all_finite(block)  # both infinities
    assert all_finite(np.full(3, 7, np.uint16))
