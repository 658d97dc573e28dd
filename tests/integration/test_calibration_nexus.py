"""NXdetector with transformations and modules, and DAWN's files: positions computed by rotations of scipy."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from tomosaxs import InputError
from tomosaxs_plugins.integration.calibration import read_calibration

SHAPE = (60, 80)
ROWS, COLUMNS = np.mgrid[0:60:3, 0:80:3] + 0.5
PIXEL = (1e-4, 1.5e-4)


def put(group: h5py.Group, name: str, value: object, units: str = "", **attributes: object) -> h5py.Dataset:
    group[name] = value
    if units:
        group[name].attrs["units"] = units
    for key, each in attributes.items():
        group[name].attrs[key] = each
    return group[name]


def new_file(path: Path, entry: str = "entry") -> tuple[h5py.File, h5py.Group]:
    file = h5py.File(path, "w")
    detector = file.create_group(f"{entry}/instrument/detector")
    detector.attrs["NX_class"] = "NXdetector"
    beam = file.create_group(f"{entry}/calibration_sample/beam")
    beam.attrs["NX_class"] = "NXbeam"
    put(beam, "incident_wavelength", 1.0, "angstrom")
    return file, detector


def with_fields(detector: h5py.Group, centre=(20.0, 30.0), units="pixels") -> None:
    put(detector, "distance", 200.0, "mm")
    put(detector, "beam_center_x", centre[1], units)
    put(detector, "beam_center_y", centre[0], units)
    put(detector, "y_pixel_size", PIXEL[0], "m")
    put(detector, "x_pixel_size", PIXEL[1] * 1e3, "mm")


def angles_of(place: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """2 theta and chi of points (..., 3) in NeXus' frame, x to the left as seen from the source, y up."""
    two_theta = np.arctan2(np.hypot(place[..., 0], place[..., 1]), place[..., 2])
    return two_theta, np.arctan2(place[..., 1], -place[..., 0])


def assert_angles(path: Path, place: np.ndarray) -> None:
    geometry = read_calibration(path)
    two_theta, chi = angles_of(place)
    assert np.abs(geometry.two_theta(ROWS, COLUMNS) - two_theta).max() < 1e-12
    assert np.abs(np.angle(np.exp(1j * (geometry.azimuth(ROWS, COLUMNS) - chi)))).max() < 1e-9
    assert geometry.wavelength == pytest.approx(1e-10, rel=1e-14)


def test_a_chain_of_rotations_tilts_a_detector_about_its_beam_centre(tmp_path: Path):
    for relative in (False, True):
        path = tmp_path / f"{relative}.nxs"
        file, detector = new_file(path)
        with_fields(detector)
        steps = detector.create_group("transformations")
        steps.attrs["NX_class"] = "NXtransformations"
        root = "" if relative else detector.name + "/transformations/"
        kinds = {"transformation_type": "rotation"}
        put(steps, "yaw", 10.0, "deg", vector=(0.0, 1.0, 0.0), depends_on=root + "roll", **kinds)
        put(steps, "roll", [0.2], "rad", vector=(0.0, 0.0, 2.0), depends_on=root + "shift", **kinds)
        put(steps, "shift", 200.0, "mm", vector=(0.0, 0.0, 1.0), depends_on=".", transformation_type="translation")
        put(detector, "depends_on", "transformations/yaw" if relative else root + "yaw")
        file.close()
        flat = np.stack([-(COLUMNS - 30) * PIXEL[1], -(ROWS - 20) * PIXEL[0], 0 * ROWS], axis=-1)
        # a point is first turned by yaw (about y), then by what yaw depends on
        turn = Rotation.from_euler("z", 0.2) * Rotation.from_euler("y", np.radians(10.0))
        assert_angles(path, flat @ turn.as_matrix().T + np.array([0, 0, 0.2]))


@pytest.mark.parametrize("mirrored", [False, True])
def test_a_module_with_pixel_directions(tmp_path: Path, mirrored: bool):
    """As detectors' makers write it: an arm that swings the detector, its offset, two pixel directions."""
    path = tmp_path / "a.nxs"
    file, detector = new_file(path)
    steps = detector.create_group("transformations")
    put(
        steps, "two_theta", 12.0, "deg", vector=(0.0, 1.0, 0.0), depends_on="det_z", transformation_type="rotation",
        offset=(0.001, 0.0, 0.0), offset_units="m",
    )  # fmt: skip
    put(steps, "det_z", 0.25, "m", vector=(0.0, 0.0, 1.0), depends_on=".", transformation_type="translation")
    module = detector.create_group("module")
    module.attrs["NX_class"] = "NXdetector_module"
    module["data_origin"] = [5, 7]
    module["data_size"] = [55, 73]
    own = {"depends_on": detector.name + "/transformations/two_theta", "transformation_type": "translation"}
    put(module, "module_offset", 0.0, "m", vector=(1.0, 0.0, 0.0), offset=(5.0, 3.0, 0.5), offset_units="mm", **own)
    more = {**own, "depends_on": module.name + "/module_offset"}
    fast = (1.0 if mirrored else -1.0, 0.0, 0.0)
    put(module, "fast_pixel_direction", 150.0, "um", vector=fast, **more)
    put(module, "slow_pixel_direction", 0.1, "mm", vector=(0.0, -1.0, 0.0), **more)
    file.close()
    on_arm = np.stack(
        [5e-3 + fast[0] * (COLUMNS - 7) * PIXEL[1], 3e-3 - (ROWS - 5) * PIXEL[0], 5e-4 + 0 * ROWS], axis=-1
    )
    turn = Rotation.from_euler("y", np.radians(12.0)).as_matrix()
    place = on_arm @ turn.T + np.array([1e-3, 0, 0.25])
    if mirrored:  # columns run to the left as seen from the source: chi is that of the picture, not of the hall
        place = place * np.array([-1.0, 1.0, 1.0])
    assert_angles(path, place)
    geometry = read_calibration(path)
    assert (geometry.pixel1, geometry.pixel2) == pytest.approx(PIXEL, rel=1e-14)
    assert float(geometry.two_theta(*geometry.beam_centre)) < 1e-12


