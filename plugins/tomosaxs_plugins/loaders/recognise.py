"""What a path of a tomography scan is: a file of a known layout, a folder of images, several scans."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from tomosaxs import InputError
from tomosaxs_plugins.loaders.data_exchange import is_data_exchange, load_data_exchange
from tomosaxs_plugins.loaders.flyscan import flyscan_group, is_companion, load_flyscan
from tomosaxs_plugins.loaders.hdf5 import OpenFile, open_file
from tomosaxs_plugins.loaders.image_names import holds_images, is_image, natural
from tomosaxs_plugins.loaders.image_scan import load_images
from tomosaxs_plugins.loaders.nxtomo import load_nxtomo
from tomosaxs_plugins.loaders.stack import Options, Stack

_NEXUS = (".nxs", ".h5", ".hdf5", ".hdf", ".nx")


def stacks_of(paths: Sequence[Path], options: Options) -> tuple[list[Stack], Options]:
    """Return the scans that paths stand for, in their order (image files together are one), and what is left to choose.

    Raises
    ------
    InputError
        When a path is no scan, or images and other files are mixed.
    """
    images = [path for path in paths if is_image(path) and not path.is_dir()]
    if images and len(images) < len(paths):
        other = next(path for path in paths if path not in images)
        raise InputError(f"{images[0]} is an image, {other} is none: give images or scans, not both")
    if images:
        folders = list(dict.fromkeys(path.parent for path in images))
        return [load_images(folders[0], images, options)], options
    scans: list[Path] = []
    series: list[bool] = []
    for path in paths:
        inside = _scans_in(path) if path.is_dir() else [path]
        scans += inside
        series += [len(inside) > 1] * len(inside)
    if len(scans) > 1:
        return _series(scans, series, options), replace(options, scan=None)
    return [_stack(scans[0], options, (0, 1))], options


def _series(scans: list[Path], shared: list[bool], options: Options) -> list[Stack]:
    """Return the scans of a series, or the one of them that ``scan:`` chooses."""
    if options.series is not None:
        raise InputError(
            f"series: cuts one stream into tomograms, but {len(scans)} scans are given ({scans[0]} ...), one tomogram "
            "each: leave series: out",
            parameter="series",
        )
    if options.scan == "all":
        raise InputError(f"scan: all is for one stream, but {len(scans)} scans are given ({scans[0]} ...)")
    places = [(number, len(scans)) if together else (0, 1) for number, together in enumerate(shared)]
    if options.scan is None:
        return [_stack(path, options, place) for path, place in zip(scans, places, strict=True)]
    if options.scan > len(scans):
        raise InputError(f"scan: {options.scan} does not exist: there are {len(scans)} scans, the last {scans[-1]}")
    return [_stack(scans[options.scan - 1], options, places[options.scan - 1])]


def _scans_in(folder: Path) -> list[Path]:
    """Return the scans in a folder: files of known layouts, else the folder itself with its images."""
    named = folder / f"{folder.name}.nxs"
    if named.is_file():
        return [named]
    with os.scandir(folder) as inside:
        names = [each.name for each in inside if each.name.lower().endswith(_NEXUS) and each.name[0] != "."]
    files = [folder / name for name in names]
    files = sorted((each for each in files if not is_companion(each)), key=lambda path: natural(path.name))
    flyscans = [each for each in files if each.suffix == ".nxs" and _is_flyscan(each)]
    if flyscans:
        return flyscans
    if holds_images(folder) or any(holds_images(place) for place in folder.iterdir() if place.is_dir()):
        return [folder]
    if files:
        return files
    raise InputError(
        f"{folder} is a folder with no scan: a SOLEIL Flyscan folder needs {named.name} with the projections "
        "(/flyscan_NNNN/scan_data), others TIFF or EDF images, or NeXus files; for other layouts give the file itself"
    )


def _is_flyscan(path: Path) -> bool:
    return flyscan_group(open_file(path)) is not None


def _stack(path: Path, options: Options, place: tuple[int, int]) -> Stack:
    """Return the scan at a path, as the first layout that knows it describes it."""
    if path.is_dir():
        return load_images(path, [], options)
    if not path.exists() and path.suffix == "" and path.with_suffix(".nxs").exists():
        raise InputError(f"{path} does not exist (did you mean {path.with_suffix('.nxs').name!r}?)")
    return _in_file(open_file(path), options, place)


def _in_file(file: OpenFile, options: Options, place: tuple[int, int]) -> Stack:
    if options.data_path or options.entry:
        known = flyscan_group(file) is not None
        return load_flyscan(file, options, place) if known and not options.entry else load_nxtomo(file, options)
    if is_data_exchange(file):
        return load_data_exchange(file, options)
    if flyscan_group(file) is not None:
        return load_flyscan(file, options, place)
    return load_nxtomo(file, options)
