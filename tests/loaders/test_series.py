"""Time series: many files, one stream cut by number, by turn or where the angles repeat; all checked to be alike."""

from __future__ import annotations

import h5py
import layouts
import numpy as np
import pytest
from layouts import ANGLES, KEYS, nxtomo

from tomosaxs import InputError
from tomosaxs_plugins.loaders.series import alike, cut
from tomosaxs_plugins.loaders.tomography import tomography

ALL = (slice(None),) * 4


def values(source):
    return source.reader.read((slice(None),) * len(source.dataset.axes))


def companion(source, name):
    auxiliary = source.dataset.auxiliaries[name]
    return auxiliary.axes, auxiliary.reader.read((slice(None),) * len(auxiliary.axes))


def said(source):
    return "\n".join(source.messages)


def several(folder, count=3, **options):
    """Scans that differ by 100 counts a file, so that a value tells its file."""
    made = []
    for number in range(count):
        stack = layouts.frames(options.get("keys", KEYS)) + 100 * number
        made.append(nxtomo(folder / f"scan{number}.nxs", data=stack.astype("u2"), **options))
    return made


def test_files_become_one_dataset_with_time(tmp_path):
    paths = several(tmp_path)
    source = tomography(paths)
    assert source.dataset.names == ("time", "rotation_angle", "detector_y", "detector_x")
    assert source.dataset.shape == source.reader.shape == (3, 8, 4, 6)
    expected = np.stack([layouts.expected() + 100 * n for n in range(3)])
    np.testing.assert_array_equal(values(source), expected)
    part = (np.array([0, 2]), slice(1, 7, 2), np.array([0, 3]), slice(2, 5))
    np.testing.assert_array_equal(source.reader.read(part), expected[[0, 2]][:, 1:7:2][:, :, [0, 3], 2:5])
    np.testing.assert_array_equal(source.dataset.axis("time").values, [0, 1, 2])
    np.testing.assert_allclose(source.dataset.axis("rotation_angle").values, ANGLES, atol=1e-9)
    assert companion(source, "flats")[0] == ("time", "flat", "detector_y", "detector_x")
    np.testing.assert_array_equal(companion(source, "flats")[1][:, 0, 0, 0], [5001, 5101, 5201])
    np.testing.assert_array_equal(companion(source, "darks")[1][:, 0, 0, 0], [101, 201, 301])
    assert companion(source, "flat_weights")[0] == ("flat", "rotation_angle")  # the same in every file
    assert "time series: 3 scans" in said(source)
    assert source.files == tuple(paths)


def test_time_comes_from_the_files_where_all_state_it(tmp_path):
    paths = several(tmp_path)
    for path, minute in zip(paths, (0, 2, 5), strict=True):
        with h5py.File(path, "r+") as file:
            file["entry/start_time"] = f"2024-05-01T10:{minute:02d}:00Z"
    axis = tomography(paths).dataset.axis("time")
    np.testing.assert_array_equal(axis.values, [0, 120, 300])
    assert axis.units == "s"


@pytest.mark.parametrize("odd", ["size", "angles", "number", "pixel"])
def test_the_odd_file_is_named(tmp_path, odd):
    paths = several(tmp_path, 4)
    options = {
        "size": {"data": np.ones((16, 4, 7), "u2")},
        "angles": {"angles": ANGLES * 0.9},
        "number": {"keys": np.array([2, 1, *[0] * 7]), "angles": ANGLES[:7]},
        "pixel": {},
    }[odd]
    nxtomo(paths[2], **options)
    if odd == "pixel":
        with h5py.File(paths[2], "r+") as file:
            layouts.put(file, "entry/instrument/detector/x_pixel_size", 1.0, "um")
    with pytest.raises(InputError, match=r"scan2\.nxs (has|states) "):
        tomography(paths)


def test_when_the_first_is_the_odd_one_it_is_named(tmp_path):
    paths = several(tmp_path, 3)
    nxtomo(paths[0], angles=ANGLES * 0.9)
    with pytest.raises(InputError, match=r"scan0\.nxs has other angles"):
        tomography(paths)


def test_scans_taken_backwards_and_half_a_turn_on_are_brought_together(tmp_path):
    paths = several(tmp_path, 3)
    nxtomo(paths[1], angles=ANGLES[::-1])
    nxtomo(paths[2], angles=ANGLES + 180.0)
    source = tomography(paths)
    np.testing.assert_array_equal(values(source)[1], layouts.expected()[::-1])
    axes, starts = companion(source, "start_angle")
    assert axes == ("time",)
    np.testing.assert_array_equal(starts, [0, 0, 180])
    assert "1 of 3 tomograms were taken backwards" in said(source)
    assert "1 of 3 tomograms begin at another angle than the first (by 180 deg" in said(source)
    weights = companion(source, "flat_weights")[1]
    np.testing.assert_allclose(weights[1], weights[0][:, ::-1], atol=1e-12)  # the time of every projection goes along


