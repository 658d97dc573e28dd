"""Read the next block of the inputs while the present one is worked on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeAlias

from numpy.typing import NDArray

from tomosaxs.plan import Node

Read: TypeAlias = "tuple[NDArray[Any], Mapping[str, int]]"
"""A block, and what its reader had to say."""


class ReadAhead:
    """Hands out blocks; those that were announced are read by a thread of its own, one after the other.

    Parameters
    ----------
    read : callable
        ``read(node, first, last)`` returns the slices [first, last) of a dataset and the notes of its reader.
    nodes : iterable of Node
        What is read ahead: inputs, whose files may be slow. Datasets of the run itself lie in memory or near it.
    """

    def __init__(self, read: Callable[[Node, int, int], Read], nodes: Iterable[Node]) -> None:
        self._read, self._nodes = read, list(nodes)
        self._coming: dict[tuple[Node, int, int], Future[Read]] = {}
        self._pool: ThreadPoolExecutor | None = None

    def announce(self, first: int, last: int) -> None:
        """Begin to read the slices [first, last); at most one block is on its way."""
        if self._coming or not self._nodes:
            return
        if self._pool is None:
            self._pool = ThreadPoolExecutor(1, thread_name_prefix="read-ahead")
        for node in self._nodes:
            self._coming[node, first, last] = self._pool.submit(self._read, node, first, last)

    def take(self, node: Node, first: int, last: int) -> Read:
        """Return a block that was announced as soon as it is there; another one is read now."""
        coming = self._coming.pop((node, first, last), None)
        return self._read(node, first, last) if coming is None else coming.result()

    def close(self) -> None:
        """Forget what is on its way."""
        self._coming.clear()
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)
            self._pool = None
