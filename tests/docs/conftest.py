"""The shell and the folder of a reader who follows the documentation."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
import docs_pages as pages


@pytest.fixture(scope="session")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder for all pages, as a reader has one: the second tutorial uses the scan of the first."""
    return tmp_path_factory.mktemp("tutorials")


@pytest.fixture(scope="session")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The shell that a reader has: the commands in PATH, also where the package is not installed."""
    commands = tmp_path_factory.mktemp("bin")
    for name, function in (("tomosaxs", "main"), ("tomosaxs_run", "run_main")):
        script = commands / name
        script.write_text(f"#!{sys.executable}\nfrom tomosaxs.cli import {function}\n{function}()\n")
        script.chmod(0o755)
    roots = [str(pages.ROOT / "framework"), str(pages.ROOT / "plugins")]
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("PMI", "OMPI_", "TOMOSAXS_"))}
    return {
        **kept,
        "PATH": os.pathsep.join([str(commands), str(Path(sys.executable).parent), os.environ.get("PATH", "")]),
        "PYTHONPATH": os.pathsep.join([*roots, *filter(None, [os.environ.get("PYTHONPATH")])]),
    }
