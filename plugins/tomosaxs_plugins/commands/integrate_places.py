"""Where the images of `tomosaxs integrate` are: folders, files and patterns, looked through again and again."""

from __future__ import annotations

import fnmatch
import glob
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tomosaxs import InputError, did_you_mean
from tomosaxs_plugins.loaders.image_files import _NEXUS, _PACKED, _SUFFIXES, natural

Stamp = tuple[int, int, int]
"""Size, time of the last change in ns, and number of a file: another one means another content."""
_IMAGES = tuple(f".{kind}" for kind in (*_SUFFIXES, *_NEXUS, *(f"{k}.{p}" for k in _SUFFIXES for p in _PACKED)))
_UNFINISHED = (".part", ".tmp", ".temp", ".partial", ".filepart", ".crdownload")


def stamp_of(path: Path) -> Stamp | None:
    """Return the stamp of a file; None where it is gone or cannot be looked at."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns, status.st_ino


@dataclass(frozen=True)
class Place:
    """One argument of the command: a file, or a folder with a pattern of names."""

    path: Path
    pattern: str = ""


@dataclass
class ImagePlaces:
    """Finds images.

    Parameters
    ----------
    places : sequence of Place
        What the user named, see `named`.
    recursive : bool
        Look into folders of folders, too.
    leave_out : sequence of Path
        Files that are no images (calibration, mask), and folders that are not looked into.
    """

    places: Sequence[Place]
    recursive: bool = False
    leave_out: Sequence[Path] = ()
    _orders: dict[Path, Any] = field(default_factory=dict, repr=False)

    def __str__(self) -> str:
        return ", ".join(str(place.path / place.pattern) for place in self.places)

    @classmethod
    def named(cls, texts: Sequence[str], recursive: bool = False, leave_out: Sequence[Path] = ()) -> ImagePlaces:
        """Return the places that texts of the command line name.

        Raises
        ------
        InputError
            When a file or folder does not exist; near names are told.
        """
        return cls([_place(text) for text in texts], recursive, [path.resolve() for path in leave_out])

    def scan(self) -> dict[Path, Stamp]:
        """Return all images that are there now, in their order, with their stamps."""
        found: dict[Path, Stamp] = {}
        for place in self.places:
            if not place.pattern:
                stamp = stamp_of(place.path)
                if stamp is not None:
                    found.setdefault(place.path, stamp)
                continue
            inside = {path: stamp for path, stamp in self._inside(place.path) if _fits(path.name, place.pattern)}
            inside = _without_parts(inside)
            for path in sorted(inside, key=lambda each: natural(str(each))):
                found.setdefault(path, inside[path])
        return found

    def _inside(self, folder: Path) -> Iterator[tuple[Path, Stamp]]:
        try:
            entries, real = list(os.scandir(folder)), folder.resolve()
        except OSError:  # it was removed, or the file system is away for a moment: looked at again later
            return
        if real in self.leave_out:
            return
        for entry in entries:
            if entry.name.startswith(".") or real / entry.name in self.leave_out:
                continue
            try:
                if entry.is_dir():
                    if self.recursive:
                        yield from self._inside(folder / entry.name)
                else:
                    status = entry.stat()
                    yield folder / entry.name, (status.st_size, status.st_mtime_ns, status.st_ino)
            except OSError:  # removed between listing and looking
                continue

    def order(self, path: Path) -> Any:
        """Return a key that sorts files as a scan of everything would: argument by argument, then by name."""
        if path not in self._orders:
            fitting = (n for n, p in enumerate(self.places) if path == p.path or (p.pattern and p.path in path.parents))
            self._orders[path] = next(fitting, len(self.places)), natural(str(path))
        return self._orders[path]

    def root(self, path: Path) -> Path:
        """Return the folder that was named for an image: names of curves begin behind it."""
        for place in self.places:
            if place.pattern and place.path in path.parents:
                return place.path
        return path.parent


def _place(text: str) -> Place:
    path = Path(os.path.abspath(Path(text).expanduser()))  # noqa: PTH100 - symbolic links stay as the user wrote them
    if path.is_dir():
        return Place(path, "*")
    if path.exists():
        return Place(path)
    if glob.has_magic(path.name) and path.parent.is_dir():
        return Place(path.parent, path.name)
    if not path.parent.is_dir():
        raise InputError(f"images: {text} does not exist (nor does its folder)")
    beside = [each.name for each in path.parent.iterdir()]
    raise InputError(f"images: {text} does not exist{did_you_mean(path.name, beside)}")


def _fits(name: str, pattern: str) -> bool:
    low = name.lower()
    if low.endswith(_UNFINISHED):
        return False
    return fnmatch.fnmatchcase(name, pattern) and (pattern != "*" or low.endswith(_IMAGES))


def _without_parts(found: dict[Path, Stamp]) -> dict[Path, Stamp]:
    """Leave out data files of an Eiger whose master file, which links to them, is there: it has the stamp of all."""
    masters = {path.with_name(path.name.removesuffix("_master.h5")): path for path in found if _is_master(path)}
    whole = dict(found)
    for path, (size, modified, _) in found.items():
        match = re.fullmatch(r"(.+)_data_\d+\.h5", path.name)
        master = masters.get(path.with_name(match[1])) if match else None
        if master is not None:
            del whole[path]
            have = whole[master]
            whole[master] = have[0] + size, max(have[1], modified), have[2]
    return whole


def _is_master(path: Path) -> bool:
    return path.name.endswith("_master.h5")
