"""Steps `rescale` and `undo_rescale`: floats to grey levels of 8 or 16 bit, and back."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import numpy as np

from tomosaxs import Dataset, InputError, Output, Param, Pointwise, Scan, plugin
from tomosaxs_plugins.volume.grey import from_grey, to_grey, top_level
from tomosaxs_plugins.volume.scaling import Scaling, scaling_of


def _type(bits: int) -> str:
    return "uint16" if bits == 16 else "uint8"


def _check(data: Dataset, *, limits: tuple[float, float] | None, **_: Any) -> None:
    if scaling_of(data) is not None:
        raise InputError("the volume holds grey levels already: leave this step out")
    if limits is not None:
        _refuse(limits)


def _refuse(limits: tuple[float, float]) -> None:
    if not (np.all(np.isfinite(limits)) and limits[0] < limits[1]):
        raise InputError(f"limits: expected two numbers, low < high, got {list(limits)}", parameter="limits")


def _shape(data: Dataset, *, bits: int | None, limits: tuple[float, float] | None, **_: Any) -> Output:
    dtype = _type(bits or 8)
    label = f"{data.label} in {bits} bit grey levels"
    if limits is None:  # an estimate that is not known yet
        return Output((), dtype, label)
    scale = (limits[1] - limits[0]) / top_level(dtype)
    return Output((), dtype, label, metadata=Scaling(scale, limits[0], data.units, data.label).metadata())


@plugin(shape=_shape, check=_check, memory=0.5)
def rescale(
    data: Pointwise,
    scan: Scan,
    *,
    limits: Annotated[
        tuple[float, float], Param("values that become 0 and the largest integer, or ${name} of find_limits")
    ],
    bits: Annotated[Literal[8, 16], Param("of the integers")] = 8,
) -> Pointwise:
    """Turn values into grey levels of 8 or 16 bit between two limits, and state the scale.

    level = round(clip((v - low) / (high - low), 0, 1) * (2^bits - 1)), halves to the even neighbour; NaN becomes 0.
    The result states scale and offset with which value = level * scale + offset (`undo_rescale` does that); within
    the limits no value is off by more than half a level. Every saver writes them: NeXus as data_scaling_factor
    and data_offset, TIFF as ImageJ's calibration, .vol.info, OME-Zarr.

    Parameters
    ----------
    data : (n, ...) array
        Values, of any slicing.

    Returns
    -------
    (n, ...) uint8 or uint16 array
        Grey levels.

    Raises
    ------
    InputError
        When the limits are not two numbers low < high, or the data are grey levels already.
    """
    _refuse(limits)
    levels, bad = to_grey(data, limits, _type(bits))
    if bad:
        counts = np.array([np.count_nonzero(np.isnan(one)) for one in data])
        scan.note("{count} values are not a number and became level 0", counts)
    return levels


def _scaling(data: Dataset, scale: float | None, offset: float | None) -> Scaling:
    """Return what was given, else what the data state."""
    if (scale is None) != (offset is None):
        raise InputError("give scale and offset, or neither")
    if scale is not None and offset is not None:
        return Scaling(scale, offset, data.units, data.label)
    stated = scaling_of(data)
    if stated is None:
        raise InputError("the data state no scale, as `rescale` leaves it: give scale and offset")
    return stated


def _shape_back(data: Dataset, *, scale: float | None, offset: float | None, **_: Any) -> Output:
    stated = _scaling(data, scale, offset)
    return Output((), "float32", stated.quantity, stated.units)


@plugin(shape=_shape_back, memory=1.0)
def undo_rescale(
    data: Pointwise,
    scan: Scan,
    *,
    scale: Annotated[float | None, Param("of levels that state none")] = None,
    offset: Annotated[float | None, Param("of levels that state none")] = None,
) -> Pointwise:
    """Turn grey levels back into values: level * scale + offset, as `rescale` stated them.

    Parameters
    ----------
    data : (n, ...) array
        Grey levels.

    Returns
    -------
    (n, ...) float32 array
        Values; those outside the limits of the rescaling stay clipped.

    Raises
    ------
    InputError
        When the data state no scale and none is given.
    """
    stated = _scaling(scan.dataset, scale, offset)
    return from_grey(data, stated.scale, stated.offset)
