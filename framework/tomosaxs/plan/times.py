"""What a plan costs, in words: seconds, bytes, memory, and how many ranks are worth their while."""

from __future__ import annotations

from tomosaxs.memory import BESIDE
from tomosaxs.plan.cost import PassTime, PlanTime, node_memory, recommended, seconds_text
from tomosaxs.plan.model import Options, Plan
from tomosaxs.rates import Rates
from tomosaxs.units import size_text


def pass_line(one: PassTime) -> str:
    """Return the line of a pass: its bytes and its seconds."""
    parts = []
    if one.work.asked:
        factor = one.work.factor
        more = f", decoded {factor:.3g} times: {size_text(factor * one.work.asked)}" if factor > 1.05 else ""
        parts.append(f"reads {size_text(one.work.asked)}{more}")
    if one.work.written:
        parts.append(f"writes {size_text(one.work.written)}")
    each = [("reading", one.read), ("computing", one.compute), ("writing", one.write)]
    told = ", ".join(f"{name} {seconds_text(seconds)}" for name, seconds in each if seconds >= 0.005)
    return f"  about {seconds_text(one.seconds)} ({told}); {', '.join(parts) or 'nothing is read'}"


def total_lines(plan: Plan, found: PlanTime, rates: Rates) -> list[str]:
    """Return memory, disk, time and ranks of the whole plan."""
    options = plan.options
    nodes = max(1, -(-options.ranks // options.node_ranks))
    peak = max((one.memory for one in plan.passes), default=0.0)
    held = max((one.held for one in plan.passes), default=0.0)
    read = sum(one.work.asked * one.work.factor - one.work.from_memory for one in found.passes)
    written = sum(one.work.written for one in found.passes)
    beside = f", {size_text(held)} in datasets between passes" if held else ""
    lines = [
        f"ranks:  {_ranks(options, nodes)}",
        f"memory: {size_text(peak)} a rank for blocks{beside} (--memory {size_text(plan.memory)} a node); "
        f"a node takes at most {size_text(node_memory(plan))}, of it {size_text(BESIDE)} a rank for libraries",
        f"disk:   {size_text(read)} read, {size_text(written)} written",
        f"time:   about {seconds_text(found.seconds)}: {seconds_text(found.start)} to start, "
        + "".join(f"{seconds_text(one.seconds)} in pass {one.number}, " for one in found.passes)
        + f"{seconds_text(found.finish)} for result and report; {_trust(found, rates)}",
    ]
    if nodes > 1:
        lines.append(
            "        (files are taken to be read and written no faster than one node does it: they share the disks)"
        )
    if found.unknown:
        lines.append(f"        not measured yet, guessed by their bytes: {', '.join(found.unknown)}")
    lines.extend(_advice(plan, found, rates, nodes))
    return lines


def _ranks(options: Options, nodes: int) -> str:
    threads = f"{options.threads} thread{'s' if options.threads > 1 else ''} each"
    if nodes == 1:
        return f"{options.ranks} of {threads}"
    return f"{options.ranks} on {nodes} nodes, {options.node_ranks} on each, {threads}"


def _trust(found: PlanTime, rates: Rates) -> str:
    if not found.runs:
        return "not calibrated on this machine yet (rates of a reference machine): every run refines it"
    return f"by what {found.runs} run{'s' if found.runs > 1 else ''} measured on {rates.machine}"


def _advice(plan: Plan, found: PlanTime, rates: Rates, nodes: int) -> list[str]:
    """Return which ranks would take less time, where others would."""
    options = plan.options
    best, seconds = recommended(plan, rates)
    if best.node_ranks == options.node_ranks or seconds > 0.95 * found.seconds:
        return []
    ranks = f"{best.node_ranks} ranks" if best.node_ranks > 1 else "1 rank"
    on = f"{ranks} on each of {nodes} nodes" if nodes > 1 else ranks
    threads = f"{best.threads} thread{'s' if best.threads > 1 else ''} each"
    return [f"        {on}, {threads}, would take about {seconds_text(seconds)}"]
