"""Where the slices of a block lie in a volume, or in one of several, and how large a voxel is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from tomosaxs import Axis, Dataset, InputError, Scan, convert


@dataclass(frozen=True)
class Run:
    """Neighbouring slices of a block that lie in one volume.

    Parameters
    ----------
    place : tuple of int
        Which volume: position along every axis before the heights.
    low, high : int
        Heights [low, high) in that volume.
    first : int
        Place of the first slice in the block.
    """

    place: tuple[int, ...]
    low: int
    high: int
    first: int

    @property
    def within(self) -> slice:
        """Place in the block."""
        return slice(self.first, self.first + self.high - self.low)


@dataclass(frozen=True, eq=False)
class Layout:
    """One volume, or one for every position along further axes such as time.

    Parameters
    ----------
    outer : tuple of Axis
        Axes before the heights.
    z : Axis or None
        Heights; None where the dataset is a single slice.
    y, x : Axis
        Axes of a slice.
    """

    outer: tuple[Axis, ...]
    z: Axis | None
    y: Axis
    x: Axis

    @property
    def heights(self) -> int:
        """Number of slices of a volume."""
        return 1 if self.z is None else self.z.size

    @property
    def shape(self) -> tuple[int, int, int]:
        """(z, y, x) of one volume."""
        return self.heights, self.y.size, self.x.size

    def runs(self, scan: Scan) -> Iterator[Run]:
        """Yield the slices of a block, volume by volume."""
        outer, heights = np.divmod(scan.index, self.heights)
        sizes = [axis.size for axis in self.outer]
        cuts = [0, *(np.flatnonzero(np.diff(scan.index) != 1) + 1), *(np.flatnonzero(np.diff(outer)) + 1)]
        starts = sorted({int(cut) for cut in cuts})
        for first, last in zip(starts, [*starts[1:], len(scan.index)], strict=True):
            if last > first:
                place = tuple(int(n) for n in np.unravel_index(int(outer[first]), sizes)) if sizes else ()
                yield Run(place, int(heights[first]), int(heights[first]) + last - first, first)

    def label(self, place: tuple[int, ...]) -> str:
        """Return what distinguishes a volume in file names: nothing, or axes with their numbers."""
        return "".join(f"_{axis.name}{int(axis.index[n]):04d}" for axis, n in zip(self.outer, place, strict=True))


def layout_of(dataset: Dataset) -> Layout:
    """Return the layout of a dataset of slices: the last axis that is not y or x holds the heights."""
    sliced = [axis for axis in dataset.axes if axis.name not in ("y", "x")]
    return Layout(tuple(sliced[:-1]), sliced[-1] if sliced else None, dataset.axis("y"), dataset.axis("x"))


def step_um(axis: Axis | None) -> float:
    """Return the distance of neighbouring entries in micrometres, 0 where it is not known."""
    if axis is None or axis.values is None or axis.size < 2:
        return 0.0
    try:
        step = abs(convert(float(axis.values[-1] - axis.values[0]) / (axis.size - 1), axis.units, "um"))
    except InputError:
        return 0.0
    return float(f"{step:.12g}")  # 1.5, not 1.4999999999999998


def voxel_um(layout: Layout) -> tuple[float, float, float]:
    """Return the size of a voxel along z, y and x in micrometres, 0 where it is not known.

    The height of a volume that has one slice alone is taken to be that of a cube.
    """
    y, x = step_um(layout.y), step_um(layout.x)
    z = step_um(layout.z)
    return (x if not z and layout.heights == 1 else z), y, x
