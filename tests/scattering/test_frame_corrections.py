"""All corrections in one pass are the same as one after the other."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose
from numpy.typing import NDArray

from tomosaxs import ArrayReader, Auxiliary, Axis, Dataset, InputError, Quantity, Source
from tomosaxs.testing import run_plugin
from tomosaxs_plugins.scattering.kernels.fused import correct_frames, pixel_factors

POINTS, ROWS, COLUMNS = 5, 70, 90  # more pixels than are done at once


def scan(dtype: Any, distance: float = 0.05) -> Source:
    """Return counts with gaps and hot pixels, wide angles, and everything that goes with them."""
    counts = np.random.default_rng(3).poisson(300, (POINTS, ROWS, COLUMNS)).astype(dtype)
    counts[1, :3] = 40_000  # m D = 0.2: too much for the series
    counts[2, 5, 5] = 150_000  # more than any rate gives
    if np.dtype(dtype).kind == "i":
        counts[:, 8, 8], counts[3, 9, 9] = -1, np.iinfo(dtype).max
    else:
        counts[:, 8, 8] = np.nan

    def companion(*values: float) -> Auxiliary:
        return Auxiliary(("x",), ArrayReader(np.array(values)))

    metadata = {
        "distance": Quantity(distance, "m"),
        **{f"pixel_size_{axis}": Quantity(1e-3, "m") for axis in "xy"},
        "beam_center_x": Quantity(41.3, "px"),
        "beam_center_y": Quantity(30.8, "px"),
    }
    companions = {
        "monitor": companion(9e3, 1e4, 1.1e4, 1.2e4, 0.0),
        "transmission": companion(0.9999, 0.01, 0.5, 1.0, 0.7),
        "count_time": companion(1.0, 1.0, 2.0, 0.5, 1.0),
        "depth": companion(1e-3, 2e-3, 1e-3, 1e-3, 1e-3),
    }
    axes = (Axis("x", POINTS), Axis("detector_y", ROWS), Axis("detector_x", COLUMNS))
    return Source(Dataset(axes, counts.dtype, "counts", "counts", companions, metadata), ArrayReader(counts))


def one_by_one(data: Source, flat: Path) -> NDArray[Any]:
    """Apply the steps."""
    for name, parameters in (
        ("dead_time", {"dead_time": 5e-6}),
        ("dark_current", {"rate": 0.3}),
        ("frame_time", {}),
        ("flux_and_transmission", {}),
        ("self_absorption", {}),
        ("flat_field", {"flat": flat}),
        ("angular_efficiency", {"attenuation": 2960.0, "thickness": 450e-6}),
        ("solid_angle", {}),
        ("polarisation", {"horizontal": 0.95}),
        ("thickness", {"thickness": "depth"}),
    ):
        made = run_plugin(name, data, parameters)
        assert isinstance(made, list)
        data = Source(replace(data.dataset, dtype=made[0].dtype), ArrayReader(made[0]))
    return made[0]


@pytest.mark.parametrize("distance", [0.05, 5.0])
@pytest.mark.parametrize("dtype", [np.int32, np.float32, np.float64])
def test_one_pass_is_the_same_as_the_steps(dtype: Any, distance: float, tmp_path: Path) -> None:
    np.save(tmp_path / "flat.npy", 1 + 0.1 * np.random.default_rng(0).random((ROWS, COLUMNS)))
    data = scan(dtype, distance)
    made = run_plugin(
        "frame_corrections",
        data,
        {
            "dead_time": 5e-6, "dark_rate": 0.3, "flat": tmp_path / "flat.npy", "sensor_attenuation": 2960.0,
            "sensor_thickness": 450e-6, "solid_angle": True, "horizontal": 0.95, "thickness": "depth",
        },
        block=2,
    )  # fmt: skip
    assert isinstance(made, list)
    steps = one_by_one(data, tmp_path / "flat.npy")
    assert made[0].dtype == steps.dtype == (np.float64 if dtype is np.float64 else np.float32)
    assert np.array_equal(np.isnan(made[0]), np.isnan(steps))
    assert np.isnan(made[0][4]).all()  # no monitor
    assert np.isnan(made[0][2, 5, 5])
    assert np.isnan(made[0][:, 8, 8]).all()
    assert np.isfinite(made[0][:4]).mean() > 0.99
    # ten roundings of float32 one after the other; in float64 what the series leave
    assert_allclose(made[0], steps, rtol=1e-6 if steps.dtype == np.float32 else 1e-7)


def test_nothing_asked_nothing_done() -> None:
    frames = np.random.default_rng(0).random((2, 3, 4))
    pixels = pixel_factors(np.ones((3, 4)), 0.0, 0.0, np.float64)
    assert np.array_equal(correct_frames(frames, pixels, count_time=1.0, incident=1.0, transmission=0.5), frames / 0.5)


def test_half_a_sensor_is_refused() -> None:
    with pytest.raises(InputError, match="sensor_attenuation and sensor_thickness go together"):
        run_plugin("frame_corrections", scan(np.float32), {"sensor_attenuation": 2960.0})
