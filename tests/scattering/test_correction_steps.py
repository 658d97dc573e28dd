"""The corrections as steps: what goes with the data, units, gaps, files, and messages before anything runs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from numpy.testing import assert_allclose
from numpy.typing import NDArray

from tomosaxs import ArrayReader, Auxiliary, Axis, Dataset, InputError, Quantity, Source
from tomosaxs.testing import example_source, run_plugin
from tomosaxs_plugins.integration.geometry import DetectorGeometry
from tomosaxs_plugins.scattering.angles import PixelAngles

FRAMES = example_source("DiffractionPatterns")


def run(name: str, *sources: Source, **parameters: Any) -> NDArray[Any]:
    """Run a step and return its output."""
    made = run_plugin(name, list(sources), parameters)
    assert isinstance(made, list)
    return made[0]


def values(source: Source) -> NDArray[Any]:
    """Return all of a dataset."""
    return source.reader.read((slice(None),) * len(source.reader.shape))


def with_companion(name: str, array: Any, units: str = "", axes: tuple[str, ...] = ("y",)) -> Source:
    """Return the example with one more companion."""
    more = {**FRAMES.dataset.auxiliaries, name: Auxiliary(axes, ArrayReader(np.asarray(array)), units)}
    return replace(FRAMES, dataset=replace(FRAMES.dataset, auxiliaries=more))


def of_type(array: NDArray[Any]) -> Source:
    """Return frames of another type, without anything else."""
    axes = tuple(Axis(name, size) for name, size in zip(("y", "detector_y", "detector_x"), array.shape, strict=True))
    return Source(Dataset(axes, array.dtype), ArrayReader(array))


def test_companions_are_taken_point_by_point_in_their_units() -> None:
    source = with_companion("count_time", [500.0, 2000.0, 0.0], "ms")
    found = run("frame_time", source)
    assert_allclose(found[:, 0], values(source)[:, 0] / 0.5, rtol=1e-7)
    assert_allclose(found[:, 1], values(source)[:, 1] / 2, rtol=1e-7)
    assert np.isnan(found[:, 2]).all()


def test_a_quantity_of_the_whole_scan_will_do() -> None:
    metadata = {**FRAMES.dataset.metadata, "count_time": Quantity(100.0, "ms")}
    source = replace(FRAMES, dataset=replace(FRAMES.dataset, metadata=metadata))
    assert_allclose(run("frame_time", source), values(source) * 10, rtol=1e-7)


def test_transmission_from_two_counters_needs_their_ratio_without_sample() -> None:
    source = with_companion("diode", [10.0, 20.0, 40.0])
    given = run("flux_and_transmission", source, incident=100.0, transmitted="diode", empty_beam=0.5)
    part = np.array([0.2, 0.4, 0.8]).reshape(1, 3, 1, 1, 1)
    assert_allclose(given, values(source) / (100 * part), rtol=1e-6)
    with pytest.raises(InputError, match="ratio of transmitted to incident counts without a sample is needed"):
        run("flux_and_transmission", source, incident=100.0, transmitted="diode")


@pytest.mark.parametrize(
    ("name", "parameters", "message"),
    [
        ("frame_time", {}, "the data came without 'count_time'.*give a number \\(in s\\)"),
        ("frame_time", {"count_time": "monitr"}, "did you mean 'monitor'"),
        ("frame_time", {"count_time": 0.0}, "count_time: must be > 0"),
        ("dead_time", {"dead_time": -1.0, "count_time": 1.0}, "dead_time: must be >= 0"),
        ("flux_and_transmission", {"incident": "monitor"}, "the data came without 'transmission'"),
        ("thickness", {"thickness": 0.0}, "thickness: must be > 0"),
        ("displaced_volume", {"fraction": 1.5}, "fraction: must be >= 0, <= 1"),
        ("polarisation", {"horizontal": 95.0}, "horizontal: must be >= 0, <= 1"),
        ("angular_efficiency", {"attenuation": 0.85, "thickness": 1e-3}, "absorbs only 0.085 %.*are both in m"),
        ("dark_current", {"count_time": 1.0, "rate_of_flux": 0.1}, "rate_of_flux needs the flux"),
        ("dark_current", {"count_time": 1.0, "dark_time": 2.0}, "dark_time is the exposure of a dark frame"),
    ],
)
def test_what_does_not_fit_is_told_before_the_run(name: str, parameters: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        run(name, FRAMES, **parameters)


def test_units_that_do_not_convert_and_useless_companions_are_refused() -> None:
    with pytest.raises(InputError, match=r"'t': cannot convert 1 mm to s"):
        run("frame_time", with_companion("t", np.ones(3), "mm"), count_time="t")
    with pytest.raises(InputError, match="'t' has no value that could be used"):
        run("frame_time", with_companion("t", [0.0, -1.0, np.nan]), count_time="t")
    with pytest.raises(InputError, match="it is not one value a frame or point"):
        run("frame_time", with_companion("t", np.ones((2, 3)), axes=("flat", "y")), count_time="t")


def test_the_background_must_have_the_axes_of_the_data() -> None:
    other = of_type(np.ones((3, 12, 16), np.float32))
    with pytest.raises(InputError, match="subtracted by background_frame"):
        run("background_subtraction", FRAMES, other)


@pytest.mark.parametrize("kind", [np.uint16, np.int32, np.uint32])
def test_flagged_pixels_of_integer_frames_become_nan_at_the_first_step(kind: Any) -> None:
    counts = np.arange(24, dtype=kind).reshape(2, 3, 4)
    counts[0, 0, 0] = np.iinfo(kind).max
    if kind is np.int32:
        counts[1, 0, 0] = -2
    flagged = np.zeros(counts.shape, bool)
    flagged[0, 0, 0], flagged[1, 0, 0] = True, kind is np.int32
    for name, parameters in (("frame_time", {"count_time": 1.0}), ("dead_time", {"dead_time": 0.0, "count_time": 1.0})):
        found = run(name, of_type(counts), **parameters)
        assert found.dtype == np.float32
        assert np.array_equal(np.isnan(found), flagged)
        assert np.array_equal(found[~flagged], counts[~flagged])


def test_float64_stays_float64() -> None:
    data = np.random.default_rng(0).random((2, 3, 4))
    found = run("frame_time", of_type(data), count_time=3.0)
    assert found.dtype == np.float64
    assert np.array_equal(found, data / 3.0)


def test_flat_field_and_dark_frame_from_files(tmp_path: Path) -> None:
    image = 1 + np.random.default_rng(0).random((12, 16))
    np.save(tmp_path / "image.npy", image)
    data = values(FRAMES)
    relative = image / np.median(image)
    assert_allclose(run("flat_field", FRAMES, flat=tmp_path / "image.npy"), data / relative, rtol=1e-6)
    found = run("flat_field", FRAMES, flat=tmp_path / "image.npy", scale="none")
    assert_allclose(found, data / image, rtol=1e-6)
    found = run("dark_current", FRAMES, dark=tmp_path / "image.npy", dark_time=4.0, count_time=2.0)
    assert_allclose(found, data - image / 2, rtol=1e-5)
    np.save(tmp_path / "small.npy", image[1:])
    for name, what in (("flat_field", "flat"), ("dark_current", "dark"), ("background_frame", "background")):
        more = {"count_time": 1.0} if name == "dark_current" else {}
        with pytest.raises(InputError, match="has 11 x 16 pixels, the frames have 12 x 16"):
            run(name, FRAMES, **{what: tmp_path / "small.npy"}, **more)


def test_an_image_of_the_whole_detector_is_cropped_like_the_frames(tmp_path: Path) -> None:
    image = 1 + np.arange(12.0 * 16).reshape(12, 16)
    np.save(tmp_path / "image.npy", image)
    part = FRAMES.select({"detector_y": slice(2, 9), "detector_x": slice(3, 16)})
    found = run("flat_field", part, flat=tmp_path / "image.npy", scale="none")
    assert_allclose(found, values(part) / image[2:9, 3:16], rtol=1e-6)


def test_a_pixel_without_a_usable_flat_is_nan(tmp_path: Path) -> None:
    image = np.ones((12, 16))
    image[0, 0], image[0, 1], image[0, 2] = 0.0, -1.0, np.nan
    np.save(tmp_path / "image.npy", image)
    found = run("flat_field", FRAMES, flat=tmp_path / "image.npy")
    assert np.isnan(found[..., 0, :3]).all()
    assert np.isfinite(found[..., 1:, :]).all()
    np.save(tmp_path / "image.npy", 0 * image)
    with pytest.raises(InputError, match="the flat field has no positive value"):
        run("flat_field", FRAMES, flat=tmp_path / "image.npy")


def test_background_frames_of_an_earlier_result_are_averaged(tmp_path: Path) -> None:
    frames = np.random.default_rng(0).random((3, 2, 12, 16))
    frames[0, 0, 5, 5] = np.nan
    with h5py.File(tmp_path / "result.nxs", "w") as file:
        file.attrs["default"] = "entry"
        entry = file.create_group("entry")
        entry.attrs["default"] = "thickness"
        group = entry.create_group("thickness")
        group.attrs["signal"] = "data"
        group["data"] = frames
    found = run("background_frame", FRAMES, background=tmp_path / "result.nxs", scale=2.0)
    assert_allclose(found, values(FRAMES) - 2 * np.nanmean(frames, axis=(0, 1)), rtol=1e-5)
    with h5py.File(tmp_path / "other.nxs", "w") as file:
        file["data"] = frames
    with pytest.raises(InputError, match="names no default signal"):
        run("background_frame", FRAMES, background=tmp_path / "other.nxs")


def poni(path: Path, geometry: DetectorGeometry) -> Path:
    """Write a calibration file."""
    names = ("poni1", "poni2", "rot1", "rot2", "rot3")
    lines = [f"{name.capitalize()}: {getattr(geometry, name)!r}" for name in names]
    lines += [
        f"Distance: {geometry.distance!r}",
        f"PixelSize1: {geometry.pixel1!r}",
        f"PixelSize2: {geometry.pixel2!r}",
    ]
    path.write_text("\n".join(lines) + "\n")
    return path


def test_angles_of_a_tilted_detector_are_those_to_its_normal(tmp_path: Path) -> None:
    """2 theta counts from the beam, the cosine from the detector's normal: they differ when it is tilted."""
    tilt = np.radians(20.0)
    geometry = DetectorGeometry.from_tilt((6.0, 8.0), 0.05, tilt, 0.0, (1e-3, 1e-3))
    angles = PixelAngles(FRAMES.dataset, poni(tmp_path / "tilted.poni", geometry), None)
    nearest = angles.cosine[5:7, 7:9].mean()
    assert nearest == pytest.approx(np.cos(tilt), abs=1e-3)  # the pixels around the beam see it at 20 degrees
    assert angles.two_theta[5:7, 7:9].max() < 1.0
    found = run("solid_angle", FRAMES, calibration=tmp_path / "tilted.poni")
    given = {"distance": 0.05, "beam_centre": [6.0, 8.0], "pixel_size": 1e-3, "tilt": np.degrees(tilt)}
    assert np.allclose(run("solid_angle", FRAMES, calibration=given), found, rtol=1e-6, atol=0)
    assert_allclose(found, values(FRAMES) / angles.cosine**3, rtol=1e-6)


