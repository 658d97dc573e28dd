"""Calibrations of every source, recognised by content, against pyFAI and against formulas of their own."""

from __future__ import annotations

import json
from pathlib import Path

import h5py
import numpy as np
import pytest

from tomosaxs import InputError
from tomosaxs_plugins.integration.calibration import from_mapping, kind_of, read_calibration, write_poni
from tomosaxs_plugins.integration.calibration_saxsdog import load_saxsdog, to_version_2
from tomosaxs_plugins.integration.geometry import DetectorGeometry

pytestmark = pytest.mark.usefixtures("quick_collections")
SHAPE = (120, 150)
ROWS, COLUMNS = np.mgrid[0:120:7, 0:150:7] + 0.5

FIT2D = """INFO: Refined Beam centre =      1.000     2.000 (pixels)
INFO: Refined sample to detector distance =     1.000 mm
INFO: Refined Beam centre =      387.772     808.370 (pixels)
INFO: Refined Beam centre =       66.697     139.040 (mm)
INFO: Refined sample to detector distance =     1031.657 mm
INFO: Refined wavelength =      1.54000 Angstroms
INFO: Refined tilt plane rotation angle =       73.569 degrees
INFO: Refined tilt angle =       -0.560 degrees
"""
VERSION_1 = {
    "Title": "", "Tilt": {"TiltRotDeg": 73.569, "TiltAngleDeg": -0.56}, "BeamCenter": [808.37, 387.772],
    "DedectorDistanceMM": 1031.657, "Imagesize": [1043, 981], "MaskFile": "AAA_integ.msk", "Oversampling": 3,
    "PixelSizeMicroM": [172.0], "PixelPerRadialElement": 1, "Wavelength": 1.54,
    "PolarizationCorrection": {"Fraction": 0, "Angle": 0},
}  # fmt: skip


def peer_of(geometry: DetectorGeometry):
    pytest.importorskip("pyFAI", reason="pyFAI is not installed")
    from pyFAI.integrator.azimuthal import AzimuthalIntegrator

    return AzimuthalIntegrator(
        geometry.distance, geometry.poni1, geometry.poni2, geometry.rot1, geometry.rot2, geometry.rot3,
        pixel1=geometry.pixel1, pixel2=geometry.pixel2, wavelength=geometry.wavelength,
    )  # fmt: skip


def assert_same_angles(geometry: DetectorGeometry, peer, shape=SHAPE, limit: float = 1e-7, sign: float = -1.0) -> None:
    """2 theta, q and chi of pyFAI, which counts chi from columns towards rows and points in pixel centres."""
    y, x = np.mgrid[0 : shape[0] : 7, 0 : shape[1] : 7] + 0.5
    flat = y.ravel() - 0.5, x.ravel() - 0.5
    assert np.abs(peer.tth(*flat) - geometry.two_theta(y, x).ravel()).max() < limit
    turn = np.exp(1j * (sign * peer.chi(*flat) - geometry.azimuth(y, x).ravel()))
    # chi is found to limit only where the point is not the beam itself: a pixel away it is exact
    assert np.abs(np.angle(turn)).max() < limit
    theirs = peer.qFunction(*flat)
    # d q = 2 pi / wavelength cos(theta) d(2 theta): in the unit nm^-1, wavelength 0.1 nm
    assert np.abs(theirs - geometry.q(y, x).ravel()).max() < limit * 2e-9 * np.pi / geometry.wavelength


def random_cases(count: int):
    rng = np.random.default_rng(7)
    for number in range(count):
        off = rng.uniform(-3, 3, 2) if number % 3 == 0 else rng.uniform(0.1, 0.9, 2)  # off the detector or on it
        yield {
            "centre": (off[0] * SHAPE[0], off[1] * SHAPE[1]),
            "distance": 10 ** rng.uniform(-1.5, 1),
            "tilt": rng.uniform(-60, 60) * (number % 5 > 0),
            "turn": rng.uniform(-180, 180),
            "pixel": tuple(10 ** rng.uniform(-5, -3.5, 2)),
        }


