"""``tomosaxs sweep``: several values on one slice, pictures side by side, and the choice written into the list."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tomosaxs.cli.run import list_options

if TYPE_CHECKING:
    from tomosaxs.cli.sweep_slice import SlicePlan

_MOST = 100
"""Pictures of a sweep; more are a mistake."""


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@list_options
@click.option(
    "--slice", "row", type=click.IntRange(min=0), metavar="K", help="Row of the detector; default the middle."
)
@click.option("--margin", type=click.IntRange(min=0), metavar="N",
              help="Rows on both sides, where a step works on whole frames.")  # fmt: skip
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Folder; default the list's name with _sweep.")
@click.option("--accept", "number", type=click.IntRange(min=1), metavar="K",
              help="Write the values of picture K of the sweep that was run into the list.")  # fmt: skip
def sweep(
    process_list: Path,
    inputs: tuple[str, ...],
    settings: tuple[str, ...],
    roots: tuple[str, ...],
    row: int | None,
    margin: int | None,
    output: Path | None,
    number: int | None,
    debug: bool,
) -> None:
    """Try several values of parameters on one slice and choose.

    What is swept are the {sweep: ...} of the list and every --set STEP.PARAM with a list or a range:
    --set filter.size="[3, 5, 7]", --set reconstruct.centre="{start: 150, stop: 152, step: 0.25}".
    The folder holds sweep.png, report.html and result.nxs.
    """
    from tomosaxs.errors import InputError

    folder = (output or Path(f"{process_list.stem}_sweep")).absolute()
    if number is not None:
        from tomosaxs.cli.sweep_accept import accept

        if inputs or settings or roots or row is not None or margin is not None:
            raise InputError("--accept takes the values of the sweep that was run: leave the other options away")
        click.echo(accept(process_list, folder, number))
        return
    hint = "" if output is None else f" -o {output}"
    run_sweep(process_list, inputs, settings, roots, folder, row=row, margin=margin, hint=hint)


def run_sweep(
    process_list: Path,
    inputs: Sequence[str],
    settings: Sequence[str],
    roots: Sequence[str],
    folder: Path,
    *,
    row: int | None = None,
    margin: int | None = None,
    hint: str = "",
) -> None:
    """Run the sweeps of a list on one slice and write pictures, table and record.

    Raises
    ------
    ListError, InputError
        When list, data or options are at fault, or nothing is swept.
    StepError
        When a step failed.
    """
    from tomosaxs import library
    from tomosaxs.cli.sweep_report import SHEET, Chooser, lines_of, write_record
    from tomosaxs.cli.sweep_slice import SliceRun, plan_slice, shown_node
    from tomosaxs.communicator import world
    from tomosaxs.errors import InputError
    from tomosaxs.registry import manager
    from tomosaxs.runner.context import console
    from tomosaxs.runner.folder import shown

    comm = world()
    checked = library.check(process_list, inputs=inputs, settings=as_sweeps(process_list, settings), roots=roots)
    options = library.usual_options(comm.size, comm.node_size)
    sliced = plan_slice(checked, options, row, margin)
    count = len(shown_node(sliced.plan).parts)
    if count > _MOST:
        raise InputError(f"{count} combinations are too many pictures to choose from; at most {_MOST}")
    log = console if comm.rank == 0 else _silent
    for line in _told(sliced, count):
        log(line)
    chooser = Chooser(sliced.row, sliced.notes)
    manager().register(chooser, name="tomosaxs sweep")
    try:
        SliceRun(sliced, comm, folder, log=log)()
    finally:
        manager().unregister(chooser)
    if comm.rank == 0:
        chooser.write(folder)
        write_record(folder, chooser, sliced.plan)
        click.echo("\n".join(lines_of(chooser.table())))
        click.echo(f"* best of its column. Look: {shown(folder / SHEET)}, or report.html beside it")
        click.echo(f"write the values of a picture into the list:  tomosaxs sweep {process_list}{hint} --accept NUMBER")


def _silent(text: str) -> None:
    """Only the first rank logs."""


def _told(sliced: SlicePlan, count: int) -> list[str]:
    """Return what is going to be done, for the user."""
    from tomosaxs.report.page import size_text

    place = "all data" if sliced.row is None else f"detector row {sliced.row}"
    head = f"{count} combination{'' if count == 1 else 's'} on {place}; {size_text(sliced.plan.disk)} on disk"
    return [head, *sliced.notes]


def as_sweeps(process_list: Path, settings: Sequence[str]) -> list[str]:
    """Return the settings with every list or range of a step's parameter as a sweep."""
    from tomosaxs.errors import ListError
    from tomosaxs.plugin import STEP_KEYS
    from tomosaxs.process_list.settings import Targets
    from tomosaxs.process_list.tree import Faults, Keyed, Listed
    from tomosaxs.process_list.yaml_text import load

    try:
        tree = load(process_list.read_text(encoding="utf-8-sig"), Faults(None))
    except (OSError, UnicodeDecodeError, ListError):
        return list(settings)  # what is wrong with the list is told when it is read
    if not isinstance(tree, Keyed):
        return list(settings)
    targets = Targets(tree)
    made = []
    for text in settings:
        address, _, value = text.partition("=")
        entry, rest, _ = targets.find(address.strip().split("."))
        given = _loaded(value)
        of_step = any(entry is step for _, step in targets.steps) and len(rest) == 1 and rest[0] not in STEP_KEYS
        ranged = isinstance(given, Listed) or (isinstance(given, Keyed) and {"start", "stop"} <= set(given))
        made.append(f"{address}={{sweep: {value}}}" if of_step and ranged else text)
    return made


def _loaded(text: str) -> object:
    from tomosaxs.errors import ListError
    from tomosaxs.process_list.tree import Faults
    from tomosaxs.process_list.yaml_text import load

    try:
        given: object = load(text, Faults(None))
    except ListError:
        return None  # what is wrong is told when the setting is read
    return given
