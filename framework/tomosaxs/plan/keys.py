"""Content keys: equal keys mean equal results, so that finished work can be used again."""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from tomosaxs import registry
from tomosaxs.plugin import PluginSpec
from tomosaxs.source_code import file_digest, looked_up

_PACKAGES = (
    "tomosaxs", "numpy", "scipy", "numba", "numexpr", "h5py", "astra-toolbox", "pyFAI", "tomopy", "hdf5plugin",
)  # fmt: skip
_SAMPLE = 1 << 16
_LOOKED_INTO = 64  # files


def digest(value: Any) -> str:
    """Return the key of a JSON-like value."""
    text = json.dumps(value, sort_keys=True, default=str, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def uncertainty_key(key: str) -> str:
    """Return the key of the uncertainties that belong to the values of a key."""
    return digest([key, "uncertainty"])


def sampled_digest(path: Path) -> str:
    """Return a key of a big file: name, size, time of change and 18 blocks spread over it, or all of a small one."""
    status = path.stat()
    found = hashlib.sha256(_state(path, status.st_size, status.st_mtime_ns))
    with path.open("rb") as handle:
        if status.st_size <= 18 * _SAMPLE:
            found.update(handle.read())
            return found.hexdigest()
        for number in range(18):
            handle.seek(max(0, (status.st_size - _SAMPLE) * number // 17))
            found.update(handle.read(_SAMPLE))
    return found.hexdigest()


def file_keys(files: Sequence[Path]) -> list[str]:
    """Return a key of every input file; of more than `_LOOKED_INTO` the content of that many is looked at.

    A folder of images may hold thousands: of the others name, size and time of change must do.
    """
    step = max(1, -(-len(files) // _LOOKED_INTO))
    keys: list[str] = []
    for number, path in enumerate(files):
        if not path.is_file():
            keys.append(str(path))
        elif number % step == 0:
            keys.append(sampled_digest(path))
        else:
            status = path.stat()
            keys.append(hashlib.sha256(_state(path, status.st_size, status.st_mtime_ns)).hexdigest())
    return keys


def _state(path: Path, size: int, changed: int) -> bytes:
    return f"{os.path.realpath(path)}:{size}:{changed}".encode(errors="surrogateescape")


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
    """Return the key of a plugin's source file and of the files beside it that it imports.

    A list with a sweep asks for the same file a thousand times: as long as none of the files and folders has changed
    size or time, what they import is not looked up again.
    """
    known = _SOURCES.get(path)
    if known is not None and known[0] == _states(known[0]):
        return known[1]
    found, folders = looked_up(path)
    if not found:
        return "no source"
    states = _states([*found, *folders])
    key = digest({str(file): each for file, each in sorted(found.items())})
    _SOURCES[path] = (states, key)
    return key


_SOURCES: dict[Path | None, tuple[dict[Path, tuple[int, int] | None], str]] = {}
"""Of a plugin's source: the files it consists of and their folders with size and time of change, and the key."""


def _states(paths: Iterable[Path]) -> dict[Path, tuple[int, int] | None]:
    found: dict[Path, tuple[int, int] | None] = {}
    for path in paths:
        try:
            status = path.stat()
        except OSError:
            found[path] = None
        else:
            found[path] = (status.st_size, status.st_mtime_ns)
    return found


@lru_cache(maxsize=64)
def _distributions(package: str) -> tuple[str, ...]:
    """Return which installed distributions give a package."""
    try:
        importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:  # called otherwise: a walk through all that is installed
        return tuple(importlib.metadata.packages_distributions().get(package, ()))
    return (package,)


@lru_cache(maxsize=64)
def _version(name: str) -> str:
    return importlib.metadata.version(name)


def backend_key(spec: PluginSpec, values: Mapping[str, Any]) -> dict[str, str]:
    """Return the source of the backend that a step uses and the versions of the packages it needs."""
    entry = registry.backends(spec.name).get(str(values.get("backend")))
    if entry is None:
        return {}
    module = importlib.util.find_spec(entry.target.partition(":")[0])
    origin = Path(module.origin) if module is not None and module.origin else None
    needed = sorted({name for need in entry.needs for name in _distributions(need)})
    return {"source": source_digest(origin), **{name: _version(name) for name in needed}}


def shown_values(spec: PluginSpec, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return parameters as JSON-like values: files by their content, arrays by all of their bytes."""
    files = {declared.name for declared in spec.parameters if declared.is_file}
    return {name: _shown(value, name in files) for name, value in values.items()}


def _shown(value: Any, is_file: bool) -> Any:
    if isinstance(value, Path) and is_file and not value.is_dir():
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
            "backend": backend_key(spec, values),
            "parameters": shown_values(spec, values),
            "inputs": list(inputs),
            "estimates": dict(estimates),
            **more,
        }
    )
