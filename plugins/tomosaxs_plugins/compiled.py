"""Compilation of inner loops: at their first call, with the machine code kept in a folder of the user's.

numba would keep the machine code beside the source. In an installed package that leaves files which no uninstall
removes: the folder that stays behind hides the package of a later `pip install -e`.

numba takes longer to import than most of what reads a list needs altogether. So it is imported when a compiled function
is called: lists are checked, planned and explained without it.
"""

from __future__ import annotations

import functools
import hashlib
import logging
import os
import re
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

if TYPE_CHECKING:
    from numpy.typing import NDArray

COMPILING = "tomosaxs.compiling"
"""Name of the logger that is told of every compilation."""

Function = TypeVar("Function", bound=Callable[..., Any])

_LOCK = threading.RLock()
_IMPORTED = re.compile(r"^from (tomosaxs_plugins[\w.]*) import (\([^)]*\)|[^\n]*)", re.MULTILINE)


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

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        """Call the compiled function."""
        return (self._made or self._make())(*arguments, **named)

    def __getattr__(self, name: str) -> Any:
        """Return what numba gives a compiled function: ``signatures``, ``py_func``, its type in other functions."""
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(self._made or self._make(), name)

    def _make(self) -> Any:
        with _LOCK:
            if self._made is None:
                self._made = _with_numba(self._function, self._options)
            return self._made


def _with_numba(function: Callable[..., Any], options: dict[str, Any]) -> Any:
    """Return the dispatcher of numba for a function."""
    numba = _numba()
    given = numba.config.CACHE_DIR
    numba.config.CACHE_DIR = given or _folder()
    try:
        return _kept_well(numba.njit(cache=True, **options)(function), function)
    except RuntimeError:  # numba found no folder that it could write to
        return numba.njit(**options)(function)
    finally:
        numba.config.CACHE_DIR = given


def _kept_well(made: Any, function: Callable[..., Any]) -> Any:
    """Have machine code that is kept loaded quickly, and only while all sources that it was made from are the same.

    Before it looks whether machine code is there numba registers everything that it can compile, 0.3 s of imports.
    Where it does compile it registers everything itself, at the beginning of the compilation. And it notices a change
    of the file that holds a function, but not of a function in another file that was compiled into it.
    """
    kept = getattr(made, "_cache", None)
    load, guard = getattr(kept, "_load_overload", None), getattr(kept, "_guard_against_spurious_io_errors", None)
    key = getattr(kept, "_index_key", None)
    if load is None or guard is None or key is None:  # another numba: as it does it
        return made

    def load_overload(signature: Any, target: Any) -> Any:
        from numba.core import runtime as untyped_runtime

        symbols: Any = untyped_runtime
        symbols.rtsys.initialize(target)  # which compiled code refers to
        found = None
        with guard():  # on some systems it takes an error of the file system for a miss
            found = load(signature, target)
        return found

    def index_key(signature: Any, codegen: Any) -> Any:
        return (*key(signature, codegen), sources_digest(function.__code__.co_filename))

    untyped: Any = kept
    untyped.load_overload, untyped._index_key = load_overload, index_key
    return made


@functools.lru_cache(maxsize=256)
def sources_digest(file: str) -> str:
    """Return a key of the content of a source file and of those of its package that it imports, and they in turn."""
    root = Path(__file__).parent
    waiting, found = [Path(file)], dict[Path, bytes]()
    while waiting:
        path = waiting.pop()
        if path in found or not path.is_file():
            continue
        found[path] = path.read_bytes()
        for module, names in _IMPORTED.findall(found[path].decode("utf-8", "replace")):
            place = root.joinpath(*module.split(".")[1:])
            parts = [name.split()[0] for name in names.strip("() \n").split(",") if name.split()]
            waiting += [place.with_suffix(".py"), *(place / f"{part}.py" for part in parts)]
    return hashlib.sha256(b"".join(found[path] for path in sorted(found))).hexdigest()


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
