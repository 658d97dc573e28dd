"""A rotation axis that really leans: its tilt is found, its sign is right, and turned back the volume is as good."""

from __future__ import annotations

from dataclasses import replace

import h5py
import numpy as np
import pytest

import tomosaxs
from tomosaxs import ArrayReader, Axis, Dataset, InputError, Quantity, Scan, Source
from tomosaxs.testing import run_plugin
from tomosaxs.testing.phantoms import Gaussian, Phantom, SoftEllipsoid
from tomosaxs_plugins.corrections.correct_tilt import correct_tilt

ROWS, COLUMNS, CENTRE, TILT = 80, 96, 44.3, 0.3
ANGLES = np.linspace(0, 180, 151)


def bodies():
    """Smooth bodies of many heights and places: nothing is alike from row to row."""
    rng = np.random.default_rng(4)
    grains = [
        Gaussian((*(rng.uniform(-24, 24, 2)), rng.uniform(-36, 36)), tuple(rng.uniform(2.0, 5.0, 3)), 0.0, 0.01)
        for _ in range(40)
    ]
    return Phantom([SoftEllipsoid((0, 0, 0), (36, 34, 90), 0.0, 0.004, power=2), *grains])


def projections(phantom, tilt):
    """Line integrals in the pixels of a camera that is turned about the beam, ray by ray.

    Along the axis, its column grows by tan(tilt) a row. A pixel (dy, dx) from where the axis crosses the middle row
    lies dy cos + dx sin along the axis and dx cos - dy sin beside it.
    """
    turn = np.deg2rad(tilt)
    dy, dx = np.meshgrid(np.arange(ROWS) - (ROWS - 1) / 2, np.arange(COLUMNS) - CENTRE, indexing="ij")
    along, beside = dy * np.cos(turn) + dx * np.sin(turn), dx * np.cos(turn) - dy * np.sin(turn)
    frames = np.zeros((len(ANGLES), ROWS, COLUMNS))
    for shape in phantom:
        (x, y, z), (a, b, _) = shape.centre, shape.semi_axes
        height = shape.height(along - z)
        for frame, angle in zip(frames, np.deg2rad(ANGLES), strict=True):
            own = angle - np.deg2rad(shape.angle)
            radius = np.hypot(a * np.cos(own), b * np.sin(own))
            across = (beside - x * np.cos(angle) - y * np.sin(angle)) / radius
            frame += shape.ray(height + across**2) * (shape.value * a * b / radius)
    return frames.astype(np.float32)


def source(frames, label="attenuation", **metadata):
    axes = (
        Axis("rotation_angle", len(frames), ANGLES[: len(frames)], "deg"),
        Axis("detector_y", frames.shape[1], None, "px"),
        Axis("detector_x", frames.shape[2], None, "px"),
    )
    return Source(Dataset(axes, frames.dtype, label, metadata=metadata), ArrayReader(frames))


def find(frames):
    found = run_plugin("find_rotation_axis", source(frames), {"method": "correlation", "on_low_confidence": "warn"})
    return found.value, found.details["tilt_deg"]


@pytest.fixture(scope="module")
def scans():
    phantom = bodies()
    return phantom, projections(phantom, 0.0), projections(phantom, TILT)


def test_the_straight_projections_are_the_phantoms(scans) -> None:
    phantom, straight, _ = scans
    assert np.abs(straight - phantom.projections(ANGLES, ROWS, COLUMNS, CENTRE)).max() < 1e-5


def test_tilt_is_found_and_taken_out(scans) -> None:
    _, straight, leaning = scans
    axis, tilt = find(leaning)
    assert tilt == pytest.approx(TILT, abs=0.02)
    assert axis == pytest.approx(CENTRE, abs=0.1)
    upright = run_plugin("correct_tilt", source(leaning), {"angle": tilt, "centre": axis})[0]
    axis, tilt = find(upright)
    assert tilt == pytest.approx(0.0, abs=0.02)
    assert axis == pytest.approx(CENTRE, abs=0.1)
    # with the true angle each frame is that of the upright scan, but for the border that repeats the edge
    upright = run_plugin("correct_tilt", source(leaning), {"angle": TILT, "centre": CENTRE})[0]
    assert np.abs(upright - straight)[:, 2:-2, 2:-2].max() < 1e-3 * straight.max()
    assert np.abs(leaning - straight)[:, 2:-2, 2:-2].max() > 0.02 * straight.max()


def test_the_other_way_round_it_gets_worse(scans) -> None:
    _, straight, leaning = scans
    right = run_plugin("correct_tilt", source(leaning), {"angle": TILT, "centre": CENTRE})[0]
    wrong = run_plugin("correct_tilt", source(leaning), {"angle": -TILT, "centre": CENTRE})[0]
    errors = [np.sqrt(np.mean((each - straight)[:, 4:-4] ** 2)) for each in (right, leaning, wrong)]
    assert errors[0] < 0.01 * errors[1]
    assert errors[2] == pytest.approx(2 * errors[1], rel=0.1)
    mirrored = np.ascontiguousarray(leaning[:, :, ::-1])  # leans the other way
    assert find(mirrored)[1] == pytest.approx(-TILT, abs=0.02)


