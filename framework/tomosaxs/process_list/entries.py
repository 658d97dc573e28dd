"""What a process list says, entry by entry: as written (ProcessList) and as checked (CheckedList)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tomosaxs.errors import Problem
from tomosaxs.plugin import PluginSpec
from tomosaxs.process_list.sites import Site
from tomosaxs.process_list.tree import Place, problem_at, short_plugin


@dataclass(frozen=True)
class Reference:
    """``${axis}`` or ``${axis.uncertainty}``: a value that an earlier estimator step finds.

    Parameters
    ----------
    estimate : str
        Label of the estimator step.
    field : str
        ``value``, ``uncertainty``, ``confidence``, ``units``, or a detail that the estimator gives.
    """

    estimate: str
    field: str = "value"

    def __str__(self) -> str:
        tail = "" if self.field == "value" else f".{self.field}"
        return f"${{{self.estimate}{tail}}}"


@dataclass(frozen=True)
class Entry:
    """What every entry has.

    Parameters
    ----------
    plugin : str
        As written: a registered name or ``FILE.py:NAME``.
    parameters : dict
        As given, variables filled in; references as their text, sweeps as ``{"sweep": [...]}``.
    lines : dict of str to int
        1-based line of every key (nested ones with dots); the entry's own under the empty text.
    settings : dict of str to str
        Keys that came from the command line, with the option, for instance ``--set filter.size=3``.
    """

    plugin: str
    parameters: dict[str, Any]
    lines: dict[str, int]
    settings: Mapping[str, str]

    @property
    def where(self) -> str:
        """How messages call it."""
        return self.plugin

    def place(self, key: str = "") -> Place:
        """Return where a key was given; for an absent one, where the entry begins."""
        if key in self.settings:
            return Place(None, self.settings[key])
        return Place(self.lines.get(key, self.lines.get("")))

    def problem(self, message: str, file: Path | None, key: str = "") -> Problem:
        """Return a problem of this entry, or of one of its keys, with the right place.

        Parameters
        ----------
        file : Path or None
            The list.
        key : str
            For instance ``size`` or ``crop``; empty for the entry as a whole.
        """
        where = f"{self.where}.{key}" if key else self.where
        return problem_at(message, file, self.place(key), where)


@dataclass(frozen=True)
class InputEntry(Entry):
    """One dataset of ``input:``; `paths` are as written, absolute when they came from ``--input``.

    None where the list gives none, or none that can be used.
    """

    name: str
    paths: tuple[str, ...] | None
    crop: dict[str, Any]
    bin: dict[str, int] = field(default_factory=dict)

    @property
    def where(self) -> str:
        """How messages call it."""
        return f"input {self.name}"


@dataclass(frozen=True)
class StepEntry(Entry):
    """One step.

    Parameters
    ----------
    number : int
        1-based place in the list.
    name : str or None
        Name given in the list.
    label : str
        The name, else the plugin's (without its file), made unique with ``#number`` where repeated.
    on, to : tuple of str
        Datasets read and made, as written; empty where the list does not say.
    save, active : bool
        Whether the result keeps its output; whether it runs.
    references : dict of str to Reference
        Parameters whose value an earlier step finds.
    sweeps : dict of str to tuple
        Parameters that take several values.
    """

    number: int
    name: str | None
    label: str
    on: tuple[str, ...] = ()
    to: tuple[str, ...] = ()
    save: bool = False
    active: bool = True
    references: dict[str, Reference] = field(default_factory=dict)
    sweeps: dict[str, tuple[Any, ...]] = field(default_factory=dict)

    @property
    def where(self) -> str:
        """How messages call it."""
        return f"step {self.number} {self.label.rpartition('#')[0] or self.label}"


@dataclass(frozen=True)
class OutputEntry(Entry):
    """One saver of ``output:``."""

    number: int = 1

    @property
    def where(self) -> str:
        """How messages call it."""
        return f"output {short_plugin(self.plugin)}"


@dataclass(frozen=True)
class ProcessList:
    """A process list as written, with what the command line changed.

    Parameters
    ----------
    title : str
        Empty when there is none.
    inputs, steps, outputs : tuple
        Entries in the order of the list.
    file : Path or None
        As it was named; None for a list given as text.
    folder : Path
        Absolute; relative paths of the list belong to it.
    text : str
        The file, verbatim.
    variables : dict of str to str
        ``paths:``, resolved.
    settings : tuple of str
        Options of the command line that changed the list, for instance ``--set filter.size=3``.
    site : str
        Site profile that the list names, with its line; empty where it names none.
    """

    title: str
    inputs: tuple[InputEntry, ...]
    steps: tuple[StepEntry, ...]
    outputs: tuple[OutputEntry, ...]
    file: Path | None
    folder: Path
    text: str
    variables: dict[str, str]
    settings: tuple[str, ...] = ()
    site: str = ""
    site_line: int | None = None


@dataclass(frozen=True)
class CheckedInput:
    """An input whose loader, parameters and files exist; `paths` are absolute, patterns filled in."""

    entry: InputEntry
    spec: PluginSpec
    values: dict[str, Any]
    paths: tuple[Path, ...]

    @property
    def path(self) -> Path:
        """The path, the first of several; ``computed`` where there is none."""
        return self.paths[0] if self.paths else Path("computed")

    @property
    def argument(self) -> Path | tuple[Path, ...] | None:
        """What the loader is given: one path, or all where it takes several; None where it needs none."""
        if not self.paths:
            return None
        return self.paths if self.spec.many_paths else self.path

    @property
    def shown(self) -> str:
        """The paths in one line."""
        if len(self.paths) < 2:
            return str(self.path)
        return f"{len(self.paths)} files, {self.path} to {self.paths[-1].name}"


@dataclass(frozen=True)
class CheckedStep:
    """A step whose plugin exists and whose values fit its declaration.

    Parameters
    ----------
    entry : StepEntry
        As written; the values of its sweeps are checked.
    spec : PluginSpec
        The plugin.
    values : dict
        Checked values, defaults included, without the postponed and the swept ones; files absolute.
    postponed : dict of str to Reference
        Values that are known only while running.
    on, to : tuple of str
        Datasets read and made, always concrete; empty for a step that is not active.
    """

    entry: StepEntry
    spec: PluginSpec
    values: dict[str, Any]
    postponed: dict[str, Reference]
    on: tuple[str, ...]
    to: tuple[str, ...]


@dataclass(frozen=True)
class CheckedOutput:
    """A saver that exists, with checked values."""

    entry: OutputEntry
    spec: PluginSpec
    values: dict[str, Any]


@dataclass(frozen=True)
class CheckedList:
    """A process list in which everything exists that can be known without the data."""

    process_list: ProcessList
    inputs: tuple[CheckedInput, ...]
    steps: tuple[CheckedStep, ...]
    outputs: tuple[CheckedOutput, ...]
    site: Site | None = None
