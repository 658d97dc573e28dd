"""Reconstruction backends: one interface, several libraries; nothing is imported before it is used."""

from __future__ import annotations

import importlib
from typing import cast

from tomosaxs_plugins.reconstruction.backends.base import Backend

BACKENDS: dict[str, str] = {
    "tomosaxs": "tomosaxs_plugins.reconstruction.backends.own:backend",
    "astra": "tomosaxs_plugins.reconstruction.backends.astra:backend",
    "tomopy": "tomosaxs_plugins.reconstruction.backends.tomopy:backend",
}
"""Name to ``module:attribute`` of the shipped backends."""


def load(name: str) -> Backend:
    """Return a shipped backend by name, installed or not.

    Parameters
    ----------
    name : str
        One of `BACKENDS`.

    Returns
    -------
    Backend
        Ask its ``missing()`` before using it.

    Raises
    ------
    ValueError
        If there is no such backend.
    """
    if name not in BACKENDS:
        raise ValueError(f"no backend is called {name!r}; there are auto, {', '.join(BACKENDS)}")
    module, attribute = BACKENDS[name].split(":")
    return cast(Backend, getattr(importlib.import_module(module), attribute))


def resolve(name: str, algorithm: str = "fbp") -> str:
    """Return the backend that a word stands for; ``auto`` is tomosaxs unless a GPU is found.

    Parameters
    ----------
    name : str
        One of `BACKENDS`, or ``auto``.
    algorithm : str
        What it will be asked for: ``auto`` only names a backend that can do it.

    Returns
    -------
    str
        A concrete name.

    Raises
    ------
    ValueError
        If there is no such backend, the one named is not installed, or none that is installed has the algorithm.
    """
    if name != "auto":
        reason = load(name).missing()
        if reason is not None:
            raise ValueError(f"backend {name}: {reason}")
        return name
    able = [word for word in BACKENDS if algorithm in load(word).algorithms]
    if not able:
        every = sorted({one for word in BACKENDS for one in load(word).algorithms})
        raise ValueError(f"no backend has an algorithm {algorithm!r}; there are {', '.join(every)}")
    usable = [word for word in able if load(word).missing() is None]
    if not usable:
        reasons = "; ".join(f"{word}: {load(word).missing()}" for word in able)
        raise ValueError(f"no installed backend has the algorithm {algorithm!r} ({reasons})")
    with_gpu = [word for word in usable if load(word).has_gpu()]
    return (with_gpu or usable)[0]
