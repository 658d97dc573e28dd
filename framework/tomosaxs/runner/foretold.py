"""Beside what was foretold what was measured; and the rates, refined by it, for the next plan."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from tomosaxs.memory import node_limit
from tomosaxs.plan import Plan
from tomosaxs.plan.cost import PlanTime, seconds_text, time_of
from tomosaxs.plan.memory import node_need
from tomosaxs.rates import Rates, load_rates, save_rates
from tomosaxs.runner.meter import Meter, learn, pass_seconds, process_age

_OLD = 30.0
"""Seconds; a process that had lived longer when the run began is a notebook or a server, not a command."""


def before_passes(meter: Meter, clock: float) -> float:
    """Return the seconds before the first pass: of the command, or of the call where a longer-lived process made it."""
    if meter.begun is None:
        return 0.0
    now = time.perf_counter()
    age = process_age()
    lived = age - (now - clock)  # when the run was asked for
    return meter.begun - clock + (lived if 0.0 < lived < _OLD else 0.0)


def compared(plan: Plan, found: PlanTime, ranks: Sequence[Mapping[str, Any]], start: float, peak: int) -> str:
    """Return, for the report, what the plan foretold beside what was measured, as a table in plain text."""
    measured = pass_seconds(ranks)
    rows = [("", "foretold", "measured"), ("start", seconds_text(found.start), seconds_text(start))]
    for one in found.passes:
        if one.number in measured:
            rows.append((f"pass {one.number}", seconds_text(one.seconds), seconds_text(measured[one.number])))
    total = found.start + sum(one.seconds for one in found.passes if one.number in measured)
    rows.append(("until the report", seconds_text(total), seconds_text(start + sum(measured.values()))))
    options = plan.options
    nodes = max(1, -(-options.ranks // options.node_ranks))
    need = max((node_need(one, options) for one in plan.passes), default=0.0)
    limit = nodes * node_limit(need, options.node_ranks)
    rows.append(("memory, all ranks", f"{limit / 1e6:.4g} MB at most", f"{peak / 1e6:.4g} MB"))
    widths = [max(len(row[place]) for row in rows) for place in range(3)]
    told = "rates of this machine" if found.runs else "rates of the reference machine: not calibrated here yet"
    lines = ["  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join([f"Foretold ({told}) and measured", *lines])


def keep(plan: Plan, ranks: Sequence[Mapping[str, Any]], meter: Meter, start: float) -> str:
    """Refine this machine's rates and keep them; return why that was not possible, else an empty text.

    A run that had to compile inner loops says nothing about the next one.
    """
    if any(rank.get("compiled") for rank in ranks):
        return ""
    rates = load_rates()
    learn(plan, ranks, rates, start, time.perf_counter() - meter.ended)
    return save_rates(rates)


def foretell(plan: Plan, rates: Rates | None = None) -> PlanTime:
    """Return the seconds that a plan takes on this machine."""
    return time_of(plan, load_rates() if rates is None else rates)
