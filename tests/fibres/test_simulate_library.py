"""Simulated libraries: means over bins, what paths add up to, noise, masks and errors of directions."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("numba", reason="numba is not installed")

from tomosaxs_plugins.fibres.lattice import beam_paths_of, lattice
from tomosaxs_plugins.fibres.model import intensity
from tomosaxs_plugins.fibres.problem import Bins, FibreTable, Floats
from tomosaxs_plugins.fibres.simulate_library import Background, exact_bin_means, simulate_library, standard_bins

ROTATIONS = np.array([-40.0, 10.0, 60.0])
BINS = standard_bins(12, 10, q_range=(0.26, 0.305))


def points(fibres: FibreTable, q: Floats, chi_deg: Floats, rotation: float = 0.0) -> Floats:
    """Return (n_fibres, len(chi), len(q)) intensities by the model."""
    columns = {name: getattr(fibres, name)[:, None, None] for name in ("alpha_deg", "q0", "wa", "wmu", "delta")}
    found: Floats = intensity(
        q,
        chi_deg[:, None],
        beta_deg=(fibres.beta_deg + rotation)[:, None, None],
        amplitude=fibres.amplitude[:, None, None],
        wavelength_nm=BINS.wavelength_nm,
        **columns,
    )
    return found


def brute_force(fibres: FibreTable, bins: Bins, rotation: float, sub: int = 41) -> Floats:
    """Return means over bins as means of very many points."""
    part = (np.arange(sub) + 0.5) / sub - 0.5
    q = (bins.q[:, None] + part * bins.q_width).ravel()
    chi = (bins.chi_deg[:, None] + part * bins.chi_width_deg).ravel()
    fine = points(fibres, q, chi, rotation)
    means: Floats = fine.reshape(len(fine), len(bins.chi_deg), sub, len(bins.q), sub).mean(axis=(2, 4))
    return means


def test_bin_means_are_those_of_very_many_points_of_the_model() -> None:
    fibres = lattice(3, seed=2).fibres
    fibres = replace(fibres, delta=np.concatenate([[0.001, 0.99], fibres.delta[2:]]))
    ours, theirs = exact_bin_means(fibres, BINS, 25.0), brute_force(fibres, BINS, 25.0)
    # 41 midpoints of a bin of 0.0045 nm^-1 are off by (0.0045 / 41 / wa)^2 / 24, as is ours by less than 1e-3
    peak = theirs.max(axis=(1, 2), keepdims=True)
    np.testing.assert_allclose(ours / peak, theirs / peak, atol=1e-3)


def test_smearing_is_a_gaussian_along_q() -> None:
    fibres = lattice(2, seed=3).fibres
    width = 1e-3
    grid = np.arange(0.2, 0.36, 5e-5)
    chi = np.array([47.5])
    bins = Bins(chi, 1e-3, BINS.q, BINS.q_width, BINS.wavelength_nm, smearing=width)
    sharp = points(fibres, grid, chi)[:, 0]
    kernel = np.exp(-0.5 * (np.arange(-200, 201) * 5e-5 / width) ** 2)
    smeared = np.stack([np.convolve(line, kernel / kernel.sum(), "same") for line in sharp])
    inside = np.abs(grid - bins.q[:, None]) < bins.q_width / 2
    theirs = np.stack([smeared[:, each].mean(axis=1) for each in inside], axis=1)
    ours = exact_bin_means(fibres, bins)[:, 0]
    # the reference counts 90 +- 1 points into a bin
    np.testing.assert_allclose(ours, theirs, atol=4e-3 * theirs.max())


def test_smearing_moves_intensity_between_bins_and_keeps_its_sum() -> None:
    fibres = lattice(2, seed=3).fibres
    wide = standard_bins(24, 200, q_range=(0.15, 0.42))
    sharp, smeared = (exact_bin_means(fibres, replace(wide, smearing=s)).sum(axis=2) for s in (0.0, 8e-4))
    lit = sharp > 0.05 * sharp.max()  # elsewhere streaks reach beyond the range of q
    assert lit.sum() > 5
    np.testing.assert_allclose(smeared[lit], sharp[lit], rtol=1e-3)


def test_a_path_is_the_weighted_sum_of_its_fibres_and_its_background() -> None:
    sample = lattice(3, seed=5)
    paths = beam_paths_of(sample, ROTATIONS)
    background = Background(exponential=0.3, constant=0.1, decay=0.04)
    made = simulate_library(sample.fibres, paths, BINS, background=background, seed=6)
    assert np.unique(made.background, axis=0).shape == made.background.shape
    for path in (0, 5, len(paths.path_rotation) - 1):
        part = slice(paths.offsets[path], paths.offsets[path + 1])
        angle = float(ROTATIONS[paths.path_rotation[path]])
        single = exact_bin_means(sample.fibres.take(paths.fibre[part]), BINS, angle)
        a, c = made.background[path]
        sum_ = np.tensordot(paths.weight[part], single, 1) + a * np.exp(-BINS.q / 0.04) + c
        np.testing.assert_allclose(made.expected[path], sum_, rtol=1e-12)
    np.testing.assert_array_equal(made.library.values, made.expected)


def test_opposite_azimuths_are_equal_but_for_the_curvature_of_the_ewald_sphere() -> None:
    fibres = lattice(3, seed=5).fibres
    both = standard_bins(24, 10, chi_range=(0, 360), q_range=(0.26, 0.305))
    halves = [exact_bin_means(fibres, replace(both, wavelength_nm=w)).reshape(9, 2, 12, 10) for w in (1e-6, 0.08856)]
    np.testing.assert_allclose(halves[0][:, 0], halves[0][:, 1], rtol=1e-4)
    apart = np.abs(halves[1][:, 0] - halves[1][:, 1]).max() / halves[1].max()
    assert 1e-4 < apart < 0.05
    # turning the sample by 180 degrees about the vertical mirrors what is left and right
    turned = exact_bin_means(fibres, replace(both, wavelength_nm=1e-6), 180.0).reshape(9, 24, 10)
    mirrored = halves[0].reshape(9, 24, 10)[:, np.r_[11:-1:-1, 23:11:-1]]
    np.testing.assert_allclose(turned, mirrored, rtol=1e-4, atol=1e-9)


def test_counts_have_the_mean_and_the_variance_of_poisson_statistics() -> None:
    sample = lattice(4, seed=5)
    paths = beam_paths_of(sample, ROTATIONS)
    first = simulate_library(sample.fibres, paths, BINS, peak_counts=400.0, seed=0)
    assert first.expected.max() * first.counts == pytest.approx(400.0)
    counted = [
        simulate_library(sample.fibres, paths, BINS, peak_counts=400.0, seed=seed).library.values * first.counts
        for seed in range(40)
    ]
    np.testing.assert_allclose(counted[0], np.rint(counted[0]), atol=1e-9)
    expected = first.expected * first.counts
    lit = expected > 5
    z = (np.mean(counted, axis=0) - expected)[lit] / np.sqrt(expected[lit] / 40)
    assert z.std() == pytest.approx(1, abs=0.1)
    assert abs(z.mean()) < 5 / np.sqrt(lit.sum())
    ratio = np.var(counted, axis=0, ddof=1)[lit] / expected[lit]
    assert ratio.mean() == pytest.approx(1, abs=0.05)
    np.testing.assert_allclose(first.library.sigma * first.counts, np.sqrt(np.maximum(counted[0], 1)))


def test_hidden_azimuths_and_lost_frames_are_not_usable() -> None:
    sample = lattice(2, seed=5)
    paths = beam_paths_of(sample, ROTATIONS)
    made = simulate_library(sample.fibres, paths, BINS, missing_chi_deg=[(20.0, 31.0)], missing_paths=[2])
    usable = made.library.usable
    np.testing.assert_array_equal(np.flatnonzero(~usable[0].all(axis=1)), [1, 2])  # 15-30, 30-45
    assert not usable[2].any()
    assert np.isnan(made.library.values[~usable]).all()
    assert np.isnan(made.library.sigma[~usable]).all()
    assert np.isfinite(made.library.values[usable]).all()


def test_the_solver_is_told_directions_with_errors() -> None:
    sample = lattice(20, seed=5)
    paths = beam_paths_of(sample, np.array([0.0]))
    small = standard_bins(2, 2)
    made = simulate_library(sample.fibres, paths, small, angle_error_deg=3.0)
    for told, true in ((made.paths.alpha_deg, made.truth.alpha_deg), (made.paths.beta_deg, made.truth.beta_deg)):
        assert np.std(told - true) == pytest.approx(3.0, rel=0.12)
    exact = simulate_library(sample.fibres, paths, small)
    np.testing.assert_array_equal(exact.expected, made.expected)
    np.testing.assert_array_equal(exact.paths.alpha_deg, exact.truth.alpha_deg)


def test_threads_change_nothing() -> None:
    sample = lattice(6, seed=5)
    paths = beam_paths_of(sample, ROTATIONS)
    one, three = (simulate_library(sample.fibres, paths, BINS, peak_counts=1e3, threads=n) for n in (1, 3))
    np.testing.assert_array_equal(one.library.values, three.library.values)


def test_what_does_not_fit_is_refused() -> None:
    sample = lattice(2)
    paths = beam_paths_of(sample, ROTATIONS)
    with pytest.raises(ValueError, match="3 fibres for 4 identifiers"):
        simulate_library(sample.fibres.take(np.arange(3)), paths, BINS)
    with pytest.raises(ValueError, match="no beam path sees a fibre"):
        simulate_library(replace(sample.fibres, amplitude=np.zeros(4)), paths, BINS)
