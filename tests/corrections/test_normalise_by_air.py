"""Air beside the sample: flicker and slopes of the beam go, perfect data stay."""

from __future__ import annotations

import numpy as np
import pytest

from tomosaxs import ArrayReader, Axis, Dataset, InputError, Source
from tomosaxs.testing import random_phantom, run_plugin

ANGLES = np.linspace(0, 180, 60)
ROWS, COLUMNS = 8, 64


def source(frames, label="transmission"):
    axes = (
        Axis("rotation_angle", len(frames), ANGLES[: len(frames)], "deg"),
        Axis("detector_y", ROWS, None, "px"),
        Axis("detector_x", COLUMNS, None, "px"),
    )
    return Source(Dataset(axes, frames.dtype, label), ArrayReader(frames))


@pytest.fixture(scope="module")
def paths():
    made = random_phantom(48, ROWS, 5, 0.03).projections(ANGLES, ROWS, COLUMNS)
    assert not made[..., :6].any()
    assert not made[..., -6:].any()
    return made


def beam():
    """A beam that flickers by 3 % and leans to and fro by 4 %, another way in each row."""
    rng = np.random.default_rng(2)
    level, slope = (s * rng.standard_normal((len(ANGLES), ROWS, 1)) for s in (0.03, 0.04))
    return 1 + level + slope * (np.arange(COLUMNS) / COLUMNS - 0.4)


def test_perfect_data_stay(paths) -> None:
    perfect = np.exp(-paths).astype(np.float32)
    assert np.array_equal(run_plugin("normalise_by_air", source(perfect), {"left": 6, "right": 6})[0], perfect)
    attenuation = paths.astype(np.float32)
    made = run_plugin("normalise_by_air", source(attenuation, "attenuation"), {"left": 6, "right": 6})[0]
    assert np.array_equal(made, attenuation)


def test_flicker_and_slope_go(paths) -> None:
    true = np.exp(-paths)
    flickering = (true * beam()).astype(np.float32)
    made = run_plugin("normalise_by_air", source(flickering), {"left": 4, "right": 6})[0]
    assert np.abs(flickering - true).max() > 0.05
    assert np.abs(made - true).max() < 1e-6 * 2
    rising = (paths + 10 * (beam() - 1)).astype(np.float32)
    made = run_plugin("normalise_by_air", source(rising, "attenuation"), {"left": 4, "right": 6})[0]
    assert np.abs(made - paths).max() < 5e-6
    one_side = (true * beam()[..., :1]).astype(np.float32)
    made = run_plugin("normalise_by_air", source(one_side), {"left": 0, "right": 6})[0]
    assert np.abs(made - true).max() < 2e-6


def test_counts_become_transmission(paths) -> None:
    counts = (40000 * np.exp(-paths)).astype(np.uint16)
    made = run_plugin("normalise_by_air", source(counts, "counts"), {"left": 6, "right": 6})[0]
    assert np.abs(made - np.exp(-paths)).max() < 1 / 40000 + 1e-6


def test_rows_without_air_stay(paths) -> None:
    frames = np.exp(-paths).astype(np.float32)
    frames[3] *= 0.02  # something stands before the whole frame
    made = run_plugin("normalise_by_air", source(frames), {"left": 6, "right": 6})[0]
    assert np.array_equal(made, frames)


def test_what_cannot_be_is_refused(paths) -> None:
    frames = np.exp(-paths).astype(np.float32)
    with pytest.raises(InputError, match="at least one margin"):
        run_plugin("normalise_by_air", source(frames), {"left": 0, "right": 0})
    with pytest.raises(InputError, match="leave nothing of 64"):
        run_plugin("normalise_by_air", source(frames), {"left": 40, "right": 24})
