"""Amplitudes by non-negative least squares: against scipy and reference arrays, by simulation, and where data lack."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("numba", reason="numba is not installed")

from tomosaxs import ArrayReader, InputError
from tomosaxs.testing import example_source
from tomosaxs.testing.single import run_plugin
from tomosaxs_plugins.fibres.amplitudes import Q0, AmplitudeOptions, estimate_amplitudes
from tomosaxs_plugins.fibres.amplitudes_original import (
    OriginalOptions,
    coarse,
    design_matrix,
    estimate_original,
    normal_equations,
    peak_weights,
    singular_values,
)
from tomosaxs_plugins.fibres.cholesky import cholesky
from tomosaxs_plugins.fibres.columns import COLUMNS
from tomosaxs_plugins.fibres.eigen import symmetric_eigen
from tomosaxs_plugins.fibres.equal_streaks import EqualStreaks
from tomosaxs_plugins.fibres.lattice import beam_paths_of, lattice
from tomosaxs_plugins.fibres.model import bin_means
from tomosaxs_plugins.fibres.nnls import nonnegative_least_squares
from tomosaxs_plugins.fibres.problem import BeamPaths, FibreTable
from tomosaxs_plugins.fibres.profiles import azimuthal_profile
from tomosaxs_plugins.fibres.simulate_library import Background, SimulatedLibrary, simulate_library, standard_bins

GOLDEN = Path(__file__).parents[3] / "shared" / "golden" / "fibres"
NINE = np.linspace(-85.0, 95.0, 9)
PLAIN = AmplitudeOptions(background="none", reweight=0)


def golden(name: str) -> dict[str, np.ndarray]:
    if not (GOLDEN / name).exists():
        pytest.skip(f"{name} of the reference arrays is not there")
    with np.load(GOLDEN / name) as file:
        return {key: file[key] for key in file.files}


def simulated(scatter: str = "documented", seed: int = 0, n: int = 8, amplitudes: float = 0.0, **more):
    """Return fibres and their library; `amplitudes` scatters those of a sample that is otherwise without."""
    sample = lattice(n, scatter=scatter, seed=seed)
    fibres = sample.fibres
    if amplitudes:
        drawn = np.random.default_rng(seed).normal(1.0, amplitudes, len(fibres.q0))
        fibres = replace(fibres, amplitude=drawn)
    return fibres, simulate_library(fibres, beam_paths_of(sample, NINE), seed=seed, **more)


def estimated(given: SimulatedLibrary, options: AmplitudeOptions = PLAIN, **more):
    return estimate_amplitudes(given.library, given.paths, given.bins, options, **more)


def r(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.corrcoef(a, b)[0, 1])


# algebra ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("n", "rows", "seed"), [(1, 3, 0), (60, 90, 1), (150, 160, 2), (300, 400, 3)])
def test_nnls_agrees_with_scipy(n: int, rows: int, seed: int):
    optimize = pytest.importorskip("scipy.optimize", reason="scipy is not installed")
    rng = np.random.default_rng(seed)
    design = rng.random((rows, n)) ** 3
    data = design @ np.maximum(rng.normal(0.2, 1.0, n), 0) + rng.normal(0, 0.05, rows)
    expected, _ = optimize.nnls(design, data, maxiter=30 * n)
    found = nonnegative_least_squares(design.T @ design, design.T @ data)
    # the normal matrix squares the condition, up to 1e3 here: 1e-16 * 1e6
    assert np.allclose(found.values, expected, atol=1e-9)
    assert np.array_equal(found.free, expected > 0)
    assert found.violation < 1e-10
    assert np.all(found.gradient[~found.free] >= -1e-9)
    again = nonnegative_least_squares(design.T @ design, design.T @ data, threads=3)
    one = nonnegative_least_squares(design.T @ design, design.T @ data, threads=1)
    assert np.array_equal(again.values, one.values)


def test_nnls_with_what_cannot_be_told():
    """A column of zeros, and one that is the sum of two others: zero there, and the fit as good as any."""
    optimize = pytest.importorskip("scipy.optimize", reason="scipy is not installed")
    rng = np.random.default_rng(4)
    design = rng.random((80, 20))
    design[:, 3] = 0.0
    design[:, 11] = design[:, 1] + design[:, 2]
    data = design @ rng.random(20)
    found = nonnegative_least_squares(design.T @ design, design.T @ data)
    _, best = optimize.nnls(design, data)
    assert found.values[3] == 0
    assert not found.free[3]
    assert np.all(found.values >= 0)
    assert np.linalg.norm(design @ found.values - data) < best + 1e-6
    assert found.factor.dependent.sum() == 0
    assert nonnegative_least_squares(np.zeros((2, 2)), np.zeros(2)).values.tolist() == [0.0, 0.0]
    with pytest.raises(ValueError, match="does not fit"):
        nonnegative_least_squares(np.eye(3), np.zeros(2))
    with pytest.raises(ValueError, match="not finite"):
        nonnegative_least_squares(np.eye(2), np.array([np.nan, 0.0]))


@pytest.mark.parametrize("n", [5, 64, 200, 330])
def test_factors_and_eigenvalues(n: int):
    rng = np.random.default_rng(n)
    design = rng.random((n + 40, n))
    matrix = design.T @ design
    factor = cholesky(matrix, threads=1)
    right = rng.random(n)
    assert np.allclose(matrix @ factor.solve(right), right, atol=1e-8)
    assert np.allclose(factor.inverse_diagonal(), np.diag(np.linalg.inv(matrix)), rtol=1e-8)
    rights = rng.random((37, n))
    assert np.allclose(factor.half_squares(rights), [each @ factor.solve(each) for each in rights], rtol=1e-8)
    assert np.array_equal(np.tril(cholesky(matrix, threads=4).lower), np.tril(factor.lower))
    values, vectors = symmetric_eigen(matrix)
    assert np.allclose(values, np.linalg.eigvalsh(matrix)[::-1], atol=1e-12 * values[0])
    assert np.allclose((vectors.T * values) @ vectors, matrix, atol=1e-12 * values[0])
    assert np.allclose(symmetric_eigen(matrix, vectors=False)[0], values, atol=1e-12 * values[0])


def test_nnls_begun_elsewhere_ends_at_the_same_numbers():
    rng = np.random.default_rng(6)
    design = rng.random((120, 90)) ** 3
    given = design.T @ design, design.T @ (design @ np.maximum(rng.normal(0.2, 1.0, 90), 0) + rng.normal(0, 0.05, 120))
    cold = nonnegative_least_squares(*given)
    for free in (cold.free, rng.random(90) < 0.5, np.zeros(90, dtype=bool)):
        warm = nonnegative_least_squares(*given, free=free)
        assert np.array_equal(warm.values, cold.values)
    assert nonnegative_least_squares(*given, free=cold.free).exchanges == 0
    alone = np.array([cold.variances_if_free(given[0], np.array([k]))[0] for k in np.flatnonzero(~cold.free)])
    assert np.allclose(cold.variances_if_free(given[0], np.flatnonzero(~cold.free), threads=3), alone, rtol=1e-12)
    first = int(np.flatnonzero(~cold.free)[0])
    chosen = np.append(np.flatnonzero(cold.free), first)
    assert alone[0] == pytest.approx(np.linalg.inv(given[0][np.ix_(chosen, chosen)])[-1, -1], rel=1e-9)


@pytest.mark.parametrize(
    "shape",
    [(Q0, 0.002, 0.2, 0.5), (0.27, 0.001, 0.1, 0.05), (0.29, 0.004, 0.4, 1.0), (Q0, 0.002, 0.01, 0.5)],
)
@pytest.mark.parametrize("folded", [False, True])
def test_streaks_from_a_table_are_those_of_the_model(shape: tuple[float, float, float, float], folded: bool):
    """Agreement to the part of the height below which the model takes a streak as zero, 1e-8, and interpolation."""
    bins = replace(standard_bins(), smearing=0.0005)
    rng = np.random.default_rng(7)
    alpha, beta = (
        np.append(rng.uniform(0, 180, 60), [0, 90, 90, 180]),
        np.append(rng.uniform(0, 360, 60), [0, 0, 90, 0]),
    )
    whole = [np.full(64, value) for value in shape]
    expected, _ = bin_means(bins, np.radians(alpha), np.radians(beta), *whole)
    if folded:
        other = replace(bins, chi_deg=bins.chi_deg + 180)
        expected = (expected + bin_means(other, np.radians(alpha), np.radians(beta), *whole)[0]) / 2
    streaks = EqualStreaks(bins, *shape, folded=folded)
    found = streaks(alpha, beta)
    assert expected.max() > 0.1
    assert np.abs(found - expected).max() < 3e-8
    assert np.array_equal(streaks(alpha, beta, threads=3), streaks(alpha, beta, threads=1))


# reference arrays ------------------------------------------------------------------------------------------------


def test_the_published_matrix_and_its_solution():
    """Matrix (float32), data, solution and singular values of the original functions, from our model and solver."""
    g = golden("lattice8x8.npz")
    n, q0, wa, wmu, delta = 64, *(np.full(64, value) for value in g["mean_params"])
    profiles = []
    for beta in g["beta_rot_deg"]:
        table = FibreTable(q0, wa, wmu, delta, np.ones(n), g["alpha_deg"], beta)
        profiles.append(
            azimuthal_profile(
                table, g["chi_deg"], q_begin=float(g["q1"]), q_end=float(g["q2"]), q_count=int(g["nq"]),
                wavelength_nm=float(g["wavelength_nm"]),
            )
        )  # fmt: skip
    whole, blocks, data, noisy = np.ones(180, bool), [], [], []
    for rotation, position in zip(g["path_rot"], g["path_pos"], strict=True):
        weight = g["W"][rotation, position]
        fibre = np.flatnonzero(weight > 0)
        blocks.append((fibre, coarse(weight[fibre, None] * profiles[rotation][fibre], whole, 4, True)[0]))
        data.append(coarse(g["ichi"][rotation, position], whole, 4, True)[0])
        noisy.append(coarse(g["ichi_noisy"][rotation, position], whole, 4, True)[0])
    matrix = design_matrix(blocks, n).dense()
    assert np.abs(matrix - g["A_binned"]).max() < 1e-6 * g["A_binned"].max()
    assert np.allclose(np.concatenate(data), g["b_binned"], rtol=1e-10)
    equations = normal_equations(blocks, data, n)
    assert np.allclose(equations.normal, matrix.T @ matrix, rtol=1e-10)
    found = nonnegative_least_squares(equations.normal, equations.right)
    assert np.allclose(found.values, g["amp_nnls"], atol=1e-10)
    assert np.allclose(singular_values(equations), g["singular_values"], rtol=1e-10)
    of_noisy = normal_equations(blocks, noisy, n)
    assert np.allclose(
        nonnegative_least_squares(of_noisy.normal, of_noisy.right).values, g["amp_nnls_noisy"], atol=1e-9
    )
    assert r(found.values, g["amp"]) == pytest.approx(0.55, abs=0.01)  # the published figure for realistic scatter
    told = golden("amp_docscatter.npz")
    assert r(told["amp_nnls"], told["amp_true"]) == pytest.approx(0.991, abs=1e-3)


def test_bias_of_the_windows_of_the_published_program():
    """Its data are averaged over +-0.01 less side bands, its model over +-0.02: 1.85, 1.69 and 1.38 too much."""
    fine = np.linspace(0.24, 0.33, 9001)[:-1] + 5e-6
    for wa, factor in ((0.001, 1.85), (0.002, 1.69), (0.004, 1.38)):
        streak = 1 / (1 + ((fine - Q0) / wa) ** 2)
        data = peak_weights(fine, 1e-5, Q0, 0.01, True) @ streak
        assert data / (peak_weights(fine, 1e-5, Q0, 0.02, False) @ streak) == pytest.approx(factor, abs=0.006)


# simulations -----------------------------------------------------------------------------------------------------


def test_fibres_that_differ_in_amplitude_only_are_found_within_their_uncertainties():
    """Over a background, from means over bins that are made in another way."""
    pulls = []
    for seed in range(4):
        fibres, given = simulated("none", seed, n=4, amplitudes=0.1, peak_counts=1e4, background=Background())
        for window in (0.0, 0.02):
            found = estimated(given, AmplitudeOptions(window=window))
            pulls.append((found.values.amplitude - fibres.amplitude) / found.sd.amplitude)
            assert np.all(found.flags == 0)
            assert np.median(found.reduced_chi_squared) == pytest.approx(1.0, abs=0.25)
    spread = float(np.std(pulls))  # of 128 numbers: 6 %; a little below 1, as reduced chi squared never lowers them
    assert 0.8 < spread < 1.15
    assert abs(np.mean(pulls)) < 0.3


def test_expected_counts_are_better_weights_than_counts():
    """Fifty counts at the peak: weights from the counts themselves draw the amplitudes down by several per cent."""
    off = {0: [], 2: []}
    for seed in range(2):
        fibres, given = simulated("none", seed, n=4, amplitudes=0.1, peak_counts=50.0)
        for times, found in off.items():
            options = AmplitudeOptions(background="none", window=0.0, reweight=times)
            found.append(float(np.mean(estimated(given, options).values.amplitude / fibres.amplitude)) - 1)
    assert np.mean(off[0]) < -0.015
    assert abs(np.mean(off[2])) < 0.3 * abs(np.mean(off[0]))


def test_documented_scatter_is_as_good_as_published():
    """Median of five samples; the published program reaches 0.991 on its own matrix, without noise."""
    weighted, original = [], []
    for seed in range(5):
        fibres, given = simulated("documented", seed)
        weighted.append(r(estimated(given).values.amplitude, fibres.amplitude))
        if seed < 2:
            found = estimate_original(given.library, given.paths, given.bins)
            original.append(r(found.values.amplitude, fibres.amplitude))
    assert np.median(weighted) >= 0.985
    assert np.median(original) >= 0.975


def test_realistic_scatter_spoils_amplitudes_by_the_angular_widths():
    """Which parameter's scatter does it: that of wmu; that of wa hardly, as I(chi) adds up over q."""
    found = {}
    for name in ("wa", "wmu"):
        sample = lattice(6, seed=0)
        fibres = sample.fibres
        means = {"q0": Q0, "wa": 0.002, "wmu": 0.2, "delta": 0.5}
        fixed = {key: np.full(36, value) for key, value in means.items() if name != key}
        fibres = replace(fibres, **fixed)
        given = simulate_library(fibres, beam_paths_of(sample, NINE))
        found[name] = r(estimated(given).values.amplitude, fibres.amplitude)
    assert found["wa"] > 0.9
    assert found["wmu"] < 0.7
    # bins of q for themselves: heights are seen, amplitudes take up the scatter of wa
    fibres, given = simulated("none", 0, n=5, amplitudes=0.1)
    rng = np.random.default_rng(1)
    fibres = replace(fibres, wa=0.002 * (1 + 0.1 * rng.standard_normal(25)))
    given = simulate_library(fibres, given.paths)
    one = estimated(given, AmplitudeOptions(background="none", reweight=0, window=0.0))
    both = estimated(given)
    assert r(one.height, fibres.height) > r(one.values.amplitude, fibres.amplitude)
    assert r(both.values.amplitude, fibres.amplitude) > 0.97


