"""Names -> plugins, found through pluggy and imported only when used."""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import os
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

import pluggy

from tomosaxs.declaration import spec_of
from tomosaxs.errors import InputError, did_you_mean
from tomosaxs.hookspecs import HookSpecs
from tomosaxs.plugin import PluginError, PluginSpec, is_plugin
from tomosaxs.plugin_files import import_file

GROUP = "tomosaxs"
T = TypeVar("T")


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
    """

    name: str
    target: str
    summary: str
    needs: tuple[str, ...] = ()
    install: str = ""
    kind: str = "step"
    words: str = ""

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


@lru_cache(maxsize=1)
def manager() -> pluggy.PluginManager:
    """Return the plugin manager with every installed package and the user's plugin folder registered."""
    found = pluggy.PluginManager("tomosaxs")
    found.add_hookspecs(HookSpecs)
    for point in _entry_points():
        try:
            found.register(point.load(), name=point.name)
        except Exception as error:  # noqa: BLE001 - an index module of a stranger may fail in any way; it is reported
            _broken()[point.name] = f"package {point.name}: {type(error).__name__}: {error}"
    if "tomosaxs_plugins" not in [point.name for point in _entry_points()]:
        _register_from_checkout(found)
    for path in sorted(user_folder().glob("*.py")) if user_folder().is_dir() else []:
        try:
            module = import_file(path)
        except (PluginError, InputError) as error:
            _broken()[str(path)] = str(error)
            continue
        found.register(module, name=str(path))
    return found


def _entry_points() -> list[importlib.metadata.EntryPoint]:
    return sorted(importlib.metadata.entry_points(group=GROUP), key=lambda point: point.name)


def _register_from_checkout(found: pluggy.PluginManager) -> None:
    """In a bare checkout nothing is installed, so no entry point names the shipped plugins."""
    if importlib.util.find_spec("tomosaxs_plugins") is not None:
        found.register(importlib.import_module("tomosaxs_plugins.index"), name="tomosaxs_plugins")


@lru_cache(maxsize=1)
def _broken() -> dict[str, str]:
    return {}


def broken() -> dict[str, str]:
    """Return packages and files that could not be imported or registered, with the reason."""
    _registered()
    return dict(_broken())


def user_folder() -> Path:
    """Folder whose ``*.py`` files are plugins without any install ($TOMOSAXS_PLUGINS)."""
    default = Path(os.environ.get("XDG_CONFIG_HOME", Path.home() / ".config")) / "tomosaxs" / "plugins"
    return Path(os.environ.get("TOMOSAXS_PLUGINS", default))


@lru_cache(maxsize=1)
def plugins() -> dict[str, PluginEntry]:
    """Return all registered plugins by name; two of one name are an error.

    Raises
    ------
    InputError
        When two packages or files register the same name.
    """
    entries: dict[str, PluginEntry] = {}
    for entry in _registered()[0]:
        if entry.name in entries:
            other = entries[entry.name]
            raise InputError(f"two plugins are called {entry.name!r}: {other.target} and {entry.target}; rename one")
        entries[entry.name] = entry
    return dict(sorted(entries.items()))


@lru_cache(maxsize=1)
def _registered() -> tuple[list[PluginEntry], list[BackendEntry]]:
    """Ask every package and file once; one that fails is left out and told, the others stay usable."""
    plugin_entries: list[PluginEntry] = [*_from_hook("register_plugins", PluginEntry)]
    for name, module in manager().list_name_plugin():
        if name.endswith(".py") and isinstance(module, ModuleType):
            plugin_entries.extend(_entries_of_file(name, module))
    return plugin_entries, _from_hook("register_backends", BackendEntry)


def _from_hook(hook: str, kind: type[T]) -> list[T]:
    entries: list[T] = []
    for implementation in getattr(manager().hook, hook).get_hookimpls():
        name = implementation.plugin_name
        try:
            given = list(implementation.function())
        except Exception as error:  # noqa: BLE001 - a stranger's hook may fail in any way; it is reported
            _broken()[name] = f"{name}: {hook}: {type(error).__name__}: {error}"
            continue
        wrong = [each for each in given if not isinstance(each, kind)]
        if wrong:
            _broken()[name] = f"{name}: {hook} returned {wrong[0]!r}, expected {kind.__name__} objects"
        entries.extend(each for each in given if isinstance(each, kind))
    return entries


