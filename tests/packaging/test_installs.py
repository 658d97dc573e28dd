"""From a checkout, an editable install and a wheel: the same commands do the same, from an empty folder."""

from __future__ import annotations

import importlib.metadata
import os
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from packaging_help import ROOT, clean_environment

SOURCES = ("framework", "plugins", "process_lists", "tests", "pyproject.toml", "setup.py", "README.md", "LICENSE")


@dataclass
class Installed:
    """How to start tomosaxs in one of the ways in which it can be there."""

    tomosaxs: list[str]
    tomosaxs_run: list[str]
    python: list[str]
    environment: dict[str, str]
    package: Path

    def __call__(self, command: list[str], folder: Path) -> str:
        """Run a command; return what it printed."""
        done = subprocess.run(
            command, cwd=folder, env=self.environment, capture_output=True, text=True, timeout=300, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


@pytest.fixture(scope="module")
def source_copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Copy what a build needs, so that it leaves nothing in the checkout."""
    copy = tmp_path_factory.mktemp("source")
    for name in SOURCES:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info", ".*"))
        else:
            shutil.copy(ROOT / name, copy / name)
    return copy


def _pip(*arguments: str, python: Path | None = None) -> None:
    for name, least in (("pip", 22), ("setuptools", 77)):
        try:
            version = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            version = "0"
        if int(version.split(".")[0]) < least:
            pytest.skip(f"to build without network this Python needs {name} >= {least}; it has {version}")
    where = ["--python", str(python)] if python is not None else []
    command = [sys.executable, "-m", "pip", *where, *arguments, "--no-deps", "--no-build-isolation", "--no-index"]
    done = subprocess.run(command, env=clean_environment(), capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def wheel(source_copy: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel."""
    folder = tmp_path_factory.mktemp("wheel")
    _pip("wheel", str(source_copy), "-w", str(folder))
    (found,) = folder.glob("*.whl")
    return found


def _environment(folder: Path) -> Path:
    """Make an empty virtual environment that sees the packages of this one; return its Python."""
    venv.create(folder, with_pip=False, symlinks=os.name != "nt")
    python = folder / "bin" / "python"
    code = "import sysconfig; print(sysconfig.get_path('purelib'))"
    site = subprocess.run([str(python), "-c", code], capture_output=True, text=True, check=True).stdout.strip()
    others = sorted({sysconfig.get_path("purelib"), sysconfig.get_path("platlib")})
    (Path(site) / "packages_of_the_other.pth").write_text("\n".join(others) + "\n")
    return python


def _installed(python: Path, package: Path) -> Installed:
    scripts = python.parent
    return Installed(
        [str(scripts / "tomosaxs")], [str(scripts / "tomosaxs_run")], [str(python)], clean_environment(), package
    )


@pytest.fixture(scope="module", params=["checkout", "editable", "wheel"])
def installed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """Have tomosaxs in one of three ways."""
    if request.param == "checkout":
        paths = os.pathsep.join(str(ROOT / name) for name in ("framework", "plugins"))
        python = [sys.executable]
        return Installed(
            [*python, "-m", "tomosaxs"],
            [*python, "-m", "tomosaxs", "run"],
            python,
            clean_environment(PYTHONPATH=paths),
            ROOT / "framework" / "tomosaxs",
        )
    folder = tmp_path_factory.mktemp(request.param)
    python_path = _environment(folder)
    if request.param == "editable":
        copy = request.getfixturevalue("source_copy")
        _pip("install", "--ignore-installed", "-e", str(copy), python=python_path)
        return _installed(python_path, copy / "framework" / "tomosaxs")
    _pip("install", "--ignore-installed", str(request.getfixturevalue("wheel")), python=python_path)
    (package,) = folder.glob("lib/python*/site-packages/tomosaxs")
    return _installed(python_path, package)


def test_the_package_that_is_used(installed: Installed, tmp_path: Path) -> None:
    code = "import tomosaxs, tomosaxs_plugins; print(tomosaxs.__file__, tomosaxs.__version__)"
    file, version = installed([*installed.python, "-c", code], tmp_path).split()
    assert Path(file).resolve().parent == installed.package.resolve()
    assert installed([*installed.tomosaxs, "--version"], tmp_path).split()[-1] == version


def test_everything_is_listed(installed: Installed, tmp_path: Path) -> None:
    listing = installed([*installed.tomosaxs, "list"], tmp_path)
    for name in ("tomography", "dark_flat_correction", "find_rotation_axis", "reconstruct", "nexus", "tomography_fbp"):
        assert f"  {name} " in listing
    assert "could not be imported" not in listing


def test_a_shipped_list_runs_from_an_empty_folder(installed: Installed, tmp_path: Path, small_scan: Path) -> None:
    find = "from tomosaxs.shipped import shipped_lists; print(shipped_lists()['tomography_fbp'])"
    process_list = installed([*installed.python, "-c", find], tmp_path).strip()
    settings = ["--set", "axis.value=15.5", "-o", "out"]
    installed([*installed.tomosaxs_run, process_list, "--input", str(small_scan), *settings], tmp_path)
    assert (tmp_path / "out" / "result.nxs").is_file()
    assert "<html" in (tmp_path / "out" / "report.html").read_text()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out"]


def test_the_demonstration_is_written_and_checked(installed: Installed, tmp_path: Path) -> None:
    installed([*installed.tomosaxs, "demo", "saxs"], tmp_path)
    (process_list,) = tmp_path.glob("*.yml")
    installed([*installed.tomosaxs, "check", process_list.name], tmp_path)


@pytest.fixture(scope="module")
def contents(wheel: Path) -> Callable[[str], str]:
    """Return what reads a file of the wheel."""

    def read(name: str) -> str:
        with zipfile.ZipFile(wheel) as archive:
            return archive.read(name).decode()

    return read


def test_the_wheel_holds_what_it_should(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"tomosaxs", "tomosaxs_plugins"}
    lists = {path.name for path in (ROOT / "process_lists").glob("*.yml")}
    assert {f"tomosaxs/process_lists/{name}" for name in lists} <= set(names)
    assert {"tomosaxs/py.typed", "tomosaxs_plugins/py.typed", "tomosaxs/report/report.html"} <= set(names)
    sources = [
        *(path.relative_to(ROOT / "framework") for path in (ROOT / "framework").rglob("*.py")),
        *(path.relative_to(ROOT / "plugins") for path in (ROOT / "plugins").rglob("*.py")),
    ]
    assert {path.as_posix() for path in sources} <= set(names)
    unwanted = [name for name in names if Path(name).name.startswith(("test_", "conftest")) or "/tests/" in name]
    assert not unwanted
    assert any(name.endswith("licenses/LICENSE") for name in names)


def test_the_wheel_registers_commands_and_plugins(wheel: Path, contents: Callable[[str], str]) -> None:
    info = "-".join(wheel.name.split("-")[:2]) + ".dist-info"
    points = contents(f"{info}/entry_points.txt").split("\n")
    assert "tomosaxs = tomosaxs.cli:main" in points
    assert "tomosaxs_run = tomosaxs.cli:run_main" in points
    assert "tomosaxs_plugins = tomosaxs_plugins.index" in points
    metadata = contents(f"{info}/METADATA")
    assert "License-Expression: Apache-2.0" in metadata
    assert "tomopy" not in metadata.split("\n\n")[0]  # not on PyPI: never a dependency of pip