def test_solid_angles_of_a_sphere_of_pixels_sum_up() -> None:
    """A square plate as far away as half its side covers a sixth of the sphere."""
    size, pixel = 300, 1e-3
    metadata = {
        "distance": Quantity(size * pixel / 2, "m"),
        **{f"pixel_size_{axis}": Quantity(pixel, "m") for axis in "xy"},
        **{f"beam_center_{axis}": Quantity(size / 2, "px") for axis in "xy"},
    }
    ones = np.ones((1, size, size))
    axes = (Axis("y", 1), Axis("detector_y", size), Axis("detector_x", size))
    source = Source(Dataset(axes, ones.dtype, metadata=metadata), ArrayReader(ones))
    found = run("solid_angle", source, absolute=True)
    # the midpoint rule of 300 x 300 pixels is off by about (1 / 300)^2
    assert (1 / found).sum() == pytest.approx(4 * np.pi / 6, rel=2e-5)
    # and the result does not depend on where the frames were cut
    part = source.select({"detector_y": slice(100, 130), "detector_x": slice(7, 50)})
    assert_allclose(run("solid_angle", part, absolute=True), found[:, 100:130, 7:50], rtol=1e-12)


def test_polarisation_knows_rows_from_columns() -> None:
    metadata = {**FRAMES.dataset.metadata, "distance": Quantity(1.0, "mm")}
    source = replace(FRAMES, dataset=replace(FRAMES.dataset, metadata=metadata))
    factor = run("polarisation", source, horizontal=1.0) / values(source)
    assert factor[0, 0, 0, 6, 15] > 1.5  # far along the row: little was scattered there
    assert factor[0, 0, 0, 11, 8] == pytest.approx(1.0, abs=0.01)  # far along the column: all of it
