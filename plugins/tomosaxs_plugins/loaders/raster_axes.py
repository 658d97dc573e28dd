"""Axes of a raster scan: their names, angles, stage positions and energies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import h5py
import numpy as np

from tomosaxs import Axis, InputError
from tomosaxs_plugins.loaders.angles import NAMES, AngleChoice, find_angles
from tomosaxs_plugins.loaders.hdf5 import OpenFile, is_number, numbers, text_of, units_of
from tomosaxs_plugins.loaders.nxtomo import Entry
from tomosaxs_plugins.loaders.positions import along, stage_axis

CORE = {"stxm": (), "fluo": ("energy",), "xrd": ("detector_y", "detector_x")}
_RASTER = ("rotation_angle", "y", "x")
"""Axes of what every technique measures at one point."""


@dataclass(eq=False)
class RasterScan:
    """A raster scan as found: where it lies, what it is, what has been said of it."""

    file: OpenFile
    entry: Entry
    technique: str
    data: h5py.Dataset
    messages: list[str] = field(default_factory=list)

    @property
    def core(self) -> tuple[str, ...]:
        """Axes of what was measured at one point."""
        return CORE[self.technique]

    @property
    def raster(self) -> tuple[int, ...]:
        """Sizes of the axes that count points."""
        return tuple(int(n) for n in self.data.shape[: self.data.ndim - len(self.core)])


def axis_names(found: RasterScan, given: Sequence[str]) -> tuple[str, ...]:
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
    if len(stated) != rank or len(set(stated)) != rank or set(stated[points:]) != set(core):
        each = f" with {' and '.join(core)} at every point" if core else ""
        found.messages.append(
            f"axes attribute says {', '.join(stated)} for {rank} dimensions{each}; taken as {', '.join(usual)}"
        )
        return usual
    return _as_measured(found, stated)


def _as_measured(found: RasterScan, names: tuple[str, ...]) -> tuple[str, ...]:
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


def _stated(found: RasterScan) -> tuple[str, ...]:
    plot = found.entry.found.groups.get(f"{found.entry.path.rstrip('/')}/data")
    raw = plot.attrs.get("axes") if plot is not None else None
    if raw is None:
        return ()
    words = [text_of(each) for each in np.atleast_1d(raw)]
    if len(words) == 1:
        words = words[0].replace(",", ":").strip("[]").split(":")
    return tuple("rotation_angle" if word in NAMES else word.strip() for word in words)


def scan_axes(
    found: RasterScan, names: tuple[str, ...], choice: AngleChoice, positions: str
) -> tuple[tuple[Axis, ...], list[Path]]:
    """Return the axes with their coordinates, and the other files that those come from."""
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


def _stage(found: RasterScan, name: str, number: int, positions: str) -> Axis:
    if positions == "none":
        return Axis(name, found.raster[number], None, "px")
    axis, notes = stage_axis(str(found.file.path), found.entry.found, found.entry.path, name, found.raster, number)
    found.messages += notes
    return axis


def _core_axis(found: RasterScan, name: str, size: int) -> Axis:
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
