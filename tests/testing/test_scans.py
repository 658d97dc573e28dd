"""Simulated micro-CT scans: valid files, statistics of the counts, truth that tells what was planted."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from tomosaxs.testing import (
    Defects,
    Instrument,
    Phantom,
    ScanSettings,
    micro_ct_scan,
    packing,
    plateau_phantom,
    smooth_phantom,
)
from tomosaxs.testing.scans import DARK, FLAT, PROJECTION

SMALL = ScanSettings(projections=24, rows=12, columns=64, flats=6, darks=5, centre=33.3)
PERFECT = replace(SMALL, dtype="float32")


def scan(
    folder: Path, settings: ScanSettings, defects: Defects | None = None, **more: Any
) -> tuple[np.ndarray, np.ndarray, np.ndarray, Instrument]:
    """Return frames, image keys, angles and what was planted."""
    phantom = more.pop("phantom", None) or smooth_phantom(settings.columns, settings.rows)
    planted = micro_ct_scan(folder / "scan.nxs", phantom, settings, defects, **more)
    with h5py.File(folder / "scan.nxs") as file:
        detector = file["entry/instrument/detector"]
        angles = file["entry/sample/rotation_angle"][()]
        return detector["data"][()], detector["image_key"][()], angles, planted


def test_file_is_a_valid_nxtomo(tmp_path: Path) -> None:
    micro_ct_scan(tmp_path / "scan.nxs", smooth_phantom(64, 12), SMALL)
    frames = SMALL.darks + 2 * SMALL.flats + SMALL.projections
    with h5py.File(tmp_path / "scan.nxs") as file:
        entry = file[file.attrs["default"]]
        assert entry.attrs["NX_class"] == "NXentry"
        assert entry["definition"].asstr()[()] == "NXtomo"
        classes = {
            "instrument": "NXinstrument",
            "instrument/source": "NXsource",
            "instrument/detector": "NXdetector",
            "sample": "NXsample",
            "control": "NXmonitor",
            "data": "NXdata",
        }
        assert {name: entry[name].attrs["NX_class"] for name in classes} == classes
        for text in ("title", "start_time", "end_time", "sample/name"):
            assert entry[text].asstr()[()]
        for text in ("name", "type", "probe"):
            assert entry["instrument/source"][text].asstr()[()]
        detector = entry["instrument/detector"]
        assert detector["data"].shape == (frames, 12, 64)
        assert detector["data"].dtype == np.uint16
        assert detector["data"].chunks == (1, 12, 64)
        assert detector["image_key"].shape == (frames,)
        assert np.issubdtype(detector["image_key"].dtype, np.integer)
        for name in ("x_pixel_size", "y_pixel_size"):
            assert detector[name][()] == SMALL.pixel_size
            assert detector[name].attrs["units"] == "m"
        assert entry["sample/rotation_angle"].attrs["units"] == "deg"
        assert entry["control/data"].shape == entry["sample/rotation_angle"].shape == (frames,)
        assert entry["instrument/monochromator/energy"].attrs["units"] == "keV"
        plot = entry[entry.attrs["default"]]
        assert plot[plot.attrs["signal"]] == detector["data"]
        assert plot["image_key"] == detector["image_key"]
        assert plot["rotation_angle"] == entry["sample/rotation_angle"]
        assert list(plot.attrs["axes"]) == ["rotation_angle", ".", "."]


def test_frames_come_in_the_order_of_a_real_scan(tmp_path: Path) -> None:
    _, keys, angles, _ = scan(tmp_path, replace(SMALL, start=-7.0, span=360.0))
    np.testing.assert_array_equal(keys, [DARK] * 5 + [FLAT] * 6 + [PROJECTION] * 24 + [FLAT] * 6)
    np.testing.assert_allclose(angles[keys == PROJECTION], -7 + np.arange(24) * 15.0)
    assert set(angles[:11]) == {-7.0}
    assert set(angles[-6:]) == {338.0}


def test_perfect_scan_is_exact(tmp_path: Path) -> None:
    data, keys, angles, _ = scan(tmp_path, PERFECT, Defects.none())
    assert np.all(data[keys == DARK] == 0)
    assert np.all(data[keys == FLAT] == PERFECT.full)
    truth = smooth_phantom(64, 12).projections(angles[keys == PROJECTION], 12, 64, 33.3)
    # float32 holds the counts to 6e-8 of their value.
    np.testing.assert_allclose(-np.log(data[keys == PROJECTION].astype(float) / PERFECT.full), truth, atol=2e-7)
    assert truth.max() > 0.3


def test_flats_interpolated_in_time_undo_beam_drift_and_texture(tmp_path: Path) -> None:
    defects = Defects.none().but(profile=0.35, texture=0.05, drift=0.1, offset=110.0, offset_spread=4.0)
    data, keys, angles, _ = scan(tmp_path, PERFECT, defects)
    data = data.astype(float) - data[keys == DARK].mean(axis=0)
    groups = np.flatnonzero(keys == FLAT).reshape(2, -1)
    before, after = (data[group].mean(axis=0) for group in groups)
    start, end = groups.mean(axis=1)
    shots = np.flatnonzero(keys == PROJECTION)
    weight = ((shots - start) / (end - start))[:, None, None]
    truth = smooth_phantom(64, 12).projections(angles[shots], 12, 64, 33.3)
    corrected = -np.log(data[shots] / ((1 - weight) * before + weight * after))
    np.testing.assert_allclose(corrected, truth, atol=2e-6)
    # One mean flat is not enough: the drift is there, and it changes the shape of the beam.
    mean = -np.log(data[shots] / data[groups.ravel()].mean(axis=0))
    assert np.abs(mean - truth).max() > 0.02
    assert np.std(after / before) > 1e-3


def test_counts_have_poisson_statistics(tmp_path: Path) -> None:
    settings = replace(SMALL, projections=4, flats=300, rows=16)
    defects = Defects.none().but(photons=900.0, read_noise=3.0)
    data, keys, _, _ = scan(tmp_path, settings, defects)
    flats = data[keys == FLAT].astype(float)
    gain = settings.full / 900.0
    expected = gain * settings.full + 3.0**2 + 1 / 12
    variance = flats.var(axis=0, ddof=1)
    # 1024 pixels of 600 frames: the mean variance is known to sqrt(2 / 614400) = 0.18 %; 5 sigma is 0.9 %.
    assert variance.mean() == pytest.approx(expected, rel=0.009)
    assert flats.mean() == pytest.approx(settings.full, rel=5 / np.sqrt(900 * flats.size))
    neighbours = np.corrcoef(flats[:, :, :-1].ravel(), flats[:, :, 1:].ravel())[0, 1]
    assert abs(neighbours) < 5 / np.sqrt(flats.size)
    frames = np.corrcoef(flats[:-1].ravel(), flats[1:].ravel())[0, 1]
    assert abs(frames) < 5 / np.sqrt(flats.size)


def test_equal_seeds_give_equal_files(tmp_path: Path) -> None:
    files = []
    for number, seed in enumerate((3, 3, 4)):
        pair = [tmp_path / f"{kind}{number}.nxs" for kind in ("scan", "truth")]
        micro_ct_scan(pair[0], packing(64, 12), SMALL, seed=seed, truth=pair[1])
        files.append([path.read_bytes() for path in pair])
    assert files[0] == files[1]
    assert files[0][0] != files[2][0]


def test_switching_one_defect_off_leaves_the_others(tmp_path: Path) -> None:
    defects = Defects(dead=0.01, zingers=1e-3)
    with_zingers, _, _, planted = scan(tmp_path, SMALL, defects)
    without, _, _, _ = scan(tmp_path, SMALL, defects.but(zingers=0.0))
    changed = np.argwhere(with_zingers != without)
    hit = {(f, r, c + more) for f, r, c in planted.zingers for more in (0, 1)}
    assert {tuple(place) for place in changed.tolist()} <= hit
    assert len(changed) >= 0.9 * len(planted.zingers) > 10


def test_truth_lists_what_was_planted(tmp_path: Path) -> None:
    defects = Defects.none().but(dead=0.02, bent=0.03, drifting=0.03, bend=0.05, wander=0.04, zingers=3e-4)
    phantom = plateau_phantom(64, 12)
    data, keys, angles, planted = scan(
        tmp_path, PERFECT, defects, phantom=phantom, truth=tmp_path / "truth.nxs", seed=2
    )
    good = np.ones(data.shape[1:], dtype=bool)
    with h5py.File(tmp_path / "truth.nxs") as file:
        entry = file["entry"]
        assert entry["estimates/axis/value"][()] == 33.3
        assert entry["estimates/axis/value"].attrs["units"] == "px"
        volume = entry["data/attenuation"]
        assert volume.attrs["units"] == "1/m"
        inside = volume[6, 32, 20] * PERFECT.pixel_size
        assert inside == pytest.approx(0.01, rel=1e-6)
        assert np.diff(entry["data/x"][()]) == pytest.approx(PERFECT.pixel_size)
        for (row, column), value in zip(entry["defects/dead_pixels"][()], entry["defects/stuck_at"][()], strict=True):
            assert np.all(data[:, row, column] == value)
        for kind in ("dead_pixels", "bent_pixels", "drifting_pixels"):
            pixels = entry["defects"][kind][()]
            assert len(pixels) > 5
            good[tuple(pixels.T)] = False
        stray = entry["defects/zingers"][()]
    ideal = PERFECT.full * np.exp(-phantom.projections(angles, 12, 64, 33.3))
    ideal[keys == FLAT], ideal[keys == DARK] = PERFECT.full, 0
    clean = np.broadcast_to(good, data.shape).copy()
    for frame, row, column in stray:
        clean[frame, row, column : column + 2] = False
    np.testing.assert_allclose(data[clean], ideal[clean], rtol=2e-7)

    # A bent pixel is right in the flats and wrong behind the sample; that is what makes a ring.
    bent = (planted.bend != 0) & (planted.wander == 0) & ~planted.dead
    shot = np.flatnonzero(keys == PROJECTION)[5]
    expected = np.exp(-phantom.projections(angles[shot], 12, 64, 33.3)[0]) ** (1 + planted.bend)
    keep = bent.copy()
    for _, row, column in stray[stray[:, 0] == shot]:
        keep[row, column : column + 2] = False
    assert keep.sum() > 5
    assert np.abs(expected[keep] / ideal[shot][keep] * PERFECT.full - 1).max() > 0.01
    np.testing.assert_allclose(data[shot][keep], PERFECT.full * expected[keep], rtol=2e-7)


def test_monitor_is_recorded(tmp_path: Path) -> None:
    data, keys, _, _ = scan(tmp_path, PERFECT, Defects.none().but(monitor=0.05))
    with h5py.File(tmp_path / "scan.nxs") as file:
        monitor = file["entry/control/data"][()]
    assert monitor.std() > 2000
    levels = data[keys == FLAT].mean(axis=(1, 2)) / monitor[keys == FLAT]
    np.testing.assert_allclose(levels, PERFECT.full / 1e5, rtol=1e-6)


@pytest.mark.parametrize("order", ["interlaced", "shuffled"])
def test_unsorted_angles_hold_the_same_projections(tmp_path: Path, order: str) -> None:
    plain, keys, sorted_angles, _ = scan(tmp_path, PERFECT, Defects.none())
    mixed, _, angles, _ = scan(tmp_path, replace(PERFECT, order=order), Defects.none())
    shots = keys == PROJECTION
    back = np.argsort(angles[shots])
    assert np.any(np.diff(angles[shots]) < 0)
    np.testing.assert_allclose(angles[shots][back], sorted_angles[shots])
    np.testing.assert_array_equal(mixed[shots][back], plain[shots])
    with pytest.raises(ValueError, match="order"):
        replace(SMALL, order="random").angles()


def test_opposite_projections_mirror_about_the_axis_of_each_row(tmp_path: Path) -> None:
    settings = replace(PERFECT, projections=2, closed=True, columns=65, rows=15, centre=33.0, tilt=45.0)
    phantom = Phantom(smooth_phantom(40, 15).shapes)
    data, keys, _, _ = scan(tmp_path, settings, Defects.none(), phantom=phantom)
    first, second = data[keys == PROJECTION]
    for row in range(15):
        axis = 33 + row - 7
        reach = min(axis, 64 - axis)
        mirrored = second[row, axis - reach : axis + reach + 1][::-1]
        np.testing.assert_allclose(first[row, axis - reach : axis + reach + 1], mirrored, rtol=1e-6)
    upright = phantom.projections([0.0], 15, 65, 33.0)[0]
    np.testing.assert_allclose(-np.log(first[7].astype(float) / settings.full), upright[7], atol=1e-6)
    np.testing.assert_allclose(-np.log(first[3, :50].astype(float) / settings.full), upright[3, 4:54], atol=1e-6)


def test_contiguous_layout(tmp_path: Path) -> None:
    chunked, *_ = scan(tmp_path, SMALL)
    contiguous, *_ = scan(tmp_path, SMALL, chunks=False)
    np.testing.assert_array_equal(chunked, contiguous)
    with h5py.File(tmp_path / "scan.nxs") as file:
        assert file["entry/instrument/detector/data"].chunks is None