def test_geometry_agrees_with_pyfai_set_from_fit2d():
    pytest.importorskip("pyFAI", reason="pyFAI is not installed")
    from pyFAI.integrator.azimuthal import AzimuthalIntegrator

    for case in random_cases(30):
        geometry = from_mapping(
            {
                "distance": case["distance"], "beam_centre": list(case["centre"]), "pixel_size": list(case["pixel"]),
                "wavelength": "1 angstrom", "tilt": case["tilt"], "tilt_direction": -case["turn"],
            },
            SHAPE,
        )  # fmt: skip
        peer = AzimuthalIntegrator(wavelength=1e-10)
        peer.setFit2D(
            case["distance"] * 1e3, case["centre"][1], case["centre"][0], case["tilt"], case["turn"],
            case["pixel"][1] * 1e6, case["pixel"][0] * 1e6,
        )  # fmt: skip
        assert_same_angles(geometry, peer)


def test_getters_are_what_pyfai_calls_them():
    for case in random_cases(30):
        geometry = DetectorGeometry.from_tilt(
            case["centre"], case["distance"], np.radians(case["tilt"]), np.radians(case["turn"]), case["pixel"], 1e-10
        )
        theirs = peer_of(geometry).getFit2D()
        assert geometry.beam_centre == pytest.approx(case["centre"], abs=1e-8)
        assert (theirs["centerY"], theirs["centerX"]) == pytest.approx(geometry.beam_centre, abs=1e-6)
        assert theirs["directDist"] == pytest.approx(geometry.beam_distance * 1e3, rel=1e-12)
        assert np.degrees(geometry.tilt) == pytest.approx(abs(case["tilt"]), abs=1e-9)
        if case["tilt"]:
            assert np.degrees(geometry.tilt) == pytest.approx(theirs["tilt"], abs=1e-6)
            # the two senses of the direction: towards rows there, counter-clockwise with row 0 at the top here
            turn = np.exp(1j * (geometry.tilt_direction + np.radians(theirs["tiltPlanRotation"])))
            assert abs(np.angle(turn)) < 1e-6
    flat = DetectorGeometry.from_tilt((1.0, 2.0), 1.0, 0.0, 2.0, (1e-4, 1e-4))
    assert (flat.tilt, flat.tilt_direction) == (0.0, 0.0)
    with pytest.raises(ValueError, match="wavelength"):
        flat.q(1.0, 1.0)


def test_the_side_that_tilt_direction_names_is_farther():
    """Up in the picture (row 0 at the top) is +90 degrees: a pixel above then lies farther than one below."""
    given = {"distance": 0.1, "beam_centre": [50, 60], "pixel_size": 1e-4, "tilt": 10, "tilt_direction": 90}
    geometry = from_mapping(given)
    depth = geometry.positions([10.0, 90.0, 50.0, 50.0], [60.0, 60.0, 20.0, 100.0])[2]
    assert depth[0] > depth[2] > depth[1]
    assert depth[2] == pytest.approx(depth[3], abs=1e-15)
    assert depth[0] == pytest.approx(0.1 + 40e-4 * np.sin(np.radians(10)), rel=1e-12)
    right = from_mapping({**given, "tilt_direction": 0}).positions([50.0, 50.0], [20.0, 100.0])[2]
    assert right[1] > right[0]
    assert float(geometry.chi(10.0, 60.0)) == pytest.approx(90.0)
    assert float(geometry.chi(50.0, 100.0)) == pytest.approx(0.0, abs=1e-12)
    assert float(geometry.q(90.0, 60.0) if geometry.wavelength else 0.0) == 0.0


@pytest.mark.parametrize("orientation", [1, 2, 3, 4])
def test_every_orientation_of_a_poni_in_two_theta_and_chi(tmp_path: Path, orientation: int):
    pytest.importorskip("pyFAI", reason="pyFAI is not installed")
    import pyFAI

    rng = np.random.default_rng(orientation)
    signs = {1: (1, -1), 2: (1, 1), 3: (-1, 1), 4: (-1, -1)}[orientation]
    for _ in range(8):
        rot = rng.uniform(-0.5, 0.5, 3)
        config = json.dumps({"pixel1": 1e-4, "pixel2": 1.7e-4, "max_shape": SHAPE, "orientation": orientation})
        path = tmp_path / "a.poni"
        path.write_text(
            f"poni_version: 2.1\nDetector: Detector\nDetector_config: {config}\nDistance: 0.3\nPoni1: {rng.uniform()}\n"
            f"Poni2: {rng.uniform(-0.1, 0.1)}\nRot1: {rot[0]}\nRot2: {rot[1]}\nRot3: {rot[2]}\nWavelength: 1e-10\n"
        )
        geometry, peer = read_calibration(path), pyFAI.load(str(path))
        y, x = np.mgrid[0 : SHAPE[0], 0 : SHAPE[1]] + 0.5
        assert np.abs(geometry.two_theta(y, x) - peer.twoThetaArray(SHAPE)).max() < 1e-7
        theirs = peer.chiArray(SHAPE)
        mine = geometry.azimuth(y, x)
        expected = np.arctan2(signs[0] * np.sin(theirs), signs[1] * np.cos(theirs))
        # pyFAI keeps corners as 32-bit floats: 1e-8 m over the distance from the beam of 0.05 m and more
        assert np.abs(np.angle(np.exp(1j * (mine - expected)))).max() < 1e-6


