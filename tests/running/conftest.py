"""Small scans, lists that process them, and the command run for real."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tomosaxs.testing import SaxsSettings, ScanSettings, micro_ct_scan, saxs_map_scan, smooth_phantom

sys.path.insert(0, str(Path(__file__).resolve().parent))

from running_commands import AXIS, OWN, SHORT_LIST, Done, Started, environment, typed, words


@pytest.fixture(scope="session")
def command(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Done]:
    """Run ``tomosaxs ARGUMENTS`` to its end, under mpirun where `ranks` is given."""
    home = tmp_path_factory.mktemp("home")

    def run(*arguments: object, ranks: int = 0, cwd: Path | None = None, timeout: float = 120, **env: str) -> Done:
        begun = time.monotonic()
        done = subprocess.run(
            words(arguments, ranks),
            env=environment(**env),
            cwd=cwd or home,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=timeout,
            check=False,
        )
        return Done(done.returncode, done.stdout, time.monotonic() - begun)

    return run


@pytest.fixture
def quick(command: Callable[..., Done], tmp_path: Path) -> Callable[..., Done]:
    """Run ``tomosaxs ARGUMENTS`` in this process; under mpirun, in others, where `ranks` is given."""

    def run(*arguments: object, ranks: int = 0) -> Done:
        return command(*arguments, ranks=ranks) if ranks else typed(*arguments, cwd=tmp_path)

    return run


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Started]]:
    """Start ``tomosaxs ARGUMENTS`` and return at once."""
    begun: list[Started] = []

    def run(*arguments: object, ranks: int = 0, cwd: Path | None = None, **env: str) -> Started:
        begun.append(Started(arguments, ranks, cwd or tmp_path, environment(**env)))
        return begun[-1]

    yield run
    for each in begun:
        each.stop()


@pytest.fixture(scope="session")
def scan(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small realistic scan: 91 angles, 32 rows, 64 columns, axis at 33.7."""
    path = tmp_path_factory.mktemp("scan") / "scan.nxs"
    settings = ScanSettings(projections=91, rows=32, columns=64, centre=AXIS, closed=True, flats=4, darks=4)
    micro_ct_scan(path, smooth_phantom(64, 32, 0.02), settings, seed=3)
    return path


@pytest.fixture(scope="session")
def raster(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small SAXS raster scan of rank five: 3 angles, 2 y, 5 x; returns its folder."""
    folder = tmp_path_factory.mktemp("raster")
    settings = SaxsSettings(angles=(0.0, 60.0, 120.0), y_points=2, x_points=5)
    saxs_map_scan(folder / "map.nxs", folder / "calibration.nxs", settings, seed=1)
    return folder


@pytest.fixture
def make_list(tmp_path: Path, scan: Path) -> Callable[..., Path]:
    """Write a list beside a file own.py of plugins; `steps` come before the reconstruction."""

    def write(steps: str = "", plugins: str = "", name: str = "list.yml", text: str = SHORT_LIST) -> Path:
        (tmp_path / "own.py").write_text(OWN + plugins)
        listing = tmp_path / name
        listing.write_text(text.format(scan=scan, steps=steps.rstrip("\n")))
        return listing

    return write
