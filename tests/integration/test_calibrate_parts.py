"""Parts of the refinement by themselves: standards, peaks, centres, what moves points together."""

from __future__ import annotations

import ast
from pathlib import Path

import calibrate_help as sim
import numpy as np
import pytest

import tomosaxs_plugins.integration.calibrate as package
from tomosaxs_plugins.integration.calibrate.fit import fit_geometry, ring_angles
from tomosaxs_plugins.integration.calibrate.model import parameters, place
from tomosaxs_plugins.integration.calibrate.peaks import first_guess, fit_peaks, too_bright
from tomosaxs_plugins.integration.calibrate.rings import find_modules
from tomosaxs_plugins.integration.calibrate.scatter import correlation, shape_of_rings
from tomosaxs_plugins.integration.calibrate.standards import built_in, find_standard, read_spacings
from tomosaxs_plugins.integration.calibrate.start import Rings, find_distance


def test_nothing_here_imports_the_framework():
    for path in Path(package.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [each.name for each in node.names] if isinstance(node, ast.Import) else []
            assert not any(name == "tomosaxs" or name.startswith("tomosaxs.") for name in names), path


def test_spacings_by_hand():
    assert find_standard("agbeh").spacings[:3] == pytest.approx([58.38, 29.19, 19.46])
    assert find_standard("AgBh").name == "silver behenate"
    lab6 = find_standard("LaB6").spacings
    assert lab6[:6] == pytest.approx(4.156826 / np.sqrt([1, 2, 3, 4, 5, 6]))
    assert lab6[6] == pytest.approx(4.156826 / np.sqrt(8))  # no three squares make 7
    assert find_standard("ceo2").spacings[:5] == pytest.approx(5.411651 / np.sqrt([3, 4, 8, 11, 12]))
    assert find_standard("si").spacings[:5] == pytest.approx(5.431179 / np.sqrt([3, 8, 11, 16, 19]))
    a, c = 4.759355, 12.99231
    corundum = find_standard("al2o3").spacings
    # (012), (104), (110), (006), (113)
    assert corundum[0] == pytest.approx(1 / np.sqrt(4 / 3 / a**2 + 4 / c**2))
    assert corundum[1] == pytest.approx(1 / np.sqrt(4 / 3 / a**2 + 16 / c**2))
    assert corundum[2:4] == pytest.approx([a / 2, c / 6])


def test_spacings_against_pyfai():
    calibrant = pytest.importorskip("pyFAI.calibrant")
    names = ("AgBh", "LaB6_SRM660c", "CeO2", "Si_SRM640e", "alpha_Al2O3_SRM676a_2015")
    for ours, theirs in zip(built_in(), names, strict=True):
        listed = np.asarray(calibrant.CALIBRANT_FACTORY(theirs).dspacing[:12])
        assert find_standard(ours).spacings[:12] == pytest.approx(listed, rel=3e-8)  # their files have 8 places
    assert find_standard("PBBA").source == "pyFAI"


def test_files_of_spacings(tmp_path):
    file = tmp_path / "mine.D"
    file.write_text("# a remark\n 3.0 # (1 1 1) 8\n\n4.5  more\n")
    assert find_standard(str(file)).spacings.tolist() == [4.5, 3.0]
    file.write_text("3.0\nnothing\n")
    with pytest.raises(ValueError, match=r"mine.D:2: 'nothing' is not a spacing"):
        read_spacings(file)
    file.write_text("# only this\n")
    with pytest.raises(ValueError, match="lists no spacings"):
        read_spacings(file)
    with pytest.raises(ValueError, match="no such file"):
        find_standard(str(tmp_path / "absent.D"))
    with pytest.raises(ValueError, match=r"not known.*agbeh, lab6"):
        find_standard("gold leaf")


def test_peaks_and_their_uncertainties():
    generator = np.random.default_rng(0)
    groups, each = 400, 300
    group = np.repeat(np.arange(groups), each)
    x = generator.uniform(-15, 15, len(group))
    truth = generator.uniform(-3, 3, groups)
    expected = 60 * np.exp(-0.5 * ((x - truth[group]) / 3.0) ** 2) + 20 - 0.3 * x
    counts = generator.poisson(expected).astype(float)
    counts[::1500] = 5000  # hot pixels
    hot = too_bright(group, counts, groups)
    assert hot[::1500].all()
    assert hot.mean() < 1 / 1400
    group, x, counts = group[~hot], x[~hot], counts[~hot]
    start = first_guess(group, x, counts, groups, np.full(groups, 15.0), 1.0)
    peaks = fit_peaks(group, x, counts, groups, start)
    pull = (peaks.position - truth) / peaks.sigma
    assert np.sqrt(np.mean(pull**2)) == pytest.approx(1, abs=0.12)  # 400 pulls: 3.5 %
    assert abs(pull.mean()) < 0.2
    assert np.median(peaks.width) == pytest.approx(3.0, rel=0.02)


def points_of(truth, spread, seed, modules=None, displacement=0.0, shape=0.0):
    """Points on five rings with known errors; 4 x 4 modules of the detector may be displaced."""
    generator = np.random.default_rng(seed)
    spacings = find_standard("agbeh").spacings[:5]
    ring = np.repeat(np.arange(5), 90)
    azimuth = np.tile(np.linspace(-np.pi, np.pi, 90, endpoint=False), 5)
    angle = ring_angles(spacings, truth.wavelength)[ring]
    radius = np.tan(angle) * truth.beam_distance / truth.pixel1
    rows, columns = place(truth, angle, azimuth)
    module = (np.clip(rows // 250, 0, 3) * 4 + np.clip(columns // 250, 0, 3)).astype(int)
    off = generator.normal(0, spread, len(ring)) + generator.normal(0, 1, 5)[ring] * shape
    rows = rows - np.sin(azimuth) * off
    columns = columns + np.cos(azimuth) * off
    shifts = generator.normal(0, displacement, (16, 2)) if displacement else np.zeros((16, 2))
    assert radius.max() < 600
    return ring, azimuth, (rows + shifts[module, 0], columns + shifts[module, 1]), spacings[ring], module


@pytest.mark.parametrize(("displacement", "shape"), [(0.0, 0.0), (0.25, 0.1)])
def test_uncertainties_allow_for_what_moves_points_together(displacement, shape):
    truth = sim.fit2d((490, 520), 700, 2, 40, 1.54, (1000, 1000))
    free = np.array([True] * 5 + [False])
    found, sizes = [], []
    for seed in range(20):
        ring, azimuth, points, spacings, module = points_of(truth, 0.05, seed, displacement=displacement, shape=shape)
        fit = fit_geometry(truth, points, spacings, np.full(len(ring), 0.05), free, ring=ring, azimuth=azimuth,
                           module=module, shape=shape)  # fmt: skip
        deviation = (parameters(fit.geometry) - parameters(truth))[:5]
        found.append(deviation @ np.linalg.solve(fit.covariance[:5, :5], deviation) / 5)
        sizes.append(fit.displacement)
    # 100 squares of which the mean is 1 +- 0.14; estimating displacements from 16 modules adds to the spread
    assert 0.6 < np.mean(found) < 1.5
    if displacement:
        assert np.median(sizes) == pytest.approx(displacement, rel=0.25)
    else:
        assert np.mean(np.array(sizes) > 0) < 0.1  # what is not there is not believed


def test_outliers_are_left_out():
    truth = sim.fit2d((490, 520), 700, 2, 40, 1.54, (1000, 1000))
    ring, azimuth, (rows, columns), spacings, _ = points_of(truth, 0.05, 1)
    rows = rows.copy()
    rows[::15] += 3.0
    free = np.array([True] * 5 + [False])
    fit = fit_geometry(truth, (rows, columns), spacings, np.full(len(ring), 0.05), free, ring=ring, azimuth=azimuth)
    across = np.abs(3.0 * np.sin(azimuth[::15]))
    assert not fit.used[::15][across > 0.5].any()
    assert fit.used.mean() > 0.9
    deviation = np.abs(parameters(fit.geometry) - parameters(truth))[:5]
    assert (deviation < 4.5 * np.sqrt(np.diag(fit.covariance))[:5]).all()
    with pytest.raises(ValueError, match="too few"):
        fit_geometry(truth, (rows[:4], columns[:4]), spacings[:4], np.ones(4), free, ring=ring[:4], azimuth=azimuth[:4])


def test_alike_neighbours():
    generator = np.random.default_rng(0)
    ring, azimuth = np.repeat(np.arange(4), 100), np.tile(np.linspace(-3, 3, 100), 4)
    noise = generator.normal(0, 1, 400)
    assert correlation(noise, ring, azimuth) == 0.0
    slow = np.sin(3 * azimuth) + 0.2 * noise
    assert correlation(slow, ring, azimuth) > 0.8
    shuffled = generator.permutation(400)
    assert correlation(slow[shuffled], ring[shuffled], azimuth[shuffled]) == correlation(slow, ring, azimuth)


def test_shape_of_rings():
    generator = np.random.default_rng(0)
    ring = {key: key // 50 for key in range(200)}
    usual = dict.fromkeys(ring, 0.0)
    chance = {key: float(generator.normal(0, 0.05)) for key in ring}
    assert shape_of_rings(usual, chance, ring) == 0.0
    offset = (0.1, -0.1, 0.05, -0.12)
    moved = {key: chance[key] + offset[ring[key]] for key in ring}
    assert shape_of_rings(usual, moved, ring) == pytest.approx(np.sqrt(np.mean(np.square(offset))), rel=0.2)


def test_modules_are_what_gaps_leave():
    mask = np.zeros((100, 120), dtype=bool)
    mask[48:52], mask[:, 60] = True, True
    mask[20:30, 20:30] = True
    mask[24:26, 24:26] = False  # an island of four pixels
    modules = find_modules(mask)
    assert len(np.unique(modules[~mask])) == 5
    assert (modules[24:26, 24:26] == -1).all()
    assert (modules[mask] == -1).all()


def test_a_distance_is_taken_only_where_rings_are_not_missing():
    angles = find_standard("agbeh").two_theta(1e-10)
    share = np.ones(2000)
    radii = 3000 * np.tan(angles[:6])
    rings = Rings((0.0, 0.0), radii, np.full(6, 50.0), np.full(6, 0.7))
    best = find_distance(rings, angles, share)
    assert best[0].pixels == pytest.approx(3000, rel=0.01)
    assert best[0].score > 0.9
    # at half the distance all six would be there, but six more that are not seen
    assert all(other.score < 0.6 for other in best[1:])
    # without the first two rings nothing changes, as long as they could not be seen
    share[: int(radii[1]) + 5] = 0.0
    hidden = Rings((0.0, 0.0), radii[2:], np.full(4, 50.0), np.full(4, 0.7))
    assert find_distance(hidden, angles, share)[0].pixels == pytest.approx(3000, rel=0.01)
