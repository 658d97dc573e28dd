"""``--set``, ``--input`` and ``--root``: the command line changes a list before it is read."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tomosaxs.errors import ListError, did_you_mean
from tomosaxs.process_list.tree import Faults, Keyed, Listed, Place, short_plugin
from tomosaxs.process_list.yaml_text import load


def apply_settings(tree: Keyed, settings: Sequence[str], faults: Faults) -> None:
    """Put every ``STEP.PARAM=VALUE`` into the list; STEP may also be an input's name or ``output``."""
    targets = Targets(tree)
    for text in settings:
        place = Place(None, f"--set {text}")
        address, separator, value = text.partition("=")
        if not separator or not address.strip():
            faults.add("write --set STEP.PARAM=VALUE", place)
            continue
        parts = address.strip().split(".")
        own = Faults(faults.file)
        entry, rest, problem = targets.find(parts)
        if not problem and not all(rest):
            problem = "a name is missing beside the dot; write --set STEP.PARAM=VALUE"
        if problem or entry is None:
            own.add(problem, place)
        else:
            _put(entry, rest, _value(value, own, place), place, own)
        faults.extend(own.problems)


def _value(text: str, faults: Faults, place: Place) -> Any:
    try:
        return load(text, faults, place.setting)
    except ListError:
        return None  # the fault is noted already


def _put(entry: Keyed, names: list[str], value: Any, place: Place, faults: Faults) -> None:
    if faults.problems:
        return
    at = entry
    for number, name in enumerate(names[:-1]):
        inner = at.get(name)
        if inner is None:
            inner = Keyed(place)
        elif not isinstance(inner, Keyed):
            faults.add(f"{'.'.join(names[: number + 1])} is no mapping, so it has no {names[number + 1]!r}", place)
            return
        at.put(name, inner, place)
        at = inner
    at.put(names[-1], value, place)


class Targets:
    """Finds the entry that the first words of a setting name."""

    def __init__(self, tree: Keyed) -> None:
        self.steps: list[tuple[int, Keyed]] = []
        found = tree.get("steps")
        if isinstance(found, Listed):
            self.steps = [(n, step) for n, step in enumerate(found, start=1) if isinstance(step, Keyed)]
        section = tree.get("input")
        inputs = section if isinstance(section, Keyed) else {}
        self.inputs = {str(name): entry for name, entry in inputs.items() if isinstance(entry, Keyed)}
        self.outputs = _outputs(tree)
        # looked up before anything is changed, so that the order of settings does not matter
        self.names = {str(step["name"]): step for _, step in self.steps if isinstance(step.get("name"), str)}
        self.plugins: dict[str, list[tuple[int, Keyed]]] = {}
        for number, step in self.steps:
            plugin = step.get("plugin")
            if isinstance(plugin, str):
                for called in {plugin, short_plugin(plugin)}:
                    self.plugins.setdefault(called, []).append((number, step))

    def find(self, parts: list[str]) -> tuple[Keyed | None, list[str], str]:
        """Return the entry, the names inside it, and what is wrong (empty when all is well)."""
        for cut in range(len(parts) - 1, 0, -1):
            entry, problem = self._named(".".join(parts[:cut]))
            if problem or entry is not None:
                return entry, parts[cut:], problem
        whole, problem = self._named(".".join(parts))
        if whole is not None or problem:
            return None, [], problem or "which parameter? write --set STEP.PARAM=VALUE"
        known = [*self.names, *self.plugins, *self.inputs, *(["output"] if self.outputs else [])]
        return None, [], f"no step or input is called {parts[0]!r}{did_you_mean(parts[0], known)}"

    def _named(self, name: str) -> tuple[Keyed | None, str]:
        if name in self.names:
            return self.names[name], ""
        same = self.plugins.get(name, [])
        if len(same) == 1:
            return same[0][1], ""
        if same:
            listed = ", ".join(f"step {n}" + (f" (line {s.place.line})" if s.place.line else "") for n, s in same)
            number = same[0][0]
            return None, f"{len(same)} steps use {name}: {listed}; use the number, --set {number}.PARAM=VALUE"
        if name.isascii() and name.isdigit():
            step = next((step for number, step in self.steps if str(number) == name), None)
            return (step, "") if step is not None else (None, f"there is no step {name}: {len(self.steps)} steps exist")
        if name in self.inputs:
            return self.inputs[name], ""
        if name.startswith("input.") and name[6:] in self.inputs:
            return self.inputs[name[6:]], ""
        return self._output(name)

    def _output(self, name: str) -> tuple[Keyed | None, str]:
        if name == "output" and len(self.outputs) == 1:
            return self.outputs[0], ""
        if name.startswith("output."):
            for number, entry in enumerate(self.outputs, start=1):
                if name[7:] in (str(number), entry.get("plugin")):
                    return entry, ""
        return None, ""


