"""Geometry and calibration readers against formulas written independently of them, and against pyFAI."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest

from tomosaxs import Axis, Dataset, InputError, Quantity
from tomosaxs_plugins.integration.calibration import from_metadata, read_calibration
from tomosaxs_plugins.integration.geometry import DetectorGeometry
from tomosaxs_plugins.integration.radial import bin_centres, full_range, radial_coordinate

PIXEL = (1.0e-4, 1.3e-4)
ROWS, COLUMNS = np.mgrid[0:2083:37, 0:4150:41] + 0.5


def dawn_direction(orientation, centre, distance, pixel, rows, columns):
    """Position of a point in DAWN's laboratory frame, from its definition: z beam, y up, x = y cross z."""
    # the array's columns run along -x of the detector's frame and its rows along -y
    across = -(columns - centre[1]) * pixel[1]
    down = -(rows - centre[0]) * pixel[0]
    in_plane = np.stack([across, down, np.zeros_like(across)], axis=-1)
    # `orientation` takes laboratory to detector components, so its transpose leads back
    return in_plane @ orientation + np.array([0.0, 0.0, distance])


def test_direct_beam_hits_the_given_pixel_of_a_tilted_detector():
    for tilt, direction in ((0.0, 0.0), (0.07, 0.4), (0.3, -2.5), (1.0, 3.0)):
        geometry = DetectorGeometry.from_tilt((40.3, -1509.2), 0.5, tilt, direction, PIXEL)
        assert geometry.beam_centre == pytest.approx((40.3, -1509.2), abs=1e-9)
        assert geometry.beam_distance == pytest.approx(0.5, rel=1e-13)
        # 1e-15 m over 0.5 m: rounding only
        assert geometry.two_theta(40.3, -1509.2) < 1e-14


def test_tilted_two_theta_equals_the_closed_form():
    """2 theta = atan2(|(s cos tau, t)|, d + s sin tau), s along the tilt direction and t across it."""
    tilt, direction, distance = 0.2, -0.7, 0.4
    geometry = DetectorGeometry.from_tilt((700.0, 900.0), distance, tilt, direction, PIXEL)
    right, down = (COLUMNS - 900.0) * PIXEL[1], (ROWS - 700.0) * PIXEL[0]
    along = right * np.cos(direction) + down * np.sin(direction)
    across = -right * np.sin(direction) + down * np.cos(direction)
    truth = np.arctan2(np.hypot(along * np.cos(tilt), across), distance + along * np.sin(tilt))
    assert np.abs(geometry.two_theta(ROWS, COLUMNS) - truth).max() < 1e-13


def test_dawn_calibration_against_its_definition_and_pyfai(shared: Path):
    path = shared / "data" / "mapping" / "LaB6_calibration_output.nxs"
    geometry = read_calibration(path)
    assert geometry.shape == (2083, 4150)
    assert geometry.beam_centre == pytest.approx((1492.2806795, -1509.50703055), abs=1e-6)
    with h5py.File(path) as file:
        orientation = file["entry/instrument/detector/detector_orientation"][()].reshape(3, 3)
        wavelength = file["entry/calibration_sample/beam/incident_wavelength"][0]
    assert geometry.wavelength * 1e10 == pytest.approx(wavelength, rel=1e-11)
    place = dawn_direction(orientation, (1492.2806795, -1509.50703055), 0.1781241496, (2.53e-5, 2.53e-5), ROWS, COLUMNS)
    truth = np.arctan2(np.hypot(place[..., 0], place[..., 1]), place[..., 2])
    # the file gives the matrix with 8 digits, so it is a rotation only to 1e-8
    assert np.abs(geometry.two_theta(ROWS, COLUMNS) - truth).max() < 1e-7
    # azimuth: counter-clockwise as the picture is seen from the source, whose right is -x
    chi = np.arctan2(place[..., 1], -place[..., 0])
    assert np.abs(geometry.azimuth(ROWS, COLUMNS) - chi).max() < 1e-7
    pytest.importorskip("pyFAI", reason="pyFAI is not installed")
    from pyFAI.integrator.azimuthal import AzimuthalIntegrator

    peer = AzimuthalIntegrator(
        geometry.distance, geometry.poni1, geometry.poni2, geometry.rot1, geometry.rot2, geometry.rot3,
        pixel1=geometry.pixel1, pixel2=geometry.pixel2,
    )  # fmt: skip
    theirs = peer.tth(ROWS.ravel() - 0.5, COLUMNS.ravel() - 0.5).reshape(ROWS.shape)
    assert np.abs(theirs - truth).max() < 1e-7
    # pyFAI's azimuth runs from columns towards rows
    assert np.abs(peer.chi(ROWS.ravel() - 0.5, COLUMNS.ravel() - 0.5).reshape(ROWS.shape) + chi).max() < 1e-7


