"""Raster scans of a focused beam: one value, spectrum or image a point, at one or many rotation angles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

import h5py
import numpy as np

from tomosaxs import Auxiliary, Axis, Dataset, InputError, InputFile, Param, Source, loader
from tomosaxs_plugins.loaders.angles import NAMES, AngleChoice, find_angles
from tomosaxs_plugins.loaders.hdf5 import (
    OpenFile,
    check_readable,
    dataset_at,
    is_number,
    item_at,
    never_written,
    numbers,
    open_file,
    text_of,
    units_of,
    walk,
)
from tomosaxs_plugins.loaders.metadata import describe
from tomosaxs_plugins.loaders.nxtomo import Entry, definition_of, entries
from tomosaxs_plugins.loaders.positions import along, stage_axis
from tomosaxs_plugins.loaders.readers import reader_of

TECHNIQUES = {"NXstxm": "stxm", "NXfluo": "fluo", "NXxrd": "xrd"}
_CORE = {"stxm": (), "fluo": ("energy",), "xrd": ("detector_y", "detector_x")}
_RASTER = ("rotation_angle", "y", "x")


@dataclass(eq=False)
class _Map:
    """A raster scan as found."""

    file: OpenFile
    entry: Entry
    technique: str
    data: h5py.Dataset
    messages: list[str] = field(default_factory=list)

    @property
    def core(self) -> tuple[str, ...]:
        return _CORE[self.technique]

    @property
    def raster(self) -> tuple[int, ...]:
        """Sizes of the axes that count points."""
        return tuple(int(n) for n in self.data.shape[: self.data.ndim - len(self.core)])


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
    it has one value a point. What the file says wrongly is named in the messages, with what was taken instead.

    Raises
    ------
    InputError
        The message names file, HDF5 path and what to give.
    """
    file = open_file(path)
    found = _choose(file, technique, entry, data_path)
    names = _names(found, axes)
    choice = AngleChoice(angles_path, angles, angle_units)
    made, files = _axes(found, names, choice, positions)
    monitor = _monitor(found, names, monitor_path)
    metadata, notes = describe(found.entry.found, found.entry.path, str(found.data.parent.name), keep_bare=True)
    reader = reader_of(file, found.data, rank=found.data.ndim)
    files = [path, *_behind(found), *files]
    dataset = Dataset(
        made, reader.dtype, "counts", units_of(found.data) or _units(found), auxiliaries=monitor, metadata=metadata
    )
    shape = " x ".join(f"{axis.size} {axis.name}" for axis in made)
    gaps = never_written(found.data)
    notes += [gaps] if gaps else []
    head = [f"{found.technique}: {found.data.name}, {shape} ({found.data.dtype})"]
    return Source(dataset, reader, tuple(dict.fromkeys(files)), tuple(head + found.messages + notes))


def _units(found: _Map) -> str:
    return "counts" if found.core else ""


def _choose(file: OpenFile, technique: str, entry: str, data_path: str) -> _Map:
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
    if data.ndim < len(_CORE[kind]) + 1:
        need = len(_CORE[kind]) + 3
        raise InputError(f"{file.path}: {data.name} has the shape {data.shape}; {kind} needs about {need} dimensions")
    return _Map(file, chosen, kind, data, messages)


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
    least = len(_CORE[kind]) + 2
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


def _names(found: _Map, given: Sequence[str]) -> tuple[str, ...]:
    """Return the names of all axes: those of the list, those the file states if they can be, or the usual."""
    rank, core = found.data.ndim, found.core
    if given:
        if len(given) != rank or len(set(given)) != rank:
            raise InputError(
                f"axes: {list(given)} must be {rank} different names: {found.file.path}: {found.data.name} has the "
                f"shape {found.data.shape}"
            )
        return tuple(given)
    points = rank - len(core)
    usual = (*(f"scan_{n}" for n in range(points - 3)), *_RASTER[max(0, 3 - points) :], *core)
    stated = _stated(found)
    if not stated:
        return usual
    if len(stated) != rank or len(set(stated)) != rank or stated[points:] != core:
        found.messages.append(
            f"axes attribute says {', '.join(stated)} for {rank} dimensions; taken as {', '.join(usual)}"
        )
        return usual
    return _as_measured(found, stated)


