"""The plugin contract: what must hold of every plugin, checked on a small dataset.

from tomosaxs.testing import check_plugin, example_source
check_plugin(my_filter, example_source("Projections"), {"size": 5})
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tomosaxs.blocks import read_block
from tomosaxs.codec import encode
from tomosaxs.dataset import ArrayReader, Reader, Source
from tomosaxs.errors import TomosaxsError
from tomosaxs.plan import Node, Options, Pass
from tomosaxs.plugin import Estimate, PluginSpec, Uncertain
from tomosaxs.scan import Scan
from tomosaxs.testing.examples import example_source
from tomosaxs.testing.single import Outcome, plan_of, run_once, run_plugin, spec_from


class ContractError(AssertionError):
    """A plugin breaks the contract; the message says which part, and how."""


def check_plugin(
    target: Any,
    source: Source | Sequence[Source] | None = None,
    parameters: Mapping[str, Any] | None = None,
    *,
    blocks: Sequence[int | None] = (1, 2, 7),
    ranks: Sequence[int] = (2, 3),
    folder: Path | None = None,
) -> list[NDArray[Any]] | Estimate:
    """Check the contract of a plugin on a dataset.

    - The same result for any block size and number of ranks, bit for bit or within the plugin's
      ``determinism``; a pointwise plugin also for any slicing. Files that it writes are the same, too.
    - The real shape is the planned one, and no value is cut off to fit the planned type.
    - Its inputs are left untouched, read-only ones are taken.
    - A NaN in one slice changes that slice and its halo, nothing else, or is refused with an `InputError`.
    - It makes no NaN or infinity of finite values, unless it declares ``nan=True``.
    - What an estimator returns can be stored: numbers, text and arrays, a confidence between 0 and 1.
    - A step that carries uncertainties on makes the same values of data that come with some, and all of the above
      holds of the uncertainties, too.

    Parameters
    ----------
    target : decorated function or class, or str
        The plugin; text is a registered name or ``FILE.py:NAME``.
    source : Source or sequence of Source, optional
        The datasets, one an input; default the `example_source` of the first input's pattern.
    parameters : mapping, optional
        As in a list.
    blocks, ranks : sequence of int
        What is tried.
    folder : Path, optional
        Where a temporary folder for files is made; default the system's.

    Returns
    -------
    list of array, or Estimate
        What the plugin makes of the dataset.

    Raises
    ------
    ContractError
        With the part of the contract that is broken.
    """
    spec = spec_from(target)
    sources = _several(source if source is not None else example_source(spec.inputs[0][1].name))
    check = _Check(spec, sources, dict(parameters or {}), folder)
    whole = _check_all(check, ranks, blocks)
    if spec.uncertainty and not any(each.uncertainty is not None for each in sources):
        uncertain = replace(check, sources=[_with_uncertainty(each) for each in sources])
        made = _check_all(uncertain, ranks, blocks)
        count = len(spec.outputs)
        check.same(Outcome(whole.arrays[:count]), Outcome(made.arrays[:count]), "uncertainties")
    return whole.arrays if whole.estimate is None else whole.estimate


def _check_all(check: _Check, ranks: Sequence[int], blocks: Sequence[int | None]) -> Outcome:
    """Run every check and return what the plugin makes of the whole."""
    spec, sources = check.spec, check.sources
    whole = check.run()
    for count in ranks:
        check.same(whole, check.run(ranks=count), f"{count} ranks")
    for size in blocks:
        check.same(whole, check.run(block=size), f"blocks of {size}")
    check.same(whole, check.run(read_only=True), "read-only input")
    if whole.estimate is not None:
        check.storable(whole.estimate)
        return whole
    if spec.pointwise and len(sources) == 1 and whole.arrays:
        check.any_slicing(whole)
    check.nan_stays(whole)
    return whole


def _several(source: Source | Sequence[Source]) -> list[Source]:
    return [source] if isinstance(source, Source) else list(source)


@dataclass
class _Check:
    """One plugin under examination."""

    spec: PluginSpec
    sources: list[Source]
    parameters: dict[str, Any]
    folder: Path | None

    def fail(self, text: str) -> ContractError:
        place = f"{self.spec.file}:{self.spec.line}: " if self.spec.file is not None else ""
        return ContractError(f"{place}plugin {self.spec.name}: {text}")

    def run(self, *, read_only: bool = False, ranks: int = 1, block: int | None = None) -> Outcome:
        """Run it once, watched."""
        watch = _Watch(self.spec)
        sources = [
            replace(
                each,
                reader=_Copies(each.reader, read_only),
                uncertainty=None if each.uncertainty is None else _Copies(each.uncertainty, read_only),
            )
            for each in self.sources
        ]
        try:
            outcome = run_once(watch.spec(), sources, self.parameters, ranks=ranks, block=block, folder=self.folder)
        except TomosaxsError as error:
            if read_only and "read-only" in str(error):
                text = "it writes into its input, or does not take a read-only one; other steps may need the data"
                raise self.fail(f"{text} ({error})") from error
            if "planned was" in str(error) or "fit the planned" in str(error):
                raise self.fail(f"the real output is not the planned one: {error}") from error
            if "NaN or infinite" in str(error):
                raise self.fail(f"of finite data: {error}") from error
            raise
        if watch.changed:
            raise self.fail(f"it changes {watch.changed} in place; other steps may still need it")
        plan = plan_of(self.sources, self.spec, self.parameters, Options())
        for node, dtypes in zip(plan.passes[0].produced, watch.dtypes, strict=False):
            if not np.can_cast(dtypes, node.dataset.dtype, "same_kind"):
                raise self.fail(f"it returns {dtypes}, planned was {node.dataset.dtype}: values would be cut off")
        return outcome

    def same(self, one: Outcome, other: Outcome, what: str) -> None:
        """Raise unless two outcomes are the same."""
        for number, (first, second) in enumerate(zip(one.arrays, other.arrays, strict=True)):
            if not self._equal(first, second):
                with np.errstate(invalid="ignore"):
                    apart = np.abs(first.astype(np.float64) - second)
                worst = float(np.nanmax(apart, initial=0.0))
                raise self.fail(f"output {number} differs with {what} by up to {worst:g}")
        if one.files != other.files:
            raise self.fail(f"its files differ with {what}")
        if one.estimate is not None and other.estimate is not None:
            for name, value in vars(one.estimate).items():
                if not self._alike(value, getattr(other.estimate, name)):
                    raise self.fail(f"the {name} of its estimate differs with {what}")

    def _equal(self, first: NDArray[Any], second: NDArray[Any]) -> bool:
        if first.shape != second.shape or first.dtype != second.dtype:
            return False
        floating = first.dtype.kind in "fc"
        if not (self.spec.determinism and floating):
            return bool(np.array_equal(first, second, equal_nan=floating))
        scale = float(np.nanmax(np.abs(first), initial=0.0)) or 1.0
        tolerance = self.spec.determinism
        return bool(np.allclose(first, second, rtol=tolerance, atol=tolerance * scale, equal_nan=True))

    def _alike(self, one: Any, other: Any) -> bool:
        if isinstance(one, Mapping) and isinstance(other, Mapping):
            return one.keys() == other.keys() and all(self._alike(one[key], other[key]) for key in one)
        if isinstance(one, (float, np.ndarray, np.generic)):
            return self._equal(np.asarray(one), np.asarray(other))
        return bool(one == other)

    def storable(self, estimate: Estimate) -> None:
        """Raise unless an estimate can be sent to the other ranks and stored."""
        for name in ("value", "details", "pictures"):
            held = getattr(estimate, name)
            try:
                encode(dict(held) if isinstance(held, Mapping) else held)
            except (TypeError, ValueError) as error:
                raise self.fail(f"the {name} of its estimate cannot be stored: {error}") from error
        if estimate.confidence < 0 or estimate.confidence > 1:
            raise self.fail(f"its confidence is {estimate.confidence:g}; it lies between 0 and 1, or is NaN")
        if estimate.uncertainty < 0:
            raise self.fail(f"its uncertainty is negative: {estimate.uncertainty:g}")

    def any_slicing(self, whole: Outcome) -> None:
        """Raise unless a pointwise plugin makes the same of the data with their axes in another order."""
        names = self.sources[0].dataset.names
        for number in range(1, len(names)):
            order = [*names[number:], *names[:number]]
            turned = replace(self, sources=[_reordered(self.sources[0], order)])
            arrays = turned.run().arrays
            back = [np.transpose(each, [order.index(name) for name in names]) for each in arrays]
            self.same(whole, Outcome(back), f"{order[0]} sliced; it is declared pointwise")

    def nan_stays(self, whole: Outcome) -> None:
        """Raise when a NaN in the middle slice spoils more than that slice and its halo."""
        plan = plan_of(self.sources, self.spec, self.parameters, Options())
        one = plan.passes[0]
        first = next(node for node in plan.nodes if node.source is not None)
        if first.dataset.dtype.kind != "f" or one.count < 2 or not one.produced:
            return
        middle = one.count // 2
        spoiled = [_with_nan(self.sources[0], one, first, middle), *self.sources[1:]]
        try:
            answer = run_once(replace(self.spec, nan=True), spoiled, self.parameters, folder=self.folder)
        except TomosaxsError:
            return  # refused, by name
        for node, good, bad in zip(one.produced, whole.arrays, answer.arrays, strict=True):
            dimensions = [node.dataset.names.index(name) for name in one.sliced[node]]
            for low, high in ((0, middle - one.halo), (middle + one.halo + 1, one.count)):
                parts = [read_block(ArrayReader(each), dimensions, max(0, low), max(0, high)) for each in (good, bad)]
                if high > low and not self._equal(*parts):
                    raise self.fail(f"a NaN in slice {middle} changes slices {max(0, low)} to {high - 1}")


def _with_nan(source: Source, one: Pass, node: Node, number: int) -> Source:
    """Return the dataset with a NaN in the middle of one slice."""
    data = np.array(_all_of(source))
    sliced = one.sliced[node]
    where = dict(zip(sliced, np.unravel_index(number, one.sizes), strict=True))
    data[tuple(int(where.get(axis.name, axis.size // 2)) for axis in node.dataset.axes)] = np.nan
    return replace(source, reader=ArrayReader(data))


def _all_of(source: Source) -> NDArray[Any]:
    return source.reader.read(tuple(slice(None) for _ in source.reader.shape))


def _reordered(source: Source, order: Sequence[str]) -> Source:
    """Return the same dataset with its axes in another order."""
    names = source.dataset.names
    dataset = replace(source.dataset, axes=tuple(source.dataset.axis(name) for name in order))
    turn = [names.index(name) for name in order]
    data = np.ascontiguousarray(np.transpose(_all_of(source), turn))
    sigma = source.uncertainty
    if sigma is not None:
        whole = sigma.read(tuple(slice(None) for _ in names))
        sigma = ArrayReader(np.ascontiguousarray(np.transpose(whole, turn)))
    return replace(source, dataset=dataset, reader=ArrayReader(data), uncertainty=sigma)


def _with_uncertainty(source: Source) -> Source:
    """Return the same dataset with uncertainties as counting statistics would give."""
    sigma = np.sqrt(np.abs(_all_of(source)) + 1.0).astype(np.float32)
    return replace(source, uncertainty=ArrayReader(sigma))


class _Copies:
    """A reader that hands out copies, as a file does, or read-only arrays, as a memory map does."""

    def __init__(self, reader: Reader, read_only: bool) -> None:
        self.reader, self.read_only = reader, read_only
        self.shape, self.dtype = reader.shape, reader.dtype

    def read(self, selection: Any) -> NDArray[Any]:
        """Return a part."""
        part = np.array(self.reader.read(selection), order="C")
        part.flags.writeable = not self.read_only
        return part


@dataclass
class _Watch:
    """Stands around a plugin and sees what it does to its arguments and what it returns."""

    plugin: PluginSpec
    changed: str = ""
    dtypes: list[np.dtype[Any]] = field(default_factory=list)

    def spec(self) -> PluginSpec:
        """Return the same declaration with the watched function or class."""
        target: Any = self.plugin.target
        if not self.plugin.stateful:
            return replace(self.plugin, target=self._around(target))
        method = "update" if self.plugin.kind == "estimator" else "__call__"
        watched = type(target.__name__, (target,), {method: self._around(getattr(target, method))})
        return replace(self.plugin, target=watched)

    def _around(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **parameters: Any) -> Any:
            held = _arrays(args, parameters)
            before = {name: array.copy() for name, array in held.items()}
            answer = function(*args, **parameters)
            for name, array in held.items():
                if not np.array_equal(array, before[name], equal_nan=array.dtype.kind in "fc"):
                    self.changed = name
            several = isinstance(answer, tuple) and not isinstance(answer, Uncertain)
            answers = answer if several else (answer,)
            values = [each.values if isinstance(each, Uncertain) else each for each in answers]
            values += [each.sigma for each in answers if isinstance(each, Uncertain)]
            self.dtypes = [each.dtype for each in values if isinstance(each, np.ndarray)]
            return answer

        return call


def _arrays(args: Sequence[Any], parameters: Mapping[str, Any]) -> dict[str, NDArray[Any]]:
    """Return every array that a call could write into: its blocks, and the axes and companions of its scan."""
    found: dict[str, NDArray[Any]] = {}
    for number, value in enumerate([*args, *parameters.values()]):
        if isinstance(value, np.ndarray):
            found[f"input {number}"] = value
        elif isinstance(value, Scan):
            found.update({axis.name: axis.values for axis in value.dataset.axes if axis.values is not None})
            companions = [name for name in value.dataset.auxiliaries if _fits(value, name)]
            found.update({name: value.get(name) for name in companions})
            sigmas = enumerate(value.uncertainties)
            found.update({f"uncertainty {place}": each for place, each in sigmas if each is not None})
    return found


def _fits(scan: Scan, name: str) -> bool:
    """Return whether a companion can be had for the block: all its axes are sliced, whole, or its own."""
    axes = scan.dataset.auxiliaries[name].axes
    return all(axis in scan.sliced or axis in scan.core or axis not in scan.dataset.names for axis in axes)


__all__ = ["ContractError", "check_plugin", "run_plugin"]
