"""Single images and folders of images, of every format that fabio reads."""

from __future__ import annotations

import fnmatch
import math
import os
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from tomosaxs import ArrayReader, Auxiliary, Axis, Dataset, InputError, Param, Source, loader
from tomosaxs_plugins.loaders.image_frames import BrokenImage, ImageReader, by_fabio, plain_tiff
from tomosaxs_plugins.loaders.image_headers import HeaderReader, entry_of, flat_header
from tomosaxs_plugins.loaders.whole_files import why_not_whole

_SUFFIXES = {
    "tif", "tiff", "edf", "cor", "cbf", "mccd", "img", "mar2300", "mar1200", "mar1600", "mar2000", "mar3450", "mar3000",
    "mar2400", "mar1800", "sfrm", "pnm", "pgm", "dm3", "kcd", "npy", "f2d", "spe", "jpg", "jpeg", "jp2", "jpx", "mpa",
    "mrc", "fei", "gel", "osc",
}  # fmt: skip
_PACKED = {"gz", "bz2", "xz"}
_NEXUS = {"nxs", "h5", "hdf5", "hdf"}
_LISTED = 20
_ALIKE = 0.5  # a file of a packed format that is smaller than this part of the others is looked at


@dataclass(frozen=True, eq=False)
class _Images:
    """The files in their order, what one frame is, and what the files lack."""

    files: list[Path]
    frames: list[int]
    lacks: dict[int, str]
    example: Path
    core: tuple[int, int]
    dtype: np.dtype[Any]
    header: dict[str, str]
    plain: bool


@loader
def image_files(
    paths: Sequence[Path],
    *,
    pattern: Annotated[str, Param("which files of a folder, for instance 'sample_*.tif'; empty: its images")] = "",
    shape: Annotated[
        list[int] | None, Param("points of the scan, slowest axis first; null: the frames one behind the other")
    ] = None,
    axes: Annotated[list[str], Param("names of the scan's axes, slowest first")] = [],  # noqa: B006
    companions: Annotated[
        dict[str, str],
        Param("entries of the header, one number a frame, by name: {monitor: KEY, count_time: KEY}"),
    ] = {},  # noqa: B006
) -> Source:
    """Load images: one file, several, or a folder; TIFF, EDF, CBF, MarCCD and all else that fabio reads.

    Files come in natural order (2 before 10), the frames of a file in theirs. The dataset has the axes
    (frame, detector_y, detector_x), or those of a scan with `shape`: [5, 40] makes (y, x, detector_y, detector_x), the
    last scan axis running fastest. Images that are empty, cut off or damaged, of another size than the others, or
    lacking at the end of a scan count as not measured: they hold NaN (-1 or the largest value in integers), the
    companion ``missing`` is true where that is known beforehand, and the report names them.

    Parameters
    ----------
    paths : sequence of Path
        Files, patterns in lists, or folders.

    Raises
    ------
    InputError
        When no image can be read, a folder holds several kinds of images, or `shape` is too small for them.
    """
    files = _found([Path(paths)] if isinstance(paths, (str, Path)) else [Path(each) for each in paths], pattern)
    images = _looked_at(files)
    where, names = _placed(images, shape, list(axes))
    total = sum(images.frames)
    reader = ImageReader(images.files, where, images.core, images.dtype, images.plain, alone=total == 1)
    missing = where[..., 0] < 0
    auxiliaries = {
        name: Auxiliary(
            names, HeaderReader(images.files, where, key), entry_of(images.header, key, str(images.example))[1]
        )
        for name, key in companions.items()
    }
    if missing.any():
        auxiliaries["missing"] = Auxiliary(names, ArrayReader(missing))
    made = [Axis(name, size, None, "px") for name, size in zip(names, missing.shape, strict=True)]
    core = [Axis(name, size, None, "px") for name, size in zip(("detector_y", "detector_x"), images.core, strict=True)]
    dataset = Dataset((*made, *core), images.dtype, "counts", "counts", auxiliaries=auxiliaries)
    return Source(dataset, reader, tuple(images.files), tuple(_messages(images, total, missing, companions)))


def natural(name: str) -> list[tuple[int, int, str]]:
    """Return a key that sorts numbers in names by their value."""
    parts = re.split(r"(\d+)", name)
    return [(1, int(part), "") if part.isdigit() else (0, 0, part.lower()) for part in parts]


def _found(paths: Sequence[Path], pattern: str) -> list[Path]:
    files: list[Path] = []
    for path in paths:
        if not path.is_dir():
            if not path.exists():
                raise InputError(f"{path} does not exist")
            files.append(path)
            continue
        with os.scandir(path) as entries:
            inside = [each.name for each in entries if not each.name.startswith(".") and each.is_file()]
        files += [path / name for name in sorted(_images_among(path, inside, pattern), key=natural)]
    nexus = next((path for path in files if path.suffix.lower().lstrip(".") in _NEXUS), None)
    if nexus is not None:
        raise InputError(f"{nexus} is a NeXus/HDF5 file; the plugins scattering_scan, raster_map and array read those")
    return files


def _images_among(folder: Path, names: list[str], pattern: str) -> list[str]:
    if pattern:
        chosen = fnmatch.filter(names, pattern)
        if not chosen:
            raise InputError(f"{folder} has no file that fits pattern: {pattern} (it has {len(names)} files)")
        return chosen
    kinds = Counter(kind for name in names if (kind := _kind(name)))
    if not kinds:
        raise InputError(
            f"{folder} has no images among its {len(names)} files; pattern: says which are, by their names"
        )
    if len(kinds) > 1:
        have = ", ".join(f"{count} {kind}" for kind, count in kinds.most_common())
        raise InputError(
            f"{folder} has images of several kinds ({have}): choose by pattern: '*.{kinds.most_common(1)[0][0]}'"
        )
    return [name for name in names if _kind(name)]


