"""A handful of plugins made for these tests, registered beside nothing else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tomosaxs import ListError, PluginEntry, registry
from tomosaxs.process_list import CheckedList, check_list, parse_list

PLUGINS = '''
from pathlib import Path
from typing import Annotated, Literal
from tomosaxs import Estimate, InputFile, Param, Projections, Result, Source, estimator, loader, plugin, saver

@plugin
def smooth(
    data: Projections,
    *,
    size: Annotated[int, Param("window", unit="px", ge=1, le=31)] = 3,
    mode: Literal["mean", "median"] = "mean",
    centre: Annotated[float | None, Param("axis", unit="px")] = None,
    mask: InputFile | None = None,
    options: dict[str, int] | None = None,
    limits: tuple[float, float] = (0.0, 1.0),
) -> Projections:
    """Smooth."""
    return data

@plugin
def rebuild(data: Projections, *, centre: Annotated[float, Param("axis", unit="px")]) -> Projections:
    """Needs a centre."""
    return data

@plugin
def subtract(first: Projections, second: Projections) -> Projections:
    """Join two."""
    return first - second

@plugin
def split(data: Projections) -> tuple[Projections, Projections]:
    """Make two."""
    return data, data

@estimator
def find_axis(data: Projections, *, step: float = 1.0) -> Estimate:
    """Estimate."""
    return Estimate(1.0)

@loader
def raw(path: Path, *, entry: str = "entry") -> Source:
    """Load."""
    raise NotImplementedError

@saver
def nexus(result: Result, folder: Path, *, bits: int = 32) -> list[Path]:
    """Save."""
    return []
'''
KINDS = {"find_axis": "estimator", "raw": "loader", "nexus": "saver"}
NAMES = ("smooth", "rebuild", "subtract", "split", "find_axis", "raw", "nexus")


@pytest.fixture(scope="session")
def plugin_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("plugins") / "fake.py"
    file.write_text(PLUGINS)
    return file


@pytest.fixture
def fake_plugins(plugin_file: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, PluginEntry]:
    entries = {
        name: PluginEntry(name, f"{plugin_file}:{name}", f"The {name}.", kind=KINDS.get(name, "step")) for name in NAMES
    }
    entries["absent"] = PluginEntry("absent", "no_such:f", "Not here.", ("no_such_package",), "pip install it")
    monkeypatch.setattr(registry, "plugins", lambda: entries)
    return entries


@pytest.fixture
def folder(tmp_path: Path, fake_plugins: dict[str, PluginEntry], monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a scan and a mask; the current folder is another one."""
    for name in ("scan.nxs", "mask.tif", "other.nxs"):
        (tmp_path / name).touch()
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    return tmp_path


Check = Callable[..., CheckedList]


@pytest.fixture
def check(folder: Path) -> Check:
    def run(text: str, **options: object) -> CheckedList:
        return check_list(parse_list(text, file=folder / "list.yml", **options))  # type: ignore[arg-type]

    return run


@pytest.fixture
def faults(check: Check, folder: Path) -> Callable[..., list[str]]:
    """Return the messages of a faulty list, without the folder."""

    def run(text: str, **options: object) -> list[str]:
        with pytest.raises(ListError) as caught:
            check(text, **options)
        return [str(problem).replace(f"{folder}/", "") for problem in caught.value.problems]

    return run
