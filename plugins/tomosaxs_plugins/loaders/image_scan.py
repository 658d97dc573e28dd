"""Tomography scans that are folders of TIFF or EDF images, the ESRF's legacy EDF scans among them."""

from __future__ import annotations

import fnmatch
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from tomosaxs import InputError, Quantity
from tomosaxs_plugins.loaders.esrf_info import ScanInfo, scan_info
from tomosaxs_plugins.loaders.frame_files import FrameFiles, looked_at
from tomosaxs_plugins.loaders.image_angles import find_image_angles, missing_numbers
from tomosaxs_plugins.loaders.image_names import (
    ImageSet,
    folder_words,
    images_in,
    kind_of,
    sets_of,
    when_of,
)
from tomosaxs_plugins.loaders.image_sets import dark_batches, flat_batches
from tomosaxs_plugins.loaders.stack import Options, Stack

_CURE = "say which files are the projections by pattern: 'NAME_*.tif'"


@dataclass(frozen=True, eq=False)
class Sorted:
    """The images of a scan by what they are."""

    projections: ImageSet
    flats: list[ImageSet]
    darks: list[ImageSet]
    ignored: list[ImageSet]


def load_images(folder: Path, files: Sequence[Path], options: Options) -> Stack:
    """Describe a scan of image files.

    Parameters
    ----------
    folder : Path
        Where they lie.
    files : sequence of Path
        The files that the list names; empty for the folder's.

    Raises
    ------
    InputError
        When no projections are found, files cannot be read, or there are no angles.
    """
    chosen = _sorted(folder, files, options)
    info = scan_info(chosen.projections.folder) or scan_info(folder)
    reader = looked_at(chosen.projections.files, leave_out=_left_out(options), what="projections")
    count, messages = reader.shape[0], _said(chosen)
    projections = np.arange(count, dtype=np.intp)
    total = info.number("TOMO_N") if info is not None else None
    if total is not None and options.angles.given is None and 2 <= total < count and len(reader.files) == count:
        messages.append(f"{count - int(total)} images after the {int(total)} of TOMO_N are left out (taken at the end)")
        reader = replace(reader, files=reader.files[: int(total)], where=reader.where[: int(total)])
        count, projections = int(total), projections[: int(total)]
    angles = find_image_angles(reader, chosen.projections.folder, info, options.angles)
    flats, notes = flat_batches(chosen.flats, reader.core, count) if options.flats is None else ([], [])
    dark_n = int(info.number("DARK_N") or 1) if info is not None else 1
    darks, more = dark_batches(chosen.darks, reader.core, dark_n) if options.darks is None else ([], [])
    files_read = [*reader.files, *(file for each in (*chosen.flats, *chosen.darks) for file in each.files)]
    hole = missing_numbers(reader.files) if len(reader.files) == count else ""
    return Stack(
        _layout(reader, info),
        folder,
        chosen.projections.text,
        reader,
        projections,
        angles,
        flats,
        darks,
        _metadata(info, chosen.projections),
        [*files_read, *([info.path] if info is not None else [])],
        [*messages, *notes, *more],
        [hole] if hole else [],
    )


def _layout(reader: FrameFiles, info: ScanInfo | None) -> str:
    kind = "TIFF" if ".tif" in reader.files[0].name.lower() else "EDF"
    if info is not None:
        return f"{kind} images with {info.path.name}"
    return f"{kind} images"


def _metadata(info: ScanInfo | None, projections: ImageSet) -> dict[str, Quantity | str]:
    made: dict[str, Quantity | str] = {} if info is None else info.metadata()
    made.setdefault("sample_name", projections.folder.name)
    return made


def _left_out(options: Options) -> frozenset[int]:
    """Return the files that are excluded and need not be whole, where projections are counted as files."""
    if options.series is not None or not options.exclude:
        return frozenset()
    indices = options.exclude.get("indices", []) if isinstance(options.exclude, dict) else options.exclude
    return frozenset(int(each) for each in indices)


def _said(chosen: Sorted) -> list[str]:
    said = [f"projections: {chosen.projections.text} ({len(chosen.projections.files)} files)"]
    if chosen.ignored:
        said.append(f"not used: {', '.join(each.text for each in chosen.ignored[:6])}")
    return said


