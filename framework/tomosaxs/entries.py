"""What packages register: names, places and one line each; implementations are imported when they are used."""

from __future__ import annotations

import importlib
import importlib.util
from dataclasses import dataclass
from typing import Any

from tomosaxs.errors import InputError


@dataclass(frozen=True)
class PluginEntry:
    """One registered plugin.

    Parameters
    ----------
    name : str
        Name in lists.
    target : str
        ``module:attribute``; imported when the plugin is used.
    summary : str
        One line for ``tomosaxs list``.
    needs : tuple of str
        Import names of optional packages without which it cannot run.
    install : str
        How to get them.
    kind : str
        ``step``, ``estimator``, ``loader`` or ``saver``.
    words : str
        More words under which ``tomosaxs list WORD`` finds it.
    former : tuple of str
        Names it had before: lists with one of them are told the new one, and ``tomosaxs upgrade`` writes it.
    """

    name: str
    target: str
    summary: str
    needs: tuple[str, ...] = ()
    install: str = ""
    kind: str = "step"
    words: str = ""
    former: tuple[str, ...] = ()

    def missing(self) -> str:
        """Return why it cannot run and the cure, or an empty string."""
        return missing_packages(self.needs, self.install)


@dataclass(frozen=True)
class BackendEntry:
    """One implementation behind a plugin with a ``backend`` parameter.

    Parameters
    ----------
    name : str
        The word in the list.
    plugin : str
        The plugin it belongs to, for instance ``reconstruct``.
    target : str
        ``module:attribute`` of the implementation; what it must offer is up to the plugin.
    summary, needs, install
        As for `PluginEntry`.
    """

    name: str
    plugin: str
    target: str
    summary: str
    needs: tuple[str, ...] = ()
    install: str = ""

    def missing(self) -> str:
        """Return why it cannot run and the cure, or an empty string."""
        return missing_packages(self.needs, self.install)

    def load(self) -> Any:
        """Import and return the implementation.

        Raises
        ------
        InputError
            When a package it needs is not installed.
        """
        reason = self.missing()
        if reason:
            raise InputError(f"backend {self.name!r} of {self.plugin}: {reason}", parameter="backend")
        return load_target(self.target)


@dataclass(frozen=True)
class CommandEntry:
    """One command of a package: ``tomosaxs NAME``.

    Parameters
    ----------
    name : str
        The word on the command line.
    target : str
        ``module:attribute`` of a click command; imported when it is used.
    summary, needs, install
        As for `PluginEntry`.
    """

    name: str
    target: str
    summary: str
    needs: tuple[str, ...] = ()
    install: str = ""

    def load(self) -> Any:
        """Import and return the click command.

        Raises
        ------
        InputError
            When a package it needs is not installed, or the import fails.
        """
        reason = missing_packages(self.needs, self.install)
        if reason:
            raise InputError(f"command {self.name!r} {reason}")
        return load_target(self.target)


def missing_packages(needs: tuple[str, ...], install: str) -> str:
    """Return which of the import names are not installed, and the cure, or an empty string."""
    absent = []
    for name in needs:
        try:
            found = importlib.util.find_spec(name) is not None
        except (ImportError, ValueError):
            found = False
        if not found:
            absent.append(name)
    if not absent:
        return ""
    cure = f"; install with: {install}" if install else ""
    return f"needs {', '.join(absent)}, which is not installed{cure}"


def load_target(target: str) -> Any:
    """Import ``module:attribute``.

    Raises
    ------
    InputError
        When the import fails; the reason is kept, it never vanishes.
    """
    module_name, _, attribute = target.partition(":")
    try:
        return getattr(importlib.import_module(module_name), attribute)
    except Exception as error:
        raise InputError(f"{target} could not be imported: {type(error).__name__}: {error}") from error
