"""Sinograms of an extended field: half acquisition on all angles, weighted so that every ray counts once."""

from __future__ import annotations

from typing import Annotated, Any

from tomosaxs import Dataset, Output, Param, Quantity, Scan, Sinograms, plugin
from tomosaxs_plugins.reconstruction.extended import extend
from tomosaxs_plugins.reconstruction.extended_axes import (
    FULL_TURN,
    axis_column,
    check_turn,
    columns_of,
    wide_columns,
)


def _check(data: Dataset, *, centre: float | None, **rest: Any) -> None:
    check_turn(data)
    if centre is not None:
        axis_column(columns_of(data), centre)


def _shape(data: Dataset, *, centre: float | None, **rest: Any) -> Output:
    return Output(
        (data.axis("rotation_angle"), wide_columns(columns_of(data), centre)),
        "float32",
        data.label,
        data.units,
        metadata={FULL_TURN: Quantity(360.0, "deg")},
    )


@plugin(shape=_shape, check=_check, cite=("10.1364/OE.418448",))
def extend_field(
    data: Sinograms,
    scan: Scan,
    *,
    centre: Annotated[float, Param("rotation axis on the full, unbinned detector row, 0-based", unit="px")],
    ramp: Annotated[
        float | None, Param("width over which opposite views are blended; default the whole overlap", unit="px", gt=0)
    ] = None,
) -> Sinograms:
    """Make wide sinograms of a full turn whose rotation axis lies near one edge of the detector.

    All angles stay. The columns go on beyond the edge near the axis, as far as the other edge is from the axis, and
    keep their places on the detector: `centre` means the same before and after, places beyond the edge are negative or
    larger than the detector. In the overlap, which opposite views both see, weights rise smoothly from 0 to 1 so that
    the two weights of a ray sum to 1; beyond the edge there is zero.

    The result is for ``reconstruct``, which counts a full turn of such views once. For an iterative algorithm, which
    needs true line integrals, use ``convert_360_to_180``. With the axis in the middle of the detector opposite views
    are blended and nothing is added: the slices are those of an ordinary scan.

    Parameters
    ----------
    data : (n, angles, columns) array
        Line integrals of the attenuation (after minus_log); the angles go all around, in any order and spacing.

    Returns
    -------
    (n, angles, wide) float32 array
        Weighted line integrals; ``wide`` is ``2 max(c, N - 1 - c) + 1``, rounded up, for the axis c of N columns.

    Raises
    ------
    InputError
        When the angles are no full turn, or the axis lies off the detector.

    Notes
    -----
    N. T. Vo et al., Data processing methods and data acquisition for samples larger than the field of view in
    parallel-beam tomography (10.1364/OE.418448).
    """
    return extend(data, axis_column(columns_of(scan.dataset), centre), _ramp(ramp, scan))


def _ramp(ramp: float | None, scan: Scan) -> float | None:
    """Return the width of the ramp in columns at hand."""
    return None if ramp is None else ramp / columns_of(scan.dataset).pitch
