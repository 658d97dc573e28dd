"""What steps share that move the pixels of frames: their axes, and flats that would not be moved along."""

from __future__ import annotations

from typing import Any

import numpy as np

from tomosaxs import Axis, Dataset, InputError, Output, Source

REFERENCES = ("flats", "darks", "flat_weights", "monitor_flats")


def moved(data: Dataset, **_: Any) -> Output:
    """Return the description of moved frames: flats and darks no longer belong to them."""
    axes = tuple(axis for axis in data.axes if axis.name in frame_axes(data))
    return Output(axes, "float32", data.label, data.units, drop=REFERENCES)


def working_memory(slices: int, data: Dataset, **_: Any) -> float:
    """Return the bytes that moving takes: the block, the same in float32, spline coefficients and the output."""
    pixels = 1
    for name in frame_axes(data):
        pixels *= data.axis(name).size
    return float(slices * pixels * (data.dtype.itemsize + 3 * 4))


def warn_of_references(data: Dataset, source: Source | None, **_: Any) -> list[str]:
    """Warn where flats and darks still wait for their use."""
    if "flats" not in data.auxiliaries:
        return []
    return ["the flats and darks of the data are not moved along and cannot be used after this step: put it after "
            "dark_flat_correction"]  # fmt: skip


def frame_axes(data: Dataset) -> tuple[str, str]:
    """Return the names of rows and columns of a frame."""
    both = "detector_y" in data.names and "detector_x" in data.names
    return ("detector_y", "detector_x") if both else ("y", "x")


def even_axis(axis: Axis) -> tuple[float, float]:
    """Return the place of the first entry in the full, unbinned frame, and the distance of the entries.

    Raises
    ------
    InputError
        When entries are left out in between.
    """
    if len(np.unique(np.diff(axis.index))) > 1:
        raise InputError(f"the crop of {axis.name} leaves entries out in between: take a range with one step")
    return float(axis.centres[0]), axis.pitch