def test_the_published_faults_for_comparison():
    """Twice the model halves amplitudes, the windows raise them by 1.69; without faults they are right."""
    fibres, given = simulated("none", 2, n=4, amplitudes=0.1)
    right = estimate_original(given.library, given.paths, given.bins)
    assert np.allclose(right.values.amplitude, fibres.amplitude, rtol=0.01)
    banded = OriginalOptions(window=0.01, side_bands=True)
    assert np.allclose(
        estimate_original(given.library, given.paths, given.bins, banded).values.amplitude, fibres.amplitude, rtol=0.02
    )
    faulty = estimate_original(given.library, given.paths, given.bins, OriginalOptions(faults=True))
    # 1.69 at the middle of a streak; its ends are curved out of the band and into the side bands
    assert 0.55 < np.median(faulty.values.amplitude / fibres.amplitude) < 1.69 / 2


def test_friedel_pairs_taken_together():
    """The two sides differ by the curvature of the Ewald sphere, which the model knows when it is told."""
    sample = lattice(4, scatter="none", seed=1)
    fibres = replace(sample.fibres, amplitude=np.random.default_rng(1).normal(1, 0.1, 16))
    paths = beam_paths_of(sample, NINE)
    sides = [simulate_library(fibres, paths, standard_bins(chi_range=each)) for each in ((0, 180), (180, 360))]
    values = (sides[0].library.values + sides[1].library.values) / 2
    given = replace(sides[0], library=replace(sides[0].library, values=values))
    off = {}
    for folded in (False, True):
        found = estimated(given, AmplitudeOptions(background="none", reweight=0, folded=folded))
        off[folded] = np.abs(found.values.amplitude / fibres.amplitude - 1).max()
    assert off[True] < 5e-3
    assert off[True] < 0.7 * off[False]


