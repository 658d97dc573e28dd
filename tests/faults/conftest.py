"""One scan, one undisturbed run and one older result for all faults."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tomosaxs.testing import ScanSettings, micro_ct_scan, smooth_phantom

sys.path.insert(0, str(Path(__file__).resolve().parent))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "running"))

from faults_help import LIST, OWN, Bench, pictures
from running_commands import here


@pytest.fixture(scope="session")
def fault_scan(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("fault-scan") / "scan.nxs"
    settings = ScanSettings(projections=91, rows=32, columns=64, centre=33.7, closed=True, flats=4, darks=4)
    micro_ct_scan(path, smooth_phantom(64, 32, 0.02), settings, seed=3)
    return path


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, fault_scan: Path) -> tuple[Path, tuple[object, object]]:
    """Return the folder of an older, different result, and what an undisturbed run gives."""
    folder = tmp_path_factory.mktemp("undisturbed")
    (folder / "own.py").write_text(OWN)
    listing = folder / "list.yml"
    listing.write_text(LIST.format(scan=fault_scan))
    expected = here(listing, folder / "out"), pictures(folder / "out")
    here(listing, folder / "older", settings=["blur.size=5"])
    return folder / "older", expected


@pytest.fixture
def bench(tmp_path: Path, fault_scan: Path, undisturbed) -> Callable[..., Bench]:
    older, expected = undisturbed

    def make(name: str = "bench", **options: int) -> Bench:
        (tmp_path / name).mkdir()
        return Bench(tmp_path / name, fault_scan, older, expected, **options)

    return make
