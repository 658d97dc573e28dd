"""Files of a scattering scan put together to one dataset: frames, companions, masks, and what is to be said."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tomosaxs import ArrayReader, Auxiliary, Axis, Dataset, InputError, Quantity, Source
from tomosaxs_plugins.loaders.gaps import fill_value
from tomosaxs_plugins.loaders.hdf5 import units_of
from tomosaxs_plugins.loaders.scans.angles import CURE, common_angles, given_angles, settle
from tomosaxs_plugins.loaders.scans.file import ScanFile, mask_of, metadata_of
from tomosaxs_plugins.loaders.scans.points import Placed
from tomosaxs_plugins.loaders.scans.reader import PointReader
from tomosaxs_plugins.loaders.scans.union import united
from tomosaxs_plugins.loaders.scans.values import on_grid

Floats = NDArray[np.float64]

_MOST_LINES = 24
"""Messages about single files that are shown one by one."""


def one_file(
    scan: ScanFile, angles: Path | Sequence[float] | Mapping[str, float] | None, units: str
) -> tuple[Source, bool]:
    """Return the dataset of one file; the flag tells that the angles were used.

    Raises
    ------
    InputError
        When angles of the list do not fit the axis of the angles.
    """
    axes, said, used = list(scan.placed.axes), [], False
    names = [axis.name for axis in axes]
    place = names.index("rotation_angle") if "rotation_angle" in names else None
    if place is None and angles is not None and len(axes) == 3 and axes[0].values is None:
        place = 0
    if angles is not None and place is not None:
        values = given_angles(angles, axes[place].size, units)
        if len(values) != axes[place].size:
            raise InputError(f"{len(values)} angles are given, {scan.path} has {axes[place].size}", parameter="angles")
        axes[place] = Axis("rotation_angle", len(values), values, "deg")
        used = True
    angle = next(iter(scan.angles.items()), None)
    extra: dict[str, Quantity | str] = {}
    if angle is not None and "rotation_angle" not in [axis.name for axis in axes] and _beside(scan, angle[0]):
        extra["rotation_angle"] = Quantity(angle[1], "deg")
        said.append(f"taken at {angle[1]:.6g} deg ({angle[0]})")
    placed = Placed(tuple(axes), scan.placed.where)
    front = axes[0]
    if front.name == "rotation_angle" and len(axes) > 1:
        said += _lost_points(placed.where, _labels(front))
    return _source([scan], [scan], placed, [scan.path], said, False, extra), used


def _beside(scan: ScanFile, path: str) -> bool:
    home = path.rsplit("/", 1)[0]
    return home in scan.detector.homes or "/sample" in home


def stacked(
    files: Sequence[Path],
    scans: Sequence[ScanFile | None],
    lost: Sequence[str],
    along: str,
    angles: Path | Sequence[float] | Mapping[str, float] | None,
    units: str,
) -> Source:
    """Return the dataset of several files, which lie along a new axis in front.

    Parameters
    ----------
    scans : sequence of ScanFile or None
        None for a file of which nothing can be read.
    lost : sequence of str
        Why.

    Raises
    ------
    InputError
        When the files do not belong together, or no angles are known.
    """
    known = [scan for scan in scans if scan is not None]
    _must_agree(known, along)
    said = list(lost)
    names = [path.name for path in files]
    order: list[int | None] = list(range(len(files)))
    front = Axis(along, len(files), None, "px")
    if along == "rotation_angle":
        values, order, front_said = _angles(scans, angles, units, names)
        front = Axis(along, len(values), values, "deg")
        said += front_said
    elif angles is not None:
        raise InputError(f"angles are given, but the files lie along {along!r}", parameter="angles")
    every = [None if number is None else scans[number] for number in order]
    labels = ["no file" if number is None else names[number] for number in order]
    union, notes = united([None if scan is None else scan.placed for scan in every], labels)
    placed = Placed((front, *union.axes), union.where)
    said += notes
    said += _lost_points(union.where, _labels(front))
    return _source(known, every, placed, files, said, True, {})


def _must_agree(known: Sequence[ScanFile], along: str) -> None:
    first = known[0]
    for each in known[1:]:
        a, b = first.detector, each.detector
        if a.frame != b.frame or first.reader.dtype != each.reader.dtype or first.core != each.core:
            raise InputError(
                f"{each.path}: {b.paths[0]} has frames of {b.frame[0]} x {b.frame[1]} {each.reader.dtype}, "
                f"{first.path} of {a.frame[0]} x {a.frame[1]} {first.reader.dtype}: they are no parts of one scan"
            )
    names = [axis.name for axis in first.placed.axes]
    if along in (*names, *first.core):
        raise InputError(
            f"{first.path} has an axis {along} of its own ({', '.join(names)}); say along: scan, or another new name",
            parameter="along",
        )


def _angles(
    scans: Sequence[ScanFile | None],
    angles: Path | Sequence[float] | Mapping[str, float] | None,
    units: str,
    names: Sequence[str],
) -> tuple[Floats, list[int | None], list[str]]:
    own, path = common_angles([None if scan is None else scan.angles for scan in scans])
    first = next(scan for scan in scans if scan is not None)
    wanted = None if angles is None else given_angles(angles, len(scans), units)
    if wanted is None and path and path in first.detector.found.datasets and units == "auto":
        bare = not units_of(first.detector.found.datasets[path])
        if bare and float(np.nanmax(np.abs(own))) <= 2.1 * np.pi:
            raise InputError(
                f"{first.path}: {path} has no units and values of {np.nanmin(own):g} to {np.nanmax(own):g} in all "
                "files, which may be radians or degrees: give angle_units: rad or angle_units: deg",
                parameter="angle_units",
            )
    values, order, said = settle(own, wanted, names)
    source = path if wanted is None else "given in the list"
    low, high = values.min(), values.max()
    rising = "" if np.all(np.diff(values) > 0) else ", not in order"
    return values, order, [f"angles: {source}, {len(values)} from {low:.6g} to {high:.6g} deg{rising}", *said]


def _labels(front: Axis) -> list[str]:
    """Return what messages call the entries of the first axis."""
    if front.values is None:
        return [f"{front.name} {number}" for number in range(front.size)]
    return [f"{value:.6g} {front.units}" for value in front.values]


def _lost_points(where: NDArray[np.int64], labels: Sequence[str]) -> list[str]:
    """Say how many points every scan lacks."""
    each = where.reshape(len(labels), -1)
    counts = np.count_nonzero(each < 0, axis=1)
    lines = [
        f"missing: {count} of {each.shape[1]} points at {label}"
        for count, label in zip(counts, labels, strict=True)
        if count
    ]
    if len(lines) > _MOST_LINES:
        lines = [*lines[:_MOST_LINES], f"and {len(lines) - _MOST_LINES} more"]
    return lines


def _source(
    known: Sequence[ScanFile],
    every: Sequence[ScanFile | None],
    placed: Placed,
    files: Sequence[Path],
    said: Sequence[str],
    has_files_axis: bool,
    extra: Mapping[str, Quantity | str],
) -> Source:
    first = known[0]
    where = placed.where if has_files_axis else placed.where[None]
    counted = _counted_through(known, every, where)
    reader = PointReader([scan.reader for scan in known], counted if has_files_axis else counted[0])
    names = [axis.name for axis in placed.axes]
    auxiliaries: dict[str, Auxiliary] = {}
    metadata, notes = metadata_of(known)
    metadata.update(extra)
    messages = [_head(first, placed), *_from_files(known), *said, *_only_counting(placed)]
    for name in dict.fromkeys(name for scan in known for name in scan.values):
        found = on_grid(name, [None if s is None else s.values.get(name) for s in every], where, names, has_files_axis)
        source = next(scan.values[name] for scan in known if name in scan.values)
        shown = f"{name}: {source.path}" + (f" ({source.note})" if source.note else "")
        if isinstance(found, Quantity):
            metadata[name] = found
            messages.append(f"{shown}, {found.value:.6g} {found.units}".rstrip())
        elif found is not None:
            auxiliaries[name] = found
            kind = "one value a point" if len(found.axes) == len(names) else f"one value a {found.axes[0]}"
            messages.append(f"{shown}, {kind}")
    mask, mask_said = mask_of(known)
    if mask is not None:
        auxiliaries["mask"] = mask
    missing = where < 0
    if missing.any():
        lost, total = int(np.count_nonzero(missing)), missing.size
        auxiliaries["missing"] = Auxiliary(tuple(names), ArrayReader(missing if has_files_axis else missing[0]))
        messages.append(
            f"WARNING: {lost} of {total} points were not measured: their frames hold {fill_value(reader.dtype)}"
        )
    pixels = tuple(Axis(name, size, None, "px") for name, size in zip(first.core, first.detector.frame, strict=True))
    units = units_of(first.detector.data) or "counts"
    dataset = Dataset((*placed.axes, *pixels), reader.dtype, "counts", units, auxiliaries, metadata)
    behind = [path for scan in known for path in scan.behind]
    return Source(dataset, reader, tuple(dict.fromkeys([*files, *behind])), (*messages, *mask_said, *notes))


def _counted_through(
    known: Sequence[ScanFile], every: Sequence[ScanFile | None], where: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Return frames counted through all files that can be read, -1 where there is none."""
    out = np.full(where.shape, -1, dtype=np.int64)
    starts: dict[int, int] = {}
    total = 0
    for scan in known:
        starts[id(scan)] = total
        total += max(1, int(np.prod(scan.detector.points, dtype=np.int64)))
    for number, each in enumerate(every):
        if each is not None:
            out[number] = np.where(where[number] >= 0, where[number] + starts[id(each)], -1)
    return out


