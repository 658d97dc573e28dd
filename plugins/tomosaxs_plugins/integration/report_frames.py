"""A frame to show: the mean of a few frames of the input, as they were read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tomosaxs import Dataset
from tomosaxs_plugins.integration.engine.frames import Frames
from tomosaxs_plugins.integration.masks import unusable_to_nan

_AT_MOST = 8
_CORE = ("detector_y", "detector_x")


@dataclass(frozen=True, eq=False)
class MeanFrame:
    """(rows, columns) means, NaN where no frame had a usable value; and in words what they are."""

    values: NDArray[np.float64]
    told: str


def mean_frame(node: Any, frames: Frames) -> MeanFrame:
    """Return the mean of up to eight frames, evenly spread over the scan, of the input that a dataset comes from.

    Raises
    ------
    ValueError
        When the input's frames have another shape than those that were integrated.
    """
    steps = []
    while node.source is None:
        if node.made_by is None:
            raise ValueError(f"where {node.name} comes from is not known")
        steps.append(node.made_by.label)
        node = node.made_by.inputs[0]
    dataset: Dataset = node.source.dataset
    if any(name not in dataset.names for name in _CORE):
        raise ValueError(f"the input {node.name} has the axes {', '.join(dataset.names)}: no frames")
    shape = tuple(dataset.axis(name).size for name in _CORE)
    if shape != frames.shape:
        raise ValueError(f"the input's frames have {shape[0]} x {shape[1]} pixels, those integrated {frames.shape}")
    chosen, count = _chosen(dataset)
    total, number = np.zeros(shape), np.zeros(shape)
    for flat in chosen:
        frame = _frame(node.source.reader, dataset, flat)
        usable = unusable_to_nan(frame[None], frames.below, frames.above, frames.gaps)[0]
        finite = np.isfinite(usable)
        total[finite] += usable[finite]
        number += finite
    mean = np.where(number > 0, total / np.maximum(number, 1), np.nan)
    told = f"Mean of {len(chosen)} of {count} frames of {node.name}" if count > 1 else f"The frame of {node.name}"
    if steps:
        told += f", as read: before {', '.join(reversed(steps))}"
    return MeanFrame(mean, told)


def _chosen(dataset: Dataset) -> tuple[list[int], int]:
    """Return flat numbers of evenly spread frames that were measured, and how many frames there are."""
    sizes = [axis.size for axis in dataset.axes if axis.name not in _CORE]
    count = int(np.prod(sizes, dtype=np.int64))
    there = np.arange(count)
    missing = dataset.auxiliaries.get("missing")
    names = [name for name in dataset.names if name not in _CORE]
    if missing is not None and set(missing.axes) == set(names):
        values = missing.reader.read(tuple(slice(None) for _ in missing.axes))
        order = [missing.axes.index(name) for name in names]
        measured = np.transpose(values, order).reshape(-1) == 0
        there = there[measured] if measured.any() else there
    spread = np.linspace(0, len(there) - 1, min(_AT_MOST, len(there))).round().astype(int)
    return [int(there[each]) for each in np.unique(spread)], count


def _frame(reader: Any, dataset: Dataset, flat: int) -> NDArray[Any]:
    """Read one frame as (rows, columns)."""
    scan = [axis for axis in dataset.axes if axis.name not in _CORE]
    places = np.unravel_index(flat, [axis.size for axis in scan]) if scan else ()
    at = {axis.name: slice(int(place), int(place) + 1) for axis, place in zip(scan, places, strict=True)}
    part = reader.read(tuple(at.get(name, slice(None)) for name in dataset.names))
    kept = [name for name in dataset.names if name in _CORE]
    frame = part.reshape([dataset.axis(name).size for name in kept])
    return np.asarray(frame if tuple(kept) == _CORE else frame.T)
