"""Which source files a plugin consists of, and a key of their content."""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

_Import = tuple[int, str]
"""Level (0: absolute, 1: ``from . import``, ...) and dotted name."""


def file_digest(path: Path) -> str:
    """Return the sha256 of a whole (small) file, read again once it has changed."""
    try:
        status = path.stat()
        return _digest(path, status.st_size, status.st_mtime_ns) if path.is_file() else "absent"
    except FileNotFoundError:
        return "absent"


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


@lru_cache(maxsize=1024)
def _imports(path: Path, digest: str) -> tuple[_Import, ...]:
    try:
        tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError):  # the import tells, with its line
        return ()
    return tuple(_imported(tree))


def _statements(tree: ast.AST) -> Iterator[ast.AST]:
    """Yield every statement, those within others too; expressions, which import nothing, are not walked through."""
    waiting = [tree]
    while waiting:
        item = waiting.pop()
        yield item
        for name in ("body", "orelse", "finalbody", "handlers", "cases"):
            inside = getattr(item, name, None)
            if isinstance(inside, list):
                waiting.extend(inside)


def _imported(tree: ast.AST) -> Iterator[_Import]:
    for item in _statements(tree):
        if isinstance(item, ast.Import):
            yield from ((0, alias.name) for alias in item.names)
        elif isinstance(item, ast.ImportFrom):
            if item.module:
                yield item.level, item.module
            inside = f"{item.module}." if item.module else ""
            yield from ((item.level, inside + alias.name) for alias in item.names)


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
        yield from (file for file in found if file.is_file())
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
