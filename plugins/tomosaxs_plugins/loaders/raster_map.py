"""Raster scans of a focused beam: one value, spectrum or image a point, at one or many rotation angles."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import h5py

from tomosaxs import Auxiliary, Dataset, InputError, InputFile, Param, Source, loader
from tomosaxs_plugins.loaders.angles import AngleChoice
from tomosaxs_plugins.loaders.hdf5 import (
    OpenFile,
    check_readable,
    damage_named,
    is_number,
    never_written,
    open_file,
    text_of,
    units_of,
)
from tomosaxs_plugins.loaders.links import dataset_at, item_at, walk
from tomosaxs_plugins.loaders.metadata import describe
from tomosaxs_plugins.loaders.nxtomo import Entry, definition_of, entries
from tomosaxs_plugins.loaders.raster_axes import CORE, RasterScan, axis_names, scan_axes
from tomosaxs_plugins.loaders.readers import reader_of

TECHNIQUES = {"NXstxm": "stxm", "NXfluo": "fluo", "NXxrd": "xrd"}
_DEFINITIONS = {technique: definition for definition, technique in TECHNIQUES.items()}


@loader
def raster_map(
    path: Path,
    *,
    technique: Annotated[
        Literal["auto", "stxm", "fluo", "xrd"], Param("which of the scan's detectors; auto where there is one")
    ] = "auto",
    entry: Annotated[str, Param("HDF5 path of the entry, where several have the technique")] = "",
    data_path: Annotated[str, Param("HDF5 path of the values, where they are not found")] = "",
    axes: Annotated[list[str], Param("names of all axes in storage order, where the file is wrong")] = [],  # noqa: B006
    angles_path: Annotated[str, Param("HDF5 path of the rotation angles, where they are not found")] = "",
    angles: Annotated[
        InputFile | dict[str, float] | None,
        Param("rotation angles: a file (text, .npy, HDF5), or {start, stop} of first and last in deg"),
    ] = None,
    angle_units: Annotated[
        Literal["auto", "deg", "rad"], Param("units of the angles; auto takes what the file states")
    ] = "auto",
    positions: Annotated[
        Literal["auto", "none"], Param("coordinates of the points from the stages, or only their numbers")
    ] = "auto",
    monitor_path: Annotated[str, Param("HDF5 path of the monitor; 'none' to use none")] = "",
) -> Source:
    """Load a raster scan: NXstxm, NXfluo or NXxrd, as beamlines write mapping tomography.

    The dataset has the axes (rotation_angle, y, x) and behind them nothing (stxm), (energy) (fluo) or
    (detector_y, detector_x) (xrd). Angles stay in the order of measurement. A ``monitor`` goes with it where
    it has one value a point. A spectrum or image that is damaged in the file counts as not measured, and the report
    names it. What the file says wrongly is named in the messages, with what was taken instead.

    Raises
    ------
    InputError
        The message names file, HDF5 path and what to give.
    """
    with damage_named(path):
        found = _choose(open_file(path), technique, entry, data_path)
        return _source(found, axes, AngleChoice(angles_path, angles, angle_units), positions, monitor_path)


def _source(found: RasterScan, axes: Sequence[str], choice: AngleChoice, positions: str, monitor_path: str) -> Source:
    names = axis_names(found, axes)
    made, files = scan_axes(found, names, choice, positions)
    monitor = _monitor(found, names, monitor_path)
    metadata, notes = describe(found.entry.found, found.entry.path, str(found.data.parent.name), keep_bare=True)
    reader = reader_of(found.file, found.data, rank=found.data.ndim, core=len(CORE[found.technique]))
    files = [found.file.path, *_behind(found), *files]
    dataset = Dataset(
        made, reader.dtype, "counts", units_of(found.data) or _units(found), auxiliaries=monitor, metadata=metadata
    )
    shape = " x ".join(f"{axis.size} {axis.name}" for axis in made)
    gaps = never_written(found.data)
    notes += [gaps] if gaps else []
    head = [f"{_DEFINITIONS[found.technique]}: {found.data.name}, {shape} ({found.data.dtype})"]
    return Source(dataset, reader, tuple(dict.fromkeys(files)), tuple(head + found.messages + notes))


def _units(found: RasterScan) -> str:
    return "counts" if found.core else ""


def _choose(file: OpenFile, technique: str, entry: str, data_path: str) -> RasterScan:
    maps = [(e, TECHNIQUES[e.definition]) for e in entries(file) if e.definition in TECHNIQUES]
    if entry:
        group = item_at(file, entry, "entry")
        if not isinstance(group, h5py.Group):
            raise InputError(f"{file.path}: {entry} (entry) is a dataset, not a group")
        inside = [pair for pair in maps if pair[0].path == group.name or pair[0].path.startswith(f"{group.name}/")]
        maps = inside or [(_bare(group), technique)]
    elif not maps and data_path:
        maps = [(_bare(file.handle), technique)]
    fitting = [pair for pair in maps if technique in ("auto", pair[1])]
    have = ", ".join(f"{kind} ({each.path})" for each, kind in maps) or "none"
    if not fitting:
        raise InputError(
            f"{file.path} has no raster scan"
            + (f" of technique {technique}" if technique != "auto" else " (NXstxm, NXfluo, NXxrd)")
            + f"; there is {have}. Tomography scans of whole images are read by the plugin tomography"
        )
    if len(fitting) > 1:
        kinds = {kind for _, kind in fitting}
        cure = "choose technique:" if len(kinds) == len(fitting) else "choose entry:"
        raise InputError(f"{file.path} holds {len(fitting)} raster scans: {have}: {cure}")
    chosen, kind = fitting[0]
    if kind == "auto":
        raise InputError(f"{file.path}: {chosen.path} states no NXstxm, NXfluo or NXxrd: give technique:")
    messages: list[str] = []
    data = _values(file, chosen, kind, data_path, messages)
    if data.ndim < len(CORE[kind]) + 1:
        need = len(CORE[kind]) + 3
        raise InputError(f"{file.path}: {data.name} has the shape {data.shape}; {kind} needs about {need} dimensions")
    return RasterScan(file, chosen, kind, data, messages)


def _bare(group: h5py.Group) -> Entry:
    return Entry(str(group.name), group, definition_of(group)[0], walk(group))


def _values(file: OpenFile, entry: Entry, kind: str, data_path: str, messages: list[str]) -> h5py.Dataset:
    """Return the values: the signal of the entry's NXdata, else the detector's own."""
    if data_path:
        return dataset_at(file, data_path, "data_path")
    base = entry.path.rstrip("/")
    plot = entry.found.groups.get(f"{base}/data")
    signal = (text_of(plot.attrs.get("signal", "")) if plot is not None else "") or "data"
    path = f"{base}/data/{signal}"
    if path in entry.found.datasets:
        return entry.found.datasets[path]
    broken = next((link for link in entry.found.broken if link.path == path), None)
    least = len(CORE[kind]) + 2
    detectors = {
        p: d
        for p, d in entry.found.datasets.items()
        if p.startswith(f"{base}/instrument/") and is_number(d) and d.ndim >= least and p.endswith("/data")
    }
    if len(detectors) == 1:
        place, dataset = next(iter(detectors.items()))
        why = str(broken) if broken is not None else f"{file.path} has no {path}"
        messages.append(f"{why}; {place} is taken instead")
        return dataset
    have = ", ".join(detectors) or "no detector data"
    raise InputError(f"{broken or f'{file.path}: {path} does not exist'}; there is {have}: give data_path:")


def _monitor(found: RasterScan, names: tuple[str, ...], path: str) -> dict[str, Auxiliary]:
    if path == "none":
        return {}
    base = found.entry.path.rstrip("/")
    if path:
        chosen = dataset_at(found.file, path, "monitor_path")
    else:
        known = (found.entry.found.datasets.get(f"{base}/{name}/data") for name in ("monitor", "control"))
        chosen = next((dataset for dataset in known if dataset is not None), None)
    if chosen is None:
        return {}
    if not is_number(chosen) or chosen.shape != found.raster:
        text = f"{chosen.name} has the shape {chosen.shape}, the scan {found.raster} points"
        if path:
            raise InputError(f"{found.file.path}: {text}: it is no monitor of this scan")
        found.messages.append(f"monitor ignored: {text}")
        return {}
    check_readable(chosen)
    found.messages.append(f"monitor: {chosen.name}, one value a point")
    reader = reader_of(found.file, chosen, rank=chosen.ndim)
    return {"monitor": Auxiliary(names[: len(found.raster)], reader, units_of(chosen))}


def _behind(found: RasterScan) -> list[Path]:
    files = check_readable(found.data)
    home = Path(found.data.file.filename)
    if home.resolve() != found.file.path.resolve():
        files.insert(0, home)
    if files:
        found.messages.append(f"values lie in {', '.join(map(str, files))} (linked from {found.file.path})")
    return files
