"""The list that ``tomosaxs try`` runs: the steps that a plugin needs before it, then the plugin, watched."""

from __future__ import annotations

import functools
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from tomosaxs import registry
from tomosaxs.cli.sweep_slice import ROWS
from tomosaxs.errors import InputError, ListError, did_you_mean
from tomosaxs.plan import Options, Plan, build_plan
from tomosaxs.plugin import PluginSpec
from tomosaxs.process_list import CheckedList, check_list, parse_list, read_list
from tomosaxs.process_list.entries import CheckedStep, StepEntry
from tomosaxs.process_list.tree import Faults, plain
from tomosaxs.process_list.yaml_text import load

TRIED = "tried"
_SCAN = ("rotation_angle", ROWS, "detector_x")
_FRAMES = ("dark_flat_correction",)
_SINOGRAMS = (*_FRAMES, "minus_log")


@dataclass
class Watch:
    """What a plugin's function did when it was called.

    Parameters
    ----------
    seconds : list of float
        Of every call, for one slice of it.
    kinds : set of str
        Types of what it returned.
    changes_input : bool
        Whether the input was another one after a call.
    alone : float or None
        Largest difference of a slice that is processed alone, over the span of the values; None: not tried.
    """

    seconds: list[float] = field(default_factory=list)
    kinds: set[str] = field(default_factory=set)
    changes_input: bool = False
    alone: float | None = None

    def around(self, function: Callable[..., Any], alone: bool) -> Callable[..., Any]:
        """Return the function, watched; `alone`: call it once more with a single slice."""

        @functools.wraps(function)
        def call(*blocks: Any, **parameters: Any) -> Any:
            given = [np.array(block) if isinstance(block, np.ndarray) else block for block in blocks]
            start = time.perf_counter()
            answer = function(*given, **parameters)
            self.seconds.append((time.perf_counter() - start) / max(1, len(blocks[0])))
            before = [block for block in blocks if isinstance(block, np.ndarray)]
            self.changes_input |= any(
                not np.array_equal(one, other, equal_nan=other.dtype.kind in "fc")
                for one, other in zip(given, blocks, strict=True)
                if isinstance(other, np.ndarray)
            )
            if isinstance(answer, np.ndarray):
                self.kinds.add(str(answer.dtype))
                if alone and self.alone is None and len(before) == 1 and len(before[0]) > 1:
                    self._alone(function, before[0], answer, parameters)
            return answer

        return call

    def _alone(self, function: Callable[..., Any], block: Any, together: Any, parameters: dict[str, Any]) -> None:
        middle = len(block) // 2
        start = time.perf_counter()
        single = np.asarray(function(block[middle : middle + 1].copy(), **parameters))
        self.seconds.append(time.perf_counter() - start)
        if single.shape[1:] == together.shape[1:] and len(single) == 1:
            finite = together[np.isfinite(together)]
            span = float(np.ptp(finite)) if finite.size else 0.0
            far = np.nanmax(np.abs(single[0].astype(np.float64) - together[middle]), initial=0.0)
            self.alone = float(far) / span if span > 0 else 0.0


@dataclass(frozen=True)
class Trial:
    """A list with the plugin at its end.

    Parameters
    ----------
    checked : CheckedList
        Steps before the plugin, and the plugin.
    spec : PluginSpec
        The plugin.
    before : int
        Number of the step whose output the plugin gets; 0 where it gets the input.
    told : str
        Behind what it runs, in words.
    along : str
        Axis that a slice is a place of.
    name : str
        The dataset that it works on.
    label : str
        How the plugin's step is called.
    watch : Watch
        What it does.
    """

    checked: CheckedList
    spec: PluginSpec
    before: int
    told: str
    along: str
    name: str
    label: str
    watch: Watch


def list_to_try(
    plugin: str, scan: Path | None, settings: Sequence[str], listing: Path | None, after: str | None, options: Options
) -> Trial:
    """Return the list that shows a plugin.

    Raises
    ------
    ListError, InputError
        When the plugin makes no data, needs several datasets, does not fit behind any step, or a value is wrong.
    """
    spec = registry.find(plugin, relative_to=Path.cwd())
    if spec.kind != "step" or not spec.outputs:
        kind = {"step": "a step that writes files", "estimator": "an estimator", "loader": "a loader"}
        raise InputError(f"{spec.name} is {kind.get(spec.kind, 'a saver')}: try shows steps that make data of data")
    if len(spec.inputs) != 1 and not spec.variadic:
        raise InputError(f"{spec.name} takes {len(spec.inputs)} datasets: try it in a list, with tomosaxs sweep or run")
    if listing is None and after is not None:
        raise InputError("--after names a step of a list: give --list too")
    base = _standard(spec, scan) if listing is None else _of_list(listing, scan)
    plan = build_plan(base, options)
    step, name = _behind(spec, plan, after)
    values, given = _values(spec, settings)
    number = 1 + max((each.entry.number for each in base.steps), default=0)
    names = {each.entry.label for each in base.steps}
    label = spec.name if spec.name not in names else f"{spec.name}_{TRIED}"
    steps = [each for each in base.steps if each.entry.active and each.entry.number <= step]
    watch = Watch()
    watched = replace(spec, nan=True)  # the trial itself tells of NaN
    if not spec.stateful and not spec.gpu:
        alone = not spec.halo and spec.wants_scan is None and not spec.pointwise
        watched = replace(watched, target=watch.around(spec.target, alone))
    entry = StepEntry(plugin, given, {}, {}, number=number, name=None, label=label, on=(name,), to=(TRIED,))
    tried = CheckedStep(entry, watched.reading(1), values, {}, (name,), (TRIED,))
    checked = replace(base, steps=(*steps, tried))
    dataset = _dataset(plan, step, name)
    core = spec.inputs[0][1].core_of(dataset.names)
    along = "rotation_angle" if core is None or ROWS in core else ROWS
    told = next(
        (f"behind step {each.entry.number} {each.entry.label}" for each in steps if each.entry.number == step), ""
    )
    return Trial(checked, spec, step, told or "on the input as it is read", along, name, label, watch)


