"""``tomosaxs try``: a plugin on one slice of a measured scan, before and after."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click


@click.command(name="try", context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("plugin", metavar="PLUGIN")
@click.argument("scan", required=False, type=click.Path(path_type=Path))
@click.option("--slice", "place", type=click.IntRange(min=0), metavar="K",
              help="Detector row; of a plugin on projections the number of one; default the middle.")  # fmt: skip
@click.option("--set", "settings", multiple=True, metavar="PARAM=VALUE", help="A parameter of the plugin.")
@click.option("--list", "process_list", type=click.Path(path_type=Path), metavar="LIST.yml",
              help="Take the input and the steps before the plugin from this list.")  # fmt: skip
@click.option("--after", metavar="STEP", help="Behind which step of the list; default the last that fits.")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Folder; default the plugin's name with _try.")
@click.option("--debug", is_flag=True, help="Show the whole traceback of an error.")
def try_plugin(
    plugin: str,
    scan: Path | None,
    place: int | None,
    settings: tuple[str, ...],
    process_list: Path | None,
    after: str | None,
    output: Path | None,
    debug: bool,
) -> None:
    """Run PLUGIN, a registered name or ./file.py:NAME, on one slice of SCAN and show it before and after.

    Before it run the ordinary steps that it needs: the dark and flat correction for projections, the logarithm for
    sinograms, the reconstruction for slices of a volume; or those of --list.
    """
    run_try(plugin, scan, place=place, settings=settings, process_list=process_list, after=after, output=output)


def run_try(
    plugin: str,
    scan: Path | None,
    *,
    place: int | None = None,
    settings: Sequence[str] = (),
    process_list: Path | None = None,
    after: str | None = None,
    output: Path | None = None,
) -> None:
    """Run a plugin on a slice and write pictures before and after, with times and hints.

    Raises
    ------
    ListError, InputError
        When plugin, scan or options are at fault.
    StepError
        When a step failed.
    """
    from tomosaxs.cli.sweep_slice import SliceRun, plan_slice
    from tomosaxs.cli.try_list import list_to_try
    from tomosaxs.cli.try_report import Beholder
    from tomosaxs.communicator import world
    from tomosaxs.library import usual_options
    from tomosaxs.registry import manager
    from tomosaxs.runner.context import console
    from tomosaxs.runner.folder import shown

    options = usual_options()
    made = list_to_try(plugin, scan, settings, process_list, after, options)
    least = 0 if made.spec.halo or made.spec.wants_scan or made.spec.stateful else 1
    sliced = plan_slice(made.checked, options, place, None, along=made.along, least=least, keep={made.before})
    folder = (output or Path(f"{made.spec.name}_try")).absolute()
    beholder = Beholder(made, sliced)
    manager().register(beholder, name="tomosaxs try")
    try:
        SliceRun(sliced, world(), folder, log=console)()
    finally:
        manager().unregister(beholder)
    beholder.write(folder)
    click.echo("\n".join(beholder.lines()))
    click.echo(f"look: {shown(folder / 'try.png')}, or report.html beside it")