def test_modules_on_one_grid_are_one_detector_and_others_are_refused(tmp_path: Path):
    path = tmp_path / "a.nxs"
    for tilted in (0.0, 0.01):
        file, detector = new_file(path)
        for number, origin in enumerate(((0, 0), (30, 0))):
            module = detector.create_group(f"module_{number}")
            module.attrs["NX_class"] = "NXdetector_module"
            module["data_origin"] = origin
            offset = (4e-3, 3e-3 - origin[0] * PIXEL[0], 0.2)
            put(
                module, "module_offset", 0.0, "m", vector=(1.0, 0, 0), offset=offset, offset_units="m",
                transformation_type="translation", depends_on=".",
            )  # fmt: skip
            more = {"depends_on": "module_offset", "transformation_type": "translation"}
            put(module, "fast_pixel_direction", PIXEL[1], "m", vector=(-1.0, 0.0, tilted * number), **more)
            put(module, "slow_pixel_direction", PIXEL[0], "m", vector=(0.0, -1.0, 0.0), **more)
        file.close()
        if tilted:
            with pytest.raises(InputError, match=r"module_0.*module_1.*flat grid"):
                read_calibration(path)
        else:
            assert read_calibration(path).beam_centre == pytest.approx((30.0, 4e-3 / PIXEL[1]), abs=1e-9)


def test_beam_centre_in_mm_as_the_saxs_calibration_of_a_beamline(tmp_path: Path):
    """entry1/instrument/detector with lengths in mm, the wavelength beside the calibration sample."""
    path = tmp_path / "SAXS_calibration.nxs"
    file, detector = new_file(path, "entry1")
    put(detector, "beam_center_x", 100.0 * 0.172, "mm")
    put(detector, "beam_center_y", 200.0 * 0.172, "mm")
    put(detector, "x_pixel_size", 0.172, "mm")
    put(detector, "y_pixel_size", 0.172, "mm")
    put(detector, "distance", 9773.8609, "mm")
    file.close()
    geometry = read_calibration(path)
    assert geometry.beam_centre == pytest.approx((200.0, 100.0), abs=1e-9)
    assert geometry.distance == pytest.approx(9.7738609, rel=1e-14)
    assert geometry.tilt == 0.0
    place = np.stack([-(COLUMNS - 100) * 172e-6, -(ROWS - 200) * 172e-6, 9.7738609 + 0 * ROWS], axis=-1)
    assert_angles(path, place)


def test_the_detector_of_the_frames_shape_is_taken(tmp_path: Path):
    path = tmp_path / "scan.nxs"
    file, detector = new_file(path)
    with_fields(detector, (11.0, 12.0))
    detector.create_dataset("data", (2, *SHAPE), dtype="u2")
    other = file.create_group("entry/instrument/waxs")
    other.attrs["NX_class"] = "NXdetector"
    with_fields(other, (1.0, 2.0))
    other.create_dataset("data", (2, 10, 20), dtype="u2")
    file.close()
    assert read_calibration(path, SHAPE).beam_centre == pytest.approx((11.0, 12.0))
    assert read_calibration(path, (10, 20)).beam_centre == pytest.approx((1.0, 2.0))
    with pytest.raises(InputError, match=r"instrument/detector.*instrument/waxs"):
        read_calibration(path)


def broken(detector: h5py.Group, how: str) -> None:
    with_fields(detector)
    steps = detector.create_group("transformations")
    good = {"vector": (0.0, 1.0, 0.0), "transformation_type": "rotation"}
    if how == "absent":
        put(detector, "depends_on", "transformations/none")
    elif how == "endless":
        put(steps, "a", 1.0, "deg", depends_on="b", **good)
        put(steps, "b", 1.0, "deg", depends_on="a", **good)
        put(detector, "depends_on", "transformations/a")
    elif how == "type":
        put(steps, "a", 1.0, "deg", depends_on=".", vector=(0.0, 1.0, 0.0), transformation_type="turn")
        put(detector, "depends_on", "transformations/a")
    elif how == "vector":
        put(steps, "a", 1.0, "deg", depends_on=".", transformation_type="rotation")
        put(detector, "depends_on", "transformations/a")
    elif how == "units":
        put(steps, "a", 1.0, depends_on=".", **good)
        put(detector, "depends_on", "transformations/a")
    elif how == "scan":
        put(steps, "a", [1.0, 2.0], "deg", depends_on=".", **good)
        put(detector, "depends_on", "transformations/a")
    elif how == "side":
        put(steps, "a", 95.0, "deg", depends_on=".", **good)
        put(detector, "depends_on", "transformations/a")


@pytest.mark.parametrize(
    ("how", "said"),
    [("absent", "not in the file"), ("endless", "never ends"), ("type", "'turn'"), ("vector", "three numbers"),
     ("units", "no units"), ("scan", "not one number"), ("side", "90 degrees")],
)  # fmt: skip
def test_a_broken_chain_is_named(tmp_path: Path, how: str, said: str):
    file, detector = new_file(tmp_path / "a.nxs")
    broken(detector, how)
    file.close()
    with pytest.raises(InputError, match=said) as failure:
        read_calibration(tmp_path / "a.nxs")
    assert "a.nxs" in str(failure.value)
