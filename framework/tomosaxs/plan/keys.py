"""Content keys: equal keys mean equal results, so that finished work can be used again."""

from __future__ import annotations

import ast
import hashlib
import importlib.metadata
import importlib.util
import json
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from tomosaxs.plugin import PluginSpec

_PACKAGES = (
    "tomosaxs", "numpy", "scipy", "numba", "numexpr", "h5py", "astra-toolbox", "pyFAI", "tomopy", "hdf5plugin",
)  # fmt: skip
_SAMPLE = 1 << 16


def digest(value: Any) -> str:
    """Return the key of a JSON-like value."""
    text = json.dumps(value, sort_keys=True, default=str, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


@lru_cache(maxsize=256)
def file_digest(path: Path) -> str:
    """Return the sha256 of a whole (small) file."""
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "absent"


def sampled_digest(path: Path) -> str:
    """Return a key of a big file: name, size, time of change and 18 blocks spread over it."""
    status = path.stat()
    found = hashlib.sha256(f"{path.resolve()}:{status.st_size}:{status.st_mtime_ns}".encode())
    with path.open("rb") as handle:
        for number in range(18):
            handle.seek(max(0, (status.st_size - _SAMPLE) * number // 17))
            found.update(handle.read(_SAMPLE))
    return found.hexdigest()


@lru_cache(maxsize=1)
def versions() -> dict[str, str]:
    """Return the versions of every package that can change a number."""
    found = {}
    for name in _PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def source_digest(path: Path | None) -> str:
    """Return the key of a plugin's source file and of the files beside it that it imports."""
    if path is None or not path.is_file():
        return "no source"
    seen: dict[Path, str] = {}
    _collect(path.resolve(), seen)
    return digest({str(found): key for found, key in sorted(seen.items())})


def _collect(path: Path, seen: dict[Path, str]) -> None:
    if path in seen:
        return
    seen[path] = file_digest(path)
    try:
        tree = ast.parse(path.read_bytes())
    except SyntaxError:
        return
    for name in _imported(tree):
        found = _file_of(name, path)
        if found is not None:
            _collect(found, seen)


def _imported(tree: ast.AST) -> Iterable[str]:
    for item in ast.walk(tree):
        if isinstance(item, ast.Import):
            yield from (alias.name for alias in item.names)
        elif isinstance(item, ast.ImportFrom) and item.module:
            yield item.module
            yield from (f"{item.module}.{alias.name}" for alias in item.names)


def _file_of(name: str, importer: Path) -> Path | None:
    """Return the source of a module that lies beside the importer or in the same package."""
    beside = importer.parent / (name.split(".")[0] + ".py")
    if beside.is_file():
        return beside
    package = name.split(".")[0]
    if package not in importer.parts or package == "tomosaxs":
        return None
    root = Path(*importer.parts[: importer.parts.index(package)])
    found = root.joinpath(*name.split(".")).with_suffix(".py")
    return found if found.is_file() else None


def shown_values(spec: PluginSpec, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return parameters as JSON-like values: files by their content, arrays by all of their bytes."""
    files = {declared.name for declared in spec.parameters if declared.is_file}
    return {name: _shown(value, name in files) for name, value in values.items()}


def _shown(value: Any, is_file: bool) -> Any:
    if isinstance(value, Path) and is_file:
        return file_digest(value)
    if isinstance(value, np.ndarray):
        return [str(value.dtype), list(value.shape), hashlib.sha256(value.tobytes()).hexdigest()]
    if isinstance(value, Mapping):
        return [[repr(key), _shown(each, is_file)] for key, each in value.items()]
    if isinstance(value, (list, tuple)):
        return [_shown(each, is_file) for each in value]
    return repr(value)


def step_key(
    spec: PluginSpec,
    values: Mapping[str, Any],
    inputs: Iterable[str],
    estimates: Mapping[str, str],
    more: Mapping[str, Any],
) -> str:
    """Return the key of what a step makes."""
    return digest(
        {
            "plugin": spec.name,
            "source": source_digest(spec.file),
            "versions": versions(),
            "parameters": shown_values(spec, values),
            "inputs": list(inputs),
            "estimates": dict(estimates),
            **more,
        }
    )