def _as_measured(found: _Map, names: tuple[str, ...]) -> tuple[str, ...]:
    """Exchange x and y where the stage positions run the other way than the file's axes say."""
    if not {"x", "y"} <= set(names[: len(found.raster)]):
        return names
    x, y = names.index("x"), names.index("y")
    base = f"{found.entry.path.rstrip('/')}/data"
    stages = {name: found.entry.found.datasets.get(f"{base}/{name}") for name in ("x", "y")}
    for name, here, there in (("x", x, y), ("y", y, x)):
        dataset = stages[name]
        if dataset is None or not is_number(dataset) or dataset.ndim < 2:
            return names
        values = numbers(dataset)
        own, other = along(values, found.raster, here), along(values, found.raster, there)
        if own is not None or other is None or other.deviation > 0.5:
            return names
    found.messages.append(
        f"axes attribute says {', '.join(names)}, but {base}/x and {base}/y run the other way: x and y exchanged"
    )
    return tuple({"x": "y", "y": "x"}.get(name, name) for name in names)


def _stated(found: _Map) -> tuple[str, ...]:
    plot = found.entry.found.groups.get(f"{found.entry.path.rstrip('/')}/data")
    raw = plot.attrs.get("axes") if plot is not None else None
    if raw is None:
        return ()
    words = [text_of(each) for each in np.atleast_1d(raw)]
    if len(words) == 1:
        words = words[0].replace(",", ":").strip("[]").split(":")
    return tuple("rotation_angle" if word in NAMES else word.strip() for word in words)


def _axes(
    found: _Map, names: tuple[str, ...], choice: AngleChoice, positions: str
) -> tuple[tuple[Axis, ...], list[Path]]:
    made: list[Axis] = []
    files: list[Path] = []
    for number, (name, size) in enumerate(zip(names, found.data.shape, strict=True)):
        if name == "rotation_angle":
            count = np.arange(size, dtype=np.intp)
            angles = find_angles(found.file, found.entry.found, size, count, choice)
            files += [angles.file] if angles.file is not None else []
            low, high = angles.values.min(), angles.values.max()
            order = "" if np.all(np.diff(angles.values) > 0) else ", not in order"
            found.messages += [f"angles: {angles.source}, {low:.6g} to {high:.6g} deg{order}", *angles.messages]
            made.append(Axis(name, size, angles.values, "deg"))
        elif number < len(found.raster):
            made.append(_stage(found, name, number, positions))
        else:
            made.append(_core_axis(found, name, size))
    return tuple(made), files


def _stage(found: _Map, name: str, number: int, positions: str) -> Axis:
    if positions == "none":
        return Axis(name, found.raster[number], None, "px")
    axis, notes = stage_axis(str(found.file.path), found.entry.found, found.entry.path, name, found.raster, number)
    found.messages += notes
    return axis


def _core_axis(found: _Map, name: str, size: int) -> Axis:
    """Return an axis of the detector; pixels are only counted, energies are taken."""
    bare = Axis(name, size, None, "px")
    if name in ("detector_y", "detector_x"):
        return bare
    home = found.data.parent.name
    for path in (f"{found.entry.path.rstrip('/')}/data/{name}", f"{home}/{name}"):
        dataset = found.entry.found.datasets.get(path)
        if dataset is not None and is_number(dataset) and dataset.shape == (size,):
            units = units_of(dataset)
            if not units:
                found.messages.append(f"{path} has no units")
            return Axis(name, size, numbers(dataset), units)
    return bare


def _monitor(found: _Map, names: tuple[str, ...], path: str) -> dict[str, Auxiliary]:
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


def _behind(found: _Map) -> list[Path]:
    files = check_readable(found.data)
    home = Path(found.data.file.filename)
    if home.resolve() != found.file.path.resolve():
        files.insert(0, home)
    if files:
        found.messages.append(f"values lie in {', '.join(map(str, files))} (linked from {found.file.path})")
    return files
