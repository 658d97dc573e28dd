"""What every part of a run shares: the plan, the ranks, the folder, the values found so far."""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tomosaxs.communicator import Communicator
from tomosaxs.errors import StepError, TomosaxsError
from tomosaxs.plan import Node, Plan, PlannedStep
from tomosaxs.plugin import Estimate
from tomosaxs.runner.meter import Meter
from tomosaxs.store import DataStore
from tomosaxs.traffic import Kind, bytes_so_far

Log = Callable[[str], None]


@dataclass(eq=False)
class Context:
    """State of a run on one rank.

    Parameters
    ----------
    plan : Plan
        What is to be done.
    comm : Communicator
        The ranks.
    folder : Path
        Where the result goes; `work` inside it holds what is not finished.
    log : callable
        Writes a line to the log and the screen, on rank 0.
    resume : bool
        Use what an earlier run finished.
    """

    plan: Plan
    comm: Communicator
    folder: Path
    log: Log
    resume: bool = False
    device: Any = None
    hooks: Any = None
    status: Callable[[str], None] = lambda text: None
    estimates: dict[str, Estimate] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    reused: set[str] = field(default_factory=set)
    ready: set[Node] = field(default_factory=set)
    instances: dict[int, Any] = field(default_factory=dict)
    begun: set[Node] = field(default_factory=set)
    files: dict[Node, DataStore] = field(default_factory=dict)
    messages: list[str] = field(default_factory=list)
    notes: dict[str, dict[str, int]] = field(default_factory=lambda: defaultdict(dict))
    remarks: dict[str, dict[str, int]] = field(default_factory=lambda: defaultdict(dict))
    remarked: list[str] = field(default_factory=list)
    kept: dict[str, dict[str, Any]] = field(default_factory=lambda: defaultdict(dict))
    meter: Meter = field(default_factory=Meter)
    bytes_before: dict[Kind, int] = field(default_factory=bytes_so_far)
    stage: str = "start"

    @property
    def work(self) -> Path:
        """Folder of unfinished data."""
        return self.folder / ".work"

    def home(self, key: str) -> Path:
        """Return the folder of what has the content key `key`."""
        return self.work / key[:24]

    def set_stage(self, text: str) -> None:
        """Say what this rank is at; named when it fails or is killed."""
        self.stage = text
        self.status(text)

    def fail(self, step: PlannedStep, error: BaseException, block: str) -> StepError:
        """Return the error that names step, plugin, block and rank."""
        where = f"{step} (plugin {step.spec.name}), {block}, rank {self.comm.rank} of {self.comm.size}"
        kind = "" if isinstance(error, TomosaxsError) else f"{type(error).__name__}: "
        place = where_in(step.spec.file, error)
        if isinstance(error, SystemExit):
            kind = "the plugin ended the program with exit status "
        return StepError(f"{where}: {kind}{error}{place}")


def where_in(file: Path | None, error: BaseException) -> str:
    """Return where in a plugin's own file an error arose, in brackets."""
    trace, place = error.__traceback__, ""
    while trace is not None:
        if file is not None and trace.tb_frame.f_code.co_filename == str(file):
            place = f" [{file}:{trace.tb_lineno}]"
        trace = trace.tb_next
    return place


def console(text: str) -> None:
    """Write a line to standard error at once."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


__all__ = ["Context", "Log", "Node", "console", "where_in"]
