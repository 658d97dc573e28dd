"""Files that a list names: made absolute, looked for, and what lies near when they are missing."""

from __future__ import annotations

import itertools
import os
from pathlib import Path
from typing import Any

from tomosaxs.errors import did_you_mean
from tomosaxs.process_list.entries import Entry
from tomosaxs.process_list.tree import Faults

_LOOK_AT = 2000


def absolute(path: str | Path, folder: Path) -> Path:
    """Return the path seen from `folder`.

    Raises
    ------
    OSError, ValueError, RuntimeError
        When it cannot be a path: a null character, an unknown home folder.
    """
    text = str(path)
    if "\0" in text:
        raise ValueError("a path cannot hold a null character")
    return folder / Path(text).expanduser()


def missing(path: Path) -> str:
    """Return why a path cannot be used, naming what is near, or an empty string."""
    try:
        if os.path.lexists(path):
            return "" if path.exists() else f"{path} is a link whose target does not exist"
        folder = path.parent
        while not folder.is_dir() and folder != folder.parent:
            path, folder = folder, folder.parent
        if os.path.lexists(path):
            return f"{path} is not a folder"
        with os.scandir(folder) as entries:
            names = [entry.name for entry in itertools.islice(entries, _LOOK_AT) if not entry.name.startswith(".")]
    except OSError as error:
        return f"{path} cannot be looked at: {error.strerror or error}"
    near = did_you_mean(path.name, names).replace("(known:", "(it holds:").replace("(none exist)", "(it is empty)")
    return f"no file or folder {path.name!r} in {folder}{near}"


def resolve_files(value: Any, folder: Path, entry: Entry, key: str, faults: Faults) -> Any:
    """Return a checked value with its paths absolute; each must be a file.

    A path from the command line belongs to the current folder, one of the list to the list's.
    """
    if isinstance(value, (list, tuple)):
        return type(value)(resolve_files(each, folder, entry, key, faults) for each in value)
    if isinstance(value, dict):
        return {name: resolve_files(each, folder, entry, key, faults) for name, each in value.items()}
    if not isinstance(value, Path) or "${" in str(value):
        return value
    place, where = entry.place(key), f"{entry.where}.{key}"
    try:
        path = absolute(value, Path.cwd() if place.setting else folder)
        problem = missing(path)
        if not problem and not path.is_file():
            problem = f"{path} is a folder; a file is expected"
    except (OSError, ValueError, RuntimeError) as error:
        path, problem = value, f"{str(value)!r:.80} cannot be a file: {error}"
    if problem:
        faults.add(problem, place, where)
    return path