def test_written_poni_reads_back_exactly(tmp_path: Path):
    for number, case in enumerate(random_cases(40)):
        geometry = DetectorGeometry.from_tilt(
            case["centre"], case["distance"], np.radians(case["tilt"]), np.radians(case["turn"]), case["pixel"],
            None if number == 3 else 0.1234567890123456e-9, None if number == 4 else SHAPE,
        )  # fmt: skip
        write_poni(geometry, tmp_path / "a.poni", comments=("of a test",))
        assert read_calibration(tmp_path / "a.poni") == geometry
    pytest.importorskip("pyFAI", reason="pyFAI is not installed")
    import pyFAI

    theirs = pyFAI.load(str(tmp_path / "a.poni"))
    assert (theirs.dist, theirs.poni1, theirs.rot2) == (geometry.distance, geometry.poni1, geometry.rot2)
    assert theirs.detector.shape == SHAPE
    assert int(theirs.detector.orientation) == 3


def test_named_detectors_are_known_as_pyfai_knows_them():
    pytest.importorskip("pyFAI", reason="pyFAI is not installed")
    from pyFAI.detectors import detector_factory

    from tomosaxs_plugins.integration.known_detectors import KNOWN, find, grid_of

    names = {"quantum4", "pilatus1m", "eiger216m", "lambda7m5", "jungfrau4m", *KNOWN}
    factory = {"".join(c for c in name if c.isalnum()): name for name in _pyfai_names()}
    assert len([name for name in names if name in factory]) > 100
    for name in names:
        if name not in factory:
            continue
        theirs = detector_factory(factory[name])
        pixel, shape = grid_of(KNOWN[name], (None, None))
        assert theirs.uniform_pixel, name
        assert theirs.IS_FLAT, name
        assert pixel == pytest.approx((theirs.pixel1, theirs.pixel2), rel=3e-6), name
        if not KNOWN[name].bins:
            assert pixel == (theirs.pixel1, theirs.pixel2), name
            assert shape == tuple(theirs.max_shape), name
    assert find("Pilatus 1M") is find("pilatus_1m") is KNOWN["pilatus1m"]
    assert find("Xpad_flat") is None
    binned = find("RayonixMx225")
    assert grid_of(binned, (1.46484e-4, 1.46484e-4))[1] == (1536, 1536)
    assert grid_of(binned, (7.3242e-5, None)) == ((7.3242e-5, 7.3242e-5), (3072, 3072))
    assert grid_of(find("RayonixSX165"), (1.18616e-4,) * 2)[1] == (1365, 1365)
    assert grid_of(binned, (5e-5, 5e-5))[1] is None


def _pyfai_names() -> list[str]:
    from pyFAI.detectors import ALL_DETECTORS

    return list(ALL_DETECTORS)


