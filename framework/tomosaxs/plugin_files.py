"""Plugins in plain files: imported by their path, with errors that name file and line."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import linecache
import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType

from tomosaxs.errors import InputError, did_you_mean
from tomosaxs.source_code import source_files


def import_file(path: Path) -> ModuleType:
    """Import a plugin file by its path; files beside it can be imported from it.

    Raises
    ------
    InputError
        When it does not exist or its import fails, with file and line.
    """
    if not path.is_file():
        beside = [p.name for p in path.parent.glob("*.py")] if path.parent.is_dir() else []
        raise InputError(f"plugin file {path} does not exist{did_you_mean(path.name, beside)}")
    plain = "".join(c if c.isalnum() else "_" for c in path.stem)
    files = source_files(path)
    content = repr(sorted((str(file), key) for file, key in files.items()))
    name = f"tomosaxs_file_{plain}_{hashlib.sha256(content.encode()).hexdigest()[:12]}"
    if name in sys.modules:
        return sys.modules[name]
    linecache.checkcache(str(path))
    importlib.invalidate_caches()
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise InputError(f"{path} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    sys.path.insert(0, str(path.parent))
    hidden = _hide_others(path, files)
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:  # a user's file may fail in any way; it is reported with its line
        del sys.modules[name]
        raise InputError(f"{path}{_line_of(error, path)}: {type(error).__name__}: {error}") from error
    finally:
        sys.path.remove(str(path.parent))
        _LOADED.update(files)
        sys.modules.update(hidden)
    return module


_LOADED: dict[Path, str] = {}
"""Files beside plugin files as they were when they were imported."""


def _hide_others(path: Path, files: Mapping[Path, str]) -> dict[str, ModuleType]:
    """Take away what was imported from other plugin folders under the name of a file beside this plugin.

    Two folders may each have a ``common.py``. A file that was edited since its import is imported again.

    Returns
    -------
    dict
        Modules of other folders, to be put back.
    """
    hidden = {}
    folder = path.resolve().parent
    for file in files:
        if folder not in file.parents:
            continue
        words = file.relative_to(folder).with_suffix("").parts
        name = ".".join(words[:-1] if words[-1] == "__init__" else words)
        other = sys.modules.get(name)
        if other is None:
            continue
        source = Path(getattr(other, "__file__", None) or ".").resolve()
        if source != file and source in _LOADED:
            hidden[name] = sys.modules.pop(name)
        elif source == file and _LOADED.get(file, files[file]) != files[file]:
            del sys.modules[name]
    return hidden


def _line_of(error: BaseException, path: Path) -> str:
    if isinstance(error, SyntaxError) and error.lineno:
        return f":{error.lineno}"
    line, trace = "", error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == str(path):
            line = f":{trace.tb_lineno}"
        trace = trace.tb_next
    return line
