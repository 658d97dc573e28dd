"""The simulated sample: where its fibres are and how beam paths see them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tomosaxs_plugins.fibres.lattice import Lattice, beam_paths_of, beam_positions, lattice, rotated_x
from tomosaxs_plugins.fibres.problem import BeamPaths, FibreTable, Floats

ROTATIONS = np.linspace(-85, 95, 9)


def dense(paths: BeamPaths, positions: int) -> Floats:
    """Return the weights as (rotation, position, fibre)."""
    weights = np.zeros((len(paths.rotation_deg), positions, len(paths.identifiers)))
    path = np.repeat(np.arange(len(paths.path_rotation)), np.diff(paths.offsets))
    weights[paths.path_rotation[path], paths.path_position[path], paths.fibre] = paths.weight
    return weights


def test_voxels_and_beam_paths_are_those_of_the_reference(shared: Path) -> None:
    golden = np.load(shared / "golden" / "fibres" / "lattice8x8.npz", allow_pickle=False)
    sample = lattice(8)
    np.testing.assert_allclose(sample.x, golden["x"], atol=1e-12)
    np.testing.assert_allclose(sample.z, golden["z"], atol=1e-12)
    np.testing.assert_array_equal(sample.layer, golden["layer"])
    np.testing.assert_allclose(beam_positions(sample), golden["beam_pos"], atol=1e-12)
    np.testing.assert_allclose(rotated_x(sample.x, sample.z, golden["rot_deg"]), golden["x_rot"], atol=1e-12)
    # directions: the same tangents and layers, other random errors of 5 degrees
    apart = [sample.fibres.alpha_deg - golden["alpha_deg"], sample.fibres.beta_deg - golden["beta_deg"]]
    assert all(np.std((each + 180) % 360 - 180) < 5 * 2**0.5 * 1.3 for each in apart)
    names = ("q0", "wa", "wMu", "delta", "amp", "alpha_deg", "beta_deg")
    theirs = FibreTable(*(golden[name] for name in names))
    paths = beam_paths_of(
        Lattice(sample.x, sample.z, sample.layer, sample.pitch, sample.identifiers, theirs), golden["rot_deg"]
    )
    np.testing.assert_allclose(dense(paths, 12), golden["W"], atol=1e-12)
    np.testing.assert_array_equal(paths.path_rotation, golden["path_rot"])
    np.testing.assert_array_equal(paths.path_position, golden["path_pos"])
    turned = (paths.beta_deg + paths.rotation_deg[:, None]) % 360
    np.testing.assert_allclose(turned, golden["beta_rot_deg"], atol=1e-9)


def test_a_shell_of_forty_voxels_a_side_has_245_fibres() -> None:
    shell, filled = lattice(40, shell=True), lattice(40)
    assert len(shell.x) == 245
    assert len(filled.x) == 1600
    assert np.all(np.hypot(shell.x / 0.6, shell.z) <= 1)


@pytest.mark.parametrize("n", [1, 2, 7, 8])
def test_the_beam_reaches_every_fibre_at_every_rotation(n: int) -> None:
    sample = lattice(n)
    positions = beam_positions(sample)
    np.testing.assert_allclose(positions, -positions[::-1])
    weights = dense(beam_paths_of(sample, np.arange(0.0, 180.0, 7.0)), len(positions))
    # steps as wide as the beam: the sum over the beam's positions is that of a Gaussian's samples one width apart
    sd = 1 / np.sqrt(8 * np.log(2))
    np.testing.assert_allclose(weights.sum(axis=1), sd * np.sqrt(2 * np.pi), rtol=0.07)


def test_paths_come_in_order_without_empty_ones_and_without_what_is_beyond_the_cut() -> None:
    sample = lattice(8, shell=True)
    paths = beam_paths_of(sample, ROTATIONS, fwhm=0.4, cut=2.0)
    assert np.all(np.diff(paths.offsets) > 0)
    order = paths.path_rotation * 1000 + paths.path_position
    assert np.all(np.diff(order) > 0)
    assert paths.weight.min() >= np.exp(-2.0)
    assert paths.weight.max() <= 1.0


@pytest.mark.parametrize(
    ("scatter", "sds"),
    [
        ("none", (0, 0, 0, 0, 0)),
        ("documented", (8e-4, 8e-5, 8e-4, 1e-3, 0.08)),
        ("realistic", (2.53e-3, 4e-4, 0.03, 0.1, 0.1)),
    ],
)
def test_parameters_scatter_as_documented(scatter: str, sds: tuple[float, ...]) -> None:
    fibres = lattice(40, scatter=scatter, seed=4).fibres  # type: ignore[arg-type]
    middles = (2 * np.pi * 3 / 66.8, 0.002, 0.2, 0.5, 1.0)
    for name, middle, sd in zip(("q0", "wa", "wmu", "delta", "amplitude"), middles, sds, strict=True):
        values = getattr(fibres, name)
        assert abs(values.mean() - middle) <= 5 * sd / 40 + 1e-12, name
        assert values.std() == pytest.approx(sd, rel=0.08, abs=1e-12), name


def test_the_seed_alone_decides() -> None:
    one, same, other = lattice(5, seed=1), lattice(5, seed=1), lattice(5, seed=2)
    np.testing.assert_array_equal(one.fibres.q0, same.fibres.q0)
    assert np.all(one.fibres.q0 != other.fibres.q0)


def test_a_lattice_without_fibres_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one voxel"):
        lattice(0)
    with pytest.raises(ValueError, match="no voxel of 1 x 1"):
        lattice(1, shell=True)
