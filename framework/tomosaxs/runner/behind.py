"""Write the previous block while the present one is worked on."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor


class WriteBehind:
    """Writes blocks in a thread of its own, one after the other; at most one is under way.

    What fails there is raised by the next call, which the runner makes before every step.
    """

    def __init__(self) -> None:
        self._pool: ThreadPoolExecutor | None = None
        self._under_way: Future[None] | None = None

    def put(self, write: Callable[[], None]) -> None:
        """Write a block, once the one before is written."""
        self.wait()
        if self._pool is None:
            self._pool = ThreadPoolExecutor(1, thread_name_prefix="write-behind")
        self._under_way = self._pool.submit(write)

    def check(self) -> None:
        """Raise what has failed, without waiting."""
        if self._under_way is not None and self._under_way.done():
            self.wait()

    def wait(self) -> None:
        """Wait until everything is written."""
        under_way, self._under_way = self._under_way, None
        if under_way is not None:
            under_way.result()

    def close(self) -> None:
        """Forget what was not begun; a block that is being written is written to its end."""
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)
            self._pool = None
