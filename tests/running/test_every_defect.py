"""A scan with everything wrong that the simulation knows, through the ready-made list."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

import tomosaxs
from tomosaxs.shipped import shipped_lists
from tomosaxs.testing import Defects, ScanSettings, micro_ct_scan, packing

SETTINGS = ScanSettings(projections=241, rows=6, columns=192, closed=True, centre=98.3, subsample=2)
PHANTOM = packing(192, 48, seed=4)
# What no correction can bring back: the photons that were counted, and the noise of reading them.
NOISE_ALONE = {
    "texture": 0.0, "drift": 0.0, "monitor": 0.0, "offset_spread": 0.0,
    "dead": 0.0, "bent": 0.0, "drifting": 0.0, "zingers": 0.0,
}  # fmt: skip


def _error(folder: Path, defects: Defects) -> float:
    """Return the root mean square error of the list's volume inside the field of view, over the truth's spread."""
    folder.mkdir()
    micro_ct_scan(folder / "scan.nxs", PHANTOM, SETTINGS, defects, seed=2, truth=folder / "truth.nxs")
    listing = shipped_lists()["absorption"]
    done = tomosaxs.run(
        listing, inputs=[str(folder / "scan.nxs")], output=folder / "out", log=lambda line: None,
        settings=[f"find_rotation_axis.value={SETTINGS.centre}"],
    )  # fmt: skip
    with h5py.File(folder / "truth.nxs") as file:
        truth = file["entry/data/attenuation"][()]
    across = np.arange(192) - 95.5
    inside = np.hypot(across[:, None], across) < 0.45 * 192
    wrong = (np.asarray(done.data) - truth)[:, inside]
    return float(np.sqrt((wrong**2).mean()) / truth[:, inside].std())


@pytest.mark.parametrize("photons", [6000.0, 6e6])
def test_every_defect_at_once(tmp_path, photons) -> None:
    """With all defects the volume is at most a tenth worse than without any, at ordinary noise and at next to none."""
    everything = Defects(photons=photons)
    alone = _error(tmp_path / "alone", everything.but(**NOISE_ALONE))
    together = _error(tmp_path / "together", everything)
    assert together < 1.1 * alone, f"{together / alone:.3f}"
