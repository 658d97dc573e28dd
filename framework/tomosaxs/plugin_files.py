"""Plugins in plain files: imported by their path, with errors that name file and line."""

from __future__ import annotations

import hashlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

from tomosaxs.errors import InputError, did_you_mean


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
    name = f"tomosaxs_file_{plain}_{hashlib.sha256(str(path).encode()).hexdigest()[:12]}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise InputError(f"{path} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    sys.path.insert(0, str(path.parent))
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:  # a user's file may fail in any way; it is reported with its line
        del sys.modules[name]
        raise InputError(f"{path}{_line_of(error, path)}: {type(error).__name__}: {error}") from error
    finally:
        sys.path.remove(str(path.parent))
    return module


def _line_of(error: BaseException, path: Path) -> str:
    if isinstance(error, SyntaxError) and error.lineno:
        return f":{error.lineno}"
    line, trace = "", error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == str(path):
            line = f":{trace.tb_lineno}"
        trace = trace.tb_next
    return line
