"""From a tree with places to a ProcessList: which keys exist, and of which kind their values are."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tomosaxs.binned import check_bin
from tomosaxs.errors import did_you_mean
from tomosaxs.plugin import INPUT_KEYS
from tomosaxs.process_list.crop import check_crop
from tomosaxs.process_list.entries import InputEntry, OutputEntry, ProcessList
from tomosaxs.process_list.settings import Roots, apply_inputs, apply_settings
from tomosaxs.process_list.steps import StepReader
from tomosaxs.process_list.tree import Faults, Keyed, Listed, Place, kind_of, plain, shown
from tomosaxs.process_list.values import Values, parameters_of, places_of
from tomosaxs.process_list.variables import NAME, Expander, read_variables

VERSIONS = (1,)
TOP_KEYS = ("version", "title", "site", "paths", "input", "steps", "output")


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
        tuple(StepReader(builder.values, builder.variables, faults).steps(tree)),
        tuple(builder.outputs()),
        faults.file,
        folder,
        text,
        builder.variables,
        tuple(f"{option} {each}" for option, given in options for each in given),
        *builder.site(),
    )
    builder.roots.report_unused()
    return made


def _a(value: Any) -> str:
    return {"text": "a plain text", "list": "a list"}.get(kind_of(value), shown(value))


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
        self.values = Values(self.expander, self.faults)

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

    def site(self) -> tuple[str, int | None]:
        """Return the site that the list names and the line; empty where it names none."""
        if "site" not in self.tree:
            return "", None
        text = self.values.text(self.tree, "site", "", required=True)
        return self.expander.expand(text or "", self.tree.place_of("site"), "site"), self.tree.place_of("site").line

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
        value = self.values.expanded(value, where)
        lines, settings = places_of(value)
        if place.line is not None:
            lines[""] = place.line
        plugin = self.values.plugin(value, where, INPUT_KEYS)
        paths = self.values.texts(value, "path", where)
        crop = value.get("crop")
        if crop is not None:
            for message, axis in check_crop(plain(crop)):
                spot = crop.place_of(axis) if isinstance(crop, Keyed) else value.place_of("crop")
                self.faults.add(message, spot, f"{where}.crop")
        binned = value.get("bin")
        faults = [] if binned is None else check_bin(plain(binned))
        for message, axis in faults:
            spot = binned.place_of(axis) if isinstance(binned, Keyed) else value.place_of("bin")
            self.faults.add(message, spot, f"{where}.bin")
        return InputEntry(
            plugin=plugin,
            parameters=parameters_of(value, INPUT_KEYS),
            lines=lines,
            settings=settings,
            name=str(name),
            paths=paths,
            crop=plain(crop) if isinstance(crop, Keyed) else {},
            bin=plain(binned) if isinstance(binned, Keyed) and not faults else {},
        )

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
            spot = section.places[number - 1] if isinstance(section, Listed) else place
            if not isinstance(value, Keyed):
                message = f"expected a mapping with plugin:, got {shown(value)}"
                self.faults.add(message, spot, where)
                continue
            value = self.values.expanded(value, where)
            lines, settings = places_of(value)
            if spot.line is not None:
                lines[""] = spot.line
            plugin = "nexus" if "plugin" not in value else self.values.plugin(value, where, ("plugin",))
            made.append(OutputEntry(plugin, parameters_of(value, ("plugin",)), lines, settings, number))
        return made
