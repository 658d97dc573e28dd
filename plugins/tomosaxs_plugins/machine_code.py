"""Machine code of compiled functions: found by the content of its sources, and made by one process at a time.

numba files it under the path of the source: every environment, checkout and copy of the package would compile
everything once more. And all ranks of a run that starts without it would compile the same at the same time.
"""

from __future__ import annotations

import functools
import hashlib
import logging
import re
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import IO, Any

try:
    import fcntl
except ImportError:  # not on this system: every process compiles for itself
    fcntl = None  # type: ignore[assignment]

COMPILING = "tomosaxs.compiling"
"""Name of the logger that is told of every compilation."""

PATIENCE = 60.0
"""Seconds after which a process compiles itself what another one seems to compile: that one may have been stopped."""

_IMPORTED = re.compile(r"^from (tomosaxs_plugins[\w.]*) import (\([^)]*\)|[^\n]*)", re.MULTILINE)


def keep(made: Any, folder: str) -> Any:
    """Have the machine code of a function kept in a folder, where it is looked for first.

    Parameters
    ----------
    made : numba's dispatcher
    folder : str
        For the machine code of all functions.

    Returns
    -------
    numba's dispatcher
        The same.

    Raises
    ------
    RuntimeError
        If the folder cannot be written to.
    """
    made._cache = _kept_by()(made.py_func, folder)
    made._cache.turn = _Turn(made)
    return made


@functools.lru_cache(maxsize=1)
def _kept_by() -> Any:
    """Return what keeps machine code, of numba's own parts."""
    from numba.core import caching as untyped_caching

    caching: Any = untyped_caching

    class Place(caching._CacheLocator):  # type: ignore[misc]
        """Where the machine code of a function is, and what tells whether it is still that of the function."""

        def __init__(self, function: Any, file: str, folder: str) -> None:
            self._line, self._digest = function.__code__.co_firstlineno, sources_digest(file)
            self._path = str(place_of(function.__module__, file, self._digest, Path(folder)))

        def get_cache_path(self) -> str:
            return self._path

        def get_source_stamp(self) -> str:
            """Return what numba compares: it would take the file of the function, not those compiled into it."""
            return self._digest

        def get_disambiguator(self) -> str:
            return str(self._line)

    class Kept(caching.FunctionCache):  # type: ignore[misc]
        """Keeps the machine code of a function for all its types of arguments."""

        turn: _Turn

        def __init__(self, function: Any, folder: str) -> None:
            def at(_: Any, file: str) -> Any:
                place = Place(function, file, folder)
                try:
                    place.ensure_cache_path()
                except OSError:
                    return None  # and numba says so
                return place

            class Found(caching.CompileResultCacheImpl):  # type: ignore[misc]
                _locator_classes = (SimpleNamespace(from_function=at),)

            self._impl_class = Found
            super().__init__(function)

        def load_overload(self, signature: Any, target: Any) -> Any:
            """Load without what numba does first: it registers everything that it can compile, 0.3 s of imports.

            Where it does compile it registers everything itself, at the beginning of the compilation.
            """
            from numba.core import runtime as untyped_runtime

            symbols: Any = untyped_runtime
            symbols.rtsys.initialize(target)  # which compiled code refers to
            found = None
            with self._guard_against_spurious_io_errors():  # on some systems it takes such an error for a miss
                found = self._load_overload(signature, target)
                if found is None and self.turn.take():
                    found = self._load_overload(signature, target)  # what was compiled meanwhile
            return found

    return Kept


def place_of(module: str, file: str, digest: str, folder: Path) -> Path:
    """Return the folder for the machine code of a module: of this package one for every content of its sources.

    The sources of others may import what the digest knows nothing of: there it is one for every file.
    """
    import numba
    import numpy as np

    own = module.startswith(f"{__name__.partition('.')[0]}.")
    which = digest if own else hashlib.sha256(str(Path(file).resolve()).encode()).hexdigest()
    return folder / f"numba-{numba.__version__}-numpy-{np.__version__}" / f"{module}_{which[:20]}"


class _Turn:
    """While one process compiles a function the others wait for the machine code.

    A lock that the system takes from a process that dies. Waiting needs nothing of the process that compiles: ranks of
    a run do not exchange anything meanwhile.

    Parameters
    ----------
    made : numba's dispatcher
    """

    def __init__(self, made: Any) -> None:
        self._file = Path(made._cache.cache_path) / f"{made._cache._impl.filename_base}.lock"
        self._held: IO[bytes] | None = None
        self._inside = 0
        self._compile: Callable[[Any], Any] = made.compile
        self._name = made.__name__
        made.compile = self.compile

    def compile(self, signature: Any) -> Any:
        """Compile or load; numba calls it, in one thread at a time, and perhaps once more from within."""
        self._inside += 1
        try:
            return self._compile(signature)
        finally:
            self._inside -= 1
            if self._inside == 0 and self._held is not None:
                self._held.close()
                self._held = None

    def take(self) -> bool:
        """Wait until no other process compiles the function; return whether machine code may be there now."""
        if fcntl is None or self._held is not None or not self._inside:
            return False
        try:
            self._held = self._file.open("ab")
            return self._wait(self._held)
        except OSError:  # no locks on this file system
            return False

    def _wait(self, file: IO[bytes]) -> bool:
        end, pause = time.monotonic() + PATIENCE, 0.01
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return True
            except BlockingIOError:
                if time.monotonic() > end:
                    return False
            if pause == 0.01:
                logging.getLogger(COMPILING).info("%s", self._name)  # not this machine's speed either
            time.sleep(pause)
            pause = min(0.2, 2 * pause)


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
