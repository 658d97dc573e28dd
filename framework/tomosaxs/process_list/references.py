"""References of steps to estimates: ``centre: ${axis}``."""

from __future__ import annotations

from tomosaxs.errors import did_you_mean
from tomosaxs.plugin import ESTIMATE_FIELDS, PluginSpec
from tomosaxs.process_list.entries import ProcessList, Reference, StepEntry
from tomosaxs.process_list.tree import Faults, short_plugin


class Estimates:
    """Knows which estimates exist before each step, and why others do not."""

    def __init__(self, process_list: ProcessList, faults: Faults) -> None:
        self.list, self.faults = process_list, faults
        self.found: dict[str, PluginSpec] = {}
        self.unsure: set[str] = set()

    def add(self, entry: StepEntry, spec: PluginSpec | None) -> None:
        """Note a step that has been checked; without its plugin nobody knows whether it estimates."""
        if spec is None:
            self.unsure.add(entry.label)
        elif spec.kind == "estimator":
            self.found[entry.label] = spec

    def references(self, entry: StepEntry) -> dict[str, Reference]:
        """Return a step's references; those that lead nowhere are faults."""
        for name, reference in entry.references.items():
            message = self._fault(entry, reference)
            if message:
                self.faults.add(message, entry.place(name), f"{entry.where}.{name}")
        return dict(entry.references)

    def _fault(self, entry: StepEntry, reference: Reference) -> str:
        name = reference.estimate
        if name in self.found:
            fields = (*ESTIMATE_FIELDS, *self.found[name].gives)
            if reference.field not in fields:
                near = did_you_mean(reference.field, fields)
                return f"{reference}: an estimate has no {reference.field!r}{near}"
            return ""
        if name in self.unsure:
            return ""
        if name in self.list.variables:
            return f"{reference}: {name} is a variable of paths:; only an estimate has a {reference.field!r}"
        same = [step for step in self.list.steps if step.label == name]
        if same:
            return self._why_not(entry, same[0], reference)
        many = [step for step in self.list.steps if step.name is None and short_plugin(step.plugin) == name]
        if many:
            numbers = ", ".join(str(step.number) for step in many)
            return f"{reference}: steps {numbers} use {name}: give one of them a name:"
        known = [*self.found, *self.list.variables]
        near = did_you_mean(name, known)
        return f"{reference}: no earlier step that estimates a value is called {name!r}{near}"

    def _why_not(self, entry: StepEntry, other: StepEntry, reference: Reference) -> str:
        called = f"step {other.number} {other.label}"
        if other.number == entry.number:
            return f"{reference}: the step refers to itself"
        if not other.active:
            return f"{reference}: {called} is not active"
        if other.number > entry.number:
            return f"{reference}: {called} comes later; move it before step {entry.number}"
        near = f"{did_you_mean(other.label, self.found)}" if self.found else ""
        return f"{reference}: {called} ({other.plugin}) makes a dataset, it does not estimate a value{near}"
