"""Every layout and departure that beamlines write loads as the same scan, and says what was taken."""

from __future__ import annotations

import importlib.util
import math
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

from tomosaxs_plugins.loaders.angles import find_scans
from tomosaxs_plugins.loaders.tomography import tomography

_spec = importlib.util.spec_from_file_location("loader_layouts", Path(__file__).with_name("layouts.py"))
layouts = importlib.util.module_from_spec(_spec)
sys.modules.setdefault("loader_layouts", layouts)
_spec.loader.exec_module(layouts)
KEYS, ANGLES, nxtomo = layouts.KEYS, layouts.ANGLES, layouts.nxtomo
ALL = (slice(None), slice(None), slice(None))


def values(source):
    return source.reader.read(ALL)


def companion(source, name):
    auxiliary = source.dataset.auxiliaries[name]
    return auxiliary.reader.read((slice(None),) * len(auxiliary.axes))


def said(source):
    return "\n".join(source.messages)


def check_plain(source, flats=(5001.0, 7003.5), dark=101.0):
    """The scan that `layouts.nxtomo` writes: flats 5000, 5001, 5002 before and 7003, 7004 after."""
    assert source.dataset.names == ("rotation_angle", "detector_y", "detector_x")
    assert source.dataset.shape == source.reader.shape == (8, 4, 6)
    np.testing.assert_array_equal(values(source), layouts.expected())
    np.testing.assert_allclose(source.dataset.axis("rotation_angle").values, ANGLES, atol=1e-9)
    assert source.dataset.axis("rotation_angle").units == "deg"
    np.testing.assert_array_equal(companion(source, "flats")[:, 0, 0], flats)
    np.testing.assert_array_equal(companion(source, "darks")[:, 0, 0], [dark])
    weights = companion(source, "flat_weights")
    np.testing.assert_allclose(weights.sum(axis=0), 1.0, rtol=1e-15)
    assert weights.shape == (len(flats), 8)


VARIANTS = {
    "plain": {},
    "subentry": {"entry": "entry1", "subentry": "tomo_entry"},
    "definition as attribute": {"definition": "attribute"},
    "definition misspelt": {"definition": "misspelt"},
    "no definition": {"definition": ""},
    "detector called imaging": {"detector": "imaging"},
    "detector called tomoScanDevice": {"detector": "tomoScanDevice", "angle_at": "instrument/tomoScanDevice/ss1_rot"},
    "float image keys": {"key_dtype": "f8"},
    "byte image keys": {"key_dtype": "i1"},
    "angles in data": {"angle_at": "data/rotation_angle"},
    "angles of k11": {"angle_at": "imaging/gts_theta_value"},
    "angles of projections only": {"angles_of": "projections"},
    "angles in radians": {"angles": np.deg2rad(ANGLES), "angle_units": "rad"},
    "angles without units": {"angle_units": None},
    "angles under a strange name with units": {"angle_at": "sample/stage_four"},
    "chunked by frames": {"chunks": (1, 4, 6)},
}


@pytest.mark.parametrize("name", VARIANTS)
def test_departures_from_nxtomo_load_alike(tmp_path, name):
    source = tomography(nxtomo(tmp_path / "scan.nxs", **VARIANTS[name]))
    check_plain(source)
    assert "8 projections of 4 x 6 pixels" in said(source)
    assert "flats: 3 (frames 2..4) + 2 (frames 13..14)" in said(source)
    assert source.files == (tmp_path / "scan.nxs",)


def test_flats_are_interpolated_in_time(tmp_path):
    source = tomography(nxtomo(tmp_path / "scan.nxs"))
    # batches are centred on frames 3 and 13.5, the projections are frames 5..12
    expected = (np.arange(5, 13) - 3) / (13.5 - 3)
    np.testing.assert_allclose(companion(source, "flat_weights"), [1 - expected, expected], rtol=1e-14)


def test_other_keys_are_left_out_and_counted(tmp_path):
    keys = [3, 2, 1, 4, 4, *[0] * 4, -1, *[0] * 4, 1]
    source = tomography(nxtomo(tmp_path / "scan.nxs", keys=np.array(keys)))
    np.testing.assert_array_equal(values(source), layouts.expected())
    for text in ("1 invalid", "2 background", "1 alignment"):
        assert f"{text} frames" in said(source)


