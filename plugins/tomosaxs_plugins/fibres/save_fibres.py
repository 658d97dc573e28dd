"""Saving step `save_fibres`: the table of fibres as CSV, and as VTK lines that ParaView opens."""

from __future__ import annotations

import re
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from tomosaxs import Dataset, InputError, Param, Scan, convert, plugin
from tomosaxs_plugins.fibres.fibre_csv import WHOLE, csv_text
from tomosaxs_plugins.fibres.map_fibres import FibreTables, labels_of
from tomosaxs_plugins.fibres.table import Floats, Rows, direction, rows_of
from tomosaxs_plugins.fibres.vtk_lines import lines_vtp
from tomosaxs_plugins.savers.raw_volume import check_name
from tomosaxs_plugins.savers.together import write_whole


def _check(dataset: Dataset, *, file_name: str, length: float | None, **_: Any) -> None:
    check_name(file_name)
    names = [name for name, _, _ in labels_of(dataset)]
    missing = [name for name in ("x", "z", "alpha", "beta") if name not in names]
    if missing:
        raise InputError(f"the table has no column {', '.join(missing)}: run map_fibres before")
    if length is None and dataset.quantity("voxel_size") is None:
        raise InputError("how long the lines are does not follow from the data: give length", parameter="length")


@plugin(check=_check, memory=lambda slices, dataset, **_: 12.0 * dataset.nbytes + 1e6, restartable=True)
def save_fibres(
    data: FibreTables,
    scan: Scan,
    *,
    file_name: Annotated[str, Param("of the files, without ending")] = "fibres",
    length: Annotated[float | None, Param("of the lines; default the side of a voxel", unit="um", gt=0)] = None,
) -> None:
    """Save the table of fibres as fibres.csv and as fibres.vtp, lines to be coloured by any quantity.

    The CSV file has one row a fibre; its first line names the columns with their units, the last column says in words
    why a fibre is not solved. ParaView opens the .vtp file: every fibre is a line at its place, in mm, along its
    direction (x across the beam, y up, z along the beam at rotation 0), with all columns to choose from.

    Raises
    ------
    InputError
        When the scan has no folder to write into, or the table has no positions.
    """
    if scan.output is None:
        raise InputError("save_fibres writes into scan.output, and this scan has no output folder")
    scan.output.mkdir(parents=True, exist_ok=True)
    rows = rows_of(data[0], labels_of(scan.dataset))
    side = scan.quantity("voxel_size", "mm") if length is None else length / 1000
    heights = _heights(scan.dataset, side)
    write_whole(scan.output / f"{file_name}.csv", csv_text(rows, heights))
    write_whole(scan.output / f"{file_name}.vtp", _vtp(rows, heights, side))


def _heights(dataset: Dataset, side: float) -> Floats:
    """Return the height of every slice in mm; without coordinates, slices are as thick as voxels are wide."""
    axis = dataset.axis("y")
    if axis.values is None:
        return side * axis.index.astype(np.float64)
    return np.asarray(axis.values * convert(1.0, axis.units or "m", "mm"), dtype=np.float64)


def _vtp(rows: Rows, heights: Floats, length: float) -> str:
    """Return the lines of fibres with a position; strain first, by which ParaView then colours."""
    there = np.isfinite(rows["x"] + rows["z"] + rows["alpha"] + rows["beta"])
    centres = np.stack([rows["x"], heights[rows.slice], rows["z"]], axis=-1)[there]
    along = direction(rows["alpha"], rows["beta"])[there]
    names = sorted(rows.names, key=lambda name: name != "strain")
    arrays = [(_named(name, rows.units(name)), _column(name, rows[name][there])) for name in names]
    return lines_vtp(centres, along, np.full(len(centres), length), [*arrays, ("slice", rows.slice[there])])


def _column(name: str, values: Floats) -> NDArray[Any]:
    return values.astype(np.int64) if name in WHOLE and np.isfinite(values).all() else values


def _named(name: str, units: str) -> str:
    """Return a name with its units in letters: q0 in nm^-1 becomes q0_per_nm."""
    said = re.sub(r"(\w+)\^-1", r"per_\1", units)
    return f"{name}_{said}" if said else name