def test_regularisation_and_truncation():
    """More weight draws amplitudes together; the discrepancy principle stops where residuals are those of noise."""
    _, given = simulated("none", 3, n=4, amplitudes=0.1, peak_counts=30.0)
    spread = []
    for weight in ("none", 1.0, 100.0):
        found = estimated(given, AmplitudeOptions(background="none", regularisation=weight))
        spread.append(float(found.values.amplitude.std()))
    assert spread[0] > spread[1] > spread[2]
    # 30 counts at the peak: few degrees of freedom are spent, chi squared is below the number of data
    options = AmplitudeOptions(background="none", regularisation="discrepancy")
    found = estimated(given, options)
    assert found.details["regularisation"] > 0
    assert found.cost == pytest.approx(found.details["expected_cost"], rel=0.02)
    strong = simulated("realistic", 3, n=3)[1]
    assert estimated(strong, options).details["regularisation"] == 0.0  # what does not fit is the model
    cut = estimated(given, AmplitudeOptions(background="none", truncate=0.5), spectrum=True)
    values = cut.details["singular_values"]
    assert np.all(np.diff(values) <= 0)
    assert cut.details["kept"] == (values >= 0.5 * values[0]).sum() < 16
    whole = estimated(given, AmplitudeOptions(background="none", truncate=1e-6))
    assert np.allclose(whole.height, estimated(given, AmplitudeOptions(background="none")).height, rtol=1e-6)


