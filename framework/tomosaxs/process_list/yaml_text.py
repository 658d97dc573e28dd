"""YAML text -> mappings and lists with line numbers; nothing is ever executed or guessed."""

from __future__ import annotations

import math
import re
from typing import Any

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from tomosaxs.process_list.tree import Faults, Keyed, Listed, Place, Unread, step_where

MAX_DEPTH = 40
MAX_VALUES = 100_000
MAX_DIGITS = 60
_TAG = "tag:yaml.org,2002:"


class _TooMuch(Exception):
    """A limit was passed; carries the message and the line."""

    def __init__(self, message: str, line: int) -> None:
        super().__init__(message)
        self.line = line


class ListLoader(yaml.SafeLoader):
    """A safe loader whose plain values are only null, true/false, integers, numbers and text.

    ``yes``, ``no``, ``on`` and ``off``, times and dates stay text, ``1e-3`` is a number, numbers with a
    leading zero stay text (they are names of files and scans).
    """

    yaml_implicit_resolvers: dict[str, list[Any]] = {}  # noqa: RUF012  (as PyYAML declares it)
    depth = 0
    count = 0

    def compose_node(self, parent: Node | None, index: int) -> Node | None:
        """Compose one node; too deep or too many are refused before they can hurt."""
        self.depth += 1
        self.count += 1
        line = self.peek_event().start_mark.line + 1  # type: ignore[no-untyped-call]
        if self.depth > MAX_DEPTH:
            raise _TooMuch(f"values are nested more than {MAX_DEPTH} deep", line)
        if self.count > MAX_VALUES:
            raise _TooMuch(f"more than {MAX_VALUES} values", line)
        try:
            return super().compose_node(parent, index)
        finally:
            self.depth -= 1


_PLAIN = (
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"[-+]?(0|[1-9][0-9]*)|0x[0-9a-fA-F]+|0o[0-7]+", list("-+0123456789")),
    (
        "float",
        r"[-+]?(\.[0-9]+|(0|[1-9][0-9]*)(\.[0-9]*)?)([eE][-+]?[0-9]+)?"
        r"|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
        list("-+.0123456789"),
    ),
    ("merge", r"<<", ["<"]),
)
for _name, _pattern, _first in _PLAIN:
    ListLoader.add_implicit_resolver(_TAG + _name, re.compile(rf"^(?:{_pattern})$"), _first)


def load(text: str, faults: Faults, setting: str = "") -> Any:
    """Read one YAML document.

    Parameters
    ----------
    text : str
        The document.
    faults : Faults
        Receives duplicate keys, unknown tags and other faults after which reading can go on.
    setting : str
        For a value from the command line: the option, which is then the place of every fault.

    Returns
    -------
    Keyed, Listed, str, int, float, bool or None
        The document; None when it is empty.

    Raises
    ------
    ListError
        When it is no YAML.
    """

    def place(line: int | None) -> Place:
        return Place(None, setting) if setting else Place(line)

    try:
        loader = ListLoader(text)
        try:
            node = loader.get_single_node()
        finally:
            loader.dispose()
        return None if node is None else _Converter(faults, setting).document(node)
    except _TooMuch as error:
        raise faults.stop(str(error), place(error.line)) from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        message = f"the character U+{int(error.character):04X} is not allowed in YAML text"
        raise faults.stop(message, place(line)) from None
    except yaml.MarkedYAMLError as error:
        message, at = in_plain_words(error)
        raise faults.stop(message, place(at)) from None
    except yaml.YAMLError as error:
        raise faults.stop(f"not valid YAML: {error}", place(None)) from None


_WORDS = (
    ("found character '\\t'", "a tab: YAML is indented and separated with spaces only"),
    ("but found another document", "a second document begins here (---): a file holds one list"),
    ("mapping values are not allowed",
     "a ': ' that fits nowhere: check the indentation, or put quotes around a text that contains ': '"),
    ("could not find expected ':'", "a key without ': ' behind it, or an indentation that does not fit"),
    ("but found '?'", "a key that does not fit the lines before: check the indentation"),
    ("but found '<block mapping start>'", "this does not fit the lines before: check the indentation"),
    ("but found '<block sequence start>'", "a '- ' that does not fit the lines before: check the indentation"),
    ("but found '-'", "a '- ' that does not fit the lines before: check the indentation"),
    ("block sequence entries are not allowed", "a '- ' is not allowed here: begin it on a line of its own"),
    ("that cannot start any token", "a plain text cannot begin with this character: put quotes around it"),
)  # fmt: skip


def in_plain_words(error: yaml.MarkedYAMLError) -> tuple[str, int | None]:
    """Return what is wrong in a user's words and the line where it was seen."""
    mark = error.problem_mark or error.context_mark
    line = mark.line + 1 if mark is not None else None
    problem = error.problem or error.context or "not valid YAML"
    begun = error.context_mark.line + 1 if error.context_mark is not None else None
    if "unexpected end of stream" in problem and "quoted" in (error.context or ""):
        return "a quoted text that is never closed", begun or line
    if "'<stream end>'" in problem:
        return "the text ends inside a bracket, a brace or a mapping", begun or line
    if "flow" in (error.context or "") and problem.startswith("expected ','"):
        if problem.endswith("got '{'"):
            return "inside { } and [ ] a text with ${...} needs quotes around it", line
        bracket = "[" if "sequence" in (error.context or "") else "{"
        return f"a {bracket} that is not closed, or a missing comma: {problem}", begun or line
    if "undefined alias" in problem:
        return f"{problem}: a text that begins with * needs quotes", line
    for fragment, words in _WORDS:
        if fragment in problem:
            return words, line
    context = f" ({error.context})" if error.context and error.context != problem else ""
    return f"not valid YAML: {problem}{context}", line


