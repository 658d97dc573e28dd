"""``${name}``: variables of ``paths:`` are put into texts; a whole value may refer to an estimate."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from tomosaxs.errors import did_you_mean
from tomosaxs.process_list.entries import Reference
from tomosaxs.process_list.tree import Faults, Keyed, Listed, Place, shown

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_MARK = re.compile(r"\$\{([^{}$]*)\}")
_REFERENCE = re.compile(r"\$\{\s*([A-Za-z_][A-Za-z0-9_]*)\s*(?:\.\s*([A-Za-z_][A-Za-z0-9_]*)\s*)?\}")
MAX_TEXT = 20_000


def as_reference(text: Any) -> Reference | None:
    """Return the reference that a whole value is, or None."""
    found = _REFERENCE.fullmatch(text.strip()) if isinstance(text, str) else None
    return Reference(found[1], found[2] or "value") if found else None


def read_variables(section: Any, place: Place, faults: Faults) -> dict[str, str]:
    """Return the variables of ``paths:`` with those inside them filled in.

    Cycles, dangling names and values that are no text are faults.
    """
    if section is None:
        return {}
    if not isinstance(section, Keyed):
        faults.add(f"expected a mapping of names to texts, got {shown(section)}", place, "paths")
        return {}
    written: dict[str, str] = {}
    for name, value in section.items():
        where = f"paths.{name}"
        if not isinstance(name, str) or not NAME.fullmatch(name):
            message = "a variable's name begins with a letter and holds letters, digits and _ only"
            faults.add(message, section.place_of(name), where)
        elif not isinstance(value, str):
            faults.add(f"expected a text, got {shown(value)}", section.place_of(name), where)
        else:
            written[name] = value
    return _Resolver(written, section, faults).all()


class _Resolver:
    def __init__(self, written: dict[str, str], section: Keyed, faults: Faults) -> None:
        self.written, self.section, self.faults = written, section, faults
        self.done: dict[str, str] = {}

    def all(self) -> dict[str, str]:
        """Resolve without recursion, so that a long chain of variables cannot exhaust the stack."""
        waiting: dict[str, set[str]] = {}
        users: dict[str, list[str]] = {}
        ready = []
        for name, text in self.written.items():
            inner = set(_names(text))
            if self._unusable(name, text, inner):
                self.done[name] = text
                inner = set()
            waiting[name] = inner
            for each in inner:
                users.setdefault(each, []).append(name)
            if not inner:
                ready.append(name)
        while ready:
            name = ready.pop()
            self._fill(name)
            del waiting[name]
            for user in users.get(name, ()):
                waiting[user].discard(name)
                if not waiting[user]:
                    ready.append(user)
        self._circles(waiting)
        return {name: self.done[name] for name in self.written}

    def _fill(self, name: str) -> None:
        if name not in self.done:
            text = _filled(self.written[name], self.done)
            if text is None:
                self._fault(name, f"the text grows beyond {MAX_TEXT} characters")
            self.done[name] = text or ""

    def _unusable(self, name: str, text: str, inner: set[str]) -> bool:
        problem = malformed(text)
        if problem:
            self._fault(name, problem)
            return True
        unknown = sorted(each for each in inner if each not in self.written)
        for each in unknown:
            self._fault(name, f"no variable is called {each!r}{did_you_mean(each, self.written)}")
        return bool(unknown)

    def _circles(self, waiting: dict[str, set[str]]) -> None:
        """Name every circle once, at the first of its variables that the list has."""
        seen: set[str] = set()
        for start in waiting:
            chain: dict[str, None] = {}
            name = start
            while name not in chain and name not in seen:
                chain[name] = None
                name = min(waiting[name])
            if name not in seen:
                names = list(chain)
                circle = names[names.index(name) :]
                self._fault(circle[0], "it stands for itself: " + " -> ".join([*circle, circle[0]]))
            seen.update(chain)
            self.done[start] = self.written[start]

    def _fault(self, name: str, message: str) -> None:
        self.faults.add(message, self.section.place_of(name), f"paths.{name}")


def _names(text: str) -> list[str]:
    return [found.strip() for found in _MARK.findall(text)]


def _filled(text: str, values: dict[str, str]) -> str | None:
    """Return the text with its variables, or None where it would grow too long."""
    if len(text) + sum(len(values[name]) for name in _names(text)) > MAX_TEXT:
        return None
    return _MARK.sub(lambda found: values[found[1].strip()], text)


def malformed(text: str) -> str:
    """Return what is wrong with the ``${...}`` of a text, or an empty string."""
    if "${" in _MARK.sub("", text):
        return "a ${ that is not closed; write ${name}"
    for name in _names(text):
        if not re.fullmatch(r"[A-Za-z_]\w*(\s*\.\s*[A-Za-z_]\w*)?", name, re.ASCII):
            return f"${{{name}}} names nothing; write ${{name}}"
    return ""


class Expander:
    """Fills variables into every text of an entry.

    Parameters
    ----------
    variables : dict of str to str
        Name -> text.
    faults : Faults
        Receives dangling and misplaced references.
    steps : callable
        Returns the names of all steps, to tell a misplaced reference from an unknown name.
    replace : callable
        Applied to every text of the list after the variables are in (``--root``).
    """

    def __init__(
        self,
        variables: dict[str, str],
        faults: Faults,
        steps: Callable[[], list[str]],
        replace: Callable[[str], str],
    ) -> None:
        self.variables, self.faults, self.steps, self.replace = variables, faults, steps, replace

    def expand(self, value: Any, place: Place, where: str, *, reference: bool = False) -> Any:
        """Return a value with its variables filled in.

        Parameters
        ----------
        reference : bool
            Whether the whole value may refer to an estimate; such a text is left as it is.
        """
        if isinstance(value, str):
            return self.text(value, place, where, reference)
        if isinstance(value, Keyed):
            made = Keyed(value.place)
            for key, each in value.items():
                made.put(key, self.expand(each, value.place_of(key), where), value.place_of(key))
            return made
        if isinstance(value, Listed):
            listed = Listed(value.place)
            for each, spot in zip(value, value.places, strict=True):
                listed.put(self.expand(each, spot, where), spot)
            return listed
        return value

    def text(self, text: str, place: Place, where: str, reference: bool) -> str:
        """Return one text with its variables filled in."""
        if "${" in text:
            whole = as_reference(text)
            if reference and whole is not None and (whole.field != "value" or whole.estimate not in self.variables):
                return text.strip()
            problem = malformed(text) or self._dangling(text, reference)
            if problem:
                self.faults.add(problem, place, where)
                return text
            filled = _filled(text, self.variables)
            if filled is None:
                self.faults.add(f"the text grows beyond {MAX_TEXT} characters", place, where)
                return text
            text = filled
        return text if place.setting else self.replace(text)

    def _dangling(self, text: str, reference: bool) -> str:
        for name in _names(text):
            if name in self.variables:
                continue
            head = name.partition(".")[0].strip()
            if head in self.steps():
                allowed = "the whole value of a step's parameter, not a part of it" if reference else (
                    "the whole value of a step's parameter only"
                )  # fmt: skip
                return f"${{{name}}} is found while running: it can be {allowed}"
            return f"no variable of paths: is called {name!r}{did_you_mean(name, self.variables)}"
        return ""
