"""What a run measures of itself: seconds of steps, reading and writing, pass by pass; rates are refined by it."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tomosaxs.plan import Plan
from tomosaxs.plan.cost import EXPOSED, FIRST
from tomosaxs.plan.model import Pass, PlannedStep
from tomosaxs.plan.work import FINISH, START, WRITE, PassWork, rate_name, step_work, work_of
from tomosaxs.rates import Rates, Seen

_LEAST = 0.002
"""Seconds; what took less says nothing of a rate."""
_FEW = 2e7
"""Bytes; the time to move less is not that of many."""


class Meter:
    """Adds up what one rank does. Reading and writing are told by threads of their own."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._called: set[str] = set()
        self.steps: dict[str, list[float]] = {}
        """By ``pass label``: seconds and slices of first calls, of all others, and the seconds of a whole selection."""
        self.moved: dict[str, list[float]] = {}
        """By ``pass rate``: bytes and seconds."""
        self.passes: dict[str, float] = {}
        self.begun: float | None = None
        """When the first pass began, by `time.perf_counter`."""
        self.ended = 0.0
        self.compiled = False
        """Whether inner loops were compiled on the way."""
        self._now: tuple[int, float] | None = None

    def step(self, number: int, step: PlannedStep, slices: int, seconds: float) -> None:
        """Count a call of a step on some slices."""
        name = rate_name(step)
        with self._lock:
            held = self.steps.setdefault(f"{number} {step.label}", [0.0] * 5)
            at = 2 if name in self._called else 0
            self._called.add(name)
            held[at] += seconds
            held[at + 1] += slices

    def whole(self, number: int, step: PlannedStep, seconds: float) -> None:
        """Count what the first rank does alone, with the whole selection."""
        with self._lock:
            self.steps.setdefault(f"{number} {step.label}", [0.0] * 5)[4] += seconds

    def move(self, number: int, name: str, size: float, seconds: float) -> None:
        """Count bytes that were read or written."""
        with self._lock:
            held = self.moved.setdefault(f"{number} {name}", [0.0, 0.0])
            held[0] += size
            held[1] += seconds

    def begin(self, number: int) -> None:
        """Say that a pass begins, and with it that the one before has ended."""
        self.end()
        start = time.perf_counter()
        self.begun = start if self.begun is None else self.begun
        self._now = (number, start)

    def end(self) -> None:
        """Say that the last pass has ended."""
        self.ended = time.perf_counter()
        if self._now is not None:
            number, start = self._now
            self.passes[str(number)] = self.passes.get(str(number), 0.0) + self.ended - start
            self._now = None

    def plain(self) -> dict[str, Any]:
        """Return everything as what can be sent between ranks."""
        with self._lock:
            plain: dict[str, Any] = {"steps": dict(self.steps), "moved": dict(self.moved), "passes": dict(self.passes)}
            return {**plain, "compiled": self.compiled}


def pass_seconds(ranks: Sequence[Mapping[str, Any]]) -> dict[int, float]:
    """Return the seconds of every pass: of the rank that took longest."""
    found: dict[int, float] = {}
    for each in ranks:
        for number, seconds in each["passes"].items():
            found[int(number)] = max(found.get(int(number), 0.0), float(seconds))
    return found


def learn(plan: Plan, ranks: Sequence[Mapping[str, Any]], rates: Rates, start: float, finish: float) -> None:
    """Refine the rates of this machine by what a run has measured.

    Parameters
    ----------
    ranks : sequence of mapping
        `Meter.plain` of every rank.
    start, finish : float
        Seconds before the first and after the last pass; not taken where they are not above 0.
    """
    options = plan.options
    at = (options.threads, options.node_ranks)
    best: dict[str, Seen] = {}
    for one in plan.passes:
        work = work_of(one, options.ranks)
        for step in one.all_steps:
            _learn_step(one, step, work, ranks, at, rates, best)
        _learn_moves(one, work, ranks, at, best)
    for name, seen in best.items():
        rates.add(name, seen)
    if start > 0:
        rates.add(START, Seen(1.0, start, 1, options.node_ranks))
    if finish > 0:
        rates.add(FINISH, Seen(1.0, finish, 1, options.node_ranks))
    rates.runs += 1


def _keep(best: dict[str, Seen], name: str, seen: Seen) -> None:
    """Of several passes, the one with most work tells most, and one with more than a first call more than others."""
    if seen.seconds < _LEAST or seen.work <= 0:
        return
    before = best.get(name)
    if before is None or (before.rough, seen.work) > (seen.rough, before.work):
        best[name] = seen


def _learn_step(
    one: Pass, step: PlannedStep, work: PassWork, ranks: Sequence[Mapping[str, Any]], at: tuple[int, int],
    rates: Rates, best: dict[str, Seen],
) -> None:  # fmt: skip
    held = [each["steps"][key] for each in ranks if (key := f"{one.number} {step.label}") in each["steps"]]
    if not held:
        return
    first, first_slices, rest, rest_slices, whole = (sum(column) for column in zip(*held, strict=True))
    name = rate_name(step)
    if whole > 0:
        _keep(best, name, Seen(step_work(one, step, one.count), whole, threads=at[0], ranks=at[1]))
        return
    block = float(work.block)
    if rest_slices > 0 and rest >= _LEAST:
        done = step_work(one, step, int(rest_slices))
        _keep(best, name, Seen(done, rest, block=block, threads=at[0], ranks=at[1]))
        if first_slices > 0:
            extra = first - rest / max(done, 1e-300) * step_work(one, step, int(first_slices))
            started = sum(1 for each in held if each[1] > 0)
            rates.add(FIRST + name, Seen(1.0, max(extra / started, 1e-4), 1, at[1]))
        return
    if first_slices > 0:  # one block was all: what its start took is known from elsewhere, or not at all
        started = sum(1 for each in held if each[1] > 0)
        known = rates.seconds(FIRST + name, 1.0, ranks=at[1]) or 0.0
        seconds = max(first - started * known, 0.5 * first)
        _keep(
            best,
            name,
            Seen(step_work(one, step, int(first_slices)), seconds, block=block, rough=True, threads=at[0], ranks=at[1]),
        )


def _learn_moves(
    one: Pass, work: PassWork, ranks: Sequence[Mapping[str, Any]], at: tuple[int, int], best: dict[str, Seen]
) -> None:
    moved = 0.0
    for name in (*work.reads, WRITE):
        found = [each["moved"][key] for each in ranks if (key := f"{one.number} {name}") in each["moved"]]
        size, seconds = sum(each[0] for each in found), sum(each[1] for each in found)
        factor = work.factor if name != WRITE else 1.0
        _keep(best, name, Seen(size * factor, seconds, threads=at[0], ranks=at[1], rough=size < _FEW))
        moved += seconds
    taken = [float(each["passes"].get(str(one.number), 0.0)) for each in ranks]
    computed = [
        sum(sum(held[0:5:2]) for key, held in each["steps"].items() if key.startswith(f"{one.number} "))
        for each in ranks
    ]
    left = sum(max(wall - busy, 0.0) for wall, busy in zip(taken, computed, strict=True))
    if one.estimator is None and moved > _LEAST:
        _keep(best, EXPOSED, Seen(moved, max(left, _LEAST), threads=at[0], ranks=at[1]))


def process_age() -> float:
    """Return the seconds since this process began; 0 where the system does not tell."""
    try:
        ticks = float(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19])
        up = float(Path("/proc/uptime").read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return 0.0
    return up - ticks / os.sysconf("SC_CLK_TCK")