def _kind(name: str) -> str:
    """Return what the ending of a name says of an image; empty where it is none."""
    words = name.lower().split(".")
    if len(words) > 2 and words[-1] in _PACKED and words[-2] in _SUFFIXES:
        return ".".join(words[-2:])
    return words[-1] if len(words) > 1 and words[-1] in _SUFFIXES else ""


def _looked_at(files: list[Path]) -> _Images:
    """Read the first whole image, and look at the sizes of the others."""
    lacks: dict[int, str] = {}
    for number, path in enumerate(files):
        lack = why_not_whole(path)
        if not lack:
            try:
                return _like(files, number, lacks)
            except BrokenImage as error:
                lack = str(error)
        lacks[number] = lack
        if number + 1 >= _LISTED:
            break
    told = "; ".join(f"{files[number]}: {lack}" for number, lack in list(lacks.items())[:3])
    raise InputError(f"no image can be read: {told}" if len(files) > 1 else f"{files[0]} cannot be read: {lacks[0]}")


def _like(files: list[Path], number: int, lacks: dict[int, str]) -> _Images:
    example = files[number]
    first = by_fabio(example, 0)
    if first.ndim != 2 or first.dtype.kind not in "iuf":
        raise BrokenImage(f"an image of numbers is needed; it holds {first.dtype} of the shape {first.shape}")
    count, header = _header(example)
    quick = plain_tiff(example, 0)
    plain = (
        quick is not None
        and quick.dtype == first.dtype
        and np.array_equal(quick, first, equal_nan=first.dtype.kind == "f")
    )
    sizes = np.array([path.stat().st_size for path in files], dtype=np.int64)
    for each in _suspects(sizes):
        lack = why_not_whole(files[each])
        if lack:
            lacks[each] = lack
    frames = [count] * len(files)
    if count > 1:
        for each in np.flatnonzero(sizes != sizes[number]).tolist():
            frames[each] = count if each in lacks else _header(files[each])[0]
    rows, columns = first.shape
    return _Images(files, frames, lacks, example, (rows, columns), first.dtype, header, plain)


def _header(path: Path) -> tuple[int, dict[str, str]]:
    """Return the number of frames in a file, and its first header."""
    import fabio

    try:
        with fabio.open(str(path)) as image:
            return max(1, int(image.nframes)), flat_header(image.header)
    except Exception as error:  # noqa: BLE001 - fabio's readers fail in any way on a damaged file
        raise BrokenImage(f"fabio: {type(error).__name__}: {error}") from None


def _suspects(sizes: NDArray[np.int64]) -> list[int]:
    """Return the files that may be cut off, by their sizes: those smaller than all alike, or much smaller than most."""
    values, counts = np.unique(sizes, return_counts=True)
    usual = int(values[np.argmax(counts)])
    limit = usual if counts.max() * 2 > len(sizes) else int(np.median(sizes) * _ALIKE)
    suspects: list[int] = np.flatnonzero((sizes < limit) | (sizes == 0)).tolist()
    return suspects


def _placed(images: _Images, shape: list[int] | None, axes: list[str]) -> tuple[NDArray[np.intp], tuple[str, ...]]:
    """Return file and frame of every point of the scan, and the names of its axes."""
    places = [
        (-1, -1) if number in images.lacks and sum(images.frames) > 1 else (number, frame)
        for number, count in enumerate(images.frames)
        for frame in range(count)
    ]
    sides = [len(places)] if shape is None else [int(side) for side in shape]
    names = tuple(axes) or {1: ("frame",), 2: ("y", "x")}.get(len(sides), ())
    if len(names) != len(sides) or len(set(names)) != len(names) or set(names) & {"detector_y", "detector_x"}:
        raise InputError(f"axes: must give {len(sides)} different names of scan axes, not {', '.join(axes) or 'none'}")
    if "rotation_angle" in names:
        raise InputError("axes: image files tell no rotation angles: give that axis another name, for instance frame")
    points = math.prod(sides)
    if min(sides) < 1 or points < len(places):
        raise InputError(
            f"{images.files[0].parent}: {len(places)} frames do not fit shape: {sides}, which has {points} points"
        )
    where = np.full((points, 2), -1, dtype=np.intp)
    where[: len(places)] = places
    return where.reshape(*sides, 2), names


def _messages(images: _Images, total: int, missing: NDArray[np.bool_], companions: dict[str, str]) -> list[str]:
    files, (rows, columns) = images.files, images.core
    which = str(files[0]) if len(files) == 1 else f"{len(files)} files, {files[0]} to {files[-1].name}"
    several = f", {total} frames" if total != len(files) else ""
    said = [f"image_files: {which}{several}, {rows} x {columns} pixels ({images.dtype})"]
    said += [f"{name}: header entry {key}" for name, key in companions.items()]
    for number, lack in list(images.lacks.items())[:_LISTED]:
        said.append(f"WARNING: {files[number]} is left out: {lack}")
    if len(images.lacks) > _LISTED:
        said.append(f"WARNING: {len(images.lacks) - _LISTED} more files are left out for such reasons")
    absent = int(missing.sum()) - sum(images.frames[number] for number in images.lacks)
    if absent > 0:
        said.append(f"WARNING: {absent} of {missing.size} points were not measured: there are {total} frames only")
    return said
