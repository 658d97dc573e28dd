"""The ready-made process lists that come with tomosaxs."""

from __future__ import annotations

import importlib.util
from pathlib import Path


def shipped_lists() -> dict[str, Path]:
    """Return the ready-made process lists by name."""
    spec = importlib.util.find_spec("tomosaxs.process_lists")
    if spec is not None and spec.origin:
        folder = Path(spec.origin).parent
    else:  # a bare checkout
        folder = Path(__file__).resolve().parents[2] / "process_lists"
    return {path.stem: path for path in sorted(folder.glob("*.yml"))}
