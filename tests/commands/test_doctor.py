"""``tomosaxs doctor``: what it sees on this machine, and on machines where something is wrong."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tomosaxs import PluginEntry, hookimpl, registry
from tomosaxs.doctor import examine


def _findings(matter: str, folder: Path | None = None):
    return [finding for finding in examine(folder) if finding.matter == matter]


def _script(path: Path, text: str) -> None:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


def test_every_matter_has_a_line(tmp_path) -> None:
    found = {finding.matter for finding in examine(tmp_path)}
    assert found >= {"tomosaxs", "MPI", "HDF5", "GPU", "space", "memory", "threads", "libraries", "plugins"}


def test_two_ranks_find_each_other() -> None:
    pytest.importorskip("mpi4py")
    (finding,) = _findings("MPI")
    assert finding.state == "ok"
    assert "two ranks found each other" in finding.text


@pytest.mark.parametrize(
    ("script", "text"),
    [
        (f"shift 2; {sys.executable} -c 'print(1, 1)'; {sys.executable} -c 'print(1, 1)'", "two worlds of one rank"),
        ("echo no daemon >&2; exit 3", "fails: no daemon"),
    ],
)
def test_a_launcher_of_another_mpi(tmp_path, monkeypatch, script, text) -> None:
    pytest.importorskip("mpi4py")
    _script(tmp_path / "mpirun", script)
    monkeypatch.setattr("tomosaxs.doctor.sys", _Executable(str(tmp_path / "python")))
    (finding,) = _findings("MPI")
    assert finding.state == "wrong"
    assert text in finding.text
    assert "mpirun that belongs to mpi4py" in finding.cure


class _Executable:
    def __init__(self, executable: str) -> None:
        self.executable = executable


def test_a_gpu_that_does_not_answer(tmp_path, monkeypatch) -> None:
    _script(tmp_path / "nvidia-smi", "echo 'driver not loaded'; exit 9")
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    (finding,) = _findings("GPU")
    assert finding.state == "note"
    assert finding.text == "nvidia-smi fails: driver not loaded"
    _script(tmp_path / "nvidia-smi", "echo 'NVIDIA X, 81559 MiB, 550.1'")
    found = _findings("GPU")
    assert found[0].text == "NVIDIA X, 81559 MiB, 550.1"


def test_a_library_that_is_not_there(monkeypatch) -> None:
    class Package:
        @hookimpl
        def register_plugins(self) -> list[PluginEntry]:
            return [
                PluginEntry("wants", "x:y", "Wants.", needs=("not_a_package",), install="pip install not-a-package")
            ]

    registry.forget()
    registry.manager().register(Package())
    try:
        found = [finding for finding in _findings("libraries") if "not_a_package" in finding.text]
    finally:
        registry.forget()
    assert [str(finding).split("\n") for finding in found] == [
        ["note  libraries   not_a_package is not installed; wanted by wants", f"{'':<18}-> pip install not-a-package"]
    ]
    assert importlib.util.find_spec("not_a_package") is None


def test_the_command_and_its_status(tmp_path) -> None:
    """A plugin that cannot be imported is wrong; the exit status says so, every line stays."""
    words = [sys.executable, "-m", "tomosaxs", "doctor"]
    folder = tmp_path / "plugins"
    folder.mkdir()
    environment = {**os.environ, "TOMOSAXS_PLUGINS": str(folder)}
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False, timeout=100)
    assert done.returncode == 0, done.stdout
    (folder / "broken.py").write_text("import not_a_package\n")
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False, timeout=100)
    assert done.returncode == 1
    assert "wrong plugins" in done.stdout
    assert "broken.py" in done.stdout
    assert "ok    HDF5" in done.stdout
