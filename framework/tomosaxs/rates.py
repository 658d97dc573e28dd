"""How fast this machine is at what lists do: measured by every run, kept in a small file, read by `tomosaxs plan`."""

from __future__ import annotations

import json
import math
import os
import platform
import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from tomosaxs.errors import InputError

_KEPT = 12
"""Observations of one rate that are kept; the oldest goes."""
_PARALLEL = 0.85
"""Part of a step's work that threads share, where nothing has been measured (Amdahl's law)."""
VARIABLE = "TOMOSAXS_RATES"
"""Variable of the environment that names another file, or ``off``."""


@dataclass(frozen=True)
class Seen:
    """One observation: what some ranks together needed for some work.

    Parameters
    ----------
    work : float
        In the unit of the rate.
    seconds : float
        Of all ranks together.
    threads, ranks : int
        Threads of a rank; ranks that shared the node.
    block : float
        Slices of a block; 0 where that does not matter.
    at : float
        When, in seconds since 1970.
    rough : bool
        Whether it is too small to tell much, or holds the start of compiled code; used while nothing better is known.
    """

    work: float
    seconds: float
    threads: int = 1
    ranks: int = 1
    block: float = 0.0
    at: float = 0.0
    rough: bool = False


@dataclass
class Rates:
    """The rates of one machine.

    Parameters
    ----------
    machine : str
        What they hold for.
    seen : dict of str to list of Seen
        Observations by the name of the rate.
    runs : int
        Runs that have been measured here; 0: nothing but the shipped values, of another machine.
    """

    machine: str
    seen: dict[str, list[Seen]] = field(default_factory=dict)
    runs: int = 0
    shipped: Mapping[str, list[Seen]] = field(default_factory=dict)

    def add(self, name: str, seen: Seen) -> None:
        """Take an observation in."""
        if seen.work > 0 and seen.seconds > 0 and math.isfinite(seen.work + seen.seconds):
            self.seen[name] = [*self.seen.get(name, []), replace(seen, at=seen.at or time.time())][-_KEPT:]

    def knows(self, name: str) -> bool:
        """Return whether this machine was measured at it."""
        return name in self.seen

    def seconds(self, name: str, work: float, *, threads: int = 1, ranks: int = 1, block: float = 0.0) -> float | None:
        """Return the seconds that one rank needs for some work; None where nothing is known.

        The weighted median of what was seen: what was measured with as many threads and ranks, on blocks as large, and
        lately, weighs most, so that a single disturbed run does not count.
        """
        solid = [each for each in self.seen.get(name, []) if not each.rough]
        found = solid or self._scaled(name) or self.seen.get(name, [])
        if not found or work <= 0:
            return 0.0 if found else None
        weighed = []
        for age, each in enumerate(reversed(found)):
            far = 2.0 * abs(math.log(each.threads / threads)) + 0.7 * abs(math.log(each.ranks / ranks))
            if block and each.block:
                far += 0.7 * abs(math.log(each.block / block))
            far += 0.4 * abs(math.log(each.work / work))
            speed = _speed(threads) / _speed(each.threads)
            weighed.append((each.seconds / each.work / speed, math.exp(-far) * 0.85**age))
        return work * _median(weighed)

    def _scaled(self, name: str) -> list[Seen]:
        """Return what is shipped, for a machine that is as much faster at this as at what was measured here."""
        shipped = list(self.shipped.get(name, []))
        ratios = []
        for known, mine in self.seen.items():
            if known in self.shipped and not mine[-1].rough and not known.startswith(("first", "start", "finish")):
                work = mine[-1].work
                theirs = Rates("", dict(self.shipped)).seconds(known, work, threads=mine[-1].threads)
                if theirs:
                    ratios.append((mine[-1].seconds / theirs, mine[-1].seconds))
        factor = _median(ratios) if ratios else 1.0
        return [replace(each, seconds=each.seconds * factor) for each in shipped]


def _speed(threads: int) -> float:
    return 1.0 / (1.0 - _PARALLEL + _PARALLEL / max(1, threads))


def _median(weighed: Iterable[tuple[float, float]]) -> float:
    """Return the weighted median of (value, weight); between the two middle values where they weigh alike."""
    ordered = sorted(weighed)
    half = sum(weight for _, weight in ordered) / 2.0
    total = 0.0
    for number, (value, weight) in enumerate(ordered):
        total += weight
        if total > half * (1 + 1e-9):
            return value
        if total >= half * (1 - 1e-9) and number + 1 < len(ordered):
            return 0.5 * (value + ordered[number + 1][0])
    return ordered[-1][0]


def machine_name() -> str:
    """Return what rates hold for: the processor and the number of its cores."""
    model = platform.processor() or platform.machine()
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                model = line.partition(":")[2].strip()
                break
    except OSError:  # another system
        pass
    return f"{model}, {os.cpu_count() or 1} cores"


def rates_file(environment: Mapping[str, str] = os.environ) -> Path | None:
    """Return the file that rates are kept in; None where that is switched off (``TOMOSAXS_RATES=off``)."""
    given = environment.get(VARIABLE, "")
    if given.lower() == "off":
        return None
    if given:
        return Path(given).expanduser()
    return Path(environment.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tomosaxs" / "rates.json"


def load_rates(file: Path | None = None, machine: str = "") -> Rates:
    """Return the rates of a machine (default: this one); the shipped ones where none were measured.

    A file that is not readable, or not of this kind, counts as none: it is a cache.
    """
    from tomosaxs.shipped_rates import SHIPPED

    place = rates_file() if file is None else file
    name = machine or machine_name()
    shipped = {key: [Seen(*each) for each in values] for key, values in SHIPPED.items()}
    held = _read(place).get(name, {})
    try:
        seen = {str(key): [Seen(**each) for each in values] for key, values in held.get("seen", {}).items()}
        return Rates(name, seen, int(held.get("runs", 0)), shipped)
    except (TypeError, ValueError, AttributeError):
        return Rates(name, {}, 0, shipped)


def rates_of(file: Path) -> Rates:
    """Return the rates of the one machine that a file is of.

    Raises
    ------
    InputError
        When it is no such file, or holds several machines and none of them is this one.
    """
    known = list(_read(file))
    if not known:
        raise InputError(f"{file} holds no rates: it is a rates.json that runs leave in ~/.cache/tomosaxs")
    if len(known) > 1 and machine_name() not in known:
        raise InputError(f"{file} holds the rates of several machines: {'; '.join(known)}; leave one of them in it")
    return load_rates(file, known[0] if len(known) == 1 else machine_name())


def save_rates(rates: Rates, file: Path | None = None) -> str:
    """Keep rates, those of other machines in the file as well; return why that was not possible, else ``""``."""
    place = rates_file() if file is None else file
    if place is None:
        return ""
    held = _read(place)
    seen = {name: [asdict(each) for each in values] for name, values in rates.seen.items()}
    held[rates.machine] = {"runs": rates.runs, "seen": seen}
    part = place.with_name(f"{place.name}.{os.getpid()}.part")
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        part.write_text(json.dumps(held, indent=1))
        part.replace(place)
    except OSError as error:
        return f"the rates of this machine could not be kept in {place}: {error.strerror or error}"
    return ""


def _read(place: Path | None) -> dict[str, Any]:
    if place is None:
        return {}
    try:
        found = json.loads(place.read_text())
    except (OSError, ValueError):
        return {}
    return (
        {str(key): value for key, value in found.items() if isinstance(value, dict)} if isinstance(found, dict) else {}
    )
