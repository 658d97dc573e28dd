"""The plugin contract: what must hold of every plugin, checked on a small dataset.

from tomosaxs.testing import check_plugin, example_source
check_plugin(my_filter, example_source("Projections"), {"size": 5})
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tomosaxs.blocks import block_ranges, share, write_block
from tomosaxs.communicator import Communicator
from tomosaxs.dataset import ArrayReader, CroppedReader, Source
from tomosaxs.declaration import spec_of
from tomosaxs.plan import Node, Options, Pass, Plan, build_plan
from tomosaxs.plugin import Estimate, PluginSpec, loader
from tomosaxs.process_list import CheckedInput, CheckedList, CheckedStep, InputEntry, ProcessList, StepEntry
from tomosaxs.runner.context import Context
from tomosaxs.runner.estimates import run_estimate
from tomosaxs.runner.sections import PassRunner


class ContractError(AssertionError):
    """A plugin breaks the contract; the message says which part, and how."""


def plan_of(source: Source, spec: PluginSpec, parameters: Mapping[str, Any], options: Options) -> Plan:
    """Return the plan of a list with one step over a dataset in memory."""

    @loader
    def memory(path: Path) -> Source:
        """Hand over what is in memory."""
        return source

    values, faults = spec.parameters.validate(parameters)
    if faults:
        raise ContractError("; ".join(f"{fault.name}: {fault.message}" for fault in faults))
    entry = InputEntry("memory", {}, {}, {}, name="data", path=".", crop={})
    step = StepEntry(spec.name, dict(parameters), {}, {}, number=1, name=None, label=spec.name, on=("data",))
    to = tuple(["data", "second", "third"][: len(spec.outputs)])
    listing = ProcessList("", (entry,), (step,), (), None, Path.cwd(), "", {})
    checked = CheckedList(
        listing,
        (CheckedInput(entry, spec_of(memory), {}, Path.cwd()),),
        (CheckedStep(step, spec, values, {}, ("data",) * len(spec.inputs), to),),
        (),
    )
    return build_plan(checked, options)


class _Hooks:
    """No hooks."""

    def __getattr__(self, name: str) -> Any:
        return lambda **_: []


class _Rank(Communicator):
    """One of several ranks, one after the other in this process."""

    def __init__(self, rank: int, size: int) -> None:
        self.rank, self.size = rank, size


def run_plugin(
    target: Any,
    source: Source,
    parameters: Mapping[str, Any] | None = None,
    *,
    ranks: int = 1,
    block: int | None = None,
    folder: Path | None = None,
) -> list[NDArray[Any]] | Estimate:
    """Run one plugin over a dataset as the runner would, and return its outputs whole.

    Parameters
    ----------
    target : decorated function or class
        The plugin.
    source : Source
        The dataset, for instance `example_source(...)`.
    parameters : mapping, optional
        As in a list.
    ranks : int
        Number of ranks that share the slices (one after the other, in this process).
    block : int, optional
        Slices a block.
    """
    spec = target if isinstance(target, PluginSpec) else spec_of(target)
    plan = plan_of(source, spec, parameters or {}, Options(ranks, ranks, 1e9, block))
    one = plan.passes[0]
    folder = folder or Path.cwd()
    if one.estimator is not None:
        context = Context(plan, Communicator(), folder, lambda text: None, hooks=_Hooks())
        return run_estimate(context, one)
    made = {node: np.empty(node.dataset.shape, node.dataset.dtype) for node in one.produced}
    for rank in range(ranks):
        context = Context(plan, _Rank(rank, ranks), folder, lambda text: None, hooks=_Hooks())
        _run_rank(context, one, made)
    return list(made.values())


def _run_rank(context: Context, one: Pass, made: dict[Node, NDArray[Any]]) -> None:
    runner = PassRunner(context, one)
    low, high = share(one.count, context.comm.size, context.comm.rank)
    for start, end in block_ranges(low, high, one.block):
        for node, pieces in runner.carry(start, end).items():
            write_block(made[node], runner.stored_dimensions(node), pieces[0][1], pieces[0][0])


def check_plugin(
    target: Any,
    source: Source,
    parameters: Mapping[str, Any] | None = None,
    *,
    blocks: Sequence[int | None] = (1, 2, 7),
    ranks: Sequence[int] = (2, 3),
    folder: Path | None = None,
) -> list[NDArray[Any]] | Estimate:
    """Check the contract of a plugin on a dataset.

    Same result for any block size and number of ranks (bit for bit, or within the plugin's ``determinism``),
    real shape and type equal to the planned ones, its input left untouched, and a NaN in one
    slice confined to that slice and its halo, or refused with an error.

    Returns
    -------
    list of array, or Estimate
        What the plugin makes of the dataset.

    Raises
    ------
    ContractError
        With the part of the contract that is broken.
    """
    spec = target if isinstance(target, PluginSpec) else spec_of(target)
    guarded = replace(source, reader=_Watched(source))
    whole = run_plugin(spec, guarded, parameters, folder=folder)
    if isinstance(whole, Estimate):
        return whole
    for count in ranks:
        _same(spec, whole, run_plugin(spec, guarded, parameters, ranks=count, folder=folder), f"{count} ranks")
    for size in blocks:
        _same(spec, whole, run_plugin(spec, guarded, parameters, block=size, folder=folder), f"blocks of {size}")
    guarded.reader.verify(spec)  # type: ignore[attr-defined]
    _nan_stays(spec, source, parameters or {}, whole, folder)
    return whole


def _same(spec: PluginSpec, one: Any, other: Any, what: str) -> None:
    for number, (first, second) in enumerate(zip(one, other, strict=True)):
        if spec.determinism:
            scale = float(np.nanmax(np.abs(first), initial=0.0)) or 1.0
            good = np.allclose(first, second, rtol=spec.determinism, atol=spec.determinism * scale, equal_nan=True)
        else:
            good = np.array_equal(first, second, equal_nan=True)
        if not good:
            with np.errstate(invalid="ignore"):
                worst = float(np.nanmax(np.abs(first.astype(float) - second)))
            raise ContractError(f"{spec.name}: output {number} differs with {what} by up to {worst:g}")


class _Watched:
    """A reader that keeps what it handed out, to see whether a plugin wrote into it."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.given: list[tuple[NDArray[Any], NDArray[Any]]] = []

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the whole."""
        return self.source.reader.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the entries."""
        return self.source.reader.dtype

    def read(self, selection: Any) -> NDArray[Any]:
        """Read, and remember."""
        part = self.source.reader.read(selection).copy()
        self.given.append((part, part.copy()))
        return part

    def verify(self, spec: PluginSpec) -> None:
        """Raise when something that was handed out has changed."""
        if any(not np.array_equal(now, before, equal_nan=now.dtype.kind == "f") for now, before in self.given):
            raise ContractError(f"{spec.name}: it changes its input in place; other steps may still need it")


def _nan_stays(
    spec: PluginSpec, source: Source, parameters: Mapping[str, Any], whole: Any, folder: Path | None
) -> None:
    """A NaN in the first slice may spoil that slice and its halo, nothing else."""
    from tomosaxs.errors import TomosaxsError

    plan = plan_of(source, spec, parameters, Options())
    one = plan.passes[0]
    if plan.nodes[0].dataset.dtype.kind != "f" or one.count < 2 or not one.produced:
        return
    data = np.array(source.reader.read(tuple(slice(None) for _ in source.reader.shape)))
    dimensions = [source.dataset.names.index(name) for name in one.sliced[plan.nodes[0]]]
    place = tuple(0 if d in dimensions else size // 2 for d, size in enumerate(data.shape))
    data[place] = np.nan
    spoiled = replace(source, reader=ArrayReader(data))
    try:
        answer = run_plugin(spec, spoiled, parameters, folder=folder)
    except TomosaxsError:
        return  # refused, by name
    keep = one.halo + 1
    for node, first, second in zip(one.produced, whole, answer, strict=True):
        crop = [slice(None)] * first.ndim
        crop[node.dataset.names.index(one.sliced[node][-1])] = slice(keep, None)
        if len(one.sliced[node]) > 1:  # the flat neighbours lie along the last sliced axis; compare the rest
            crop[node.dataset.names.index(one.sliced[node][0])] = slice(1, None)
        if not np.array_equal(first[tuple(crop)], second[tuple(crop)], equal_nan=True):
            raise ContractError(f"{spec.name}: a NaN in one slice changes other slices")


__all__ = ["ContractError", "CroppedReader", "check_plugin", "run_plugin"]