def test_the_same_bits_for_any_number_of_threads():
    _, given = simulated("realistic", 0, n=5, peak_counts=1e4, background=Background())
    one, four = (estimated(given, AmplitudeOptions(), threads=count, spectrum=True) for count in (1, 4))
    for name in ("height", "height_sd", "reduced_chi_squared", "backgrounds"):
        assert np.array_equal(getattr(one, name), getattr(four, name), equal_nan=True)
    assert np.array_equal(one.details["singular_values"], four.details["singular_values"])


def test_backgrounds_are_found():
    _, given = simulated("none", 0, n=4, peak_counts=1e4, background=Background())
    found = estimated(given, AmplitudeOptions())
    q = given.bins.q
    fitted = found.backgrounds @ AmplitudeOptions().basis(q)
    true = given.background[:, :1] * np.exp(-q / Background().decay) + given.background[:, 1:]
    assert np.abs(fitted / true - 1).mean() < 0.02


# what may go wrong -----------------------------------------------------------------------------------------------


def _with(paths: BeamPaths, *more: int) -> BeamPaths:
    """Return beam paths with further fibres: a twin of fibre k for k >= 0, one that no path sees for -1."""
    n = len(paths.identifiers)
    fibre, weight, counts = [], [], []
    for path in range(len(paths.path_rotation)):
        part = slice(paths.offsets[path], paths.offsets[path + 1])
        mine, share = list(paths.fibre[part]), list(paths.weight[part])
        for number, twin in enumerate(more):
            if twin in mine:
                share.append(share[mine.index(twin)])
                mine.append(n + number)
        fibre += mine
        weight += share
        counts.append(len(mine))
    like = [max(each, 0) for each in more]
    return replace(
        paths, offsets=np.concatenate([[0], np.cumsum(counts)]), fibre=np.array(fibre), weight=np.array(weight),
        identifiers=np.arange(n + len(more)) + 1, alpha_deg=np.append(paths.alpha_deg, paths.alpha_deg[like]),
        beta_deg=np.append(paths.beta_deg, paths.beta_deg[like]),
    )  # fmt: skip


