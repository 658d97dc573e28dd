"""Small plugins and lists for the tests of sweeps."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np

import tomosaxs
from tomosaxs.result import Result

PLUGINS = """
from pathlib import Path
from typing import Annotated
import numpy as np
from tomosaxs import Estimate, Param, Pointwise, Projections, Scan, Sinograms, Source, VolumeSlices
from tomosaxs import estimator, loader, plugin
from tomosaxs.dataset import ArrayReader, Axis, Dataset

CALLS = []

@loader
def array(path: Path) -> Source:
    "Projections."
    values = np.load(path)
    axes = tuple(Axis(n, s) for n, s in zip(("rotation_angle", "detector_y", "detector_x"), values.shape))
    return Source(Dataset(axes, values.dtype), ArrayReader(values), files=(path,))

@plugin
def first(data: Pointwise) -> Pointwise:
    "What lies before everything that is swept."
    CALLS.append(("first", len(data)))
    return data + 1

@plugin(halo={"rotation_angle": "size"})
def smooth(data: Projections, *, size: Annotated[int, Param("window", ge=1)] = 3) -> Projections:
    "Mean over neighbouring angles."
    CALLS.append(("smooth", len(data)))
    near = [data[max(0, i - size // 2) : i + size // 2 + 1] for i in range(len(data))]
    return np.stack([part.mean(axis=0) for part in near])

@plugin
def scale(data: Pointwise, *, factor: float = 1.0, offset: float = 0.0) -> Pointwise:
    "Factor and offset."
    CALLS.append(("scale", len(data)))
    return np.float32(factor) * data + np.float32(offset)

@plugin
def name_it(data: Pointwise, *, mode: Annotated[str, Param("word", choices=("up", "down"))] = "up") -> Pointwise:
    "Up or down."
    return data + 1 if mode == "up" else data - 1

@estimator
def brightest(data: Sinograms, *, power: float = 1.0) -> Estimate:
    "The largest value."
    return Estimate(float(data.max()) ** power)

@plugin
def add(data: Sinograms, *, value: float, more: float = 0.0) -> Sinograms:
    "Add a number."
    return data + np.float32(value) + np.float32(more)

@plugin
def subtract(one: Sinograms, other: Sinograms) -> Sinograms:
    "Difference."
    return one - other

def _square(dataset, **_):
    size = dataset.axis("detector_x").size
    return (Axis("y", size), Axis("x", size))

@plugin(shape=_square)
def smear(data: Sinograms) -> VolumeSlices:
    "A slice with the mean over the angles in every line."
    CALLS.append(("smear", len(data)))
    return np.repeat(data.mean(axis=1)[:, None, :], data.shape[2], axis=1)

def _cut(dataset, width, **_):
    return (Axis("y", width), Axis("x", width))

@plugin(shape=_cut)
def cut(data: VolumeSlices, *, width: int = 4) -> VolumeSlices:
    "The corner."
    return data[:, :width, :width]

@plugin(shape=lambda dataset, **_: (Axis("y", 2), Axis("x", 2)))
def corner(data: VolumeSlices) -> VolumeSlices:
    "Two by two."
    return data[:, :2, :2]

@plugin
def write(data: VolumeSlices, scan: Scan, *, factor: float = 1.0) -> None:
    "One file a slice."
    for number, image in zip(scan.index, data):
        np.save(scan.output / f"{number}.npy", factor * image)
"""
SHAPE = (20, 6, 8)


def _calls() -> list[list[tuple[str, int]]]:
    modules = [m for m in list(sys.modules.values()) if hasattr(m, "CALLS") and hasattr(m, "brightest")]
    return [module.CALLS for module in modules]


def calls_of(label: str) -> int:
    """Return on how many slices a plugin of the tests has worked since `forget_calls`."""
    return sum(count for calls in _calls() for name, count in calls if name == label)


def forget_calls() -> None:
    """Count anew."""
    for calls in _calls():
        calls.clear()


def given_values() -> Any:
    """Return the projections that the loader reads."""
    return np.random.default_rng(0).random(SHAPE).astype(np.float32)


def write_list(folder: Path, *steps: str) -> Path:
    """Write a list of flow-style steps of the plugins above, with them and the data beside it."""
    plugins = folder / "own.py"
    if not plugins.is_file():
        plugins.write_text(PLUGINS)
        np.save(folder / "scan.npy", given_values())
    text = "title: t\ninput:\n  a:\n    plugin: ./own.py:array\n    path: scan.npy\nsteps:\n"
    listing = folder / "list.yml"
    listing.write_text(text + "".join(f"  - {{plugin: ./own.py:{step}}}\n" for step in steps))
    return listing


def run_steps(folder: Path, *steps: str, out: str = "out", **options: Any) -> Result:
    """Run steps of the plugins above."""
    return tomosaxs.run(write_list(folder, *steps), output=folder / out, log=lambda line: None, **options)