def test_alignment_frames_of_the_control_key_are_left_out(tmp_path):
    path = nxtomo(tmp_path / "scan.nxs", keys=np.array([2, 1, *[0] * 8, 0]), angles=np.append(ANGLES, 0.0))
    with h5py.File(path, "r+") as file:
        file["entry/instrument/detector/image_key_control"] = np.array([2, 1, *[0] * 8, -1])
    source = tomography(path)
    assert source.dataset.shape == (8, 4, 6)
    assert "1 alignment frames" in said(source)


def test_flats_and_darks_beside_the_projections(tmp_path):
    keys = np.zeros(8, int)
    path = nxtomo(tmp_path / "scan.nxs", keys=keys, with_keys=False)
    with h5py.File(path, "r+") as file:
        file["entry/instrument/detector/flatfield"] = np.full((2, 4, 6), 5001, "u2")
        file["entry/instrument/detector/darkfield"] = np.full((4, 6), 101, "u2")
    source = tomography(path)
    check_plain(source, flats=(5001.0,))
    assert "no image_key" in said(source)
    np.testing.assert_array_equal(companion(source, "flat_weights"), np.ones((1, 8)))


@pytest.mark.parametrize("keyed", ["own keys", "no keys", "projection keys"])
def test_flats_and_darks_in_files_of_their_own(tmp_path, keyed):
    path = nxtomo(tmp_path / "scan.nxs", keys=np.zeros(8, int), with_keys=False)
    keys = {"own keys": ([1, 1, 2], [2, 2, 2]), "no keys": (None, None), "projection keys": ([0, 0, 0], [0, 0, 0])}
    flat_values = [5000, 5002, 1] if keyed == "own keys" else [5000, 5002, 5001]
    flats = layouts.separate(tmp_path / "flats.nxs", flat_values, keys=keys[keyed][0])
    darks = layouts.separate(tmp_path / "darks.nxs", [100, 101, 102], keys=keys[keyed][1])
    source = tomography(path, flats=flats, darks=darks)
    check_plain(source, flats=(5001.0,))
    assert source.files == (path, flats, darks)


def test_only_the_flats_in_another_file_with_its_path(tmp_path):
    flats = layouts.separate(tmp_path / "flats.nxs", [6000], inside="a/b")
    source = tomography(nxtomo(tmp_path / "scan.nxs"), flats=flats, flats_path="/a/b")
    check_plain(source, flats=(6000.0,))
    assert "flats of the scan itself are replaced" in said(source)


def test_ignored_batches(tmp_path):
    path = nxtomo(tmp_path / "scan.nxs")
    source = tomography(path, ignore_flats=[1], ignore_darks=[2])
    check_plain(source, flats=(7003.5,), dark=100.5)
    assert "batches of flats ignored: 1" in said(source)


def test_median_of_flats(tmp_path):
    keys = np.array([2, 1, 1, 1, *[0] * 8])
    stack = layouts.frames(keys)
    stack[1] = 60000  # one bright outlier
    source = tomography(nxtomo(tmp_path / "scan.nxs", keys=keys, data=stack), flat_average="median")
    assert companion(source, "flats")[0, 0, 0] == 5002.0


def test_saturated_flats_are_rejected(tmp_path):
    stack = layouts.frames(KEYS)
    stack[3] = 65535
    stack[13, 1:, :] = 65535  # only partly saturated: stays
    source = tomography(nxtomo(tmp_path / "scan.nxs", data=stack))
    assert companion(source, "flats")[0, 0, 0] == (5000 + 5002) / 2
    assert companion(source, "flats")[1, 0, 0] == 7003.5
    assert "1 of 3 flats (frames 2..4) are saturated" in said(source)


def test_flat_with_one_good_row_between_the_probed_ones_stays(tmp_path):
    stack = layouts.frames(KEYS)
    stack[2:5] = 65535
    stack[3, 1] = 5000  # rows 0, 2 and 3 are probed
    source = tomography(nxtomo(tmp_path / "scan.nxs", data=stack))
    assert "2 of 3 flats (frames 2..4) are saturated" in said(source)
    assert companion(source, "flats")[0, 1, 0] == 5000


def test_360_degrees_one_repeated_frame_and_unsorted_angles_stay_as_they_are(tmp_path):
    for number, angles in enumerate(
        (np.linspace(0, 360, 8), [*np.linspace(0, 180, 7), 0.0], [0, 90, 45, 135, 22.5, 112.5, 67.5, 157.5])
    ):
        source = tomography(nxtomo(tmp_path / f"{number}.nxs", angles=np.asarray(angles)))
        np.testing.assert_allclose(source.dataset.axis("rotation_angle").values, angles, atol=1e-9)
    assert "not in order" in said(source)


