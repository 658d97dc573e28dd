"""Whether the joint fit finds its way out of wrong places, and tells where it cannot know."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("numba", reason="fibre reconstruction needs numba")
pytest.importorskip("scipy", reason="the covariance needs scipy")

from tomosaxs_plugins.fibres.joint import fitted
from tomosaxs_plugins.fibres.joint_coarse import blurred, coarse_start
from tomosaxs_plugins.fibres.joint_covariance import covariance_of, normal_matrix
from tomosaxs_plugins.fibres.joint_fit import Fit
from tomosaxs_plugins.fibres.joint_options import JointOptions
from tomosaxs_plugins.fibres.joint_pair_kernels import normal_equations
from tomosaxs_plugins.fibres.joint_part import subset
from tomosaxs_plugins.fibres.joint_profile import bent
from tomosaxs_plugins.fibres.joint_restart import Trial, bettered, undecided
from tomosaxs_plugins.fibres.joint_sights import Workers
from tomosaxs_plugins.fibres.joint_solver import first_heights, solve
from tomosaxs_plugins.fibres.joint_starts import overlaps
from tomosaxs_plugins.fibres.joint_streaks import Q0
from tomosaxs_plugins.fibres.joint_trial import descend
from tomosaxs_plugins.fibres.lattice import beam_paths_of, lattice
from tomosaxs_plugins.fibres.problem import FibreTable
from tomosaxs_plugins.fibres.simulate_library import SimulatedLibrary, simulate_library, standard_bins

PLAIN = JointOptions(background="none", refine_angles=False)


@pytest.fixture(scope="module")
def data() -> SimulatedLibrary:
    sample = lattice(4, seed=3)
    paths = beam_paths_of(sample, np.linspace(-85, 95, 9))
    return simulate_library(sample.fibres, paths, standard_bins(), peak_counts=1e4, seed=2)


@pytest.fixture(scope="module")
def fit(data: SimulatedLibrary) -> Fit:
    return Fit(data.library, data.paths, data.bins, data.truth, PLAIN, Workers(None, 1))


def test_blur_leaves_what_is_constant_and_takes_edges_away(data: SimulatedLibrary) -> None:
    ones = replace(data.library, values=np.full_like(data.library.values, 3.0), sigma=np.ones_like(data.library.sigma))
    found, bins = blurred(ones, data.bins, 0.005)
    np.testing.assert_allclose(found.values[found.usable], 3.0, rtol=1e-12)
    assert bins.q_width == pytest.approx(2 * data.bins.q_width)  # no wider than the blur
    assert not found.usable[:, :, [0, -1]].any()  # half of their blur lies outside
    assert found.usable[:, :, 4:-4].all()


def test_blurred_data_are_what_blurred_bins_expect(data: SimulatedLibrary) -> None:
    """Of expectations without noise, to a hundredth: few points of a narrow streak make a bin."""
    exact = replace(data.library, values=data.expected)
    found, bins = blurred(exact, data.bins, 0.005)
    fit = Fit(found, data.paths, bins, data.truth, PLAIN, Workers(None, 1))
    off = (fit.state(fit.start, terms=1).sum - found.values)[found.usable]
    assert off.std() < 0.01 * found.values[found.usable].std()
    assert abs(off.sum()) < 0.005 * found.values[found.usable].sum()


def test_a_bin_beside_a_mask_is_not_used(data: SimulatedLibrary) -> None:
    usable = data.library.usable.copy()
    usable[0, 5, 18] = False
    found, bins = blurred(replace(data.library, usable=usable), data.bins, 0.005)
    near = np.abs(bins.q - data.bins.q[18]) < 0.005
    assert not found.usable[0, 5, near].any()
    assert found.usable[0, 5, np.abs(bins.q - 0.265) < 0.003].all()
    assert found.usable[0, 6, near].all()


def test_a_window_too_narrow_for_a_blur_is_begun_without(data: SimulatedLibrary) -> None:
    near = slice(15, 20)  # five bins about q0
    bins = replace(data.bins, q=data.bins.q[near])
    library = replace(
        data.library, **{name: getattr(data.library, name)[..., near] for name in ("values", "sigma", "usable")}
    )
    assert all(blurred(library, bins, sd)[0].usable.mean() < 0.3 for sd in (0.005, 0.0025))
    start = replace(data.truth, q0=np.full(16, 0.28218), wa=np.full(16, 0.002), wmu=np.full(16, 0.2))
    begun = coarse_start(library, data.paths, bins, start, PLAIN, Workers(None, 1))
    truth = np.clip(data.truth.q0, bins.q[0], bins.q[-1])  # one lies beyond, and ends at the last bin
    assert np.abs(begun[:, Q0] / truth - 1).max() < 1e-3


def test_a_step_that_was_not_taken_is_not_told_as_the_last(data: SimulatedLibrary, monkeypatch) -> None:
    """Else a fit that goes nowhere would seem to have converged: its steps get shorter and shorter."""
    fit = Fit(data.library, data.paths, data.bins, data.truth, PLAIN, Workers(None, 1))
    worse = fit.start.copy()
    worse[:, Q0] += 0.01
    monkeypatch.setattr(fit, "clip", lambda old, step: worse)
    assert np.all(np.isinf(solve(fit, fit.start).step))


def test_overlaps_are_cosines_of_streaks(fit: Fit) -> None:
    """Against streaks written out one by one."""
    state, precision = fit.state(fit.start, terms=1), fit.precision(fit.data)
    one = np.stack([state.streaks.forward(unit[:, None]).ravel() for unit in np.eye(fit.sights.n_fibres)])
    products = one @ (one * precision.ravel()).T
    size = np.sqrt(np.diagonal(products))
    expected = products / size / size[:, None]
    np.fill_diagonal(expected, 0.0)
    np.testing.assert_allclose(overlaps(fit, state.streaks, precision), expected, atol=1e-5)


def test_a_few_fibres_come_down_as_all_do(fit: Fit) -> None:
    """The matrix written out leads where conjugate gradients lead."""
    solution = solve(fit, fit.start)
    members = np.array([1, 2, 5, 6, 9])
    part = subset(fit, solution, members)
    start = solution.state.parameters[members].copy()
    start[:, Q0] += [3e-4, -3e-4, 2e-4, -2e-4, 1e-4]
    slow = solve(part, start, 30, 1e-3)
    matrix, right = np.zeros((25, 25)), np.zeros(25)
    state = part.state(start)
    normal_equations(
        part.sights.offsets, part.sights.sight, part.sights.weight, part.sights.fibre, state.streaks.first,
        state.streaks.row_chi, state.streaks.values, part.given, part.data, matrix, right,
    )  # fmt: skip
    expected = normal_matrix(part, replace(slow, state=state, precision=part.given), np.arange(5), np.zeros(5))
    scale = part.scale(start).ravel()
    np.testing.assert_allclose(np.tril(matrix * scale * scale[:, None]), np.tril(expected), rtol=1e-4, atol=1e-2)
    np.testing.assert_allclose(right, state.streaks.backward(part.data * part.given).ravel(), rtol=1e-4, atol=1e-2)
    found, cost, ended = descend(part, start, 30, 1e-3)
    assert ended
    assert cost == pytest.approx(slow.cost, abs=1e-2)
    np.testing.assert_allclose(found, slow.state.parameters, rtol=1e-4)


@pytest.mark.parametrize(("seed", "blur_will_do"), [(5, False), (6, True)])
def test_fibres_that_hold_each_others_place_are_found_out(seed: int, blur_will_do: bool) -> None:
    """From heights at equal shapes the fit ends thousands above the truth's chi squared; blur and exchange lead there.

    Seed 5 needs the exchange; for seed 6 the blur will do.
    """
    sample = lattice(5, seed=3)
    paths = beam_paths_of(sample, np.linspace(-85, 95, 9))
    data = simulate_library(sample.fibres, paths, standard_bins(), peak_counts=1e3, seed=seed, angle_error_deg=3.0)
    options, crew = JointOptions(background="none"), Workers(None, 1)
    ones = np.ones(25)
    start = FibreTable(
        0.28218 * ones, 0.002 * ones, 0.2 * ones, 0.5 * ones, ones, data.paths.alpha_deg, data.paths.beta_deg
    )
    fit = Fit(data.library, data.paths, data.bins, start, options, crew)
    truth = Fit(data.library, paths, data.bins, data.truth, options, crew).start
    truth[:, 6] = fit.start[:, 6] + (truth[:, 6] - fit.start[:, 6] + np.pi) % (2 * np.pi) - np.pi
    least = solve(fit, truth).cost
    assert solve(fit, first_heights(fit)).cost > least + 1000
    begun = coarse_start(data.library, data.paths, data.bins, start, options, crew)
    assert (solve(fit, begun).cost < least + 1.0) == blur_will_do
    found, _ = fitted(fit, begun)
    assert found.cost < least + 1.0


def test_the_best_of_trials_that_clash_is_taken() -> None:
    here = np.zeros((5, 7))

    def trial(members: list[int], gain: float) -> Trial:
        return Trial(np.array(members), np.full((len(members), 7), gain), gain, np.ones(len(members), np.bool_))

    out, waiting = bettered(here, [trial([0, 1], 5.0), trial([1, 2], 9.0), trial([3], 2.0), trial([4], 0.5)])
    np.testing.assert_array_equal(out[:, 0], [0.0, 9.0, 9.0, 2.0, 0.0])
    np.testing.assert_array_equal(waiting, [True, True, False, False, False])


def test_a_place_as_good_beyond_the_uncertainty_is_told() -> None:
    covariance = np.tile(np.diag([1.0, 1e-6, 1, 1, 1]), (3, 1, 1))
    elsewhere = np.zeros((2, 7))
    elsewhere[:, Q0] = [1e-3, 3e-3]
    trial = Trial(np.array([0, 2]), elsewhere, -1.0, np.ones(2, np.bool_))
    np.testing.assert_array_equal(undecided([trial], np.zeros((3, 7)), covariance), [False, False, True])


@pytest.mark.parametrize(("counts", "flagged"), [(20.0, True), (1e3, False)])
def test_uncertainties_that_are_too_small_are_told(counts: float, flagged: bool) -> None:
    """Two fibres of nearly the same streak in the same beam paths, beside one that lies elsewhere."""
    sample = lattice(2, seed=3)
    table = sample.fibres
    twin = replace(
        table, q0=np.array([0.2815, 0.2828, 0.28, 0.285]), alpha_deg=np.array([60.0, 60.3, 120.0, 90.0]),
        beta_deg=np.array([10.0, 10.3, 100.0, 200.0]),
    )  # fmt: skip
    paths = beam_paths_of(replace(sample, fibres=twin), np.linspace(-85, 95, 9), fwhm=2.0)
    data = simulate_library(twin, paths, standard_bins(), peak_counts=counts, seed=1)
    fit = Fit(data.library, data.paths, data.bins, twin, JointOptions(background="none"), Workers(None, 1))
    solution = solve(fit, fit.start)
    covariance = covariance_of(fit, solution).blocks
    shared = overlaps(fit, solution.state.streaks, solution.precision)
    assert shared[0, 1] > 0.5 > shared[2].max()
    found = bent(fit, solution, covariance, shared)
    np.testing.assert_array_equal(found, [flagged, flagged, False, False])
