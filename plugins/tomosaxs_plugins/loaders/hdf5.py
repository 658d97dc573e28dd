"""Opening HDF5 files read-only and looking into them; whatever is broken is named: file, path, link, target."""

from __future__ import annotations

import importlib.util
import math
import os
import weakref
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from tomosaxs import InputError, did_you_mean

_SIGNATURE = b"\x89HDF\r\n\x1a\n"


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
        raise InputError(f"{path} {_why_not(path, error)}") from None


def _why_not(path: Path, error: OSError) -> str:
    with path.open("rb") as raw:
        head = raw.read(8)
    if not head:
        return "is empty (0 bytes)"
    if head != _SIGNATURE:
        return f"is not a NeXus/HDF5 file (it begins with {head!r})"
    if "truncated" in str(error):
        return f"is truncated: the file is shorter than its own record says; copy it again ({error})"
    if "lock" in str(error):
        return f"is being written by another program ({error})"
    return f"is a damaged HDF5 file ({error})"


@dataclass(frozen=True)
class BrokenLink:
    """A link that leads nowhere."""

    file: Path
    path: str
    target: str

    def __str__(self) -> str:
        return f"{self.file}: {self.path} is a link to {self.target}"


@dataclass(frozen=True, eq=False)
class Found:
    """What a walk through a group met: datasets by path, groups by path, broken links."""

    datasets: dict[str, h5py.Dataset] = field(default_factory=dict)
    groups: dict[str, h5py.Group] = field(default_factory=dict)
    broken: list[BrokenLink] = field(default_factory=list)

    def named(self, *names: str) -> Iterator[tuple[str, h5py.Dataset]]:
        """Yield the datasets whose last name is one of `names`, in that order of names."""
        for name in names:
            for path, dataset in self.datasets.items():
                if path.rsplit("/", 1)[1] == name:
                    yield path, dataset


def walk(group: h5py.Group, depth: int = 4) -> Found:
    """Return all datasets and groups down to `depth`; links are followed, broken ones are noted."""
    found = Found()
    _walk(group, depth, found)
    return found


def _walk(group: h5py.Group, depth: int, found: Found) -> None:
    base = (group.name or "/").rstrip("/")
    for name in group:
        path = f"{base}/{name}"
        item = _follow(group, name)
        if isinstance(item, BrokenLink):
            found.broken.append(item)
        elif isinstance(item, h5py.Dataset):
            found.datasets[path] = item
        elif isinstance(item, h5py.Group):
            found.groups[path] = item
            if depth > 1:
                _walk(item, depth - 1, found)


def _follow(group: h5py.Group, name: str) -> Any:
    """Return the object behind one link, or the `BrokenLink`."""
    try:
        return group[name]
    except (KeyError, OSError) as error:
        return broken_link(group, name, error)


def broken_link(group: h5py.Group, name: str, error: Exception) -> BrokenLink:
    """Describe a link that could not be followed."""
    here = Path(group.file.filename)
    path = f"{(group.name or '/').rstrip('/')}/{name}"
    link = group.get(name, getlink=True)
    if isinstance(link, h5py.ExternalLink):
        target = Path(link.filename)
        target = target if target.is_absolute() else here.parent / target
        reason = "which has no such path" if target.is_file() else "a file that does not exist"
        return BrokenLink(here, path, f"{link.path} in {target}, {reason}")
    if isinstance(link, h5py.SoftLink):
        behind = _broken_behind(group, link.path)
        if behind is not None:
            return BrokenLink(here, path, f"{link.path}, and that is a link to {behind.target}")
        return BrokenLink(here, path, f"{link.path}, which does not exist in this file")
    return BrokenLink(here, path, f"an object that cannot be read ({error})")


def _broken_behind(group: h5py.Group, target: str, depth: int = 5) -> BrokenLink | None:
    """Return the broken link that a soft link leads to, if that is why it is broken."""
    parent, _, name = target.rstrip("/").rpartition("/")
    start = group.file if target.startswith("/") else group
    home = start.get(parent) if parent else start
    if depth == 0 or not isinstance(home, h5py.Group) or home.get(name, getlink=True) is None:
        return None
    link = home.get(name, getlink=True)
    if isinstance(link, h5py.SoftLink):
        return _broken_behind(home, link.path, depth - 1)
    return broken_link(home, name, KeyError(name)) if isinstance(link, h5py.ExternalLink) else None


def dataset_at(file: OpenFile, path: str, what: str) -> h5py.Dataset:
    """Return the dataset at an HDF5 path.

    Raises
    ------
    InputError
        When it is missing (near names are given), is no dataset, or a link on the way is broken.
    """
    item = item_at(file, path, what)
    if not isinstance(item, h5py.Dataset):
        inside = ", ".join(item) or "nothing"
        raise InputError(f"{file.path}: {path} is a group (with {inside}); {what} must be a dataset")
    return item


def item_at(file: OpenFile, path: str, what: str) -> Any:
    """Return the group or dataset at an HDF5 path; see `dataset_at`."""
    here: Any = file.handle
    for name in path.strip("/").split("/"):
        if not name:
            continue
        if not isinstance(here, h5py.Group) or here.get(name, getlink=True, default=None) is None:
            inside = list(here) if isinstance(here, h5py.Group) else []
            raise InputError(
                f"{file.path}: {path} does not exist ({what}): {here.name} has no {name!r}{did_you_mean(name, inside)}"
            )
        item = _follow(here, name)
        if isinstance(item, BrokenLink):
            raise InputError(f"{item} ({what}); put the target back or give another path")
        here = item
    return here


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


def units_of(dataset: h5py.Dataset) -> str:
    """Return the ``units`` attribute, or an empty string."""
    return text_of(dataset.attrs.get("units", ""))


def class_of(item: h5py.Group | h5py.Dataset) -> str:
    """Return the NeXus class, or an empty string."""
    return text_of(item.attrs.get("NX_class", ""))


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
    if path not in open_file(file).handle:
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
