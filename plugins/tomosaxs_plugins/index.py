"""Index of the shipped plugins: names, places and one line each; imports nothing heavy."""

from __future__ import annotations

from tomosaxs import BackendEntry, PluginEntry, hookimpl


@hookimpl
def register_plugins() -> list[PluginEntry]:
    """Return the shipped plugins."""
    return [
    ]


@hookimpl
def register_backends() -> list[BackendEntry]:
    """Return the shipped backends."""
    return [
    ]