def test_the_sign_of_dawns_tilt():
    """A detector whose right-hand side (large columns) stands nearer to the sample: 2 theta is larger there."""
    angle = 0.1
    # rows of the matrix are the detector's axes; its -x (columns) leans towards the sample, that is to -z
    orientation = np.array([[np.cos(angle), 0, np.sin(angle)], [0, 1, 0], [-np.sin(angle), 0, np.cos(angle)]])
    geometry = DetectorGeometry.from_dawn((500.0, 500.0), 0.3, orientation, (1e-4, 1e-4))
    right, left = geometry.two_theta(500.0, 900.0), geometry.two_theta(500.0, 100.0)
    assert right == pytest.approx(np.arctan2(0.04 * np.cos(angle), 0.3 - 0.04 * np.sin(angle)), abs=1e-13)
    assert left == pytest.approx(np.arctan2(0.04 * np.cos(angle), 0.3 + 0.04 * np.sin(angle)), abs=1e-13)


def test_crop_keeps_every_angle():
    whole = DetectorGeometry.from_tilt((40.3, 20.2), 0.5, 0.1, 0.3, PIXEL, shape=(100, 200))
    part = whole.cropped((10, 25), (50, 60))
    assert part.shape == (50, 60)
    assert part.two_theta(3.5, 4.5) == pytest.approx(float(whole.two_theta(13.5, 29.5)), rel=1e-13)


@pytest.mark.parametrize(("rows", "columns"), [(True, False), (False, True), (True, True)])
def test_mirrored_array_keeps_every_angle(rows: bool, columns: bool):
    one = replace(DetectorGeometry.from_tilt((40.3, 20.2), 0.5, 0.1, 0.3, PIXEL, shape=(100, 200)), rot3=0.4)
    other = one.flipped(rows, columns)
    y, x = np.mgrid[0:100:9, 0:200:13] + 0.5
    mirrored = other.two_theta(100 - y if rows else y, 200 - x if columns else x)
    assert np.abs(mirrored - one.two_theta(y, x)).max() < 1e-14
    # up stays up on the other side of the mirror: chi changes by reflection only
    chi = other.azimuth(100 - y if rows else y, 200 - x if columns else x)
    sign_y, sign_x = (-1 if rows else 1), (-1 if columns else 1)
    truth = np.arctan2(sign_y * np.sin(one.azimuth(y, x)), sign_x * np.cos(one.azimuth(y, x)))
    assert np.abs(np.exp(1j * chi) - np.exp(1j * truth)).max() < 1e-13


PONI = "Distance: 0.8\nPoni1: 0.01\nPoni2: 0.02\nRot1: 0.01\nRot2: -0.02\nRot3: 0.3\nWavelength: 1e-10\n"
CONFIG = '{{"pixel1": 1e-4, "pixel2": 1.5e-4, "max_shape": [80, 90], "orientation": {}}}'


@pytest.mark.parametrize("orientation", [1, 2, 3, 4])
def test_poni_of_every_orientation_equals_pyfai(tmp_path: Path, orientation: int):
    pytest.importorskip("pyFAI", reason="pyFAI is not installed")
    import pyFAI

    path = tmp_path / "a.poni"
    config = CONFIG.format(orientation)
    path.write_text(f"poni_version: 2.1\nDetector: Detector\nDetector_config: {config}\n{PONI}")
    geometry = read_calibration(path)
    theirs = pyFAI.load(str(path)).twoThetaArray((80, 90))
    y, x = np.mgrid[0:80, 0:90] + 0.5
    # pyFAI keeps pixel corners in 32-bit floats: 2e-9 measured; a pixel is 1e-4 rad
    assert np.abs(geometry.two_theta(y, x) - theirs).max() < 1e-8


def test_poni_versions_and_the_last_calibration_counts(tmp_path: Path):
    old = tmp_path / "old.poni"
    old.write_text("# first\nPixelSize1: 1e-4\nPixelSize2: 2e-4\nDetector: Detector\nSplineFile: None\n" + PONI
                   + "# second\nDistance: 0.9\n")  # fmt: skip
    geometry = read_calibration(old)
    assert (geometry.distance, geometry.pixel1, geometry.pixel2) == (0.9, 1e-4, 2e-4)
    pytest.importorskip("pyFAI", reason="pyFAI is not installed")
    named = tmp_path / "named.poni"
    named.write_text("poni_version: 2\nDetector: Pilatus1M\nDetector_config: {}\n" + PONI)
    assert read_calibration(named).shape == (1043, 981)
    assert read_calibration(named).pixel1 == pytest.approx(172e-6)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Distance: 0.8\n", "Poni1"),
        (PONI, "pixel sizes"),
        ("PixelSize1: 1e-4\nPixelSize2: 1e-4\n" + PONI.replace("0.8", "-1"), "positive"),
        ("PixelSize1: 1e-4\nPixelSize2: 1e-4\n" + PONI.replace("0.8", "far"), "far"),
        ("PixelSize1: 1e-4\nPixelSize2: 1e-4\nSplineFile: a.spline\n" + PONI, "distortion"),
        ("Detector_config: {]\n" + PONI, "a.poni"),
    ],
)
def test_a_broken_poni_is_refused_by_name(tmp_path: Path, text: str, said: str):
    path = tmp_path / "a.poni"
    path.write_text(text)
    with pytest.raises(InputError, match=said):
        read_calibration(path)


