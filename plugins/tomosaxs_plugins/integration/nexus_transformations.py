"""Chains of NXtransformations: where a detector stands and how it is turned.

NeXus' laboratory frame: z along the beam away from the source, y up, x = y cross z; the sample is its origin
(doi:10.1107/S1600576714027575). Every step of a chain first turns or shifts, then the step follows that it
depends on.
"""

from __future__ import annotations

from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from tomosaxs import convert
from tomosaxs_plugins.integration.nexus_fields import scalar, text_of, units_of

Matrix = NDArray[np.float64]
_LONGEST = 100


def chain_of(node: h5py.Group | h5py.Dataset) -> Matrix:
    """Return the (4, 4) matrix that takes points of the frame of `node` to the laboratory, in m.

    Raises
    ------
    ValueError
        When a step is missing, has no axis, or the chain never ends.
    """
    total = np.eye(4)
    for _ in range(_LONGEST):
        step = _depends_on(node)
        if step is None:
            return total
        total = step_matrix(step) @ total
        node = step
    raise ValueError(f"the chain of depends_on at {node.name} never ends")


def has_chain(node: h5py.Group | h5py.Dataset) -> bool:
    """Return whether `node` depends on any transformation."""
    return _depends_on(node) is not None


def _depends_on(node: h5py.Group | h5py.Dataset) -> h5py.Dataset | None:
    target: Any = node.attrs.get("depends_on")
    folder = node if isinstance(node, h5py.Group) else node.parent
    if target is None and isinstance(node, h5py.Group) and "depends_on" in node:
        target = node["depends_on"][()]
    path = text_of(target) if target is not None else "."
    if path.strip() in (".", ""):
        return None
    found = node.file.get(path) if path.startswith("/") else folder.get(path, node.file.get(path))
    if not isinstance(found, h5py.Dataset):
        raise ValueError(f"{node.name} depends on {path!r}, which is not in the file")
    return found


def step_matrix(step: h5py.Dataset, size: float | None = None) -> Matrix:
    """Return the matrix of one step: a rotation about its vector (right-handed) or a shift along it.

    Parameters
    ----------
    size : float, optional
        Angle in rad or length in m; default the field's own number.
    """
    kind = text_of(step.attrs.get("transformation_type", ""))
    axis = _vector(step, "vector")
    matrix = np.eye(4)
    if kind == "rotation":
        turn = np.radians(convert(scalar(step), units_of(step), "deg")) if size is None else size
        matrix[:3, :3] = _rotation(axis, turn)
    elif kind == "translation":
        matrix[:3, 3] = axis * (convert(scalar(step), units_of(step), "m") if size is None else size)
    else:
        raise ValueError(f"{step.name} has transformation_type {kind!r}: rotation and translation exist")
    if "offset" in step.attrs:
        offset = _vector(step, "offset", unit=False)
        if offset.any():
            matrix[:3, 3] += offset * convert(1.0, _offset_units(step), "m")
    return matrix


def _offset_units(step: h5py.Dataset) -> str:
    units = text_of(step.attrs.get("offset_units", ""))
    if not units and text_of(step.attrs.get("transformation_type", "")) == "translation":
        units = text_of(step.attrs.get("units", ""))
    if not units:
        raise ValueError(f"the offset of {step.name} has no offset_units")
    return units


def _vector(step: h5py.Dataset, name: str, unit: bool = True) -> Matrix:
    values = np.asarray(step.attrs.get(name, ()), dtype=np.float64).ravel()
    if values.size != 3 or not np.isfinite(values).all() or (unit and not values.any()):
        raise ValueError(f"{step.name} needs the attribute {name} with three numbers")
    return values / np.linalg.norm(values) if unit else values


def _rotation(axis: Matrix, turn: float) -> Matrix:
    cross = np.array([[0, -axis[2], axis[1]], [axis[2], 0, -axis[0]], [-axis[1], axis[0], 0]])
    return np.asarray(np.eye(3) + np.sin(turn) * cross + (1 - np.cos(turn)) * (cross @ cross))
