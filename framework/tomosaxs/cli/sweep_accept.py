"""``tomosaxs sweep LIST --accept K``: the values of a picture go into the list, and nothing else changes."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tomosaxs.cli.sweep_report import read_record
from tomosaxs.errors import InputError
from tomosaxs.process_list.edit import Change, with_values
from tomosaxs.process_list.tree import Faults, plain, short_plugin
from tomosaxs.process_list.yaml_text import load


def accept(process_list: Path, folder: Path, number: int) -> str:
    """Write the values of picture `number` into the list; return the difference.

    Raises
    ------
    InputError
        When there is no such sweep or picture, or the list says something else than when it was swept.
    """
    record = read_record(folder)
    picture = next((each for each in record["pictures"] if each["number"] == number), None)
    if picture is None:
        raise InputError(f"--accept {number}: the sweep has the pictures 1 to {len(record['pictures'])}")
    try:
        with process_list.open(encoding="utf-8", newline="") as handle:
            text = handle.read()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{process_list} cannot be read: {error}") from None
    values = [Change(each["step"], each["parameter"], each["value"]) for each in picture["values"]]
    _same_list(process_list, text, record, values)
    changed = with_values(text, values)
    part = process_list.with_name(process_list.name + ".part")
    with part.open("w", encoding="utf-8", newline="") as handle:
        handle.write(changed)
    part.chmod(process_list.stat().st_mode)
    part.replace(process_list.resolve())
    return _difference(process_list, text, changed)


def _difference(file: Path, before: str, after: str) -> str:
    old, new = (text.replace("\r\n", "\n").splitlines() for text in (before, after))
    lines = difflib.unified_diff(old, new, f"{file} (before)", str(file), lineterm="", n=1)
    return "\n".join(lines) or f"{file}: these are its values already"


def _same_list(file: Path, text: str, record: Mapping[str, Any], values: Sequence[Change]) -> None:
    """Refuse a list that would process the data differently now, whatever its swept parameters say."""
    now, then = (_meaning(each, values) for each in (text, record["text"]))
    if now == then:
        return
    told = "; ".join(_differences(then, now)) or "its steps"
    raise InputError(
        f"{file} is not the list that was swept ({record['list']}): {told}; run the sweep again, or change "
        + ", ".join(f"step {each.step} {each.key}: {each.value}" for each in values)
        + " by hand"
    )


def _meaning(text: str, values: Sequence[Change]) -> dict[str, Any]:
    """Return what a list does to the data, without title, comments and the swept parameters."""
    faults = Faults(None)
    tree = plain(load(text.removeprefix("\ufeff"), faults))
    faults.raise_any()
    if not isinstance(tree, dict):
        return {}
    found = {key: value for key, value in tree.items() if key not in ("title", "output")}
    steps = found.get("steps")
    found["steps"] = [dict(each) if isinstance(each, dict) else each for each in steps] if steps else []
    for change in values:
        if change.step <= len(found["steps"]) and isinstance(found["steps"][change.step - 1], dict):
            found["steps"][change.step - 1].pop(change.key, None)
    return found


def _differences(then: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Return what is different, for a message."""
    told = [f"{key}: is another one" for key in ("input", "paths", "site", "version") if then.get(key) != now.get(key)]
    old, new = then.get("steps", []), now.get("steps", [])
    if len(old) != len(new):
        told.append(f"it had {len(old)} steps and has {len(new)}")
    for number, (one, other) in enumerate(zip(old, new, strict=False), start=1):
        if one == other or not (isinstance(one, dict) and isinstance(other, dict)):
            continue
        called = f"step {number} {one.get('name') or short_plugin(str(one.get('plugin', '')))}"
        for key in dict.fromkeys([*one, *other]):
            if one.get(key) != other.get(key):
                told.append(f"{called}: {key} was {one.get(key, 'not given')}, is {other.get(key, 'not given')}")
    return told
