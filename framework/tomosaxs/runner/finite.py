"""NaN and infinity that a step makes of finite values: found where they arise, before they spread."""

from __future__ import annotations

import functools
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tomosaxs.errors import StepError
from tomosaxs.plan import PlannedStep
from tomosaxs.runner.device import from_device

Block = NDArray[Any]
_SMALL = 1 << 23
"""Bytes that one thread has looked at sooner than several could begin."""


def refuse_new_nan(step: PlannedStep, taken: Sequence[Block], made: Sequence[Block], low: int) -> None:
    """Refuse values that are not finite in slices of which the inputs are.

    Nothing is refused of a plugin that declares ``nan=True``, nor of standard uncertainties, where NaN means unknown.

    Parameters
    ----------
    step : PlannedStep
        What ran.
    taken, made : sequence of (n, ...) arrays
        Its inputs and outputs.
    low : int
        Flat position of their first slice.

    Raises
    ------
    StepError
        With the slices.
    """
    if step.spec.nan:
        return
    for block, node in zip(made, step.made, strict=True):
        if node.values_of is not None or all_finite(block):
            continue
        host = from_device(block)
        bad = ~_finite_slices(host)
        for given in taken:
            bad &= _spread(_finite_slices(from_device(given)), step.halo[1], len(bad))
        if bad.any():
            where = np.flatnonzero(bad)
            count = sum(int(np.count_nonzero(~np.isfinite(host[number]))) for number in where)
            places = ", ".join(str(low + number) for number in where[:5]) + (", ..." if len(where) > 5 else "")
            raise StepError(
                f"it made {count} {'value that is' if count == 1 else 'values that are'} NaN or infinite in "
                f"slice{'s' if len(where) > 1 else ''} {places} of {node.name}, where its inputs have none; "
                "a plugin that means them declares @plugin(nan=True)"
            )


def all_finite(block: Any) -> bool:
    """Return whether every value is finite: a sum at the speed of memory, since one NaN or infinity spoils it."""
    if not isinstance(block, np.ndarray):  # on a device: its own library adds up
        add = getattr(block, "sum", None)
        return all_finite(from_device(block)) if add is None else bool(np.isfinite(float(add())))
    if block.dtype.kind not in "fc":
        return True
    parts = _threads() if block.nbytes > _SMALL else 1
    with np.errstate(all="ignore"):
        if parts == 1 or len(block) < parts:
            total = np.add.reduce(block, axis=None)
        else:
            total = sum(_pool().map(functools.partial(np.add.reduce, axis=None), np.array_split(block, parts)))
    return bool(np.isfinite(total)) or bool(np.isfinite(block).all())  # large finite values may add up to infinity


def _finite_slices(block: Any) -> NDArray[np.bool_]:
    if block.dtype.kind not in "fc":
        return np.ones(len(block), dtype=bool)
    return np.array([all_finite(each) for each in block], dtype=bool)


def _spread(finite: NDArray[np.bool_], width: int, count: int) -> NDArray[np.bool_]:
    """Return of which output slices the inputs are finite, neighbours within `width` included."""
    if len(finite) != count:  # a step that is given slices in another way: the whole block answers
        return np.full(count, bool(finite.all()))
    known: NDArray[np.bool_] = finite.copy()
    for shift in range(1, min(width, count - 1) + 1):
        known[shift:] &= finite[:-shift]
        known[:-shift] &= finite[shift:]
    return known


def _threads() -> int:
    given = os.environ.get("NUMBA_NUM_THREADS", "")
    return int(given) if given.isdigit() and int(given) > 0 else 1


@functools.cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(_threads(), thread_name_prefix="finite")
