"""Mappings and lists that remember where they were written, and the collection of faults."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from tomosaxs.errors import ListError, Problem


class Place(NamedTuple):
    """Where a value was given: a 1-based line of the list, or an option of the command line."""

    line: int | None = None
    setting: str = ""


NOWHERE = Place()


class Keyed(dict[Any, Any]):
    """A mapping; `places` holds the place of every key, `place` its own."""

    def __init__(self, place: Place) -> None:
        super().__init__()
        self.place = place
        self.places: dict[Any, Place] = {}

    def put(self, key: Any, value: Any, place: Place) -> None:
        """Set a key with its place."""
        self[key] = value
        self.places[key] = place

    def place_of(self, key: Any) -> Place:
        """Return the place of a key, or that of the mapping where the key is absent."""
        return self.places.get(key, self.place)


class Listed(list[Any]):
    """A list; `places` holds the place of every item, `place` its own."""

    def __init__(self, place: Place) -> None:
        super().__init__()
        self.place = place
        self.places: list[Place] = []

    def put(self, value: Any, place: Place) -> None:
        """Append an item with its place."""
        self.append(value)
        self.places.append(place)


class Unread(str):
    """A value that could not be read, as it is written; its fault is noted, so nothing else is said of it."""

    __slots__ = ()


def plain(value: Any) -> Any:
    """Return ordinary dicts and lists."""
    if isinstance(value, dict):
        return {key: plain(each) for key, each in value.items()}
    if isinstance(value, list):
        return [plain(each) for each in value]
    return value


def key_places(mapping: Keyed, prefix: str = "") -> dict[str, Place]:
    """Return the place of every key, nested keys with dots (``crop.detector_y``)."""
    found: dict[str, Place] = {}
    for key, value in mapping.items():
        name = f"{prefix}{key}"
        found[name] = mapping.place_of(key)
        if isinstance(value, Keyed):
            found.update(key_places(value, f"{name}."))
    return found


def kind_of(value: Any) -> str:
    """Return the kind of a value in the words of a list's author."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true/false"
    names = {"str": "text", "int": "integer", "float": "number", "Keyed": "mapping", "Listed": "list"}
    return names.get(type(value).__name__, {"dict": "mapping"}.get(type(value).__name__, type(value).__name__))


def shown(value: Any, limit: int = 60) -> str:
    """Return kind and value, shortened, for a message."""
    if value is None:
        return "nothing"
    if isinstance(value, (dict, list)):
        return f"a {kind_of(value)}"
    text = repr(value)
    return f"{kind_of(value)} {text if len(text) <= limit else text[: limit - 3] + '...'}"


def short_plugin(plugin: str) -> str:
    """Return a plugin's name without the file it comes from (``./despike.py:despike`` -> ``despike``)."""
    _, separator, attribute = plugin.rpartition(".py:")
    return attribute if separator and attribute else Path(plugin).stem if plugin.endswith(".py") else plugin


def step_where(number: int, step: Any) -> str:
    """Return how messages call a step: its number and its name, else its plugin."""
    called = ""
    if isinstance(step, dict):
        name, plugin = step.get("name"), step.get("plugin")
        called = name if isinstance(name, str) else short_plugin(plugin) if isinstance(plugin, str) else ""
    return f"step {number} {called}".rstrip()


@dataclass(frozen=True)
class SettingProblem(Problem):
    """A fault of an option of the command line; its place is the option itself."""

    setting: str = ""

    def __str__(self) -> str:
        return ": ".join(part for part in (self.setting, self.where, self.message) if part)


def problem_at(message: str, file: Path | None, place: Place, where: str = "") -> Problem:
    """Return the problem of a line of `file`, or of an option of the command line."""
    if place.setting:
        return SettingProblem(message, None, None, where, place.setting)
    return Problem(message, file, place.line, where)


class Faults:
    """Collects problems of one list.

    Parameters
    ----------
    file : Path or None
        The list.
    """

    def __init__(self, file: Path | None) -> None:
        self.file = file
        self.problems: list[Problem] = []

    def add(self, message: str, place: Place = NOWHERE, where: str = "") -> None:
        """Add a problem, once."""
        problem = problem_at(message, self.file, place, where)
        if problem not in self.problems:
            self.problems.append(problem)

    def extend(self, problems: Iterable[Problem]) -> None:
        """Add problems, each once."""
        self.problems.extend(problem for problem in problems if problem not in self.problems)

    def error(self) -> ListError:
        """Return the error that carries all problems, by line; options of the command line come last."""
        last = 1 << 60
        return ListError(sorted(self.problems, key=lambda each: last if each.line is None else each.line))

    def stop(self, message: str, place: Place = NOWHERE, where: str = "") -> ListError:
        """Return the error for a fault after which nothing else can be looked at."""
        self.add(message, place, where)
        return self.error()

    def raise_any(self) -> None:
        """Raise when there is a problem.

        Raises
        ------
        ListError
            With all of them.
        """
        if self.problems:
            raise self.error()
