"""SOLEIL Flyscan: a folder with the projections, flats before, flats after and darks in a file each."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np

from tomosaxs import InputError, Quantity, did_you_mean
from tomosaxs_plugins.loaders.angles import find_angles
from tomosaxs_plugins.loaders.companions import Batch
from tomosaxs_plugins.loaders.hdf5 import OpenFile, is_number, open_file
from tomosaxs_plugins.loaders.hdf5_stack import hdf5_stack
from tomosaxs_plugins.loaders.links import Found, dataset_at, walk
from tomosaxs_plugins.loaders.readers import reader_of
from tomosaxs_plugins.loaders.stack import Options, Stack

_COMPANIONS = ("pre_ref", "post_ref", "pre_dark", "post_dark")


def flyscan_group(file: OpenFile) -> h5py.Group | None:
    """Return the ``scan_data`` group of a Flyscan file, or None.

    Raises
    ------
    InputError
        When there are several.
    """
    groups = [
        file.handle[f"{name}/scan_data"]
        for name in file.handle
        if file.handle.get(name, getclass=True) is h5py.Group
        and file.handle[name].get("scan_data", getclass=True) is h5py.Group
    ]
    if len(groups) > 1:
        names = ", ".join(str(group.parent.name) for group in groups)
        raise InputError(f"{file.path} holds {len(groups)} flyscans: give data_path: ({names})")
    return groups[0] if groups else None


def is_companion(path: Path) -> bool:
    """Whether a file of a Flyscan folder holds flats or darks, by its name."""
    return path.stem in _COMPANIONS


def load_flyscan(file: OpenFile, options: Options, place: tuple[int, int] = (0, 1)) -> Stack:
    """Describe a Flyscan scan: the file of the projections and its companions in the same folder.

    Parameters
    ----------
    place : (int, int)
        Number of this scan in a series that shares the companions, and how many it has.
    """
    group = flyscan_group(file)
    if group is None:
        raise InputError(f"{file.path} has no group scan_data: it holds no SOLEIL Flyscan")
    found = walk(group, 1)
    data = dataset_at(file, options.data_path, "data_path") if options.data_path else _images(file, found)
    frames = int(data.shape[0])
    projections = np.arange(frames, dtype=np.intp)
    angles = find_angles(file, _motors(found, frames), frames, projections, options.angles)
    folder = file.path.parent
    flats, darks, files = _companions(folder, data.shape[1:], frames, place)
    messages: list[str] = []
    metadata = _parameters(folder, file.path, files, messages)
    return hdf5_stack(
        "SOLEIL Flyscan", file, data, str(group.name), found, projections, angles, flats, darks, metadata, options,
        messages, files,
    )  # fmt: skip


def _images(file: OpenFile, found: Found) -> h5py.Dataset:
    stacks = {p: d for p, d in found.datasets.items() if is_number(d) and d.ndim == 3 and d.size}
    if len(stacks) == 1:
        return next(iter(stacks.values()))
    if found.broken and not stacks:
        raise InputError(f"{found.broken[0]}; put the file back beside {file.path.name}")
    have = ", ".join(stacks) or "none"
    raise InputError(f"{file.path}: one stack of projections is needed in scan_data; there is {have}: give data_path:")


def _motors(found: Found, frames: int) -> Found:
    """Return only the rotation motors: their names hold Rz, rot or theta, and they move."""
    words = ("rz", "rot", "theta", "angle", "omega")

    def rotates(path: str, dataset: h5py.Dataset) -> bool:
        name = path.rsplit("/", 1)[1].lower()
        return dataset.shape == (frames,) and is_number(dataset) and any(word in name for word in words)

    motors = {path: dataset for path, dataset in found.datasets.items() if rotates(path, dataset)}
    moving = {path: dataset for path, dataset in motors.items() if np.ptp(dataset[()]) > 0}
    if len(moving) != 1:
        return found
    # The one motor that turns gets a name the common search knows; its own path stays in the messages.
    path, dataset = next(iter(moving.items()))
    return Found({f"{path.rsplit('/', 1)[0]}/rotation_angle": dataset}, found.groups, found.broken)


def _companions(
    folder: Path, shape: tuple[int, ...], frames: int, place: tuple[int, int]
) -> tuple[list[Batch], list[Batch], list[Path]]:
    """Return flats, darks and their files; before and after (the whole series) get their time in frames."""
    made: dict[str, list[Batch]] = {"ref": [], "dark": []}
    files: list[Path] = []
    for name in _COMPANIONS:
        path = folder / f"{name}.nxs"
        if not path.is_file():
            continue
        when, kind = name.split("_")
        file = open_file(path)
        dataset = _companion(file, kind, shape)
        number, several = place
        time = (-number if when == "pre" else several - number) * frames - 0.5
        made[kind].append(Batch(reader_of(file, dataset), path.name, time, origin=str(path)))
        files.append(path)
    return made["ref"], made["dark"], files


def _companion(file: OpenFile, kind: str, shape: tuple[int, ...]) -> h5py.Dataset:
    found = walk(file.handle)
    for _, dataset in found.named(f"{kind}_0", f"{kind}_2d"):
        if is_number(dataset) and dataset.ndim in (2, 3) and dataset.shape[-2:] == shape:
            return dataset
        raise InputError(
            f"{file.path}: {dataset.name} has the shape {dataset.shape}; images of {shape[0]} x {shape[1]} are needed"
        )
    if found.broken:
        raise InputError(f"{found.broken[0]}; it should hold images ({kind}_0)")
    raise InputError(f"{file.path} has no dataset {kind}_0{did_you_mean(f'{kind}_0', [p[1:] for p in found.datasets])}")


def _parameters(folder: Path, scan: Path, files: list[Path], messages: list[str]) -> dict[str, Quantity | str]:
    """Return the pixel sizes that ``SCAN.par`` states, in micrometres there."""
    made: dict[str, Quantity | str] = {"sample_name": scan.stem}
    path = folder / f"{scan.stem}.par"
    if not path.is_file():
        return made
    files.append(path)
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        key, separator, rest = line.partition("=")
        names = {"IMAGE_PIXEL_SIZE_1": "pixel_size_x", "IMAGE_PIXEL_SIZE_2": "pixel_size_y"}
        name = names.get(key.strip())
        if not separator or name is None:
            continue
        try:
            value = float(rest.split("#")[0].strip())
        except ValueError:
            messages.append(f"{path}: {line.strip()!r} is no number and is not used")
            continue
        if value > 0:
            made[name] = Quantity(value * 1e-6, "m")
    return made
