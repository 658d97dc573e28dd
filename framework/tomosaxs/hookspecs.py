"""The hooks: every door through which a package or a file changes what tomosaxs does.

A package names an index module in the entry-point group ``tomosaxs``; that module implements the hooks it
needs with `hookimpl` and imports nothing heavy. Shipped plugins go through the same door.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pluggy

if TYPE_CHECKING:
    from tomosaxs.entries import BackendEntry, CommandEntry, PluginEntry

hookspec = pluggy.HookspecMarker("tomosaxs")
hookimpl = pluggy.HookimplMarker("tomosaxs")


class HookSpecs:
    """Hook specifications; implement any subset."""

    @hookspec
    def register_plugins(self) -> Iterable[PluginEntry]:  # type: ignore[empty-body]
        """Return the plugins of a package: name, ``module:attribute``, one-line summary.

        The module is imported only when a list uses the plugin.
        """

    @hookspec
    def register_backends(self) -> Iterable[BackendEntry]:  # type: ignore[empty-body]
        """Return backends for plugins that have a ``backend`` parameter."""

    @hookspec
    def register_commands(self) -> Iterable[CommandEntry]:  # type: ignore[empty-body]
        """Return commands of a package: ``tomosaxs NAME``, a click command imported when it is used."""

    @hookspec
    def register_sites(self) -> Iterable[Path]:  # type: ignore[empty-body]
        """Return folders of a package with site profiles, one YAML file a beamline, named by its stem."""

    @hookspec
    def before_run(self, plan: Any, output: Any) -> None:
        """Called on every rank after the plan is checked, before anything is read.

        ``plan`` is the `Plan`, ``output`` the folder of the results (a Path).
        """

    @hookspec
    def before_step(self, step: Any, block: tuple[int, int]) -> None:
        """Called on every rank before a step sees a block; ``block`` is (first, one past last) slice."""

    @hookspec
    def after_step(self, step: Any, block: tuple[int, int], seconds: float) -> None:
        """Called on every rank after a step has finished a block; ``seconds`` is the wall time it took."""

    @hookspec
    def after_run(self, plan: Any, output: Any) -> None:
        """Called on rank 0 after result.nxs is whole."""

    @hookspec
    def report(self, plan: Any, result: Any) -> Iterable[tuple[str, str]]:  # type: ignore[empty-body]
        """Return (heading, HTML fragment) pairs that are added to report.html; text must be escaped."""
