"""NXtomo and the ways in which beamlines depart from it."""

from __future__ import annotations

from dataclasses import dataclass

import h5py
import numpy as np
from numpy.typing import NDArray

from tomosaxs import InputError
from tomosaxs_plugins.loaders.angles import find_angles
from tomosaxs_plugins.loaders.companions import Batch, batches_in_stack
from tomosaxs_plugins.loaders.hdf5 import OpenFile, class_of, is_number, numbers, text_of
from tomosaxs_plugins.loaders.hdf5_stack import hdf5_stack
from tomosaxs_plugins.loaders.links import Found, dataset_at, item_at, walk
from tomosaxs_plugins.loaders.metadata import describe
from tomosaxs_plugins.loaders.readers import reader_of
from tomosaxs_plugins.loaders.separate import NAMES
from tomosaxs_plugins.loaders.stack import Options, Stack

PROJECTION, FLAT, DARK, INVALID, BACKGROUND, ALIGNMENT = 0, 1, 2, 3, 4, -1
_WORDS = {INVALID: "invalid", BACKGROUND: "background", ALIGNMENT: "alignment"}


@dataclass(frozen=True, eq=False)
class Entry:
    """A group that may describe a scan."""

    path: str
    group: h5py.Group
    definition: str
    found: Found


def definition_of(group: h5py.Group) -> tuple[str, str]:
    """Return the definition a group states and how: field or attribute, also when its name is misspelt."""
    for name in group:
        if name.lower().startswith("defin") and group.get(name, getclass=True) is h5py.Dataset:
            text = text_of(group[name])
            if text.startswith("NX"):
                return text, f"{name}"
    for name, value in group.attrs.items():
        if name.lower().startswith("defin") and text_of(value).startswith("NX"):
            return text_of(value), f"attribute {name}"
    return "", ""


def entries(file: OpenFile) -> list[Entry]:
    """Return the groups that may describe a scan: entries and subentries, the inner before the outer."""
    shallow = walk(file.handle, 2)
    made: list[Entry] = []
    for path, group in sorted(shallow.groups.items(), key=lambda pair: -pair[0].count("/")):
        inside = list(group)
        is_entry = class_of(group) in ("NXentry", "NXsubentry") or "instrument" in inside
        if class_of(group).startswith("NX") and class_of(group) not in ("NXentry", "NXsubentry"):
            is_entry = False
        if is_entry and not any(other.path.startswith(path + "/") for other in made):
            made.append(Entry(path, group, definition_of(group)[0], walk(group)))
    return sorted(made, key=lambda entry: entry.path)


def is_scan(entry: Entry) -> bool:
    """Return whether an entry describes a tomography scan: by its definition or its contents."""
    if entry.definition:
        return entry.definition.lower() == "nxtomo"
    return bool(stacks(entry.found)) or any(True for _ in entry.found.named("image_key"))


def stacks(found: Found) -> dict[str, h5py.Dataset]:
    """Return the stacks of images that may be projections, each once."""
    kept: dict[str, h5py.Dataset] = {}
    known = {name for names in NAMES.values() for name in names}
    ordered = sorted(found.datasets.items(), key=lambda pair: ("/instrument/" not in pair[0], pair[0].count("/")))
    for path, dataset in ordered:
        images = is_number(dataset) and dataset.ndim == 3 and min(dataset.shape) > 0 and dataset.shape[2] > 1
        if images and path.rsplit("/", 1)[1] not in known and dataset not in kept.values():
            kept[path] = dataset
    return kept


