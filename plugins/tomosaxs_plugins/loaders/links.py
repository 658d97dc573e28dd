"""Looking into HDF5 files along their links; a broken one is named with its file, path and target."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py

from tomosaxs import InputError, did_you_mean
from tomosaxs_plugins.loaders.hdf5 import OpenFile


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
    stored: str | bytes = group.name or "/"  # bytes where the name is no UTF-8
    base = (stored if isinstance(stored, str) else stored.decode("utf-8", "replace")).rstrip("/")
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
    except (KeyError, OSError, RuntimeError) as error:
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
