"""Lists that few people write: joins, sweeps of what is resolved, halos, renamed axes, other storage orders."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tomosaxs
from tomosaxs import ListError
from tomosaxs.result import Result

PLUGINS = """
from pathlib import Path
from typing import Annotated, Any
import numpy as np
from numpy.typing import NDArray
from tomosaxs import Estimate, Param, Pointwise, Projections, Scan, Sinograms, Source, VolumeSlices
from tomosaxs import estimator, loader, plugin
from tomosaxs.dataset import ArrayReader, Auxiliary, Axis, Dataset
from tomosaxs.patterns import custom_pattern

TURNED = Annotated[NDArray[Any], custom_pattern("Turned", "detector_x", "detector_y")]

@loader
def array(path: Path, *, axes: list[str]) -> Source:
    "An array with named axes, and flats where it has a detector."
    values = np.load(path)
    sizes = dict(zip(axes, values.shape))
    companions = {}
    if "detector_y" in sizes:
        flats = 1 + np.random.default_rng(1).random((2, sizes["detector_y"], sizes["detector_x"]))
        companions = {"flats": Auxiliary(("flat", "detector_y", "detector_x"), ArrayReader(flats))}
    described = Dataset(tuple(Axis(n, s) for n, s in sizes.items()), values.dtype, auxiliaries=companions)
    return Source(described, ArrayReader(values), files=(path,))

