"""Stages of a scan: which of them a dataset is a position of, and its values laid out like the frames."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tomosaxs import Axis, InputError, convert
from tomosaxs_plugins.loaders.angles import NAMES, to_degrees

Floats = NDArray[np.float64]

_TAIL = re.compile(r"(_value_set|_value|_set|_demand|_rbv|_readback|_position|_user_setpoint)$")
_DIRECTION = re.compile(r"(?:^|_)([xyz])(?:$|_)|^(?:sam|stage|pos|t|p)([xyz])$")
_NO_STAGE = re.compile(r"pixel|beam|centre|center|size|offset|detector|slit|shape|resolution|indices")
_ORDER = ("rotation_angle", "z", "y", "x")


@dataclass(frozen=True, eq=False)
class Stage:
    """Positions of one stage as stored.

    Parameters
    ----------
    name : str
        Axis that it moves along: ``x``, ``y``, ``z`` or ``rotation_angle``.
    path : str
        HDF5 path.
    values : array
        One number, one a line, or one a point.
    units : str
    demand : bool
        What the stage was told to do (``_set``), one value a line of the grid.
    """

    name: str
    path: str
    values: Floats
    units: str = ""
    demand: bool = False


def direction_of(name: str) -> str:
    """Return the axis that a dataset's name is a position along, or an empty string.

    ``base_x_value`` and ``p1xy_x_value_set`` are x, ``sample_theta`` is rotation_angle, ``beam_center_x`` is nothing.
    """
    bare = name.lower()
    if _NO_STAGE.search(bare):
        return ""
    while _TAIL.search(bare):
        bare = _TAIL.sub("", bare)
    if bare in NAMES or re.search(r"theta|rotation|(?:^|_)rot(?:$|_)", bare):
        return "rotation_angle"
    found = _DIRECTION.search(bare)
    return (found[1] or found[2]) if found else ""


def is_demand(name: str) -> bool:
    """Return whether a name is that of positions that were asked for, not measured."""
    return bool(re.search(r"_(set|demand|setpoint)$", name.lower()))


def in_order(names: Sequence[str]) -> list[str]:
    """Return names of axes from the slow to the fast one, as scans usually run."""
    return sorted(names, key=lambda name: _ORDER.index(name) if name in _ORDER else -1)


def coordinate(
    name: str, values: Floats, units: str, where: str, wanted: str = "auto"
) -> tuple[Floats, str, list[str]]:
    """Return positions in metres or degrees, their units, and what is to be said of them.

    Raises
    ------
    InputError
        When an angle has no units and may be in radians.
    """
    if name == "rotation_angle":
        degrees, notes = to_degrees(values, units, wanted, where)
        return degrees, "deg", notes
    if not units:
        return values, "", [f"{where} has no units"]
    try:
        return values * convert(1.0, units, "m"), "m", []
    except InputError:
        return values, units, [f"{where} has the units {units!r}, which are no length"]


def grown(stored: tuple[int, ...], stages: Sequence[Stage]) -> tuple[int, ...]:
    """Return the shape of the scan as it was planned: that of the frames, or larger where the positions say so.

    Frames stored in one row belong to as many axes as the positions have.
    """
    if len(stored) == 1:
        shapes = [s.values.shape for s in stages if s.values.ndim > 1 and s.values.size >= stored[0]]
        if shapes:
            return tuple(int(n) for n in shapes[0])
        sets = {s.name: len(s.values) for s in stages if s.demand and s.values.ndim == 1 and len(s.values) > 1}
        diagonal = set(sets.values()) == {stored[0]} and not any(_stands(stage, stages) for stage in stages)
        if len(sets) > 1 and not diagonal and math.prod(sets.values()) >= stored[0]:
            return tuple(sets[name] for name in in_order(list(sets)))
        lengths = [s.values.size for s in stages if s.values.ndim == 1 and (not s.demand or len(sets) == 1)]
        return (max([stored[0], *lengths]),)
    shape = list(stored)
    for stage in stages:
        if stage.values.ndim == len(shape):
            shape = [max(a, b) for a, b in zip(shape, stage.values.shape, strict=True)]
    for stage in stages:
        axis = line_axis(stage, stored)
        if axis is not None:
            shape[axis] = max(shape[axis], len(stage.values))
    return tuple(int(n) for n in shape)


def _stands(stage: Stage, stages: Sequence[Stage]) -> bool:
    """Return whether a stage has measured positions that all lie on one of its planned lines."""
    planned = [each.values for each in stages if each.demand and each.name == stage.name and len(each.values) > 1]
    known = stage.values[np.isfinite(stage.values)]
    if stage.demand or not planned or len(known) == 0:
        return False
    return float(np.ptp(known)) < 0.5 * float(np.median(np.abs(np.diff(planned[0].ravel()))))


def line_axis(stage: Stage, stored: tuple[int, ...], stated: Sequence[str] = ()) -> int | None:
    """Return along which stored axis a stage has one value a line; None where it has something else."""
    if stage.values.ndim != 1 or len(stage.values) < 2 or len(stored) < 2:
        return None
    size = len(stage.values)
    if stage.name in stated and stored[list(stated).index(stage.name)] <= size:
        return list(stated).index(stage.name)
    usual = {"x": len(stored) - 1, "y": len(stored) - 2, "z": len(stored) - 3, "rotation_angle": 0}[stage.name]
    fitting = [axis for axis, n in enumerate(stored) if n == size]
    if usual in fitting or (not fitting and usual >= 0 and size > stored[usual]):
        return usual
    if size == math.prod(stored):
        return None
    return fitting[0] if len(fitting) == 1 else None


def spread(stage: Stage, stored: tuple[int, ...], shape: tuple[int, ...], stated: Sequence[str]) -> Floats | None:
    """Return the positions of a stage at every point of the planned scan, NaN where it has none.

    None where they do not fit the scan.
    """
    values = stage.values
    if len(stored) == 1 and len(shape) > 1:
        if values.shape == shape:
            return values
        if values.ndim == 1 and stage.demand and len(values) in shape:
            # lines of a grid whose frames lie in one row: the axes were put in order by `grown`
            fitting = [axis for axis, n in enumerate(shape) if n == len(values)]
            usual = len(shape) - 1 - {"x": 0, "y": 1, "z": 2}.get(stage.name, len(shape) - 1)
            return _along(values, shape, usual if usual in fitting else fitting[0])
        return _padded(values, (math.prod(shape),)).reshape(shape) if values.ndim == 1 else None
    axis = line_axis(stage, stored, stated)
    if axis is not None:
        return _along(_padded(values, (shape[axis],)), shape, axis)
    if values.ndim == len(shape):
        return _padded(values, shape)
    if values.ndim == 1 and values.size == math.prod(stored):
        return _padded(values.reshape(stored), shape)
    if 1 < values.ndim < len(stored) and values.shape == stored[-values.ndim :]:
        return _padded(np.broadcast_to(values, stored), shape)
    return None


def _along(values: Floats, shape: tuple[int, ...], axis: int) -> Floats:
    form = [1] * len(shape)
    form[axis] = shape[axis]
    return np.array(np.broadcast_to(values.reshape(form), shape))


def _padded(values: Floats, shape: tuple[int, ...]) -> Floats:
    """Return an array cut or filled up with NaN to a shape."""
    out = np.full(shape, np.nan)
    common = tuple(slice(min(a, b)) for a, b in zip(values.shape, shape, strict=True))
    out[common] = values[common]
    return out


def stage_axis(name: str, values: Floats | None, units: str, size: int) -> Axis:
    """Return an axis with coordinates, or one that only counts."""
    return Axis(name, size, values, units) if values is not None else Axis(name, size, None, "px")
