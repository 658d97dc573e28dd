"""The page on orientation: its list runs, and its lines find the direction that was put in."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

pytest.importorskip("numba", reason="numba is not installed")
sys.path.insert(0, str(Path(__file__).parent))
import docs_pages as pages

import tomosaxs
from tomosaxs.testing import SaxsSettings, saxs_map_scan

PAGE = pages.DOCS / "how-to" / "measure-orientation.md"
SETTINGS = SaxsSettings(angles=(0.0,), y_points=2, x_points=3, noise=False)
DIRECTION, DEGREE = 35.0, 0.5


def test_measure_orientation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    saxs_map_scan("scan.nxs", "calibration.nxs", SETTINGS)
    across, down = SETTINGS.beam_centre
    rows, columns = np.mgrid[0 : SETTINGS.rows, 0 : SETTINGS.columns] + 0.5
    chi = np.arctan2(down - rows, columns - across)
    found: list[str] = []
    with h5py.File("scan.nxs", "r+") as file:
        file.visititems(lambda name, node: found.append(name) if getattr(node, "ndim", 0) == 5 else None)
        data = file[found[0]]
        data[...] = data[()] * (1 + DEGREE * np.cos(2 * (chi - np.radians(DIRECTION))))
    blocks = {block.language: block.text for block in pages.blocks(PAGE)}
    Path("orientation.yml").write_text(blocks["yaml"], encoding="utf-8")
    result = tomosaxs.run(Path("orientation.yml"), output=Path("orientation"), log=lambda line: None)
    shapes = {saved.name: saved.values().shape for saved in result.datasets}
    assert shapes["cake"] == (1, 2, 3, 72, 100)
    assert shapes["fibres"] == (1, 2, 3, 60)
    known: dict[str, Any] = {}
    exec(compile(blocks["python"], PAGE.name, "exec"), known)
    assert known["direction"].shape == (1, 2, 3)
    # where the sample has more matrix than fibres, its scattering falls with q in a curve, of which a line leaves some
    # parts in a hundred, and not alike in the sectors whose band ends at the edge of the frame
    assert np.abs(known["direction"] - DIRECTION).min() < 0.1
    assert np.abs(known["direction"] - DIRECTION).max() < 2.0
    assert np.abs(known["degree"] - DEGREE).max() < 0.05
