"""The values of a sweep: a list, or a range that is written shorter."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

MOST_VALUES = 10_000
"""Values of a range; more are a mistake."""
_EXAMPLE = (
    "a sweep is a list of values, for instance {sweep: [3, 5, 7]}, or a range, "
    "{sweep: {start: 3, stop: 7, step: 2}} or {sweep: {start: 3, stop: 7, count: 3}}"
)


def swept_values(given: Any, shown: str) -> tuple[Any, ...]:
    """Return the values of ``sweep:``.

    Parameters
    ----------
    given : list or mapping
        Values; or ``start``, ``stop`` and either ``step`` or ``count``. Both ends belong to a range; with ``step``
        the last value is the last one that does not pass ``stop``. Decimal numbers stay as they are written:
        0.1 to 0.3 in steps of 0.1 is 0.1, 0.2, 0.3.
    shown : str
        `given` in a few words, for messages.

    Raises
    ------
    ValueError
        When it is neither, or a range without end.
    """
    if isinstance(given, list) and given:
        return tuple(given)
    if not isinstance(given, dict):
        raise ValueError(f"{_EXAMPLE}, got {'an empty list' if given == [] else shown}")
    if set(given) not in ({"start", "stop", "step"}, {"start", "stop", "count"}):
        raise ValueError(f"{_EXAMPLE}, got the keys {', '.join(map(str, given)) or 'none'}")
    for key, value in given.items():
        if isinstance(value, bool) or not isinstance(value, (int, float)) or value - value != 0:
            raise ValueError(f"{key} of a sweep is a number, got {value!r}")
    return _stepped(given) if "step" in given else _counted(given)


def _stepped(given: dict[str, Any]) -> tuple[Any, ...]:
    start, stop, step = (Decimal(repr(given[key])) for key in ("start", "stop", "step"))
    if step == 0 or (stop - start) / step < 0:
        raise ValueError(f"steps of {step} do not lead from {start} to {stop}")
    count = _checked(int((stop - start) / step) + 1)
    whole = all(isinstance(given[key], int) for key in ("start", "step"))
    return tuple((int if whole else float)(start + number * step) for number in range(count))


def _counted(given: dict[str, Any]) -> tuple[Any, ...]:
    count = given["count"]
    if not isinstance(count, int) or count < 2:
        raise ValueError(f"count of a sweep is an integer from 2, got {count!r}")
    _checked(count)
    start, stop = (Decimal(repr(given[key])) for key in ("start", "stop"))
    exact = [start + (stop - start) * number / (count - 1) for number in range(count)]
    whole = all(isinstance(given[key], int) for key in ("start", "stop")) and all(v == int(v) for v in exact)
    return tuple(int(value) if whole else float(f"{value:.12g}") for value in exact)


def _checked(count: int) -> int:
    if count > MOST_VALUES:
        raise ValueError(f"a sweep of {count} values; at most {MOST_VALUES}")
    return count
