"""``tomosaxs check`` and ``tomosaxs plan``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from tomosaxs.cli.run import bytes_of, list_options

if TYPE_CHECKING:
    from tomosaxs.plan import Intermediates


@click.command()
@list_options
def check(
    process_list: Path, inputs: tuple[str, ...], settings: tuple[str, ...], roots: tuple[str, ...], debug: bool
) -> None:
    """Check a process list; report all faults at once, then warn of what looks wrong in its data.

    The exit status is 0 also with warnings; tomosaxs plan checks a list against its data.
    """
    from tomosaxs import library

    found = library.check(process_list, inputs=inputs, settings=settings, roots=roots)
    steps = [step for step in found.steps if step.entry.active]
    click.echo(f"{process_list}: {len(steps)} steps, no faults found (tomosaxs plan checks them against the data)")
    for warning in library.warnings_of(found):
        click.echo(f"warning: {warning}")


@click.command()
@list_options
@click.option("-n", "--ranks", type=click.IntRange(min=1), default=1, show_default=True, help="Ranks to plan for.")
@click.option("--nodes", type=click.IntRange(min=1), help="Nodes that the ranks are spread over.")
@click.option("--threads", type=click.IntRange(min=1), help="Threads of a rank; default its share of this machine.")
@click.option("--memory", metavar="SIZE", help="Memory for data on one node, all ranks together.")
@click.option("--block", type=click.IntRange(min=1), help="Slices a block.")
@click.option(
    "--intermediates",
    type=click.Choice(["auto", "memory", "file"]),
    default="auto",
    show_default=True,
    help="Where datasets lie between passes; auto: in memory where they fit, else in files.",
)
@click.option(
    "--rates", type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Rates of another machine: a rates.json with one machine in it.",
)  # fmt: skip
def plan(
    process_list: Path,
    inputs: tuple[str, ...],
    settings: tuple[str, ...],
    roots: tuple[str, ...],
    ranks: int,
    nodes: int | None,
    threads: int | None,
    memory: str | None,
    block: int | None,
    intermediates: Intermediates,
    rates: Path | None,
    debug: bool,
) -> None:
    """Check a list against its data and print what would happen: shapes, passes, memory, disk and time.

    Times are those of this machine, by what earlier runs measured. With --ranks, --nodes, --threads and --memory it
    plans for another one; --rates takes the file that runs there have left (~/.cache/tomosaxs/rates.json).
    """
    from tomosaxs import library
    from tomosaxs.plan import describe
    from tomosaxs.rates import rates_of

    made = library.plan(
        process_list,
        inputs=inputs,
        settings=settings,
        roots=roots,
        ranks=ranks,
        nodes=nodes,
        threads=threads,
        memory=bytes_of(memory),
        block=block,
        intermediates=intermediates,
    )
    click.echo(describe(made, None if rates is None else rates_of(rates)))
