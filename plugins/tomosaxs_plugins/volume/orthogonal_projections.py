"""Estimator `orthogonal_projections`: a volume seen along z, y and x."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray

from tomosaxs import Dataset, Estimate, InputError, Param, VolumeSlices, contact_sheet, estimator
from tomosaxs_plugins.volume.selection import spread

_TILE = 32
_SHOWN = 640


def _select(data: Dataset, *, every: int, **_: Any) -> Mapping[str, Any]:
    heights = [name for name in data.names if name not in ("y", "x")]
    return {heights[-1]: spread(data.axis(heights[-1]).size, every, 1)} if heights and every > 1 else {}


def _check(data: Dataset, **_: Any) -> None:
    others = [name for name in data.names if name not in ("z", "y", "x")]
    if others:
        raise InputError(f"it takes one volume (z, y, x); the dataset has ({', '.join(data.names)})")


@estimator(select=_select, check=_check, tile=_TILE, memory=1.0)
@dataclass
class OrthogonalProjections:
    """Look through a volume along z, y and x: pictures of the mean, largest, least or summed values.

    The images stand in the result (estimates/NAME/details: along_z (y, x), along_y (z, x), along_x (z, y)) and as
    pictures in the report; the value says how the values of a line were brought together. With `every` the
    image along z is of the slices looked at, and the others have a row for each of those alone.
    """

    kind: Annotated[Literal["mean", "max", "min", "sum"], Param("what a line of values becomes")] = "mean"
    every: Annotated[int, Param("look at every so many slices; 1: at all", ge=1)] = 1
    along_z: NDArray[np.float32] = field(init=False, default_factory=lambda: np.empty((0, 0), np.float32))
    along_y: NDArray[np.float32] = field(init=False, default_factory=lambda: np.empty((0, 0), np.float32))
    along_x: NDArray[np.float32] = field(init=False, default_factory=lambda: np.empty((0, 0), np.float32))

    def update(self, data: VolumeSlices) -> None:
        """Project a tile."""
        self.along_z, self.along_y, self.along_x = (self._together(data, axis) for axis in range(3))

    def _together(self, data: Any, axis: int) -> NDArray[np.float32]:
        """Return sums for mean and sum (they are divided at the end), else the extreme value."""
        if self.kind == "max":
            return np.asarray(data.max(axis=axis), dtype=np.float32)
        if self.kind == "min":
            return np.asarray(data.min(axis=axis), dtype=np.float32)
        return np.asarray(data.sum(axis=axis, dtype=np.float64), dtype=np.float32)

    def combine(self, other: OrthogonalProjections) -> None:
        """Put another tile below."""
        join: Any = {"max": np.maximum, "min": np.minimum}.get(self.kind, np.add)
        self.along_z = join(self.along_z, other.along_z)
        self.along_y = np.concatenate([self.along_y, other.along_y])
        self.along_x = np.concatenate([self.along_x, other.along_x])

    def result(self) -> Estimate:
        """Return the images."""
        images = {"along_z": self.along_z, "along_y": self.along_y, "along_x": self.along_x}
        if self.kind == "mean":
            depths = (len(self.along_y), self.along_z.shape[0], self.along_z.shape[1])
            images = {name: image / np.float32(n) for (name, image), n in zip(images.items(), depths, strict=True)}
        pictures = {
            name: contact_sheet([(name.replace("_", " "), image)], tile=_SHOWN) for name, image in images.items()
        }
        return Estimate(self.kind, details=images, pictures=pictures)
