"""Beam-path tables in NeXus files: compressed rows under /entry/beampaths."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from tomosaxs import InputError, convert
from tomosaxs_plugins.fibres.beam_paths import BeamPathTable
from tomosaxs_plugins.fibres.problem import Floats
from tomosaxs_plugins.loaders.hdf5 import class_of, is_number, open_file, text_of, units_of

_TEXTS = {
    "offsets": "first entry of every beam path, in the order of rotations, slices, beams",
    "fibre_id": "number of the fibre in the whole sample",
    "weight": "share of the beam that the fibre sees",
    "alpha": "angle of the fibre from the vertical",
    "beta": "azimuth of the fibre about the vertical from the beam, with the sample at that rotation",
    "angles": "rotations of the sample",
    "x_mm": "positions of the beam, one row a rotation",
    "y_mm": "heights of the slices",
}
_UNITS = {"alpha": "deg", "beta": "deg", "angles": "deg", "x_mm": "mm", "y_mm": "mm"}
_NAMES = {"angles": ("angles", "rotation_angle", "rotations"), "fibre_id": ("fibre_id", "fibre")}


def write_beam_paths(path: Path, table: BeamPathTable, fibres: Mapping[str, NDArray[Any]] | None = None) -> None:
    """Write a table to a new NeXus file, under a temporary name until it is whole.

    Parameters
    ----------
    path : Path
        The file; an existing one is replaced.
    table : BeamPathTable
        Of the scan.
    fibres : mapping of str to (n,) array, optional
        What else is known of every fibre, ``id`` first.
    """
    part = path.with_name(f".{path.name}.part")
    try:
        with h5py.File(part, "w") as file:
            entry = file.create_group("entry")
            entry.attrs["NX_class"], entry.attrs["default"] = "NXentry", "beampaths"
            file.attrs["default"] = "entry"
            put_beam_paths(entry, table, fibres)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def put_beam_paths(entry: h5py.Group, table: BeamPathTable, fibres: Mapping[str, NDArray[Any]] | None = None) -> None:
    """Write a table into the groups ``beampaths`` and ``fibres`` of an entry."""
    group = entry.create_group("beampaths")
    group.attrs["NX_class"], group.attrs["signal"] = "NXdata", "weight"
    columns = {
        "offsets": table.offsets,
        "fibre_id": table.fibre,
        "weight": table.weight,
        "alpha": table.alpha_deg,
        "beta": table.beta_deg,
        "angles": table.rotation_deg,
        "x_mm": table.x_mm,
        "y_mm": table.y_mm,
    }
    for name, values in columns.items():
        if values is None:
            continue
        made = group.create_dataset(name, data=values)
        made.attrs["long_name"] = _TEXTS[name]
        if name in _UNITS:
            made.attrs["units"] = _UNITS[name]
    group["offsets"].attrs["shape"] = np.asarray(table.shape, dtype=np.int64)
    if fibres is not None:
        home = entry.create_group("fibres")
        home.attrs["NX_class"] = "NXcollection"
        for name, column in fibres.items():
            home.create_dataset(name, data=column)


def read_beam_paths(path: Path) -> BeamPathTable:
    """Read the beam-path table of a NeXus file: the group ``beampaths`` of its entry.

    Raises
    ------
    InputError
        When there is none, or something of it is missing, does not fit or is impossible; the message names file, HDF5
        path and what was found.
    """
    file = open_file(path)
    group = _group(file.handle, path)
    columns = {name: _column(group, path, name) for name in ("fibre_id", "weight", "alpha", "beta")}
    offsets = _column(group, path, "offsets")
    angles = _column(group, path, "angles")
    x, y = (_optional(group, path, name) for name in ("x_mm", "y_mm"))
    where = str(group.name)
    shape = _shape(group, path, offsets, angles, x, y)
    for name, whole in (("fibre_id", columns["fibre_id"]), ("offsets", offsets)):
        if not np.array_equal(whole, np.floor(whole)):
            raise InputError(f"{path}: {where}/{name} holds numbers that are not whole")
    if x is not None and x.ndim == 1:
        x = np.broadcast_to(x, (shape[0], len(x)))
    try:
        return BeamPathTable(
            shape,
            angles.astype(np.float64),
            offsets.astype(np.int64),
            columns["fibre_id"].astype(np.int64),
            columns["weight"].astype(np.float64),
            columns["alpha"].astype(np.float64),
            columns["beta"].astype(np.float64),
            x,
            y,
        )
    except ValueError as error:
        raise InputError(f"{path}: {where}: {error}") from None


def has_beam_paths(path: Path) -> bool:
    """Return whether a file holds a beam-path table."""
    file = open_file(path)
    return _found(file.handle) is not None


def _found(file: h5py.File) -> h5py.Group | None:
    homes = [file, *(each for each in file.values() if isinstance(each, h5py.Group))]
    for home in homes:
        if isinstance(home.get("beampaths"), h5py.Group):
            return home["beampaths"]
    return None


def _group(file: h5py.File, path: Path) -> h5py.Group:
    group = _found(file)
    if group is None:
        have = ", ".join(
            f"{each.name} ({class_of(each) or 'no class'})" for each in file.values() if isinstance(each, h5py.Group)
        )
        raise InputError(f"{path} holds no beam paths: no group beampaths in any entry; there is {have or 'nothing'}")
    return group


def _places(group: h5py.Group, name: str) -> h5py.Dataset | None:
    """Return a dataset of the table; angles and positions may lie beside it or with the table of fibres."""
    homes = [group, group.parent.get("fibres"), group.parent]
    for home in homes if name in ("angles", "x_mm", "y_mm") else homes[:1]:
        for each in _NAMES.get(name, (name,)):
            if isinstance(home, h5py.Group) and isinstance(home.get(each), h5py.Dataset):
                return home[each]
    return None


def _column(group: h5py.Group, path: Path, name: str) -> NDArray[Any]:
    dataset = _places(group, name)
    if dataset is None:
        have = ", ".join(group) or "nothing"
        raise InputError(f"{path}: {group.name} has no {name} ({_TEXTS[name]}); it holds {have}")
    if not is_number(dataset) or dataset.ndim != 1:
        kind = f"shape {dataset.shape} and type {dataset.dtype}"
        raise InputError(f"{path}: {dataset.name} has {kind}; one row of numbers is needed")
    return _in_degrees(dataset, path, name)


def _in_degrees(dataset: h5py.Dataset, path: Path, name: str) -> NDArray[Any]:
    values: NDArray[Any] = dataset[()]
    units = units_of(dataset)
    if _UNITS.get(name) != "deg" or not units:
        return values
    try:
        return np.asarray(values * convert(1.0, units, "deg"), dtype=np.float64)
    except InputError as error:
        raise InputError(f"{path}: {dataset.name}: {error}") from None


def _optional(group: h5py.Group, path: Path, name: str) -> Floats | None:
    dataset = _places(group, name)
    if dataset is None:
        return None
    if not is_number(dataset):
        raise InputError(f"{path}: {dataset.name} has type {dataset.dtype}; numbers are needed")
    values = np.asarray(dataset[()], dtype=np.float64)
    units = text_of(dataset.attrs.get("units", "")) or "mm"
    try:
        return np.asarray(values * convert(1.0, units, "mm"))
    except InputError as error:
        raise InputError(f"{path}: {dataset.name}: {error}") from None


def _shape(
    group: h5py.Group,
    path: Path,
    offsets: NDArray[Any],
    angles: NDArray[Any],
    x: Floats | None,
    y: Floats | None,
) -> tuple[int, int, int]:
    """Return rotations, slices and beams: as the file states them, or as its angles and positions tell."""
    stated = group["offsets"].attrs.get("shape")
    if stated is not None and np.size(stated) == 3:
        shape = tuple(int(n) for n in np.ravel(stated))
        return shape[0], shape[1], shape[2]
    rotations, rows = len(angles), len(offsets) - 1
    beams = None if x is None else int(x.shape[-1])
    slices = None if y is None else len(y)
    for given, known in ((beams, slices), (slices, beams)):
        if given is None and known and rotations and rows % (rotations * known) == 0:
            other = rows // (rotations * known)
            return (rotations, known, other) if beams is None else (rotations, other, known)
    if beams is None or slices is None:
        raise InputError(
            f"{path}: {group.name}: {rows} beam paths of {rotations} rotations: how many slices and beams is not "
            "known; give offsets the attribute shape = [rotations, slices, beams], or write x_mm and y_mm"
        )
    return rotations, slices, beams
