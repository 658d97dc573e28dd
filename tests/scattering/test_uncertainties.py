"""Standard uncertainties through the corrections: against repeated noise, and fused against step by step."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose
from numpy.typing import NDArray

from tomosaxs import ArrayReader, Axis, Dataset, Source
from tomosaxs.testing import example_source, run_plugin
from tomosaxs_plugins.scattering.expressions import spread

DRAWS = 4000


def frames(counts: NDArray[Any], sigma: NDArray[Any] | None = None) -> Source:
    """Return frames with the example's geometry."""
    example = example_source("DiffractionPatterns")
    axes = (Axis("x", len(counts)), *(Axis(f"detector_{a}", n) for a, n in zip("yx", counts.shape[1:], strict=True)))
    dataset = replace(example.dataset, axes=axes, dtype=counts.dtype, auxiliaries={})
    return Source(dataset, ArrayReader(counts), uncertainty=None if sigma is None else ArrayReader(sigma))


STEPS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("dead_time", {"dead_time": 1e-4, "count_time": 1.0}),
    ("dark_current", {"rate": 3.0, "count_time": 1.0}),
    ("frame_time", {"count_time": 1.0}),
    ("flux_and_transmission", {"incident": 1e3, "transmission": 0.3}),
    ("self_absorption", {"transmission": 0.3}),
    ("angular_efficiency", {"attenuation": 2960.0, "thickness": 450e-6}),
    ("solid_angle", {}),
    ("polarisation", {"horizontal": 0.95}),
    ("thickness", {"thickness": 1e-3}),
)
FUSED = {
    "dead_time": 1e-4, "dark_rate": 3.0, "count_time": 1.0, "incident": 1e3, "transmission": 0.3, "thickness": 1e-3,
    "sensor_attenuation": 2960.0, "sensor_thickness": 450e-6, "solid_angle": True, "horizontal": 0.95,
}  # fmt: skip


def through_steps(source: Source) -> Source:
    """Apply the chain; uncertainties go along where the source has them."""
    for name, parameters in STEPS:
        made = run_plugin(name, source, parameters)
        assert isinstance(made, list)
        sigma = ArrayReader(made[1]) if len(made) > 1 else None
        source = Source(replace(source.dataset, dtype=made[0].dtype), ArrayReader(made[0]), uncertainty=sigma)
    return source


def test_chain_against_repeated_noise() -> None:
    """The spread of many noisy frames after the whole chain is what was propagated from one."""
    mean = np.full((12, 16), 400.0)
    draws = np.random.default_rng(5).poisson(mean, (DRAWS, 12, 16)).astype(np.float64)
    corrected = through_steps(frames(draws)).reader
    assert isinstance(corrected, ArrayReader)
    first = run_plugin("poisson_uncertainty", frames(mean[None]))
    assert isinstance(first, list)
    one = through_steps(frames(first[0], first[1])).uncertainty
    assert isinstance(one, ArrayReader)
    ratio = corrected.array.std(axis=0, ddof=1) / one.array[0]
    # of 192 pixels, each known to 1 / sqrt(2 draws) = 1.1 %
    assert abs(ratio.mean() - 1) < 0.005
    assert np.all(np.abs(ratio - 1) < 0.06)


@pytest.mark.parametrize("dtype", [np.int32, np.float32, np.float64])
def test_fused_is_the_same(dtype: Any) -> None:
    counts = np.random.default_rng(1).poisson(300, (3, 12, 16)).astype(dtype)
    counts[1, :4] = 2000  # too much for the series of the dead time
    sigma = np.sqrt(counts + 1.0).astype(np.float64 if dtype is np.float64 else np.float32)
    source = frames(counts, sigma)
    values, spreads = run_plugin("frame_corrections", source, FUSED)
    steps = through_steps(source)
    assert isinstance(steps.reader, ArrayReader)
    assert isinstance(steps.uncertainty, ArrayReader)
    rtol = 3e-6 if spreads.dtype == np.float32 else 1e-7
    assert_allclose(values, steps.reader.array, rtol=rtol)
    assert_allclose(spreads, steps.uncertainty.array, rtol=rtol)
    assert spreads.dtype == values.dtype


def test_poisson_and_cameras() -> None:
    counts = np.array([[[4, 9, -1, np.iinfo(np.int32).max, 0]]], dtype=np.int32)
    values, sigma = run_plugin("poisson_uncertainty", frames(counts))
    assert_allclose(values[0, 0], [4, 9, np.nan, np.nan, 0])
    assert_allclose(sigma[0, 0], [2, 3, np.nan, np.nan, 0])
    camera = {"gain": 2.5, "offset": 100.0, "readout_noise": 3.0}
    _, sigma = run_plugin("poisson_uncertainty", frames(np.array([[[120.0, 90.0]]])), camera)
    assert_allclose(sigma[0, 0], [np.sqrt(2.5 * 20 + 9), 3.0])


def test_backgrounds_add_their_part() -> None:
    first = frames(np.full((2, 3, 4), 10.0), np.full((2, 3, 4), 3.0))
    second = frames(np.full((2, 3, 4), 6.0), np.full((2, 3, 4), 4.0))
    values, sigma = run_plugin("background_subtraction", [first, second], {"scale": 0.5})
    assert_allclose(values, 7.0)
    assert_allclose(sigma, np.hypot(3.0, 2.0))
    _, sigma = run_plugin("displaced_volume", [first, second], {"fraction": 0.25})
    assert_allclose(sigma, np.hypot(3.0, 3.0))
    alone = frames(np.full((2, 3, 4), 10.0))
    _, sigma = run_plugin("background_subtraction", [alone, second], {"scale": 0.5})
    assert_allclose(sigma, 2.0)


def test_expressions() -> None:
    """Linear: exact. Others: the derivative times the uncertainty."""
    source = frames(np.full((2, 3, 4), 10.0), np.full((2, 3, 4), 0.01))
    _, sigma = run_plugin("calculate", source, {"expression": "3 - 2 * data"})
    assert_allclose(sigma, 0.02)
    _, sigma = run_plugin("calculate", source, {"expression": "log(data)"})
    assert_allclose(sigma, 1e-3, rtol=1e-5)
    both = [source, frames(np.full((2, 3, 4), 4.0), np.full((2, 3, 4), 0.02))]
    _, sigma = run_plugin("calculate", both, {"expression": "data * input1"})
    assert_allclose(sigma, np.hypot(4 * 0.01, 10 * 0.02), rtol=1e-6)
    # a value that stands twice is one value, under whichever name
    assert_allclose(spread("a - a", {"a": np.ones(3)}, [(["a"], np.ones(3))]), 0.0)
    _, sigma = run_plugin("calculate", both, {"expression": "data - input0 + input1"})
    assert_allclose(sigma, 0.02, rtol=1e-6)


def test_by_a_monitor() -> None:
    axes = (Axis("x", 3),)
    from tomosaxs import Auxiliary

    monitor = {"monitor": Auxiliary(("x",), ArrayReader(np.array([2.0, 4.0, 0.0])))}
    data = Source(Dataset(axes, np.dtype("f8"), auxiliaries=monitor), ArrayReader(np.ones(3)),
                  uncertainty=ArrayReader(np.full(3, 0.1)))  # fmt: skip
    _, sigma = run_plugin("normalise_by_monitor", data)
    assert_allclose(sigma, [0.05, 0.025, np.nan])