class _Converter:
    """Turns composed nodes into values; every fault keeps its path, so that it can be named later."""

    def __init__(self, faults: Faults, setting: str) -> None:
        self.faults, self.setting = faults, setting
        self.count = 0
        self.active: set[int] = set()
        self.told: set[tuple[str, int]] = set()
        self.found: list[tuple[str, Place, tuple[Any, ...]]] = []

    def document(self, node: Node) -> Any:
        whole = self.convert(node, ())
        for message, place, path in self.found:
            self.faults.add(message, place, _where(path, whole))
        return whole

    def place(self, node: Node) -> Place:
        return Place(None, self.setting) if self.setting else Place(node.start_mark.line + 1)

    def fault(self, message: str, node: Node, path: tuple[Any, ...]) -> None:
        if (message, id(node)) not in self.told:  # an aliased node is met more than once
            self.told.add((message, id(node)))
            self.found.append((message, self.place(node), path))

    def convert(self, node: Node, path: tuple[Any, ...]) -> Any:
        self.count += 1
        if self.count > MAX_VALUES:
            message = f"more than {MAX_VALUES} values once the aliases (*name) are followed"
            raise _TooMuch(message, node.start_mark.line + 1)
        if isinstance(node, ScalarNode):
            return self.scalar(node, path)
        if id(node) in self.active:
            self.fault("an alias (*name) inside the value that it stands for", node, path)
            return Unread()
        self.active.add(id(node))
        try:
            if isinstance(node, MappingNode):
                return self.mapping(node, path)
            return self.sequence(node, path)
        finally:
            self.active.discard(id(node))

    def mapping(self, node: MappingNode, path: tuple[Any, ...]) -> Keyed:
        if node.tag != _TAG + "map":
            self.fault(f"unknown tag {_short(node.tag)}: a list holds plain values only", node, path)
        made = Keyed(self.place(node))
        merged: list[Node] = []
        for key_node, value_node in node.value:
            if key_node.tag == _TAG + "merge":
                merged.append(value_node)
                continue
            key = self.key(key_node, path)
            if key is None:
                continue
            if key in made:
                first = made.places[key].line
                earlier = f", first on line {first}" if first is not None else ""
                self.fault(f"the key {key!r} is given twice{earlier}", key_node, (*path, key))
                continue
            made.put(key, self.convert(value_node, (*path, key)), self.place(key_node))
        for each in merged:
            self.merge(each, made, path)
        return made

    def key(self, node: Node, path: tuple[Any, ...]) -> Any:
        key = self.scalar(node, path) if isinstance(node, ScalarNode) else None
        if key is None or (isinstance(key, float) and math.isnan(key)):
            self.fault("a key must be a text", node, path)
            return None
        return key

    def merge(self, node: Node, made: Keyed, path: tuple[Any, ...]) -> None:
        parts = node.value if isinstance(node, SequenceNode) else [node]
        for part in parts:
            if not isinstance(part, MappingNode):
                self.fault("<<: takes a mapping or a list of mappings", part, path)
                continue
            value = self.convert(part, path)
            for key in value or {}:
                if key not in made:
                    made.put(key, value[key], value.places[key])

    def sequence(self, node: Node, path: tuple[Any, ...]) -> Listed:
        if node.tag != _TAG + "seq":
            self.fault(f"unknown tag {_short(node.tag)}: a list holds plain values only", node, path)
        made = Listed(self.place(node))
        for number, each in enumerate(node.value):
            made.put(self.convert(each, (*path, number)), self.place(each))
        return made

    def scalar(self, node: ScalarNode, path: tuple[Any, ...]) -> Any:
        kind = node.tag[len(_TAG) :] if node.tag.startswith(_TAG) else ""
        text = str(node.value)
        if kind in ("str", "merge") or (path[:1] == ("paths",) and kind in ("int", "float", "bool")):
            return text  # variables are put into texts as they are written
        try:
            return _value(kind, text)
        except KeyError:
            self.fault(f"unknown tag {_short(node.tag)}: a list holds plain values only", node, path)
        except (ValueError, OverflowError) as error:
            self.fault(str(error), node, path)
        return Unread(text)


def _value(kind: str, text: str) -> Any:
    if kind == "null":
        return None
    if kind == "bool":
        if text.lower() not in ("true", "false"):
            raise ValueError(f"{text!r} is neither true nor false")
        return text.lower() == "true"
    if kind not in ("int", "float"):
        raise KeyError(kind)
    short = text if len(text) <= 20 else text[:17] + "..."
    if len(text) > MAX_DIGITS:
        raise ValueError(f"the number {short} has more than {MAX_DIGITS} digits")
    lowered = text.lower()
    try:
        if kind == "int":
            base = {"0x": 16, "0o": 8}.get(lowered[:2], 10)
            return int(lowered, base)
        number = float(lowered.replace(".inf", "inf").replace(".nan", "nan"))
    except ValueError:
        raise ValueError(f"{short!r} is not a number") from None
    if math.isinf(number) and "inf" not in lowered:
        raise OverflowError(f"the number {short} is too large")
    return number


def _short(tag: str) -> str:
    return "!!" + tag[len(_TAG) :] if tag.startswith(_TAG) else tag


def _where(path: tuple[Any, ...], whole: Any) -> str:
    """Return the place inside the document, for instance ``step 2 median_filter.size``."""
    head, rest = "", path
    if len(path) >= 2 and path[0] == "steps" and isinstance(path[1], int):
        head, rest = step_where(path[1] + 1, whole["steps"][path[1]]), path[2:]
    elif len(path) >= 2 and path[0] == "input":
        head, rest = f"input {path[1]}", path[2:]
    tail = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in rest)
    return head + tail if head else tail.lstrip(".")
