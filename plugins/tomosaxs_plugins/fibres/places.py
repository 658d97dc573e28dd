"""Where the fibres of a table lie in the sample: as the data say, or from the beam paths that see them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from tomosaxs import Axis, Dataset, InputError, convert
from tomosaxs_plugins.fibres.beam_path_file import read_beam_paths
from tomosaxs_plugins.fibres.beam_paths import BeamPathTable, paths_of_slice
from tomosaxs_plugins.fibres.positions import positions_of
from tomosaxs_plugins.fibres.table import Floats
from tomosaxs_plugins.fibres.voxel_maps import Grid, grid_of
from tomosaxs_plugins.loaders.hdf5 import is_number, open_file, units_of

COMPANIONS = ("fibre_identifier", "fibre_x", "fibre_z")
"""Companions (y, fibre) that say where fibres lie: numbers, -1 where there is none, and positions at rotation 0."""


@dataclass(frozen=True, eq=False)
class Places:
    """Positions of fibres, one entry for every fibre of every slice.

    Parameters
    ----------
    slice : (n,) int array
        Place along y.
    identifier : (n,) int array
        Number of the fibre in the whole sample.
    x, z : (n,) float arrays
        Position at rotation 0 in mm, NaN where it is not known.
    step : float
        Side of a voxel in mm that the source suggests; NaN where it suggests none.
    """

    slice: NDArray[np.intp]
    identifier: NDArray[np.int64]
    x: Floats
    z: Floats
    step: float = np.nan

    def of(self, slices: NDArray[np.intp], identifiers: Floats) -> tuple[Floats, Floats]:
        """Return x and z of fibres in mm; NaN for those that are not known."""
        rows = _matched(self.slice, self.identifier, slices, identifiers)
        return _taken(self.x, rows), _taken(self.z, rows)

    def grid(self, voxel_mm: float) -> Grid:
        """Return the voxels that hold all fibres.

        Raises
        ------
        InputError
            When no position is known.
        """
        there = np.isfinite(self.x) & np.isfinite(self.z)
        if not there.any():
            raise InputError("where the fibres lie is not known: no fibre is seen from two rotations")
        return grid_of(self.x[there], self.z[there], voxel_mm)


def places_of(dataset: Dataset, beam_paths: Path | None) -> Places:
    """Return where the fibres of a table (y, fibre, quantity) lie.

    Raises
    ------
    InputError
        When neither the data nor a beam-path table says it.
    """
    if beam_paths is not None:
        return _from_paths(dataset.axis("y"), read_beam_paths(beam_paths), beam_paths)
    missing = [name for name in COMPANIONS if name not in dataset.auxiliaries]
    if missing:
        raise InputError(
            f"where the fibres lie is not known: the data came without {', '.join(missing)}; give beam_paths: FILE, "
            "the table that reconstruct_fibres had",
            parameter="beam_paths",
        )
    identifier, x, z = (_companion(dataset, name) for name in COMPANIONS)
    y, row = np.nonzero(np.nan_to_num(identifier, nan=-1) >= 0)
    known = dataset.quantity("voxel_size")
    step = np.nan if known is None else convert(known.value, known.units, "mm")
    return Places(y, identifier[y, row].astype(np.int64), x[y, row], z[y, row], step)


def voxel_mm(places: Places, voxel_size: float | None) -> float:
    """Return the side of a voxel in mm: as given (in um), or as the source of the positions suggests.

    Raises
    ------
    InputError
        When nothing says it.
    """
    if voxel_size is not None:
        return voxel_size / 1000
    if not np.isfinite(places.step):
        raise InputError("the side of a voxel is not known: give voxel_size", parameter="voxel_size")
    return places.step


def companion_rows(dataset: Dataset, name: str, slices: NDArray[np.intp], identifiers: Floats) -> Floats | None:
    """Return a companion (y, fibre) for fibres by slice and number; None where the data came without it."""
    if name not in dataset.auxiliaries or COMPANIONS[0] not in dataset.auxiliaries:
        return None
    known = _companion(dataset, COMPANIONS[0])
    y, row = np.nonzero(np.nan_to_num(known, nan=-1) >= 0)
    rows = _matched(y, known[y, row].astype(np.int64), slices, identifiers)
    return _taken(_companion(dataset, name)[y, row], rows)


def _matched(
    known_slices: NDArray[np.intp], known: NDArray[np.int64], slices: NDArray[np.intp], identifiers: Floats
) -> NDArray[np.intp]:
    """Return where fibres are among known ones, -1 where they are not."""
    at = {key: row for row, key in enumerate(zip(known_slices.tolist(), known.tolist(), strict=True))}
    keys = zip(slices.tolist(), identifiers.astype(np.int64).tolist(), strict=True)
    return np.array([at.get(key, -1) for key in keys], dtype=np.intp)


def _taken(values: Floats, rows: NDArray[np.intp]) -> Floats:
    if not len(values):
        return np.full(len(rows), np.nan)
    return np.asarray(np.where(rows >= 0, values[rows], np.nan), dtype=np.float64)


def _companion(dataset: Dataset, name: str) -> NDArray[Any]:
    """Return a companion (y, fibre), whole; positions in mm."""
    found = dataset.auxiliaries[name]
    if set(found.axes) != {"y", "fibre"}:
        raise InputError(f"the companion {name} lies along {', '.join(found.axes)}; y and fibre are needed")
    values = np.asarray(found.reader.read((slice(None), slice(None))), dtype=np.float64)
    values = values if found.axes == ("y", "fibre") else values.T
    return values * (convert(1.0, found.units, "mm") if found.units and name in COMPANIONS[1:] else 1.0)


def _from_paths(axis: Axis, table: BeamPathTable, file: Path) -> Places:
    """Return positions as the file states them, else by least squares from the beams that see every fibre."""
    numbers = _slice_numbers(axis, table, file).tolist()
    beam = None if table.x_mm is None else table.x_mm.mean(axis=0)
    step = float(np.median(np.diff(np.sort(beam)))) if beam is not None and len(beam) > 1 else np.nan
    stated = _stated(file)
    if stated is not None:
        identifier, number, x, z = stated
        at = np.array([numbers.index(each) if each in numbers else -1 for each in number.tolist()], dtype=np.intp)
        kept = at >= 0
        return Places(at[kept], identifier[kept], x[kept], z[kept], step)
    if beam is None:
        raise InputError(f"{file} has no x_mm, the positions of the beam: where fibres lie does not follow from it")
    parts = []
    for place, number in enumerate(numbers):
        paths = paths_of_slice(table, number).paths
        x, z = positions_of(paths, beam)
        parts.append((np.full(len(x), place, dtype=np.intp), paths.identifiers, x, z))
    slices, identifiers, x, z = (np.concatenate(each) for each in zip(*parts, strict=True))
    return Places(slices, identifiers, x, z, step)


def _stated(file: Path) -> tuple[NDArray[np.int64], NDArray[np.int64], Floats, Floats] | None:
    """Return number, slice, x and z (mm) of every fibre as the file's table ``fibres`` has them, or None."""
    opened = open_file(file)  # closed when nobody holds it
    home = opened.handle.get("entry/fibres")
    columns = [home.get(name) for name in ("id", "slice", "x", "z")] if isinstance(home, h5py.Group) else []
    if not columns or not all(isinstance(each, h5py.Dataset) and is_number(each) for each in columns):
        return None
    scales = [convert(1.0, units_of(each) or "mm", "mm") for each in columns[2:]]
    identifier, number, x, z = (np.asarray(each[()]) for each in columns)
    return identifier.astype(np.int64), number.astype(np.int64), x * scales[0], z * scales[1]


def _slice_numbers(axis: Axis, table: BeamPathTable, file: Path) -> NDArray[np.intp]:
    """Return which slices of the table the data have: by height where both know it, else by number."""
    if table.y_mm is not None and axis.values is not None and axis.units not in ("", "px"):
        have = axis.values * convert(1.0, axis.units, "mm")
        apart = np.abs(table.y_mm[:, None] - have)
        step = float(np.min(np.abs(np.diff(table.y_mm)))) if len(table.y_mm) > 1 else np.inf
        if np.all(apart.min(axis=0) <= 0.25 * step):
            return np.asarray(apart.argmin(axis=0), dtype=np.intp)
        raise InputError(f"{file}: its slices (y_mm) are not those of the data ({have[0]:.6g} to {have[-1]:.6g} mm)")
    if axis.full_size != table.shape[1]:
        raise InputError(f"{file} has {table.shape[1]} slices, the data have {axis.full_size} along y")
    return axis.index