def _standard(spec: PluginSpec, scan: Path | None) -> CheckedList:
    """Return the ordinary steps before a plugin with this pattern."""
    if scan is None:
        raise InputError("which scan? give its path behind the plugin, or a list with --list")
    pattern = spec.inputs[0][1]
    core = pattern.core_of(_SCAN)
    more = ""
    if pattern.pointwise or (core is not None and ROWS in core):
        names: tuple[str, ...] = _FRAMES
    elif core is not None:
        names = _SINOGRAMS
    elif pattern.core_of(("z", "y", "x")) is not None:
        names = _SINOGRAMS
        more = "  - plugin: find_rotation_axis\n    name: axis\n  - plugin: reconstruct\n    centre: ${axis}\n"
    else:
        raise InputError(f"{spec.name} works on {pattern.name}, axes {pattern.describe()}: give a list with --list")
    steps = "".join(f"  - plugin: {name}\n" for name in names) + more
    path = json.dumps(str(scan.expanduser().absolute()))
    text = f"title: {spec.name}\ninput:\n  tomo:\n    plugin: tomography\n    path: {path}\nsteps:\n{steps}"
    return check_list(parse_list(text))


def _of_list(listing: Path, scan: Path | None) -> CheckedList:
    return check_list(read_list(listing, inputs=[] if scan is None else [str(scan)]))


def _behind(spec: PluginSpec, plan: Plan, after: str | None) -> tuple[int, str]:
    """Return number and dataset of the step that the plugin follows: the one named, or the last that fits."""
    pattern = spec.inputs[0][1]
    numbers: dict[int, str] = {}
    for each in plan.inputs:
        if pattern.pointwise or pattern.core_of(each.source.dataset.names) is not None:
            numbers.setdefault(0, each.checked.entry.name)
    last: dict[str, Any] = {}
    for step in plan.steps:
        for node in step.outputs:
            last[node.name] = node
        name = step.outputs[0].name if step.outputs else step.checked.on[0]
        known = last.get(name)
        if known is not None and (pattern.pointwise or pattern.core_of(known.dataset.names) is not None):
            numbers[step.number] = name
    if after is not None:
        return _named(spec, plan, after, numbers)
    flat = [step.number for step in plan.steps if step.spec.name in _FRAMES and step.number in numbers]
    core = pattern.core_of(_SCAN)
    if flat and (pattern.pointwise or (core is not None and ROWS in core)):
        return flat[-1], numbers[flat[-1]]
    if not numbers:
        raise InputError(
            f"{spec.name} works on {pattern.name}, axes {pattern.describe()}: nothing in the list has these"
        )
    return max(numbers), numbers[max(numbers)]


def _named(spec: PluginSpec, plan: Plan, after: str, numbers: dict[int, str]) -> tuple[int, str]:
    found = [
        s for s in plan.steps if after in (s.checked.entry.name, s.checked.entry.label, s.spec.name, str(s.number))
    ]
    if not found:
        known = [step.checked.entry.label for step in plan.steps]
        raise InputError(f"--after {after}: no step is called that{did_you_mean(after, known)}")
    number = found[-1].number
    if number not in numbers:
        pattern = spec.inputs[0][1]
        raise InputError(f"--after {after}: {spec.name} works on {pattern.name}, axes {pattern.describe()}, not there")
    return number, numbers[number]


def _dataset(plan: Plan, number: int, name: str) -> Any:
    """Return the description of a dataset behind a step."""
    found = next(each.source.dataset for each in plan.inputs)
    for each in plan.inputs:
        if each.checked.entry.name == name:
            found = each.source.dataset
    for step in plan.steps:
        for node in step.outputs:
            if step.number <= number and node.name == name:
                found = node.dataset
    return found


def _values(spec: PluginSpec, settings: Sequence[str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the checked parameters of the plugin, and those that were given."""
    given: dict[str, Any] = {}
    for text in settings:
        name, separator, value = text.partition("=")
        name = name.strip().removeprefix(f"{spec.name}.")
        if not separator or name not in spec.parameters.names():
            raise InputError(
                f"--set {text}: {spec.name} has no parameter {name!r}{did_you_mean(name, spec.parameters.names())}"
            )
        faults = Faults(None)
        try:
            given[name] = plain(load(value, faults, f"--set {text}"))
            faults.raise_any()
        except ListError as error:
            raise InputError(str(error)) from None
    values, wrong = spec.parameters.validate(given)
    if wrong:
        raise InputError(f"{spec.name}: " + "; ".join(f"{fault.name}: {fault.message}" for fault in wrong))
    return values, given
