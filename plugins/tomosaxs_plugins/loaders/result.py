"""Results of earlier runs, and other NeXus files that say which NXdata is their default."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import h5py
import numpy as np

from tomosaxs import Axis, Dataset, InputError, Param, Quantity, Reader, Source, loader
from tomosaxs_plugins.loaders.hdf5 import (
    OpenFile,
    check_readable,
    class_of,
    is_number,
    numbers,
    open_file,
    text_of,
    units_of,
)
from tomosaxs_plugins.loaders.links import dataset_at, item_at, walk
from tomosaxs_plugins.loaders.metadata import describe
from tomosaxs_plugins.loaders.readers import reader_of


@loader
def result(
    path: Path,
    *,
    name: Annotated[str, Param("name or HDF5 path of the NXdata group; the file's default if empty")] = "",
) -> Source:
    """Load a dataset of an earlier result.nxs, or the default NXdata of another NeXus file.

    Axes keep their coordinates, units and places in the uncropped data.

    Raises
    ------
    InputError
        The message names file, HDF5 path and what exists.
    """
    file = open_file(path)
    group = _chosen(file, name)
    raw = group.attrs.get("axes")
    signal = text_of(group.attrs.get("signal", ""))
    if not signal or raw is None:
        raise InputError(f"{path}: {group.name} states no signal or no axes: use the plugin array")
    values = dataset_at(file, f"{group.name}/{signal}", "signal")
    # NXcanSAS calls the values I and the axis q Q; ours stand beside them under their own names.
    names = tuple("q" if text_of(each) == "Q" and "q" in group else text_of(each) for each in np.atleast_1d(raw))
    if len(names) != values.ndim:
        raise InputError(f"{path}: {values.name} has the shape {values.shape}, but axes are {', '.join(names)}")
    axes = tuple(
        _axis(group, each, int(size), n) for n, (each, size) in enumerate(zip(names, values.shape, strict=True))
    )
    entry = str(group.parent.name)
    metadata, _ = describe(walk(group.parent), entry, f"{entry}/instrument/detector")
    metadata.update(_grey_levels(values))
    reader = reader_of(file, values, rank=values.ndim)
    label = text_of(group["title"]) if "title" in group else signal
    shape = " x ".join(f"{axis.size} {axis.name}" for axis in axes)
    units = text_of(values.attrs.get("units_as_computed", "")) or units_of(values)
    sigma, told = _uncertainty(file, group, signal, values)
    dataset = Dataset(axes, reader.dtype, label, units, metadata=metadata, uncertainty=sigma is not None)
    message = f"result: {values.name}, {shape} ({label}){told}{_estimates(group.parent)}"
    return Source(dataset, reader, (path, *check_readable(values)), (message,), sigma)


def _grey_levels(values: h5py.Dataset) -> dict[str, Quantity | str]:
    """Return what the integers of a rescaled volume stand for, as the step rescale states it."""
    said = values.attrs
    if values.dtype.kind != "u" or not {"scale_factor", "add_offset", "quantity"} <= set(said):
        return {}
    units = text_of(said.get("quantity_units", ""))
    return {
        "grey_scale": Quantity(float(said["scale_factor"]), units),
        "grey_offset": Quantity(float(said["add_offset"]), units),
        "grey_quantity": text_of(said["quantity"]),
    }


def _uncertainty(file: OpenFile, group: h5py.Group, signal: str, values: h5py.Dataset) -> tuple[Reader | None, str]:
    """Return the standard uncertainties, under any of the names that NXdata and NXcanSAS have for them."""
    named = text_of(values.attrs.get("uncertainties", ""))
    for name in (named, f"{signal}_errors", "errors"):
        found = group.get(name) if name else None
        if isinstance(found, h5py.Dataset) and is_number(found) and found.shape == values.shape:
            return reader_of(file, found, rank=found.ndim), f", uncertainties: {found.name}"
    return None, ""


def _chosen(file: OpenFile, name: str) -> h5py.Group:
    plots = {path: group for path, group in walk(file.handle, 3).groups.items() if class_of(group) == "NXdata"}
    if name:
        fitting = [group for path, group in plots.items() if path.rsplit("/", 1)[1] == name]
        chosen = fitting[0] if len(fitting) == 1 else item_at(file, name, "name")
        if not isinstance(chosen, h5py.Group):
            raise InputError(f"{file.path}: {name} is a dataset, not an NXdata group")
        return chosen
    here: h5py.Group = file.handle
    while text_of(here.attrs.get("default", "")):
        inner = item_at(file, f"{here.name}/{text_of(here.attrs['default'])}", "default")
        if not isinstance(inner, h5py.Group):
            break
        here = inner
    if class_of(here) != "NXdata":
        have = ", ".join(plots) or "none"
        raise InputError(f"{file.path} states no default NXdata; there is {have}: give name:")
    return here


def _axis(group: h5py.Group, name: str, size: int, number: int) -> Axis:
    dataset = group.get(name)
    if not isinstance(dataset, h5py.Dataset) or not is_number(dataset) or dataset.shape != (size,):
        return Axis(name if name != "." else f"axis_{number}", size, None, "px")
    values, units = numbers(dataset), units_of(dataset)
    full = int(dataset.attrs.get("full_size", size))
    places = group.get(f"{name}_position")
    index = np.arange(size, dtype=np.intp) if places is None else np.asarray(places[()], dtype=np.intp)
    counted = units == "px" and np.array_equal(values, index)
    if name == "q" and units.startswith("1/"):  # as NXcanSAS writes nm^-1
        units = f"{units[2:]}^-1"
    binning = int(dataset.attrs.get("binning", 1))
    labels = _labels(group, name, size)
    return Axis(
        name, size, None if counted else values, units, index=index, full_size=full, binning=binning, labels=labels
    )


def _labels(group: h5py.Group, name: str, size: int) -> tuple[tuple[str, str, str], ...]:
    """Return name, units and description of every entry of an axis, where the result states them."""
    kinds = [group.get(f"{name}_{kind}") for kind in ("names", "units", "descriptions")]
    if not all(isinstance(each, h5py.Dataset) and each.shape == (size,) for each in kinds):
        return ()
    texts = [[text_of(item) for item in each[()]] for each in kinds if each is not None]
    return tuple((one, two, three) for one, two, three in zip(*texts, strict=True))


def _estimates(entry: h5py.Group) -> str:
    """Return the numbers that the earlier run found, for the message: steps of the new list may be given them."""
    home = entry.get("estimates")
    told: list[str] = []
    for name in home if isinstance(home, h5py.Group) else ():
        value = home[name].get("value") if isinstance(home[name], h5py.Group) else None
        if isinstance(value, h5py.Dataset) and is_number(value) and value.size == 1:
            told.append(f"{name} = {float(value[()]):.6g} {units_of(value)}".rstrip())
    return f"; found in that run: {', '.join(told)}" if told else ""
