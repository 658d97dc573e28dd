"""Eigen-flats: a beam that drifts is followed; flats that are all alike change nothing."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import numpy as np
import pytest

import tomosaxs
from tomosaxs import ArrayReader, Auxiliary, Axis, Dataset, InputError, Source
from tomosaxs.testing import packing, run_plugin
from tomosaxs_plugins.corrections.dark_flat_correction import dark_flat_correction
from tomosaxs_plugins.corrections.eigen_flats import EigenFlatCorrection
from tomosaxs_plugins.corrections.eigen_flats_kernels import binned, eigen_flats

ROWS, COLUMNS, PROJECTIONS, FLATS = 64, 96, 4, 20
AIR, LEVEL, DARK = 10, 20000.0, 100.0


def modes(smooth):
    """Return how a beam looks and three ways in which it changes: it moves, and stripes or slopes grow."""
    rng = np.random.default_rng(5)
    y, x = np.mgrid[:ROWS, :COLUMNS].astype(float)

    def stripes(width):
        noise = np.convolve(rng.standard_normal(ROWS + 8), np.ones(width), "same")[4:-4, None]
        return (noise - noise.mean()) / noise.std() * (1 + 0.3 * np.sin(x / 15))

    beam = np.exp(-(((y - 30) / 60) ** 2) - ((x - 45) / 90) ** 2) * (1 + 0.1 * stripes(3))
    moved = np.gradient(beam, axis=0) / beam
    others = (np.sin(y / 5 + x / 40), (x - 48) / 48) if smooth else (stripes(5), np.sin(y / 1.7 + x / 20))
    changes = np.stack([moved / moved.std(), *others])
    return beam, changes - changes.mean(axis=(1, 2), keepdims=True)


@lru_cache(maxsize=1)
def transmissions():
    """Return what the sample lets through, (projections, rows, columns), with air at both sides."""
    inner = COLUMNS - 2 * AIR
    lines = np.zeros((PROJECTIONS, ROWS, COLUMNS))
    sample = packing(inner, ROWS, seed=2)
    lines[:, :, AIR:-AIR] = sample.projections(np.linspace(0, 180, PROJECTIONS, endpoint=False), ROWS, inner)
    return np.exp(-lines * (1.2 / lines.max()))


@lru_cache(maxsize=16)
def make(drift=0.03, photons=0.0, seed=1, flats=FLATS, smooth=False):
    """Return a scan as the loader gives it, the true transmissions, and the fields that light each frame."""
    rng = np.random.default_rng(seed)
    beam, changes = modes(smooth)
    truth = transmissions()
    light = beam * (1 + np.einsum("kj,jyx->kyx", drift * rng.standard_normal((flats + PROJECTIONS, 3)), changes))
    counts = LEVEL * light
    counts[flats:] *= truth
    if photons:
        counts = rng.poisson(counts * photons / LEVEL) * (LEVEL / photons)
    counts = (counts + DARK).astype(np.float32)
    counts.flags.writeable = seed != 1  # scans that several tests use
    axes = (Axis("rotation_angle", PROJECTIONS, np.arange(PROJECTIONS) * 15.0, "deg"), Axis("detector_y", ROWS),
            Axis("detector_x", COLUMNS))  # fmt: skip
    shares = np.full((flats, PROJECTIONS), 1 / flats)
    companions = {
        "flats": Auxiliary(("flat", "detector_y", "detector_x"), ArrayReader(counts[:flats])),
        "darks": Auxiliary(
            ("dark", "detector_y", "detector_x"), ArrayReader(np.full((1, ROWS, COLUMNS), DARK, np.float32))
        ),
        "flat_weights": Auxiliary(("flat", "rotation_angle"), ArrayReader(shares)),
    }
    dataset = Dataset(axes, counts.dtype, "counts", "counts", companions)
    return Source(dataset, ArrayReader(counts[flats:])), truth


def error(made, truth):
    """Return the r.m.s. error of -ln T, its mean in each frame taken away: brightness is another matter."""
    apart = np.log(made) - np.log(truth)
    return float(np.sqrt(np.mean(np.square(apart - apart.mean(axis=(1, 2), keepdims=True)))))


def test_planted_modes_are_followed():
    scan, truth = make()
    (plain,) = run_plugin(dark_flat_correction, scan)
    (made,) = run_plugin(EigenFlatCorrection, scan)
    assert error(plain, truth) > 0.02
    assert 5 * error(made, truth) <= error(plain, truth)


def test_with_photon_noise():
    """What noise alone leaves of perfectly known flats is taken away, in squares, from both."""
    scan, truth = make(photons=20000.0)
    quiet, _ = make(drift=0.0, photons=20000.0)
    (plain,) = run_plugin(dark_flat_correction, scan)
    (made,) = run_plugin(EigenFlatCorrection, scan)
    noise = error(run_plugin(dark_flat_correction, quiet)[0], truth)
    left = np.sqrt(max(error(made, truth) ** 2 - noise**2, 0.0))
    assert 5 * left <= np.sqrt(error(plain, truth) ** 2 - noise**2)


@pytest.mark.parametrize("smooth", [False, True])
@pytest.mark.parametrize("photons", [0.0, 20000.0])
def test_air_tells_smooth_changes_and_the_brightness(smooth, photons):
    """Measured with the mean of each frame, and without what photon noise alone leaves."""
    scan, truth = make(photons=photons, smooth=smooth)
    (quiet,) = run_plugin(dark_flat_correction, make(drift=0.0, photons=photons, smooth=smooth)[0])
    noise = np.sqrt(np.mean(np.square(np.log(quiet / truth))))
    left = {}
    for name, target, parameters in (("plain", dark_flat_correction, {}), ("made", EigenFlatCorrection, {"air": AIR})):
        (made,) = run_plugin(target, scan, parameters)
        left[name] = np.sqrt(max(np.mean(np.square(np.log(made / truth))) - noise**2, 0.0))
    assert left["plain"] > 0.02
    assert 5 * left["made"] <= left["plain"]


@pytest.mark.parametrize("photons", [0.0, 20000.0])
def test_flats_that_are_alike_change_nothing(photons):
    """Noise is not taken for a change of the beam."""
    scan, _ = make(drift=0.0, photons=photons)
    (plain,) = run_plugin(dark_flat_correction, scan)
    (made,) = run_plugin(EigenFlatCorrection, scan)
    if photons:  # each flat is taken relative to its level: of noise alone these differ by 1e-4
        assert abs(made - plain).max() <= 1e-4
    else:
        assert abs(made - plain).max() <= 1e-6


def test_number_of_components():
    beam, changes = modes(False)
    rng = np.random.default_rng(3)
    flats = LEVEL * beam * (1 + 0.03 * np.einsum("kj,jyx->kyx", rng.standard_normal((15, 3)), changes))
    dark = np.zeros(beam.shape, np.float32)
    for noise in (0.0, 0.01):
        noisy = flats * (1 + noise * rng.standard_normal(flats.shape))
        found = eigen_flats(lambda number: noisy[number].astype(np.float32), 15, dark, 4, None, 8)  # noqa: B023
        assert found.components == 3
        assert found.explained > 0.97
    assert eigen_flats(lambda number: flats[number].astype(np.float32), 15, dark, 4, 2, 8).components == 2
    # the components rebuild the flats
    shapes = np.tensordot(found.scores, found.images[1:], 1) + found.images[0]
    rebuilt = shapes * found.levels[:, None, None]
    assert np.sqrt(np.mean(np.square(rebuilt / flats - 1))) < 0.006


def test_binned_by_hand():
    assert np.array_equal(binned(np.arange(15.0).reshape(3, 5), 2), [[3.0, 5.0]])
    assert np.array_equal(binned(np.arange(4.0).reshape(1, 4), 2), [[0.5, 2.5]])


def test_too_few_flats_and_a_dark_among_them():
    scan, _ = make(flats=3)
    with pytest.raises(InputError, match="flat_average: none"):
        run_plugin(EigenFlatCorrection, scan)
    scan, _ = make(seed=2)
    scan.dataset.auxiliaries["flats"].reader.array[4] = DARK
    with pytest.raises(Exception, match="flat 4 is not brighter than the dark"):
        run_plugin(EigenFlatCorrection, scan)
    with pytest.raises(InputError, match="at most 19 components"):
        run_plugin(EigenFlatCorrection, scan, {"components": 20})
    bare = replace(scan, dataset=replace(scan.dataset, auxiliaries={}))
    with pytest.raises(InputError, match="no flats"):
        run_plugin(EigenFlatCorrection, bare)


def test_in_a_list_with_every_flat_kept(tmp_path):
    """The loader keeps every flat; a beam that does not drift gives what dark_flat_correction gives."""
    from tomosaxs.testing import Defects, ScanSettings, micro_ct_scan

    settings = ScanSettings(projections=8, rows=16, columns=48, subsample=1, flats=6)
    micro_ct_scan(tmp_path / "scan.nxs", packing(48, 16, seed=1), settings, Defects.none(), seed=1)
    made = {}
    for name, more in (("dark_flat_correction", ""), ("eigen_flat_correction", "    flat_average: none\n")):
        head = f"input:\n  tomo:\n    plugin: tomography\n    path: scan.nxs\n{more}"
        (tmp_path / f"{name}.yml").write_text(f"{head}steps:\n  - plugin: {name}\n    save: true\n")
        result = tomosaxs.run(tmp_path / f"{name}.yml", output=tmp_path / name, log=lambda line: None)
        made[name] = result.datasets[0].values()
    assert abs(made["eigen_flat_correction"] - made["dark_flat_correction"]).max() <= 1e-6


def test_beside_nabu():
    """Its PCA of flats fits in the same air, of logarithms, and adds slopes of its own: no worse than that."""
    module = pytest.importorskip("nabu.preproc.flatfield", reason="nabu is not installed")
    scan, truth = make(photons=20000.0)
    (made,) = run_plugin(EigenFlatCorrection, scan, {"air": AIR})
    dark = np.full((ROWS, COLUMNS), DARK, np.float32)
    peer = module.PCAFlatsDecomposer(scan.dataset.auxiliaries["flats"].reader.array.copy(), dark)
    theirs = scan.reader.array.copy()
    normaliser = module.PCAFlatsNormalizer(np.array(peer.components), dark, peer.mean)
    normaliser.normalize_radios(theirs, prop=AIR / COLUMNS)
    assert error(made, truth) <= 1.05 * error(theirs, truth)