def choose_entry(file: OpenFile, options: Options) -> Entry:
    """Return the entry to read.

    Raises
    ------
    InputError
        When there is none, or several and none is chosen.
    """
    if options.entry:
        group = item_at(file, options.entry, "entry")
        if not isinstance(group, h5py.Group):
            raise InputError(f"{file.path}: {options.entry} (entry) is a dataset, not a group")
        inner = [e for e in entries(file) if e.path.startswith(f"{group.name}/") and is_scan(e)]
        if len(inner) == 1 and definition_of(group)[0].lower() != "nxtomo":
            return inner[0]
        return Entry(str(group.name), group, definition_of(group)[0], walk(group))
    every = entries(file)
    if options.data_path:
        path = "/" + options.data_path.strip("/")
        around = [entry for entry in every if path.startswith(entry.path + "/")]
        if around:
            return around[0]
        top = path.split("/")[1]
        outer = item_at(file, top, "data_path") if path.count("/") > 1 else file.handle
        group = outer if isinstance(outer, h5py.Group) else file.handle
        return Entry(str(group.name), group, "", walk(group))
    scans = [entry for entry in every if is_scan(entry)]
    stated = [entry for entry in scans if entry.definition]
    for choice in (stated, scans):
        if len(choice) == 1:
            return choice[0]
        if len(choice) > 1:
            names = ", ".join(entry.path for entry in choice)
            raise InputError(
                f"{file.path} holds {len(choice)} scans: choose entry: {choice[0].path} (there are {names})"
            )
    raise InputError(nothing_known(file, every))


def nothing_known(file: OpenFile, every: list[Entry]) -> str:
    """Return the message for a file in which no scan was recognised."""
    found = walk(file.handle)
    others = sorted({entry.definition for entry in every if entry.definition})
    if others and set(others) <= {"NXtomoproc", "NXcanSAS"}:
        return f"{file.path} describes {', '.join(others)}, a result: results are read by the plugin result"
    if others:
        return (
            f"{file.path} describes {', '.join(others)}, not a tomography scan of whole images: raster scans "
            "(NXstxm, NXfluo, NXxrd) are read by the plugin raster_map"
        )
    if found.broken:
        return f"{found.broken[0]}; nothing else in the file is a stack of projections"
    have = [f"{path} {dataset.shape}" for path, dataset in found.datasets.items() if dataset.ndim >= 3]
    text = f"stacks in it: {', '.join(have[:8])}" if have else "it holds no stack of images"
    return (
        f"{file.path} is in no known layout (NXtomo, Data Exchange, SOLEIL Flyscan); {text}. "
        "Give data_path: PATH of the projections"
    )


def image_keys(file: OpenFile, entry: Entry, options: Options) -> tuple[NDArray[np.intp] | None, list[str]]:
    """Return the key of every frame, or None where the entry has none.

    Raises
    ------
    InputError
        When a key has an unknown value, or the link to it is broken.
    """
    if options.image_key_path == "none":
        return None, ["image_key not used"]
    if options.image_key_path:
        chosen = dataset_at(file, options.image_key_path, "image_key_path")
    else:
        pairs = sorted(entry.found.named("image_key"), key=lambda pair: "/instrument/" not in pair[0])
        named = [dataset for _, dataset in pairs if is_number(dataset)]
        if not named:
            broken = [link for link in entry.found.broken if link.path.endswith("/image_key")]
            if broken:
                raise InputError(f"{broken[0]}: without it flats and projections cannot be told apart")
            return None, []
        chosen = named[0]
    values = numbers(chosen).ravel()
    keys = np.where(np.isfinite(values), np.rint(values), 99).astype(np.intp)
    control = entry.found.datasets.get(f"{chosen.name}_control")
    if control is not None and control.size == chosen.size:
        keys = np.where(numbers(control).ravel() == ALIGNMENT, ALIGNMENT, keys)
    wrong = ~np.isin(keys, (0, 1, 2, 3, 4, -1)) | (np.abs(values - np.rint(values)) > 1e-6)
    if np.any(wrong):
        first = int(np.flatnonzero(wrong)[0])
        raise InputError(
            f"{file.path}: {chosen.name} has the value {values[first]:g} at frame {first}; known are 0 projection, "
            "1 flat, 2 dark, 3 invalid, 4 background, -1 alignment"
        )
    return keys, [] if str(chosen.name).endswith("/detector/image_key") else [f"image_key: {chosen.name}"]


