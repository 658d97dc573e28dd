"""Which datasets a step reads and makes: ``on:`` and ``to:``, and what they are when the list is silent."""

from __future__ import annotations

from tomosaxs.errors import did_you_mean
from tomosaxs.plugin import PluginSpec
from tomosaxs.process_list.entries import StepEntry
from tomosaxs.process_list.tree import Faults


class Datasets:
    """The datasets that exist before each step.

    Parameters
    ----------
    inputs : list of str
        Names of the inputs.
    faults : Faults
        Receives what is wrong.
    """

    def __init__(self, inputs: list[str], faults: Faults) -> None:
        self.names, self.faults = list(inputs), faults
        self.last = inputs[0] if len(inputs) == 1 else ""

    def of_step(self, entry: StepEntry, spec: PluginSpec | None) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Return the datasets that a step reads and makes, and remember those it makes."""
        if spec is None:  # its plugin is reported already: only keep later steps from being blamed
            self._made(entry.to or entry.on[:1])
            return entry.on, entry.to
        on = self._read(entry, spec)
        to = self._write(entry, spec, on)
        known = set(self.names)
        self._made(tuple(name for name in to if entry.to or name in known))
        return on, to

    def _made(self, names: tuple[str, ...]) -> None:
        self.names.extend(name for name in names if name not in self.names)
        if names:
            self.last = names[0]

    def _fault(self, message: str, entry: StepEntry, key: str) -> None:
        self.faults.add(message, entry.place(key), f"{entry.where}.{key}")

    def _read(self, entry: StepEntry, spec: PluginSpec) -> tuple[str, ...]:
        count = len(spec.inputs)
        if not entry.on:
            return self._silent(entry, spec, count)
        for name in entry.on:
            if name not in self.names:
                near = did_you_mean(name, self.names)
                self._fault(f"no dataset is called {name!r} at this step{near}", entry, "on")
        if len(entry.on) != count and not spec.variadic:
            wanted, given = ", ".join(name for name, _ in spec.inputs), ", ".join(entry.on)
            message = f"{spec.name} reads {_datasets(count)} ({wanted}), got {len(entry.on)}: {given}"
            self._fault(message, entry, "on")
        return entry.on

    def _silent(self, entry: StepEntry, spec: PluginSpec, count: int) -> tuple[str, ...]:
        if count == 1 and self.last:
            return (self.last,)
        if count > 1 and len(self.names) == count:
            return tuple(self.names)
        if self.names:  # a list without inputs is reported already
            wanted = f" ({', '.join(name for name, _ in spec.inputs)})" if count > 1 else ""
            message = f"{spec.name} reads {_datasets(count)}{wanted}; say which with on: (there are: "
            self._fault(message + ", ".join(self.names) + ")", entry, "on")
        return ()

    def _write(self, entry: StepEntry, spec: PluginSpec, on: tuple[str, ...]) -> tuple[str, ...]:
        count = len(spec.outputs)
        if not entry.to:
            if count > 1:
                message = f"{spec.name} makes {count} datasets; name them with to: [NAME, ...]"
                self._fault(message, entry, "to")
            return on[:1] if count else ()
        if len(entry.to) != count:
            what = "estimates a value, it makes no dataset" if spec.kind == "estimator" else f"makes {_datasets(count)}"
            self._fault(f"{spec.name} {what}, got {len(entry.to)}: {', '.join(entry.to)}", entry, "to")
        if len(set(entry.to)) != len(entry.to):
            self._fault("two outputs cannot have one name: " + ", ".join(entry.to), entry, "to")
        return entry.to


def _datasets(count: int) -> str:
    return {0: "no dataset", 1: "one dataset"}.get(count, f"{count} datasets")
