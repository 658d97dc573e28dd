"""Options that cannot be meant are refused before anything runs."""

from __future__ import annotations

from pathlib import Path

import pytest

import tomosaxs
from tomosaxs.errors import TomosaxsError
from tomosaxs.testing import ScanSettings, micro_ct_scan, smooth_phantom

LIST = """
input:
  tomo: {{plugin: tomography, path: {path}}}
steps:
  - plugin: dark_flat_correction
  - plugin: minus_log
  - plugin: reconstruct
    centre: 15.5
    backend: {backend}
    iterations: 5
"""


@pytest.mark.parametrize("backend", ["auto", "tomosaxs"])
def test_iterations_of_an_algorithm_without_them(tmp_path: Path, backend: str) -> None:
    scan = tmp_path / "scan.nxs"
    micro_ct_scan(scan, smooth_phantom(32, 2), ScanSettings(24, 2, 32, subsample=1, flats=2, darks=2), seed=1)
    with pytest.raises(TomosaxsError, match="algorithm fbp of backend tomosaxs has no iterations"):
        tomosaxs.plan(LIST.format(path=scan, backend=backend))