def _outputs(tree: Keyed) -> list[Keyed]:
    section = tree.get("output")
    if section is None:
        section = Keyed(tree.place)
        section.put("plugin", "nexus", tree.place)
        tree.put("output", section, tree.place)
    entries = section if isinstance(section, Listed) else [section]
    return [entry for entry in entries if isinstance(entry, Keyed)]


def apply_inputs(tree: Keyed, inputs: Sequence[str], faults: Faults) -> None:
    """Put every ``[NAME=]PATH`` into the list; a relative path belongs to the current folder."""
    section = tree.get("input")
    entries = section if isinstance(section, Keyed) else Keyed(tree.place)
    given: dict[str, str] = {}
    for text in inputs:
        place = Place(None, f"--input {text}")
        name, path, problem = _which(text, [str(key) for key in entries])
        if not problem and name in given:
            problem = f"input {name!r} is given twice, first as {given[name]}"
        if not problem and not path.strip():
            problem = "the path is empty; write --input [NAME=]PATH"
        entry = entries.get(name)
        if problem or not isinstance(entry, Keyed):
            faults.add(problem or f"input {name!r} is no mapping in the list", place)
            continue
        given[name] = place.setting
        entry.put("path", from_here(path), place)


def _which(text: str, names: list[str]) -> tuple[str, str, str]:
    """Return name, path and what is wrong."""
    name, separator, path = text.partition("=")
    if separator and name in names:
        return name, path, ""
    named = bool(separator) and name.isidentifier() and not _exists(text)
    if named:
        return name, path, f"the list has no input {name!r}{did_you_mean(name, names)}"
    if len(names) == 1:
        return names[0], text, ""
    if not names:
        return "", text, "the list has no input"
    return "", text, f"the list has {len(names)} inputs: say which, for instance --input {names[0]}={text}"


def _exists(path: str) -> bool:
    try:
        return Path(path).expanduser().exists()
    except (OSError, ValueError, RuntimeError):
        return False


def from_here(path: str) -> str:
    """Return a path that was typed in the current folder as an absolute one."""
    try:
        return str(Path.cwd() / Path(path).expanduser())
    except (OSError, RuntimeError):
        return path


class Roots:
    """``--root OLD=NEW``: another value for a variable, or another beginning for paths.

    OLD is a variable of ``paths:``, else the first folders of paths. A NEW that has a ``/`` or begins with
    ``.`` or ``~`` is a path seen from the current folder.
    """

    def __init__(self, roots: Sequence[str], tree: Keyed, faults: Faults) -> None:
        self.prefixes: list[tuple[str, str, Place]] = []
        self.used: set[str] = set()
        self.faults = faults
        section = tree.get("paths")
        for text in roots:
            place = Place(None, f"--root {text}")
            old, separator, new = text.partition("=")
            if not separator or not old or not new:
                faults.add("write --root OLD=NEW", place)
                continue
            looks_like_path = "/" in new or os.sep in new or new[0] in ".~"
            value = from_here(new) if looks_like_path else new
            if isinstance(section, Keyed) and old in section:
                section.put(old, value, place)
            else:
                self.prefixes.append((old, value, place))

    def replace(self, text: str) -> str:
        """Return a text of the list with its beginning replaced where it is an old root."""
        for old, new, place in self.prefixes:
            head = old.rstrip("/")
            if (text == old and "/" in old) or (head and text.startswith(head + "/")):
                self.used.add(place.setting)
                return new.rstrip("/") + text[len(head) :]
        return text

    def report_unused(self) -> None:
        """An old root that nothing begins with is a fault: the list would run on the old data."""
        for old, _, place in self.prefixes:
            if place.setting not in self.used:
                self.faults.add(f"{old!r} is no variable of paths: and no path of the list begins with it", place)
