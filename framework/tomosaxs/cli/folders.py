"""``tomosaxs demo``, ``report`` and ``clean``: commands on folders."""

from __future__ import annotations

import os
from pathlib import Path

import click

from tomosaxs.errors import InputError


@click.command()
@click.argument("name", default="tomography")
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), default=Path(), help="Folder; default the current one."
)
def demo(name: str, output: Path) -> None:
    """Write a simulated scan, its truth and a list that processes it.

    NAME is tomography, extended_field, phase_contrast, saxs or fibres (a list alone, which simulates its scan itself).
    """
    from tomosaxs.demo import DEMOS, make_demo

    made = make_demo(name, output)
    shown = os.path.relpath(made)
    data = " and its data" if DEMOS[name].data else ""
    click.echo(f"wrote {shown}{data}; run it with:  mpirun -n 2 tomosaxs_run {shown}")


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
def report(folder: Path) -> None:
    """Write report.html of the finished run in FOLDER again."""
    from tomosaxs.report.again import report_again

    click.echo(f"wrote {report_again(folder)}")


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
def clean(folder: Path) -> None:
    """Remove the unfinished data of a run in FOLDER; results stay."""
    from tomosaxs.runner.folder import Lock, remove_work

    work = folder / ".work"
    if not folder.is_dir():
        raise InputError(f"{folder} is not a folder")
    if not work.is_dir():
        click.echo(f"{folder}: nothing to remove")
        return
    lock = Lock(work)
    lock.take()
    size = sum(path.stat().st_size for path in work.rglob("*") if path.is_file())
    remove_work(folder)
    lock.free()
    click.echo(f"{folder}: removed {size / 1e6:.3g} MB of unfinished data")
