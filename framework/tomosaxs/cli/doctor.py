"""``tomosaxs doctor``."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), help="Folder where results would go; default the current one."
)
def doctor(output: Path | None) -> int:
    """Look at this machine as a run would find it: a line a matter, with the cure.

    MPI and its launcher, HDF5, GPU, disk and memory, threads, optional libraries, plugins that could not be imported.
    The exit status is 1 where something is wrong that no list or no parallel run gets round.
    """
    from tomosaxs.doctor import examine

    status = 0
    for finding in examine(output):
        click.echo(str(finding))
        status = max(status, int(finding.state == "wrong"))
    return status