def _entries_of_file(name: str, module: ModuleType) -> list[PluginEntry]:
    entries = []
    for attribute, value in vars(module).items():
        if is_plugin(value) and getattr(value, "__module__", "") == module.__name__:
            try:
                spec = spec_of(value)
            except PluginError as error:
                _broken()[f"{name}:{attribute}"] = str(error)
                continue
            entries.append(PluginEntry(spec.name, f"{name}:{attribute}", spec.summary, kind=spec.kind))
    return entries


@lru_cache(maxsize=64)
def backends(plugin: str) -> dict[str, BackendEntry]:
    """Return the backends of a plugin by name, installed or not; two of one name are an error.

    Raises
    ------
    InputError
        When two packages register the same backend.
    """
    entries: dict[str, BackendEntry] = {}
    for entry in _registered()[1]:
        if entry.plugin == plugin and entry.name in entries:
            other = entries[entry.name]
            raise InputError(
                f"two backends of {plugin} are called {entry.name!r}: {other.target} and {entry.target}; remove one"
            )
        if entry.plugin == plugin:
            entries[entry.name] = entry
    return dict(sorted(entries.items()))


@lru_cache(maxsize=1)
def commands() -> dict[str, CommandEntry]:
    """Return the commands of all packages by name; of two with one name the first counts, the other is reported."""
    entries: dict[str, CommandEntry] = {}
    for entry in _from_hook("register_commands", CommandEntry):
        if entry.name in entries:
            _broken()[entry.target] = f"command {entry.name!r} of {entry.target}: {entries[entry.name].target} has it"
            continue
        entries[entry.name] = entry
    return entries


def find(name: str, relative_to: Path | None = None) -> PluginSpec:
    """Return the plugin called `name`, or the one that ``PATH.py:NAME`` points to.

    Parameters
    ----------
    name : str
        A registered name, or a file and a name in it; naming a file is the permission to run it.
    relative_to : Path, optional
        Folder to which a relative file path belongs (the list's).

    Raises
    ------
    InputError
        When it does not exist (near names are given), a package it needs is missing, or its
        declaration is wrong (with file and line).
    """
    if ".py:" in name or name.endswith(".py"):
        return _from_file(name, relative_to or Path.cwd())
    entry = plugins().get(name)
    if entry is None:
        reasons = "".join(f"\n  not available: {reason}" for reason in broken().values())
        raise InputError(f"no plugin is called {name!r}{did_you_mean(name, plugins())}{reasons}")
    if ".py:" in entry.target:
        return _from_file(entry.target, Path.cwd())
    reason = entry.missing()
    if reason:
        raise InputError(f"plugin {name!r} {reason}")
    return _checked_spec(load_target(entry.target), entry.name)


def _checked_spec(target: Any, name: str = "") -> PluginSpec:
    if not is_plugin(target):
        raise InputError(f"{target!r} is not a plugin: decorate it with @plugin, @estimator, @loader or @saver")
    try:
        return spec_of(target, name=name)
    except PluginError as error:
        raise InputError(str(error)) from None


def _from_file(name: str, folder: Path) -> PluginSpec:
    file_name, separator, attribute = name.rpartition(":")
    if not separator:
        raise InputError(f"{name!r}: write the file and the name in it, for instance ./{name}:my_filter")
    path = (folder / Path(file_name).expanduser()).resolve()
    module = import_file(path)
    if not hasattr(module, attribute):
        own = [key for key, value in vars(module).items() if is_plugin(value)]
        raise InputError(f"{path} has no plugin {attribute!r}{did_you_mean(attribute, own)}")
    return _checked_spec(getattr(module, attribute))


def forget() -> None:
    """Drop everything that was found, so that the next call looks again (used by tests)."""
    for cached in (manager, _broken, _registered, plugins, backends, commands):
        cached.cache_clear()
