"""A plugin folder of one file: goes wrong at a chosen moment on a chosen rank, as ``FAULT`` says.

``FAULT=WHAT@RANK:EVENT:COUNT``: WHAT happens on rank RANK at the COUNT-th EVENT, which is ``before_step``,
``after_step``, the name of a function that the runner calls (``replace``, ``rmtree``, ``fsync``), ``result``, when
result.nxs gets its name, or ``clear``, when the work folder is removed after success.
"""

from __future__ import annotations

import ctypes
import os
import resource
import shutil
import signal
import time
from pathlib import Path

from tomosaxs import hookimpl
from tomosaxs.launcher import launcher_rank

_WHAT, _, _PLACE = os.environ.get("FAULT", "").partition("@")
_RANK, _EVENT, _COUNT = (_PLACE or "-1:none:0").split(":")
_HERE = Path(os.environ.get("FAULT_FOLDER", "."))
_seen = 0


def _happen() -> None:
    (_HERE / "moment").write_text(repr(time.time()))
    if _WHAT == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    elif _WHAT == "abort":
        os.abort()
    elif _WHAT == "segfault":
        ctypes.string_at(0)
    elif _WHAT == "leave":
        os._exit(3)
    elif _WHAT == "raise":
        raise RuntimeError("the lens fell off")
    elif _WHAT == "short":  # no file may grow beyond so many bytes
        resource.setrlimit(resource.RLIMIT_FSIZE, (8000, resource.RLIM_INFINITY))
    elif _WHAT == "fill":
        with (_HERE / "disk" / "filler").open("wb", buffering=0) as handle:
            for size in (1 << 16, 1 << 10, 1):
                try:
                    while handle.write(b"x" * size):
                        pass
                except OSError:  # no room for so much
                    continue
    elif _WHAT == "wait":  # for the test, which sends a signal
        time.sleep(60)


def _event(name: str) -> None:
    global _seen
    if name == _EVENT and launcher_rank() == int(_RANK):
        _seen += 1
        if _seen == int(_COUNT):
            _happen()


def _watched(module: object, name: str) -> None:
    real = getattr(module, name)

    def call(*args: object, **options: object) -> object:
        _event(name)
        if name == "replace" and str(args[1]).endswith("result.nxs"):
            _event("result")
        if name == "rmtree" and str(args[0]).endswith(".work"):
            _event("clear")
        return real(*args, **options)

    setattr(module, name, call)


@hookimpl
def before_run(plan: object, output: object) -> None:
    maps = Path("/proc/self/maps")
    lines = maps.read_text(errors="replace").splitlines() if maps.exists() else []
    shared = {line[line.index("/dev/shm/") :] for line in lines if "/dev/shm/" in line and "(deleted)" not in line}
    (_HERE / f"shared-{os.getpid()}").write_text("\n".join(sorted(shared)))
    if _EVENT in ("replace", "fsync", "result"):
        _watched(os, "replace" if _EVENT == "result" else _EVENT)
    elif _EVENT in ("rmtree", "clear"):
        _watched(shutil, "rmtree")


@hookimpl
def before_step(step: object, block: object) -> None:
    _event("before_step")


@hookimpl
def after_step(step: object, block: object, seconds: float) -> None:
    _event("after_step")
