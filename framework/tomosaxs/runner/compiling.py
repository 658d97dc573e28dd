"""Says that inner loops are being compiled, which takes a while the first time that a machine needs them.

Packages of plugins tell of it through the logger ``tomosaxs.compiling``, one record a function.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from types import TracebackType

LOGGER = "tomosaxs.compiling"


class Compiling(logging.Handler):
    """Listens while it is entered.

    Parameters
    ----------
    log : callable
        Is told once.
    """

    def __init__(self, log: Callable[[str], None]) -> None:
        super().__init__(logging.INFO)
        self._log = log
        self.heard = False
        """Whether anything was compiled: then the run says nothing about how fast this machine is."""

    def emit(self, record: logging.LogRecord) -> None:
        """Take note of a function."""
        if not self.heard:
            self.heard = True
            self._log("compiling inner loops: once on this machine, it may take a minute; the next run does without")

    def __enter__(self) -> Compiling:
        logger = logging.getLogger(LOGGER)
        logger.setLevel(logging.INFO)
        logger.propagate = False
        logger.addHandler(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        logging.getLogger(LOGGER).removeHandler(self)