def test_a_named_detector_needs_no_pyfai(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(__import__("sys").modules, "pyFAI.detectors", None)
    numbers = "Distance: 0.8\nPoni1: 0.01\nPoni2: 0.02\nRot1: 0.01\nRot2: -0.02\nRot3: 0.3\n"
    path = tmp_path / "a.poni"
    for name, config, pixel, shape in (
        ("Pilatus1M", "{}", 172e-6, (1043, 981)),
        ("Eiger2CdTe_4M", '{"orientation": 3}', 75e-6, (2162, 2068)),
        ("RayonixMx225", '{"pixel1": 0.000146484, "pixel2": 0.000146484, "orientation": 3}', 146.484e-6, (1536, 1536)),
    ):
        path.write_text(f"poni_version: 2.1\nDetector: {name}\nDetector_config: {config}\n{numbers}")
        found = read_calibration(path)
        assert (found.pixel1, found.shape) == (pytest.approx(pixel, rel=1e-12), shape)
    path.write_text(f"Detector: Xpad_flat\n{numbers}")
    with pytest.raises(InputError, match=r"Xpad_flat.*pyFAI only"):
        read_calibration(path)


def test_a_poni_with_parallax_is_refused(tmp_path: Path):
    path = tmp_path / "a.poni"
    config = '{"pixel1": 1e-4, "pixel2": 1e-4, "orientation": 3}'
    text = f"poni_version: 3\nDetector: Detector\nDetector_config: {config}\nDistance: 1\nPoni1: 0\nPoni2: 0\nRot1: 0\n"
    path.write_text(text + "Rot2: 0\nRot3: 0\nParallax: False\n")
    assert read_calibration(path).distance == 1.0
    path.write_text(text + "Rot2: 0\nRot3: 0\nParallax: True\n")
    with pytest.raises(InputError, match="parallax"):
        read_calibration(path)


# ------------------------------------------------------------------------------------------------ saxsdog, FIT2D


def closed_form(rows, columns, centre, distance, pixel, tilt, turn, size):
    """2 theta of the specification: u right, v up, s along the tilt direction and t across it."""
    u, v = (columns - centre[1]) * pixel[1], ((size - rows) - centre[0]) * pixel[0]
    s, t = u * np.cos(turn) + v * np.sin(turn), -u * np.sin(turn) + v * np.cos(turn)
    return np.arctan2(np.hypot(s * np.cos(tilt), t), distance + s * np.sin(tilt))


def test_saxsdog_geometry_equals_its_formula_and_pyfai(tmp_path: Path):
    path = tmp_path / "cal.saxsconf"
    path.write_text(json.dumps({**VERSION_1, "PixelSizeMicroM": [172.0, 180.0]}))
    geometry = read_calibration(path)
    y, x = np.mgrid[0:1043:13, 0:981:13] + 0.5
    pixel, angles = (172e-6, 180e-6), (np.radians(-0.56), np.radians(73.569))
    truth = closed_form(y, x, (808.37, 387.772), 1.031657, pixel, *angles, 1043)
    assert np.abs(geometry.two_theta(y, x) - truth).max() < 1e-13
    assert geometry.wavelength == pytest.approx(1.54e-10, rel=1e-14)
    assert geometry.shape == (1043, 981)
    pytest.importorskip("pyFAI", reason="pyFAI is not installed")
    from pyFAI.integrator.azimuthal import AzimuthalIntegrator

    peer = AzimuthalIntegrator(wavelength=1.54e-10)
    peer.setFit2D(1031.657, 387.772, 1043 - 808.37, -0.56, -73.569, 180, 172)
    assert_same_angles(geometry, peer, (1043, 981))


def test_tilt_and_half_a_turn_are_the_other_tilt(tmp_path: Path):
    one, other = tmp_path / "a.json", tmp_path / "b.json"
    one.write_text(json.dumps({**VERSION_1, "Tilt": {"TiltRotDeg": 10, "TiltAngleDeg": -3}}))
    other.write_text(json.dumps({**VERSION_1, "Tilt": {"TiltRotDeg": 190, "TiltAngleDeg": 3}}))
    first, second = read_calibration(one), read_calibration(other)
    assert np.abs(first.two_theta(ROWS, COLUMNS) - second.two_theta(ROWS, COLUMNS)).max() < 1e-14
    assert np.degrees(first.tilt_direction) == pytest.approx(-170.0)


def test_fit2d_log_and_saxsdog_file_of_the_same_calibration_agree(tmp_path: Path):
    log, config = tmp_path / "fit.txt", tmp_path / "cal.txt"
    log.write_text(FIT2D)
    config.write_text(json.dumps(VERSION_1))
    mine, theirs = read_calibration(log, (1043, 981)), read_calibration(config)
    assert mine == theirs  # the last values count, and 66.697 mm / 387.772 px is 172 um
    assert mine.pixel1 == 172e-6
    other = read_calibration(log, (1043, 981), (1e-4, 1.1e-4))
    assert (other.pixel1, other.pixel2) == (1e-4, 1.1e-4)


def test_a_fit2d_log_says_what_it_lacks(tmp_path: Path):
    path = tmp_path / "fit.txt"
    for text, shape, said in (
        (FIT2D, None, "rows from the bottom"),
        (FIT2D.replace("66.697", "66.7"), (10, 10), r"171\.\d+ to 172.\d+ um; give the pixel sizes"),
        (FIT2D.replace("66.697     139.040 (mm)", ""), (10, 10), "no beam centre in mm"),
        (FIT2D.replace("Refined tilt angle", "tilt"), (10, 10), "not found: Refined tilt angle"),
        (FIT2D.replace("-0.560", "-95.560"), (10, 10), "less than 90"),
        (FIT2D.replace("1031.657 mm", "0.000 mm"), (10, 10), "positive"),
    ):
        path.write_text(text)
        with pytest.raises(InputError, match=said) as failure:
            read_calibration(path, shape)
        assert "fit.txt" in str(failure.value)


def test_version_1_becomes_version_2_without_losing_zeros_or_the_title():
    new = to_version_2({**VERSION_1, "Title": "", "Tilt": {"TiltRotDeg": 0, "TiltAngleDeg": 0}})
    assert new == {
        "Geometry": {
            "Tilt": {"TiltRotDeg": 0, "TiltAngleDeg": 0}, "BeamCenter": [808.37, 387.772],
            "DedectorDistanceMM": 1031.657, "PixelSizeMicroM": [172.0], "Imagesize": [1043, 981],
        },
        "Masks": [{"MaskFile": "AAA_integ.msk", "Oversampling": 3, "PixelPerRadialElement": 1, "qStart": 0,
                   "qStop": 0}],
        "Directory": ["."], "Wavelength": 1.54, "PolarizationCorrection": {"Fraction": 0, "Angle": 0}, "Title": "",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"Wavelenght": 1.5}, "unknown key 'Wavelenght'"),
        ({"Wavelength": float("nan")}, "NaN"),
        ({"Wavelength": 0}, "Wavelength.*positive"),
        ({"DedectorDistanceMM": -1}, "DedectorDistanceMM.*positive"),
        ({"Tilt": {"TiltRotDeg": 0, "TiltAngleDeg": 90}}, "less than 90"),
        ({"Tilt": {"TiltRotDeg": 0}}, "TiltAngleDeg missing"),
        ({"BeamCenter": [1, 2, 3]}, "BeamCenter"),
        ({"BeamCenter": ["a", 2]}, "expected a number"),
        ({"Imagesize": [1043.5, 981]}, "whole numbers"),
        ({"Oversampling": 0}, "Oversampling"),
        ({"PolarizationCorrection": {"Fraction": 1.5, "Angle": 0}}, "between 0 and 1"),
        ({"PixelSizeMicroM": []}, "PixelSizeMicroM"),
    ],
)
def test_a_wrong_saxsdog_file_names_the_key(tmp_path: Path, change: dict, said: str):
    path = tmp_path / "cal.json"
    path.write_text(json.dumps({**VERSION_1, **change}))
    with pytest.raises(InputError, match=said) as failure:
        read_calibration(path)
    assert "cal.json" in str(failure.value)


