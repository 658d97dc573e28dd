"""A small scan."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))


@pytest.fixture(scope="session")
def small_scan(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a scan of 24 projections x 4 rows x 32 columns."""
    from tomosaxs.testing import ScanSettings, micro_ct_scan, smooth_phantom

    path = tmp_path_factory.mktemp("packaging") / "scan.nxs"
    micro_ct_scan(path, smooth_phantom(32, 4), ScanSettings(24, 4, 32, subsample=1, flats=2, darks=2), seed=1)
    return path