def test_repeated_frame_can_be_left_out(tmp_path):
    path = nxtomo(tmp_path / "scan.nxs", angles=np.array([*np.linspace(0, 180, 7), 0.0]))
    assert "1 projections after the first 7 repeat their angles and are kept" in said(tomography(path))
    assert tomography(path, scan=1).dataset.shape[0] == 7


def test_interlaced_angles_are_one_scan(tmp_path):
    angles = np.concatenate([np.arange(0, 180, 40.0), np.arange(20, 180, 40.0)])
    keys = np.array([2, 1, *[0] * len(angles)])
    assert tomography(nxtomo(tmp_path / "scan.nxs", keys=keys, angles=angles)).dataset.shape[0] == len(angles)


def test_one_of_several_scans_in_one_stack(tmp_path):
    angles = np.concatenate([np.arange(0, 180, 30.0)] * 3 + [[0.0, 30.0]])
    keys = np.array([2, 1, *[0] * len(angles)])
    path = nxtomo(tmp_path / "scan.nxs", keys=keys, angles=angles)
    source = tomography(path, scan=2)
    np.testing.assert_array_equal(values(source), layouts.expected(12)[6:])
    np.testing.assert_array_equal(source.dataset.axis("rotation_angle").values, np.arange(0, 180, 30.0))
    assert "scan 2 of 3 complete ones, 2 projections of incomplete scans left out" in said(source)
    assert tomography(path, scan="all").dataset.shape[0] == 20


def test_one_of_several_entries(tmp_path):
    path = nxtomo(tmp_path / "scan.nxs", entry="entry0000")
    nxtomo(path, entry="entry0001", mode="a")
    check_plain(tomography(path, entry="/entry0001"))


def test_explicit_paths(tmp_path):
    path = tmp_path / "scan.h5"
    with h5py.File(path, "w") as file:
        file["raw/images"] = layouts.frames(KEYS)
        file["raw/kind"] = KEYS
        file["raw/stage"] = layouts.frame_angles(KEYS)
    source = tomography(path, data_path="/raw/images", image_key_path="/raw/kind", angles_path="/raw/stage")
    check_plain(source)
    assert "paths as given" in said(source)


@pytest.mark.parametrize("kind", ["txt", "csv", "npy", "nxs", "start and stop"])
def test_explicit_angles(tmp_path, kind):
    path = nxtomo(tmp_path / "scan.nxs", angle_at="")
    angles = tmp_path / f"angles.{kind}"
    if kind == "npy":
        np.save(angles, ANGLES)
    elif kind == "nxs":
        with h5py.File(angles, "w") as file:
            layouts.put(file, "entry/theta", np.deg2rad(ANGLES), "rad")
    elif kind == "csv":
        angles.write_text(",".join(str(a) for a in ANGLES))
    else:
        angles.write_text("\n".join(str(a) for a in ANGLES))
    given = {"start": 0.0, "stop": 175.0} if kind == "start and stop" else angles
    source = tomography(path, angles=given)
    check_plain(source)
    assert (angles in source.files) == (kind != "start and stop")


def test_zero_angles_give_way_to_real_ones(tmp_path):
    path = nxtomo(tmp_path / "scan.nxs", angles=np.zeros(8))
    with h5py.File(path, "r+") as file:
        layouts.put(file, "entry/imaging/gts_theta_value", layouts.frame_angles(KEYS), "deg")
    source = tomography(path)
    check_plain(source)
    assert "holds zeros only; /entry/imaging/gts_theta_value is taken instead" in said(source)


def test_external_link_is_followed_and_named(tmp_path):
    path = nxtomo(tmp_path / "scan.nxs")
    (tmp_path / "detector").mkdir()
    other = tmp_path / "detector" / "frames.h5"
    with h5py.File(path, "r+") as file, h5py.File(other, "w") as frames:
        frames["data"] = file["entry/instrument/detector/data"][()]
        del file["entry/instrument/detector/data"]
        file["entry/instrument/detector/data"] = h5py.ExternalLink("detector/frames.h5", "/data")
    source = tomography(path)
    check_plain(source)
    assert source.files == (path, other)
    assert f"frames lie in {other}" in said(source)


def test_data_exchange(tmp_path):
    source = tomography(layouts.data_exchange(tmp_path / "scan.h5"))
    check_plain(source, flats=(5001.0,))
    assert source.messages[0].startswith("Data Exchange: /exchange/data")
    assert source.dataset.quantity("pixel_size_x").value == pytest.approx(1.5e-6)
    assert source.dataset.quantity("energy").value == pytest.approx(25e3)
    assert source.dataset.metadata["sample_name"] == "bone"
    assert source.dataset.axis("detector_x").values[2] == pytest.approx(3e-6)


