"""What image files of a tomography scan are, by the names that people and beamlines give them."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

SUFFIXES = (".tif", ".tiff", ".edf", ".edf.gz", ".edf.bz2")
"""Endings of image files that scans are made of."""
FLAT_WORDS = frozenset(
    [
        "flat",
        "flats",
        "flatfield",
        "flatfields",
        "ff",
        "ref",
        "refs",
        "refhst",
        "reference",
        "references",
        "white",
        "whites",
        "bright",
        "brightfield",
        "openbeam",
        "ob",
    ]
)
DARK_WORDS = frozenset(
    ["dark", "darks", "darkfield", "darkfields", "darkend", "darkstart", "df", "drk", "background", "bgd"]
)
PROJECTION_WORDS = frozenset(
    [
        "proj",
        "projs",
        "projection",
        "projections",
        "tomo",
        "tomos",
        "tomography",
        "radio",
        "radios",
        "radiograph",
        "radiographs",
        "sample",
        "samples",
    ]
)
_BEFORE = frozenset(["before", "pre", "begin", "start", "initial", "first"])
_AFTER = frozenset(["after", "post", "end", "final", "last"])
_NUMBER = re.compile(r"\d+")


@dataclass(eq=False)
class ImageSet:
    """Files whose names differ by numbers only, in natural order.

    Parameters
    ----------
    folder : Path
    name : str
        The name without its ending, ``#`` for every number.
    files : list of Path
    kind : str
        ``projections``, ``flats``, ``darks``, or empty where the name tells nothing.
    when : str
        ``before`` or ``after`` the projections, or empty.
    """

    folder: Path
    name: str
    files: list[Path] = field(default_factory=list)
    kind: str = ""
    when: str = ""

    @property
    def text(self) -> str:
        """The set in a few words, for messages."""
        where = f"{self.folder.name}/" if self.folder.name else ""
        if len(self.files) == 1:
            return f"{where}{self.files[0].name}"
        return f"{where}{self.files[0].name} .. {self.files[-1].name}"


def is_image(path: Path) -> bool:
    """Return whether a file is an image that scans are made of, by its name."""
    return path.name.lower().endswith(SUFFIXES) and not path.name.startswith(".")


def natural(name: str) -> list[tuple[int, int, str]]:
    """Return a key that sorts numbers in names by their value."""
    return [(1, int(part), "") if part.isdigit() else (0, 0, part.lower()) for part in re.split(r"(\d+)", name)]


def images_in(folder: Path) -> tuple[list[Path], list[Path]]:
    """Return the images in a folder and its sub-folders, in natural order."""
    files: list[str] = []
    folders: list[str] = []
    with os.scandir(folder) as inside:
        for each in inside:
            if each.is_dir():
                folders.append(each.name)
            elif each.name.lower().endswith(SUFFIXES) and not each.name.startswith("."):
                files.append(each.name)
    keyed = sorted(files, key=natural)
    return [folder / name for name in keyed], [folder / name for name in sorted(folders, key=natural)]


def holds_images(folder: Path) -> bool:
    """Return whether a folder holds an image itself."""
    with os.scandir(folder) as inside:
        return any(each.name.lower().endswith(SUFFIXES) and each.name[0] != "." for each in inside if each.is_file())


def sets_of(files: Iterable[Path]) -> list[ImageSet]:
    """Return files as sets, with what their names say they are."""
    found: dict[tuple[Path, str], ImageSet] = {}
    for path in files:
        name = _NUMBER.sub("#", _stem(path))
        made = found.setdefault((path.parent, name), ImageSet(path.parent, name))
        made.files.append(path)
    sets = list(found.values())
    shared = _common([each.name for each in sets])
    for each in sets:
        own = each.folder.name
        beginning = own if own and each.files[0].name.startswith(own) else ""
        rest = each.files[0].name[len(beginning) :] if beginning else each.name[len(shared) :]
        words = _words(rest)
        each.kind, each.when = kind_of(words), when_of(words)
    return sets


def kind_of(words: Sequence[str]) -> str:
    """Return ``flats``, ``darks`` or ``projections`` where a word says so, else an empty text."""
    for kind, known in (("darks", DARK_WORDS), ("flats", FLAT_WORDS), ("projections", PROJECTION_WORDS)):
        if any(word in known for word in words):
            return kind
    return ""


def when_of(words: Sequence[str]) -> str:
    """Return ``before`` or ``after`` where a word says so, else an empty text."""
    if any(word in _BEFORE for word in words):
        return "before"
    return "after" if any(word in _AFTER for word in words) else ""


def folder_words(folder: Path) -> list[str]:
    """Return the words in the name of a folder."""
    return _words(folder.name)


def numbers_of(files: Sequence[Path]) -> list[int] | None:
    """Return the last number in every name, or None where one has none or they do not increase."""
    found = [_NUMBER.findall(_stem(path)) for path in files]
    if not all(found):
        return None
    numbers = [int(each[-1]) for each in found]
    rising = all(after > before for before, after in pairwise(numbers))
    return numbers if rising else None


def _stem(path: Path) -> str:
    name = path.name
    ending = next((each for each in sorted(SUFFIXES, key=len, reverse=True) if name.lower().endswith(each)), "")
    return name[: len(name) - len(ending)] if ending else path.stem


def _words(text: str) -> list[str]:
    """Return the words of a name, also those that only a capital divides, in lower case."""
    whole = re.findall(r"[A-Za-z]+", text)
    parts = [part for word in whole for part in re.findall(r"[A-Z]?[a-z]+|[A-Z]+", word)]
    return [word.lower() for word in (*whole, *parts)]


def _common(names: Sequence[str]) -> str:
    """Return the beginning that all names have in common, up to the end of a word; it tells nothing of any of them."""
    if len(names) < 2:
        return ""
    first, last = min(names), max(names)
    same = next((n for n, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), min(len(first), len(last)))
    common = first[:same]
    cut = max((common.rfind(each) for each in "_-. #"), default=-1)
    return common[: cut + 1]
