"""Help and listing are quick because they import nothing heavy; looked at by name, not by time."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from packaging_help import ROOT, clean_environment

HEAVY = {
    "numba",
    "scipy",
    "astra",
    "numpy",
    "h5py",
    "pydantic",
    "mpi4py",
    "pyFAI",
    "numexpr",
    "tomopy",
    "jinja2",
    "PIL",
}
COMMAND = "from tomosaxs.cli import main; main({arguments!r})"


def _imported(code: str, folder: Path) -> set[str]:
    """Return the top-level packages that a fresh Python has imported after `code`."""
    tell = f"import atexit, sys; atexit.register(lambda: print('IMPORTED', *sys.modules)); {code}"
    environment = clean_environment(PYTHONPATH=f"{ROOT / 'framework'}:{ROOT / 'plugins'}")
    done = subprocess.run(
        [sys.executable, "-c", tell],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    line = next(line for line in done.stdout.splitlines() if line.startswith("IMPORTED"))
    return {name.split(".")[0] for name in line.split()[1:]}


@pytest.mark.parametrize(
    ("code", "allowed"),
    [
        ("import tomosaxs", set()),
        ("import tomosaxs.testing", set()),
        ("import tomosaxs_plugins", set()),
        (COMMAND.format(arguments=["--help"]), set()),
        (COMMAND.format(arguments=["--version"]), set()),
        (COMMAND.format(arguments=["run", "--help"]), set()),
        (COMMAND.format(arguments=["list"]), {"numpy"}),
        (COMMAND.format(arguments=["list", "logarithm"]), {"numpy"}),
    ],
)
def test_nothing_heavy_is_imported(code: str, allowed: set[str], tmp_path: Path) -> None:
    found = _imported(code, tmp_path) & HEAVY
    assert found <= allowed, f"{code} imports {', '.join(sorted(found - allowed))}"


def test_this_test_would_see_a_heavy_import(tmp_path: Path) -> None:
    assert "numpy" in _imported("import numpy", tmp_path)
