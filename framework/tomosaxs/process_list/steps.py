"""The entries of ``steps:``."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

from tomosaxs.plugin import STEP_KEYS
from tomosaxs.process_list.entries import Reference, StepEntry
from tomosaxs.process_list.ranges import swept_values
from tomosaxs.process_list.tree import Faults, Keyed, Listed, Place, short_plugin, shown, step_where
from tomosaxs.process_list.values import Values, parameters_of, places_of
from tomosaxs.process_list.variables import NAME, as_reference


class StepReader:
    """Reads the steps of a list.

    Parameters
    ----------
    values : Values
        Reads single values.
    variables : dict of str to str
        ``paths:``.
    faults : Faults
        Receives what is wrong.
    """

    def __init__(self, values: Values, variables: dict[str, str], faults: Faults) -> None:
        self.values, self.variables, self.faults = values, variables, faults

    def steps(self, tree: Keyed) -> list[StepEntry]:
        """Return the entries of ``steps:``."""
        section, place = tree.get("steps"), tree.place_of("steps")
        if "steps" not in tree or section is None or section == []:
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
                made.append(self._step(number, value))
            else:
                message = f"a step is written  - plugin: NAME, got {shown(value)}"
                self.faults.add(message, spot, f"step {number}")
        self._names(made)
        return _labelled(made)

    def _step(self, number: int, value: Keyed) -> StepEntry:
        where = step_where(number, value)
        value = self.values.expanded(value, where, references=True)
        lines, settings = places_of(value)
        name = self.values.text(value, "name", where)
        if name is not None and "${" not in name and not NAME.fullmatch(name):
            message = f"a name begins with a letter and holds letters, digits and _ only, got {name!r}"
            self.faults.add(message, value.place_of("name"), f"{where}.name")
        plugin = self.values.plugin(value, where, STEP_KEYS)
        parameters = parameters_of(value, STEP_KEYS)
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
            on=self.values.datasets(value, "on", where),
            to=self.values.datasets(value, "to", where),
            save=self.values.flag(value, "save", where, False),
            active=self.values.flag(value, "active", where, True),
            references=references,
            sweeps=sweeps,
        )

    def _sweep(self, values: Any, place: Place, where: str) -> tuple[Any, ...]:
        try:
            return swept_values(values, shown(values))
        except ValueError as error:
            self.faults.add(str(error), place, where)
            return ()

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


def _labelled(steps: list[StepEntry]) -> list[StepEntry]:
    """Make the labels unique: a repeated plugin, or one called like a step's name, gets its number."""
    count = Counter(step.label for step in steps)
    return [
        step if step.name or count[step.label] == 1 else replace(step, label=f"{step.label}#{step.number}")
        for step in steps
    ]
