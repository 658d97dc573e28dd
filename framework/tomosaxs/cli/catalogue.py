"""``tomosaxs list``, ``show`` and ``schema``: what exists and how it is used."""

from __future__ import annotations

import json
import re
from pathlib import Path

import click

from tomosaxs.errors import InputError, did_you_mean
from tomosaxs.shipped import shipped_lists


def _title(path: Path) -> str:
    for line in path.read_text().splitlines():
        if line.startswith("title:"):
            return line.removeprefix("title:").strip()
    return ""


def _has(text: str, word: str) -> bool:
    """Return whether a word of the text begins with `word`: ``ring`` finds rings, not during."""
    return re.search(rf"(?<![a-z]){re.escape(word)}", text) is not None


@click.command(name="list")
@click.argument("words", nargs=-1)
def list_plugins(words: tuple[str, ...]) -> None:
    """List plugins, backends and ready-made lists; with WORDS, those that have all of them in name or text."""
    from tomosaxs import registry

    rows: list[tuple[str, str, str, str, str]] = []
    for entry in registry.plugins().values():
        rows.append((entry.kind, entry.name, entry.summary, entry.missing(), entry.words))
    for plugin in registry.plugins():
        for backend in registry.backends(plugin).values():
            rows.append(("backend", f"{plugin}: {backend.name}", backend.summary, backend.missing(), ""))
    for name, path in shipped_lists().items():
        rows.append(("list", name, f"{_title(path)} ({path})", "", path.read_text()))
    wanted = [word.lower() for word in words]
    found = [row for row in rows if all(_has(" ".join(row).lower(), word) for word in wanted)]
    if not found:
        everything = {part for row in rows for part in row[1].replace(":", " ").split()}
        raise InputError(f"nothing has the words {' '.join(words)!r}{did_you_mean(words[0], everything)}")
    heads = {"loader": "Loaders", "step": "Steps", "estimator": "Estimators", "saver": "Savers",
             "backend": "Backends", "list": "Ready-made lists"}  # fmt: skip
    for kind, head in heads.items():
        these = [row for row in found if row[0] == kind]
        if these:
            click.echo(click.style(head, bold=True))
            width = max(len(row[1]) for row in these)
            for _, name, summary, missing, _ in these:
                click.echo(f"  {name:<{width}}  {summary}")
                if missing:
                    click.echo(f"  {'':<{width}}  not available: {missing}")
    for reason in registry.broken().values():
        click.echo(f"could not be imported: {reason}", err=True)


@click.command()
@click.argument("name")
def show(name: str) -> None:
    """Explain a plugin: NAME, or ./file.py:NAME."""
    from tomosaxs import registry
    from tomosaxs.cli.explain import explain

    if name in shipped_lists() and name not in registry.plugins():
        click.echo(shipped_lists()[name].read_text())
        return
    owners = [plugin for plugin in registry.plugins() if name in registry.backends(plugin)]
    if owners and name not in registry.plugins():
        raise InputError(f"{name} is a backend of {', '.join(owners)}: tomosaxs show {owners[0]}")
    click.echo(explain(registry.find(name)))


@click.command()
@click.option("-o", "--output", type=click.Path(path_type=Path), help="File; default standard output.")
def schema(output: Path | None) -> None:
    """Print the JSON schema of process lists, so that editors complete and check them."""
    from tomosaxs.process_list.schema import json_schema
    from tomosaxs.registry import plugins

    text = json.dumps(json_schema(plugins()), indent=2)
    if output is None:
        click.echo(text)
    else:
        output.write_text(text + "\n")
