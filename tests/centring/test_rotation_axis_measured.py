"""Rotation axis of measured scans; reference positions come with the data."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest
from numpy.typing import NDArray

from tomosaxs_plugins.centring.consensus import STOP, combine
from tomosaxs_plugins.centring.row import row_estimate

Floats = NDArray[np.float64]


def diamond(folder: Path) -> tuple[Floats, Floats]:
    """Return attenuation (91, 135, 160) and angles."""
    with h5py.File(folder / "data" / "tomography" / "24737_rebuilt.nxs") as file:
        entry = file["entry1/tomo_entry"]
        key = entry["instrument/detector/image_key"][()]
        data = entry["instrument/detector/data"][()].astype(float)
        angles = entry["sample/rotation_angle"][()]
    dark, flat = data[key == 2].mean(axis=0), data[key == 1].mean(axis=0)
    with np.errstate(all="ignore"):  # one pixel has flat = dark: it becomes NaN
        return -np.log(np.clip((data[key == 0] - dark) / (flat - dark), 1e-6, None)), angles[key == 0]


def tooth(folder: Path) -> tuple[Floats, Floats]:
    """Return attenuation (181, 2, 640) and stored angles."""
    with h5py.File(folder / "data" / "tomography" / "tooth.h5") as file:
        exchange = file["exchange"]
        dark, flat = exchange["data_dark"][()].mean(axis=0), exchange["data_white"][()].mean(axis=0)
        data, angles = exchange["data"][()], exchange["theta"][()]
    return -np.log(np.clip((data - dark) / (flat - dark), 1e-6, None)), angles


def raster(folder: Path) -> tuple[Floats, Floats]:
    """Return attenuation (52, 7, 101) and unsorted angles of the raster scan."""
    with h5py.File(folder / "data" / "mapping" / "mm.nxs") as file:
        entry = file["entry1/stxm_entry"]
        data = entry["data/data"][()].astype(float) / entry["monitor/data"][()]
        return -np.log(data), entry["data/theta"][()]


@pytest.mark.parametrize("method", ["auto", "correlation", "vo", "metric"])
def test_diamond_scan(shared: Path, method: str) -> None:
    data, angles = diamond(shared)
    rows = [row_estimate(data[:, r], angles, r, method=method) for r in range(0, 135, 9)]  # many are empty
    found = combine(rows, method=method)
    assert found.axis == pytest.approx(85.5, abs=0.5)
    assert found.confidence >= STOP
    assert found.uncertainty < 0.2


@pytest.mark.parametrize("rows", [(0,), (1,), (0, 1)])
def test_tooth_with_one_or_two_rows(shared: Path, rows: tuple[int, ...]) -> None:
    data, angles = tooth(shared)
    found = combine([row_estimate(data[:, r], angles, r) for r in rows])
    assert found.axis == pytest.approx(295.5, abs=0.5)
    assert found.confidence >= STOP
    assert any("opposite" in m for m in found.messages)


@pytest.mark.parametrize("method", ["auto", "correlation", "metric"])
def test_raster_scan_with_unsorted_angles(shared: Path, method: str) -> None:
    data, angles = raster(shared)
    found = combine([row_estimate(data[:, r], angles, r, method=method) for r in range(7)], method=method)
    assert found.confidence >= STOP
    assert found.axis == pytest.approx(44.5, abs=1.0)
