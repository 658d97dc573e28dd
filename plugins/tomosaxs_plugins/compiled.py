"""Compilation of inner loops, with the machine code kept in a folder of the user's.

numba would keep it beside the source. In an installed package that leaves files which no uninstall removes: the folder
that stays behind hides the package of a later `pip install -e`.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

from numba import config as untyped_config
from numba import njit

config: Any = untyped_config

Function = TypeVar("Function", bound=Callable[..., Any])


def compiled(function: Function, **options: Any) -> Function:
    """Compile a function, and keep the machine code where a place for it is writable.

    Parameters
    ----------
    function : callable
        What numba compiles at its first call.
    **options
        Further options of `numba.njit`, for instance ``nogil=True``.

    Returns
    -------
    callable
        The compiled function. `NUMBA_CACHE_DIR`, where it is set, says where the machine code is kept.
    """
    given = config.CACHE_DIR
    config.CACHE_DIR = given or _folder()
    try:
        return cast(Function, njit(cache=True, **options)(function))
    except RuntimeError:  # numba found no folder that it could write to
        return cast(Function, njit(**options)(function))
    finally:
        config.CACHE_DIR = given


def _folder() -> str:
    """Return the folder for machine code; empty where the user has no home."""
    try:
        return str(Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tomosaxs" / "compiled")
    except RuntimeError:  # no home folder
        return ""