def test_version_2_may_not_hold_unknown_keys_anywhere(tmp_path: Path):
    path = tmp_path / "cal.json"
    new = to_version_2(VERSION_1)
    for place in ((), ("Geometry",), ("Geometry", "Tilt"), ("Masks", 0)):
        content = json.loads(json.dumps(new))
        at = content
        for key in place:
            at = at[key]
        at["Extra"] = 1
        path.write_text(json.dumps(content))
        with pytest.raises(InputError, match="unknown key 'Extra'"):
            read_calibration(path)
    path.write_text(json.dumps({**new, "GISAXSmode": False, "Threads": 2}))
    assert load_saxsdog(path)["Threads"] == 2


# -------------------------------------------------------------------------------------------------- the list itself


def test_numbers_in_the_list_take_units():
    metres = {"distance": 1.031657, "beam_centre": [234.63, 387.772], "pixel_size": 172e-6, "wavelength": 1.54e-10}
    spelled = {
        "distance": "1031.657 mm", "beam_center": [234.63, "387.772 px"], "pixel_size": ["172 um", "0.172 mm"],
        "wavelength": "1.54 angstrom", "tilt": "0 rad",
    }  # fmt: skip
    mine, theirs = from_mapping(metres, SHAPE), from_mapping(spelled, SHAPE)
    assert mine.shape == SHAPE
    for name in ("distance", "poni1", "poni2", "pixel1", "pixel2", "wavelength"):
        assert getattr(mine, name) == pytest.approx(getattr(theirs, name), rel=1e-14)
    keys = {key: value for key, value in metres.items() if key != "wavelength"}
    assert from_mapping({**keys, "energy": 12.398419843320026}).wavelength == pytest.approx(1e-10, rel=1e-14)
    assert from_mapping({**keys, "energy": "12398.419843320026 eV"}).wavelength == pytest.approx(1e-10, rel=1e-14)
    assert from_mapping(keys).wavelength is None


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"distanse": 1}, "unknown key 'distanse'.*did you mean 'distance'"),
        ({"distance": None}, "distance: expected a number"),
        ({"distance": "far"}, "distance: expected a number"),
        ({"distance": "3 keV"}, "distance: cannot convert"),
        ({"distance": -1}, "positive"),
        ({"distance": True}, "expected a number"),
        ({"beam_centre": 3}, r"\[row, column\]"),
        ({"beam_centre": [1, 2, 3]}, "two values"),
        ({"beam_centre": ["1 mm", 2]}, "pixels are expected"),
        ({"tilt": 90}, "less than 90"),
        ({"energy": 8, "wavelength": 1e-10}, "not both"),
        ({"energy": 0}, "positive"),
        ({"wavelength": float("inf")}, "wavelength: expected a number"),
    ],
)
def test_wrong_numbers_in_the_list_are_named(change: dict, said: str):
    good = {"distance": 1.0, "beam_centre": [1, 2], "pixel_size": 1e-4}
    with pytest.raises(InputError, match=said):
        from_mapping({**good, **change})
    for key in good:
        with pytest.raises(InputError, match=f"{key} missing"):
            from_mapping({name: value for name, value in good.items() if name != key})