def _sorted(folder: Path, files: Sequence[Path], options: Options) -> Sorted:
    """Return what the images are, by their names and those of their folders."""
    here, inside = (list(files), []) if files else images_in(folder)
    if options.pattern:
        named = [path for path in here if fnmatch.fnmatch(path.name, options.pattern)]
        if not named:
            raise InputError(f"{folder} has no image that fits pattern: {options.pattern}", parameter="pattern")
        others = [path for path in here if path not in set(named)]
        sets = [ImageSet(folder, options.pattern, named, "projections"), *sets_of(others)]
        sets[1:] = [each for each in sets[1:] if each.kind in ("flats", "darks")]
    else:
        sets = sets_of(here)
    own = kind_of(folder_words(folder))
    if files:
        flats_beside = [each for each in sets_of(_beside(folder, here)) if each.kind in ("flats", "darks")]
        have = {each.kind for each in sets}
        sets += [each for each in flats_beside if each.kind not in have]
    for place in inside:
        sets += _of_folder(place)
    if own == "projections":
        have = {each.kind for each in sets}
        sets += [each for each in _siblings(folder) if each.kind not in have]
    flats = [each for each in sets if each.kind == "flats"]
    darks = [each for each in sets if each.kind == "darks"]
    rest = [each for each in sets if each.kind not in ("flats", "darks")]
    projections = _projections(folder, sets, rest)
    return Sorted(projections, flats, darks, [each for each in rest if each is not projections])


def _beside(folder: Path, files: Sequence[Path]) -> list[Path]:
    known = set(files)
    return [path for path in images_in(folder)[0] if path not in known] if folder.is_dir() else []


def _of_folder(place: Path) -> list[ImageSet]:
    """Return the images of a sub-folder whose name, or whose files' names, say what they are."""
    words = folder_words(place)
    kind, when = kind_of(words), when_of(words)
    sets = sets_of(images_in(place)[0])
    for each in sets:
        weaker = ("", "projections") if kind in ("flats", "darks") else ("",)
        each.kind = kind if each.kind in weaker else each.kind
        each.when = each.when or when
    return sets


def _siblings(folder: Path) -> list[ImageSet]:
    """Return flats and darks in folders beside one that is called after projections."""
    _, folders = images_in(folder.parent) if folder.parent.is_dir() else ([], [])
    named = [place for place in folders if place != folder and kind_of(folder_words(place)) in ("flats", "darks")]
    return [each for place in named for each in _of_folder(place)]


def _projections(folder: Path, sets: list[ImageSet], rest: list[ImageSet]) -> ImageSet:
    """Return the one set that holds the projections.

    Raises
    ------
    InputError
        When none or several may be.
    """
    if not sets:
        raise InputError(f"{folder} holds no TIFF or EDF images, and no tomography scan in a NeXus or HDF5 file")
    if not rest:
        kinds = ", ".join(f"{each.text} ({each.kind})" for each in sets[:6])
        raise InputError(f"{folder}: all images are flats or darks by their names: {kinds}; {_CURE}")
    direct = [each for each in rest if each.folder == folder]
    named = [each for each in rest if each.kind == "projections"]
    for choice in (named, direct or rest):
        if len(choice) == 1:
            return choice[0]
    choice = named or direct or rest
    largest = max(choice, key=lambda each: len(each.files))
    if len(largest.files) >= 0.9 * sum(len(each.files) for each in choice) and len(largest.files) > 1:
        return largest
    several = _one_stream(choice)
    if several is not None:
        return several
    shown = ", ".join(f"{each.text} ({len(each.files)} files)" for each in choice[:6])
    raise InputError(f"{folder} holds several sets of images that may be the projections: {shown}; {_CURE}")


def _one_stream(choice: Sequence[ImageSet]) -> ImageSet | None:
    """Return sets that are parts of one stream as one: the parts that a ring buffer or a 4 GB limit leaves."""
    if len({each.folder for each in choice}) > 1 or any(len(each.files) > 1 for each in choice):
        return None
    files = [file for each in choice for file in each.files]
    stems = [file.name.split(".")[0] for file in files]
    shortest = min(stems, key=len)
    if all(stem.startswith(shortest) for stem in stems):  # series.tif, series@0001.tif, series_part2.tif
        order = sorted(range(len(files)), key=lambda number: (len(stems[number]) > len(shortest), stems[number]))
        return ImageSet(choice[0].folder, shortest, [files[number] for number in order], "projections")
    return None