def write_detector(path: Path, **changes: object) -> None:
    given = {"distance": (200.0, "mm"), "beam_center_x": (40.0, "pixels"), "beam_center_y": (3.0, "mm"),
             "x_pixel_size": (100.0, "um"), "y_pixel_size": (1e-4, "m")}  # fmt: skip
    with h5py.File(path, "w") as file:
        detector = file.create_group("entry/instrument/detector")
        detector.attrs["NX_class"] = "NXdetector"
        for name, (value, units) in {**given, **changes}.items():
            detector[name] = value
            if units:
                detector[name].attrs["units"] = units
        beam = file.create_group("entry/beam")
        beam.attrs["NX_class"] = "NXmonochromator"
        beam["energy"] = 12.398419843320026
        beam["energy"].attrs["units"] = "keV"


def test_nexus_units_are_honoured(tmp_path: Path):
    path = tmp_path / "a.nxs"
    write_detector(path)
    geometry = read_calibration(path)
    assert geometry.beam_centre == pytest.approx((30.0, 40.0), abs=1e-9)
    assert geometry.distance == pytest.approx(0.2)
    assert geometry.wavelength * 1e10 == pytest.approx(1.0, rel=1e-11)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"distance": (200.0, "")}, "distance.*units"),
        ({"beam_center_x": (40.0, "")}, "pixels or a length"),
        ({"distance": (200.0, "keV")}, "cannot convert"),
        ({"detector_orientation": (np.ones(9), "")}, "not a rotation"),
        ({"transformations": (1.0, "")}, "NXtransformations"),
        ({"x_pixel_size": (np.array([1.0, 2.0]), "um")}, "not one number"),
    ],
)
def test_a_broken_nexus_calibration_is_refused_by_name(tmp_path: Path, change: dict, said: str):
    path = tmp_path / "a.nxs"
    write_detector(path, **change)
    with pytest.raises(InputError, match=said):
        read_calibration(path)


def test_files_that_are_no_calibration(tmp_path: Path):
    (tmp_path / "a.nxs").write_text("no HDF5")
    (tmp_path / "b.poni").write_bytes(b"\xff\xfe\x00")
    for name in ("a.nxs", "b.poni", "absent.poni"):
        with pytest.raises(InputError, match=name):
            read_calibration(tmp_path / name)


def described(**metadata: Quantity) -> Dataset:
    axes = (Axis("y", 2), Axis("detector_y", 30), Axis("detector_x", 40))
    return Dataset(axes, np.dtype(np.uint16), metadata=metadata)


def test_geometry_from_the_scan_itself():
    given = {
        "distance": Quantity(300, "mm"), "pixel_size_x": Quantity(100, "um"), "pixel_size_y": Quantity(1e-4, "m"),
        "beam_center_x": Quantity(12, "px"), "beam_center_y": Quantity(2.0, "mm"), "energy": Quantity(12.4, "keV"),
    }  # fmt: skip
    geometry = from_metadata(described(**given))
    assert geometry.beam_centre == pytest.approx((20, 12))
    assert geometry.wavelength * 1e10 == pytest.approx(1.2398419843320026 / 1.24, rel=1e-11)
    for name in ("distance", "beam_center_y"):
        with pytest.raises(InputError, match=name):
            from_metadata(described(**{key: value for key, value in given.items() if key != name}))
        with pytest.raises(InputError, match=name):
            from_metadata(described(**{**given, name: Quantity(1.0, "")}))


def test_radial_coordinates_and_range():
    geometry = DetectorGeometry.from_beam((10.0, 20.0), 0.1, np.eye(3), (1e-3, 1e-3), 1e-10, (40, 50))
    two_theta = np.arctan2(0.005, 0.1)  # 3-4-5 triangle: 3 rows, 4 columns
    expected = {
        "q_nm^-1": 4 * np.pi / 0.1 * np.sin(two_theta / 2), "q_A^-1": 4 * np.pi * np.sin(two_theta / 2),
        "2theta_rad": two_theta, "2theta_deg": np.degrees(two_theta), "radius_mm": 5.0,
    }  # fmt: skip
    for unit, value in expected.items():
        assert float(radial_coordinate(geometry, unit, 13.0, 24.0)) == pytest.approx(value, rel=1e-12)
    low, high = full_range(geometry, (40, 50), "radius_mm")
    assert (low, high) == (0.0, pytest.approx(np.hypot(30, 30), rel=1e-12))
    beside = geometry.cropped((20, 20), (10, 10))
    assert full_range(beside, (10, 10), "radius_mm") == pytest.approx((10.0, np.hypot(20, 10)), rel=1e-12)
    assert bin_centres(1.0, 3.0, 4) == pytest.approx([1.25, 1.75, 2.25, 2.75])
    with pytest.raises(ValueError, match="wavelength"):
        radial_coordinate(replace(geometry, wavelength=None), "q_nm^-1", 1.0, 1.0)
