"""Run the sweeps of a list on one slice: values that are estimated come from the whole scan, as in the real run."""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from tomosaxs import registry
from tomosaxs.communicator import Communicator
from tomosaxs.dataset import Axis
from tomosaxs.errors import InputError
from tomosaxs.plan import Node, Options, Pass, Plan, build_plan, refine
from tomosaxs.plan.model import Narrowing
from tomosaxs.plan.sweeps import choice_text
from tomosaxs.process_list import CheckedList
from tomosaxs.process_list.entries import CheckedInput, CheckedOutput, OutputEntry
from tomosaxs.result import Result
from tomosaxs.runner.context import Context, Log
from tomosaxs.runner.estimates import run_estimate
from tomosaxs.runner.resume import place_stores
from tomosaxs.runner.run import Run
from tomosaxs.runner.sections import run_section
from tomosaxs.threads import usable_cores

ROWS = "detector_y"
MARGIN = 64
"""Rows on both sides of the slice where a step works on whole frames."""
SMALL = 1 << 28
"""Bytes of a scan that is processed whole without a second thought."""


@dataclass
class SlicePlan:
    """What a sweep on one slice runs.

    Parameters
    ----------
    plan : Plan
        Of the part of the scan that the slice needs.
    whole : Plan or None
        Of the steps up to the last estimator, over the whole scan.
    row : int or None
        The slice: a row of the full, unbinned detector; None where the data have no rows.
    notes : list of str
        What was chosen, for the user.
    entries : int
        Places along the axis of the slice in the whole of what the list reads.
    """

    plan: Plan
    whole: Plan | None
    row: int | None
    notes: list[str] = field(default_factory=list)
    entries: int = 0


