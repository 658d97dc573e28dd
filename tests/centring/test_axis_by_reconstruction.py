"""Rotation axis by the quality of slices, many candidates at once."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from tomosaxs import ArrayReader, Axis, Dataset, Estimate, InputError, Source, Stop
from tomosaxs.testing import run_plugin
from tomosaxs.testing.phantoms import Ellipsoid, Phantom
from tomosaxs_plugins.centring.sharpness import candidate_slices, peak, score_slices

Floats = NDArray[np.float64]

COLUMNS = 160
HALF = np.linspace(0.0, 180.0, 240, endpoint=False)
FULL = np.linspace(0.0, 360.0, 480, endpoint=False)


def sample(radius: float) -> Phantom:
    """Return an ellipse with 15 smaller ones inside."""
    rng = np.random.default_rng(3)
    bodies = [Ellipsoid((0, 0, 0), (0.97 * radius, 0.85 * radius, 1e4), 17.0, 0.01)]
    for _ in range(15):
        r, turn = 0.75 * radius * np.sqrt(rng.random()), 2 * np.pi * rng.random()
        a, b = radius * rng.uniform(0.03, 0.15, 2)
        value = float(rng.uniform(-0.006, 0.01))
        bodies.append(Ellipsoid((r * np.cos(turn), r * np.sin(turn), 0), (a, b, 1e4), 180 * rng.random(), value))
    return Phantom(bodies)


def source(angles: Floats, axis: float, radius: float, noise: float, first: int = 0) -> Source:
    data = sample(radius).projections(angles, 1, COLUMNS, axis, subsample=2)
    data += noise * data.max() * np.random.default_rng(1).standard_normal(data.shape)
    axes = (
        Axis("rotation_angle", len(angles), angles, "deg"),
        Axis("detector_y", 1),
        Axis("detector_x", COLUMNS).select(slice(first, None)),
    )
    return Source(Dataset(axes, np.dtype(np.float32)), ArrayReader(data[:, :, first:].astype(np.float32)))


def found(data: Source, **parameters: object) -> Estimate:
    estimate = run_plugin("find_axis_by_reconstruction", data, parameters)
    assert isinstance(estimate, Estimate)
    return estimate


@pytest.mark.parametrize(
    ("angles", "axis", "radius"),
    [(HALF, 77.3, 72.0), (HALF, 88.6, 60.0), (FULL, 75.45, 72.0)],
    ids=["half", "half aside", "full"],
)
@pytest.mark.parametrize(("noise", "tolerance"), [(0.0, 0.25), (0.01, 0.5)])
def test_axis_of_ordinary_scans(angles: Floats, axis: float, radius: float, noise: float, tolerance: float) -> None:
    estimate = found(source(angles, axis, radius, noise))
    assert estimate.value == pytest.approx(axis, abs=tolerance)
    assert estimate.confidence > 0.5
    assert len(estimate.details["candidates"]) == 40
    assert np.diff(estimate.details["candidates"]) == pytest.approx(1.0)
    assert np.diff(estimate.details["fine_candidates"]) == pytest.approx(0.25)
    assert estimate.pictures["candidate_axes"].ndim >= 2


@pytest.mark.parametrize("angles", [HALF, FULL], ids=["half", "full"])
def test_sample_wider_than_the_field(angles: Floats) -> None:
    assert found(source(angles, 77.3, 120.0, 0.005)).value == pytest.approx(77.3, abs=1.0)


def test_extended_field_near_a_guess() -> None:
    """A third of the width on the short side; the disc that all projections see is compared."""
    assert found(source(FULL, 50.2, 104.0, 0.01), guess=54.0).value == pytest.approx(50.2, abs=0.25)


def test_standard_deviation_and_edges() -> None:
    """Both of a full turn; edges also of half a turn."""
    for metric in ("std", "edges"):
        assert found(source(FULL, 75.45, 72.0, 0.01), metric=metric).value == pytest.approx(75.45, abs=0.25)
    assert found(source(HALF, 77.3, 72.0, 0.01), metric="edges").value == pytest.approx(77.3, abs=0.5)


def test_value_is_on_the_full_detector() -> None:
    assert found(source(HALF, 77.3, 60.0, 0.0, first=9), guess=80.0).value == pytest.approx(77.3, abs=0.25)


def test_guess_too_far_stops_with_a_picture() -> None:
    with pytest.raises(Stop, match="is the first or the last one"):
        found(source(FULL, 75.45, 72.0, 0.0), guess=60.0, candidates=8)
    with pytest.raises(InputError, match="guess 400 lies outside the columns 0 to 159"):
        found(source(FULL, 75.45, 72.0, 0.0), guess=400.0)


def test_slices_of_candidates_share_one_geometry() -> None:
    """Moving the data or the candidate by the same distance gives the same slice."""
    made = sample(50.0).projections(HALF, 1, COLUMNS, 70.0)[:, 0].astype(np.float32)
    moved = sample(50.0).projections(HALF, 1, COLUMNS, 73.0)[:, 0].astype(np.float32)
    one = candidate_slices(made, HALF, np.array([69.0, 70.0]), 80)
    other = candidate_slices(moved, HALF, np.array([72.0, 73.0]), 80)
    np.testing.assert_allclose(one, other, atol=2e-5)
    scores = score_slices(one)
    assert all(len(values) == 2 for values in scores.values())


def test_peak_of_a_parabola() -> None:
    places = np.arange(10.0, 20.0, 0.5)
    for reach in (1, 3):
        assert peak(places, -((places - 14.3) ** 2), reach) == pytest.approx(14.3)
    assert np.isnan(peak(places, places))
