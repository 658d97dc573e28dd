"""Change values of a process list in its text: comments, order, quoting and everything else stay as they are."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from tomosaxs.errors import InputError
from tomosaxs.process_list.tree import Faults, plain
from tomosaxs.process_list.yaml_text import ListLoader, load

_ALIAS = re.compile(r"\s*(\*[^\s,\]}]+)")


@dataclass(frozen=True)
class Change:
    """A new value for a parameter of a step.

    Parameters
    ----------
    step : int
        1-based number of the step.
    key : str
        The parameter.
    value : object
        Plain value: text, number, true/false, None, or lists and mappings of them.
    """

    step: int
    key: str
    value: Any


def with_values(text: str, changes: Sequence[Change]) -> str:
    """Return the text of a list in which steps have other values; nothing else is changed.

    A key that is absent is added behind the last one of its step. The new text is read again and compared, so that
    it means what was asked for.

    Raises
    ------
    InputError
        When the text has no such step, or is written so that the change would change something else too.
    """
    mark = "\ufeff" if text.startswith("\ufeff") else ""
    bare = text.removeprefix("\ufeff")
    wanted = _tree(bare)
    for change in changes:
        step = _step(bare, change)
        bare = _changed(bare, step, change)
        wanted["steps"][change.step - 1][change.key] = change.value
    if _tree(bare) != wanted:
        raise InputError("the list is written in a way that this change would break; change it by hand")
    return mark + bare


def _tree(text: str) -> Any:
    faults = Faults(None)
    tree = plain(load(text, faults))
    faults.raise_any()
    if not isinstance(tree, dict) or not isinstance(tree.get("steps"), list):
        raise InputError("this is no process list: it has no steps")
    return tree


def _step(text: str, change: Change) -> MappingNode:
    root = _composed(text)
    steps = next((value for key, value in root.value if key.value == "steps"), None)
    if not isinstance(steps, SequenceNode) or not 0 < change.step <= len(steps.value):
        raise InputError(f"the list has no step {change.step}")
    step = steps.value[change.step - 1]
    if not isinstance(step, MappingNode) or any(step is other for other in steps.value[: change.step - 1]):
        raise InputError(f"step {change.step} is an alias of another one; change it by hand")
    return step


def _composed(text: str) -> Any:
    loader = ListLoader(text)
    try:
        return loader.get_single_node()
    except yaml.YAMLError as error:
        raise InputError(f"not valid YAML: {error}") from None
    finally:
        loader.dispose()


def _changed(text: str, step: MappingNode, change: Change) -> str:
    for key, value in step.value:
        if key.value == change.key:
            low, high = _extent(text, key, value)
            between = text[key.end_mark.index : low]
            written = _written(change.value, value, bool(step.flow_style))
            space = "" if between.endswith((" ", "\n")) or low == key.end_mark.index else " "
            return text[:low] + space + written + text[high:]
    return _added(text, step, change)


def _extent(text: str, key: Node, value: Node) -> tuple[int, int]:
    """Return where a value begins and ends in the text."""
    colon = text.index(":", key.end_mark.index) + 1
    if text[colon:].lstrip().startswith("&"):
        raise InputError(f"{key.value} has an anchor that others may refer to; change it by hand")
    alias = _ALIAS.match(text, colon)
    if value.start_mark.index < colon and alias is not None:
        return alias.start(1), alias.end(1)
    if isinstance(value, ScalarNode) and value.style in ("|", ">"):
        raise InputError(f"{key.value} is a text of several lines; change it by hand")
    if isinstance(value, ScalarNode) or _flow(value):
        low, high = int(value.start_mark.index), int(value.end_mark.index)
        return (colon, colon) if low == high else (low, high)
    return colon, _end(value)  # a block: everything behind the colon


def _flow(node: Node) -> bool:
    """Return whether a list or mapping stands in brackets."""
    return bool(getattr(node, "flow_style", False))


def _end(node: Node) -> int:
    """Return where the last written character of a block stands."""
    if isinstance(node, ScalarNode) or _flow(node) or not node.value:
        return int(node.end_mark.index)
    last = node.value[-1]
    return _end(last[1] if isinstance(node, MappingNode) else last)


def _added(text: str, step: MappingNode, change: Change) -> str:
    if not step.value:
        raise InputError(f"step {change.step} is empty")
    written = f"{change.key}: {_written(change.value, None, bool(step.flow_style))}"
    key, value = step.value[-1]
    end = _end(value) if value.start_mark.index >= key.end_mark.index else _extent(text, key, value)[1]
    if step.flow_style:
        return f"{text[:end]}, {written}{text[end:]}"
    line = text.find("\n", end)
    newline = "\r\n" if "\r\n" in text else "\n"
    indent = " " * step.value[0][0].start_mark.column
    if isinstance(value, ScalarNode) and value.style in ("|", ">"):
        raise InputError(f"the last value of step {change.step} is a text of several lines; change it by hand")
    if line < 0:
        return f"{text}{newline}{indent}{written}"
    stop = line - 1 if text[line - 1] == "\r" else line
    return f"{text[:stop]}{newline}{indent}{written}{text[stop:]}"


def _written(value: Any, old: Node | None, flow: bool) -> str:
    """Return a value as YAML on one line, a text quoted as the old one was."""
    if isinstance(value, str):
        style = old.style if isinstance(old, ScalarNode) and old.style in ("'", '"') else None
        if style == "'" or (style is None and not _is_plain(value)):
            return "'" + value.replace("'", "''") + "'"
        return yaml.dump(value, default_style='"', width=1 << 20).strip() if style == '"' else value
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(_written(each, None, True) for each in value) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_written(k, None, True)}: {_written(v, None, True)}" for k, v in value.items()) + "}"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return {"inf": ".inf", "-inf": "-.inf", "nan": ".nan"}.get(repr(value), repr(value))


def _is_plain(text: str) -> bool:
    """Return whether a text means itself without quotes, inside brackets too."""
    faults = Faults(None)
    if not re.fullmatch(r"[A-Za-z0-9_./+\-]+( [A-Za-z0-9_./+\-]+)*", text):
        return False
    return bool(load(f"[{text}]", faults) == [text]) and not faults.problems
