"""Run one plugin over a dataset in memory as the runner would: any block size, any number of ranks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tomosaxs import registry
from tomosaxs.blocks import block_ranges, share, write_block
from tomosaxs.communicator import Communicator
from tomosaxs.dataset import Source
from tomosaxs.declaration import spec_of
from tomosaxs.errors import InputError
from tomosaxs.plan import Node, Options, Pass, Plan, build_plan
from tomosaxs.plugin import Estimate, PluginSpec, loader
from tomosaxs.process_list import CheckedInput, CheckedList, CheckedStep, InputEntry, ProcessList, StepEntry
from tomosaxs.runner.begin import SCRATCH
from tomosaxs.runner.context import Context
from tomosaxs.runner.estimates import run_estimate
from tomosaxs.runner.sections import PassRunner

_OUTPUTS = ("data", "second", "third", "fourth")


@dataclass
class Outcome:
    """What one plugin made of a dataset: arrays, or the value it found, or files by name."""

    arrays: list[NDArray[Any]] = field(default_factory=list)
    estimate: Estimate | None = None
    files: dict[str, bytes] = field(default_factory=dict)


def spec_from(target: Any) -> PluginSpec:
    """Return the declaration of a decorated function or class, a registered name or ``FILE.py:NAME``."""
    if isinstance(target, PluginSpec):
        return target
    return registry.find(target) if isinstance(target, str) else spec_of(target)


def plan_of(
    sources: Source | Sequence[Source], spec: PluginSpec, parameters: Mapping[str, Any], options: Options
) -> Plan:
    """Return the plan of a list with one step over datasets in memory.

    Raises
    ------
    InputError
        When a parameter is wrong.
    """
    given = [sources] if isinstance(sources, Source) else list(sources)
    given += [given[-1]] * (len(spec.inputs) - len(given))
    values, faults = spec.parameters.validate(parameters)
    if faults:
        raise InputError(f"plugin {spec.name}: " + "; ".join(f"{f.name}: {f.message}" for f in faults))
    names = [each.dataset.name or f"input{number}" for number, each in enumerate(given)]
    spec = spec.reading(len(given))
    entries = [InputEntry("memory", {}, {}, {}, name=name, paths=(".",), crop={}) for name in names]
    on = tuple(names[: len(spec.inputs)])
    step = StepEntry(spec.name, dict(parameters), {}, {}, number=1, name=None, label=spec.name, on=on)
    listing = ProcessList("", tuple(entries), (step,), (), None, Path.cwd(), "", {})
    checked = CheckedList(
        listing,
        tuple(
            CheckedInput(entry, spec_of(_loader(each)), {}, (Path.cwd(),))
            for entry, each in zip(entries, given, strict=True)
        ),
        (CheckedStep(step, spec, values, {}, on, _OUTPUTS[: len(spec.outputs)]),),
        (),
    )
    return build_plan(checked, options)


def _loader(source: Source) -> Any:
    @loader
    def memory(path: Path) -> Source:
        """Hand over what is in memory."""
        return source

    return memory


class _Hooks:
    """No hooks."""

    def __getattr__(self, name: str) -> Any:
        return lambda **_: []


class _Finished(Exception):
    """A rank other than the first has said all it had to say."""


class _Rank(Communicator):
    """One of several ranks, one after the other in this process, the first rank last."""

    def __init__(self, rank: int, size: int, told: dict[int, list[Any]]) -> None:
        self.rank, self.size, self.told = rank, size, told
        told[rank] = []

    def gather(self, value: Any, root: int = 0) -> list[Any] | None:
        """Keep what this rank tells; the first rank gets everything, nothing of those that have no more to tell."""
        mine = self.told[self.rank]
        mine.extend(super().gather(value) or [])
        if self.rank != root:
            return None
        turn = len(mine) - 1
        return [self.told[rank][turn] if turn < len(self.told[rank]) else [] for rank in range(self.size)]

    def allreduce_max(self, value: float) -> Any:
        """Return how often the longest rank tells something; the first rank, which comes last, knows it."""
        return max([value, *(len(self.told[rank]) for rank in range(self.size) if self.rank == 0)])

    def bcast(self, value: Any, root: int = 0) -> Any:
        """Return the first rank's value; the others are through."""
        if self.rank != root:
            raise _Finished
        return super().bcast(value)


def run_once(
    target: Any,
    sources: Source | Sequence[Source],
    parameters: Mapping[str, Any] | None = None,
    *,
    ranks: int = 1,
    block: int | None = None,
    folder: Path | None = None,
) -> Outcome:
    """Run one plugin over a dataset and return all that it makes; the arguments are those of `run_plugin`."""
    spec = spec_from(target)
    plan = plan_of(sources, spec, parameters or {}, Options(ranks, ranks, 1e9, block))
    one = plan.passes[0]
    with TemporaryDirectory(dir=folder) as scratch:
        outcome = _all_ranks(plan, one, ranks, Path(scratch))
        for path in sorted(Path(scratch).glob(".work/*/files/**/*")):
            if path.is_file() and SCRATCH not in path.parts:  # a run removes what is only kept meanwhile
                outcome.files[path.name] = path.read_bytes()
    return outcome


def _all_ranks(plan: Plan, one: Pass, ranks: int, folder: Path) -> Outcome:
    made = {node: np.empty(node.dataset.shape, node.dataset.dtype) for node in one.produced}
    told: dict[int, Any] = {}
    for rank in reversed(range(ranks)):
        context = Context(plan, _Rank(rank, ranks, told), folder, lambda text: None, hooks=_Hooks())
        if one.estimator is not None:
            try:
                return Outcome(estimate=run_estimate(context, one))
            except _Finished:
                continue
        _sections(context, one, made)
    return Outcome(list(made.values()))


def _sections(context: Context, one: Pass, made: dict[Node, NDArray[Any]]) -> None:
    for step in one.steps:
        if not step.outputs:
            (context.home(step.key) / "files").mkdir(parents=True, exist_ok=True)
    runner = PassRunner(context, one)
    low, high = share(one.count, context.comm.size, context.comm.rank)
    for start, end in block_ranges(low, high, one.block):
        for node, (piece, at) in runner.carry(start, end).items():
            write_block(made[node], runner.dimensions(node), at, piece)


def run_plugin(
    target: Any,
    sources: Source | Sequence[Source],
    parameters: Mapping[str, Any] | None = None,
    *,
    ranks: int = 1,
    block: int | None = None,
    folder: Path | None = None,
) -> list[NDArray[Any]] | Estimate:
    """Run one plugin over a dataset as the runner would, and return its outputs whole.

    Parameters
    ----------
    target : decorated function or class, or str
        The plugin; text is a registered name or ``FILE.py:NAME``.
    sources : Source or sequence of Source
        The datasets, one an input of the plugin, for instance `example_source(...)`; the last one stands for
        those that are not given.
    parameters : mapping, optional
        As in a list.
    ranks : int
        Number of ranks that share the slices (one after the other, in this process).
    block : int, optional
        Slices a block.
    folder : Path, optional
        Where a temporary folder for files is made and removed again; default the system's.

    Returns
    -------
    list of array, or Estimate
        Every output in storage order and behind them their uncertainties, or the value that an estimator found.

    Raises
    ------
    InputError, StepError
        As in a run.
    """
    outcome = run_once(target, sources, parameters, ranks=ranks, block=block, folder=folder)
    return outcome.arrays if outcome.estimate is None else outcome.estimate
