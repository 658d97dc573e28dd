"""``tomosaxs COMMAND``."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from tomosaxs.entries import CommandEntry

_COMMANDS = {
    "run": ("tomosaxs.cli.run:run", "Run a process list."),
    "check": ("tomosaxs.cli.lists:check", "Check a process list and warn of what looks wrong in its data."),
    "plan": ("tomosaxs.cli.lists:plan", "Check a list against its data and print what would happen."),
    "slice": (
        "tomosaxs.cli.slice_picture:slice_picture",
        "Make one slice of a scan or of a list: a picture at once.",
    ),
    "sweep": ("tomosaxs.cli.sweep:sweep", "Try several values on one slice, and write the chosen ones into the list."),
    "try": ("tomosaxs.cli.try_plugin:try_plugin", "Run a plugin on one slice of a scan: before, after and the time."),
    "list": (
        "tomosaxs.cli.catalogue:list_plugins",
        "List plugins, backends and ready-made lists, or find them by words.",
    ),
    "show": ("tomosaxs.cli.catalogue:show", "Explain a plugin: its parameters, what it takes and gives, its source."),
    "schema": ("tomosaxs.cli.catalogue:schema", "Print the JSON schema of process lists, for editors."),
    "demo": ("tomosaxs.cli.folders:demo", "Write a simulated scan, its truth and a list that processes it."),
    "report": ("tomosaxs.cli.folders:report", "Write report.html of a finished run again."),
    "upgrade": ("tomosaxs.cli.upgrade:upgrade", "Write the names of today into old lists, comments kept."),
    "doctor": ("tomosaxs.cli.doctor:doctor", "Look at this machine as a run would find it, with cures."),
    "compare": ("tomosaxs.cli.compare:compare", "Compare two results: lists, versions, inputs and every value."),
    "replay": ("tomosaxs.cli.compare:replay", "Run again what made a result, and compare."),
    "clean": ("tomosaxs.cli.folders:clean", "Remove the unfinished data of a run."),
}


def _of_packages() -> dict[str, CommandEntry]:
    """Return the commands of packages; asked only where a word is none of the framework's own."""
    from tomosaxs import registry

    return {name: entry for name, entry in registry.commands().items() if name not in _COMMANDS}


def _summaries() -> dict[str, str]:
    own = {name: summary for name, (_, summary) in _COMMANDS.items()}
    return {**own, **{name: entry.summary for name, entry in _of_packages().items()}}


class LazyGroup(click.Group):
    """Knows its commands by name, its own and those of packages, and imports each when it is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the commands in the order of a day's work."""
        return list(_summaries())

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return a command."""
        if cmd_name not in _COMMANDS:
            entry = _of_packages().get(cmd_name)
            loaded: click.Command | None = None if entry is None else entry.load()
            return loaded
        module, _, name = _COMMANDS[cmd_name][0].partition(":")
        found: click.Command = getattr(importlib.import_module(module), name)
        return found

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[Any, Any, list[str]]:
        """Name the near commands when one is misspelt."""
        from tomosaxs.errors import did_you_mean

        if args and args[0] not in _COMMANDS and not args[0].startswith("-") and args[0] not in _of_packages():
            ctx.fail(f"no command {args[0]!r}{did_you_mean(args[0], _summaries())}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the one-line summaries without importing the commands."""
        with formatter.section("Commands"):
            formatter.write_dl(list(_summaries().items()))


def _version(ctx: click.Context, _: click.Parameter, wanted: bool) -> None:
    if wanted:
        from tomosaxs import __version__

        click.echo(f"tomosaxs {__version__}")
        ctx.exit()


@click.command(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--version", is_flag=True, is_eager=True, expose_value=False, callback=_version, help="Show the version.")
def tomosaxs() -> None:
    """Process synchrotron tomography and SAXS scans by process lists.

    A first try:  tomosaxs demo -o demo  and then  mpirun -n 2 tomosaxs_run demo/tomography_demo.yml
    """