def test_twins_and_fibres_without_a_path_are_flagged_and_the_others_unaffected():
    _, given = simulated("none", 0, n=4, amplitudes=0.1, peak_counts=1e4)
    alone = estimated(given, AmplitudeOptions(background="none"))
    more = replace(given, paths=_with(given.paths, 5, -1))
    found = estimated(more, AmplitudeOptions(background="none"))
    assert found.flags[[5, 16]].tolist() == [3, 3]
    assert found.groups[5] == found.groups[16] == 5
    assert found.height[5] == found.height[16] == pytest.approx(alone.height[5] / 2, rel=1e-6)
    assert "cannot be told" in found.reasons[5]
    assert found.flags[17] == 1
    assert np.isnan(found.height[17])
    others = np.delete(np.arange(16), 5)
    assert np.all(found.flags[others] == 0)
    assert np.allclose(found.height[others], alone.height[others], rtol=1e-6)
    assert found.n_paths[17] == 0


def test_masks_and_missing_data():
    fibres, given = simulated("none", 0, n=4, amplitudes=0.1, peak_counts=1e4)
    masked, hidden = (simulate_library(fibres, given.paths, peak_counts=1e4, **each) for each in (
        {"missing_chi_deg": [(20.0, 60.0)], "missing_paths": [0, 7]}, {"missing_chi_deg": [(0.0, 180.0)]},
    ))  # fmt: skip
    for options in (AmplitudeOptions(background="none"), AmplitudeOptions(background="none", window=0.0)):
        found = estimated(masked, options)
        assert np.all(np.abs(found.values.amplitude / fibres.amplitude - 1) < 6 * found.sd.amplitude)
        assert np.all(found.flags == 0)
    nothing = estimated(hidden, AmplitudeOptions())
    assert np.all(nothing.flags == 6)
    assert np.isnan(nothing.height).all()
    old = estimate_original(hidden.library, hidden.paths, hidden.bins)
    assert np.all(old.flags == 6)
    assert np.allclose(
        estimate_original(masked.library, masked.paths, masked.bins).values.amplitude, fibres.amplitude, rtol=0.1
    )


