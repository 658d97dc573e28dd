"""Lens distortion: images bent by a known lens come back, as from discorpy; files of coefficients are read."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage

from tomosaxs import ArrayReader, Axis, Dataset, InputError, Quantity, Source
from tomosaxs.testing import run_plugin
from tomosaxs_plugins.corrections.distortion import Distortion, read_distortion
from tomosaxs_plugins.corrections.resampling import resample

ROWS, COLUMNS = 120, 160
LENS = Distortion(83.4, 55.7, (1.001, 1e-3, -7e-6, 2e-8))
GIVEN = {"coefficients": list(LENS.coefficients), "xcenter": LENS.xcenter, "ycenter": LENS.ycenter}


def scene(y, x):
    """A grid of soft dots, 16 px apart."""
    return 1.0 + 0.4 * np.cos(2 * np.pi * x / 16.0) * np.cos(2 * np.pi * y / 16.0 + 0.3)


def recorded(y, x):
    """What the camera records there: the scene at the place that the lens images there, by Newton's method."""
    dy, dx = y - LENS.ycenter, x - LENS.xcenter
    distorted = np.hypot(dy, dx)
    radius = distorted.copy()
    powers = np.arange(len(LENS.coefficients))
    for _ in range(20):
        value = sum(k * radius ** (n + 1) for n, k in zip(powers, LENS.coefficients, strict=True))
        slope = sum((n + 1) * k * radius**n for n, k in zip(powers, LENS.coefficients, strict=True))
        radius -= (value - distorted) / slope
    factor = radius / np.maximum(distorted, 1e-12)
    return scene(LENS.ycenter + factor * dy, LENS.xcenter + factor * dx)


def grid(rows=ROWS, columns=COLUMNS):
    return np.meshgrid(np.arange(float(rows)), np.arange(float(columns)), indexing="ij")


def source(frames, label="transmission", **axes):
    """Return frames as a scan; keyword arguments change the axes."""
    angles = np.linspace(0, 180, len(frames))
    made = [Axis("rotation_angle", len(frames), angles, "deg")]
    for name, size in zip(("detector_y", "detector_x"), frames.shape[1:], strict=True):
        made.append(replace(Axis(name, size, None, "px"), **axes.get(name, {})))
    dataset = Dataset(tuple(made), frames.dtype, label, metadata={"pixel_size_x": Quantity(1e-6, "m")})
    return Source(dataset, ArrayReader(frames))


def inside(margin=12):
    return (slice(None), slice(margin, -margin), slice(margin, -margin))


@pytest.fixture(scope="module")
def frames():
    one = recorded(*grid())
    return np.stack([one, one[::-1], 2 * one]).astype(np.float32)


@pytest.mark.parametrize(("interpolation", "tolerance"), [("cubic", 3e-4), ("linear", 0.02)])
def test_a_bent_grid_is_straight_again(frames, interpolation, tolerance) -> None:
    out = run_plugin("correct_distortion", source(frames), {**GIVEN, "interpolation": interpolation})[0]
    truth = scene(*grid())
    assert out.dtype == np.float32
    assert np.abs(frames[0] - truth)[inside()[1:]].max() > 0.3  # it was bent by pixels
    assert np.abs(out[0] - truth)[inside()[1:]].max() < tolerance
    assert np.abs(out[2] - 2 * truth)[inside()[1:]].max() < 2 * tolerance


@pytest.mark.parametrize(("interpolation", "order"), [("linear", 1), ("cubic", 3)])
def test_equals_discorpy(frames, interpolation, order) -> None:
    discorpy = pytest.importorskip("discorpy.post.postprocessing", reason="needs discorpy")
    out = run_plugin("correct_distortion", source(frames), {**GIVEN, "interpolation": interpolation})[0]
    theirs = discorpy.unwarp_image_backward(
        frames[0].astype(np.float64), LENS.xcenter, LENS.ycenter, LENS.coefficients, order=order
    )
    assert np.abs(out[0] - theirs)[inside()[1:]].max() < 1e-5  # they round positions to float32: 4e-6 px


def test_without_distortion_nothing_changes(frames) -> None:
    parameters = {**GIVEN, "coefficients": [1.0, 0.0]}
    assert np.array_equal(run_plugin("correct_distortion", source(frames), parameters)[0], frames)


def test_a_crop_is_that_of_the_whole(frames) -> None:
    whole = run_plugin("correct_distortion", source(frames), GIVEN)[0]
    cut = {"detector_y": slice(20, 90), "detector_x": slice(31, 150)}
    part = run_plugin("correct_distortion", source(frames).select(cut), GIVEN)[0]
    assert part.shape == (3, 70, 119)
    margin = 10 + 14  # as far as the lens moves the edge, and the spline's memory reaches
    assert np.abs(part - whole[:, 20:90, 31:150])[inside(margin)].max() < 1e-5


