"""Iterative methods: costs that never rise, agreement with another toolbox and with the truth, what may be asked."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("numba")

sys.path.insert(0, str(Path(__file__).parent))
from analytic import Shape, SoftDisc, picture, sinogram, smooth_phantom

from tomosaxs import InputError, Scan
from tomosaxs.report.details import curves_of
from tomosaxs_plugins.reconstruction.backends import load
from tomosaxs_plugins.reconstruction.iteration import History
from tomosaxs_plugins.reconstruction.iteration_options import OPTIONS, refuse_options
from tomosaxs_plugins.reconstruction.iterative_slices import reconstruct_by_iteration
from tomosaxs_plugins.reconstruction.reconstruct import reconstruct
from tomosaxs_plugins.reconstruction.total_variation import nearest_smooth, total_variation

WIDTH, CENTRE = 48, 23.3
ANGLES = np.arange(60) * 3.0


def solve(method: str, data: Any, angles: Any = ANGLES, centre: float = CENTRE, **more: Any) -> tuple[Any, History]:
    """Reconstruct one slice and return it with its history."""
    found: list[History] = []
    slices = np.asarray(data, dtype=np.float32)[np.newaxis]
    width = slices.shape[2]
    volume = reconstruct_by_iteration(
        slices, angles, np.array([centre]), method=method, size=width, threads=1, histories=found, **more
    )
    return volume[0], found[0]


def error(slice_: Any, truth: Any) -> float:
    """Return the root mean square error inside a circle, in units of the mean of the truth there."""
    place = np.arange(len(truth)) - 0.5 * (len(truth) - 1)
    inside = np.hypot(place[:, np.newaxis], place) <= 0.45 * len(truth)
    return float(np.sqrt(np.mean((slice_ - truth)[inside] ** 2)) / truth[inside].mean())


def noisy(width: int, angles: Any, centre: float, level: float = 0.01) -> Any:
    """Return projections of a smooth phantom with white noise."""
    data = sinogram(smooth_phantom(width), angles, width, centre)
    return data + np.random.default_rng(5).normal(scale=level * data.max(), size=data.shape)


@pytest.mark.parametrize(
    ("method", "more"),
    [
        ("sirt", {}),
        ("sirt", {"nonnegative": True}),
        ("sirt", {"initial": "fbp"}),
        ("cgls", {}),
        ("fista_tv", {"regularisation": 0.002}),
        ("fista_tv", {"regularisation": 0.002, "nonnegative": True}),
        ("fista_tv", {"regularisation": 0.0}),
    ],
)
def test_costs_never_rise(method: str, more: dict[str, Any]) -> None:
    """Down to the rounding of float32 sums; and the history ends with the residual of the slice that is returned."""
    slice_, history = solve(method, noisy(WIDTH, ANGLES, CENTRE), iterations=25, **more)
    cost = np.array(history.cost)
    assert len(cost) == 26
    assert (np.diff(cost) <= 1e-7).all()
    assert history.residual[-1] < 0.3 * max(history.residual[0], 0.1)
    if more.get("nonnegative"):
        assert slice_.min() >= 0
    else:
        assert slice_.min() < 0


@pytest.mark.parametrize(("method", "iterations"), [("sirt", 100), ("cgls", 12)])
def test_agrees_with_astra(method: str, iterations: int) -> None:
    """The same equations but for the projector: both are of second order, so that they differ by some 1e-3 to 1e-2.

    Residuals of the same data after as many iterations differ by what the discretisations differ, too.
    """
    astra = load("astra")
    if astra.missing():
        pytest.skip(astra.missing() or "")
    data = sinogram(smooth_phantom(WIDTH), ANGLES, WIDTH, CENTRE).astype(np.float32)
    ours, _ = solve(method, data, iterations=iterations)
    theirs = astra.reconstruct(data[np.newaxis], ANGLES, CENTRE, algorithm=method, iterations=iterations, threads=1)[0]
    truth = picture(smooth_phantom(WIDTH), WIDTH)
    assert error(ours - theirs + truth, truth) < 0.015
    assert error(ours, truth) < 1.2 * error(theirs, truth) < 0.02


def test_total_variation_from_few_noisy_views_beats_filtered_backprojection() -> None:
    """Piecewise constant, 40 views, noise of one per cent: a third of the error, and no streaks below zero."""
    width, centre, angles = 80, 38.6, np.arange(40) * 4.5
    discs: list[Shape] = [
        SoftDisc(0, 0, 32, 1, 0), SoftDisc(7, 4, 8, -0.5, 0), SoftDisc(-12, -7, 5, 0.8, 0), SoftDisc(-4, 14, 3, 1, 0),
    ]  # fmt: skip
    data = sinogram(discs, angles, width, centre)
    data += np.random.default_rng(1).normal(scale=0.01 * data.max(), size=data.shape)
    fine = picture([SoftDisc(d.x * 8, d.y * 8, d.radius * 8, d.value, 0) for d in discs], 8 * width)  # type: ignore[union-attr]
    truth = fine.reshape(width, 8, width, 8).mean(axis=(1, 3))
    filtered = load("tomosaxs").reconstruct(
        data[np.newaxis].astype(np.float32), angles, centre, algorithm="backproject", filter="hann"
    )
    smooth, history = solve("fista_tv", data, angles, centre, iterations=80, nonnegative=True)
    assert error(smooth, truth) < error(filtered[0], truth) / 2
    noise = 0.01 * data.max() / np.sqrt(np.mean(data**2))
    assert history.residual[-1] == pytest.approx(noise, rel=0.25)  # what is left over is the noise
    assert (smooth >= 0).all()


def test_iterations_end_where_they_gain_little() -> None:
    data = noisy(WIDTH, ANGLES, CENTRE)
    for method, tolerance in (("sirt", 0.02), ("cgls", 0.05), ("fista_tv", 0.01)):
        _, history = solve(method, data, iterations=100, tolerance=tolerance)
        cost = np.array(history.cost)
        fall = 1 - cost[1:] / cost[:-1]
        assert 3 < len(cost) < 100
        assert fall[-1] < tolerance
        if method != "fista_tv":  # which goes on after steps that it took back
            assert (fall[:-1] >= tolerance).all()


def test_begun_with_the_filtered_backprojection_sirt_is_far_ahead() -> None:
    data = sinogram(smooth_phantom(WIDTH), ANGLES, WIDTH, CENTRE)
    _, cold = solve("sirt", data, iterations=5)
    _, warm = solve("sirt", data, iterations=5, initial="fbp", padding="edge")
    assert warm.residual[-1] < cold.residual[-1] / 5


@pytest.mark.parametrize("across", [False, True])
def test_the_nearest_smooth_image_keeps_its_mean_and_has_a_known_step(across: bool) -> None:
    """A stripe of height 1 and width w between wide borders comes down by 2 weights / w, its surroundings rise."""
    image = np.zeros((12, 60), dtype=np.float32)
    image[:, 20:40] = 1.0
    image = np.ascontiguousarray(image.T) if across else image
    result, dual = np.empty_like(image), np.zeros((2, *image.shape), dtype=np.float32)
    nearest_smooth(image, 1.0, False, 2000, dual, result)
    expected = np.where(image > 0, 1 - 2 / 20, 1 / 20)
    np.testing.assert_allclose(result, expected, atol=2e-3)
    assert total_variation(image) == 24.0


def test_a_slice_of_nothing_stays_nothing() -> None:
    for method in ("sirt", "cgls", "fista_tv"):
        slice_, _ = solve(method, np.zeros((60, WIDTH)), iterations=4)
        assert not slice_.any()


def test_an_algorithm_that_nobody_has_is_told_with_those_that_there_are() -> None:
    data = np.zeros((1, len(ANGLES), WIDTH), dtype=np.float32)
    with pytest.raises(InputError, match=r"the algorithm 'griding'; they have .*backproject, .*gridding, .*sirt"):
        reconstruct(data, Scan.of_angles(ANGLES, rows=1, columns=WIDTH), centre=CENTRE, algorithm="griding")


def test_every_row_may_have_an_axis_of_its_own() -> None:
    """A tilted axis: the same slices as those of rows reconstructed one by one with their own axis, bit for bit."""
    axes = np.array([22.4, 23.3, 24.2])
    data = np.stack([sinogram(smooth_phantom(WIDTH), ANGLES, WIDTH, axis) for axis in axes]).astype(np.float32)
    scan = Scan.of_angles(ANGLES, rows=3, columns=WIDTH)
    tilt = float(np.degrees(np.arctan(0.9)))
    for algorithm, more in (("backproject", {}), ("sirt", {"iterations": 3})):
        apart = [
            load("tomosaxs").reconstruct(data[n : n + 1], ANGLES, float(axes[n]), algorithm=algorithm, **more)[0]
            for n in range(3)
        ]
        together = load("tomosaxs").reconstruct(data, ANGLES, axes, algorithm=algorithm, **more)
        assert np.array_equal(np.stack(apart), together)
    with pytest.raises(InputError, match="within -1 to 1"):
        reconstruct(data, scan, centre=23.3, tilt=tilt)
    small = float(np.degrees(np.arctan(0.01)))
    leaning = reconstruct(data, scan, centre=23.3, tilt=small, backend="tomosaxs", algorithm="backproject")
    by_hand = load("tomosaxs").reconstruct(
        data, ANGLES, 23.3 + 0.01 * np.array([-1.0, 0, 1]), algorithm="backproject", padding="edge"
    )
    np.testing.assert_allclose(leaning, by_hand, atol=1e-5)
    with pytest.raises(ValueError, match="one rotation axis for all"):
        load("astra").reconstruct(data, ANGLES, axes)


def test_the_course_is_told() -> None:
    data = np.stack([noisy(WIDTH, ANGLES, CENTRE)] * 3).astype(np.float32)
    scan = Scan.of_angles(ANGLES, rows=3, columns=WIDTH)
    reconstruct(data, scan, centre=CENTRE, backend="tomosaxs", algorithm="cgls", iterations=4)
    assert scan.remarks["cgls: {count} slices took 4 iterations"] == 3
    assert sum(count for text, count in scan.remarks.items() if "residual" in text) == 3
    curve = scan.kept["residual_of_middle_slice"]
    assert curve.shape == (5,)
    assert curve[0] == 1.0
    assert (np.diff(curve) < 0).all()


def test_the_report_draws_the_residual() -> None:
    """Series that a step kept are drawn, masks are not; the numbers of their ends are told."""
    kept = {"residual_of_middle_slice": np.array([1.0, 0.3, 0.05]), "mask": np.zeros((3, 3), dtype=bool)}
    [(chart, caption)] = curves_of(kept)
    assert chart.count("<svg") == 1
    assert caption == "residual of middle slice: 1 at first, 0.05 in the end"


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"algorithm": "cgls", "nonnegative": True}, "cgls cannot keep"),
        ({"algorithm": "sirt", "regularisation": 0.1}, "sirt has no regularisation"),
        ({"algorithm": "fista_tv", "regularisation": -0.1}, "must not be negative"),
        ({"algorithm": "sirt", "tolerance": 1.0}, "share of the cost"),
        ({"algorithm": "sirt", "initial": "ones"}, "there are zero, fbp"),
        ({"algorithm": "backproject", "nonnegative": True}, "has no nonnegative"),
    ],
)
def test_what_a_method_does_not_have_is_refused(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        load("tomosaxs").reconstruct(np.zeros((1, 4, 8), np.float32), [0, 45, 90, 135], 3.5, **wrong)


def test_a_filter_that_nothing_uses_is_refused() -> None:
    """Before anything runs; iterations that begin with filtered slices have a use for it."""
    given = dict(OPTIONS, filter="hann", tilt=0.0)
    with pytest.raises(InputError, match="sirt filters nothing"):
        refuse_options("tomosaxs", "sirt", given)
    refuse_options("tomosaxs", "sirt", {**given, "initial": "fbp"})
    refuse_options("tomosaxs", "gridding", given)
