"""From a tree with places to a ProcessList: which keys exist, and of which kind their values are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from tomosaxs.errors import did_you_mean
from tomosaxs.process_list.crop import check_crop
from tomosaxs.process_list.entries import InputEntry, OutputEntry, ProcessList, Reference, StepEntry
from tomosaxs.process_list.settings import Roots, apply_inputs, apply_settings
from tomosaxs.process_list.tree import (
    Faults,
    Keyed,
    Listed,
    Place,
    key_places,
    kind_of,
    plain,
    short_plugin,
    shown,
    step_where,
)
from tomosaxs.process_list.variables import NAME, Expander, as_reference, read_variables

VERSIONS = (1,)
TOP_KEYS = ("version", "title", "paths", "input", "steps", "output")
INPUT_KEYS = ("plugin", "path", "crop")
STEP_KEYS = ("plugin", "name", "on", "to", "save", "active")


def build(
    tree: Any,
    faults: Faults,
    *,
    folder: Path,
    text: str,
    settings: Sequence[str],
    inputs: Sequence[str],
    roots: Sequence[str],
) -> ProcessList:
    """Return the list that a document describes; faults are collected, what is left is usable.

    Raises
    ------
    ListError
        When nothing can be made of it: empty, or not a mapping.
    """
    if tree is None:
        raise faults.stop("the list is empty: it needs input: and steps:", Place(1))
    if not isinstance(tree, Keyed):
        message = f"a process list is a mapping with the keys {', '.join(TOP_KEYS[1:])}; this is {_a(tree)}"
        raise faults.stop(message, tree.place if isinstance(tree, Listed) else Place(1))
    builder = _Builder(tree, faults)
    builder.check_top()
    apply_settings(tree, settings, faults)
    apply_inputs(tree, inputs, faults)
    builder.prepare(Roots(roots, tree, faults))
    options = [("--set", settings), ("--input", inputs), ("--root", roots)]
    made = ProcessList(
        builder.title(),
        tuple(builder.inputs()),
        tuple(builder.steps()),
        tuple(builder.outputs()),
        faults.file,
        folder,
        text,
        builder.variables,
        tuple(f"{option} {each}" for option, given in options for each in given),
    )
    builder.roots.report_unused()
    return made


def _a(value: Any) -> str:
    return {"text": "a plain text", "list": "a list"}.get(kind_of(value), shown(value))


def _lines(mapping: Keyed) -> tuple[dict[str, int], dict[str, str]]:
    """Return the lines and the command line options of an entry's keys."""
    places = {"": mapping.place, **key_places(mapping)}
    lines = {key: place.line for key, place in places.items() if place.line is not None}
    return lines, {key: place.setting for key, place in places.items() if place.setting}


