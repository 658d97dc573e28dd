"""``tomosaxs compare`` and ``tomosaxs replay``: whether two results are the same, and whether one comes again."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("first", metavar="A", type=click.Path(path_type=Path))
@click.argument("second", metavar="B", type=click.Path(path_type=Path))
@click.option(
    "--tolerance",
    type=click.FloatRange(min=0),
    help="Largest difference that counts as equal, over the span of A's values; default what the steps promise.",
)
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), help="Folder for difference pictures; default: none are written."
)
def compare(first: Path, second: Path, tolerance: float | None, output: Path | None) -> int:
    """Compare the results A and B: folders of runs, or their result.nxs.

    Lists, resolved parameters, versions, inputs, estimates and every value. The exit status is 0 where all values
    agree within the tolerance, 1 where they do not, 2 where one of the two is no result.
    """
    from tomosaxs.report.compare import compare_results, difference_pictures

    found = compare_results(first, second, tolerance)
    click.echo(str(found))
    if output is not None:
        for picture in difference_pictures(found, output):
            click.echo(f"picture: {picture}")
    return 0 if found.equal else 1


@click.command()
@click.argument("result", type=click.Path(path_type=Path))
@click.option("--root", "roots", multiple=True, metavar="OLD=NEW", help="Move paths of the list.")
@click.option("--input", "inputs", multiple=True, metavar="[NAME=]PATH", help="Where an input lies now.")
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), help="Folder; default: the old one's name with _replay, here."
)
@click.option("--changed-inputs", is_flag=True, help="Run although inputs are not what they were.")
@click.option(
    "--tolerance",
    type=click.FloatRange(min=0),
    help="Largest difference that counts as equal, over the span of the values; default what the steps promise.",
)
def replay(
    result: Path,
    roots: tuple[str, ...],
    inputs: tuple[str, ...],
    output: Path | None,
    changed_inputs: bool,
    tolerance: float | None,
) -> int:
    """Run again what made RESULT, a result.nxs or its folder, and compare.

    The list and its settings are those kept in the result, the inputs are checked against their checksums. The exit
    status is 0 where all values come again within the tolerance, 1 where they do not, 2 where it cannot be run.
    """
    from tomosaxs.replay import replay_result

    found = replay_result(
        result, output=output, roots=roots, inputs=inputs, changed_inputs=changed_inputs, tolerance=tolerance
    )
    if found is not None:
        click.echo(str(found))
    return 0 if found is None or found.equal else 1
