"""What the user typed, for the record of a run."""

from __future__ import annotations

import sys
from pathlib import Path


def typed_command() -> str:
    """Return the command line as it can be typed again: ``python -m tomosaxs`` leaves a file's name in its place."""
    program = Path(sys.argv[0])
    name = f"python -m {program.parent.name}" if program.name == "__main__.py" else program.name
    return " ".join([name, *sys.argv[1:]])