@pytest.mark.parametrize("averaged", [False, True])
@pytest.mark.parametrize("by", ["folder", "file"])
def test_soleil_flyscan(tmp_path, averaged, by):
    folder = layouts.flyscan(tmp_path / "myscan", averaged=averaged)
    source = tomography(folder if by == "folder" else folder / "myscan.nxs", angle_units="deg")
    np.testing.assert_array_equal(values(source), layouts.expected())
    np.testing.assert_array_equal(source.dataset.axis("rotation_angle").values, -ANGLES)
    np.testing.assert_array_equal(companion(source, "flats")[:, 0, 0], [5000, 7000])
    np.testing.assert_array_equal(companion(source, "darks")[:, 0, 0], [100])
    # before and after lie half a frame outside the scan
    np.testing.assert_allclose(companion(source, "flat_weights")[1], (np.arange(8) + 0.5) / 8, rtol=1e-14)
    assert source.dataset.quantity("pixel_size_x").value == pytest.approx(0.65e-6)
    assert len(source.files) == 5
    assert "pre_ref.nxs" in said(source)


@pytest.mark.parametrize("orientation", ["flip_rows", "flip_columns", "rotate_90", "rotate_180", "rotate_270"])
def test_turned_images(tmp_path, orientation):
    rng = np.random.default_rng(5)
    stack = rng.integers(1, 9999, (len(KEYS), 4, 6)).astype("u2")
    source = tomography(nxtomo(tmp_path / "scan.nxs", data=stack), orientation=orientation)
    turn = {
        "flip_rows": lambda a: a[:, ::-1],
        "flip_columns": lambda a: a[:, :, ::-1],
        "rotate_90": lambda a: np.rot90(a, 1, (1, 2)),
        "rotate_180": lambda a: np.rot90(a, 2, (1, 2)),
        "rotate_270": lambda a: np.rot90(a, 3, (1, 2)),
    }[orientation]
    whole = turn(stack)[KEYS == 0]
    np.testing.assert_array_equal(values(source), whole)
    part = (slice(2, 7, 2), np.array([1, 3]), slice(1, 4))
    np.testing.assert_array_equal(source.reader.read(part), whole[2:7:2][:, [1, 3], 1:4])
    np.testing.assert_allclose(companion(source, "flats")[0], turn(stack)[2:5].mean(axis=0), rtol=1e-6)


def test_monitor_goes_with_projections_and_flats(tmp_path):
    path = nxtomo(tmp_path / "scan.nxs")
    with h5py.File(path, "r+") as file:
        file["entry/control/data"] = np.arange(16.0) + 1
    source = tomography(path)
    np.testing.assert_array_equal(companion(source, "monitor"), np.arange(6, 14))
    np.testing.assert_array_equal(companion(source, "monitor_flats"), [4.0, 14.5])
    assert "monitor" not in tomography(path, monitor_path="none").dataset.auxiliaries


def test_monitor_of_another_length_is_left_out(tmp_path):
    path = nxtomo(tmp_path / "scan.nxs")
    with h5py.File(path, "r+") as file:
        file["entry/control/data"] = np.ones(5)
    source = tomography(path)
    assert "monitor" not in source.dataset.auxiliaries
    assert "monitor ignored: /entry/control/data has 5 values for 16 frames" in said(source)


def test_metadata_with_units_or_not_at_all(tmp_path):
    path = nxtomo(tmp_path / "scan.nxs")
    with h5py.File(path, "r+") as file:
        entry = file["entry"]
        layouts.put(entry, "instrument/detector/x_pixel_size", 1.2, "um")
        layouts.put(entry, "instrument/detector/y_pixel_size", 1.3e-6)
        layouts.put(entry, "instrument/detector/distance", 50.0, "mm")
        layouts.put(entry, "instrument/monochromator/wavelength", 0.5, "Angstrom")
        entry["title"] = "a title"
    source = tomography(path)
    data = source.dataset
    assert data.quantity("pixel_size_x").value == pytest.approx(1.2e-6)
    assert data.quantity("pixel_size_y") is None
    assert "y_pixel_size = 1.3e-06 has no units and is not used" in said(source)
    assert data.quantity("distance").value == pytest.approx(0.05)
    assert data.quantity("energy").value == pytest.approx(24796.84, rel=1e-6)  # 12.398 keV A / 0.5 A
    assert data.axis("detector_y").values is None
    turned = tomography(path, orientation="rotate_90").dataset  # columns become rows
    assert turned.quantity("pixel_size_y").value == pytest.approx(1.2e-6)
    assert turned.quantity("pixel_size_x") is None
    given = tomography(path, pixel_size=2e-6).dataset
    assert given.quantity("pixel_size_y").value == 2e-6
    assert given.axis("detector_y").values[3] == pytest.approx(6e-6)


