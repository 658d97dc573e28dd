"""Scalar tomography of curves: the shipped list against the volumes that a scan was simulated from."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest
from numpy.testing import assert_allclose

import tomosaxs
from tomosaxs import ArrayReader, Axis, Dataset, InputError, Source
from tomosaxs.testing import SaxsSettings, example_source, run_plugin, saxs_map_scan
from tomosaxs_plugins.corrections.fill_missing import fill_sinogram
from tomosaxs_plugins.integration.band import band_values, band_weights

LIST = Path(__file__).resolve().parents[2] / "process_lists" / "saxs_tomography.yml"
BAND, SIDES = (1.0, 1.15), ((0.85, 0.95), (1.2, 1.3))
AXIS, STEP = 15.4, 0.02e-3


@pytest.fixture(scope="module")
def scan(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tomography of 30 angles, 2 heights and 33 points, 15 of its points missing."""
    folder = tmp_path_factory.mktemp("saxs_ct")
    settings = SaxsSettings(
        angles=tuple(float(a) for a in range(0, 180, 6)), y_points=2, x_points=33, step=STEP * 1e3, axis=AXIS,
        flux=20.0, rows=60, columns=80, pixel_size=344e-6, beam_centre=(21.2, 28.9), transmission=False,
        monitor_spread=0.05, solid_angle=True,
    )  # fmt: skip
    saxs_map_scan(folder / "saxs_map.nxs", folder / "calibration.nxs", settings, seed=2, truth=folder / "truth.nxs")
    with h5py.File(folder / "saxs_map.nxs", "r+") as file:
        frames = file["entry/xrd_entry/instrument/detector/data"]
        frames[7, 1, 20:] = np.nan  # a row that was cut short
        frames[12, 0, 15:17] = np.nan
    (folder / LIST.name).write_text(LIST.read_text())
    return folder


def test_the_shipped_list_gives_the_volume(scan: Path) -> None:
    result = tomosaxs.run(scan / LIST.name, output=scan / "out")
    axis = result.estimates["axis"]
    assert abs(axis.value - AXIS) < 0.1
    assert any("15 points that were not measured" in message for message in result.messages)
    with h5py.File(scan / "truth.nxs") as file:
        q, curves = file["entry/data/q"][()], file["entry/sample/curves"][()]
        volumes = file["entry/sample/volumes"][()]
    # the band of each material's own curve, times its volume, in 1/m for a monitor of 1e5 counts
    strength = band_values(20.0 * curves, band_weights(q, BAND, SIDES))[0]
    wanted = np.tensordot(strength, volumes, axes=1) / 1e5 / STEP
    found = result.data
    assert found.shape == wanted.shape == (2, 33, 33)
    y, x = np.mgrid[:33, :33]
    # the truth turns about its middle, the volume about the axis: both about the middle of the grid
    grain = (wanted[0] > 0.9 * wanted[0].max()) & (np.hypot(x - 16, y - 16) < 14)
    outside = (wanted[0] == wanted[0].min()) & (np.hypot(x - 16, y - 16) < 14)
    # 30 angles of 33 points, and counting noise: the mean inside to 5 %, nothing outside
    assert_allclose(found[0][grain].mean(), wanted[0][grain].mean(), rtol=0.05)
    assert abs(found[0][outside].mean()) < 0.05 * wanted[0].max()
    assert np.corrcoef(found[0].ravel(), wanted[0].ravel())[0, 1] > 0.95


def test_band_values_are_those_of_the_curve() -> None:
    """A peak of known height on a slope: the slope is gone, empty bins do not matter."""
    q = np.linspace(0.1, 2.0, 96)
    slope, peak = 5.0 - 2.0 * q, np.where(np.abs(q - 1.07) < 0.06, 3.0, 0.0)
    curves = np.stack([slope + peak, slope + peak, slope])
    curves[1, [45, 55]] = np.nan
    values, _ = band_values(curves, band_weights(q, (1.03, 1.11), ((0.6, 0.9), (1.3, 1.5))))
    assert_allclose(values, [3.0, 3.0, 0.0], atol=1e-6)
    total, _ = band_values(curves[:1] * 0 + 1, band_weights(q, (0.5, 1.5), (), "integral"), sums=True)
    assert_allclose(total, np.gradient(q)[(q >= 0.5) & (q <= 1.5)].sum(), rtol=1e-6)
    invariant, _ = band_values(q[None] ** -2, band_weights(q, (0.5, 1.5), (), "invariant"), sums=True)
    assert_allclose(invariant, total, rtol=1e-6)
    empty, _ = band_values(np.full((1, 96), np.nan), band_weights(q, (0.5, 1.5)))
    assert np.isnan(empty).all()


def test_uncertainty_of_a_band_against_repeated_noise() -> None:
    q = np.linspace(0.1, 2.0, 96)
    sigma = 0.1 + 0.05 * q
    table = band_weights(q, (1.0, 1.15), ((0.85, 0.95), (1.2, 1.3)))
    draws = np.random.default_rng(0).normal(5.0, sigma, (20000, 96))
    spread = band_values(draws, table)[0].std()
    _, told = band_values(np.full((1, 96), 5.0), table, sigma[None])
    assert told is not None
    assert_allclose(told[0], spread, rtol=0.03)  # 20000 draws know it to 0.5 %


def test_bands_that_cannot_be() -> None:
    curves = example_source("AzimuthalProfiles")
    with pytest.raises(InputError, match=r"band \[5.0, 6.0\] holds no bin: q runs from 0.1 to 2"):
        run_plugin("curve_band", curves, {"band": [5.0, 6.0]})
    with pytest.raises(InputError, match="expected low < high"):
        run_plugin("curve_band", curves, {"band": [1.0, 0.5]})


def test_missing_points_are_interpolated() -> None:
    """A linear sinogram comes back exactly, wherever points are missing inside; angles need no order."""
    angles = np.array([0.0, 60.0, 20.0, 40.0, 80.0])
    truth = (angles[:, None] + 2.0 * np.arange(7)).astype(np.float32)
    broken = truth.copy()
    broken[0, 2:4] = np.nan
    broken[3] = np.nan
    assert_allclose(fill_sinogram(broken, angles), truth, rtol=1e-6)
    broken[4] = np.nan  # the last angle: that of the nearest
    assert_allclose(fill_sinogram(broken, angles)[4], truth[1], rtol=1e-6)
    assert np.isnan(fill_sinogram(np.full((2, 3), np.nan), angles[:2])).all()


def test_too_much_is_missing() -> None:
    data = np.full((4, 2, 5), np.nan, dtype=np.float32)
    data[:, 0] = 1.0
    axes = (Axis("rotation_angle", 4, np.arange(4) * 45.0, "deg"), Axis("y", 2), Axis("x", 5))
    source = Source(Dataset(axes, data.dtype), ArrayReader(data))
    with pytest.raises(Exception, match="of sinogram 1, 20 of 20 points are missing"):
        run_plugin("fill_missing", source)
