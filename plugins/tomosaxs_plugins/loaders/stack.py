"""What a layout tells of a tomography scan, and the source made of it; the same for every layout."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import h5py
import numpy as np
from numpy.typing import NDArray

from tomosaxs import ArrayReader, Auxiliary, Axis, Dataset, InputError, Quantity, Source
from tomosaxs_plugins.loaders.angles import AngleChoice, Angles, find_scans
from tomosaxs_plugins.loaders.companions import (
    Batch,
    batch_monitors,
    find_monitor,
    flat_weights,
    images,
    merged,
    without,
    without_saturated,
)
from tomosaxs_plugins.loaders.hdf5 import OpenFile, check_readable, never_written
from tomosaxs_plugins.loaders.images import turned
from tomosaxs_plugins.loaders.links import Found
from tomosaxs_plugins.loaders.readers import reader_of
from tomosaxs_plugins.loaders.separate import separate_frames


@dataclass(frozen=True)
class Options:
    """The parameters of the loader `tomography`."""

    entry: str = ""
    data_path: str = ""
    image_key_path: str = ""
    scan: int | Literal["all"] | None = None
    angles: AngleChoice = field(default_factory=AngleChoice)
    flats: Path | None = None
    flats_path: str = ""
    darks: Path | None = None
    darks_path: str = ""
    ignore_flats: Sequence[int] = ()
    ignore_darks: Sequence[int] = ()
    flat_average: str = "mean"
    monitor_path: str = ""
    pixel_size: float | None = None
    orientation: str = "as_stored"


@dataclass(eq=False)
class Stack:
    """A tomography scan as a layout describes it.

    Parameters
    ----------
    layout : str
        Name of the layout, for messages.
    file, data : OpenFile, h5py.Dataset
        The stack of frames, (frame, detector_y, detector_x).
    entry, found : str, Found
        The group that describes the scan and what is in it.
    projections : int array
        Which frames are projections.
    angles : Angles
        One angle a projection.
    flats, darks : list of Batch
    metadata : dict
    files : list of Path
        Every other file that is read.
    messages : list of str
    """

    layout: str
    file: OpenFile
    data: h5py.Dataset
    entry: str
    found: Found
    projections: NDArray[np.intp]
    angles: Angles
    flats: list[Batch] = field(default_factory=list)
    darks: list[Batch] = field(default_factory=list)
    metadata: dict[str, Quantity | str] = field(default_factory=dict)
    files: list[Path] = field(default_factory=list)
    messages: list[str] = field(default_factory=list)

    @property
    def frames(self) -> int:
        """Number of frames in the stack."""
        return int(self.data.shape[0])

    @property
    def image_shape(self) -> tuple[int, int]:
        """(detector_y, detector_x) as stored."""
        return int(self.data.shape[1]), int(self.data.shape[2])


def source_of(stack: Stack, options: Options) -> Source:
    """Make the source of a scan.

    Raises
    ------
    InputError
        When flats or darks do not fit, several scans follow each other and none is chosen, or a file
        behind the data is missing.
    """
    where = f"{stack.file.path}: {stack.data.name}"
    _separate(stack, options)
    flats = without(stack.flats, options.ignore_flats, "flats", where)
    darks = without(stack.darks, options.ignore_darks, "darks", where)
    for kind, ignored in (("flats", options.ignore_flats), ("darks", options.ignore_darks)):
        if ignored:
            stack.messages.append(f"batches of {kind} ignored: {', '.join(map(str, ignored))}")
    flats, notes = without_saturated(flats, where)
    stack.messages += notes
    projections, angles = _chosen_scan(stack, options)
    auxiliaries = _auxiliaries(stack, options, merged(flats), darks, projections)
    pixel = _pixel_sizes(stack, options)
    reader = turned(reader_of(stack.file, stack.data, projections), options.orientation)
    rows, columns = reader.shape[-2:]
    axes = (
        Axis("rotation_angle", len(angles), angles, "deg"),
        _detector_axis("detector_y", rows, pixel[0]),
        _detector_axis("detector_x", columns, pixel[1]),
    )
    dataset = Dataset(axes, reader.dtype, "counts", "counts", auxiliaries=auxiliaries, metadata=_metadata(stack, pixel))
    files = [stack.file.path, *_behind(stack), *stack.files]
    if stack.angles.file is not None:
        files.append(stack.angles.file)
    return Source(dataset, reader, tuple(dict.fromkeys(files)), tuple(_messages(stack, options, angles, flats, darks)))


def _separate(stack: Stack, options: Options) -> None:
    for kind, path, inside in (
        ("flats", options.flats, options.flats_path),
        ("darks", options.darks, options.darks_path),
    ):
        if path is None and not inside:
            continue
        batches, notes = separate_frames(path or stack.file.path, inside, kind, stack.image_shape)
        own: list[Batch] = getattr(stack, kind)
        if own:
            stack.messages.append(f"{kind} of the scan itself are replaced by those of {kind}: {path or inside}")
        setattr(stack, kind, batches)
        stack.messages += notes
        stack.files += [path] if path is not None else []


def _chosen_scan(stack: Stack, options: Options) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    values = stack.angles.values
    if options.scan == "all":
        return stack.projections, values
    scans, incomplete = find_scans(values)
    if options.scan is not None:
        if not 1 <= options.scan <= len(scans):
            raise InputError(
                f"{stack.file.path}: {stack.angles.source}: scan: {options.scan} does not exist; the angles hold "
                f"{len(scans)} complete scan{'s' if len(scans) > 1 else ''}"
            )
        part = scans[options.scan - 1]
        lost = f", {incomplete} projections of incomplete scans left out" if incomplete else ""
        stack.messages.append(f"scan {options.scan} of {len(scans)} complete ones{lost}")
        return stack.projections[part], values[part]
    if incomplete and len(scans) == 1:
        stack.messages.append(
            f"{incomplete} projections after the first {len(values) - incomplete} repeat their angles and are kept "
            "(scan: 1 leaves them out)"
        )
    if len(scans) > 1:
        raise InputError(
            f"{stack.file.path}: {stack.angles.source}: the {len(values)} projections are {len(scans)} scans over the "
            f"same angles, one after the other"
            + (f", and {incomplete} projections of a broken-off one" if incomplete else "")
            + f": choose scan: 1..{len(scans)}, or scan: all to take them together"
        )
    return stack.projections, values


def _auxiliaries(
    stack: Stack,
    options: Options,
    flats: list[tuple[Batch, ...]],
    darks: list[Batch],
    projections: NDArray[np.intp],
) -> dict[str, Auxiliary]:
    made: dict[str, Auxiliary] = {}
    own, whole, notes = find_monitor(
        stack.file, stack.found, stack.entry, options.monitor_path, stack.frames, stack.projections
    )
    stack.messages += notes
    if own is not None:
        place = np.searchsorted(stack.projections, projections)
        made["monitor"] = Auxiliary(("rotation_angle",), ArrayReader(own[place]))
    if flats and flats[0]:
        made["flats"] = images(flats, "flat", options.flat_average, options.orientation)
        made["flat_weights"] = flat_weights(flats, projections)
        means = batch_monitors(flats, whole)
        if means is not None:
            made["monitor_flats"] = means
    if darks:
        made["darks"] = images([tuple(darks)], "dark", "mean", options.orientation)
    return made


def _pixel_sizes(stack: Stack, options: Options) -> tuple[float | None, float | None]:
    """Return the pixel sizes along detector_y and detector_x in metres, after turning."""
    if options.pixel_size is not None:
        return options.pixel_size, options.pixel_size
    sizes = [stack.metadata.get(name) for name in ("pixel_size_y", "pixel_size_x")]
    found = [size.value if isinstance(size, Quantity) and size.value > 0 else None for size in sizes]
    if options.orientation in ("transpose", "rotate_90", "rotate_270"):
        found.reverse()
    return found[0], found[1]


def _detector_axis(name: str, size: int, pixel: float | None) -> Axis:
    if pixel is None:
        return Axis(name, size, None, "px")
    return Axis(name, size, np.arange(size, dtype=np.float64) * pixel, "m")


def _metadata(stack: Stack, pixel: tuple[float | None, float | None]) -> Mapping[str, Quantity | str]:
    metadata = {k: v for k, v in stack.metadata.items() if not k.startswith("pixel_size_")}
    for name, size in (("pixel_size_y", pixel[0]), ("pixel_size_x", pixel[1])):
        if size is not None:
            metadata[name] = Quantity(size, "m")
    return metadata


def _behind(stack: Stack) -> list[Path]:
    """Return the files that really hold the frames, where links or virtual datasets lead elsewhere."""
    files = check_readable(stack.data)
    home = Path(stack.data.file.filename)
    if home.resolve() != stack.file.path.resolve():
        files.insert(0, home)
    if files:
        stack.messages.append(f"frames lie in {', '.join(str(file) for file in files)} (linked from {stack.file.path})")
    return files


def _messages(
    stack: Stack,
    options: Options,
    angles: NDArray[np.float64],
    flats: Sequence[Batch],
    darks: Sequence[Batch],
) -> list[str]:
    rows, columns = stack.image_shape
    said = [
        f"{stack.layout}: {stack.data.name}, {len(angles)} projections of {rows} x {columns} pixels "
        f"({stack.data.dtype})",
        _angle_message(angles, stack.angles.source),
        *stack.angles.messages,
        _batch_message("flats", flats, options.flat_average),
        _batch_message("darks", darks, "mean"),
    ]
    said += stack.messages
    gaps = never_written(stack.data)
    if gaps:
        said.append(gaps)
    if stack.metadata.get("pixel_size_x") is None and options.pixel_size is None:
        said.append("no pixel size: lengths will be in pixels (give pixel_size: in metres)")
    if options.orientation != "as_stored":
        said.append(f"images turned: {options.orientation}")
    return said


def _angle_message(angles: NDArray[np.float64], source: str) -> str:
    low, high = float(angles.min()), float(angles.max())
    steps = np.diff(angles)
    order = "" if np.all(steps > 0) or np.all(steps < 0) else ", not in order"
    return f"angles: {source}, {angles[0]:.6g} to {angles[-1]:.6g} deg (range {high - low:.6g}{order})"


def _batch_message(kind: str, batches: Sequence[Batch], how: str) -> str:
    if not batches:
        return f"no {kind}: give {kind}: FILE where they lie in another file"
    parts = " + ".join(f"{batch.count} ({batch.place})" for batch in batches)
    timed = all(batch.time is not None for batch in batches)
    note = ", interpolated in time" if kind == "flats" and len(batches) > 1 and timed else ""
    return f"{kind}: {parts}, {how} of each batch{note}" if note else f"{kind}: {parts}, {how}"
