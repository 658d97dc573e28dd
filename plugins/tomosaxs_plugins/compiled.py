"""Compilation of inner loops: at their first call, with the machine code kept in a folder of the user's.

numba would keep the machine code beside the source. In an installed package that leaves files which no uninstall
removes: the folder that stays behind hides the package of a later `pip install -e`.

numba takes longer to import than most of what reads a list needs altogether. So it is imported when a compiled function
is called: lists are checked, planned and explained without it.
"""

from __future__ import annotations

import functools
import logging
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

from tomosaxs_plugins.machine_code import COMPILING, keep

if TYPE_CHECKING:
    from numpy.typing import NDArray

Function = TypeVar("Function", bound=Callable[..., Any])

_LOCK = threading.RLock()


def compiled(function: Function, **options: Any) -> Function:
    """Have a function compiled at its first call, and the machine code kept where a place for it is writable.

    Parameters
    ----------
    function : callable
        What numba compiles.
    **options
        Further options of `numba.njit`, for instance ``nogil=True``.

    Returns
    -------
    callable
        The compiled function, for calls from Python and from other compiled functions. `NUMBA_CACHE_DIR`, where it is
        set, says where the machine code is kept.
    """
    return cast(Function, _Compiled(function, options))


def read_only(array: NDArray[Any]) -> NDArray[Any]:
    """Return a read-only view: given such arrays alone, a loop that only reads them is compiled once, not twice."""
    view: NDArray[Any] = array.view()
    view.flags.writeable = False
    return view


class _Compiled:
    """A function that numba gets to see when it is first needed.

    Parameters
    ----------
    function : callable
        What is compiled.
    options : dict
        Of `numba.njit`.
    """

    def __init__(self, function: Callable[..., Any], options: dict[str, Any]) -> None:
        functools.update_wrapper(self, function)
        self._function, self._options = function, options
        self._made: Any = None
        self._inner: Any = None

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        """Call the compiled function."""
        return (self._made or self._make())(*arguments, **named)

    @property
    def _numba_type_(self) -> Any:
        """What compiled functions call.

        Without what takes the arguments from Python: of a function with many that is a third of the compilation.
        """
        with _LOCK:
            if self._inner is None:
                self._inner = _with_numba(self._function, {**self._options, **_NOT_FROM_PYTHON}, "within")
        return self._inner._numba_type_

    def __getattr__(self, name: str) -> Any:
        """Return what numba gives a compiled function: ``signatures``, ``py_func``."""
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(self._made or self._make(), name)

    def _make(self) -> Any:
        with _LOCK:
            if self._made is None:
                self._made = _with_numba(self._function, self._options)
            return self._made


_NOT_FROM_PYTHON = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}


def _with_numba(function: Callable[..., Any], options: dict[str, Any], part: str = "") -> Any:
    """Return the dispatcher of numba for a function, whose machine code is kept in a part of the folder."""
    numba = _numba()
    folder = numba.config.CACHE_DIR or _folder()
    try:
        made = numba.njit(**options)(function)
        return keep(made, str(Path(folder) / part)) if folder else made
    except RuntimeError:  # there is no folder that can be written to
        return numba.njit(**options)(function)


@functools.lru_cache(maxsize=1)
def _numba() -> Any:
    """Return numba, imported without the linear algebra of scipy until a function asks for it.

    numba imports `scipy.linalg`, as long as half a second of work, only to see whether it is there. What a compiled
    function really uses of it is looked for again when that function is compiled.
    """
    import numba
    import numba.np.linalg as algebra

    _tell_of_compiling()
    look = getattr(algebra, "ensure_blas", None)
    if look is None or not _is_installed("scipy"):
        return numba
    untyped: Any = algebra
    untyped.ensure_blas = _assumed
    try:
        import numba.np.arraymath  # which looks while it is imported
    finally:
        untyped.ensure_blas = look
    return numba


def _tell_of_compiling() -> None:
    """Log the name of every function that is compiled because no machine code of it is kept yet."""
    from numba.core import event as untyped_event

    event: Any = untyped_event

    class Teller(event.Listener):  # type: ignore[misc]
        """Hears of it before it begins."""

        def on_start(self, happening: Any) -> None:
            """Log it, unless it will be compiled in the next run as well."""
            dispatcher = happening.data.get("dispatcher")
            if type(getattr(dispatcher, "_cache", None)).__name__ != "NullCache":
                logging.getLogger(COMPILING).info("%s", getattr(dispatcher, "__name__", "a function"))

        def on_end(self, happening: Any) -> None:
            """Nothing to do."""

    event.register("numba:compile", Teller())


def _assumed() -> None:
    """Stand in for the look at scipy's linear algebra."""


def _is_installed(package: str) -> bool:
    import importlib.util

    return importlib.util.find_spec(package) is not None


def _folder() -> str:
    """Return the folder for machine code; empty where the user has no home."""
    try:
        return str(Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tomosaxs" / "compiled")
    except RuntimeError:  # no home folder
        return ""
