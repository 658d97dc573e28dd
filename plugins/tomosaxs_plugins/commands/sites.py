"""``tomosaxs sites``: the beamlines that are known, and what their profiles say."""

from __future__ import annotations

import click


@click.command()
@click.argument("name", default="")
def sites(name: str) -> None:
    """List the known site profiles; with NAME (or the path of a profile) show what one says.

    Profiles of your own: YAML files in the folder that the environment variable TOMOSAXS_SITES names.
    """
    from tomosaxs import find_site, known_sites

    if not name:
        known = known_sites()
        width = max((len(each) for each in known), default=0)
        for each, file in known.items():
            click.echo(f"{each:<{width}}  {find_site(str(file)).title or file}")
        click.echo("in a list:  site: NAME;  on the command line:  tomosaxs look NUMBER --site NAME")
        return
    site = find_site(name)
    rows = {
        "site": f"{site.name}: {site.title}", "profile": site.file, "loader": site.loader,
        "parameters": dict(site.parameters), "raw data": site.raw_root, "scan number to path": site.scan,
        "fields": dict(site.fields), "results": site.output_root,
        "energy": "" if site.energy is None else f"{site.energy:g} keV", "rotation": site.rotation,
        "acknowledgement": site.acknowledgement, "papers": ", ".join(f"https://doi.org/{doi}" for doi in site.papers),
    }  # fmt: skip
    for key, value in rows.items():
        click.echo(f"{key:<20} {value if value else 'not stated'}")
