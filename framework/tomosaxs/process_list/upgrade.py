"""Bring an old list up to date: what has a new name gets it, and not a character else changes."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from tomosaxs.entries import PluginEntry
from tomosaxs.errors import InputError, TomosaxsError
from tomosaxs.plugin import PluginSpec
from tomosaxs.process_list.tree import short_plugin
from tomosaxs.registry import find

_REFERENCE = re.compile(r"\$\{([A-Za-z_]\w*)((?:\.\w+)?)\}")


@dataclass(frozen=True)
class Change:
    """One name that is replaced: `start` and `end` are places in the text."""

    start: int
    end: int
    new: str
    line: int
    words: str


@dataclass
class Upgraded:
    """A list with the names of today.

    Parameters
    ----------
    text : str
    changes : list of Change
        In the order of the text; empty where the list is up to date.
    """

    text: str
    changes: list[Change] = field(default_factory=list)


def upgrade_text(text: str, entries: Mapping[str, PluginEntry]) -> Upgraded:
    """Return a list with former names of plugins and parameters replaced; comments and all else stay.

    Parameters
    ----------
    text : str
        The list.
    entries : mapping of str to PluginEntry
        Registered plugins by name; their `former` names, and those of their parameters, are what is looked for.

    Raises
    ------
    InputError
        When the text is not YAML, or an old and a new name of one parameter are both given.
    """
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        raise InputError(f"the list cannot be read as YAML: {' '.join(str(error).split())}") from None
    found = _Finder(text, entries)
    if isinstance(root, MappingNode):
        found.look(root)
    changes = sorted(found.changes, key=lambda change: change.start)
    for change in reversed(changes):
        text = text[: change.start] + change.new + text[change.end :]
    return Upgraded(text, changes)


class _Finder:
    def __init__(self, text: str, entries: Mapping[str, PluginEntry]) -> None:
        self.text, self.entries = text, entries
        self.today = {old: entry.name for entry in entries.values() for old in entry.former if old not in entries}
        self.changes: list[Change] = []
        self.labels: dict[str, str] = {}

    def look(self, root: MappingNode) -> None:
        """Find what is to be replaced; references come last, when renamed steps are known."""
        for key, value in root.value:
            section = key.value if isinstance(key, ScalarNode) else ""
            if section == "input" and isinstance(value, MappingNode):
                for _, entry in value.value:
                    self._entry(entry)
            elif section in ("steps", "output"):
                for entry in value.value if isinstance(value, SequenceNode) else [value]:
                    self._entry(entry)
        if self.labels:
            for node in _scalars(root):
                self._references(node)

    def _entry(self, entry: Node) -> None:
        if not isinstance(entry, MappingNode):
            return
        given = {key.value: (key, value) for key, value in entry.value if isinstance(key, ScalarNode)}
        plugin = given.get("plugin", (None, None))[1]
        if not isinstance(plugin, ScalarNode):
            return
        old = str(plugin.value)
        name = self.today.get(old, old)
        if name != old:
            self._replace(plugin, name, f"plugin {old} is called {name}")
            if "name" not in given:  # the step was known by its plugin
                self.labels[short_plugin(old)] = short_plugin(name)
        for former, now in _former_parameters(name, self.entries).items():
            if former in given:
                if now in given:
                    line = given[former][0].start_mark.line + 1
                    raise InputError(f"line {line}: {former} is called {now}, and {now} is given too: take one away")
                self._replace(given[former][0], now, f"{name}.{former} is called {now}")

    def _references(self, node: ScalarNode) -> None:
        raw = self.text[node.start_mark.index : node.end_mark.index]
        for match in _REFERENCE.finditer(raw):
            if match[1] in self.labels:
                start = node.start_mark.index + match.start(1)
                new = self.labels[match[1]]
                words = f"the step {match[1]} is called {new}"
                self.changes.append(Change(start, start + len(match[1]), new, node.start_mark.line + 1, words))

    def _replace(self, node: ScalarNode, new: str, words: str) -> None:
        """Replace a scalar, inside its quotes where it has any."""
        start, end = node.start_mark.index, node.end_mark.index
        if node.style in ("'", '"'):
            start, end = start + 1, end - 1
        self.changes.append(Change(start, end, new, node.start_mark.line + 1, words))


def _former_parameters(name: str, entries: Mapping[str, PluginEntry]) -> dict[str, str]:
    """Return old -> new names of a plugin's parameters; none where the plugin cannot be looked at."""
    if name not in entries or entries[name].missing():
        return {}
    try:
        return former_parameters(find(name))
    except TomosaxsError:
        return {}


def former_parameters(spec: PluginSpec) -> dict[str, str]:
    """Return old -> new names of a plugin's parameters."""
    return {old: declared.name for declared in spec.parameters for old in declared.param.former}


def _scalars(node: Node) -> Iterator[ScalarNode]:
    if isinstance(node, ScalarNode):
        yield node
    elif isinstance(node, MappingNode):
        for key, value in node.value:
            yield from _scalars(key)
            yield from _scalars(value)
    elif isinstance(node, SequenceNode):
        for each in node.value:
            yield from _scalars(each)