class _Builder:
    def __init__(self, tree: Keyed, faults: Faults) -> None:
        self.tree, self.faults = tree, faults
        self.variables: dict[str, str] = {}

    def check_top(self) -> None:
        """Report keys that do not exist and keys that must be there."""
        tree = self.tree
        for key in tree:
            if key not in TOP_KEYS:
                message = f"unknown key {key!r}{did_you_mean(str(key), TOP_KEYS)}"
                self.faults.add(message, tree.place_of(key))
        version = tree.get("version", VERSIONS[0])
        if isinstance(version, bool) or version not in VERSIONS:
            message = f"version {version!r} of process lists is not supported (supported: 1)"
            self.faults.add(message, tree.place_of("version"), "version")

    def prepare(self, roots: Roots) -> None:
        """Resolve the variables."""
        self.roots = roots
        place = self.tree.place_of("paths")
        written = read_variables(self.tree.get("paths"), place, self.faults)
        self.variables = {name: roots.replace(text) for name, text in written.items()}
        self.expander = Expander(self.variables, self.faults, self._step_names, roots.replace)

    def _step_names(self) -> list[str]:
        steps = self.tree.get("steps")
        found = [step for step in steps if isinstance(step, dict)] if isinstance(steps, list) else []
        return [str(step.get("name") or step.get("plugin")) for step in found]

    def title(self) -> str:
        """Return the title as text."""
        value, place = self.tree.get("title"), self.tree.place_of("title")
        if isinstance(value, (Keyed, Listed)):
            self.faults.add(f"expected a text, got {shown(value)}", place, "title")
            return ""
        return str(self.expander.expand("" if value is None else str(value), place, "title"))

    # inputs

    def inputs(self) -> list[InputEntry]:
        """Return the entries of ``input:``."""
        section, place = self.tree.get("input"), self.tree.place_of("input")
        example = "input: {tomo: {plugin: tomography, path: scan.nxs}}"
        if "input" not in self.tree or section is None or section == {}:
            self.faults.add(f"the list reads no data: it needs {example}", place, "input")
            return []
        if not isinstance(section, Keyed):
            self.faults.add(f"expected a mapping such as {example}, got {shown(section)}", place, "input")
            return []
        if "plugin" in section and not isinstance(section["plugin"], Keyed):
            self.faults.add(f"give the dataset a name: {example}", section.place_of("plugin"), "input")
            return []
        made = [self._input(name, section[name], section.place_of(name)) for name in section]
        return [entry for entry in made if entry is not None]

    def _input(self, name: Any, value: Any, place: Place) -> InputEntry | None:
        where = f"input {name}"
        if not isinstance(name, str) or not NAME.fullmatch(name):
            message = "the name of a dataset begins with a letter and holds letters, digits and _ only"
            self.faults.add(message, place, where)
        if not isinstance(value, Keyed):
            message = f"expected a mapping with plugin: and path:, got {shown(value)}"
            self.faults.add(message, place, where)
            return None
        value = self._expanded(value, where)
        lines, settings = _lines(value)
        if place.line is not None:
            lines[""] = place.line
        plugin = self._plugin(value, place, where, INPUT_KEYS)
        path = self._text(value, "path", where)
        crop = value.get("crop")
        if crop is not None:
            for message, axis in check_crop(plain(crop)):
                spot = crop.place_of(axis) if isinstance(crop, Keyed) else value.place_of("crop")
                self.faults.add(message, spot, f"{where}.crop")
        return InputEntry(
            plugin=plugin,
            parameters=_rest(value, INPUT_KEYS),
            lines=lines,
            settings=settings,
            name=str(name),
            path=path,
            crop=plain(crop) if isinstance(crop, Keyed) else {},
        )

    # steps

    def steps(self) -> list[StepEntry]:
        """Return the entries of ``steps:``."""
        section, place = self.tree.get("steps"), self.tree.place_of("steps")
        if "steps" not in self.tree or section is None or section == []:
            self.faults.add("there are no steps: write  - plugin: NAME  below steps:", place, "steps")
            return []
        if not isinstance(section, Listed):
            message = f"expected a list of steps, each beginning with  - plugin: NAME, got {shown(section)}"
            self.faults.add(message, place, "steps")
            return []
        made = []
        for number, value in enumerate(section, start=1):
            spot = section.places[number - 1]
            if isinstance(value, Keyed):
                made.append(self._step(number, value, spot))
            else:
                message = f"a step is written  - plugin: NAME, got {shown(value)}"
                self.faults.add(message, spot, f"step {number}")
        self._names(made)
        return _labelled(made)

    def _step(self, number: int, value: Keyed, place: Place) -> StepEntry:
        where = step_where(number, value)
        value = self._expanded(value, where, references=True)
        lines, settings = _lines(value)
        name = self._text(value, "name", where)
        if name is not None and not NAME.fullmatch(name):
            message = f"a name begins with a letter and holds letters, digits and _ only, got {name!r}"
            self.faults.add(message, value.place_of("name"), f"{where}.name")
        plugin = self._plugin(value, place, where, STEP_KEYS)
        parameters = _rest(value, STEP_KEYS)
        references: dict[str, Reference] = {}
        sweeps: dict[str, tuple[Any, ...]] = {}
        for key, given in parameters.items():
            reference = as_reference(given)
            if reference is not None and not (reference.field == "value" and reference.estimate in self.variables):
                references[key] = reference
            elif isinstance(given, dict) and set(given) == {"sweep"}:
                sweeps[key] = self._sweep(given["sweep"], value.place_of(key), f"{where}.{key}")
        return StepEntry(
            plugin=plugin,
            parameters=parameters,
            lines=lines,
            settings=settings,
            number=number,
            name=name,
            label=name or short_plugin(plugin),
            on=self._datasets(value, "on", where),
            to=self._datasets(value, "to", where),
            save=self._flag(value, "save", where, False),
            active=self._flag(value, "active", where, True),
            references=references,
            sweeps=sweeps,
        )

    def _sweep(self, values: Any, place: Place, where: str) -> tuple[Any, ...]:
        if not isinstance(values, list) or not values:
            given = "an empty list" if values == [] else shown(values)
            self.faults.add(
                f"a sweep is a list of values, for instance {{sweep: [3, 5, 7]}}, got {given}", place, where
            )
            return ()
        return tuple(values)

    def _names(self, steps: list[StepEntry]) -> None:
        first: dict[str, StepEntry] = {}
        for step in steps:
            if step.name is None:
                continue
            where = f"{step.where}.name"
            if step.name in first:
                other = first[step.name]
                line = f" (line {other.lines['name']})" if "name" in other.lines else ""
                message = f"step {other.number}{line} is called {step.name!r} already"
                self.faults.add(message, step.place("name"), where)
            elif step.name in self.variables:
                message = f"paths: has a variable {step.name!r}, so ${{{step.name}}} could mean either"
                self.faults.add(message, step.place("name"), where)
            first.setdefault(step.name, step)

    # outputs

    def outputs(self) -> list[OutputEntry]:
        """Return the entries of ``output:``; ``nexus`` where the list has none."""
        section, place = self.tree.get("output"), self.tree.place_of("output")
        if section is None:
            lines = {} if place.line is None else {"": place.line}
            return [OutputEntry("nexus", {}, lines, {})]
        entries = section if isinstance(section, Listed) else [section]
        if not entries:
            self.faults.add("no output is named: write plugin: nexus, or leave output: away", place, "output")
        made = []
        for number, value in enumerate(entries, start=1):
            where = "output" if len(entries) == 1 else f"output {number}"
            if not isinstance(value, Keyed):
                message = f"expected a mapping with plugin:, got {shown(value)}"
                self.faults.add(message, place, where)
                continue
            value = self._expanded(value, where)
            lines, settings = _lines(value)
            if not isinstance(section, Listed) and place.line is not None:
                lines[""] = place.line
            plugin = "nexus" if "plugin" not in value else self._plugin(value, place, where, ("plugin",))
            made.append(OutputEntry(plugin, _rest(value, ("plugin",)), lines, settings, number))
        return made

    # single values

    def _expanded(self, value: Keyed, where: str, *, references: bool = False) -> Keyed:
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

    def _plugin(self, value: Keyed, place: Place, where: str, keys: tuple[str, ...]) -> str:
        if "plugin" not in value:
            near = did_you_mean("plugin", [key for key in value if key not in keys])
            hint = near.replace("did you mean", "instead of") if "did you mean" in near else ""
            self.faults.add(f"it names no plugin: write plugin: NAME{hint}", value.place, where)
            return ""
        return self._text(value, "plugin", where, required=True) or ""

    def _text(self, value: Keyed, key: str, where: str, *, required: bool = False) -> str | None:
        given = value.get(key)
        if given is None and not (required and key in value):
            return None
        if not isinstance(given, str) or not given.strip():
            got = "an empty text" if isinstance(given, str) else shown(given)
            self.faults.add(f"expected a text, got {got}", value.place_of(key), f"{where}.{key}")
            return None
        return given

    def _flag(self, value: Keyed, key: str, where: str, default: bool) -> bool:
        given = value.get(key, default)
        if isinstance(given, bool):
            return given
        self.faults.add(f"expected true or false, got {shown(given)}", value.place_of(key), f"{where}.{key}")
        return default

    def _datasets(self, value: Keyed, key: str, where: str) -> tuple[str, ...]:
        given = value.get(key)
        if given is None:
            return ()
        names = given if isinstance(given, list) else [given]
        place = value.place_of(key)
        wrong = [name for name in names if not isinstance(name, str) or not NAME.fullmatch(name)]
        if wrong or not names:
            got = shown(wrong[0]) if wrong else "an empty list"
            self.faults.add(f"expected the name of a dataset, or a list of names, got {got}", place, f"{where}.{key}")
            return ()
        repeated = [name for name, count in Counter(names).items() if count > 1]
        if repeated:
            self.faults.add(f"dataset {repeated[0]!r} is named twice", place, f"{where}.{key}")
        return tuple(names)


def _rest(value: Keyed, keys: tuple[str, ...]) -> dict[str, Any]:
    return {key: plain(each) for key, each in value.items() if key not in keys}


def _labelled(steps: list[StepEntry]) -> list[StepEntry]:
    """Make the labels unique: a repeated plugin, or one called like a step's name, gets its number."""
    count = Counter(step.label for step in steps)
    return [
        step if step.name or count[step.label] == 1 else replace(step, label=f"{step.label}#{step.number}")
        for step in steps
    ]