def test_a_fibre_that_is_not_there_is_held_at_zero_and_says_how_well_that_is_known():
    fibres, _ = simulated("none", 1, n=4)
    gone = replace(fibres, amplitude=np.where(np.arange(16) == 3, 0.0, 1.0))
    given = simulate_library(gone, beam_paths_of(lattice(4, scatter="none", seed=1), NINE), peak_counts=1e4)
    # take a little more away than there is
    told = replace(given, library=replace(given.library, values=given.library.values * 1.0))
    found = estimated(told, AmplitudeOptions(background="none"))
    assert found.flags[3] in (0, 5)
    assert found.values.amplitude[3] < 4 * found.sd.amplitude[3]
    assert 0 < found.sd.amplitude[3] < 0.05


# the step --------------------------------------------------------------------------------------------------------


def test_the_step_makes_rows_of_a_table_and_pads_them():
    source = example_source("FibreSlices")
    (table,) = run_plugin("estimate_amplitudes", source)
    assert table.shape == (2, 3, len(COLUMNS))
    assert table[:, :, 0].tolist() == [[0, 1, 2], [3, 4, 5]]
    names = [name for name, _, _ in COLUMNS]
    assert np.isfinite(table[..., names.index("height")]).all()
    assert np.all(table[..., names.index("q0_sd")] == 0)
    (old,) = run_plugin("estimate_amplitudes", source, {"method": "original"})
    assert old.shape == table.shape


