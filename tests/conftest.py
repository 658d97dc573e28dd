"""Shared fixtures."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
os.environ["TOMOSAXS_RATES"] = "off"  # what tests measure says nothing of the machine's speed


def pytest_configure() -> None:
    """A suite started in the background inherits Ctrl-C as ignored, and so would the commands it starts."""
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def shared() -> Path:
    """Folder of measured scans and reference arrays; they are not part of the project."""
    folder = Path(os.environ.get("TOMOSAXS_SHARED", ROOT.parent / "shared"))
    if not (folder / "data").is_dir():
        pytest.skip(f"measured reference data are not here (looked in {folder}; set TOMOSAXS_SHARED)")
    return folder
