"""Any HDF5 dataset, with axes that the list names."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import h5py
import numpy as np

from tomosaxs import Axis, Dataset, InputError, InputFile, Param, Quantity, Source, loader
from tomosaxs_plugins.loaders.angles import AngleChoice, find_angles
from tomosaxs_plugins.loaders.hdf5 import OpenFile, check_readable, is_number, numbers, open_file, units_of
from tomosaxs_plugins.loaders.links import Found, dataset_at, walk
from tomosaxs_plugins.loaders.readers import reader_of


@loader
def array(
    path: Path,
    *,
    dataset: Annotated[str, Param("HDF5 path of the values")],
    axes: Annotated[list[str], Param("names of all axes in storage order, for instance [rotation_angle, y, x]")],
    angles: Annotated[
        InputFile | dict[str, float] | None,
        Param("rotation angles: a file (text, .npy, HDF5), or {start, stop} of first and last in deg"),
    ] = None,
    angles_path: Annotated[str, Param("HDF5 path of the rotation angles")] = "",
    angle_units: Annotated[
        Literal["auto", "deg", "rad"], Param("units of the angles; auto takes what the file states")
    ] = "auto",
    pixel_size: Annotated[float | None, Param("pixel size of detector_y and detector_x", unit="m", gt=0)] = None,
    label: Annotated[str, Param("what the values are: counts, transmission, attenuation ...")] = "data",
    units: Annotated[str, Param("units of the values; those of the file if empty")] = "",
    damaged: Annotated[
        Literal["stop", "leave_out"],
        Param("what to do about a damaged frame (the last two axes): stop, or count it as not measured"),
    ] = "stop",
) -> Source:
    """Load any HDF5 dataset of numbers, of any rank, with axes named here.

    A dataset beside it that has an axis' name and size gives the coordinates of that axis. An axis called
    rotation_angle must have some: from there, from angles_path or from angles.

    A frame that is left out holds NaN, -1 or the largest value of an unsigned type, which integration does not use.

    Raises
    ------
    InputError
        The message names file, HDF5 path and what to give.
    """
    file = open_file(path)
    values = dataset_at(file, dataset, "dataset")
    if values.ndim != len(axes) or len(set(axes)) != len(axes):
        raise InputError(
            f"{path}: {values.name} has the shape {values.shape}: axes must give {values.ndim} different names, "
            f"not {', '.join(axes) or 'none'}"
        )
    found = walk(values.parent, 1)
    reader = reader_of(file, values, rank=values.ndim, core=2 if damaged == "leave_out" and values.ndim > 2 else 0)
    messages: list[str] = []
    files = [path, *check_readable(values)]
    made = [
        _axis(file, found, values, number, name, AngleChoice(angles_path, angles, angle_units), messages, files)
        for number, name in enumerate(axes)
    ]
    metadata: dict[str, Quantity | str] = {}
    if pixel_size is not None:
        made = [_sized(axis, pixel_size) for axis in made]
        metadata = {f"pixel_size_{name}": Quantity(pixel_size, "m") for name in ("x", "y")}
    shape = " x ".join(f"{axis.size} {axis.name}" for axis in made)
    head = f"array: {values.name}, {shape} ({values.dtype})"
    described = Dataset(tuple(made), reader.dtype, label, units or units_of(values), metadata=metadata)
    return Source(described, reader, tuple(dict.fromkeys(files)), (head, *messages))


def _axis(
    file: OpenFile,
    found: Found,
    values: h5py.Dataset,
    number: int,
    name: str,
    choice: AngleChoice,
    messages: list[str],
    files: list[Path],
) -> Axis:
    size = int(values.shape[number])
    if name == "rotation_angle":
        angles = find_angles(file, found, size, np.arange(size, dtype=np.intp), choice)
        messages += [f"angles: {angles.source}, {angles.values[0]:.6g} to {angles.values[-1]:.6g} deg"]
        messages += angles.messages
        files += [angles.file] if angles.file is not None else []
        return Axis(name, size, angles.values, "deg")
    beside = found.datasets.get(f"{str(values.parent.name).rstrip('/')}/{name}")
    if beside is None or not is_number(beside) or beside.shape != (size,):
        return Axis(name, size, None, "px")
    messages.append(f"{name}: {beside.name}")
    return Axis(name, size, numbers(beside), units_of(beside))


def _sized(axis: Axis, pixel_size: float) -> Axis:
    if axis.name not in ("detector_y", "detector_x"):
        return axis
    return Axis(axis.name, axis.size, np.arange(axis.size, dtype=np.float64) * pixel_size, "m")
