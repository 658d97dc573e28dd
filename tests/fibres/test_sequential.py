"""The sequential method: what it solves, what it rejects and why, against simulated slices whose truth is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("numba", reason="the fibre model is compiled by numba")

from tomosaxs_plugins.fibres.lattice import beam_paths_of, lattice
from tomosaxs_plugins.fibres.model import bin_means
from tomosaxs_plugins.fibres.outcome import Outcome
from tomosaxs_plugins.fibres.problem import BeamPaths, FibreTable, Library
from tomosaxs_plugins.fibres.sequential import solve_sequential
from tomosaxs_plugins.fibres.sequential_options import SequentialOptions
from tomosaxs_plugins.fibres.sequential_state import first_state
from tomosaxs_plugins.fibres.simulate_library import Background, SimulatedLibrary, simulate_library, standard_bins

ANGLES = np.linspace(-85, 95, 9)
ONCE = SequentialOptions(max_sweeps=2)


def paths_of(alpha: list[float], beta: list[float], rotations: np.ndarray = ANGLES) -> BeamPaths:
    """Return one path per rotation that sees all of some fibres, with weight 1."""
    n, m = len(alpha), len(rotations)
    return BeamPaths(
        rotations, np.arange(m), np.zeros(m, np.intp), n * np.arange(m + 1), np.tile(np.arange(n), m),
        np.ones(n * m), np.arange(10, 10 + n), np.array(alpha), np.array(beta),
    )  # fmt: skip


def fibres(n: int, **values: list[float]) -> FibreTable:
    """Return usual fibres, with some parameters as given."""
    usual = {"q0": 0.2822, "wa": 0.002, "wmu": 0.2, "delta": 0.5, "amplitude": 1.0, "alpha_deg": 90.0, "beta_deg": 0.0}
    return FibreTable(**{k: np.array(values.get(k, [v] * n), float) for k, v in usual.items()})


def simulated(paths: BeamPaths, truth: FibreTable, counts: float = 1e4, **options: object) -> SimulatedLibrary:
    """Return a library of fibres whose directions are those of the paths."""
    truth = replace(truth, alpha_deg=paths.alpha_deg, beta_deg=paths.beta_deg)
    return simulate_library(truth, paths, standard_bins(), peak_counts=counts, **options)  # type: ignore[arg-type]


def solved(case: SimulatedLibrary, options: SequentialOptions = ONCE, **changes: object) -> Outcome:
    """Solve a simulated slice from mean parameters and amplitudes of 1."""
    n = len(case.truth.q0)
    return solve_sequential(
        replace(case.library, **changes), case.paths, case.bins, fibres(n), options, threads=1
    )  # fmt: skip


@pytest.fixture(scope="module")
def alone() -> SimulatedLibrary:
    """One fibre, unlike the start, on a background."""
    truth = fibres(1, q0=[0.2861], wa=[0.0027], wmu=[0.16], delta=[0.4], amplitude=[1.4])
    return simulated(paths_of([60.0], [30.0]), truth, background=Background())


def test_a_fibre_alone_is_found_within_its_uncertainty(alone: SimulatedLibrary) -> None:
    """No parameter is off by more than three standard uncertainties, and those are not too large."""
    outcome, truth = solved(alone), alone.truth
    assert outcome.flags.tolist() == [0]
    assert outcome.reasons == ("",)
    assert outcome.n_paths.tolist() == [9]
    assert 0.7 < outcome.reduced_chi_squared[0] < 1.4
    for name, most in {"q0": 5e-4, "wa": 0.1, "wmu": 0.3, "delta": 0.5, "amplitude": 0.5}.items():
        value, sd, true = (float(getattr(each, name)[0]) for each in (outcome.values, outcome.sd, truth))
        assert abs(value - true) < 3 * sd, name
        assert 0 < sd < most * true, name
    assert abs(outcome.height[0] - truth.height[0]) < 3 * outcome.height_sd[0]
    assert outcome.sd.alpha_deg.tolist() == [0.0]


def test_uncertainties_of_a_fibre_alone_are_those_of_repetition() -> None:
    """Over seeds of the noise, errors divided by their uncertainties have a mean square of about 1."""
    z = []
    truth = fibres(1, q0=[0.2805], wa=[0.0023], wmu=[0.22], delta=[0.6])
    for seed in range(20):
        case = simulated(paths_of([70.0], [20.0], np.array([60.0])), truth, counts=3e3, seed=seed)
        outcome = solved(case)
        assert outcome.flags[0] == 0
        z.append(
            [
                (getattr(outcome.values, k)[0] - getattr(truth, k)[0]) / getattr(outcome.sd, k)[0]
                for k in ("q0", "wa", "amplitude")
            ]
        )
    spread = np.sqrt(np.mean(np.square(z), axis=0))
    assert np.all((spread > 0.6) & (spread < 1.5)), spread  # twenty seeds: the spread is known to 16 %


def test_two_fibres_that_overlap_are_fitted_together() -> None:
    """Streaks 3 degrees apart: neither dominates, the pair does."""
    truth = fibres(2, q0=[0.2790, 0.2850], wmu=[0.18, 0.22])
    case = simulated(paths_of([60.0, 63.0], [90.0, 90.0], np.array([0.0])), truth, counts=1e5)
    outcome = solved(case)
    assert outcome.flags.tolist() == [0, 0]
    assert outcome.details is not None
    assert outcome.details["fitted_together"].tolist() == [2, 2]
    assert outcome.counts["solved in pairs"] == 2
    assert outcome.counts["solved in survey"] == 0
    z = (outcome.values.q0 - truth.q0) / outcome.sd.q0
    assert np.all(np.abs(z) < 4), z
    np.testing.assert_allclose(outcome.values.q0, truth.q0, rtol=2e-3)


def test_the_model_has_solved_fibres_as_they_were_fitted() -> None:
    """Delta included, at other rotations too: what a later fit is given is the streak of the fitted parameters."""
    paths = paths_of([90.0, 60.0], [70.0, 90.0], np.array([0.0, 20.0]))
    case = simulated(paths, fibres(2))
    state = first_state(case.library, paths, case.bins, fibres(2), ONCE, 1)
    fitted = np.array([[0.2790, 0.0025, 0.25, 0.95]])
    state.accept(np.array([0]), fitted, np.array([3.0]))
    rows = np.arange(0, 36, 5)
    sectors = state.sectors(1, np.array([1]), rows)
    expected, _ = bin_means(case.bins, np.radians([90.0]), np.radians([90.0]), *fitted.T)
    np.testing.assert_allclose(sectors.solved, 3.0 * expected[:, rows], rtol=1e-9, atol=1e-7)
    profile = 3.0 * expected[0][:, state.streak].mean(axis=1)
    np.testing.assert_allclose(state.signal(1)[0], profile, rtol=1e-9, atol=1e-7)


@pytest.fixture(scope="module")
def small() -> SimulatedLibrary:
    """A filled lattice of 16 fibres."""
    sample = lattice(4, seed=3)
    return simulate_library(sample.fibres, beam_paths_of(sample, ANGLES), standard_bins(), peak_counts=1e4)


def test_most_of_a_small_lattice_is_solved(small: SimulatedLibrary) -> None:
    """What is accepted, and what of it is right: the second is smaller, and is not tuned to be otherwise."""
    outcome = solved(small, SequentialOptions())
    good = outcome.flags == 0
    right = good & (np.abs(outcome.values.q0 / small.truth.q0 - 1) < 1e-3)
    assert good.sum() >= 14
    assert right.sum() >= 8
    assert outcome.counts["solved"] == good.sum()
    phases = (
        sum(value for name, value in outcome.counts.items() if name.startswith("solved in "))
        - outcome.counts["solved in pairs"]
    )
    assert phases - outcome.counts["solved in triples"] == good.sum()
    rejected = sum(value for name, value in outcome.counts.items() if name.startswith("fibres rejected by"))
    assert rejected == np.sum(outcome.flags == 9)
    assert outcome.counts["fits"] >= 1
    assert outcome.iterations >= 2
    assert outcome.cost > 0


def test_the_order_of_fibres_and_paths_changes_nothing(small: SimulatedLibrary) -> None:
    """The same slice with fibres and paths in another order: the same values."""
    rng = np.random.default_rng(1)
    paths = small.paths
    fibre_order, path_order = rng.permutation(len(paths.identifiers)), rng.permutation(len(paths.path_rotation))
    place = np.argsort(fibre_order)
    parts = [slice(paths.offsets[p], paths.offsets[p + 1]) for p in path_order]
    moved = BeamPaths(
        paths.rotation_deg, paths.path_rotation[path_order], paths.path_position[path_order],
        np.concatenate([[0], np.cumsum([p.stop - p.start for p in parts])]).astype(np.intp),
        np.concatenate([place[paths.fibre[p]] for p in parts]), np.concatenate([paths.weight[p] for p in parts]),
        paths.identifiers[fibre_order], paths.alpha_deg[fibre_order], paths.beta_deg[fibre_order],
    )  # fmt: skip
    library = Library(*(getattr(small.library, name)[path_order] for name in ("values", "sigma", "usable")))
    first = solved(small)
    second = solve_sequential(library, moved, small.bins, fibres(len(fibre_order)), ONCE, threads=1)
    assert np.array_equal(first.flags[fibre_order], second.flags)
    np.testing.assert_allclose(first.values.q0[fibre_order], second.values.q0, rtol=1e-7)
    np.testing.assert_allclose(first.sd.wa[fibre_order], second.sd.wa, rtol=1e-4)


def test_threads_and_repetition_change_nothing(small: SimulatedLibrary) -> None:
    """Every number is the same, bit for bit."""
    first = solved(small)
    start = fibres(len(small.truth.q0))
    second = solve_sequential(small.library, small.paths, small.bins, start, ONCE, threads=3)
    for name in ("q0", "wa", "wmu", "delta", "amplitude"):
        assert np.array_equal(getattr(first.values, name), getattr(second.values, name), equal_nan=True)
        assert np.array_equal(getattr(first.sd, name), getattr(second.sd, name), equal_nan=True)
    assert first.counts == second.counts
    assert first.cost == second.cost


def test_published_choices_are_another_result(alone: SimulatedLibrary) -> None:
    """Smoothing along q, as published, broadens the streak; without it the width is right."""
    published = solved(alone, replace(ONCE.published(), background_first=False))
    assert published.flags[0] == 0
    assert published.values.wa[0] > 1.1 * alone.truth.wa[0]
    assert abs(solved(alone).values.wa[0] / alone.truth.wa[0] - 1) < 0.05
