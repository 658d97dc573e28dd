"""A saxsdog calibration as parameters of azimuthal_integrate: the original program's curves come out."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tomosaxs import Axis, Dataset, Scan
from tomosaxs.declaration import spec_of
from tomosaxs_plugins.integration.azimuthal_integrate import AzimuthalIntegrate
from tomosaxs_plugins.integration.calibration import read_calibration
from tomosaxs_plugins.integration.calibration_saxsdog import integration_parameters, radial_bins

SHAPE = (40, 30)
CONFIG = {
    "Geometry": {
        "Tilt": {"TiltRotDeg": 20.0, "TiltAngleDeg": 3.0}, "DedectorDistanceMM": 100.0, "BeamCenter": [12.0, 9.0],
        "Imagesize": list(SHAPE), "PixelSizeMicroM": [500.0, 400.0],
    },
    "Wavelength": 1.0, "Directory": ["."],
    "PolarizationCorrection": {"Fraction": 0.95, "Angle": 30},
    "Masks": [
        {"MaskFile": "a.npy", "Oversampling": 2, "PixelPerRadialElement": 1, "qStart": 0, "qStop": 0},
        {"MaskFile": "b.npy", "Oversampling": 4, "PixelPerRadialElement": 2.5, "qStart": 0, "qStop": 0},
    ],
}  # fmt: skip


@pytest.fixture
def config(tmp_path: Path) -> Path:
    for name in ("a.npy", "b.npy"):
        np.save(tmp_path / name, np.zeros(SHAPE, np.uint8))
    path = tmp_path / "cal.saxsconf"
    path.write_text(json.dumps(CONFIG))
    return path


def test_every_entry_becomes_parameters_that_the_step_takes(config: Path):
    first, second = integration_parameters(config), integration_parameters(config, 1)
    assert first["calibration"] == config
    assert (first["mask"].name, second["mask"].name) == ("a.npy", "b.npy")
    assert (first["oversampling"], second["oversampling"]) == (2, 4)
    assert first["polarization"] == pytest.approx(0.9)
    assert first["polarization_angle"] == 30.0
    assert first["solid_angle"] is False
    assert second["bins"] < first["bins"]
    spec = spec_of(AzimuthalIntegrate)
    for parameters in (first, second, integration_parameters(config, legacy_angstrom_star=True)):
        values, faults = spec.parameters.validate(parameters)
        assert faults == []
        AzimuthalIntegrate(**values)
    with pytest.raises(ValueError, match="no entry 2"):
        integration_parameters(config, 2)


def test_bins_follow_from_all_sub_pixel_centres(config: Path):
    geometry = read_calibration(config)
    for sides, width in ((1, 1.0), (3, 1.0), (2, 0.7), (4, 5.0)):
        y = (np.arange(SHAPE[0] * sides) + 0.5)[:, None] / sides
        x = (np.arange(SHAPE[1] * sides) + 0.5)[None, :] / sides
        centre = geometry.beam_centre
        radius = np.hypot((y - centre[0]) * geometry.pixel1, (x - centre[1]) * geometry.pixel2).max()
        largest = geometry.q(y, x).max()
        scale = radius / geometry.pixel1 / (largest * width)
        bins, last = radial_bins(geometry, sides, width)
        assert bins == int(np.floor(largest * scale)) + 1
        assert last == pytest.approx(bins / scale, rel=1e-14)


def test_the_legacy_unit_lengthens_the_wavelength_and_nothing_else(config: Path):
    ours = read_calibration(integration_parameters(config)["calibration"], SHAPE)
    theirs = read_calibration(integration_parameters(config, legacy_angstrom_star=True)["calibration"], SHAPE)
    assert theirs.wavelength == pytest.approx(ours.wavelength * 1.00001495, rel=1e-15)
    for name in ("distance", "poni1", "poni2", "rot1", "rot2", "rot3", "pixel1", "pixel2", "shape"):
        assert getattr(theirs, name) == pytest.approx(getattr(ours, name), rel=1e-14)


@pytest.mark.parametrize(
    ("name", "limit"),
    # with polarisation the original took the azimuth in the detector's plane, without the tilt: 6e-7 in the factor
    [("agbeh2_1M_saxsdog_ov2", 1e-9), ("buf1_00000_saxsdog_ov3", 1e-9), ("buf1_00000_pol0.995_saxsdog_ov3", 1e-6)],
)
def test_the_original_curves_come_out(shared: Path, name: str, limit: float):
    pytest.importorskip("numba", reason="numba is not installed")
    tifffile = pytest.importorskip("tifffile", reason="tifffile is not installed")
    folder = shared / "golden" / "saxs"
    theirs = np.loadtxt(folder / f"{name}.csv", delimiter=",")
    parameters = integration_parameters(folder / f"{name}.saxsconf.json", legacy_angstrom_star=True)
    frame = tifffile.imread(folder / f"{'agbeh2_1M' if 'agbeh' in name else 'buf1_00000'}.tif")[None]
    axes = (Axis("frame", 1), Axis("detector_y", frame.shape[1]), Axis("detector_x", frame.shape[2]))
    dataset = Dataset(axes, frame.dtype)
    step = AzimuthalIntegrate(**parameters, error_model="none")
    low, high = parameters["range"]
    q = low + (high - low) * (np.arange(parameters["bins"]) + 0.5) / parameters["bins"]
    assert np.abs(q / theirs[:, 0] - 1).max() < 1e-9
    curve = step.with_uncertainty(frame, Scan.whole(dataset, ("detector_y", "detector_x")))[0][0]
    assert np.array_equal(np.isnan(curve), np.isnan(theirs[:, 2]))
    # handed on as 32-bit floats, which hold 6e-8
    off = np.nanmax(np.abs(curve / theirs[:, 2] - 1))
    assert off < (limit if curve.dtype == np.float64 else limit + 1.2e-7)
