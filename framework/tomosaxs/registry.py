"""Names -> plugins, found through pluggy and imported only when used.

What declarations need is imported late: asking for commands and names is quick.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import os
from functools import lru_cache
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, TypeVar

import pluggy

from tomosaxs.entries import BackendEntry, CommandEntry, PluginEntry, load_target
from tomosaxs.errors import InputError, did_you_mean
from tomosaxs.hookspecs import HookSpecs

if TYPE_CHECKING:
    from tomosaxs.dataset import Source
    from tomosaxs.plugin import PluginSpec

GROUP = "tomosaxs"
T = TypeVar("T")


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
    files = sorted(user_folder().glob("*.py")) if user_folder().is_dir() else []
    if files:
        _register_files(found, files)
    return found


def _register_files(found: pluggy.PluginManager, files: list[Path]) -> None:
    from tomosaxs.plugin import PluginError
    from tomosaxs.plugin_files import import_file

    for path in files:
        try:
            module = import_file(path)
        except (PluginError, InputError) as error:
            _broken()[str(path)] = str(error)
            continue
        found.register(module, name=str(path))


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


def site_folders() -> list[Path]:
    """Return the folders with site profiles that packages register."""
    return _from_hook("register_sites", Path)


def registered(kind: str = "") -> dict[str, PluginEntry]:
    """Return the registered plugins by name; of one kind only (``loader``, ``step``, ...) where it is given."""
    return {name: entry for name, entry in plugins().items() if kind in ("", entry.kind)}


def load(name: str, path: Path, **parameters: Any) -> Source:
    """Describe data by a loader, as ``input:`` of a list does; values are read when they are asked for.

    Parameters
    ----------
    name : str
        The loader.
    path : Path
        What it reads.
    **parameters
        Those of the loader.

    Raises
    ------
    InputError
        When there is no such loader, a parameter is wrong, or the data cannot be read.
    """
    spec = find(name)
    if spec.kind != "loader":
        raise InputError(f"{name} is no loader")
    values, wrong = spec.parameters.validate(parameters)
    if wrong:
        raise InputError("; ".join(f"{name}.{fault.name}: {fault.message}" for fault in wrong))
    made: Source = spec.target((path,) if spec.many_paths else path, **values)
    return made


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
    from tomosaxs.declaration import spec_of
    from tomosaxs.plugin import PluginError, is_plugin

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
        today = next((each.name for each in plugins().values() if name in each.former), "")
        if today:
            raise InputError(f"{name} is called {today} now; tomosaxs upgrade writes the new names into a list")
        reasons = "".join(f"\n  not available: {reason}" for reason in broken().values())
        hint = did_you_mean(name, plugins())
        if "did you mean" not in hint:  # thirty of a hundred names would help nobody who has another program's in mind
            hint = f"; find it by a word of what it does, for instance:  tomosaxs list {name.partition('_')[0]}"
        raise InputError(f"no plugin is called {name!r}{hint}{reasons}")
    if ".py:" in entry.target:
        return _from_file(entry.target, Path.cwd())
    reason = entry.missing()
    if reason:
        raise InputError(f"plugin {name!r} {reason}")
    return _checked_spec(load_target(entry.target), entry.name)


def _checked_spec(target: Any, name: str = "") -> PluginSpec:
    from tomosaxs.declaration import spec_of
    from tomosaxs.plugin import PluginError, is_plugin

    if not is_plugin(target):
        raise InputError(f"{target!r} is not a plugin: decorate it with @plugin, @estimator, @loader or @saver")
    try:
        return spec_of(target, name=name)
    except PluginError as error:
        raise InputError(str(error)) from None


def _from_file(name: str, folder: Path) -> PluginSpec:
    from tomosaxs.plugin import is_plugin
    from tomosaxs.plugin_files import import_file

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
