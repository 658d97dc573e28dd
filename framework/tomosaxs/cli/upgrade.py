"""``tomosaxs upgrade``."""

from __future__ import annotations

import difflib
import os
from pathlib import Path

import click

from tomosaxs.errors import InputError


@click.command()
@click.argument("lists", nargs=-1, required=True, metavar="LIST.yml...", type=click.Path(path_type=Path))
@click.option("--check", is_flag=True, help="Change nothing; the exit status is 1 where something would change.")
def upgrade(lists: tuple[Path, ...], check: bool) -> int:
    """Bring lists up to date, in place: what has a new name gets it; comments and all else stay as they are.

    What was changed is printed. A list that would still be at fault is told so by tomosaxs check.
    """
    from tomosaxs import registry
    from tomosaxs.process_list.upgrade import upgrade_text

    found = []
    for path in lists:
        try:
            old = path.read_bytes().decode("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"{path} cannot be read as a process list: {error}") from None
        try:
            found.append((path, old, upgrade_text(old, registry.plugins())))
        except InputError as error:
            raise InputError(f"{path}: {error}") from None
    changed = [each for each in found if each[2].changes]
    for path, old, new in found:
        if not new.changes:
            click.echo(f"{path}: up to date")
            continue
        click.echo(f"{path}: " + "; ".join(f"line {change.line}: {change.words}" for change in new.changes))
        for line in difflib.unified_diff(old.splitlines(), new.text.splitlines(), lineterm="", n=0):
            if line[:1] in "+-" and not line.startswith(("+++", "---")):
                click.echo(f"  {line}")
        if not check:
            _write(path, new.text)
    return int(check and bool(changed))


def _write(path: Path, text: str) -> None:
    """Replace the file when the new one is whole."""
    part = path.with_name(f".{path.name}.part")
    try:
        part.write_bytes(text.encode("utf-8"))
        part.chmod(path.stat().st_mode)
        os.replace(part, path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise InputError(f"{path} cannot be written: {error}") from None
