"""Where the checkout is, and an environment in which nothing of the person who tests changes what is found."""

from __future__ import annotations

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_FOREIGN = ("TOMOSAXS", "PYTHON", "PMI", "OMPI", "PMIX")


def clean_environment(**more: str) -> dict[str, str]:
    """Return the environment without Python's, a launcher's and tomosaxs' own variables."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(_FOREIGN)}
    return {**kept, "TOMOSAXS_PLUGINS": os.devnull, **more}
