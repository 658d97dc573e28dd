"""Files that a list names: made absolute, looked for, and what lies near when they are missing."""

from __future__ import annotations

import glob
import itertools
import os
import re
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


def is_pattern(text: str) -> bool:
    """Return whether a path holds the signs of a pattern: ``*``, ``?`` or ``[``."""
    return glob.has_magic(text)


def named(text: str, folder: Path, *, patterns: bool) -> tuple[list[Path], str]:
    """Return the paths that a text of the list stands for, and why they cannot be used (or an empty string).

    Parameters
    ----------
    text : str
        A path, or with `patterns` also a pattern as the shell knows them (``**`` for any folders). A file that
        is called just so comes first.
    folder : Path
        Where relative ones belong.

    Raises
    ------
    OSError, ValueError, RuntimeError
        When it cannot be a path.
    """
    path = absolute(text, folder)
    problem = missing(path)
    if not (problem and patterns and is_pattern(text)):
        return [path], problem
    parts = path.parts
    fixed = next(
        (n for n, part in enumerate(parts) if is_pattern(part) and not Path(*parts[: n + 1]).exists()), len(parts)
    )
    if fixed == len(parts):  # the folder is called so, and a plain name behind it is missing
        return [path], problem
    home, rest = Path(*parts[:fixed]), str(Path(*parts[fixed:]))
    if not home.is_dir():
        return [], missing(home) or f"{home} is not a folder"
    # unlike that of Path this glob leaves hidden files out, as the shell does
    found = sorted(glob.glob(rest, root_dir=home, recursive=True), key=natural)  # noqa: PTH207
    if found:
        return [home / each for each in found], ""
    names = sorted((each.name for each in itertools.islice(home.iterdir(), _LOOK_AT)), key=natural)
    shown = ", ".join(names[:5]) + (" ..." if len(names) > 5 else "") if names else "nothing"
    return [], f"no file matches {rest!r} in {home} (it holds: {shown})"


def natural(text: str) -> list[tuple[int, int, str]]:
    """Return a key that sorts numbers inside names as numbers: scan2 before scan10."""
    parts = re.split(r"(\d+)", text)
    return [(0, int(part), "") if part.isdecimal() else (1, 0, part) for part in parts if part]


def resolve_files(value: Any, folder: Path, entry: Entry, key: str, faults: Faults, *, folders: bool = False) -> Any:
    """Return a checked value with its paths absolute; each must be a file, or with `folders` may be a folder.

    A path from the command line belongs to the current folder, one of the list to the list's.
    """
    if isinstance(value, (list, tuple)):
        return type(value)(resolve_files(each, folder, entry, key, faults, folders=folders) for each in value)
    if isinstance(value, dict):
        return {name: resolve_files(each, folder, entry, key, faults, folders=folders) for name, each in value.items()}
    if not isinstance(value, Path) or "${" in str(value):
        return value
    place, where = entry.place(key), f"{entry.where}.{key}"
    try:
        path = absolute(value, Path.cwd() if place.setting else folder)
        problem = missing(path)
        if not problem and not path.is_file() and not (folders and path.is_dir()):
            problem = f"{path} is a folder; a file is expected"
    except (OSError, ValueError, RuntimeError) as error:
        path, problem = value, f"{str(value)!r:.80} cannot be a file: {error}"
    if problem:
        faults.add(problem, place, where)
    return path