# ------------------------------------------------------------------------------------------------------- recognition


def test_a_file_is_what_it_holds_not_what_it_is_called(tmp_path: Path):
    geometry = DetectorGeometry.from_tilt((1.0, 2.0), 1.0, 0.1, 0.2, (1e-4, 1e-4), 1e-10, SHAPE)
    write_poni(geometry, tmp_path / "a.nxs")
    (tmp_path / "b.poni").write_text(json.dumps(VERSION_1))
    (tmp_path / "c.json").write_text("\n" + FIT2D)
    with h5py.File(tmp_path / "d.txt", "w") as file:
        file["a"] = 1
    kinds = [kind_of(path) for path in sorted(tmp_path.iterdir())]
    assert kinds == ["poni", "saxsdog", "fit2d", "nexus"]
    assert read_calibration(tmp_path / "a.nxs") == geometry


@pytest.mark.parametrize("content", [b"", b"\x00\x01\x02", b"hello: world\n", b'{"a": 1}', b'{"a": ', b"[1, 2]"])
def test_what_is_no_calibration_is_told_with_what_is_expected(tmp_path: Path, content: bytes):
    path = tmp_path / "odd.poni"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"odd\.poni") as failure:
        read_calibration(path)
    if content not in (b'{"a": ',):
        for word in (".poni", "saxsdog", "FIT2D", "NXdetector"):
            assert word in str(failure.value)


def test_three_real_files_of_one_calibration_agree(shared: Path):
    """A log of FIT2D, the saxsdog file made from it, and pyFAI's .poni for the array as stored."""
    folder = shared / "golden" / "saxs"
    log = read_calibration(folder / "fit2d_calibration.txt", (1043, 981))
    config = read_calibration(folder / "buf1_00000_saxsdog_ov3.saxsconf.json")
    poni = read_calibration(folder / "buf1_00000.poni", (1043, 981))
    assert log == config
    assert log.beam_centre == pytest.approx((1043 - 808.37, 387.772), abs=1e-9)
    assert np.degrees(log.tilt) == pytest.approx(0.56, rel=1e-12)
    assert np.degrees(log.tilt_direction) == pytest.approx(73.569 - 180, rel=1e-12)
    y, x = np.mgrid[0:1043:20, 0:981:20] + 0.5
    assert np.abs(log.two_theta(y, x) - poni.two_theta(y, x)).max() < 1e-12
    assert np.abs(log.q(y, x) - poni.q(y, x)).max() < 1e-11
