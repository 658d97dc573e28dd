"""Which source files a plugin consists of, and a key of their content."""

from __future__ import annotations

import hashlib
import re
import stat
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

_Import = tuple[int, str]
"""Level (0: absolute, 1: ``from . import``, ...) and dotted name."""


ABSENT = "absent"


def file_digest(path: Path) -> str:
    """Return the sha256 of a whole (small) file, read again once it has changed."""
    try:
        status = path.stat()
        return _digest(path, status.st_size, status.st_mtime_ns) if stat.S_ISREG(status.st_mode) else ABSENT
    except FileNotFoundError:
        return ABSENT


@lru_cache(maxsize=1024)
def _digest(path: Path, size: int, changed: int) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def source_files(path: Path | None) -> dict[Path, str]:
    """Return a plugin's source file and those of its folder or package that it imports, with their sha256."""
    return looked_up(path)[0]


def looked_up(path: Path | None) -> tuple[dict[Path, str], tuple[Path, ...]]:
    """Return `source_files` of a plugin, and the folders that were looked into: a new file there may be imported."""
    found: dict[Path, str] = {}
    folders = _Folders()
    waiting = [path.resolve()] if path is not None and path.is_file() else []
    while waiting:
        file = waiting.pop()
        if file in found:
            continue
        found[file] = file_digest(file)
        if found[file] == ABSENT:  # a folder that is called like a file
            del found[file]
            continue
        beside, packages = folders[file.parent], {folder.name for folder in file.parents}
        for imported in _imports(file, found[file]):
            first = imported[1].partition(".")[0]
            if imported[0] or first in beside or f"{first}.py" in beside or first in packages:
                waiting.extend(_files_of(imported, file, folders))
    return found, tuple(folders)


class _Folders(dict[Path, frozenset[str]]):
    """Names in folders, each listed once: most imports are of packages that lie elsewhere."""

    def __missing__(self, folder: Path) -> frozenset[str]:
        try:
            names = frozenset(file.name for file in folder.iterdir())
        except OSError:
            names = frozenset()
        self[folder] = names
        return names


_BEFORE = re.compile(r"(?:^|[;:])[ \t]*(?:from[ \t]*(\.*)[ \t]*([\w.]*)[ \t]*)?$")
_AFTER = re.compile(r"[ \t]*(\((?:[^)#]|#[^\n]*)*\)|(?:[^\n;#\\]|\\\r?\n)*)")


@lru_cache(maxsize=1024)
def _imports(path: Path, digest: str) -> tuple[_Import, ...]:
    return tuple(_imported(path.read_text(encoding="utf-8", errors="replace")))


def _imported(text: str) -> Iterator[_Import]:
    """Yield what follows every ``import`` that stands where a statement begins, or behind its ``from``.

    Parsing the hundred files of a list as Python would take longer than all else that keys need. A line of a text that
    reads like an import counts too: then a key depends on a file more than it must.
    """
    at = text.find("import")
    while at >= 0:
        line = text[text.rfind("\n", 0, at) + 1 : at]
        before, after = _BEFORE.search(line), _AFTER.match(text, at + 6)
        if before and after and not line[-1:].isidentifier():
            yield from _named(before[1] or "", before[2] or "", after[1])
        at = text.find("import", at + 6)


def _named(dots: str, module: str, named: str) -> Iterator[_Import]:
    parts = re.sub(r"#[^\n]*|[()\\]", " ", named).split(",")
    names = [words[0] for words in (part.split() for part in parts) if words]
    if dots or module:
        if module:
            yield len(dots), module
        names = [f"{module}.{name}" if module else name for name in names]
    yield from ((len(dots), name) for name in names)


def _files_of(imported: _Import, importer: Path, folders: _Folders) -> Iterator[Path]:
    """Yield the sources that an import reads: a module's, and those of the packages around it."""
    level, name = imported
    words = name.split(".")
    for root in _roots(level, words[0], importer):
        place, found = root, []
        for word in words:
            names = folders[place]
            if f"{word}.py" in names:
                found.append(place / f"{word}.py")
            if word not in names:
                break
            place = place / word
            if "__init__.py" in folders[place]:
                found.append(place / "__init__.py")
        yield from found
        if found:
            return


def _roots(level: int, package: str, importer: Path) -> Iterator[Path]:
    """Yield the folders in which an imported name may lie: beside the importer, or around its package."""
    if level:
        yield importer.parents[min(level, len(importer.parents)) - 1]
        return
    yield importer.parent
    if package != "tomosaxs":  # the framework counts by its version
        yield from (folder.parent for folder in importer.parents if folder.name == package)
