"""What the steps of an extended field share: where the axis lies on the columns at hand, and the wide axis."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from tomosaxs import Axis, Dataset, InputError
from tomosaxs_plugins.reconstruction.extended import extended_range, opposite_views

FULL_TURN = "view_period"
"""Metadata of weighted sinograms of an extended field: after how many degrees a view sees the same again."""
MERGED = "merged_views"
"""Metadata of sinograms of half a turn that opposite views were merged to."""

_ASIDE = 0.1  # of the width: an axis further than this from the middle makes one ask whether the field is extended


def columns_of(data: Dataset) -> Axis:
    """Return the axis across the beam: of a detector, or of a raster."""
    return data.axis("x") if "x" in data.names else data.axis("detector_x")


def axis_column(columns: Axis, centre: float) -> float:
    """Return the rotation axis in entries of `columns`, from its place on the full, unbinned detector row.

    Raises
    ------
    InputError
        When it lies outside them.
    """
    column = (centre - float(columns.centres[0])) / columns.pitch
    if not 0 <= column <= columns.size - 1:
        raise InputError(
            f"the rotation axis at {centre:g} lies outside the columns {int(columns.index[0])} to "
            f"{int(columns.index[-1])}",
            parameter="centre",
        )
    return column


def wide_columns(columns: Axis, centre: float | None) -> Axis:
    """Return the columns of the wide sinogram; places stay those of the full detector, some lie outside it.

    Parameters
    ----------
    columns : Axis
        Of the detector, perhaps cropped or binned.
    centre : float or None
        Rotation axis on the full, unbinned detector row; None gives the widest that may come.
    """
    if centre is None:
        first, last = 0, max(2 * columns.size - 2, 0)
    else:
        first, last = extended_range(columns.size, axis_column(columns, centre))
    place = np.arange(first, last + 1)
    index = int(columns.index[0]) + np.rint(columns.pitch * place).astype(np.intp)
    values = columns.values
    if values is not None and columns.size > 1:
        step = (values[-1] - values[0]) / (columns.size - 1)
        values = values[0] + step * place
    elif values is not None:
        values = None
    return replace(columns, size=len(place), index=index, values=values)


def check_turn(data: Dataset) -> None:
    """Refuse what is no full turn with regular columns.

    Raises
    ------
    InputError
        When angles are missing, leave a gap, or columns were left out.
    """
    columns, angles = columns_of(data), data.axis("rotation_angle")
    if angles.values is None:
        raise InputError("the rotation angles are not known; give them in the input")
    if len(np.unique(np.diff(columns.index))) > 1:
        raise InputError(f"the crop of {columns.name} leaves columns out in between: take a range with one step")
    span = float(np.ptp(angles.values))
    if angles.size < 4 or span < 180.0:
        raise InputError(f"the angles cover {span:.4g} degrees: an extended field needs a full turn of 360 degrees")
    try:
        opposite_views(angles.values)
    except ValueError as problem:
        raise InputError(str(problem)) from None


def half_slice_warning(angles: NDArray[np.float64], axis: float, columns: int, period: float) -> str | None:
    """Return what to say where a full turn with the axis near an edge is reconstructed as it is, else None."""
    aside = abs(axis - 0.5 * (columns - 1))
    if period == 360.0 or np.ptp(angles) < 350.0 or aside < _ASIDE * columns:
        return None
    return (
        f"a full turn with the rotation axis {aside:.0f} columns from the middle: if the sample reaches beyond the "
        "edge of the detector, put extend_field before this step"
    )
