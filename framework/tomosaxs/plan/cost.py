"""How long a plan takes: its work at the rates of a machine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from tomosaxs.memory import BESIDE
from tomosaxs.plan.memory import node_need, size_blocks, too_small
from tomosaxs.plan.model import Options, Pass, Plan
from tomosaxs.plan.work import FINISH, START, WRITE, PassWork, work_of
from tomosaxs.rates import Rates
from tomosaxs.threads import planned_for

EXPOSED = "exposed"
"""Rate: the part of the seconds of reading and writing that computing does not hide."""
FIRST = "first call: "
"""Rate: what the first call of a step takes beside its work, once a process (compiled code is loaded, tables made)."""
_HIDDEN = 0.7
"""Part of reading and writing that computing hides, where it has not been measured."""
_USUAL = {START: 2.0, FINISH: 1.0}
"""Seconds, where nothing has been measured."""
_BYTES_A_SECOND = 4e8
"""Of a step that nobody has measured."""
_DISK = {"read": 1.5e9, "read stored": 3e9, "read compressed": 3e8, WRITE: 1e9}


@dataclass
class PassTime:
    """Seconds of one pass on a rank.

    Parameters
    ----------
    number : int
        Of the pass.
    read, compute, write : float
        Seconds of a rank at each; they overlap.
    seconds : float
        From the first block to the last.
    steps : dict of str to float
        Seconds of every step on a rank.
    work : PassWork
        What is done, all ranks together.
    """

    number: int
    read: float
    compute: float
    write: float
    seconds: float
    steps: dict[str, float]
    work: PassWork


@dataclass
class PlanTime:
    """Seconds of a plan.

    Parameters
    ----------
    start, finish : float
        Before the first and after the last pass: libraries, planning; result and report.
    passes : list of PassTime
    unknown : tuple of str
        Steps that nothing is known of: their share is guessed by the bytes.
    runs : int
        Runs that the rates were measured in; 0: they are of the reference machine.
    """

    start: float
    finish: float
    passes: list[PassTime] = field(default_factory=list)
    unknown: tuple[str, ...] = ()
    runs: int = 0

    @property
    def seconds(self) -> float:
        """All of it."""
        return self.start + sum(one.seconds for one in self.passes) + self.finish

    def of(self, number: int) -> PassTime | None:
        """Return the seconds of a pass."""
        return next((one for one in self.passes if one.number == number), None)


def time_of(plan: Plan, rates: Rates) -> PlanTime:
    """Return how long a plan takes on a machine."""
    return time_of_passes(plan.passes, plan.options, rates)


def time_of_passes(passes: list[Pass], options: Options, rates: Rates) -> PlanTime:
    """Return how long passes take with some options; blocks must have been sized for them."""
    found = PlanTime(_whole(rates, START, options), _whole(rates, FINISH, options), runs=rates.runs)
    called: set[str] = set()
    unknown: dict[str, None] = {}
    for one in passes:
        found.passes.append(_pass(one, work_of(one, options.ranks), options, rates, called, unknown))
    found.unknown = tuple(unknown)
    return found


def _whole(rates: Rates, name: str, options: Options) -> float:
    seconds = rates.seconds(name, 1.0, threads=1, ranks=options.node_ranks)
    return _USUAL[name] if seconds is None else seconds


def _pass(
    one: Pass, work: PassWork, options: Options, rates: Rates, called: set[str], unknown: dict[str, None]
) -> PassTime:
    ranks = max(1, min(options.ranks, one.count))
    part = -(-one.count // ranks) / max(1, one.count)
    at = {"threads": options.threads, "ranks": options.node_ranks, "block": float(work.block)}
    steps: dict[str, float] = {}
    for step in work.steps:
        own = step.work * (1.0 if step.whole else part)
        seconds = rates.seconds(step.rate, own, **at)  # type: ignore[arg-type]
        if seconds is None:
            unknown[step.rate] = None
            seconds = one.count * part * _bytes(one) / _BYTES_A_SECOND / options.threads**0.5
        if step.rate not in called:
            called.add(step.rate)
            seconds += rates.seconds(FIRST + step.rate, 1.0, threads=1, ranks=options.node_ranks) or 0.0
        steps[step.label] = steps.get(step.label, 0.0) + seconds
    # nodes share a file system: all of them together are not taken to read and write faster than one of them alone
    moved = part * max(1, -(-options.ranks // options.node_ranks))
    read = sum(_moved(rates, name, size * moved, options) for name, size in work.reads.items())
    write = _moved(rates, WRITE, work.written * moved, options)
    compute = sum(steps.values())
    if one.estimator is not None:
        return PassTime(one.number, read, compute, write, read + compute + write, steps, work)
    exposed = rates.seconds(EXPOSED, read + write, threads=options.threads, ranks=options.node_ranks)
    shown = (1.0 - _HIDDEN) * (read + write) if exposed is None else exposed
    seconds = max(compute + shown, read, write)
    return PassTime(one.number, read, compute, write, seconds, steps, work)


def _bytes(one: Pass) -> float:
    nodes = [node for step in one.all_steps for node in (*step.taken, *step.made)]
    return sum(node.dataset.nbytes for node in nodes) / max(1, one.count) / max(1, len(one.all_steps))


def _moved(rates: Rates, name: str, size: float, options: Options) -> float:
    if size <= 0:
        return 0.0
    seconds = rates.seconds(name, size, threads=options.threads, ranks=options.node_ranks)
    return size / _DISK.get(name, 1e9) if seconds is None else seconds


def node_memory(plan: Plan) -> float:
    """Return the bytes that the ranks of a node take at most, with what each needs beside its blocks."""
    need = max((node_need(one, plan.options) for one in plan.passes), default=0.0)
    return need + plan.options.node_ranks * BESIDE


def recommended(plan: Plan, rates: Rates) -> tuple[Options, float]:
    """Return the ranks a node and the threads of each that take least time on as many cores and nodes, and the seconds.

    Fewer ranks are taken where more gain less than a twentieth.
    """
    options = plan.options
    nodes = max(1, -(-options.ranks // options.node_ranks))
    cores = max(1, options.node_ranks * options.threads)
    sizes = [(one.block, one.memory, one.threads) for one in plan.passes]
    found: list[tuple[Options, float]] = []
    ranks = 1
    while ranks <= cores:
        each = replace(options, ranks=nodes * ranks, node_ranks=ranks, threads=max(1, cores // ranks), nodes=())
        with planned_for(each.threads):
            if not too_small(plan.passes, each):
                for one in plan.passes:
                    size_blocks(one, each)
                found.append((each, time_of_passes(plan.passes, each, rates).seconds))
        ranks = ranks * 2 if ranks * 2 <= cores or ranks == cores else cores
    for one, (block, memory, threads) in zip(plan.passes, sizes, strict=True):
        one.block, one.memory, one.threads = block, memory, threads
    if not found:
        return options, time_of(plan, rates).seconds
    least = min(seconds for _, seconds in found)
    return next((each, seconds) for each, seconds in found if seconds <= 1.05 * least)


def as_text(found: PlanTime, measured: Mapping[int, float] | None = None) -> list[str]:
    """Return a line for every pass: the seconds foretold, and those measured where there are any."""
    lines = []
    for one in found.passes:
        told = f"pass {one.number}: {seconds_text(one.seconds)} foretold"
        if measured is not None and one.number in measured:
            told += f", {seconds_text(measured[one.number])} measured"
        lines.append(told)
    return lines


def seconds_text(seconds: float) -> str:
    """Return a time as people say it: ``0.52 s``, ``14 s``, ``3.2 min``, ``1.4 h``."""
    if seconds < 100:
        return f"{seconds:.2g} s"
    if seconds < 6000:
        return f"{seconds / 60:.2g} min"
    return f"{seconds / 3600:.2g} h"
