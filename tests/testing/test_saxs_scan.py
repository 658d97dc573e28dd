"""Simulated SAXS raster scans against closed forms and against pyFAI."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest

from tomosaxs.testing import SaxsSettings, ScanSettings, micro_ct_scan, saxs_map_scan, smooth_phantom

QUIET = SaxsSettings(noise=False, monitor_spread=0.0, transmission=False, subsample=1)


def frames(path: Path) -> np.ndarray:
    with h5py.File(path) as file:
        return np.asarray(file["entry/xrd_entry/data/data"][()], dtype=float)


def test_layout_follows_the_mapping_definitions(tmp_path: Path) -> None:
    settings = SaxsSettings()
    saxs_map_scan(tmp_path / "map.nxs", settings=settings)
    with h5py.File(tmp_path / "map.nxs") as file:
        entry = file[file.attrs["default"]]
        for name, definition, shape in (
            ("xrd_entry", "NXxrd", (3, 4, 5, 120, 160)),
            ("stxm_entry", "NXstxm", (3, 4, 5)),
        ):
            part = entry[name]
            assert part["definition"].asstr()[()] == definition
            plot = part[part.attrs["default"]]
            assert plot[plot.attrs["signal"]].shape == shape
            assert list(plot.attrs["axes"]) == ["theta", "y", "x", "detector_y", "detector_x"][: len(shape)]
            assert plot["theta"].attrs["units"] == "degrees"
            assert plot["x"].attrs["units"] == plot["y"].attrs["units"] == "mm"
            for position, size in ((plot["y"][()], 4), (plot["x"][()], 5)):
                np.testing.assert_allclose(np.diff(position), settings.step)
                assert position.shape == (size,)
                assert position.mean() == pytest.approx(0)
            assert part["monitor/data"].shape == (3, 4, 5)
            assert part["data/data"] == part["instrument/detector/data"]
        energy = entry["xrd_entry/instrument/monochromator/energy"]
        assert energy[()] * settings.wavelength == pytest.approx(1239.841984)
        assert energy.attrs["units"] == "eV"


def test_stages_may_report_two_coordinates_a_point(tmp_path: Path) -> None:
    saxs_map_scan(tmp_path / "map.nxs", settings=SaxsSettings(stage_grid=True))
    with h5py.File(tmp_path / "map.nxs") as file:
        plot = file["entry/stxm_entry/data"]
        y, x = plot["y"][()], plot["x"][()]
        assert y.shape == x.shape == (4, 5)
        assert list(plot.attrs["x_indices"]) == list(plot.attrs["y_indices"]) == [1, 2]
    np.testing.assert_allclose(np.diff(x, axis=1), 0.05)
    np.testing.assert_allclose(np.diff(y, axis=0), 0.05)
    assert np.ptp(x, axis=0).max() == np.ptp(y, axis=1).max() == 0


def test_viewers_open_the_files_on_their_data(tmp_path: Path) -> None:
    nxdata = pytest.importorskip("silx.io.nxdata")
    saxs_map_scan(tmp_path / "map.nxs", truth=tmp_path / "truth.nxs")
    micro_ct_scan(
        tmp_path / "scan.nxs",
        smooth_phantom(32, 8),
        ScanSettings(projections=9, rows=8, columns=32),
        truth=tmp_path / "volume.nxs",
    )
    for name, shape in (
        ("truth.nxs", (3, 4, 5, 400)),
        ("scan.nxs", (54, 8, 32)),
        ("volume.nxs", (8, 32, 32)),
    ):
        with h5py.File(tmp_path / name) as file:
            found = nxdata.get_default(file)
            assert found is not None, name
            assert found.is_valid, name
            assert found.signal.shape == shape
    with h5py.File(tmp_path / "map.nxs") as file:
        found = nxdata.NXdata(file["entry/xrd_entry/data"])
        assert found.is_valid, found.issues
        assert found.signal.shape == (3, 4, 5, 120, 160)


def test_calibration_has_the_geometry(tmp_path: Path) -> None:
    settings = SaxsSettings()
    saxs_map_scan(tmp_path / "map.nxs", tmp_path / "calibration.nxs", settings)
    with h5py.File(tmp_path / "calibration.nxs") as file:
        detector = file["entry/instrument/detector"]
        expected = {
            "beam_center_x": (settings.beam_centre[0], "pixels"),
            "beam_center_y": (settings.beam_centre[1], "pixels"),
            "distance": (500.0, "mm"),
            "x_pixel_size": (0.172, "mm"),
            "y_pixel_size": (0.172, "mm"),
            "x_pixel_number": (160, "pixels"),
            "y_pixel_number": (120, "pixels"),
        }
        for name, (value, units) in expected.items():
            assert detector[name][0] == pytest.approx(value)
            assert detector[name].attrs["units"] == units
        wavelength = file["entry/calibration_sample/beam/incident_wavelength"]
        assert wavelength[0] == pytest.approx(0.886)
        assert wavelength.attrs["units"] == "Angstrom"


def test_a_pixel_has_the_intensity_of_its_q(tmp_path: Path) -> None:
    known = saxs_map_scan(tmp_path / "map.nxs", settings=QUIET)
    row, column = 90, 131
    x, y = (column + 0.5 - 42.3) * 172e-6, (row + 0.5 - 57.8) * 172e-6
    angle = np.arctan2(np.hypot(x, y), 0.5)
    q = 4 * np.pi / 0.0886 * np.sin(angle / 2)
    expected = known.intensity(np.array([q]))[..., 0] * np.cos(angle) ** 3
    np.testing.assert_allclose(frames(tmp_path / "map.nxs")[..., row, column], expected, rtol=1e-6)
    assert expected.max() > 1


def test_rings_stand_at_the_orders_of_the_long_period(tmp_path: Path) -> None:
    known = saxs_map_scan(tmp_path / "map.nxs", settings=QUIET)
    q = np.linspace(0.8, 1.4, 601)
    strongest = np.unravel_index(known.contents[1].argmax(), known.contents[1].shape)
    curve = known.intensity(q)[strongest]
    assert q[curve.argmax()] == pytest.approx(2 * np.pi / 5.838, abs=2e-3)


def test_azimuthal_integration_returns_the_truth(tmp_path: Path) -> None:
    integrator = pytest.importorskip("pyFAI.integrator.azimuthal")
    settings = replace(QUIET, transmission=True, monitor_spread=0.05, subsample=4, rows=240, columns=320)
    settings = replace(settings, pixel_size=86e-6, beam_centre=(84.6, 115.6))
    known = saxs_map_scan(tmp_path / "map.nxs", settings=settings)
    ai = integrator.AzimuthalIntegrator(
        dist=settings.distance,
        poni1=settings.beam_centre[1] * settings.pixel_size,
        poni2=settings.beam_centre[0] * settings.pixel_size,
        pixel1=settings.pixel_size,
        pixel2=settings.pixel_size,
        wavelength=settings.wavelength * 1e-9,
    )
    data = frames(tmp_path / "map.nxs")
    for point in ((0, 1, 2), (2, 2, 3)):
        found = ai.integrate1d(data[point], 300, unit="q_nm^-1", method=("full", "csr", "cython"))
        truth = known.counts(found.radial)[point]
        inside = (found.radial > 0.2) & (found.radial < 3.0)
        # A bin and a pixel (0.010 and 0.012 nm^-1) lower rings of 0.035 nm^-1 by about one per cent.
        np.testing.assert_allclose(found.intensity[inside], truth[inside], atol=0.02 * truth[inside].max())
        smooth = inside & (found.radial > 1.4) & (found.radial < 1.9)
        np.testing.assert_allclose(found.intensity[smooth], truth[smooth], rtol=3e-3)


def test_noise_monitor_and_transmission(tmp_path: Path) -> None:
    settings = SaxsSettings(flux=5.0, monitor_spread=0.1)
    known = saxs_map_scan(tmp_path / "noisy.nxs", settings=settings)
    saxs_map_scan(tmp_path / "quiet.nxs", settings=replace(settings, noise=False))
    noisy, quiet = frames(tmp_path / "noisy.nxs"), frames(tmp_path / "quiet.nxs")
    assert np.all(noisy == np.rint(noisy))
    bright = quiet > 2
    chi = (noisy[bright] - quiet[bright]) ** 2 / quiet[bright]
    # The variance of one term is 2 + 1 / mean <= 2.5; 5 sigma of their mean.
    assert chi.mean() == pytest.approx(1.0, abs=5 * np.sqrt(2.5 / chi.size))
    with h5py.File(tmp_path / "noisy.nxs") as file:
        through = file["entry/stxm_entry/data/data"][()] / file["entry/stxm_entry/monitor/data"][()]
    np.testing.assert_allclose(through, known.transmission, rtol=1e-6)
    attenuation = 0.25 * known.contents[0] + 0.15 * known.contents[1]
    np.testing.assert_allclose(-np.log(known.transmission), attenuation, atol=1e-12)
    assert attenuation.max() > 0.2


def test_equal_seeds_give_equal_files_and_truth_is_written(tmp_path: Path) -> None:
    names = ("map.nxs", "calibration.nxs", "truth.nxs")
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        saxs_map_scan(*(tmp_path / folder / name for name in names[:2]), truth=tmp_path / folder / names[2])
    for name in names:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
    known = saxs_map_scan(tmp_path / "map.nxs")
    with h5py.File(tmp_path / "one" / "truth.nxs") as file:
        data = file["entry/data"]
        np.testing.assert_allclose(data["counts"][()], known.counts(data["q"][()]))
        assert data["q"].attrs["units"] == "nm^-1"
        volumes, contents = file["entry/sample/volumes"][()], file["entry/sample/contents"][()]
    # The map at angle 0 sums the volume along y; coarse voxels with sharp edges agree to a few per cent.
    assert contents[:, 0].sum() == pytest.approx(volumes.sum(), rel=0.05)
