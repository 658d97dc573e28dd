"""Hot, cold and constant pixels: planted ones are found, good ones are left, whatever the counts."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tomosaxs import ArrayReader, Auxiliary, Axis, Dataset, InputError, Scan
from tomosaxs.declaration import spec_of
from tomosaxs_plugins.integration.azimuthal_integrate import AzimuthalIntegrate
from tomosaxs_plugins.integration.find_hot_pixels import FindHotPixels, _select
from tomosaxs_plugins.integration.geometry import DetectorGeometry
from tomosaxs_plugins.integration.hot_pixels import FEWEST, find_faults, rings

SHAPE = (150, 180)
GEOMETRY = DetectorGeometry.from_tilt((70.3, 60.8), 0.3, 0.2, 0.5, (1e-4, 1.2e-4), 1e-10, SHAPE)
Y, X = np.mgrid[0 : SHAPE[0], 0 : SHAPE[1]] + 0.5
HOT, COLD = [(3, 4), (70, 61), (100, 170), (72, 63)], [(20, 30), (149, 179), (60, 100)]
NONE = np.zeros(SHAPE, dtype=bool)


def expected(level: float) -> np.ndarray:
    q = GEOMETRY.q(Y, X)
    return level * (np.exp(-q) + 0.5 * np.exp(-0.5 * ((q - 2.5) / 0.1) ** 2) + 0.05)


def measured(level: float, frames: int, seed: int = 3, plant: bool = True) -> np.ndarray:
    drawn = np.random.default_rng(seed).poisson(expected(level), (frames, *SHAPE))
    if plant:
        for row, column in HOT:
            # ten standard deviations of the mean, and the ten counts that few counts need
            more = 10 * np.sqrt(expected(level)[row, column] / frames) + 30 / frames
            drawn[:, row, column] += np.random.default_rng(row).poisson(more * 1.6, frames)
        for row, column in COLD:
            drawn[:, row, column] //= 8
    return drawn


def faults_of(drawn: np.ndarray, masked: np.ndarray = NONE, **options):
    seen = np.full(SHAPE, len(drawn), dtype=np.uint32)
    return find_faults(drawn.mean(axis=0), seen, drawn.min(axis=0), drawn.max(axis=0), GEOMETRY, masked, **options)


def test_rings_are_of_one_angle_and_never_small():
    usable = np.random.default_rng(1).random(SHAPE) > 0.3
    found = rings(GEOMETRY, usable)
    ring, number = found.number, found.count
    assert ring.shape == (usable.sum(),)
    sizes = np.bincount(ring, minlength=number)
    assert number > 50
    assert sizes.min() >= FEWEST
    angle = GEOMETRY.two_theta(Y, X)[usable]
    limits = np.array([[angle[ring == each].min(), angle[ring == each].max()] for each in range(number)])
    assert (limits[1:, 0] >= limits[:-1, 0]).all()
    # one pixel of 1.2e-4 m at 0.3 m, but for the joined ones: near the beam and in the corner far from it
    width = np.diff(limits, axis=1).ravel()
    assert np.median(width) < 1.5 * 1.2e-4 / 0.3
    nothing = rings(GEOMETRY, NONE)
    assert (len(nothing.number), nothing.count) == (0, 0)


@pytest.mark.parametrize(("level", "frames"), [(2000.0, 20), (50.0, 60)])
def test_planted_pixels_are_found_and_no_other(level: float, frames: int):
    found = faults_of(measured(level, frames))
    assert sorted(zip(*np.nonzero(found.hot), strict=True)) == sorted(HOT)
    bright = [place for place in COLD if frames * expected(level)[place] > 60]
    cold = set(zip(*np.nonzero(found.cold), strict=True))
    assert cold == set(bright)
    assert bright
    assert not found.constant.any()
    assert not found.unseen.any()


@pytest.mark.parametrize("level", [0.02, 0.5, 20.0])
@pytest.mark.parametrize("frames", [1, 9])
def test_good_pixels_stay_also_where_there_are_hardly_any_counts(level: float, frames: int):
    """27000 pixels, six standard deviations: by chance none is expected, down to 0.02 counts in one frame."""
    found = faults_of(measured(level, frames, plant=False))
    assert found.mask.sum() == 0


def test_a_hot_pixel_stands_out_of_empty_frames():
    drawn = measured(0.01, 9, plant=False)
    drawn[:, 40, 50] = 5
    found = faults_of(drawn)
    assert list(zip(*np.nonzero(found.hot), strict=True)) == [(40, 50)]


def test_constant_pixels_are_told_from_those_that_count_by_chance_the_same():
    drawn = measured(200.0, 30, plant=False)
    level = round(float(drawn[:, 80, 90].mean()))
    drawn[:, 80, 90] = level  # right in the mean: only that it never changes gives it away
    found = faults_of(drawn)
    assert list(zip(*np.nonzero(found.constant), strict=True)) == [(80, 90)]
    assert not found.hot.any()
    few = measured(0.05, 30, plant=False)  # most pixels read 0 every time, and rightly so
    assert (few.min(axis=0) == few.max(axis=0)).mean() > 0.2
    assert not faults_of(few).constant.any()
    floats = drawn.astype(float) * 0.37
    assert list(zip(*np.nonzero(faults_of(floats, counts=False).constant), strict=True)) == [(80, 90)]


def test_masked_pixels_are_not_looked_at_and_change_nothing():
    drawn = measured(500.0, 12, plant=False)
    drawn[:, 10:50, 20:40] = 10**6
    masked = NONE.copy()
    masked[10:50, 20:40] = True
    assert not faults_of(drawn, masked).mask.any()
    assert faults_of(drawn).hot[10:50, 20:40].mean() > 0.9
    seen = np.full(SHAPE, 12, dtype=np.uint32)
    seen[7, 8] = 0
    found = find_faults(drawn.mean(axis=0), seen, drawn.min(axis=0), drawn.max(axis=0), GEOMETRY, masked)
    assert list(zip(*np.nonzero(found.unseen), strict=True)) == [(7, 8)]


def dataset_of(frames: np.ndarray, **auxiliaries: Auxiliary) -> Dataset:
    axes = (Axis("y", 5), Axis("x", len(frames) // 5), Axis("detector_y", SHAPE[0]), Axis("detector_x", SHAPE[1]))
    return Dataset(axes, frames.dtype, auxiliaries=auxiliaries)


GIVEN = {
    "distance": GEOMETRY.beam_distance, "beam_centre": list(GEOMETRY.beam_centre), "pixel_size": [1e-4, 1.2e-4],
    "wavelength": 1e-10, "tilt": np.degrees(GEOMETRY.tilt), "tilt_direction": np.degrees(GEOMETRY.tilt_direction),
}  # fmt: skip


def test_the_estimator_in_tiles_equals_the_whole_and_feeds_the_integration(tmp_path: Path):
    frames = measured(300.0, 40).astype(np.int32)
    frames[:, 0, :] = -1  # a gap
    mask = NONE.copy()
    mask[0] = True
    np.save(tmp_path / "gap.npy", mask)
    data = dataset_of(frames)
    parts = []
    for start, end in ((0, 32), (32, 40)):
        one = FindHotPixels(calibration=GIVEN, mask=tmp_path / "gap.npy")
        whole = Scan.whole(data, ("detector_y", "detector_x"))
        one.update(frames[start:end], replace(whole, index=whole.index[start:end]))
        parts.append(one)
    parts[0].combine(parts[1])
    found = parts[0].result()
    assert found.value.dtype == bool
    assert set(HOT) <= set(zip(*np.nonzero(found.value), strict=True))
    assert not found.value[0].any()
    assert found.details["frames"] == 40
    assert found.details["mean_frame"][50, 50] == pytest.approx(frames[:, 50, 50].mean(), rel=1e-6)
    assert f"{len(HOT)} hot" in found.messages[0]
    assert len(found.messages) == 1
    assert (found.pictures["hot_pixels"][HOT[0]] == (230, 50, 40)).all()

    scan = Scan.whole(data, ("detector_y", "detector_x"))
    step = AzimuthalIntegrate(
        calibration=GIVEN, mask=[tmp_path / "gap.npy"], hot_pixels=found.value, bins=80, solid_angle=False
    )
    curves = step(frames, scan)
    clean = AzimuthalIntegrate(calibration=GIVEN, mask=tmp_path / "gap.npy", bins=80, solid_angle=False)(
        np.where(found.value, -1, frames), scan
    )
    assert np.array_equal(curves, clean, equal_nan=True)
    [told] = [text for text in scan.remarks if "hot pixels" in text]
    total = int((mask | found.value).sum())
    assert told.startswith(f"masked are {total} of 27000 pixels ({total / 27000:.1%}): gap.npy 180, hot pixels ")


def test_a_shadow_that_is_not_masked_is_told():
    frames = measured(2000.0, 10, plant=False).astype(np.int32)
    frames[:, 60:66, 61:] //= 20  # 714 of 27000 pixels, as the arm of a beamstop
    one = FindHotPixels(calibration=GIVEN)
    one.update(frames, Scan.whole(dataset_of(frames), ("detector_y", "detector_x")))
    assert any("off their rings" in text for text in one.result().messages)


def test_frames_are_spread_over_the_scan():
    data = dataset_of(np.zeros((1000, 1, 1), np.uint16))
    chosen = _select(data, frames=60)
    assert len(chosen["y"]) == 5
    assert len(chosen["x"]) == 12
    assert chosen["x"][0] < 20
    assert chosen["x"][-1] > 180
    assert {name: len(part) for name, part in _select(data, frames=1).items()} == {"y": 1, "x": 1}
    assert len(_select(data, frames=10**5)["x"]) == 200


def test_what_makes_no_sense_is_refused(tmp_path: Path):
    data = dataset_of(np.zeros((10, *SHAPE), np.uint16))
    spec = spec_of(FindHotPixels)
    values, _ = spec.parameters.validate({"calibration": GIVEN})
    assert spec.check is not None
    spec.check(data, **values)
    np.save(tmp_path / "all.npy", np.ones(SHAPE))
    np.save(tmp_path / "small.npy", np.ones((3, 4)))
    for change, said in (
        ({"calibration": None}, "no calibration is given"),
        ({"mask": tmp_path / "all.npy"}, "every pixel"),
        ({"mask": tmp_path / "small.npy"}, "3 x 4"),
    ):
        with pytest.raises(InputError, match=said):
            spec.check(data, **{**values, **change})
    own = dataset_of(np.zeros((10, *SHAPE)), mask=Auxiliary(("detector_y", "detector_x"), ArrayReader(np.ones(SHAPE))))
    with pytest.raises(InputError, match="every pixel"):
        spec.check(own, **values)
