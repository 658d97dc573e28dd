"""Check a process list against the plugins that exist, without looking at any data."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from tomosaxs import registry
from tomosaxs.errors import InputError, ListError, Problem, TomosaxsError, did_you_mean
from tomosaxs.parameters import Parameter, check_value
from tomosaxs.plugin import INPUT_KEYS, STEP_KEYS, PluginSpec
from tomosaxs.process_list.datasets import Datasets
from tomosaxs.process_list.entries import (
    CheckedInput,
    CheckedList,
    CheckedOutput,
    CheckedStep,
    Entry,
    InputEntry,
    OutputEntry,
    ProcessList,
    StepEntry,
)
from tomosaxs.process_list.files import is_pattern, named, resolve_files
from tomosaxs.process_list.references import Estimates
from tomosaxs.process_list.sites import Site, find_site
from tomosaxs.process_list.tree import Faults, Place, Unread

_BELONGS = {
    "loader": "a loader; it belongs under input:",
    "saver": "a saver; it belongs under output:",
    "step": "a step; it belongs under steps:",
    "estimator": "an estimator; it belongs under steps:",
}


def check_list(process_list: ProcessList) -> CheckedList:
    """Resolve plugins, parameters, references, datasets and files of a list.

    Raises
    ------
    ListError
        With every fault at once, sorted by line.
    """
    checker = _Checker(process_list)
    checked = checker.check()
    checker.faults.raise_any()
    return checked


def problems_of(process_list: ProcessList) -> list[Problem]:
    """Return every fault that `check_list` would raise."""
    checker = _Checker(process_list)
    checker.check()
    return checker.faults.problems


class _Checker:
    def __init__(self, process_list: ProcessList) -> None:
        self.list = process_list
        self.faults = Faults(process_list.file)
        self.datasets = Datasets([entry.name for entry in process_list.inputs], self.faults)
        self.estimates = Estimates(process_list, self.faults)
        self.site = self._site()

    def check(self) -> CheckedList:
        """Check everything in the order of the list."""
        inputs = [self._input(entry) for entry in self.list.inputs]
        steps = [self._step(entry) for entry in self.list.steps]
        outputs = [self._output(entry) for entry in self.list.outputs]
        return CheckedList(
            self.list,
            tuple(each for each in inputs if each is not None),
            tuple(each for each in steps if each is not None),
            tuple(each for each in outputs if each is not None),
            self.site,
        )

    def _site(self) -> Site | None:
        if not self.list.site:
            return None
        try:
            return find_site(self.list.site, self.list.folder)
        except ListError as error:
            self.faults.extend(error.problems)
        except InputError as error:
            self.faults.add(str(error), Place(self.list.site_line), "site")
        return None

    def _as_the_site_says(self, entry: InputEntry) -> InputEntry:
        """Add the site's parameters of this loader where the list is silent."""
        if self.site is None or self.site.loader != entry.plugin:
            return entry
        added = {name: value for name, value in self.site.parameters.items() if name not in entry.parameters}
        line = self.list.site_line
        lines = {**entry.lines, **({} if line is None else dict.fromkeys(added, line))}
        return replace(entry, parameters={**entry.parameters, **added}, lines=lines)

    def _input(self, entry: InputEntry) -> CheckedInput | None:
        spec = self._find(entry, ("loader",))
        entry = self._as_the_site_says(entry)
        values = {} if spec is None else self._values(entry, spec, INPUT_KEYS)
        paths = self._paths(entry, spec, values)
        if spec is None or (not paths and (spec.needs_path or "path" in entry.lines)):
            return None
        return CheckedInput(entry, spec, values, paths)

    def _paths(self, entry: InputEntry, spec: PluginSpec | None, values: dict[str, Any]) -> tuple[Path, ...]:
        """Return the files of an input; empty where a fault is reported."""
        if entry.paths is None:
            needed = spec is None or spec.needs_path
            if needed and "path" not in entry.lines:  # a path that is no text is reported already
                message = f"it has no path: write path: FILE, or give --input {entry.name}=FILE"
                self.faults.add(message, entry.place(), entry.where)
            return ()
        if any("${" in text for text in entry.paths):
            return ()  # a variable that does not exist is reported already
        many = spec is not None and spec.many_paths
        if spec is not None and not many and len(entry.paths) > 1:
            message = f"{spec.name} reads one path, {len(entry.paths)} are given"
            self.faults.add(message, entry.place("path"), f"{entry.where}.path")
            return ()
        may_lack = spec is not None and bool(spec.absent and values.get(spec.absent))
        found: list[Path] = []
        for text in entry.paths:
            try:
                paths, problem = named(text, self.list.folder, patterns=many)
            except (OSError, ValueError, RuntimeError) as error:
                paths, problem = [], f"{text!r:.80} cannot be a path: {error}"
            if problem and not (paths and may_lack):
                hint = "" if "path" in entry.settings else f"; another one: --input {entry.name}=PATH"
                if not many and spec is not None and is_pattern(text):
                    hint = f"; {spec.name} reads one file, no pattern"
                self.faults.add(problem + hint, entry.place("path"), f"{entry.where}.path")
                return ()
            found += paths
        return tuple(dict.fromkeys(found))

    def _output(self, entry: OutputEntry) -> CheckedOutput | None:
        spec = self._find(entry, ("saver",))
        return None if spec is None else CheckedOutput(entry, spec, self._values(entry, spec, ("plugin",)))

    def _step(self, entry: StepEntry) -> CheckedStep | None:
        spec = self._find(entry, ("step", "estimator"))
        if not entry.active:
            if spec is None:
                return None
            values = self._values(entry, spec, STEP_KEYS, look=False)
            return CheckedStep(entry, spec, values, dict(entry.references), (), ())
        postponed = self.estimates.references(entry)
        on, to = self.datasets.of_step(entry, spec)
        self.estimates.add(entry, spec)
        if spec is None:
            return None
        values = self._values(entry, spec, STEP_KEYS)
        sweeps = {
            name: self._sweep(entry, declared, entry.sweeps[name])
            for name in entry.sweeps
            if (declared := spec.parameters.get(name)) is not None
        }
        return CheckedStep(replace(entry, sweeps=sweeps), spec.reading(len(on)), values, postponed, on, to)

    def _find(self, entry: Entry, kinds: tuple[str, ...]) -> PluginSpec | None:
        """Return the declaration of an entry's plugin; None where it cannot be used."""
        where = entry.where
        if not entry.plugin or "${" in entry.plugin:
            return None  # reported already
        try:
            if isinstance(entry, StepEntry) and not entry.active and _only_missing(entry.plugin):
                return None
            if "\0" in entry.plugin:
                raise ValueError("a name cannot hold a null character")
            spec = registry.find(entry.plugin, relative_to=self._plugin_folder(entry))
        except TomosaxsError as error:
            self.faults.add(str(error), entry.place("plugin"), where)
            return None
        except (OSError, ValueError, RuntimeError, AttributeError) as error:
            message = f"plugin {entry.plugin!r:.200} cannot be used: {type(error).__name__}: {error}"
            self.faults.add(message, entry.place("plugin"), where)
            return None
        if spec.kind not in kinds:
            self.faults.add(f"{spec.name} is {_BELONGS[spec.kind]}", entry.place("plugin"), where)
            return None
        return spec

    def _plugin_folder(self, entry: Entry) -> Path:
        """A file named on the command line belongs to the current folder."""
        return Path.cwd() if "plugin" in entry.settings else self.list.folder

    def _values(self, entry: Entry, spec: PluginSpec, keys: tuple[str, ...], *, look: bool = True) -> dict[str, Any]:
        """Return the checked values of an entry's parameters, files absolute."""
        where = entry.where
        names = spec.parameters.names()
        late: set[str] = set()
        if isinstance(entry, StepEntry):
            late = {*entry.references, *entry.sweeps}
        for name in entry.parameters:
            if name not in names:
                today = next((each.name for each in spec.parameters if name in each.param.former), "")
                if today:
                    message = f"{name} is called {today} now; tomosaxs upgrade writes the new names into a list"
                    self.faults.add(message, entry.place(name), f"{where}.{name}")
                    continue
                near = did_you_mean(name, [*names, *keys])
                if "did you mean" not in near:
                    near = did_you_mean(name, names).replace("(none exist)", f"({spec.name} has no parameters)")
                self.faults.add(f"unknown parameter{near}", entry.place(name), f"{where}.{name}")
        given = {k: v for k, v in entry.parameters.items() if k in names and k not in late}
        given = {k: v for k, v in given.items() if not _unfilled(v)}
        waiting = frozenset(late | {k for k in entry.parameters if k not in given})
        values, wrong = spec.parameters.validate(given, postponed=waiting)
        for fault in wrong:
            self.faults.add(fault.message, entry.place(fault.name), f"{where}.{fault.name}")
        for declared in spec.parameters:
            if declared.is_file and declared.name in given and declared.name in values and look:
                value = values[declared.name]
                values[declared.name] = self._resolved(entry, declared, value)
        return values

    def _resolved(self, entry: Entry, declared: Parameter, value: Any) -> Any:
        """Return a value with its files absolute."""
        folders = declared.may_be_folder
        return resolve_files(value, self.list.folder, entry, declared.name, self.faults, folders=folders)

    def _sweep(self, entry: StepEntry, declared: Parameter, given: tuple[Any, ...]) -> tuple[Any, ...]:
        checked = []
        for number, each in enumerate(given, start=1):
            value, fault = check_value(declared, each)
            if fault:
                message = f"value {number} of the sweep: {fault}"
                self.faults.add(message, entry.place(declared.name), f"{entry.where}.{declared.name}")
            elif declared.is_file:
                value = self._resolved(entry, declared, value)
            checked.append(value)
        return tuple(checked)


def _unfilled(value: Any) -> bool:
    """Whether a text could not be read, or holds a ``${`` that leads nowhere; both are reported already."""
    if isinstance(value, str):
        return "${" in value or isinstance(value, Unread)
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return any(_unfilled(part) for part in parts)


def _only_missing(plugin: str) -> bool:
    """Whether a plugin is known and only a package that it needs is not installed."""
    entry = registry.plugins().get(plugin)
    return entry is not None and bool(entry.missing())