@plugin(halo={"rotation_angle": "size"})
def smooth(data: Projections, *, size: Annotated[int, Param("window", ge=1)] = 3) -> Projections:
    "Mean over neighbouring angles."
    near = [data[max(0, i - size // 2) : i + size // 2 + 1] for i in range(len(data))]
    return np.stack([part.mean(axis=0) for part in near])

@plugin
def raise_lowest(data: Projections, scan: Scan) -> Projections:
    "Tell what is raised, frame by frame."
    scan.note("{count} values were raised", np.count_nonzero(data < 0.5, axis=(1, 2)))
    scan.remark("{count} frames were full", (data < 0.5).all(axis=(1, 2)))
    return np.maximum(data, 0.5)

@plugin
def subtract(first: Projections, second: Projections) -> Projections:
    "Difference."
    return first - second

@plugin
def subtract_values(first: Pointwise, second: Pointwise) -> Pointwise:
    "Difference."
    return first - second

def _resolve(dataset, mode, step, **_):
    return {"mode": "up", "step": 10.0} if mode == "auto" else {"step": 1.0}

@plugin(check=_resolve)
def shift(data: Pointwise, *, mode: str = "auto", step: float | None = None) -> Pointwise:
    "Up or down."
    return data + np.float32({"up": step, "down": -step}[mode])

@estimator
def angles_seen(data: Sinograms) -> Estimate:
    "The length of a sinogram's first dimension."
    return Estimate(float(data.shape[1]))

def _square(dataset, **_):
    size = dataset.axis("x" if "x" in dataset.names else "detector_x").size
    return (Axis("y", size), Axis("x", size))

def _both(dataset, **_):
    return [_square(dataset), (dataset.axis("rotation_angle"), dataset.axis("detector_x"))]

@plugin(shape=_square)
def smear(data: Sinograms) -> VolumeSlices:
    "A slice with the mean over the angles in every line."
    return np.repeat(data.mean(axis=1)[:, None, :], data.shape[2], axis=1)

@plugin(shape=_both)
def smear_and_keep(data: Sinograms) -> tuple[VolumeSlices, Sinograms]:
    "The slices and the sinograms."
    return np.repeat(data.mean(axis=1)[:, None, :], data.shape[2], axis=1), data + 0

@plugin
def add_mean(volume: VolumeSlices, sinograms: Sinograms) -> VolumeSlices:
    "A volume and the mean over the angles."
    return volume + sinograms.mean(axis=1)[:, None, :]

@plugin
def two_ways(rows: Sinograms, frames: Projections) -> Sinograms:
    "Wants both slicings."
    return rows

def _half(dataset, **_):
    return (dataset.axis("detector_y"), Axis("detector_x", dataset.axis("detector_x").size // 2))

@plugin(shape=_half)
def bin_columns(data: Projections) -> Projections:
    "Mean of two columns."
    return data.reshape(*data.shape[:2], -1, 2).mean(axis=3)

@plugin
def flat(data: Projections, scan: Scan) -> Projections:
    "Divide by the flat field."
    return data / scan.get("flats").mean(axis=0)

@plugin
def flat_turned(data: TURNED, scan: Scan) -> TURNED:
    "Divide by the flat field, columns first."
    return data / scan.get("flats").mean(axis=0)

@plugin(halo={"detector_y": 1})
def halo_inside(data: Projections) -> Projections:
    "A halo along an axis that comes whole."
    return data

@plugin
def write(data: Projections, scan: Scan, *, factor: int = 1) -> None:
    "One file a frame."
    for number, frame in zip(scan.index, data):
        np.save(scan.output / f"{number}.npy", factor * frame)
"""
SHAPES = {
    "a": ((24, 7, 16), "rotation_angle, detector_y, detector_x"),
    "short": ((10, 7, 16), "rotation_angle, detector_y, detector_x"),
    "image": ((7, 16), "detector_y, detector_x"),
    "square": ((4, 8, 8), "rotation_angle, detector_y, detector_x"),
    "frames": ((3, 2, 4, 5, 6), "rotation_angle, y, x, detector_y, detector_x"),
    "turned": ((7, 16, 24), "detector_y, detector_x, rotation_angle"),
}


def values_of(name: str) -> Any:
    return np.random.default_rng(0).random(SHAPES[name][0]).astype(np.float32)


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., Result]:
    """Run steps over the named arrays; ``own.py:`` is added to every plugin."""
    (tmp_path / "own.py").write_text(PLUGINS)

    def go(names: str, *steps: str, **options: Any) -> Result:
        text = "title: t\ninput:\n"
        for name in names.split():
            np.save(tmp_path / f"{name}.npy", values_of(name))
            axes = SHAPES[name][1]
            text += f"  {name}: {{plugin: {tmp_path}/own.py:array, path: {tmp_path}/{name}.npy, axes: [{axes}]}}\n"
        text += "steps:\n" + "".join(f"  - {{plugin: {tmp_path}/own.py:{step}}}\n" for step in steps)
        return tomosaxs.run(text, output=tmp_path / "out", log=lambda line: None, **options)

    return go


def test_swept_window_has_the_neighbours_of_its_largest_value(run: Callable[..., Result]) -> None:
    whole = np.array(run("a", "smooth, size: {sweep: [3, 9]}").data)
    assert np.array_equal(run("a", "smooth, size: {sweep: [3, 9]}", block=2).data, whole)


@pytest.mark.parametrize("block", [1, 5, None])
def test_slices_that_only_stand_beside_a_block_are_not_counted(run: Callable[..., Result], block: int | None) -> None:
    result = run("a", "raise_lowest", "smooth", "raise_lowest, name: again", block=block)
    first = f"raise_lowest: {np.count_nonzero(values_of('a') < 0.5)} values were raised"
    assert first in result.messages
    assert result.remarks == []


def test_swept_values_are_resolved_one_by_one(run: Callable[..., Result]) -> None:
    found = run("a", "shift, mode: {sweep: [auto, down]}").data
    assert np.allclose([(part - values_of("a")).mean() for part in found], [10, -1], atol=1e-5)


def test_each_output_is_sliced_by_its_own_pattern(run: Callable[..., Result]) -> None:
    result = run("a", "smear_and_keep, to: [volume, kept], name: both", block=3)
    assert np.array_equal(result["both_kept"], values_of("a"))
    assert result["both_volume"].shape == (7, 16, 16)


def test_joins_of_differently_sliced_inputs(run: Callable[..., Result]) -> None:
    """A volume (z, y, x) and sinograms of the same rows, each sliced along its own name of the rows."""
    doubled = 2 * np.repeat(values_of("a").mean(axis=0)[:, None, :], 16, axis=1)
    steps = ("smear, on: a, to: v", "flat, on: a, to: other", "add_mean, on: [v, a], to: joined, name: joined")
    assert np.allclose(run("a", steps[0], steps[2], block=2)["joined"], doubled, atol=1e-5)
    assert np.allclose(run("a", *steps, block=2)["joined"], doubled, atol=1e-5)


def test_rows_of_a_detector_stay_where_a_raster_has_heights(run: Callable[..., Result]) -> None:
    result = run("frames", "smear", block=7)
    assert result.datasets[-1].dataset.names == ("z", "detector_y", "detector_x", "y", "x")
    expected = values_of("frames").mean(axis=0).transpose(0, 2, 3, 1)
    assert np.allclose(result.data[..., 0, :], expected, atol=1e-6)


def test_estimator_gets_the_order_of_its_pattern(run: Callable[..., Result]) -> None:
    assert run("turned", "angles_seen, name: seen").estimates["seen"].value == 24


def test_companions_follow_the_order_of_every_pattern(run: Callable[..., Result]) -> None:
    result = run("square", "flat, on: square, to: p, name: p", "flat_turned, on: square, to: q, name: q", block=1)
    assert np.allclose(result["p"], result["q"])


def test_companions_along_an_axis_of_another_length_are_dropped(run: Callable[..., Result]) -> None:
    with pytest.raises(tomosaxs.TomosaxsError, match="came without 'flats'"):
        run("a", "bin_columns", "flat")


def test_equal_writers_have_folders_of_their_own(run: Callable[..., Result]) -> None:
    result = run("a", "write, name: one", "write, name: two")
    assert [place.name for place in result.side_outputs] == ["one", "two"]
    assert all(len(list(place.glob("*.npy"))) == 24 for place in result.side_outputs)
    with pytest.raises(KeyError, match="no dataset was saved"):
        _ = result.data


@pytest.mark.parametrize(
    ("names", "steps", "message"),
    [
        ("a short", ["subtract, on: [a, short], to: c"], r"same slices: a has .*24.* short has \(rotation_angle: 10"),
        ("a short", ["subtract_values, on: [a, short], to: c"], "its inputs differ: a has .*24.*: 10"),
        ("a image", ["subtract, on: [a, image], to: c"], "cannot be cut into the same slices"),
        ("a", ["two_ways, on: [a, a], to: c"], "takes a twice"),
        ("a", ["halo_inside"], "its halo runs along 'detector_y', which it gets whole"),
        ("a", ["angles_seen, name: n", "smooth, size: '${n}'"], r"smooth\.size: .*give a number"),
    ],
)
def test_refused_before_anything_runs(run: Callable[..., Result], names: str, steps: list[str], message: str) -> None:
    with pytest.raises(ListError, match=message):
        run(names, *steps, block=5)
