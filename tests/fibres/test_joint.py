"""The joint fit against simulated truth, its uncertainties against the scatter, and the faulty inputs it may get."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("numba", reason="fibre reconstruction needs numba")
pytest.importorskip("scipy", reason="the covariance needs scipy")

from tomosaxs_plugins.fibres.joint import solve_joint
from tomosaxs_plugins.fibres.joint_background import Background, exponential_family
from tomosaxs_plugins.fibres.joint_covariance import covariance_of
from tomosaxs_plugins.fibres.joint_fit import Fit, blocks_of, conjugate_gradients
from tomosaxs_plugins.fibres.joint_options import JointOptions
from tomosaxs_plugins.fibres.joint_sights import workers
from tomosaxs_plugins.fibres.joint_solver import first_heights, solve
from tomosaxs_plugins.fibres.lattice import beam_paths_of, lattice
from tomosaxs_plugins.fibres.outcome import Outcome
from tomosaxs_plugins.fibres.problem import BeamPaths, FibreTable, Library
from tomosaxs_plugins.fibres.simulate_library import SimulatedLibrary, simulate_library, standard_bins

PLAIN = JointOptions(background="none", refine_angles=False)
FAST = replace(PLAIN, restarts=0)
NAMES = ("q0", "wa", "wmu", "delta", "amplitude")


def _simulated(n: int, **options: object) -> SimulatedLibrary:
    sample = lattice(n, seed=3)
    paths = beam_paths_of(sample, np.linspace(-85, 95, 9))
    return simulate_library(sample.fibres, paths, standard_bins(), **options)  # type: ignore[arg-type]


def _start(paths: BeamPaths) -> FibreTable:
    ones = np.ones(len(paths.identifiers))
    return FibreTable(0.28218 * ones, 0.002 * ones, 0.2 * ones, 0.5 * ones, ones, paths.alpha_deg, paths.beta_deg)


def _errors(found: Outcome, truth: FibreTable) -> np.ndarray:
    return np.stack([getattr(found.values, name) / getattr(truth, name) - 1 for name in NAMES], axis=1)


@pytest.fixture(scope="module")
def small() -> SimulatedLibrary:
    return _simulated(4, peak_counts=1e4, seed=2)


@pytest.fixture(scope="module")
def solved(small: SimulatedLibrary) -> Outcome:
    return solve_joint(small.library, small.paths, small.bins, _start(small.paths), PLAIN)


def _solve(small: SimulatedLibrary, **changes: object) -> Outcome:
    paths = replace(small.paths, **{k: v for k, v in changes.items() if hasattr(small.paths, k)})  # type: ignore[arg-type]
    library = replace(small.library, **{k: v for k, v in changes.items() if hasattr(small.library, k)})  # type: ignore[arg-type]
    return solve_joint(library, paths, small.bins, _start(paths), FAST)


def test_truth_is_found_without_noise() -> None:
    """What is left is the quadrature of the solver against the integrals of the simulation, 1e-3 of the peak."""
    exact = _simulated(3)
    found = solve_joint(
        exact.library, exact.paths, exact.bins, _start(exact.paths), replace(PLAIN, weights="given", tolerance=1e-3)
    )
    assert np.all(found.flags == 0)
    assert np.all(np.abs(_errors(found, exact.truth)) < [2e-5, 5e-3, 3e-3, 3e-3, 5e-3])


def test_filled_lattice_of_8_x_8() -> None:
    data = _simulated(8, peak_counts=1e4, seed=1)
    found = solve_joint(data.library, data.paths, data.bins, _start(data.paths), PLAIN)
    assert np.all(found.flags == 0)
    error = _errors(found, data.truth)
    assert np.all(np.sqrt((error**2).mean(axis=0)) < [2e-4, 0.03, 0.015, 0.015, 0.015])
    for name in NAMES:
        assert np.corrcoef(getattr(found.values, name), getattr(data.truth, name))[0, 1] > 0.99, name
    z = error * np.stack([getattr(data.truth, name) / getattr(found.sd, name) for name in NAMES], axis=1)
    assert np.abs(z).max() < 5
    assert np.all((z.std(axis=0) > 0.75) & (z.std(axis=0) < 1.3))  # 64 numbers: 1 +- 0.09


def test_same_numbers_for_any_threads(small: SimulatedLibrary) -> None:
    start = _start(small.paths)
    one, two = (solve_joint(small.library, small.paths, small.bins, start, PLAIN, threads=n) for n in (1, 2))
    for name in NAMES:
        np.testing.assert_allclose(getattr(one.values, name), getattr(two.values, name), rtol=1e-9)
        np.testing.assert_allclose(getattr(one.sd, name), getattr(two.sd, name), rtol=1e-9)


def test_covariance_of_neighbourhoods_is_close_to_that_of_all(small: SimulatedLibrary) -> None:
    """Half of the fibres held makes uncertainties smaller, never larger, and here by less than a third."""
    with workers(1) as crew:
        fit = Fit(small.library, small.paths, small.bins, small.truth, PLAIN, crew)
        solution = solve(fit, fit.start)
        whole = covariance_of(fit, solution)
        part = covariance_of(fit, solution, most=9 * 5)
    ratio = np.sqrt(np.diagonal(part.blocks, axis1=1, axis2=2) / np.diagonal(whole.blocks, axis1=1, axis2=2))
    assert np.all(ratio < 1 + 1e-9)
    assert np.all(ratio > 0.66)
    assert np.median(ratio) > 0.9


def test_covariance_is_the_inverse_of_what_the_iterations_solve(small: SimulatedLibrary) -> None:
    options = replace(PLAIN, background="exponential")
    with workers(1) as crew:
        fit = Fit(small.library, small.paths, small.bins, small.truth, options, crew)
        solution = solve(fit, fit.start)
        covariance = covariance_of(fit, solution).blocks
        extra = np.tile(np.concatenate([[1 / 9], fit.prior[1:]]), (len(covariance), 1))
        blocks = np.linalg.inv(blocks_of(fit, solution.state, solution.precision) + extra[:, :, None] * np.eye(5))
        fit.background.weigh(solution.precision)
        for term in range(5):
            right = np.zeros((len(covariance), 5))
            right[6, term] = 1.0
            x, _ = conjugate_gradients(fit, solution.state, solution.precision, extra, blocks, right, 1e-8, 500)
            np.testing.assert_allclose(x[6], covariance[6, term], rtol=1e-3, atol=1e-4 * np.abs(covariance[6]).max())


def test_background_of_any_decay_is_explained() -> None:
    q = standard_bins().q
    basis = exponential_family(q, 4)
    curves = np.stack([3 * np.exp(-(q - q[0]) / decay) + 0.5 for decay in (0.02, 0.05, 0.1, 1.0)])
    data = np.repeat(curves[:, None, :], 5, axis=1)
    precision = 1 / data
    background = Background(basis)
    background.weigh(precision)
    rest = background.remove(data * precision, precision) / precision
    assert np.abs(rest).max() < 2e-3 * curves.max()


def test_start_is_not_negative(small: SimulatedLibrary) -> None:
    with workers(1) as crew:
        fit = Fit(small.library, small.paths, small.bins, _start(small.paths), PLAIN, crew)
        heights = first_heights(fit)[:, 0]
    assert np.all(heights > 0)


def _without(paths: BeamPaths, keep: np.ndarray) -> BeamPaths:
    counts = np.add.reduceat(keep.astype(int), paths.offsets[:-1])
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.intp)
    return replace(paths, offsets=offsets, fibre=paths.fibre[keep], weight=paths.weight[keep])


def _same_but(found: Outcome, solved: Outcome, fibres: list[int], within: float = 3.0) -> None:
    """Assert that other fibres are found as they were, within so many standard uncertainties."""
    others = np.setdiff1d(np.arange(len(solved.flags)), fibres)
    assert np.all(found.flags[others] == 0), found.reasons
    change = np.abs(found.values.q0 - solved.values.q0) / solved.sd.q0
    assert np.all(change[others] < within)


def test_fibre_seen_by_no_path(small: SimulatedLibrary, solved: Outcome) -> None:
    more = replace(
        small.paths,
        identifiers=np.append(small.paths.identifiers, 99),
        alpha_deg=np.append(small.paths.alpha_deg, 80.0),
        beta_deg=np.append(small.paths.beta_deg, 10.0),
    )
    found = solve_joint(small.library, more, small.bins, _start(more), PLAIN)
    assert found.flags[-1] == 1
    assert np.isnan(found.values.q0[-1])
    assert np.isnan(found.height[-1])
    np.testing.assert_allclose(found.values.q0[:-1], solved.values.q0, rtol=1e-6)


def test_weights_of_zero_are_as_good_as_no_entries(small: SimulatedLibrary, solved: Outcome) -> None:
    weight = np.where(small.paths.fibre == 0, 0.0, small.paths.weight)
    found = _solve(small, weight=weight)
    assert found.flags[0] == 1
    assert found.flags[15] == 0  # the far corner: what fibre 0 diffracts now disturbs its neighbours
    assert abs(found.values.q0[15] - solved.values.q0[15]) < 5 * solved.sd.q0[15]


def test_two_identical_fibres_are_one_object(small: SimulatedLibrary, solved: Outcome) -> None:
    """Fibre 5 is listed twice: half of its weight each."""
    paths = small.paths
    path = np.repeat(np.arange(len(paths.path_rotation)), np.diff(paths.offsets))
    mine = paths.fibre == 5
    fibre = np.concatenate([paths.fibre, np.full(mine.sum(), 16)])
    weight = np.concatenate([np.where(mine, 0.5, 1.0) * paths.weight, 0.5 * paths.weight[mine]])
    order = np.argsort(np.concatenate([path, path[mine]]), kind="stable")
    counts = np.diff(paths.offsets) + np.bincount(path[mine], minlength=len(paths.path_rotation))
    twice = replace(
        paths,
        fibre=fibre[order],
        weight=weight[order],
        offsets=np.concatenate([[0], np.cumsum(counts)]).astype(np.intp),
        identifiers=np.append(paths.identifiers, 99),
        alpha_deg=np.append(paths.alpha_deg, paths.alpha_deg[5]),
        beta_deg=np.append(paths.beta_deg, paths.beta_deg[5]),
    )
    found = solve_joint(small.library, twice, small.bins, _start(twice), FAST)
    assert found.flags[5] == found.flags[16] == 3
    assert found.groups[5] == found.groups[16] == 5
    assert abs(found.values.q0[5] - solved.values.q0[5]) < 0.1 * solved.sd.q0[5]
    assert np.all(found.flags[np.setdiff1d(np.arange(16), [5])] == 0)


def test_frame_of_nan_and_masked_azimuths_are_left_out(small: SimulatedLibrary, solved: Outcome) -> None:
    values = small.library.values.copy()
    values[10] = np.nan
    usable = small.library.usable.copy()
    usable[:, 3:5] = False
    found = _solve(small, values=values, usable=usable)
    _same_but(found, solved, [])


def test_missing_angle(small: SimulatedLibrary, solved: Outcome) -> None:
    usable = small.library.usable & (small.paths.path_rotation != 4)[:, None, None]
    found = _solve(small, usable=usable)
    assert (found.flags == 0).sum() >= 14
    good = found.flags == 0
    assert np.all(np.abs(found.values.q0 - small.truth.q0)[good] < 5 * found.sd.q0[good])


def test_no_usable_azimuth_at_all(small: SimulatedLibrary) -> None:
    found = _solve(small, usable=np.zeros_like(small.library.usable))
    assert np.all(found.flags == 6)
    assert np.all(np.isnan(found.values.q0))


def test_vertical_fibre(small: SimulatedLibrary) -> None:
    """Its azimuth beta means nothing; everything else is found."""
    sample = lattice(3, seed=3)
    fibres = replace(sample.fibres, alpha_deg=np.where(np.arange(9) == 4, 0.0, sample.fibres.alpha_deg))
    data = simulate_library(fibres, beam_paths_of(sample, np.linspace(-85, 95, 9)), small.bins, peak_counts=1e4)
    found = solve_joint(data.library, data.paths, data.bins, _start(data.paths), replace(PLAIN, refine_angles=True))
    assert found.flags[4] == 0
    assert abs(found.values.q0[4] / fibres.q0[4] - 1) < 1e-3
    assert found.sd.beta_deg[4] > 2.0  # nothing is learned of it


def test_delta_at_its_bound_is_flagged(small: SimulatedLibrary) -> None:
    sample = lattice(3, seed=3)
    fibres = replace(sample.fibres, delta=np.where(np.arange(9) == 4, 1.0, sample.fibres.delta))
    data = simulate_library(fibres, beam_paths_of(sample, np.linspace(-85, 95, 9)), small.bins, peak_counts=1e5)
    options = replace(FAST, logit_delta_sd=50.0)
    found = solve_joint(data.library, data.paths, data.bins, _start(data.paths), options)
    assert found.flags[4] in (2, 5)
    assert np.all(np.delete(found.flags, 4) == 0)


def test_outliers_are_weighted_down(small: SimulatedLibrary) -> None:
    """Bins with a fifth of the largest intensity too much, as spots of crystals make them."""
    values = small.library.values.copy()
    lit = np.flatnonzero(small.expected.ravel() > 0.05 * small.expected.max())
    spots = np.random.default_rng(1).choice(lit, 40, replace=False)
    values.ravel()[spots] += 0.2 * values.max()
    library: Library = replace(small.library, values=values)
    error = {}
    for weights in ("poisson", "robust"):
        options = replace(PLAIN, weights=weights, restarts=0, leave_one_out=False)
        found = solve_joint(library, small.paths, small.bins, _start(small.paths), options)
        error[weights] = np.sqrt(np.mean((found.values.q0 / small.truth.q0 - 1) ** 2))
    assert error["robust"] < 0.7 * error["poisson"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("twice", "stands twice in beam path"),
        ("window", "lies outside of the bins"),
        ("weight", "finite and not negative"),
        ("shape", "have the shape"),
        ("start", "fibres to start from"),
    ],
)
def test_impossible_input_is_an_error_that_says_what(small: SimulatedLibrary, change: str, words: str) -> None:
    library, paths, start = small.library, small.paths, _start(small.paths)
    if change == "twice":
        fibre = paths.fibre.copy()
        fibre[1] = fibre[0]
        paths = replace(paths, fibre=fibre)
    elif change == "window":
        start = replace(start, q0=np.full(16, 0.46))
    elif change == "weight":
        paths = replace(paths, weight=np.where(np.arange(len(paths.weight)) == 3, np.nan, paths.weight))
    elif change == "shape":
        library = replace(library, values=library.values[:, :-1])
    else:
        start = start.take(np.arange(5))
    with pytest.raises(ValueError, match=words):
        solve_joint(library, paths, small.bins, start, PLAIN)