def choose_stack(file: OpenFile, entry: Entry, keys: NDArray[np.intp] | None, options: Options) -> h5py.Dataset:
    """Return the stack of frames.

    Raises
    ------
    InputError
        When there is none, several fit, or it has not as many frames as there are keys.
    """
    if options.data_path:
        data = dataset_at(file, options.data_path, "data_path")
        if data.ndim != 3:
            raise InputError(f"{file.path}: {data.name} has the shape {data.shape}; (frame, y, x) is needed")
        if keys is not None and len(keys) != data.shape[0]:
            raise InputError(f"{file.path}: {data.name} has {data.shape[0]} frames, image_key has {len(keys)} values")
        return data
    have = stacks(entry.found)
    fitting = {p: d for p, d in have.items() if keys is None or d.shape[0] == len(keys)}
    if len(fitting) == 1:
        return next(iter(fitting.values()))
    if not have:
        # the detector's own link first: the others usually lead there
        broken = min(entry.found.broken, key=lambda link: "/instrument/" not in link.path, default=None)
        if broken is not None:
            raise InputError(f"{broken}; put the file back beside {file.path.name} or give data_path:")
        deep = [f"{p} {d.shape}" for p, d in entry.found.datasets.items() if d.ndim > 3]
        tail = f"; {', '.join(deep)} has more dimensions: use the plugin array" if deep else ""
        raise InputError(f"{file.path}: {entry.path} holds no stack of projections{tail}")
    if not fitting:
        shown = ", ".join(f"{p} has {d.shape[0]}" for p, d in have.items())
        raise InputError(f"{file.path}: image_key has {0 if keys is None else len(keys)} values, but {shown} frames")
    for ending in ("/instrument/detector/data", "/data/data", "/imaging/data"):
        named = [dataset for path, dataset in fitting.items() if path.endswith(ending)]
        if len(named) == 1:
            return named[0]
    raise InputError(
        f"{file.path}: {entry.path} holds several stacks that may be the projections: {', '.join(fitting)}: "
        "give data_path:"
    )


def load_nxtomo(file: OpenFile, options: Options) -> Stack:
    """Describe the scan of an NXtomo file, or of one whose paths the list gives."""
    entry = choose_entry(file, options)
    keys, messages = image_keys(file, entry, options)
    data = choose_stack(file, entry, keys, options)
    frames = int(data.shape[0])
    if keys is None:
        projections, flats, darks = np.arange(frames, dtype=np.intp), *_beside(file, entry, data)
        if not options.image_key_path:
            messages.append("no image_key: every frame is taken as a projection")
    else:
        projections = np.flatnonzero(keys == PROJECTION)
        flats = batches_in_stack(file, data, np.flatnonzero(keys == FLAT))
        darks = batches_in_stack(file, data, np.flatnonzero(keys == DARK))
        for key, word in _WORDS.items():
            if np.any(keys == key):
                messages.append(f"{np.count_nonzero(keys == key)} {word} frames (image_key {key}) skipped")
        beside = _beside(file, entry, data)
        flats, darks = flats or beside[0], darks or beside[1]
    if len(projections) == 0:
        raise InputError(f"{file.path}: {data.name} has no projections: image_key 0 does not occur")
    angles = find_angles(file, entry.found, frames, projections, options.angles)
    home = str(data.parent.name)
    metadata, notes = describe(entry.found, entry.path, home)
    messages += _recognition(entry) + notes
    return hdf5_stack(
        _layout(entry, options), file, data, entry.path, entry.found, projections, angles, flats, darks, metadata,
        options, messages,
    )  # fmt: skip


def _layout(entry: Entry, options: Options) -> str:
    if options.data_path:
        return "paths as given"
    return "NXtomo" if entry.definition else "NXtomo by its contents (no definition)"


def _recognition(entry: Entry) -> list[str]:
    _, how = definition_of(entry.group)
    said = [] if how in ("", "definition") else [f"definition found as {how}"]
    links = [str(link) for link in entry.found.broken]
    return said + [f"broken link not needed: {link}" for link in links]


def _beside(file: OpenFile, entry: Entry, data: h5py.Dataset) -> tuple[list[Batch], list[Batch]]:
    """Return flats and darks that are stored as datasets of their own in the entry."""
    found: list[list[Batch]] = []
    for kind in ("flats", "darks"):
        batches: list[Batch] = []
        for path, dataset in entry.found.named(*NAMES[kind]):
            fits = is_number(dataset) and dataset.ndim in (2, 3) and dataset.shape[-2:] == data.shape[1:]
            if fits and dataset.size and not batches:
                batches.append(Batch(reader_of(file, dataset), path))
        found.append(batches)
    return found[0], found[1]
