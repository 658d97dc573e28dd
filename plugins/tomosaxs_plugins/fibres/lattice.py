"""Fibres on a square lattice, and the beam paths that see them: the sample of every simulated scan.

One fibre stands for a voxel. In plan the fibres run along ellipses, as the lamellae of an intervertebral disc do;
layer by layer they are inclined one way and the other.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from tomosaxs_plugins.fibres.problem import BeamPaths, FibreTable, Floats

Scatter: TypeAlias = Literal["none", "documented", "realistic"]
"""How much the parameters differ from fibre to fibre."""
D_PERIOD_NM = 66.8
ORDER = 3
SEMI_AXES = (0.6, 1.0)
"""Half axes in mm, along x and z, of the outer edge of the disc; every layer is an ellipse of the same shape."""
HOLE_CENTRE = (0.02, -0.05)
HOLE_SEMI_AXES = (0.32, 0.53)
"""The nucleus, without fibres: with it a lattice of 40 x 40 leaves a shell of 245 voxels."""
LAYERS_PER_UNIT = 6
FWHM_TO_SD = 1 / (2 * np.sqrt(2 * np.log(2)))


@dataclass(frozen=True, eq=False)
class Lattice:
    """Fibres of one slice, where they are and what they are.

    Parameters
    ----------
    x, z : (n,) float arrays
        Positions in mm at rotation 0: across the beam and along it. The rotation axis is at 0, 0.
    layer : (n,) int array
        Number of the elliptical layer.
    pitch : float
        Distance of neighbouring voxels in mm.
    identifiers : (n,) int array
        Numbers of the fibres in the whole sample.
    fibres : FibreTable
        True parameters, in the order of `x`.
    """

    x: Floats
    z: Floats
    layer: NDArray[np.int64]
    pitch: float
    identifiers: NDArray[np.int64]
    fibres: FibreTable


def lattice(
    n: int,
    *,
    shell: bool = False,
    scatter: Scatter = "realistic",
    seed: int = 0,
    pitch: float | None = None,
    first_identifier: int = 1,
) -> Lattice:
    """Return fibres on an n x n lattice.

    Parameters
    ----------
    n : int
        Voxels along each side.
    shell : bool
        Keep what lies inside the outer ellipse and outside the nucleus only (40 x 40: 245 fibres); else all n x n.
    scatter : {'none', 'documented', 'realistic'}
        Differences of the parameters from fibre to fibre: none; standard deviations of 8e-4 nm^-1, 8e-5 nm^-1,
        8e-4 rad, 1e-3 and 0.08 of q0, wa, wmu, delta and amplitude, as the documentation of the published pipeline
        has them; or D-periods of 66.8(6) nm, wa 0.0020(4) nm^-1 (at least 0.0008), wmu 0.20(3) rad, delta 0.5(1),
        amplitude 1.0(1). Directions always scatter by 5 degrees.
    seed : int
        Of the random numbers.
    pitch : float, optional
        Distance of voxels in mm; by default the lattice is 1.2 mm wide, or with `shell` 3 mm.
    first_identifier : int
        Number of the first fibre; the others follow.

    Raises
    ------
    ValueError
        For a lattice without fibres.
    """
    if n < 1:
        raise ValueError(f"a lattice needs at least one voxel a side, not {n}")
    pitch = (3.0 if shell else 1.2) / n if pitch is None else pitch
    line = (np.arange(n) - (n - 1) / 2) * pitch
    x, z = (each.ravel() for each in np.meshgrid(line, line, indexing="ij"))
    if shell:
        filled = _inside(x, z, (0.0, 0.0), SEMI_AXES) & ~_inside(x, z, HOLE_CENTRE, HOLE_SEMI_AXES)
        x, z = x[filled], z[filled]
    if not len(x):
        raise ValueError(f"no voxel of {n} x {n} with a pitch of {pitch} mm lies in the shell")
    rng = np.random.default_rng(seed)
    radius = np.hypot(x / SEMI_AXES[0], z / SEMI_AXES[1])
    layer = np.floor(LAYERS_PER_UNIT * radius).astype(np.int64)
    alpha = 90 + np.where(layer % 2 == 0, 30.0, -30.0) + rng.normal(0, 5, len(x))
    tangent = np.degrees(np.arctan2(-z / SEMI_AXES[1] ** 2, x / SEMI_AXES[0] ** 2))
    beta = (tangent + rng.normal(0, 5, len(x))) % 360
    q0, wa, wmu, delta, amplitude = _parameters(scatter, len(x), rng)
    fibres = FibreTable(q0, wa, wmu, delta, amplitude, alpha, beta)
    return Lattice(x, z, layer, pitch, first_identifier + np.arange(len(x), dtype=np.int64), fibres)


def _inside(x: Floats, z: Floats, centre: tuple[float, float], axes: tuple[float, float]) -> NDArray[np.bool_]:
    return np.asarray(((x - centre[0]) / axes[0]) ** 2 + ((z - centre[1]) / axes[1]) ** 2 <= 1)


def _parameters(scatter: Scatter, count: int, rng: np.random.Generator) -> tuple[Floats, ...]:
    """Return q0, wa, wmu, delta and amplitude of so many fibres."""
    q0 = 2 * np.pi * ORDER / D_PERIOD_NM
    normal = rng.standard_normal((5, count))
    if scatter == "realistic":
        return (
            2 * np.pi * ORDER / (D_PERIOD_NM + 0.6 * normal[0]),
            np.maximum(0.0020 + 0.0004 * normal[1], 0.0008),
            np.maximum(0.20 + 0.03 * normal[2], 0.05),
            np.clip(0.5 + 0.1 * normal[3], 0.02, 0.98),
            np.maximum(1.0 + 0.1 * normal[4], 0.1),
        )
    share = {"none": 0.0, "documented": 1.0}[scatter]
    middle = np.array([q0, 0.002, 0.2, 0.5, 1.0])[:, None]
    spread = np.array([8e-4, 8e-5, 8e-4, 1e-3, 0.08])[:, None]
    return tuple(middle + share * spread * normal)


def rotated_x(x: Floats, z: Floats, rotation_deg: Floats) -> Floats:
    """Return (n_rotations, n) positions across the beam of points of the sample, in the units of `x` and `z`."""
    turned = np.radians(np.asarray(rotation_deg, dtype=np.float64))[:, None]
    return np.asarray(x * np.cos(turned) + z * np.sin(turned))


def beam_positions(sample: Lattice, step: float | None = None) -> Floats:
    """Return positions of the beam in mm, symmetric about the rotation axis, that cover the sample at any rotation.

    Parameters
    ----------
    sample : Lattice
        What is scanned.
    step : float, optional
        In mm; by default the pitch of the lattice.
    """
    step = sample.pitch if step is None else step
    reach = float(np.hypot(sample.x, sample.z).max()) + step / 2
    on_voxels = round(2 * float(np.abs(sample.x).min()) / step) % 2 == 0  # else in the middle between two rows
    half = np.ceil(reach / step) if on_voxels else np.ceil(reach / step - 0.5) + 0.5
    return np.asarray((np.arange(round(2 * half) + 1) - half) * step)


def beam_paths_of(
    sample: Lattice,
    rotation_deg: Floats,
    positions: Floats | None = None,
    *,
    fwhm: float | None = None,
    cut: float = 3.0,
) -> BeamPaths:
    """Return which fibres every beam path crosses, and with what share of the beam.

    A fibre at distance d from the middle of a Gaussian beam of standard deviation s weighs exp(-d^2 / 2 s^2).

    Parameters
    ----------
    sample : Lattice
        Fibres and their true directions.
    rotation_deg : (n_rotations,) float array
        Rotations of the sample in degrees.
    positions : (n_positions,) float array, optional
        Positions of the beam in mm; those of `beam_positions` by default.
    fwhm : float, optional
        Full width of the beam at half its maximum in mm; by default the pitch of the lattice.
    cut : float
        Fibres farther from the beam's middle than so many standard deviations are left out.

    Returns
    -------
    BeamPaths
        Paths in the order of rotations, then positions; those without fibres are left out.
    """
    rotations = np.asarray(rotation_deg, dtype=np.float64)
    positions = beam_positions(sample) if positions is None else np.asarray(positions, dtype=np.float64)
    sd = (sample.pitch if fwhm is None else fwhm) * FWHM_TO_SD
    distance = rotated_x(sample.x, sample.z, rotations)[:, None, :] - positions[:, None]
    seen = np.abs(distance) <= cut * sd
    weight = np.exp(-(distance[seen] ** 2) / (2 * sd**2))
    counts = seen.sum(axis=2)
    path_rotation, path_position = np.nonzero(counts)
    offsets = np.concatenate([[0], np.cumsum(counts[path_rotation, path_position])])
    return BeamPaths(
        rotation_deg=rotations,
        path_rotation=path_rotation,
        path_position=path_position,
        offsets=offsets.astype(np.intp),
        fibre=np.nonzero(seen)[2],
        weight=weight,
        identifiers=sample.identifiers,
        alpha_deg=sample.fibres.alpha_deg,
        beta_deg=sample.fibres.beta_deg,
    )


def seen_directions(fibres: FibreTable, error_deg: float, seed: int) -> tuple[Floats, Floats]:
    """Return alpha and beta in degrees as tomography would tell them: off by normal errors of `error_deg`.

    Parameters
    ----------
    fibres : FibreTable
        The truth.
    error_deg : float
        Standard deviation in degrees, of alpha and of beta.
    seed : int
        Of the random numbers.
    """
    off = np.random.default_rng([seed, 1]).normal(0.0, 1.0, (2, len(fibres.alpha_deg))) * error_deg
    return fibres.alpha_deg + off[0], fibres.beta_deg + off[1]
