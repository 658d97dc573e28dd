"""What commands import: heavy libraries when they are used, and never before; times differ, this does not."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tomosaxs.testing import ScanSettings, micro_ct_scan, smooth_phantom

SCIENCE = {"numba", "llvmlite", "scipy", "astra", "tomopy", "pyFAI", "numexpr", "skimage"}
PICTURES = {"PIL", "matplotlib", "jinja2"}
FILES = {"h5py", "hdf5plugin", "fabio", "tifffile", "zarr"}

LIST = """
input: {tomo: {plugin: tomography, path: scan.nxs}}
steps:
  - {plugin: dark_flat_correction}
  - {plugin: minus_log}
  - {plugin: find_rotation_axis, name: axis, on_low_confidence: warn}
  - {plugin: reconstruct, backend: tomosaxs, centre: "${axis}"}
"""
CODE = """
import contextlib, io, json, sys
from tomosaxs.cli import main
found = []
for words in json.loads(sys.argv[1]):
    with contextlib.redirect_stdout(io.StringIO()):
        try:
            main(words)
        except SystemExit as end:
            assert not end.code, (words, end.code)
    found.append(sorted(sys.modules))
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def imported(tmp_path_factory: pytest.TempPathFactory) -> dict[str, set[str]]:
    """Modules that one process has imported after each of these commands, in this order."""
    folder = tmp_path_factory.mktemp("imported")
    settings = ScanSettings(projections=31, rows=2, columns=32)
    micro_ct_scan(folder / "scan.nxs", smooth_phantom(32, 2), settings, seed=3)
    listing = folder / "list.yml"
    listing.write_text(LIST)
    commands = [["--help"], ["list"], ["show", "reconstruct"], ["check", str(listing)], ["plan", str(listing)]]
    commands.append(["run", str(listing), "-o", str(folder / "out")])
    done = subprocess.run(
        [sys.executable, "-c", CODE, json.dumps(commands)],
        capture_output=True, text=True, env={"PYTHONPATH": ":".join(sys.path), "HOME": str(Path.home())},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found: list[list[str]] = json.loads(done.stdout.splitlines()[-1])
    return {words[0]: set(modules) for words, modules in zip(commands, found, strict=True)}


def heavy(modules: set[str], among: set[str]) -> set[str]:
    return {module.partition(".")[0] for module in modules} & among


@pytest.mark.parametrize(
    ("command", "without"),
    [
        ("--help", SCIENCE | PICTURES | FILES | {"numpy", "yaml", "pydantic", "mpi4py"}),
        ("list", SCIENCE | PICTURES | FILES | {"numpy", "yaml", "pydantic", "mpi4py"}),
        ("show", SCIENCE | PICTURES | FILES | {"yaml", "pydantic", "mpi4py"}),
        ("check", SCIENCE | PICTURES | {"fabio", "tifffile", "zarr", "mpi4py"}),
        ("plan", SCIENCE | PICTURES | {"fabio", "tifffile", "zarr", "mpi4py"}),
    ],
)
def test_what_a_command_does_not_import(imported: dict[str, Any], command: str, without: set[str]) -> None:
    assert heavy(imported[command], without) == set()


def test_a_run_imports_what_it_uses(imported: dict[str, Any]) -> None:
    """Also numba, whose own import would bring the linear algebra of scipy; of scipy nothing large."""
    assert heavy(imported["run"], {"numba", "jinja2"}) == {"numba", "jinja2"}
    assert heavy(imported["run"], {"astra", "matplotlib", "pyFAI", "skimage", "tifffile", "zarr", "mpi4py"}) == set()
    assert {"scipy.linalg", "scipy.fft", "scipy.ndimage", "scipy.special"} & imported["run"] == set()
