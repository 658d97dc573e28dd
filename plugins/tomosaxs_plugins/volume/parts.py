"""Kernels on arrays value by value, in several threads."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from numpy.typing import NDArray

from tomosaxs_plugins.reconstruction.parallel import thread_count

_PART = 1 << 20
"""Values that one call of a kernel works on: a few megabytes, which stay in cache."""


def in_parts(kernel: Callable[..., Any], *arrays: NDArray[Any], threads: int | None = None) -> list[Any]:
    """Call ``kernel(part, part, ...)`` with the same flat part of every array, for all parts.

    Parameters
    ----------
    kernel : callable
        Works in place; it must not hold the interpreter's lock for threads to be of use.
    *arrays : contiguous arrays of one size
        Any shapes.
    threads : int, optional
        As `thread_count` says.

    Returns
    -------
    list
        What the calls returned, in the order of the parts.
    """
    flat = [array.reshape(-1) for array in arrays]
    starts = range(0, flat[0].size, _PART)

    def one(start: int) -> Any:
        return kernel(*(array[start : start + _PART] for array in flat))

    return for_each(one, list(starts), threads)


def for_each(function: Callable[[Any], Any], items: list[Any], threads: int | None = None) -> list[Any]:
    """Return ``function(item)`` for all items, in their order, worked out by several threads."""
    workers = min(thread_count(threads), len(items))
    if workers <= 1:
        return [function(item) for item in items]
    with ThreadPoolExecutor(workers) as pool:
        return list(pool.map(function, items))
