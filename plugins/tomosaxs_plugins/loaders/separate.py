"""Flats or darks that lie in a file of their own, with or without keys that say what they are."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np

from tomosaxs import InputError
from tomosaxs_plugins.loaders.companions import Batch
from tomosaxs_plugins.loaders.hdf5 import OpenFile, is_number, numbers, open_file
from tomosaxs_plugins.loaders.image_names import is_image
from tomosaxs_plugins.loaders.image_sets import image_batch
from tomosaxs_plugins.loaders.links import Found, dataset_at, walk
from tomosaxs_plugins.loaders.readers import reader_of

KEYS = {"flats": 1, "darks": 2}
NAMES = {
    "flats": ("flatfield", "flat_field", "data_white", "flats", "flat", "ref_0", "ref_2d", "white"),
    "darks": ("darkfield", "dark_field", "data_dark", "darks", "dark", "dark_0", "dark_2d", "background"),
}
"""Last path names under which flats and darks are stored beside the projections or alone."""


def separate_frames(
    path: Path, inside: str, kind: str, shape: tuple[int, int]
) -> tuple[list[Batch], list[str], list[Path]]:
    """Return the flats (or darks) of another file or folder as one batch, with a message and the files.

    Parameters
    ----------
    path : Path
        An HDF5 file, an image file, or a folder of images.
    inside : str
        HDF5 path in it, or empty: then it is found by keys, by name, or as the only stack of this size.
    kind : str
        ``flats`` or ``darks``.
    shape : (int, int)
        Shape of a projection.

    Raises
    ------
    InputError
        When nothing fits or more than one thing does; the message lists what there is.
    """
    if path.is_dir() or is_image(path):
        return image_batch(path, kind, shape)
    file = open_file(path)
    found = walk(file.handle)
    dataset = dataset_at(file, inside, f"{kind}_path") if inside else _only(file, found, kind, shape)
    if tuple(dataset.shape[-2:]) != shape or dataset.ndim not in (2, 3):
        raise InputError(
            f"{path}: {dataset.name} has the shape {dataset.shape}; {kind} for projections of "
            f"{shape[0]} x {shape[1]} pixels are needed"
        )
    frames = None
    how = "all of them"
    keys = _keys(found, dataset)
    if keys is not None:
        mine = np.flatnonzero(keys == KEYS[kind])
        if len(mine):
            frames, how = mine, f"those with image_key {KEYS[kind]}"
        elif len(np.unique(keys)) > 1:
            have = ", ".join(f"{value:g}" for value in np.unique(keys))
            raise InputError(
                f"{path}: {dataset.name} has no {kind}: image_key {KEYS[kind]} does not occur (it has {have})"
            )
        else:
            how = f"all of them, although their image_key is {keys[0]:g}"
    reader = reader_of(file, dataset, frames)
    text = f"{kind} from {path}: {dataset.name}, {reader.shape[0]} frames ({how})"
    return [Batch(reader, f"{path.name}", origin=str(path))], [text], [path]


def _keys(found: Found, dataset: h5py.Dataset) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]] | None:
    for _, keys in found.named("image_key"):
        if dataset.ndim == 3 and is_number(keys) and keys.shape == dataset.shape[:1]:
            return numbers(keys)
    return None


def _only(file: OpenFile, found: Found, kind: str, shape: tuple[int, int]) -> h5py.Dataset:
    fitting: list[tuple[str, h5py.Dataset]] = []
    for path, dataset in found.datasets.items():
        fits = is_number(dataset) and dataset.ndim in (2, 3) and tuple(dataset.shape[-2:]) == shape
        if fits and all(dataset != other for _, other in fitting):
            fitting.append((path, dataset))
    named = [pair for pair in fitting if pair[0].rsplit("/", 1)[1] in NAMES[kind]]
    keyed = [pair for pair in fitting if _keys(found, pair[1]) is not None]
    for choice in (named, keyed, fitting):
        if len(choice) == 1:
            return choice[0][1]
    if found.broken and not fitting:
        raise InputError(f"{found.broken[0]}: there are no {kind} to read in {file.path}")
    have = ", ".join(path for path, _ in named or keyed or fitting) or "nothing of that size"
    raise InputError(
        f"{file.path}: which dataset holds the {kind} ({shape[0]} x {shape[1]} pixels)? There is {have}: "
        f"give {kind}_path: PATH"
    )
