"""``tomosaxs run`` and ``tomosaxs_run``."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import click

if TYPE_CHECKING:
    from tomosaxs.plan import Intermediates

F = TypeVar("F", bound=Callable[..., Any])


def list_options(function: F) -> F:
    """Add what every command that reads a list takes."""
    for option in (
        click.option("--debug", is_flag=True, help="Show the whole traceback of an error."),
        click.option("--root", "roots", multiple=True, metavar="OLD=NEW", help="Move paths of the list."),
        click.option(
            "--set", "settings", multiple=True, metavar="STEP.PARAM=VALUE",
            help="Change a parameter; STEP is a step's name, else its plugin, else its number.",
        ),
        click.option("--input", "inputs", multiple=True, metavar="[NAME=]PATH", help="Read this scan instead."),
        click.argument("process_list", metavar="LIST.yml", type=click.Path(path_type=Path)),
    ):  # fmt: skip
        function = option(function)
    return function


def bytes_of(text: str | None) -> float | None:
    """Read an amount of memory such as ``8G`` or ``500M``.

    Raises
    ------
    click.BadParameter
        When it is not one.
    """
    if text is None:
        return None
    scale = {"K": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}
    bare = text.strip().upper().removesuffix("B")
    factor = scale.get(bare[-1:], 1.0)
    try:
        amount = float(bare.rstrip("KMGT")) * factor
    except ValueError:
        amount = 0.0
    if not amount > 0:
        raise click.BadParameter(f"{text!r} is not an amount of memory; write for instance 8G", param_hint="--memory")
    return amount


def _threads(text: str) -> int:
    """Return the first number of ``OMP_NUM_THREADS``; 1 where it is none."""
    first = text.split(",")[0].strip()
    return int(first) if first.isascii() and first.isdigit() else 1


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@list_options
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), help="Folder of the results; default: the list's name, here."
)
@click.option("--resume", is_flag=True, help="Use what an earlier run into the same folder finished.")
@click.option(
    "--memory", metavar="SIZE", help="Memory for blocks on one node, all ranks together; default half of what is free."
)
@click.option("--block", type=click.IntRange(min=1), help="Slices a block; default from the memory.")
@click.option(
    "--intermediates",
    type=click.Choice(["auto", "memory", "file"]),
    default="auto",
    show_default=True,
    help="Where datasets lie between passes; auto: in memory where they fit, else in files.",
)
@click.option("--keep-work", is_flag=True, help="Keep intermediate data after success.")
@click.option(
    "--checksums",
    type=click.Choice(["auto", "full", "sampled"]),
    default="auto",
    show_default=True,
    help="Of the inputs: of all bytes, or of samples; auto: samples of files over 64 MiB.",
)
@click.option(
    "--stall",
    metavar="SECONDS",
    type=click.FloatRange(min=0),
    default=1800.0,
    show_default=True,
    help="End a run that shows no sign of progress for so long, 12 times as long while it computes; 0: never.",
)
def run(
    process_list: Path,
    inputs: tuple[str, ...],
    settings: tuple[str, ...],
    roots: tuple[str, ...],
    output: Path | None,
    resume: bool,
    memory: str | None,
    block: int | None,
    intermediates: Intermediates,
    keep_work: bool,
    checksums: Literal["auto", "full", "sampled"],
    stall: float,
    debug: bool,
) -> int:
    """Run a process list; start it under mpirun to use several ranks.

    Exit status: 0 done; 1 a step failed; 2 the list or the input is at fault and nothing was computed; 130
    interrupted.
    """
    from tomosaxs.launcher import launcher_rank, ranks_on_node
    from tomosaxs.library import run as run_list
    from tomosaxs.runner.context import console
    from tomosaxs.threads import pinned_warning

    advice = pinned_warning(ranks_on_node())
    if advice and launcher_rank() == 0:
        console(f"tomosaxs: {advice}")
    run_list(
        process_list,
        inputs=inputs,
        settings=settings,
        roots=roots,
        output=output,
        resume=resume,
        memory=bytes_of(memory),
        block=block,
        keep_work=keep_work,
        intermediates=intermediates,
        checksums=checksums,
        stall=stall,
        threads=_threads(os.environ.get("OMP_NUM_THREADS", "")),
    )
    return 0
