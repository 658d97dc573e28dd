"""How many threads a rank may use."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import Any

Each = Callable[[Callable[[Any], None], Iterable[Any]], None]
"""Call a function on every item, perhaps on several threads, and wait for all."""


def thread_count(threads: int | None = None) -> int:
    """Return the number of threads to use.

    Parameters
    ----------
    threads : int, optional
        The caller's wish; by default the environment variable NUMBA_NUM_THREADS, else the cores this process may use.

    Returns
    -------
    int
        At least one.

    Raises
    ------
    ValueError
        If fewer than one thread is asked for.
    """
    if threads is None:
        limit = os.environ.get("NUMBA_NUM_THREADS", "")
        if limit.isdigit() and int(limit) > 0:
            return int(limit)
        if hasattr(os, "sched_getaffinity"):
            return len(os.sched_getaffinity(0))
        return os.cpu_count() or 1
    if threads < 1:
        raise ValueError(f"at least one thread is needed, not {threads}")
    return threads


def one_by_one(function: Callable[[Any], None], items: Iterable[Any]) -> None:
    """Call a function on every item."""
    for item in items:
        function(item)
