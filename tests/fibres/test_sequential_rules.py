"""Rules of the sequential method, each against a slice that it should reject; and data that are missing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("numba", reason="the fibre model is compiled by numba")

from test_sequential import ONCE, fibres, paths_of, simulated, solved

from tomosaxs_plugins.fibres.columns import FLAGS
from tomosaxs_plugins.fibres.sequential import solve_sequential
from tomosaxs_plugins.fibres.sequential_options import SequentialOptions, schedule
from tomosaxs_plugins.fibres.sequential_rules import RULES
from tomosaxs_plugins.fibres.simulate_library import SimulatedLibrary


@pytest.fixture(scope="module")
def two() -> SimulatedLibrary:
    """Two fibres far apart in azimuth, at three rotations."""
    return simulated(paths_of([55.0, 125.0], [80.0, 100.0], np.array([-20.0, 0.0, 20.0])), fibres(2))


def test_a_fibre_below_the_noise_is_too_weak() -> None:
    """A thousandth of its neighbour: it is rejected as weak, and the neighbour is solved."""
    paths = paths_of([55.0, 125.0], [90.0, 90.0], np.array([0.0]))
    case = simulated(paths, fibres(2, amplitude=[1.0, 1e-3]), counts=1e3)
    start = replace(fibres(2), amplitude=np.array([1.0, 1e-3]))
    outcome = solve_sequential(case.library, case.paths, case.bins, start, ONCE, threads=1)
    assert outcome.flags.tolist() == [0, 9]
    assert outcome.reasons[1].startswith("weak:")
    assert outcome.counts["fibres rejected by weak"] == 1
    assert np.isnan(outcome.values.q0[1])
    assert np.isnan(outcome.sd.q0[1])
    assert outcome.values.alpha_deg[1] == 125.0


def test_fibres_on_top_of_each_other_hide_each_other() -> None:
    """Four streaks at one azimuth: no one, two or three of them dominate."""
    case = simulated(paths_of([60.0] * 4, [90.0] * 4, np.array([0.0])), fibres(4))
    outcome = solved(case)
    assert set(outcome.flags) == {9}
    assert all(each.startswith("hidden:") for each in outcome.reasons)


def test_a_fibre_that_is_not_there_shows_no_peak(two: SimulatedLibrary) -> None:
    """Data without what the estimate foretells are rejected before a fit."""
    noise = np.random.default_rng(0).normal(0, 1, two.library.values.shape) * np.median(two.library.sigma)
    outcome = solved(two, values=0.1 * noise, sigma=np.full(noise.shape, np.median(two.library.sigma)))
    assert set(outcome.flags) == {9}
    assert outcome.counts["fits"] == 0
    assert all(each.startswith("data signal:") for each in outcome.reasons)


def test_a_width_at_its_bound_is_rejected() -> None:
    """A streak five times as wide as what is allowed ends at the bound."""
    case = simulated(paths_of([60.0], [90.0], np.array([0.0])), fibres(1, wa=[0.03]), counts=1e5)
    outcome = solved(case)
    assert outcome.flags[0] == 9
    assert outcome.reasons[0].startswith("bound:")
    assert outcome.counts["windows rejected by bound"] >= 1


def test_a_model_that_does_not_fit_is_rejected_until_the_rules_are_relaxed() -> None:
    """A streak of which every second azimuth is nearly gone: off by 37 % of the peak, above 30 and 35, below 40 %."""
    case = simulated(paths_of([60.0], [90.0], np.array([0.0])), fibres(1), counts=1e5)
    outcome = solved(case, values=case.library.values * np.where(np.arange(36) % 2, 0.1, 1.9)[:, None])
    assert outcome.counts["windows rejected by misfit"] == 2
    assert outcome.details is not None
    assert outcome.details["phase"] == ("relaxed",)
    assert outcome.reduced_chi_squared[0] > 100


def test_the_wrong_order_is_a_clear_error(two: SimulatedLibrary) -> None:
    """Streaks outside of the bins of q, arrays that do not fit."""
    start = replace(fibres(2), q0=np.full(2, 0.47))
    with pytest.raises(ValueError, match="no bin of q lies within"):
        solve_sequential(two.library, two.paths, two.bins, start, ONCE)
    with pytest.raises(ValueError, match="3 fibres to start from, but 2"):
        solve_sequential(two.library, two.paths, two.bins, fibres(3), ONCE)
    short = replace(two.library, values=two.library.values[:, :-1])
    with pytest.raises(ValueError, match=r"the library has the shape \(3, 35, 36\)"):
        solve_sequential(short, two.paths, two.bins, fibres(2), ONCE)


def test_masks_and_frames_without_numbers_cost_only_what_they_hide(two: SimulatedLibrary) -> None:
    """A streak masked, with nonsense under the mask, and a frame of NaN: the other rotations serve."""
    values, usable = two.library.values.copy(), two.library.usable.copy()
    values[0] = np.nan
    usable[1, :18], values[1, :18] = False, 1e3 * values[1].max()
    outcome, whole = solved(two, values=values, usable=usable), solved(two)
    assert outcome.flags.tolist() == [0, 0]
    assert outcome.details is not None
    assert 0 not in outcome.details["path"]
    np.testing.assert_allclose(outcome.values.q0, whole.values.q0, rtol=1e-3)
    dead = solved(two, values=np.full_like(values, np.nan))
    assert dead.flags.tolist() == [6, 6]
    assert np.all(np.isnan(dead.height))


def test_a_fibre_that_no_path_sees_has_its_flag(two: SimulatedLibrary) -> None:
    """Weights of zero are as good as no path, and the other fibre is as it was."""
    weight = two.paths.weight.copy()
    weight[two.paths.fibre == 1] = 0.0
    outcome = solve_sequential(two.library, replace(two.paths, weight=weight), two.bins, fibres(2), ONCE, threads=1)
    assert outcome.flags.tolist() == [0, 1]
    assert outcome.n_paths.tolist() == [3, 0]
    assert set(outcome.flags) <= set(FLAGS)


def test_the_last_phases_find_a_fibre_whose_amplitude_was_taken_for_zero(two: SimulatedLibrary) -> None:
    """It gets the mean amplitude of those solved, in the fourth phase."""
    start = replace(fibres(2), amplitude=np.array([1.0, 0.0]))
    outcome = solve_sequential(two.library, two.paths, two.bins, start, SequentialOptions(), threads=1)
    assert outcome.flags.tolist() == [0, 0]
    assert outcome.details is not None
    assert outcome.details["phase"] == ("survey", "no amplitude")


def test_the_schedule_is_the_published_one_and_ends_early(two: SimulatedLibrary) -> None:
    """Six phases; nothing is swept again once all is solved."""
    phases = schedule(SequentialOptions())
    assert [each.misfit for each in phases] == [0.30, 0.35, 0.40, 0.40, 0.40, 0.40]
    assert phases[1].q0_bounds(3) == pytest.approx((6 * np.pi / 74, 6 * np.pi / 60))
    assert solved(two, SequentialOptions()).iterations == 1


def test_absolute_thresholds_depend_on_the_scale(two: SimulatedLibrary) -> None:
    """The published thresholds reject everything once the intensities are a thousandth: what noise does not."""
    high = float(two.library.values.max())
    assert solved(two, replace(ONCE, scale=1e9 / high)).flags.tolist() == [0, 0]
    outcome = solved(two, replace(ONCE, scale=1e6 / high))
    assert outcome.flags.tolist() == [9, 9]
    assert all(each.split(":")[0] in RULES for each in outcome.reasons)
