"""The commands; nothing heavy is imported before it is needed."""

from __future__ import annotations

import sys
from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command ``tomosaxs`` and exit with its status."""
    _begin()
    from tomosaxs.cli.commands import tomosaxs
    from tomosaxs.cli.ending import guarded

    sys.exit(guarded(tomosaxs, list(sys.argv[1:] if arguments is None else arguments)))


def run_main(arguments: Sequence[str] | None = None) -> None:
    """Run the command ``tomosaxs_run``, the same as ``tomosaxs run``."""
    _begin()
    from tomosaxs.cli.ending import guarded
    from tomosaxs.cli.run import run

    sys.exit(guarded(run, list(sys.argv[1:] if arguments is None else arguments)))


def _begin() -> None:
    """Ranks share the cores of a node: set the limits before any library reads them."""
    from tomosaxs.launcher import ranks_on_node
    from tomosaxs.threads import limit_threads

    limit_threads(ranks_on_node())
