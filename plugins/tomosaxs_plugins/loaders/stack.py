"""What a layout tells of a tomography scan, and the source made of it; the same for every layout."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from tomosaxs import ArrayReader, Auxiliary, Axis, Dataset, InputError, Quantity, Reader, Source
from tomosaxs_plugins.loaders.angles import AngleChoice, Angles, find_scans
from tomosaxs_plugins.loaders.companions import Batch, frames_of, without, without_saturated
from tomosaxs_plugins.loaders.images import turned
from tomosaxs_plugins.loaders.separate import separate_frames
from tomosaxs_plugins.loaders.series import Alike, alike, cut, kept
from tomosaxs_plugins.loaders.series_companions import companions_of
from tomosaxs_plugins.loaders.series_cut import SeriesChoice
from tomosaxs_plugins.loaders.series_readers import GridReader, StackedReader


@dataclass(frozen=True)
class Options:
    """The parameters of the loader `tomography`."""

    entry: str = ""
    data_path: str = ""
    image_key_path: str = ""
    scan: int | Literal["all"] | None = None
    series: SeriesChoice = None
    exclude: Any = ()
    pattern: str = ""
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
    """One stream of frames as a layout describes it.

    Parameters
    ----------
    layout : str
        Name of the layout, for messages.
    path : Path
        The file or folder.
    name : str
        What in it holds the frames, for messages.
    reader : Reader
        All frames, (frame, detector_y, detector_x).
    projections : int array
        Which frames are projections.
    angles : Angles
        One angle a projection.
    flats, darks : list of Batch
    metadata : dict
    files : list of Path
        Every file that is read.
    messages, warnings : list of str
        What is said first, and after everything else.
    monitor, monitor_frames : float array or None
        Monitor of every projection, and of every frame.
    began : float or None
        When it began, in seconds since 1970.
    """

    layout: str
    path: Path
    name: str
    reader: Reader
    projections: NDArray[np.intp]
    angles: Angles
    flats: list[Batch] = field(default_factory=list)
    darks: list[Batch] = field(default_factory=list)
    metadata: dict[str, Quantity | str] = field(default_factory=dict)
    files: list[Path] = field(default_factory=list)
    messages: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    monitor: NDArray[np.float64] | None = None
    monitor_frames: NDArray[np.float64] | None = None
    began: float | None = None

    @property
    def where(self) -> str:
        """File and place in it."""
        return f"{self.path}: {self.name}" if self.name else str(self.path)

    @property
    def image_shape(self) -> tuple[int, int]:
        """(detector_y, detector_x) as stored."""
        return int(self.reader.shape[1]), int(self.reader.shape[2])


def source_of(stacks: Sequence[Stack], options: Options) -> Source:
    """Make the source of a scan, of a series in one stream, or of several scans as a series.

    Raises
    ------
    InputError
        When flats or darks do not fit, several scans follow each other and none is chosen, or the scans of a series
        are not alike.
    """
    for stack in stacks:
        _prepare(stack, options)
    parts, timed, said = _tomograms(stacks, options)
    common = alike([stack.angles.values[places] for stack, places in parts], [str(stack.path) for stack, _ in parts])
    kept_, note = kept(options.exclude, common.angles, "a tomogram" if timed else parts[0][0].where)
    frames = [
        stack.projections[places[order][kept_]] for (stack, places), order in zip(parts, common.orders, strict=True)
    ]
    first = stacks[0]
    pixel = _pixel_sizes(first, options)
    angles = common.angles[kept_]
    whole = _frames(stacks, frames, timed)
    reader = turned(whole, options.orientation)
    rows, columns = reader.shape[-2:]
    axes = (
        *([_time_axis([stack for stack, _ in parts])] if timed else []),
        Axis("rotation_angle", len(angles), angles, "deg", index=kept_, full_size=len(common.angles)),
        _detector_axis("detector_y", rows, pixel[0]),
        _detector_axis("detector_x", columns, pixel[1]),
    )
    auxiliaries, more = companions_of(stacks, frames, timed, options.flat_average, options.orientation)
    if timed and np.any(common.offsets % 360.0):
        auxiliaries["start_angle"] = Auxiliary(("time",), ArrayReader(common.offsets % 360.0), "deg")
    dataset = Dataset(axes, reader.dtype, "counts", "counts", auxiliaries=auxiliaries, metadata=_metadata(first, pixel))
    files = dict.fromkeys(file for stack in stacks for file in _files(stack))
    told = [*_messages(stacks, options, angles), *said, *_alike_messages(common, timed), *note, *more, *_last(stacks)]
    return Source(dataset, reader, tuple(files), tuple(dict.fromkeys(told)))


def _prepare(stack: Stack, options: Options) -> None:
    """Take flats and darks of other files, leave out those that are not to be used."""
    _separate(stack, options)
    stack.flats = without(stack.flats, options.ignore_flats, "flats", stack.where)
    stack.darks = without(stack.darks, options.ignore_darks, "darks", stack.where)
    for kind, ignored in (("flats", options.ignore_flats), ("darks", options.ignore_darks)):
        if ignored:
            stack.messages.append(f"batches of {kind} ignored: {', '.join(map(str, ignored))}")
    stack.flats, notes = without_saturated(stack.flats, stack.where)
    stack.messages += notes


def _separate(stack: Stack, options: Options) -> None:
    for kind, path, inside in (
        ("flats", options.flats, options.flats_path),
        ("darks", options.darks, options.darks_path),
    ):
        if path is None and not inside:
            continue
        batches, notes, files = separate_frames(path or stack.path, inside, kind, stack.image_shape)
        own: list[Batch] = getattr(stack, kind)
        if own:
            stack.messages.append(f"{kind} of the scan itself are replaced by those of {kind}: {path or inside}")
        setattr(stack, kind, batches)
        stack.messages += notes
        stack.files += files if path is not None else []


def _tomograms(
    stacks: Sequence[Stack], options: Options
) -> tuple[list[tuple[Stack, NDArray[np.intp]]], bool, list[str]]:
    """Return stream and places of the projections of every tomogram, whether they make a series, and messages."""
    first = stacks[0]
    if len(stacks) > 1:
        _same_kind(stacks)
        said = [f"time series: {len(stacks)} scans, {first.path} to {stacks[-1].path.name}"]
        return [(stack, _one_scan(stack, options)) for stack in stacks], True, said
    if options.series is None:
        return [(first, _one_scan(first, options))], False, []
    if options.scan == "all":
        raise InputError("series: cuts the projections into tomograms, scan: all takes them together: give one of them")
    parts, said = cut(first.angles.values, options.series, first.where)
    if options.scan is None:
        return [(first, places) for places in parts], True, said
    if options.scan > len(parts):
        raise InputError(f"{first.where}: scan: {options.scan} does not exist; the series has {len(parts)} tomograms")
    return [(first, parts[options.scan - 1])], False, [*said, f"tomogram {options.scan} of them is taken (scan)"]


def _same_kind(stacks: Sequence[Stack]) -> None:
    """Refuse scans whose images differ in size or type, naming the odd one."""
    kinds = [(stack.image_shape, str(stack.reader.dtype)) for stack in stacks]
    usual = max(dict.fromkeys(kinds), key=kinds.count)
    odd = next((number for number, kind in enumerate(kinds) if kind != usual), None)
    if odd is not None:
        told = [f"images of {kind[0][0]} x {kind[0][1]} pixels ({kind[1]})" for kind in (kinds[odd], usual)]
        raise InputError(f"{stacks[odd].path} has {told[0]}, the other scans of the series {told[1]}: leave it out")
    sizes = [stack.metadata.get("pixel_size_x") for stack in stacks]
    number = next((number for number, size in enumerate(sizes) if size != sizes[0]), None)
    if number is not None:
        told = [f"{size.value:g} {size.units}" if isinstance(size, Quantity) else "none" for size in sizes]
        raise InputError(
            f"{stacks[number].path} states the pixel size {told[number]}, {stacks[0].path} {told[0]}: give pixel_size:"
        )


def _one_scan(stack: Stack, options: Options) -> NDArray[np.intp]:
    """Return the places of the projections of one scan."""
    values = stack.angles.values
    everything = np.arange(len(values), dtype=np.intp)
    if options.scan == "all":
        return everything
    scans, incomplete = find_scans(values)
    if options.scan is not None:
        if not 1 <= options.scan <= len(scans):
            raise InputError(
                f"{stack.path}: {stack.angles.source}: scan: {options.scan} does not exist; the angles hold "
                f"{len(scans)} complete scan{'s' if len(scans) > 1 else ''}"
            )
        lost = f", {incomplete} projections of incomplete scans left out" if incomplete else ""
        stack.messages.append(f"scan {options.scan} of {len(scans)} complete ones{lost}")
        return everything[scans[options.scan - 1]]
    if incomplete and len(scans) == 1:
        stack.messages.append(
            f"{incomplete} projections after the first {len(values) - incomplete} repeat their angles and are kept "
            "(scan: 1 leaves them out)"
        )
    if len(scans) > 1:
        raise InputError(
            f"{stack.path}: {stack.angles.source}: the {len(values)} projections are {len(scans)} scans over the "
            f"same angles, one after the other"
            + (f", and {incomplete} projections of a broken-off one" if incomplete else "")
            + f": choose scan: 1..{len(scans)}, series: repeats for all of them one after the other in time, or "
            "scan: all to take them together"
        )
    return everything


def _frames(stacks: Sequence[Stack], frames: list[NDArray[np.intp]], timed: bool) -> Reader:
    """Return the reader of the projections."""
    if len(stacks) > 1:
        return StackedReader(tuple(_some(stack, own) for stack, own in zip(stacks, frames, strict=True)))
    return GridReader(stacks[0].reader, np.stack(frames)) if timed else _some(stacks[0], frames[0])


def _some(stack: Stack, frames: NDArray[np.intp]) -> Reader:
    everything = len(frames) == stack.reader.shape[0] and np.array_equal(frames, np.arange(len(frames)))
    return stack.reader if everything else frames_of(stack.reader, frames)


def _time_axis(stacks: Sequence[Stack]) -> Axis:
    """Return the time since the first tomogram where every file states its beginning, else the number of each."""
    began = [stack.began for stack in stacks]
    known = [each for each in began if each is not None]
    if len(known) == len(began) and len(known) > 1 and np.all(np.diff(known) > 0):
        return Axis("time", len(began), np.array(known) - known[0], "s")
    return Axis("time", len(began), np.arange(len(began), dtype=np.float64), "")


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


def _files(stack: Stack) -> list[Path]:
    return [*stack.files, *([stack.angles.file] if stack.angles.file is not None else [])]


def _messages(stacks: Sequence[Stack], options: Options, angles: NDArray[np.float64]) -> list[str]:
    first = stacks[0]
    rows, columns = first.image_shape
    said = [
        f"{first.layout}: {first.name or first.path}, {len(angles)} projections of {rows} x {columns} pixels "
        f"({first.reader.dtype})",
        _angle_message(angles, first.angles.source),
        *first.angles.messages,
        _batch_message("flats", first.flats, options.flat_average),
        _batch_message("darks", first.darks, "mean"),
        *first.messages,
    ]
    for stack in stacks[1:]:
        said += [f"{stack.path.name}: {note}" for note in stack.messages if note not in first.messages]
    if first.metadata.get("pixel_size_x") is None and options.pixel_size is None:
        said.append("no pixel size: lengths will be in pixels (give pixel_size: in metres)")
    if options.orientation != "as_stored":
        said.append(f"images turned: {options.orientation}")
    return said


def _alike_messages(common: Alike, timed: bool) -> list[str]:
    if not timed:
        return []
    said = []
    if common.deviation > 0:
        said.append(f"angles of the tomograms differ from those of the first by up to {common.deviation:.2g} deg")
    back = sum(1 for order in common.orders if len(order) > 1 and order[0] > order[-1])
    if back:
        said.append(f"{back} of {len(common.orders)} tomograms were taken backwards and are put in order")
    turned_ = np.count_nonzero(common.offsets % 360.0)
    if turned_:
        said.append(
            f"{turned_} of {len(common.orders)} tomograms begin at another angle than the first (by "
            f"{common.offsets[common.offsets % 360.0 != 0][0]:g} deg and so on); their slices are turned back"
        )
    return said


def _last(stacks: Sequence[Stack]) -> list[str]:
    if len(stacks) == 1:
        return stacks[0].warnings
    return [f"{note} ({stack.path.name})" for stack in stacks for note in stack.warnings]


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
    if kind == "flats" and how == "none":
        return f"{kind}: {parts}, all kept"
    note = ", interpolated in time" if kind == "flats" and len(batches) > 1 and timed else ""
    return f"{kind}: {parts}, {how} of each batch{note}" if note else f"{kind}: {parts}, {how}"
