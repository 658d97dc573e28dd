"""Beam paths of the slices of a block, from a file or from the companions of a dataset."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tomosaxs import Axis, Dataset, InputError, Scan
from tomosaxs_plugins.fibres.beam_path_file import read_beam_paths
from tomosaxs_plugins.fibres.beam_paths import (
    PADDED,
    BeamPathTable,
    SlicePaths,
    from_padded,
    paths_of_slice,
)
from tomosaxs_plugins.fibres.problem import Floats

_ANGLE = 0.05  # deg; stages repeat their angles to less
_STEP = 0.25  # of a step; a scan that was started half a step later is another scan


def check_beam_paths(dataset: Dataset, beam_paths: Path | None) -> None:
    """Check before anything runs that a dataset has beam paths, and that they fit it.

    Raises
    ------
    InputError
        Naming what was given, what the dataset has and what to do.
    """
    table_of_dataset(dataset, beam_paths)


def table_of_dataset(dataset: Dataset, beam_paths: Path | None) -> BeamPathTable | None:
    """Return the table of a file cut to a dataset; None where the dataset has companions and no file is given.

    Parameters
    ----------
    dataset : Dataset
        With axes rotation_angle and x, and y where there are several slices.
    beam_paths : Path or None
        A NeXus file with a beam-path table; it goes before the companions.

    Raises
    ------
    InputError
        When there are no beam paths, or those of the file do not fit.
    """
    if beam_paths is None:
        missing = [name for name in PADDED if name not in dataset.auxiliaries]
        if missing:
            raise InputError(
                f"it is not known which fibres the beam paths cross: the data came without {', '.join(missing)}: give "
                "beam_paths: FILE, a NeXus file of registration with the group beampaths",
                parameter="beam_paths",
            )
        return None
    table = read_beam_paths(beam_paths)
    try:
        return table.taken(*_matched(table, dataset))
    except InputError as error:
        raise InputError(f"beam_paths: {beam_paths}: {error}", parameter="beam_paths") from None


def slices_of_block(scan: Scan, table: BeamPathTable | None) -> list[SlicePaths]:
    """Return the beam paths of every slice of a block.

    Parameters
    ----------
    scan : Scan
        Of a step whose core holds rotation_angle and x whole.
    table : BeamPathTable or None
        From `table_of_dataset`; None takes the companions.

    Raises
    ------
    InputError
        When companions hold impossible numbers.
    """
    if table is not None:
        several = "y" in scan.sliced
        return [paths_of_slice(table, int(n) if several else 0) for n in scan.index]
    arrays = {name: _of_core(scan, name) for name in PADDED}
    try:
        own = from_padded(arrays, np.asarray(scan.angles, dtype=np.float64))
    except ValueError as error:
        raise InputError(f"beam paths: {error}") from None
    return [paths_of_slice(own, number) for number in range(own.shape[1])]


def _of_core(scan: Scan, name: str) -> NDArray[Any]:
    """Return a padded companion as (slice, rotation, beam, entry)."""
    found = scan.get(name)  # (entry, slice, one dimension for every core axis)
    order = [scan.core.index("rotation_angle") + 2, scan.core.index("x") + 2]
    others = tuple(n for n in range(2, found.ndim) if n not in order)
    return np.ascontiguousarray(np.transpose(found, (1, *order, 0, *others)).reshape(
        found.shape[1], found.shape[order[0]], found.shape[order[1]], found.shape[0]
    ))  # fmt: skip


def _matched(table: BeamPathTable, dataset: Dataset) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]]:
    """Return the rotations, slices and beams of the table that a dataset has."""
    angles = dataset.axis("rotation_angle")
    if angles.values is None:
        raise InputError("the rotation angles of the data are not known, so that beam paths cannot be told apart")
    rotations = _same_angles(table.rotation_deg, np.asarray(angles.values))
    y = dataset.axis("y") if "y" in dataset.names else Axis("y", 1)
    slices = _same_places(table.y_mm, table.shape[1], y, "slices")
    x = None if table.x_mm is None else np.asarray(table.x_mm[rotations].mean(axis=0))
    return rotations, slices, _same_places(x, table.shape[2], dataset.axis("x"), "beams")


def _same_angles(known: Floats, wanted: Floats) -> NDArray[np.intp]:
    apart = np.abs(known[:, None] - wanted)
    nearest = np.asarray(apart.argmin(axis=0), dtype=np.intp)
    lost = wanted[apart.min(axis=0) > _ANGLE]
    if len(lost):
        raise InputError(
            f"the data have the rotations {_few(lost)} deg, for which there are no beam paths; there are some for "
            f"{_few(known)} deg"
        )
    if len(set(nearest.tolist())) != len(nearest):
        raise InputError(f"several rotations of the data ({_few(wanted)} deg) fit one of {_few(known)} deg")
    return nearest


def _same_places(known: Floats | None, count: int, axis: Axis, what: str) -> NDArray[np.intp]:
    """Return where the entries of an axis lie in the table: by coordinates, or by their place in the whole axis."""
    if known is not None and axis.values is not None and axis.units not in ("px", ""):
        have = np.asarray(axis.values) * (1e3 if axis.units == "m" else 1.0)
        step = np.min(np.abs(np.diff(known))) if len(known) > 1 else np.inf
        apart = np.abs(known[:, None] - have)
        if np.all(apart.min(axis=0) <= _STEP * step):
            return np.asarray(apart.argmin(axis=0), dtype=np.intp)
        raise InputError(
            f"{axis.name} of the data ({have[0]:.6g} to {have[-1]:.6g} mm, {axis.size}) and the {what} of the table "
            f"({known[0]:.6g} to {known[-1]:.6g} mm, {count}) are not the same positions"
        )
    if axis.full_size != count:
        raise InputError(f"the data have {axis.full_size} entries along {axis.name}, the table has {count} {what}")
    return axis.index


def _few(values: Floats) -> str:
    texts = [f"{value:g}" for value in values[:12]]
    return ", ".join(texts) + (f" and {len(values) - 12} more" if len(values) > 12 else "")
