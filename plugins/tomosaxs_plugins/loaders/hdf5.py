"""Opening HDF5 files read-only and reading small things from them; what is damaged is named."""

from __future__ import annotations

import errno
import importlib.util
import math
import os
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from tomosaxs import InputError, did_you_mean

_SIGNATURE = b"\x89HDF\r\n\x1a\n"


class DamagedFile(InputError):
    """A file that was cut off or destroyed: it exists, and nothing can be read of it, or not all."""


class OpenFile:
    """An HDF5 file of this process, closed when the last reader that uses it is gone."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.handle = _open(path)
        weakref.finalize(self, self.handle.close)

    def __repr__(self) -> str:
        return f"OpenFile({self.path})"


_OPEN: weakref.WeakValueDictionary[tuple[int, str, int, int], OpenFile] = weakref.WeakValueDictionary()


def open_file(path: Path) -> OpenFile:
    """Return the file opened read-only; one that this process has open already is shared.

    Raises
    ------
    InputError
        When it does not exist, is no HDF5 file, is damaged or may not be read.
    """
    try:
        state = path.stat()
    except FileNotFoundError:
        beside = [each.name for each in path.parent.iterdir()] if path.parent.is_dir() else []
        hint = did_you_mean(path.name, beside) if beside else " (nor does its folder)"
        near = hint if "did you mean" in hint or not beside else ""
        raise InputError(f"{path} does not exist{near}") from None
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from None
    key = (os.getpid(), str(path), state.st_ino, state.st_mtime_ns)
    found = _OPEN.get(key)
    if found is None:
        found = _OPEN[key] = OpenFile(path)
    return found


def _open(path: Path) -> h5py.File:
    if path.is_dir():
        raise InputError(f"{path} is a folder; a NeXus/HDF5 file is needed")
    if not os.access(path, os.R_OK):
        raise InputError(f"{path} may not be read: permission denied")
    try:
        # Without a chunk cache HDF5 reads only the rows asked for of an uncompressed chunk; blocks are read once.
        return h5py.File(path, "r", rdcc_nbytes=0)
    except OSError as error:
        kind, why = _why_not(path, error)
        raise kind(f"{path} {why}") from None


def _why_not(path: Path, error: OSError) -> tuple[type[InputError], str]:
    if error.errno in (errno.EMFILE, errno.ENFILE):
        return InputError, "cannot be opened: too many files are open at once (see ulimit -n)"
    with path.open("rb") as raw:
        head = raw.read(8)
    if not head:
        return DamagedFile, "is empty (0 bytes)"
    if head != _SIGNATURE:
        kind = InputError if any(head) else DamagedFile  # zeros only: what a copy leaves that was broken off
        return kind, f"is not a NeXus/HDF5 file (it begins with {head!r})"
    if "truncated" in str(error):
        return DamagedFile, f"is truncated: the file is shorter than its own record says; copy it again ({error})"
    if "lock" in str(error):
        return InputError, f"is being written by another program ({error})"
    return DamagedFile, f"is a damaged HDF5 file ({error})"


@contextmanager
def damage_named(path: Path) -> Iterator[None]:
    """Turn what HDF5 raises on a damaged file into an error that names the file."""
    try:
        yield
    except (OSError, RuntimeError, UnicodeError) as error:
        raise DamagedFile(f"{path} is damaged: {error}; copy the file again") from error


def text_of(value: Any) -> str:
    """Return an attribute or dataset as text: strings, bytes and arrays of one of them; else ``""``."""
    if isinstance(value, h5py.Dataset):
        if value.size != 1:
            return ""
        value = value[()]
    if isinstance(value, np.ndarray):
        value = value.ravel()[0] if value.size == 1 else ""
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace").strip()
    return value.strip() if isinstance(value, str) else ""


def _attribute(item: h5py.Group | h5py.Dataset, name: str) -> str:
    """Return an attribute as text; one of a type that NumPy does not know counts as absent."""
    try:
        return text_of(item.attrs.get(name, ""))
    except TypeError:
        return ""


def units_of(dataset: h5py.Dataset) -> str:
    """Return the ``units`` attribute, or an empty string."""
    return _attribute(dataset, "units")


def class_of(item: h5py.Group | h5py.Dataset) -> str:
    """Return the NeXus class, or an empty string."""
    return _attribute(item, "NX_class")


def is_number(dataset: h5py.Dataset) -> bool:
    """Return whether a dataset holds real numbers."""
    return dataset.shape is not None and dataset.dtype.kind in "iufb"


def numbers(dataset: h5py.Dataset) -> NDArray[np.float64]:
    """Read a small dataset whole, as float64.

    Raises
    ------
    InputError
        When the file is damaged there.
    """
    try:
        return np.asarray(dataset[()], dtype=np.float64)
    except (OSError, ValueError, TypeError) as error:
        raise InputError(f"{dataset.file.filename}: {dataset.name} cannot be read: {error}") from None


def check_readable(dataset: h5py.Dataset) -> list[Path]:
    """Check that a dataset can be read at all, and return the other files that hold its values.

    Raises
    ------
    InputError
        When a file behind a virtual or external dataset is missing (HDF5 itself would give zeros),
        or the compression needs a filter that is not installed.
    """
    where = f"{dataset.file.filename}: {dataset.name}"
    folder = Path(dataset.file.filename).parent
    files = [folder / str(name) for name, _, _ in dataset.external or ()]
    if dataset.is_virtual:
        for source in dataset.virtual_sources():
            if source.file_name != "." and "%" not in source.file_name:
                files.append(folder / source.file_name)
                _check_source(where, files[-1], source.dset_name)
    for file in files:
        if not file.is_file():
            raise InputError(f"{where} takes its values from {file}, a file that does not exist")
    _check_filters(where, dataset)
    return list(dict.fromkeys(files))


def _check_source(where: str, file: Path, path: str) -> None:
    if not file.is_file():
        raise InputError(f"{where} takes its values from {path} in {file}, a file that does not exist")
    opened = open_file(file)  # kept until it has been looked into: it closes with its last user
    if path not in opened.handle:
        raise InputError(f"{where} takes its values from {path} in {file}, which has no such dataset")


def never_written(dataset: h5py.Dataset) -> str:
    """Return a warning where chunks were never written (HDF5 gives zeros there), else an empty string."""
    if dataset.chunks is None or dataset.size == 0:
        return ""
    there = int(dataset.id.get_num_chunks())
    wanted = math.prod(-(-size // chunk) for size, chunk in zip(dataset.shape, dataset.chunks, strict=True))
    if there >= wanted:
        return ""
    return (
        f"WARNING: {wanted - there} of {wanted} chunks of {dataset.name} were never written and are read as "
        f"{dataset.fillvalue}: the scan was broken off? Crop it to what was measured"
    )


def _check_filters(where: str, dataset: h5py.Dataset) -> None:
    pipeline = dataset.id.get_create_plist()
    for number in range(pipeline.get_nfilters()):
        code, _, _, name = pipeline.get_filter(number)
        if not h5py.h5z.filter_avail(code) and importlib.util.find_spec("hdf5plugin") is not None:
            importlib.import_module("hdf5plugin")
        if not h5py.h5z.filter_avail(code):
            label = name.decode("utf-8", "replace") or "no name"
            raise InputError(
                f"{where} is compressed with filter {code} ({label}), which is not installed; "
                "install it with: pip install hdf5plugin"
            )
