"""Edits of the text of a list in block style, which keep its comments."""

from __future__ import annotations

import json
import re
from typing import Any


class ListText:
    """A list as lines: steps begin with ``  - plugin: NAME`` and end before the next one.

    Parameters
    ----------
    text : str
        In block style, one key a line, as the shipped lists are.
    """

    def __init__(self, text: str) -> None:
        self.lines = text.splitlines()

    def __str__(self) -> str:
        return "\n".join(self.lines).rstrip() + "\n"

    def replace_head(self, comments: list[str]) -> None:
        """Put other comments in the place of those the list begins with."""
        first = next(n for n, line in enumerate(self.lines) if line.strip() and not line.startswith("#"))
        self.lines[:first] = [f"# {line}".rstrip() for line in comments] + [""]

    def set_top(self, key: str, value: str, *, after: str = "title") -> None:
        """Set a key of the top level, or add it behind another."""
        line = f"{key}: {value}"
        at = self._find(rf"{key}:")
        if at is not None:
            self.lines[at] = line
            return
        place = self._find(rf"{after}:")
        self.lines.insert(0 if place is None else place + 1, line)

    def set_input(self, plugin: str, path: str, parameters: dict[str, Any]) -> None:
        """Name loader, path and parameters of the first input."""
        at = self._find(r"    plugin:")
        if at is None:
            raise ValueError("the list has no input in block style")
        same = self.lines[at].split(":", 1)[1].strip() == plugin
        self.lines[at] = f"    plugin: {plugin}"
        place = self._find(r"    path:")
        if place is None:
            raise ValueError("the input of the list has no path")
        added = [f"    {name}: {as_yaml(value)}" for name, value in parameters.items()]
        self.lines[place : place + 1] = [f"    path: {as_yaml(path)}", *added]
        kept, end = place + 1 + len(added), place + 1 + len(added)
        while end < len(self.lines) and self.lines[end].startswith("    "):
            key = self.lines[end].strip().split(":", 1)[0]
            # another loader has other parameters; comments and the framework's own keys stay
            if key.startswith("#") or key in ("crop", "bin") or (same and key not in parameters):
                self.lines[kept] = self.lines[end]
                kept += 1
            end += 1
        del self.lines[kept:end]

    def has(self, plugin: str) -> bool:
        """Return whether a step uses the plugin."""
        return self._step(plugin) is not None

    def drop(self, plugin: str) -> None:
        """Take a step out, with its comments and the empty line behind it."""
        found = self._step(plugin)
        if found is not None:
            del self.lines[found[0] : found[1]]

    def replace_step(self, plugin: str, lines: list[str]) -> None:
        """Put other lines in the place of a step."""
        found = self._step(plugin)
        if found is not None:
            self.lines[found[0] : found[1]] = [f"  {line}".rstrip() for line in lines] + [""]

    def put_before(self, plugin: str, lines: list[str]) -> None:
        """Put lines before a step."""
        found = self._step(plugin)
        if found is not None:
            self.lines[found[0] : found[0]] = [f"  {line}".rstrip() for line in lines] + [""]

    def add(self, plugin: str, lines: list[str]) -> None:
        """Add lines (keys or comments) at the end of a step."""
        found = self._step(plugin)
        if found is None:
            return
        end = found[1]
        while end > found[0] + 1 and not self.lines[end - 1].strip():
            end -= 1
        self.lines[end:end] = [f"    {line}" for line in lines]

    def set(self, plugin: str, key: str, value: Any) -> None:
        """Set a parameter of a step."""
        found = self._step(plugin)
        if found is None:
            return
        for at in range(found[0] + 1, found[1]):
            if re.match(rf"    {key}:", self.lines[at]):
                self.lines[at] = f"    {key}: {as_yaml(value)}"
                return
        self.lines.insert(found[0] + 1, f"    {key}: {as_yaml(value)}")

    def unset(self, plugin: str, key: str) -> None:
        """Take a parameter of a step out."""
        found = self._step(plugin)
        if found is not None:
            self.lines[found[0] : found[1]] = [
                line for line in self.lines[found[0] : found[1]] if not re.match(rf"    {key}:", line)
            ]

    def _find(self, pattern: str) -> int | None:
        return next((n for n, line in enumerate(self.lines) if re.match(pattern, line)), None)

    def _step(self, plugin: str) -> tuple[int, int] | None:
        """Return the lines of a step: from its ``- plugin:`` to the next step or key of the top level."""
        begin = self._find(rf"  - plugin: {re.escape(plugin)}\s*(#.*)?$")
        if begin is None:
            return None
        end = begin + 1
        while end < len(self.lines) and (not self.lines[end].strip() or self.lines[end].startswith("    ")):
            end += 1
        return begin, end


def as_yaml(value: Any) -> str:
    """Return a value in YAML, on one line; texts that could be read as something else are quoted."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (int, float)):
        return f"{value:.10g}" if isinstance(value, float) else str(value)
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {as_yaml(each)}" for key, each in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(as_yaml(each) for each in value) + "]"
    text = str(value)
    plain = re.fullmatch(r"[A-Za-z_/.][\w./ +-]*|\$\{[\w.]+\}", text) and not text.endswith(" ")
    words = {"null", "true", "false", "yes", "no", "on", "off", "~"}
    return text if plain and text.lower() not in words else json.dumps(text, ensure_ascii=False)
