"""``tomosaxs new``: the process list for a scan."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("scan", required=False, default="")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="The list; default: the scan's name, here.")
@click.option("--list", "name", default="", metavar="NAME", help="Shipped list to fill; default: the one that suits.")
@click.option("--site", default="", metavar="NAME", help="Site profile; then SCAN may be a scan number.")
@click.option("--set", "settings", multiple=True, metavar="NAME=VALUE", help="Parameter of the loader, as in a list.")
@click.option("--force", is_flag=True, help="Replace the list where it exists.")
@click.option("--debug", is_flag=True, help="Show the whole traceback of an error.")
def new(
    scan: str, output: Path | None, name: str, site: str, settings: tuple[str, ...], force: bool, debug: bool
) -> None:
    """Write the process list for SCAN, filled with what a look at it finds; without SCAN show the shipped lists.

    The list runs as it is; its comments name the parameters that are worth a thought.
    """
    from tomosaxs import InputError
    from tomosaxs_plugins.commands.look import describe, opened
    from tomosaxs_plugins.commands.look_report import Report
    from tomosaxs_plugins.commands.new_choice import parsed
    from tomosaxs_plugins.commands.new_list import list_for, text_of

    if not scan:
        _show_lists()
        return
    if name:
        text_of(name)  # a name that does not exist is told before anything is read
    path, found, _ = opened(scan, site, settings)
    stem = path.resolve().name if path.is_dir() else path.stem
    target = output or Path(f"{stem}.yml")
    if target.suffix not in (".yml", ".yaml"):
        raise InputError(f"{target} is no name of a list: NAME.yml")
    if target.exists() and not force:
        raise InputError(f"{target} exists; name another file with -o, or replace it with --force")
    if not target.parent.is_dir():
        raise InputError(f"there is no folder {target.parent}")
    report = Report(path)
    judged = describe(found, report)
    given = {**parsed(settings), **({"series": "repeats"} if found.series == "repeats" else {})}
    text = list_for(found, judged, name=name, site=_site(site), parameters=given, target=target, loud=True)
    target.write_text(text, encoding="utf-8")
    click.echo(f"wrote {target}; run it with:  tomosaxs run {target}   or:  mpirun -n 4 tomosaxs_run {target}")
    if "calibration:" in text:
        click.echo("put the name of the calibration into it first (calibration:)")


def _site(site: str) -> str:
    """Return the site as a list names it: a name as it is, a path absolute; fields are of no use there."""
    name = site.split(",")[0].strip()
    return str(Path(name).absolute()) if "/" in name or name.endswith((".yml", ".yaml")) else name


def _show_lists() -> None:
    from tomosaxs import shipped_lists

    known = shipped_lists()
    width = max((len(name) for name in known), default=0)
    for name, path in known.items():
        first = path.read_text(encoding="utf-8").partition("\n")[0].lstrip("# ")
        click.echo(f"{name:<{width}}  {first}")
    click.echo("tomosaxs new SCAN writes the one that suits;  tomosaxs show NAME shows one")
