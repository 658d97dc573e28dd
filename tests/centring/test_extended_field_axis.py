"""Rotation axis of full turns whose axis lies away from the middle of the detector: half acquisition."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from tomosaxs_plugins.centring.consensus import STOP, AxisEstimate, combine
from tomosaxs_plugins.centring.row import row_estimate

Floats = NDArray[np.float64]

COLUMNS = 160
UNCLOSED = np.linspace(0.0, 360.0, 360, endpoint=False)
CLOSED = np.linspace(-180.0, 180.0, 361)
ODD = np.linspace(0.0, 360.0, 361, endpoint=False)  # no view is exactly opposite to another


def ellipses(angles: Floats, axis: float, seed: int, radius: float, columns: int = COLUMNS) -> Floats:
    """Return exact line integrals of a large ellipse and 25 small ones, averaged over each pixel; maximum 1."""
    rng = np.random.default_rng(seed)
    shapes = [(0.0, 0.0, 0.97 * radius, 0.85 * radius, 0.3, 1.0)]
    for _ in range(25):
        r, phase = 0.8 * radius * np.sqrt(rng.random()), 2 * np.pi * rng.random()
        half = radius * rng.uniform(0.02, 0.15, 2)
        shapes.append(
            (r * np.cos(phase), r * np.sin(phase), half[0], half[1], np.pi * rng.random(), rng.uniform(-0.6, 1))
        )
    theta, column = np.deg2rad(angles)[:, None], np.arange(columns)[None, :]
    result = np.zeros((angles.size, columns))
    for x, y, a, b, turn, density in shapes:
        width = np.hypot(a * np.cos(theta - turn), b * np.sin(theta - turn))
        for sub in (-0.375, -0.125, 0.125, 0.375):
            inside = 1.0 - ((column + sub - axis - x * np.cos(theta) - y * np.sin(theta)) / width) ** 2
            result += density * 2 * a * b / width * np.sqrt(np.maximum(inside, 0.0)) / 4
    return np.asarray(result / result.max())


def scan(angles: Floats, axis: float, rows: int = 3, noise: float = 0.02, wide: float = 0.97) -> list[Floats]:
    """Return sinograms of different rows; the sample reaches `wide` times as far as the farther edge."""
    radius = wide * max(axis, COLUMNS - 1 - axis)
    return [
        ellipses(angles, axis, seed, radius)
        + noise * np.random.default_rng(seed).standard_normal((angles.size, COLUMNS))
        for seed in range(rows)
    ]


def found_in(rows: list[Floats], angles: Floats, method: str = "auto") -> AxisEstimate:
    return combine([row_estimate(s, angles, float(i), method=method) for i, s in enumerate(rows)], method=method)


@pytest.mark.parametrize("angles", [UNCLOSED, CLOSED, ODD], ids=["unclosed", "closed", "odd"])
@pytest.mark.parametrize("axis", [14.3, 55.6, 147.8])
def test_default_method_finds_the_axis_on_either_side(angles: Floats, axis: float) -> None:
    """2 % noise of the largest value, an overlap of 9 to 70 % of the width."""
    found = found_in(scan(angles, axis), angles)
    assert found.axis == pytest.approx(axis, abs=0.1)
    assert found.confidence >= 0.9
    assert found.uncertainty < 0.1
    assert found.extended
    side = "first" if axis < 80 else "last"
    assert any(
        m.startswith(f"extended field: a full turn with the axis near the {side} column") for m in found.messages
    )


@pytest.mark.parametrize("wide", [0.6, 1.6])
def test_axis_in_the_middle_is_no_extended_field(wide: float) -> None:
    """Full turns of ordinary scans; the wider sample leaves the field on both sides."""
    found = found_in(scan(UNCLOSED, 77.3, wide=wide), UNCLOSED)
    assert found.axis == pytest.approx(77.3, abs=0.1)
    assert found.confidence >= STOP
    assert not found.extended
    assert not any("extended" in m for m in found.messages)


def test_a_sample_inside_the_field_about_an_axis_aside_is_no_extended_field() -> None:
    rows = scan(UNCLOSED, 55.3, wide=0.45)
    found = found_in(rows, UNCLOSED)
    assert found.axis == pytest.approx(55.3, abs=0.05)
    assert found.confidence >= 0.9
    assert not found.extended


def test_mirror_image_has_the_mirrored_axis() -> None:
    rows = scan(ODD, 31.4)
    one, other = found_in(rows, ODD).axis, found_in([r[:, ::-1] for r in rows], ODD).axis
    assert one + other == pytest.approx(COLUMNS - 1, abs=1e-3)


def test_rings_and_a_drifting_pedestal_do_not_hide_the_axis() -> None:
    rng = np.random.default_rng(0)
    rows = [
        s + 0.03 * rng.standard_normal((1, COLUMNS)) + 0.1 * rng.standard_normal((360, 1)) for s in scan(UNCLOSED, 31.4)
    ]
    found = found_in(rows, UNCLOSED)
    assert found.axis == pytest.approx(31.4, abs=0.1)
    assert found.confidence >= STOP


def test_empty_rows_have_no_vote_and_noise_is_no_extended_field() -> None:
    noise = [0.03 * np.random.default_rng(i).standard_normal((360, COLUMNS)) for i in range(4)]
    found = found_in([*noise[:2], *scan(UNCLOSED, 31.4, rows=2), *noise[2:]], UNCLOSED)
    assert found.axis == pytest.approx(31.4, abs=0.1)
    assert found.confidence >= STOP
    nothing = found_in(noise, UNCLOSED)
    assert nothing.confidence < STOP
    assert not nothing.extended


def test_half_a_turn_is_searched_in_the_middle_only() -> None:
    """Nothing but a full turn can have its axis near an edge."""
    angles = np.linspace(0.0, 180.0, 181)
    assert not np.isfinite(row_estimate(scan(angles, 31.4, rows=1)[0], angles).overlap.axis)


def test_overlap_method_and_its_limits() -> None:
    rows = scan(UNCLOSED, 31.4, rows=1)
    assert found_in(rows, UNCLOSED, "overlap").axis == pytest.approx(31.4, abs=0.1)
    limited = row_estimate(rows[0], UNCLOSED, method="overlap", search=(100.0, 150.0))
    assert not limited.overlap.evidence > 4.0


@pytest.mark.parametrize("axis", [40.3])
def test_beside_other_software(axis: float) -> None:
    """N. T. Vo's search of algotom compares the overlap in steps; nabu's correlates one pair of projections."""
    calculation = pytest.importorskip("algotom.prep.calculation", reason="algotom is not installed")
    cor = pytest.importorskip("nabu.estimation.cor", reason="nabu is not installed")
    rows = scan(CLOSED, axis, rows=3, noise=0.01)
    ours = found_in(rows, CLOSED).axis
    assert ours == pytest.approx(axis, abs=0.05)
    theirs = calculation.find_center_360(rows[0].astype(np.float32)[::2], 50)[0]
    assert ours == pytest.approx(theirs, abs=0.3)  # it is as good as 0.1 px here; its own step is 1 px with a parabola
    first, opposite = (np.repeat(np.stack([r[k] for r in rows]), 8, axis=0) for k in (0, 180))
    side = "left" if axis < 80 else "right"
    nabu = cor.CenterOfRotationSlidingWindow().find_shift(
        first, np.fliplr(opposite), side=side, return_relative_to_middle=False
    )
    assert ours == pytest.approx(nabu, abs=1.0)  # one pair: half a pixel off on other phantoms of this kind