def test_frames_and_weights_that_are_missing_in_one_slice_do_not_touch_the_other():
    source = example_source("FibreSlices")
    (whole,) = run_plugin("estimate_amplitudes", source)
    values = np.array(source.reader.read((slice(None),) * 5))
    values[0] = np.nan
    (table,) = run_plugin("estimate_amplitudes", replace(source, reader=ArrayReader(values)))
    flag = [name for name, _, _ in COLUMNS].index("flag")
    assert np.all(table[0, :, flag] == 6)
    assert np.array_equal(table[1], whole[1], equal_nan=True)
    values = np.array(source.reader.read((slice(None),) * 5))
    values[0, 1, 2] = np.nan  # one frame; the third fibre is seen well by few others
    (table,) = run_plugin("estimate_amplitudes", replace(source, reader=ArrayReader(values)))
    assert table[0, :2, flag].tolist() == [0, 0]
    assert table[0, 2, flag] in (0, 2)
    assert np.array_equal(table[1], whole[1], equal_nan=True)
    # a fibre whose weights are all zero is one that no path sees
    weights = source.dataset.auxiliaries["beam_path_weight"]
    seen = source.dataset.auxiliaries["beam_path_fibre"].reader.read((slice(None),) * 4)
    array = np.where(seen == 0, 0.0, weights.reader.read((slice(None),) * 4))
    companions = {**source.dataset.auxiliaries, "beam_path_weight": replace(weights, reader=ArrayReader(array))}
    dataset = replace(source.dataset, auxiliaries=companions)
    (table,) = run_plugin("estimate_amplitudes", replace(source, dataset=dataset))
    assert table[0, :, flag].tolist() == [1, 0, 0]
    assert np.array_equal(table[1], whole[1], equal_nan=True)


@pytest.mark.parametrize(
    ("given", "what"),
    [
        ({"q0": 0.5}, "q0 0.5 nm.* outside"),
        ({"regularisation": "much"}, "regularisation"),
        ({"regularisation": -1.0}, "regularisation"),
        ({"method": "original", "window": 0.2}, "window: bins of q"),
        ({"wmu": 1.6}, "wmu"),
    ],
)
def test_what_is_refused(given: dict, what: str):
    with pytest.raises(InputError, match=what):
        run_plugin("estimate_amplitudes", example_source("FibreSlices"), given)


def test_data_that_cannot_be_used_are_refused():
    source = example_source("FibreSlices")
    bare = replace(source, uncertainty=None, dataset=replace(source.dataset, uncertainty=False))
    with pytest.raises(InputError, match="no uncertainties"):
        run_plugin("estimate_amplitudes", bare)
    assert run_plugin("estimate_amplitudes", bare, {"method": "original"})[0].shape[0] == 2
    with pytest.raises(InputError, match="wavelength"):
        run_plugin("estimate_amplitudes", replace(source, dataset=replace(source.dataset, metadata={})))
    with pytest.raises(InputError, match="beam_path_fibre"):
        run_plugin("estimate_amplitudes", replace(source, dataset=replace(source.dataset, auxiliaries={})))