def test_whole_turns_need_no_turning_back(tmp_path):
    paths = several(tmp_path, 2)
    nxtomo(paths[1], angles=ANGLES + 360.0)
    assert "start_angle" not in tomography(paths).dataset.auxiliaries


def test_a_stage_that_is_not_exact_is_accepted_and_told():
    rng = np.random.default_rng(3)
    base = np.arange(0.0, 180.0, 2.0)
    found = alike([base, base + 180 + rng.normal(0, 0.05, 90), base[::-1] + 3.7], ["a", "b", "c"])
    np.testing.assert_array_equal(found.offsets[:2], [0, 180])  # exactly: a stage stops near what is meant
    assert found.offsets[2] == pytest.approx(3.7)
    assert 0.05 < found.deviation < 0.5
    assert found.orders[2][0] == 89


def test_flats_of_first_and_last_scan_serve_the_series_in_proportion_to_time(tmp_path):
    bare = np.array([2, *[0] * 8])
    paths = [
        nxtomo(tmp_path / "a.nxs", keys=np.array([2, 1, *[0] * 8])),
        nxtomo(tmp_path / "b.nxs", keys=bare),
        nxtomo(tmp_path / "c.nxs", keys=np.array([2, *[0] * 8, 1])),
    ]
    source = tomography(paths)
    axes, flats = companion(source, "flats")
    assert (axes, flats[:, 0, 0].tolist()) == (("flat", "detector_y", "detector_x"), [5000.0, 7000.0])
    weights = companion(source, "flat_weights")[1]
    assert weights.shape == (3, 2, 8)
    np.testing.assert_allclose(weights.sum(axis=1), 1.0)
    assert np.all(np.diff(weights[:, 1].ravel()) > 0)  # the flats after gain weight from projection to projection
    assert "2 of 3 scans have flats" in said(source)


def test_flats_given_in_a_file_are_read_once_for_all(tmp_path):
    paths = several(tmp_path, keys=np.array([2, *[0] * 8]))
    flats = layouts.separate(tmp_path / "flats.nxs", [6000, 6002])
    source = tomography(paths, flats=flats)
    axes, made = companion(source, "flats")
    assert (axes, made[0, 0, 0]) == (("flat", "detector_y", "detector_x"), 6001.0)


def test_monitors_of_files_go_along(tmp_path):
    paths = several(tmp_path, 2)
    for number, path in enumerate(paths):
        with h5py.File(path, "r+") as file:
            file["entry/control/data"] = np.arange(16.0) + 1 + 100 * number
    source = tomography(paths)
    np.testing.assert_array_equal(companion(source, "monitor")[1], [np.arange(6, 14), np.arange(106, 114)])
    np.testing.assert_array_equal(companion(source, "monitor_flats")[1], [[4.0, 14.5], [104.0, 114.5]])


def stream(path, angles, keys=None):
    keys = np.array([2, 1, *[0] * len(angles)]) if keys is None else keys
    return nxtomo(path, keys=keys, angles=np.asarray(angles))


def test_stream_cut_where_the_angles_repeat(tmp_path):
    path = stream(tmp_path / "scan.nxs", np.concatenate([np.arange(0, 180, 30.0)] * 3 + [[0.0, 30.0]]))
    source = tomography(path, series="repeats")
    assert source.dataset.shape == (3, 6, 4, 6)
    np.testing.assert_array_equal(values(source), layouts.expected(18).reshape(3, 6, 4, 6))
    assert "2 of 20 projections belong to no complete tomogram" in said(source)
    one = tomography(path, series="repeats", scan=2)
    np.testing.assert_array_equal(values(one), values(source)[1])
    np.testing.assert_array_equal(values(one), values(tomography(path, scan=2)))
    assert tomography(path, scan="all").dataset.shape == (20, 4, 6)
    with pytest.raises(InputError, match="give one of them"):
        tomography(path, series="repeats", scan="all")
    with pytest.raises(InputError, match=r"scan: 4 does not exist; the series has 3 tomograms"):
        tomography(path, series="repeats", scan=4)


