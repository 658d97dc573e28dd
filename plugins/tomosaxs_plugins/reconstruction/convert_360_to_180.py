"""Sinograms of half a turn made from a full one: opposite views are merged."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np

from tomosaxs import Dataset, Output, Param, Scan, Sinograms, plugin
from tomosaxs_plugins.reconstruction.extended import opposite_views
from tomosaxs_plugins.reconstruction.extended_axes import MERGED, axis_column, check_turn, columns_of, wide_columns


def _check(data: Dataset, *, centre: float | None, **rest: Any) -> None:
    check_turn(data)
    if centre is not None:
        axis_column(columns_of(data), centre)


def _shape(data: Dataset, *, centre: float | None, **rest: Any) -> Output:
    angles = data.axis("rotation_angle")
    kept = opposite_views(np.asarray(angles.values)).kept
    axes = (angles.select(kept), wide_columns(columns_of(data), centre))
    return Output(axes, "float32", data.label, data.units, metadata={MERGED: "opposite views of a full turn"})


@plugin(shape=_shape, check=_check, cite=("10.1364/OE.418448",))
def convert_360_to_180(
    data: Sinograms,
    scan: Scan,
    *,
    centre: Annotated[float, Param("rotation axis on the full, unbinned detector row, 0-based", unit="px")],
    ramp: Annotated[
        float | None, Param("width over which opposite views are blended; default the whole overlap", unit="px", gt=0)
    ] = None,
) -> Sinograms:
    """Merge opposite views of a full turn into the views of half a turn, as wide as both together.

    Every view of the first 180 degrees is blended with the mirror image of the view half a turn on. The mirror image is
    interpolated by eight columns of a windowed sinc where the axis is no multiple of half a pixel, and between the two
    neighbours in angle where no view is exactly opposite. The columns keep their places on the detector: `centre` means
    the same before and after, places beyond the edge are negative or larger than the detector.

    The result is an ordinary scan of half a turn, for any backend and algorithm. ``extend_field`` interpolates nothing:
    prefer it for filtered backprojection.

    Parameters
    ----------
    data : (n, angles, columns) array
        Line integrals of the attenuation (after minus_log); the angles go all around, in any order and spacing.

    Returns
    -------
    (n, views, wide) float32 array
        Line integrals at the angles within 180 degrees from the smallest one; ``wide`` is
        ``2 max(c, N - 1 - c) + 1``, rounded up, for the axis c of N columns.

    Raises
    ------
    InputError
        When the angles are no full turn, or the axis lies off the detector.

    Notes
    -----
    N. T. Vo et al., Data processing methods and data acquisition for samples larger than the field of view in
    parallel-beam tomography (10.1364/OE.418448).
    """
    from tomosaxs_plugins.reconstruction.merge import merge_opposite

    columns = columns_of(scan.dataset)
    return merge_opposite(
        np.asarray(data, dtype=np.float32),
        opposite_views(scan.angles),
        axis_column(columns, centre),
        None if ramp is None else ramp / columns.pitch,
    )
