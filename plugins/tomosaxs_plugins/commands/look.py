"""``tomosaxs look``: what a scan is, in seconds, and what to type next."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from tomosaxs_plugins.commands.look_recognise import Found
    from tomosaxs_plugins.commands.look_tomography import Findings


@click.command()
@click.argument("scan", metavar="PATH")
@click.option("-o", "--output", type=click.Path(path_type=Path), default=Path(), help="Folder of the page.")
@click.option("--site", default="", metavar="NAME", help="Site profile; then PATH may be a scan number.")
@click.option("--set", "settings", multiple=True, metavar="NAME=VALUE", help="Parameter of the loader, as in a list.")
@click.option("--debug", is_flag=True, help="Show the whole traceback of an error.")
def look(scan: str, output: Path, site: str, settings: tuple[str, ...], debug: bool) -> None:
    """Look at a scan: what it is, a frame, a sinogram, the rotation axis, a slice, warnings, the next command.

    PATH is a file or a folder, or with --site a scan number. Only a few frames and rows are read. The pictures are in
    NAME_look.html, which needs nothing beside it.
    """
    from tomosaxs_plugins.commands.look_report import Report, as_text, page_path, write_page

    started = time.perf_counter()
    path, found, chosen = opened(scan, site, settings)
    target = page_path(path, output)
    report = Report(path, messages=list(found.source.messages))
    judged = describe(found, report)
    if judged is not None or report.next_command.startswith("tomosaxs new"):
        from tomosaxs_plugins.commands.new_choice import next_command

        report.next_command, remark = next_command(scan, site, settings, found, judged)
        report.remark = remark
    report.warnings = [*chosen, *report.warnings]
    write_page(report, target)
    for line in as_text(report):
        click.echo(line)
    read = f", {judged.sample.read_bytes / 1e6:.0f} MB read" if judged is not None else ""
    click.echo(f"pictures: {target} ({time.perf_counter() - started:.1f} s{read})")
    click.echo(f"next: {report.next_command}" + (f"\n      ({report.remark})" if report.remark else ""))


def opened(scan: str, site: str, settings: tuple[str, ...]) -> tuple[Path, Found, list[Any]]:
    """Return the path, what it is, and what had to be chosen to read it.

    Raises
    ------
    InputError
        When the site is not known, the number leads nowhere, or nothing can read the scan.
    """
    from dataclasses import replace

    from tomosaxs import InputError, find_site, registered
    from tomosaxs_plugins.commands.look_recognise import recognise
    from tomosaxs_plugins.commands.look_values import Warn
    from tomosaxs_plugins.commands.new_choice import parsed

    profile = find_site(site) if site else None
    if profile is None and scan.isdigit() and not Path(scan).exists():
        raise InputError(f"{scan} is no file; a scan number needs a site: --site NAME (tomosaxs sites lists them)")
    by_number = profile is not None and not Path(scan).exists() and "/" not in scan
    path = profile.path_of(scan) if by_number and profile is not None else Path(scan)
    parameters = {**(profile.parameters if profile is not None else {}), **parsed(settings)}
    loader = profile.loader if profile is not None and profile.loader in registered("loader") else ""
    chosen: list[Any] = []
    try:
        found = recognise(path, loader, parameters)
    except InputError as error:
        if "choose scan:" not in str(error) or "scan" in parameters:
            raise
        found = replace(recognise(path, "tomography", {**parameters, "scan": 1}), series="repeats")
        chosen.append(
            Warn(f"the {str(error).partition(': the ')[2] or error}", "the first one is shown here", loud=False)
        )
    if found.loader == "tomography" and "time" in found.source.dataset.names:
        count = found.source.dataset.axis("time").size
        found = replace(recognise(path, "tomography", {**parameters, "scan": 1}), series="files")
        chosen.append(Warn(f"a series of {count} tomograms", "the first one is shown here", loud=False))
    chosen += [Warn(f"it may also be read otherwise: {text}", "--set NAME=VALUE", loud=False) for text in found.others]
    if profile is not None:
        found = replace(found, source=profile.applied(found.source))
    return path, found, chosen


def describe(found: Found, report: Any) -> Findings | None:
    """Fill the report; return the findings of a tomography scan, None for other data."""
    names = found.source.dataset.names
    if found.kind == "tomography" and names == ("rotation_angle", "detector_y", "detector_x"):
        from tomosaxs_plugins.commands.look_tomography import describe as described
        from tomosaxs_plugins.commands.look_tomography import findings

        made = findings(found)
        described(found, made, report)
        return made
    from tomosaxs_plugins.commands.look_scattering import describe as other

    other(found, report)
    return None