def test_stream_cut_by_turns(tmp_path):
    path = stream(tmp_path / "scan.nxs", np.arange(25) * 30.0)
    source = tomography(path, series={"turn": 180})
    assert source.dataset.shape == (4, 6, 4, 6)
    np.testing.assert_array_equal(values(source), layouts.expected(24).reshape(4, 6, 4, 6))
    np.testing.assert_array_equal(companion(source, "start_angle")[1], [0, 180, 0, 180])
    whole = tomography(path, series={"turn": 360})
    assert whole.dataset.shape == (2, 12, 4, 6)
    assert "start_angle" not in whole.dataset.auxiliaries
    with pytest.raises(InputError, match="less than one turn of 900"):
        tomography(path, series={"turn": 900})


def test_turns_whose_number_of_projections_is_no_whole_one():
    angles = np.arange(100) * 7.0
    parts, _ = cut(angles, {"turn": 180.0}, "x")
    assert [len(part) for part in parts] == [len(parts[0])] * 3
    starts = np.array([angles[part[0]] for part in parts])
    assert np.all(np.abs(starts - 180 * np.arange(3)) <= 3.5)  # each begins at the projection nearest to its turn


def test_stream_cut_by_number_with_first_and_step(tmp_path):
    path = stream(tmp_path / "scan.nxs", np.arange(24) * 15.0)
    source = tomography(path, series={"projections": 6, "first": 2, "step": 8}, angles={"start": 0.0, "stop": 150.0})
    numbers = 2 + 8 * np.arange(3)[:, None] + np.arange(6)
    np.testing.assert_array_equal(values(source), layouts.expected(24)[numbers])
    np.testing.assert_array_equal(source.dataset.axis("rotation_angle").values, np.arange(6) * 30.0)
    # flats at frame 1 alone: weight 1 for all
    assert companion(source, "flat_weights")[0] == ("flat", "time", "rotation_angle")


@pytest.mark.parametrize(
    ("series", "text"),
    [
        ({"projektions": 6.0}, "did you mean 'projections'"),
        ({"first": 6.0}, "needs projections or turn"),
        ({"projections": 6.5}, "whole number"),
        ({"projections": 60.0}, "hold no tomogram of 60"),
        ({"projections": 6.0, "step": 3.0}, "less than projections"),
        ({"turn": -180.0}, "positive angle"),
    ],
)
def test_series_that_make_no_sense(tmp_path, series, text):
    path = stream(tmp_path / "scan.nxs", np.arange(12) * 15.0)
    with pytest.raises(InputError, match=text):
        tomography(path, series=series)


def test_angles_of_another_number_than_a_tomogram(tmp_path):
    path = stream(tmp_path / "scan.nxs", np.arange(12) * 15.0)
    text = tmp_path / "angles.txt"
    text.write_text("\n".join(map(str, range(5))))
    with pytest.raises(InputError, match=r"5 angles, the tomograms have 6 projections each, the stream 12"):
        tomography(path, series={"projections": 6.0}, angles=text)


def test_series_of_files_is_not_cut(tmp_path):
    with pytest.raises(InputError, match="3 scans are given"):
        tomography(several(tmp_path), series={"projections": 4.0})


def test_one_of_several_files(tmp_path):
    paths = several(tmp_path)
    np.testing.assert_array_equal(values(tomography(paths, scan=2)), values(tomography(paths[1])))
    with pytest.raises(InputError, match="there are 3 scans"):
        tomography(paths, scan=4)


def test_folder_of_flyscans_shares_its_flats(tmp_path):
    folder = layouts.flyscan(tmp_path / "series")
    (folder / "series.nxs").rename(folder / "tomo_2.nxs")
    with h5py.File(folder / "tomo_2.nxs", "r") as first, h5py.File(folder / "tomo_10.nxs", "w") as other:
        for name, item in first.items():
            first.copy(item, other, name)
        other["flyscan_00003/scan_data/orca_image"][...] += 100
    source = tomography(folder, angle_units="deg")
    assert source.dataset.shape == (2, 8, 4, 6)
    np.testing.assert_array_equal(values(source)[1], layouts.expected() + 100)  # 2 comes before 10
    axes, flats = companion(source, "flats")
    assert (axes, flats[:, 0, 0].tolist()) == (("flat", "detector_y", "detector_x"), [5000.0, 7000.0])
    weights = companion(source, "flat_weights")[1]  # from half a frame before the series to half a frame after it
    np.testing.assert_allclose(weights[:, 1].ravel(), (np.arange(16) + 0.5) / 16, rtol=1e-12)
    one = tomography(folder, angle_units="deg", scan=2)
    np.testing.assert_array_equal(values(one), layouts.expected() + 100)