def plan_slice(
    checked: CheckedList,
    options: Options,
    row: int | None,
    margin: int | None,
    *,
    along: str = ROWS,
    least: int = 0,
    keep: Container[int] = (),
) -> SlicePlan:
    """Plan a list on the rows that one slice needs.

    Parameters
    ----------
    row : int or None
        Row of the full detector; None takes the middle of what the list reads.
    margin : int or None
        Rows on both sides where a step works on whole frames; None chooses.
    along : str, optional
        Axis that the slice is a place of: rows of the detector, or ``rotation_angle`` for a projection.
    least : int, optional
        Neighbours on both sides that are read in any case.
    keep : container of int, optional
        Numbers of steps whose output is saved.

    Raises
    ------
    ListError, InputError
        When list or data are at fault, or there is no such row.
    """
    checked = _only_nexus(checked, keep)
    full = build_plan(checked, options)
    datasets = {each.checked.entry.name: each.source.dataset for each in full.inputs}
    places = {name: dataset.axis(along) for name, dataset in datasets.items() if along in dataset.names}
    if not places:
        if row is not None:
            raise InputError(f"--slice names a place of {along}, and no input has such an axis")
        return SlicePlan(full, None, None, [f"the data have no {along}: everything is processed"])
    axis = next(iter(places.values()))
    row = int(axis.index[axis.size // 2]) if row is None else row
    notes: list[str] = []
    around = max(least, _rows_around(full, axis, margin, notes))
    narrowing = _narrowing(full, axis.name, row, least)
    cropped = [_cropped(each, places.get(each.entry.name), row, around) for each in checked.inputs]
    part = build_plan(replace(checked, inputs=tuple(cropped)), options, narrowing)
    # where everything is read anyhow, values are found on the way
    whole = None if around >= axis.size else _estimators(checked, full, options, notes)
    return SlicePlan(part, whole, row, notes, axis.size)


def _only_nexus(checked: CheckedList, keep: Container[int]) -> CheckedList:
    """Leave out what writes other files and intermediate data: pictures are what is wanted."""
    steps = [each for each in checked.steps if each.spec.outputs or each.spec.kind == "estimator"]
    outputs = [each for each in checked.outputs if each.spec.name == "nexus"]
    if not outputs:
        spec = registry.find("nexus")
        outputs = [CheckedOutput(OutputEntry("nexus", {}, {}, {}), spec, spec.parameters.validate({})[0])]
    plain = tuple(replace(each, entry=replace(each.entry, save=each.entry.number in keep)) for each in steps)
    return replace(checked, steps=plain, outputs=tuple(outputs[:1]))


def _rows_around(full: Plan, axis: Axis, margin: int | None, notes: list[str]) -> int:
    """Return how many entries on both sides of the slice are read."""
    same = _same(axis.name)
    what, whole = ("rows", "frames") if axis.name == ROWS else ("frames", "sinograms")
    near = sum(max((step.halo[1] for step in steps if step.halo[0] in same), default=0) for steps in _by_number(full))
    framed = [steps[0] for steps in _by_number(full) if _takes_whole(steps[0], same)]
    if near:
        notes.append(f"{near} {what} on both sides are read, which steps need as neighbours")
    if not framed:
        return near if margin is None else max(near, margin)
    names = ", ".join(step.checked.entry.label for step in framed)
    size = sum(each.source.dataset.nbytes for each in full.inputs)
    if margin is None and (size <= SMALL or axis.size <= 2 * (MARGIN + near) + 1):
        notes.append(f"{names} works on whole {whole}: all {axis.size} {what} are processed, which is exact")
        return axis.size
    around = (MARGIN if margin is None else margin) + near
    notes.append(
        f"{names} works on whole {whole}: {around} {what} on both sides are processed with the slice; what lies "
        "further away is left out, so that values differ slightly from those of the whole scan (--margin N reads more)"
    )
    return around


def _narrowing(full: Plan, along: str, row: int, least: int) -> Narrowing | None:
    """Return where the rows that only earlier steps need are left behind; None where all steps need as many."""
    same = _same(along)
    steps = _by_number(full)
    after = max((each[0].number for each in steps if _takes_whole(each[0], same)), default=0)
    ends = [step.number for step in full.steps if step.spec.kind == "estimator"]
    if not after:
        return None
    near = sum(
        max((step.halo[1] for step in each if step.halo[0] in same), default=0)
        for each in steps
        if each[0].number > after
    )
    return Narrowing(max([after, *ends]), tuple(same), row, max(near, least))


def _same(along: str) -> set[str]:
    """Return the names that the axis of the slice has: rows of the detector become heights of a volume."""
    return {along, "z"} if along == ROWS else {along}


def _by_number(plan: Plan) -> list[list[Any]]:
    found: dict[int, list[Any]] = {}
    for step in plan.steps:
        if step.spec.kind != "estimator":
            found.setdefault(step.number, []).append(step)
    return list(found.values())


def _takes_whole(step: Any, names: set[str]) -> bool:
    return any(core is not None and names.intersection(core) for core in step.cores)


def _cropped(each: CheckedInput, axis: Axis | None, row: int, around: int) -> CheckedInput:
    """Return an input that reads the slice and so many entries on both sides, aligned with its bins."""
    if axis is None:
        return each
    crop = each.entry.crop.get(axis.name)
    step = crop[2] if isinstance(crop, (list, tuple)) and len(crop) == 3 else 1
    extent = axis.binning * step
    at = np.flatnonzero((axis.index <= row) & (row < axis.index + extent))
    if at.size == 0:
        raise InputError(
            f"--slice {row} is not read: input {each.entry.name} has {axis.name} {axis.index[0]} to "
            f"{axis.index[-1] + extent - 1}"
        )
    low, high = max(0, int(at[0]) - around), min(axis.size - 1, int(at[0]) + around)
    stop = int(axis.index[high]) + (axis.binning - 1) * step + 1
    taken = {**each.entry.crop, axis.name: [int(axis.index[low]), stop, step]}
    return replace(each, entry=replace(each.entry, crop=taken))


def _estimators(checked: CheckedList, full: Plan, options: Options, notes: list[str]) -> Plan | None:
    """Return the plan that finds values over the whole scan; what needs all of a large scan is left to the slice."""
    size = sum(each.source.dataset.nbytes for each in full.inputs)
    far = [one.estimator for one in full.passes if one.estimator is not None and not _is_ahead(one) and size > SMALL]
    for step in {step.number: step for step in far if step is not None}.values():
        notes.append(f"{step.label} needs the whole scan after its steps; here it is found from the rows of the slice")
    end = min((step.number for step in far if step is not None), default=1 + len(checked.process_list.steps))
    wanted = [step.number for step in full.steps if step.spec.kind == "estimator" and step.number < end]
    if not wanted:
        return None
    steps = tuple(each for each in checked.steps if each.entry.number <= max(wanted))
    plan = build_plan(replace(checked, steps=steps), options)
    for node in plan.nodes:
        node.saved_as = ""
    plan.passes = _needed(plan)
    return plan


def _is_ahead(one: Pass) -> bool:
    """Return whether an estimator reads its part of the inputs, and no pass has to be stored for it."""
    return all((node.origin or node).source is not None for node in one.reads)


def _needed(plan: Plan) -> list[Pass]:
    """Return the passes that estimators need."""
    needed: set[Node] = set()
    chosen: list[Pass] = []
    for one in reversed(plan.passes):
        if one.estimator is not None or needed.intersection(one.stores):
            chosen.insert(0, one)
            needed.update(node.origin or node for node in one.reads)
    return chosen


class SliceRun(Run):
    """A run of a part of a scan whose estimates come from the whole of it."""

    def __init__(self, sliced: SlicePlan, comm: Communicator, folder: Path, *, log: Log) -> None:
        super().__init__(
            sliced.plan, comm, folder, resume=False, log=log, threads=len(usable_cores()), checksums="sampled"
        )
        self.whole = sliced.whole

    def _passes(self) -> None:
        if self.whole is not None:
            self._estimate(self.whole)
        super()._passes()

    def _estimate(self, whole: Plan) -> None:
        """Find the values over the whole scan, and leave the passes for them out of the main run."""
        context = Context(whole, self.comm, self.folder, self.log, hooks=self.context.hooks)
        place_stores(context, False)
        for one in whole.passes:
            if one.estimator is None:
                run_section(context, one)
                continue
            estimate = run_estimate(context, one)
            if one.estimator.choice:
                told = f"for {choice_text(one.estimator.choice)}"
                estimate = replace(estimate, messages=(told, *estimate.messages))
            context.estimates[one.estimator.label] = estimate
            if self.comm.rank == 0:
                self._say(one.estimator.label, estimate)
            refine(whole, context.estimates)
        known = self.context.estimates
        known.update(context.estimates)
        self.plan.passes = [p for p in self.plan.passes if p.estimator is None or p.estimator.label not in known]
        self.plan.steps = [s for s in self.plan.steps if s.spec.kind != "estimator" or s.label not in known]


def pictures_of(result: Result, plan: Plan, row: int | None) -> list[Any]:
    """Return the (y, x) pictures of the swept dataset, one a combination, in the order of `combinations`."""
    node = shown_node(plan)
    values = result[node.saved_as]
    axes = node.dataset.axes[len(node.swept) :]
    return [picture_of(values[slot], axes, row) for slot in node.parts]


def picture_of(values: Any, axes: Sequence[Axis], row: int | None, along: str = ROWS) -> Any:
    """Return the (y, x) plane that shows the slice: its place, and the middle of every other axis but the last two."""
    names = [axis.name for axis in axes]
    heights = next((name for name in (("z", ROWS) if along == ROWS else (along,)) if name in names), "")
    flat = [name for name in names if name != heights][-2:] if heights else names[-2:]
    place: list[slice | int] = []
    for axis in axes:
        if axis.name in flat:
            place.append(slice(None))
        elif axis.name == heights and row is not None:
            place.append(int(np.argmin(np.abs(axis.centres - row))))
        else:
            place.append(axis.size // 2)
    return np.atleast_2d(np.array(values[tuple(place)]))


def shown_node(plan: Plan) -> Node:
    """Return the dataset of the result that shows the sweep: the last one that depends on every swept parameter.

    Raises
    ------
    InputError
        When nothing is swept, or no dataset depends on all of it.
    """
    swept = {each for node in plan.saved for each in node.swept}
    named = {(s.entry.number, name) for s in plan.checked.steps if s.entry.active for name in s.entry.sweeps}
    if not named:
        raise InputError(
            'nothing is swept: give --set STEP.PARAM="[a, b, c]", or write  PARAM: {sweep: [a, b, c]}  into the list'
        )
    for node in reversed(plan.saved):
        if {(each.step, each.parameter) for each in node.swept} == named:
            return node
    shown = ", ".join(sorted(each.name for each in swept)) or "none"
    raise InputError(f"no dataset of the result depends on all that is swept ({shown} lead one); sweep them apart")
