"""Index of phase: names, places and one line each; imports nothing heavy."""

from __future__ import annotations

from tomosaxs import PluginEntry

PLUGINS: tuple[PluginEntry, ...] = ()
