"""The record of a result that grows: what a run's record has, of one step and many files."""

from __future__ import annotations

import datetime
import os
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tomosaxs import __version__
from tomosaxs.dataset import Dataset, Source
from tomosaxs.plan import Node, Plan, PlannedStep
from tomosaxs.plan.keys import versions
from tomosaxs.plan.memory import peak_memory
from tomosaxs.plugin import PluginSpec
from tomosaxs.process_list import CheckedList, CheckedStep, ProcessList
from tomosaxs.process_list.entries import StepEntry
from tomosaxs.result import InputRecord, Result, SavedDataset, StepRecord
from tomosaxs.runner.folder import RESULT
from tomosaxs.runner.growing_rows import FileRows
from tomosaxs.runner.typed import typed_command

_NAME = "images"
_TOLD = 20


@dataclass(eq=False)
class GrowingRecord:
    """What is told of a growing result beside its values.

    Parameters
    ----------
    folder : Path
        Where the result goes.
    spec : PluginSpec
        The step.
    given : mapping
        Its parameters as they were given.
    loader : str
        Name of the loader that a list would use.
    title, list_text : str
        Title, and the process list that does the same.
    messages : list of str
        For the report.
    seconds : float
        Spent in the step, all threads together.
    """

    folder: Path
    spec: PluginSpec
    given: Mapping[str, Any]
    loader: str = ""
    title: str = ""
    list_text: str = ""
    messages: list[str] = field(default_factory=list)
    seconds: float = 0.0
    kept: dict[str, Any] = field(default_factory=dict)
    threads: int = 1
    _started: datetime.datetime = field(default_factory=lambda: datetime.datetime.now(datetime.timezone.utc))
    _clock: float = field(default_factory=time.perf_counter)

    def result(
        self, files: Sequence[FileRows], saved: SavedDataset, values: Mapping[str, Any], frame: Dataset
    ) -> Result:
        """Return the result of `files`, whose rows are `saved`, made with the parameters `values` of such frames."""
        command = typed_command()
        result = Result(
            self.folder, self.folder / RESULT, self.title, self.list_text, None, (), command,
            datasets=[saved],
            software={"tomosaxs": __version__, "python": sys.version.split()[0], **versions()},
            messages=[*self.messages, *_problems(files)],
            started=self._started.isoformat(timespec="seconds"),
            threads=self.threads,
            peak_memory=peak_memory(),
        )  # fmt: skip
        package = self.spec.target.__module__.split(".")[0]
        version = __version__ if package == "tomosaxs_plugins" else versions().get(package, "")
        result.steps = [
            StepRecord(
                1, self.spec.name, self.spec.name, version, self.spec.summary, dict(self.given), dict(values),
                tuple(self.spec.cite), self.seconds, self.spec.determinism, kept=self.kept,
            )
        ]  # fmt: skip
        read = tuple((file.path, file.size, file.checksum) for file in files)
        shape = (saved.dataset.shape[0], *frame.shape[1:])
        result.inputs = [InputRecord(_NAME, self.loader, _home(files), read, shape, frame.names, ())]
        result.ended = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")
        result.seconds = time.perf_counter() - self._clock
        return result

    def plan(self, values: dict[str, Any], source: Source, core: tuple[str, ...]) -> Plan:
        """Return the plan of a list with this step alone, on what `source` holds: for hooks that add to the report."""
        entry = StepEntry(
            self.spec.name, dict(self.given), {}, {}, 1, None, self.spec.name, on=(_NAME,), to=(_NAME,), save=True
        )
        checked = CheckedStep(entry, self.spec, values, {}, (_NAME,), (_NAME,))
        listing = ProcessList(self.title, (), (entry,), (), None, self.folder, self.list_text, {}, ())
        node = Node(0, _NAME, source.dataset, source=source)
        step = PlannedStep(checked, values, (node,), (core,))
        return Plan(CheckedList(listing, (), (checked,), ()), [], [step], [node], [], 1, 0.0)


def _problems(files: Sequence[FileRows]) -> list[str]:
    """Return what to say of unusable files: the first ones by name, of the others the number."""
    told = [f"{file.path}: {file.problem}" for file in files if file.problem]
    more = [f"{len(told) - _TOLD} more files are not usable: /entry/files names them"] if len(told) > _TOLD else []
    return [*told[:_TOLD], *more]


def _home(files: Sequence[FileRows]) -> Path:
    """Return the folder that all files are in."""
    return Path(os.path.commonpath([file.path.parent for file in files])) if files else Path()
