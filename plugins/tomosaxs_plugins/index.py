"""Index of the shipped plugins: every folder names its own in its `entries`; imports nothing heavy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tomosaxs import BackendEntry, CommandEntry, PluginEntry, hookimpl
from tomosaxs_plugins.centring import entries as centring
from tomosaxs_plugins.commands import entries as commands
from tomosaxs_plugins.corrections import entries as corrections
from tomosaxs_plugins.fibres import entries as fibres
from tomosaxs_plugins.integration import entries as integration
from tomosaxs_plugins.loaders import entries as loaders
from tomosaxs_plugins.phase import entries as phase
from tomosaxs_plugins.reconstruction import entries as reconstruction
from tomosaxs_plugins.savers import entries as savers
from tomosaxs_plugins.scattering import entries as scattering
from tomosaxs_plugins.stripes import entries as stripes
from tomosaxs_plugins.volume import entries as volume


@hookimpl
def register_plugins() -> list[PluginEntry]:
    """Return the shipped plugins."""
    return [
        *loaders.PLUGINS,
        *corrections.PLUGINS,
        *stripes.PLUGINS,
        *phase.PLUGINS,
        *centring.PLUGINS,
        *reconstruction.PLUGINS,
        *volume.PLUGINS,
        *integration.PLUGINS,
        *scattering.PLUGINS,
        *fibres.PLUGINS,
        *savers.PLUGINS,
    ]


@hookimpl
def register_backends() -> list[BackendEntry]:
    """Return the shipped backends."""
    return [*reconstruction.BACKENDS, *integration.BACKENDS]


@hookimpl
def register_commands() -> list[CommandEntry]:
    """Return the commands of the bench: ``tomosaxs integrate`` and its like."""
    return [*commands.COMMANDS, *fibres.COMMANDS]


@hookimpl
def register_sites() -> list[Path]:
    """Return the folder of the shipped site profiles."""
    return [Path(__file__).parent / "sites"]


@hookimpl
def report(plan: Any, result: Any) -> list[tuple[str, str]]:
    """Return what the report shows of integrated frames and of fibres; nothing is imported for other lists."""
    modules = {step.spec.target.__module__ for step in plan.steps}
    found: list[tuple[str, str]] = []
    if "tomosaxs_plugins.fibres.map_fibres" in modules:
        from tomosaxs_plugins.fibres.report import sections as fibre_sections

        found += fibre_sections(plan, result)
    integrate = ("tomosaxs_plugins.integration.", "tomosaxs_plugins.fibres.azimuthal_library")
    if any(module.startswith(integrate) for module in modules):
        from tomosaxs_plugins.integration.report import sections

        found += sections(plan, result)
    return found
