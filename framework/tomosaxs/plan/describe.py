"""The plan in words: what is read, what every step makes, what it costs."""

from __future__ import annotations

from tomosaxs.plan.cost import time_of
from tomosaxs.plan.memory import step_bytes
from tomosaxs.plan.model import Node, Pass, Plan, PlannedStep
from tomosaxs.plan.times import pass_line, total_lines
from tomosaxs.rates import Rates, load_rates
from tomosaxs.threads import planned_for
from tomosaxs.units import size_text as _size


def describe(plan: Plan, rates: Rates | None = None) -> str:
    """Return the plan as text for ``tomosaxs plan`` and the report, with times at this machine's rates or others."""
    with planned_for(plan.options.threads):
        return _described(plan, load_rates() if rates is None else rates)


def _described(plan: Plan, rates: Rates) -> str:
    found = time_of(plan, rates)
    lines = [plan.checked.process_list.title or "Process list", ""]
    for each in plan.inputs:
        dataset = each.source.dataset
        lines.append(f"input {each.checked.entry.name}: {each.checked.shown}")
        lines.append(f"  {_axes(dataset.names, dataset.shape)} {dataset.dtype}, {_size(dataset.nbytes)}")
        lines.extend(f"  {message}" for message in each.source.messages)
    for one in plan.passes:
        foretold = found.of(one.number)
        lines.extend(["", *_pass(plan, one), *([pass_line(foretold)] if foretold is not None else [])])
    lines.extend(["", *total_lines(plan, found, rates), *_rest(plan)])
    return "\n".join(lines)


def _pass(plan: Plan, one: Pass) -> list[str]:
    sliced = next(iter(one.sliced.values()))
    if one.estimator is not None:
        head = f"pass {one.number}, ahead: a selection for {one.estimator.label} ({one.fraction:.0%} of the data)"
    else:
        head = f"pass {one.number}: section along {', '.join(sliced)}"
    share = -(-one.count // plan.ranks)
    lines = [
        f"{head}; {one.count} slices on {plan.ranks} rank{'s' if plan.ranks > 1 else ''}, "
        f"blocks of {min(one.block, share)}, about {_size(one.memory)} a rank"
    ]
    lines.extend(f"  reads {_name(node)}" for node in one.reads)
    told: dict[int, list[PlannedStep]] = {}
    for step in one.all_steps:
        told.setdefault(step.number, []).append(step)
    lines.extend(_step(one, steps[0], len(steps)) for steps in told.values())
    written = [(node.stack, node) if node.stack is not None else (node, node) for node in one.stores]
    for node in dict.fromkeys(whole for whole, _ in written):
        size = sum(part.dataset.nbytes for whole, part in written if whole is node)
        where = f"result.nxs ({node.in_result.removesuffix('/data')})" if node.in_result else _work(node)
        lines.append(f"  writes {node.name} to {where}, {_size(size)}")
    return lines


def _work(node: Node) -> str:
    place = node.place
    if place is None:
        return "the work folder, for a later pass"
    return f"{'memory' if place.in_memory else 'the work folder'}, for a later pass ({place.reason})"


def _step(one: Pass, step: PlannedStep, times: int) -> str:
    taken = "; ".join(_dataset(node) for node in step.inputs)
    made = "; ".join(_dataset(node) for node in step.outputs)
    if not made:
        made = f"the value {step.label}" if step.spec.kind == "estimator" else "files"
    given = {name: value for name, value in step.values.items() if name in step.checked.entry.parameters}
    given.update({name: f"${{{ref.estimate}}}" for name, ref in step.checked.postponed.items()})
    given.update({name: f"sweep {list(values)}" for name, values in step.checked.entry.sweeps.items()})
    for name in ("backend", "algorithm", "method"):
        if name in step.values:
            given.setdefault(name, step.values[name])
    shown = ", ".join(f"{name}: {value}" for name, value in given.items())
    memory = _size(step_bytes(one, step, one.block)) + (f", for each of {times} combinations" if times > 1 else "")
    return f"  {step.number:2d} {step.label}{f' ({shown})' if shown else ''}, {memory}\n       {taken} -> {made}"


def _dataset(node: Node) -> str:
    dataset = node.dataset
    units = f" [{dataset.units}]" if dataset.units else ""
    return f"{node.name} {_axes(dataset.names, dataset.shape)} {dataset.dtype}{units}"


def _name(node: Node) -> str:
    whole = node.origin or node
    part = ""
    if node.origin is not None and node.selection:
        part = ", " + ", ".join(f"{len(range(10**9)[s]) if isinstance(s, slice) else len(s)} of {name}"
                                for name, s in node.selection.items())  # fmt: skip
    kind = "input" if whole.source is not None else "stored"
    return f"{kind} {whole.name}{part}"


def _rest(plan: Plan) -> list[str]:
    saved = ", ".join(node.saved_as for node in plan.saved) or "no dataset, only values"
    return [
        f"result: {saved}",
        *(f"note:   {message}" for message in [*plan.warnings, *plan.remarks]),
    ]


def _axes(names: tuple[str, ...], shape: tuple[int, ...]) -> str:
    return "(" + ", ".join(f"{name} {size}" for name, size in zip(names, shape, strict=True)) + ")"
