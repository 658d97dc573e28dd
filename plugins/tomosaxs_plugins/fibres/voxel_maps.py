"""Values of fibres as maps over the voxels of the sample, with uncertainties; plain numpy, no framework."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tomosaxs_plugins.fibres.table import Rows, direction

Floats = NDArray[np.float64]

MAPS: tuple[tuple[str, str, str], ...] = (
    ("strain", "", "strain of the D-period against the reference"),
    ("d_period", "nm", "D-period"),
    ("q0", "nm^-1", "meridional position of the streak"),
    ("wa", "nm^-1", "radial half width of the streak"),
    ("wmu", "rad", "angular width of the streak"),
    ("delta", "", "shape of the streak between flat (0) and part of a sphere (1)"),
    ("amplitude", "", "amplitude"),
    ("height", "", "intensity at the peak of the streak"),
    ("alpha", "deg", "angle of the fibres from the vertical"),
    ("beta", "deg", "azimuth of the fibres about the vertical, from the beam"),
    ("reduced_chi_squared", "", "reduced chi squared of the bins that the fibres light"),
    ("fibres", "", "fibres in the voxel"),
    ("flag", "", "0 where a fibre of the voxel is solved, else why the largest is not"),
)
"""What is mapped, with units and description, in the order of the result; the first is what viewers show."""
_DIRECTIONS = ("alpha", "beta")
_COUNTS = ("fibres", "flag")


@dataclass(frozen=True)
class Grid:
    """Voxels of a slice: squares of side `pitch`, `x0` and `z0` the centre of the first; lengths in mm."""

    x0: float
    z0: float
    pitch: float
    n_x: int
    n_z: int

    @property
    def x(self) -> Floats:
        """(n_x,) centres across the beam in mm."""
        return np.asarray(self.x0 + self.pitch * np.arange(self.n_x), dtype=np.float64)

    @property
    def z(self) -> Floats:
        """(n_z,) centres along the beam in mm."""
        return np.asarray(self.z0 + self.pitch * np.arange(self.n_z), dtype=np.float64)

    def voxels(self, x: Floats, z: Floats) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Return the voxel (along z, along x) of every position; those on an edge go to the higher one."""
        places = (np.floor((at - first) / self.pitch + 0.5 + 1e-6) for at, first in ((z, self.z0), (x, self.x0)))
        down, across = (each.astype(np.intp) for each in places)
        return down, across


class Maps(NamedTuple):
    """(quantity, y, z, x) values and standard uncertainties, NaN where there is none."""

    values: Floats
    sd: Floats


def grid_of(x: Floats, z: Floats, pitch: float) -> Grid:
    """Return the smallest grid of voxels with a centre at the least x and z that holds all positions (mm)."""
    x0, z0 = float(x.min()), float(z.min())
    sizes = [int(np.floor((float(each.max()) - first) / pitch + 0.5 + 1e-6)) + 1 for each, first in ((x, x0), (z, z0))]
    return Grid(x0, z0, pitch, sizes[0], sizes[1])


def maps_of(rows: Rows, weight: Floats, grid: Grid, slices: int) -> Maps:
    """Return maps of `MAPS` over the voxels of all slices.

    A voxel's value is the mean of its solved fibres, weighted by their shares of the voxel. Its standard uncertainty is
    that of the mean of independent values. Directions are those of the largest eigenvector of the mean of n n^T, as n
    and -n are the same fibre; their uncertainty is known where one fibre alone is in the voxel.

    Parameters
    ----------
    rows : Rows
        Fibres, with the columns x and z in mm.
    weight : (n,) float array
        Share of its voxel that each fibre has.
    grid : Grid
        Voxels.
    slices : int
        Slices.
    """
    shape = (slices, grid.n_z, grid.n_x)
    down, across = grid.voxels(rows["x"], rows["z"])
    voxel = np.ravel_multi_index((rows.slice, down, across), shape)
    values = np.full((len(MAPS), slices * grid.n_z * grid.n_x), np.nan)
    sd = np.full_like(values, np.nan)
    for number, (name, _, _) in enumerate(MAPS):
        if name not in (*_DIRECTIONS, *_COUNTS) and name in rows:
            used = rows.solved & np.isfinite(rows[name])
            errors = rows[f"{name}_sd"] if f"{name}_sd" in rows else np.full(len(rows), np.nan)
            values[number], sd[number] = _means(voxel, rows[name], errors, np.where(used, weight, 0.0), sd.shape[1])
    names = [name for name, _, _ in MAPS]
    angles = [names.index(name) for name in _DIRECTIONS]
    values[angles], sd[angles] = _directions(rows, voxel, np.where(rows.solved, weight, 0.0), sd.shape[1])
    counts = [names.index(name) for name in _COUNTS]
    values[counts], sd[counts] = _counts(rows, voxel, weight, sd.shape[1]), 0.0
    return Maps(values.reshape(-1, *shape), sd.reshape(-1, *shape))


def _means(
    voxel: NDArray[np.intp], values: Floats, errors: Floats, weight: Floats, count: int
) -> tuple[Floats, Floats]:
    """Return weighted means and their standard uncertainties; weight 0 leaves out, whatever the value is."""
    total = np.bincount(voxel, weight, count)
    used = weight > 0
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = np.bincount(voxel, np.where(used, weight * values, 0.0), count) / total
        spread = np.sqrt(np.bincount(voxel, np.where(used, (weight * errors) ** 2, 0.0), count)) / total
    return mean, spread


def _directions(rows: Rows, voxel: NDArray[np.intp], weight: Floats, count: int) -> tuple[Floats, Floats]:
    """Return (2, voxels) alpha and beta in degrees, and their uncertainties where one fibre is in the voxel."""
    n = direction(rows["alpha"], rows["beta"])
    tensor = np.stack([
        np.bincount(voxel, np.where(weight > 0, weight * n[:, i] * n[:, j], 0.0), count)
        for i in range(3) for j in range(3)
    ], axis=-1).reshape(count, 3, 3)  # fmt: skip
    main = np.linalg.eigh(tensor)[1][..., -1]
    number = np.bincount(voxel, (weight > 0).astype(np.float64), count)
    alpha = np.degrees(np.arccos(np.clip(main[:, 1], -1, 1)))
    beta = np.degrees(np.arctan2(main[:, 0], main[:, 2])) % 360
    found = np.where(number > 0, np.stack([alpha, beta]), np.nan)
    sd = np.full_like(found, np.nan)
    alone = (weight > 0) & (number[voxel] == 1)
    for place, name in enumerate(_DIRECTIONS):  # as the table has them: the eigenvector's sign is arbitrary
        found[place, voxel[alone]] = rows[name][alone]
        if f"{name}_sd" in rows:
            sd[place, voxel[alone]] = rows[f"{name}_sd"][alone]
    return found, sd


def _counts(rows: Rows, voxel: NDArray[np.intp], weight: Floats, count: int) -> Floats:
    """Return (2, voxels): fibres in a voxel, and its flag; NaN where there is no fibre."""
    number = np.bincount(voxel, minlength=count).astype(np.float64)
    flag = np.full(count, np.nan)
    order = np.argsort(np.where(rows.solved, np.inf, weight), kind="stable")  # the last one to be written stays
    flag[voxel[order]] = rows.flags[order]
    return np.stack([np.where(number > 0, number, np.nan), flag])
