"""Where the tomograms of a stream of projections begin, as the list says it by numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, TypeAlias

import numpy as np

from tomosaxs import InputError, did_you_mean

SeriesChoice: TypeAlias = "Literal['repeats'] | Mapping[str, float] | None"
"""``series:`` of the loader `tomography`."""
_KEYS = ("projections", "turn", "first", "step")
_CURE = "give series: {projections: N}, series: {turn: 180} or series: repeats"


def checked_series(choice: SeriesChoice) -> Mapping[str, float]:
    """Return the entries of ``series:``; empty where there is none, or it is ``repeats``.

    Raises
    ------
    InputError
        When an entry is unknown, missing or no sensible number.
    """
    if choice is None or isinstance(choice, str):
        return {}
    wrong = sorted(set(choice) - set(_KEYS))
    if wrong:
        raise InputError(f"series: unknown {wrong[0]!r}{did_you_mean(wrong[0], _KEYS)}; {_CURE}", parameter="series")
    if ("projections" in choice) == ("turn" in choice):
        raise InputError(f"series: needs projections or turn, one of them; {_CURE}", parameter="series")
    for name in set(choice) - {"turn"}:
        low = 0 if name == "first" else 1
        if choice[name] != int(choice[name]) or choice[name] < low:
            raise InputError(f"series: {name} must be a whole number from {low}, not {choice[name]:g}")
    if "turn" in choice and (not choice["turn"] > 0 or "step" in choice):
        raise InputError("series: turn must be a positive angle in degrees, and goes without step", parameter="series")
    if choice.get("step", np.inf) < choice.get("projections", 0):
        raise InputError(
            f"series: step {choice['step']:g} (from one tomogram to the next) is less than projections "
            f"{choice['projections']:g}"
        )
    return choice


def begins_by_number(choice: Mapping[str, float], total: int, where: str) -> list[int]:
    """Return where the tomograms of ``series: {projections: N}`` begin in a stream of `total` projections.

    Raises
    ------
    InputError
        When the stream is too short for one.
    """
    size, first = int(choice["projections"]), int(choice.get("first", 0))
    begins = list(range(first, total - size + 1, int(choice.get("step", size))))
    if not begins:
        raise InputError(f"{where}: {total} projections hold no tomogram of {size} from projection {first}")
    return begins