def _head(first: ScanFile, placed: Placed) -> str:
    shape = " x ".join(f"{axis.size} {axis.name}" for axis in placed.axes)
    rows, columns = first.detector.frame
    return (
        f"{first.definition}, detector {first.detector.name}: {first.detector.paths[0]}, {shape}, frames of "
        f"{rows} x {columns} ({first.reader.dtype})"
    )


def _only_counting(placed: Placed) -> list[str]:
    """Say which axes of a raster have no coordinates."""
    bare = [axis.name for axis in placed.axes if axis.values is None and axis.size > 1]
    said = [f"axis {name} only counts points: no positions are known" for name in bare if name in ("x", "y", "z")]
    if "rotation_angle" in bare:
        said.append(f"WARNING: the rotation angles are not known: {CURE}")
    return said


def _from_files(known: Sequence[ScanFile]) -> list[str]:
    """Return what is to be said of the files, what several say alike only once."""
    where: dict[str, list[str]] = {}
    for scan in known:
        for text in dict.fromkeys(scan.messages):
            where.setdefault(text, []).append(scan.path.name)
    lines = []
    for text, names in where.items():
        if len(names) == len(known):
            lines.append(text)
        elif len(names) > 3:
            lines.append(f"{names[0]}, {names[1]} and {len(names) - 2} other files: {text}")
        else:
            lines.append(f"{', '.join(names)}: {text}")
    if len(lines) > _MOST_LINES:
        lines = [*lines[:_MOST_LINES], f"and {len(lines) - _MOST_LINES} more about single files"]
    return lines
