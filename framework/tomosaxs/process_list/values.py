"""Single values of an entry: which kind each must have."""

from __future__ import annotations

from typing import Any

from tomosaxs.errors import did_you_mean
from tomosaxs.plugin import STEP_KEYS
from tomosaxs.process_list.tree import Faults, Keyed, Listed, key_places, plain, shown
from tomosaxs.process_list.variables import NAME, Expander


def places_of(mapping: Keyed) -> tuple[dict[str, int], dict[str, str]]:
    """Return the lines and the command line options of an entry's keys."""
    places = {"": mapping.place, **key_places(mapping)}
    lines = {key: place.line for key, place in places.items() if place.line is not None}
    return lines, {key: place.setting for key, place in places.items() if place.setting}


def parameters_of(value: Keyed, keys: tuple[str, ...]) -> dict[str, Any]:
    """Return what is left when the keys of every entry are taken away."""
    return {key: plain(each) for key, each in value.items() if key not in keys}


class Values:
    """Reads the values of one entry after another; every fault is collected.

    Parameters
    ----------
    expander : Expander
        Fills in variables.
    faults : Faults
        Receives what is wrong.
    """

    def __init__(self, expander: Expander, faults: Faults) -> None:
        self.expander, self.faults = expander, faults

    def expanded(self, value: Keyed, where: str, *, references: bool = False) -> Keyed:
        """Fill in variables; keys that are no text are reported and dropped."""
        made = Keyed(value.place)
        for key, each in value.items():
            place = value.place_of(key)
            if not isinstance(key, str):
                self.faults.add(f"a key must be a text, got {shown(key)}", place, where)
                continue
            allowed = references and key not in STEP_KEYS
            made.put(key, self.expander.expand(each, place, f"{where}.{key}", reference=allowed), place)
        return made

    def plugin(self, value: Keyed, where: str, keys: tuple[str, ...]) -> str:
        """Return the plugin that the entry names; empty where it names none."""
        if "plugin" not in value:
            near = did_you_mean("plugin", [key for key in value if key not in keys])
            hint = near.replace("did you mean", "instead of") if "did you mean" in near else ""
            self.faults.add(f"it names no plugin: write plugin: NAME{hint}", value.place, where)
            return ""
        return self.text(value, "plugin", where, required=True) or ""

    def text(self, value: Keyed, key: str, where: str, *, required: bool = False) -> str | None:
        """Return a text; None where it is absent or no text."""
        given = value.get(key)
        if given is None and not (required and key in value):
            return None
        if not isinstance(given, str) or not given.strip():
            got = "an empty text" if isinstance(given, str) else shown(given)
            self.faults.add(f"expected a text, got {got}", value.place_of(key), f"{where}.{key}")
            return None
        return given

    def texts(self, value: Keyed, key: str, where: str) -> tuple[str, ...] | None:
        """Return a text, or those of a list; None where they are absent or one is no text."""
        given = value.get(key)
        if not isinstance(given, Listed):
            text = self.text(value, key, where)
            return None if text is None else (text,)
        good = True
        for each, place in zip(given, given.places, strict=True):
            if not isinstance(each, str) or not each.strip():
                got = "an empty text" if isinstance(each, str) else shown(each)
                self.faults.add(f"expected a text, or a list of texts, got {got}", place, f"{where}.{key}")
                good = False
        if not given:
            self.faults.add("expected a text, or a list of texts, got an empty list", given.place, f"{where}.{key}")
        return tuple(given) if given and good else None

    def flag(self, value: Keyed, key: str, where: str, default: bool) -> bool:
        """Return true or false."""
        given = value.get(key, default)
        if isinstance(given, bool):
            return given
        self.faults.add(f"expected true or false, got {shown(given)}", value.place_of(key), f"{where}.{key}")
        return default

    def datasets(self, value: Keyed, key: str, where: str) -> tuple[str, ...]:
        """Return one or several names of datasets; empty where the list is silent."""
        given = value.get(key)
        if given is None:
            return ()
        names = given if isinstance(given, list) else [given]
        place = value.place_of(key)
        if any(isinstance(name, str) and "${" in name for name in names):
            return ()  # it leads nowhere, which is reported already
        wrong = [name for name in names if not isinstance(name, str) or not NAME.fullmatch(name)]
        if wrong or not names:
            got = shown(wrong[0]) if wrong else "an empty list"
            self.faults.add(f"expected the name of a dataset, or a list of names, got {got}", place, f"{where}.{key}")
            return ()
        return tuple(names)