def test_the_volume_is_as_good_as_an_upright_one(scans) -> None:
    phantom, straight, leaning = scans
    truth = phantom.volume(COLUMNS, ROWS)
    axis, tilt = find(leaning)
    upright = run_plugin("correct_tilt", source(leaning), {"angle": tilt, "centre": axis})[0]
    circle = np.hypot(*np.mgrid[-47.5:48, -47.5:48]) < 42
    rows = [4, 40, 75]
    errors = []
    for frames, centre in ((straight, CENTRE), (upright, axis), (leaning, axis)):
        part = source(np.ascontiguousarray(frames[:, rows]))
        volume = run_plugin("reconstruct", part, {"centre": centre})[0]
        errors.append(np.sqrt(np.mean((volume - truth[rows])[:, circle] ** 2)) / truth.max())
    assert errors[1] <= errors[0] + 0.001  # rms error, of the largest value
    assert errors[2] > 5 * errors[1]


def test_the_angle_of_the_list_is_that_of_the_axis(scans, tmp_path) -> None:
    with h5py.File(tmp_path / "scan.h5", "w") as handle:
        handle["frames"], handle["angles"] = np.ascontiguousarray(scans[2][:, :, ::-1]), ANGLES
    text = f"""
input:
  tomo:
    plugin: array
    path: {tmp_path}/scan.h5
    dataset: frames
    axes: [rotation_angle, detector_y, detector_x]
    angles: {tmp_path}/scan.h5
    angles_path: angles
    angle_units: deg
    label: attenuation
steps:
  - plugin: find_rotation_axis
    name: axis
    method: correlation
    on_low_confidence: warn
  - plugin: correct_tilt
    angle: ${{axis.tilt_deg}}
    centre: ${{axis}}
  - plugin: find_rotation_axis
    name: again
    method: correlation
    on_low_confidence: warn
  - plugin: reconstruct
    centre: ${{again}}
output: {{plugin: nexus}}
"""
    result = tomosaxs.run(text, output=tmp_path / "out", log=lambda _: None)
    assert result.estimates["axis"].details["tilt_deg"] == pytest.approx(-TILT, abs=0.02)
    assert result.estimates["again"].details["tilt_deg"] == pytest.approx(0.0, abs=0.02)


def test_without_tilt_nothing_changes(scans) -> None:
    assert np.array_equal(run_plugin("correct_tilt", source(scans[2]), {"angle": 0.0})[0], scans[2])


def test_crop_and_binning_keep_the_axis(scans) -> None:
    frames = scans[2][::30]
    whole = run_plugin("correct_tilt", source(frames), {"angle": TILT, "centre": CENTRE})[0]
    # the crop leaves the middle row where it was
    part = run_plugin(
        "correct_tilt",
        source(frames).select({"detector_y": slice(10, 70), "detector_x": slice(8, 90)}),
        {"angle": TILT, "centre": CENTRE},
    )[0]
    assert np.abs(part - whole[:, 10:70, 8:90])[:, 16:-16, 16:-16].max() < 1e-5
    binned = np.ascontiguousarray(frames.reshape(len(frames), 40, 2, 48, 2).mean((2, 4)))
    axes = tuple(
        axis
        if axis.name == "rotation_angle"
        else replace(axis, size=axis.size // 2, index=2 * np.arange(axis.size // 2), binning=2, values=None)
        for axis in source(frames).dataset.axes
    )
    small = Source(Dataset(axes, binned.dtype, "attenuation"), ArrayReader(binned))
    out = run_plugin("correct_tilt", small, {"angle": TILT, "centre": CENTRE})[0]
    expected = whole.reshape(len(frames), 40, 2, 48, 2).mean((2, 4))
    assert np.abs(out - expected)[:, 2:-2, 2:-2].max() < 2e-3 * frames.max()


def test_what_cannot_be_is_refused(scans) -> None:
    frames = scans[2][:3]
    with pytest.raises(InputError, match="within -45 to 45"):
        run_plugin("correct_tilt", source(frames), {"angle": 60.0})
    oblong = source(frames, pixel_size_x=Quantity(1e-6, "m"), pixel_size_y=Quantity(2.0, "um"))
    with pytest.raises(InputError, match="must be square"):
        run_plugin("correct_tilt", oblong, {"angle": 0.3})
    scan = Scan.whole(source(frames).dataset, ("detector_y", "detector_x"))
    with pytest.raises(InputError, match="tilt is nan deg"):
        correct_tilt(frames, scan, angle=float("nan"))
