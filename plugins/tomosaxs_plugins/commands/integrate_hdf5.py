"""Where the frames of an HDF5 file are: scans as their loader knows them, Eiger masters, else the only stack."""

from __future__ import annotations

import re
from pathlib import Path

import h5py

from tomosaxs import InputError, Reader
from tomosaxs_plugins.loaders.hdf5 import damage_named, is_number, open_file
from tomosaxs_plugins.loaders.image_files import natural
from tomosaxs_plugins.loaders.images import JoinedReader
from tomosaxs_plugins.loaders.links import Found, walk
from tomosaxs_plugins.loaders.readers import reader_of
from tomosaxs_plugins.loaders.scattering_scan import scattering_scan

_CORE = ("detector_y", "detector_x")
_EIGER = re.compile(r".*/data_\d+$")


def frames_in(path: Path, shape: tuple[int, int] | None) -> Reader:
    """Return a reader of the frames, (\\*scan, rows, columns).

    Parameters
    ----------
    shape : (rows, columns) or None
        Of the frames, where it is known: of several stacks the one that fits is taken.

    Raises
    ------
    InputError
        When no frames are found, or it is not clear which.
    """
    try:
        source = scattering_scan((path,))
    except InputError:  # no scan that it knows, or another detector's
        return _found(path, shape)
    return source.reader if source.dataset.names[-2:] == _CORE else _found(path, shape)


def _found(path: Path, shape: tuple[int, int] | None) -> Reader:
    """Return a reader of what has the form of frames, whatever it is called."""
    file = open_file(path)
    with damage_named(path):
        found = walk(file.handle)
        parts = sorted((name for name in found.datasets if _EIGER.match(name)), key=natural)
        broken = [link for link in found.broken if _EIGER.match(link.path)]
        if broken:
            raise InputError(f"{broken[0]}, which is not there (yet)")
        if parts:
            return JoinedReader(tuple(reader_of(file, found.datasets[name], core=2) for name in parts))
        stacks = _stacks(found, 3) or _stacks(found, 2)
        fitting = {name: data for name, data in stacks.items() if shape is None or tuple(data.shape[-2:]) == shape}
        chosen = fitting or stacks
        if len(chosen) != 1:
            raise InputError(f"several stacks may be meant: {', '.join(chosen)}" if chosen else "it holds no frames")
        data = next(iter(chosen.values()))
        return reader_of(file, data, rank=max(3, data.ndim), core=2)


def _stacks(found: Found, rank: int) -> dict[str, h5py.Dataset]:
    """Return the datasets that may be frames, each once although links lead to it too."""
    seen: dict[tuple[int, int], str] = {}
    stacks: dict[str, h5py.Dataset] = {}
    for name, data in found.datasets.items():
        fits = data.ndim >= 3 if rank == 3 else data.ndim == 2
        if not (is_number(data) and fits and min(data.shape[-2:]) > 1):
            continue
        status = h5py.h5o.get_info(data.id)
        if seen.setdefault((status.fileno, status.addr), name) == name:
            stacks[name] = data
    return stacks
