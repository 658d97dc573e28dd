"""Shapes that depend on estimates: bounds while the plan is made, the real ones once the values are known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from tomosaxs.errors import InputError, StepError, TomosaxsError
from tomosaxs.parameters import check_value
from tomosaxs.plan.infer import outputs_of
from tomosaxs.plan.memory import size_blocks
from tomosaxs.plan.model import Node, Options, Pass, Plan, PlannedStep
from tomosaxs.plan.sweeps import stacked
from tomosaxs.plugin import Estimate


def refine(plan: Plan, estimates: Mapping[str, Estimate]) -> list[str]:
    """Describe the datasets anew with what estimators have found so far; nothing is added or removed.

    Parameters
    ----------
    plan : Plan
        Changed in place: descriptions of datasets, sizes of passes, blocks.
    estimates : mapping of str to Estimate
        By label of their steps.

    Returns
    -------
    list of str
        What changed, for the log.

    Raises
    ------
    StepError
        When a step cannot work with a value that was found.
    """
    changed: list[str] = []
    for one in plan.passes:
        for node in one.reads:
            _cut_again(node)
        for step in one.steps:
            if any(_describe(step, estimates)):
                shapes = "; ".join(
                    f"{node.name} ({', '.join(f'{a.name}: {a.size}' for a in node.dataset.axes)})"
                    for node in step.outputs
                )
                changed.append(f"{step}: {shapes}")
        _size(one, plan.options)
    for node in plan.nodes:
        if node.parts:
            _stack_again(node)
    return list(dict.fromkeys(changed))


def estimated(step: PlannedStep, estimates: Mapping[str, Estimate]) -> dict[str, Any]:
    """Return the parameters of a step whose values have been found.

    Raises
    ------
    StepError
        When a value is not there or does not fit the parameter.
    """
    found = {}
    for name, reference in step.checked.postponed.items():
        if reference.estimate not in estimates:
            continue
        value = estimates[reference.estimate].entry(reference.field)
        if value is None:
            raise StepError(f"{name}: the estimate {reference.estimate} has no {reference.field!r}")
        declared = step.spec.parameters.get(name)
        if declared is not None:
            given = value
            value, fault = check_value(declared, given)
            if fault and isinstance(given, float) and given.is_integer():  # results keep every value as a float
                value, fault = check_value(declared, int(given))
            if fault:
                raise StepError(f"{name}: the value found by {reference.estimate} does not fit: {fault}")
        found[name] = value
    return found


def _describe(step: PlannedStep, estimates: Mapping[str, Estimate]) -> list[bool]:
    """Infer a step's outputs again; return for each whether its shape is another one now."""
    try:
        values = {**step.values, **estimated(step, estimates)}
        made = outputs_of(step.spec, [node.dataset for node in step.inputs], step.cores, values)
    except Exception as error:  # a stranger's rule may fail in any way; it is reported
        kind = "" if isinstance(error, TomosaxsError) else f"{type(error).__name__}: "
        problem = StepError(f"{step}: {kind}{error}")
        problem.everywhere = True
        raise problem from error
    answers = []
    for node, dataset in zip(step.outputs, made, strict=True):
        answers.append(dataset.shape != node.dataset.shape)
        node.dataset = replace(dataset, name=node.name)
        if node.uncertainty is not None:
            sigma = node.uncertainty
            label = f"standard uncertainty of {dataset.label}"
            sigma.dataset = replace(dataset, name=sigma.name, label=label, uncertainty=False)
    return answers


def _stack_again(node: Node) -> None:
    """Follow the parts of a sweep."""
    try:
        whole = stacked(node.swept, {slot: part.dataset for slot, part in node.parts.items()})
    except InputError as error:
        problem = StepError(f"{node.made_by.called if node.made_by is not None else node.name}: {error}")
        problem.everywhere = True
        raise problem from error
    node.dataset = replace(whole, name=node.name)


def _cut_again(node: Node) -> None:
    """Follow a dataset whose part an estimator looks at."""
    if node.origin is None:
        return
    before = node.origin.dataset
    for name, chosen in node.selection.items():
        last = 0 if isinstance(chosen, slice) else int(chosen[-1])
        if last >= before.axis(name).size:
            raise StepError(f"an estimator looks at {name} {last} of {node.name}, which has {before.axis(name).size}")
    node.dataset = replace(before.select(node.selection), name=node.name, uncertainty=False)


def _size(one: Pass, options: Options) -> None:
    for node, names in one.sliced.items():
        one.sizes = tuple(node.dataset.axis(name).size for name in names)
        break
    size_blocks(one, options)