def test_no_flats_no_darks_is_said(tmp_path):
    source = tomography(nxtomo(tmp_path / "scan.nxs", keys=np.zeros(8, int)))
    assert "no flats" in said(source)
    assert "no darks" in said(source)
    assert "flats" not in source.dataset.auxiliaries


def test_dead_pixel_and_values_that_are_no_numbers_pass_through(tmp_path):
    stack = layouts.frames(KEYS, "f4")
    stack[6, 1, 1] = math.nan
    source = tomography(nxtomo(tmp_path / "scan.nxs", data=stack))
    assert np.isnan(values(source)[1, 1, 1])
    assert source.dataset.dtype == np.float32


def test_measured_scan_24737(shared):
    source = tomography(shared / "data/tomography/24737_rebuilt.nxs")
    assert source.dataset.shape == (91, 135, 160)
    assert source.dataset.dtype == np.uint16
    angles = source.dataset.axis("rotation_angle").values
    assert (angles[0], round(angles[-1], 1)) == (-88.2, 91.8)
    assert companion(source, "flats").shape == companion(source, "darks").shape == (1, 135, 160)
    assert companion(source, "flats")[0, 0, 0] == companion(source, "darks")[0, 0, 0] == 0  # the dead pixel


def test_measured_scan_tooth(shared):
    source = tomography(shared / "data/tomography/tooth.h5")
    assert source.dataset.shape == (181, 2, 640)
    assert source.dataset.axis("rotation_angle").values[-1] == pytest.approx(179.006, abs=1e-3)
    assert "flats: 10 (/exchange/data_white)" in said(source)
    assert "darks: 10 (/exchange/data_dark)" in said(source)
    with h5py.File(shared / "data/tomography/tooth.h5") as file:
        mean = file["exchange/data_white"][()].astype(float).mean(axis=0)
    np.testing.assert_allclose(companion(source, "flats")[0], mean, rtol=1e-6)


def test_diad_without_definition_and_with_links_that_lead_nowhere(tmp_path):
    path = tmp_path / "k11-1234.nxs"
    with h5py.File(path, "w") as file:
        entry = file.create_group("entry")
        entry.attrs["NX_class"] = "NXentry"
        layouts.put(entry, "imaging/data", layouts.frames(KEYS))
        layouts.put(entry, "imaging_sum/gts_theta_value", layouts.frame_angles(KEYS, ANGLES + 90), "deg")
        entry["instrument/imaging/data"] = h5py.SoftLink("/entry/imaging/data")
        layouts.put(entry, "instrument/imaging/image_key", KEYS.astype("f8"))
        entry["EtherCAT/data"] = h5py.ExternalLink("EtherCAT.h5", "/data")
    source = tomography(path)
    np.testing.assert_array_equal(values(source), layouts.expected())
    np.testing.assert_allclose(source.dataset.axis("rotation_angle").values, ANGLES + 90)
    assert source.messages[0].startswith("NXtomo by its contents (no definition)")
    assert f"broken link not needed: {path}: /entry/EtherCAT/data is a link to /data in" in said(source)


def test_angles_in_any_other_order_are_one_scan():
    rng = np.random.default_rng(4)
    orders = [rng.permutation(np.linspace(0, 178, size)) for size in (4, 5, 6, 7, 8, 90) for _ in range(200)]
    orders.append(np.arange(500) * 137.50776405 % 180)  # golden angle
    assert all(find_scans(angles) == ([slice(0, len(angles), 1)], 0) for angles in orders)


@pytest.mark.parametrize("scans", [2, 10, 50])
def test_repeated_scans_are_counted_although_the_stage_is_not_exact(scans):
    rng = np.random.default_rng(scans)
    # 3 % of a step: far below the quarter step that tells repeated from interlaced scans (5 sigma = 15 %)
    angles = np.tile(np.arange(90.0) * 2, scans) + rng.normal(0, 0.06, 90 * scans)
    assert find_scans(angles) == ([slice(90 * n, 90 * n + 90, 1) for n in range(scans)], 0)
    assert find_scans(angles[:-3]) == ([slice(90 * n, 90 * n + 90, 1) for n in range(scans - 1)], 87)