def test_binned_pixels_are_where_they_are() -> None:
    """Binned by 2 x 4, the centre and the radii are still those of the full frame."""
    y, x = 2 * np.arange(60) + 0.5, 4 * np.arange(40) + 1.5
    binned = recorded(*np.meshgrid(y, x, indexing="ij")).astype(np.float32)[None]
    axes = {
        "detector_y": {"index": 2 * np.arange(60), "full_size": ROWS, "binning": 2},
        "detector_x": {"index": 4 * np.arange(40), "full_size": COLUMNS, "binning": 4},
    }
    out = run_plugin("correct_distortion", source(binned, **axes), GIVEN)[0]
    truth = scene(*np.meshgrid(y, x, indexing="ij"))
    assert np.abs(binned[0] - truth)[8:-8, 4:-4].max() > 0.3
    assert np.abs(out[0] - truth)[8:-8, 4:-4].max() < 0.01  # four pixels a period are few


def test_files_of_coefficients(tmp_path) -> None:
    lines = ["xcenter = 83.4", "ycenter = 55.7", "factor0 = 1.001", "factor1 = 1e-3", "factor2 = -7e-6"]
    text = tmp_path / "coefficients.txt"
    text.write_text("\n".join([*lines, "factor3 = 2e-8"]) + "\n")
    assert read_distortion(text) == LENS
    text.write_text("\n".join(line.replace(" = ", " ") for line in [*lines, "factor3 = 2e-8"]))
    assert read_distortion(text) == LENS
    found = {"xcenter": 83.4, "ycenter": 55.7, "list_fact": list(LENS.coefficients)}
    (tmp_path / "coefficients.json").write_text(json.dumps(found))
    assert read_distortion(tmp_path / "coefficients.json") == LENS
    for wrong, message in (
        ("\n".join(lines[1:]), "no xcenter"),
        ("\n".join([*lines, "factor4 = 4e-9"]), "without gaps"),
        ("\n".join([*lines, "factor3 = nan"]), "not finite"),
        ("1.0 2.0 3.0", "line 1: '1.0 2.0 3.0' is not a name and a number"),
        ('{"xcenter": 1', "not a file of distortion coefficients"),
        ('{"xcenter": 1, "ycenter": 2}', "no factor0"),
    ):
        text.write_text(wrong)
        with pytest.raises(InputError, match=message):
            read_distortion(text)
    text.write_bytes(b"\xff\xfe\x00\x9c")
    with pytest.raises(InputError, match="cannot be read"):
        read_distortion(text)


def test_files_that_discorpy_writes(tmp_path, frames) -> None:
    losa = pytest.importorskip("discorpy.losa.loadersaver", reason="needs discorpy")
    for save in (losa.save_metadata_txt, losa.save_metadata_json):
        path = save(str(tmp_path / "lens"), LENS.xcenter, LENS.ycenter, list(LENS.coefficients))
        assert read_distortion(path) == LENS
    by_file = run_plugin("correct_distortion", source(frames), {"file": path})[0]
    assert np.array_equal(by_file, run_plugin("correct_distortion", source(frames), GIVEN)[0])


def test_what_cannot_be_is_refused(frames, tmp_path) -> None:
    (tmp_path / "lens.txt").write_text("xcenter = 1\nycenter = 2\nfactor0 = 1\n")
    for parameters, message in (
        ({}, "give a file of coefficients, or coefficients with"),
        ({"coefficients": [1.0], "xcenter": 3.0}, "give a file of coefficients, or"),
        ({**GIVEN, "file": tmp_path / "lens.txt"}, "not both"),
        ({**GIVEN, "coefficients": []}, "at least k0"),
    ):
        with pytest.raises(InputError, match=message):
            run_plugin("correct_distortion", source(frames), parameters)
    gaps = source(frames).select({"detector_x": np.array([0, 1, 2, 5, 6, 7])})
    with pytest.raises(InputError, match="leaves entries out"):
        run_plugin("correct_distortion", gaps, GIVEN)


@pytest.mark.parametrize(("interpolation", "order"), [("linear", 1), ("cubic", 3)])
@pytest.mark.parametrize("shape", [(2, 33, 40), (1, 1, 30), (2, 25, 1), (1, 2, 3)])
def test_resampling_equals_scipy(interpolation, order, shape) -> None:
    rng = np.random.default_rng(2)
    images = rng.random(shape).astype(np.float32)
    y, x = grid(*shape[1:])
    y, x = y + rng.uniform(-4, 4, y.shape), x + rng.uniform(-4, 4, x.shape)
    out = resample(images, lambda a, b: (y[a:b].copy(), x[a:b].copy()), interpolation, threads=1)
    clipped = [np.clip(y, 0, shape[1] - 1), np.clip(x, 0, shape[2] - 1)]
    for mine, image in zip(out, images, strict=True):
        theirs = ndimage.map_coordinates(image.astype(np.float64), clipped, order=order, mode="mirror")
        assert np.abs(mine - theirs).max() < 3e-6
    assert np.array_equal(out, resample(images, lambda a, b: (y[a:b].copy(), x[a:b].copy()), interpolation, threads=3))
