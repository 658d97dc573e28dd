"""Stage positions of a raster scan: coordinates of a grid, taken from one or two values a point."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import h5py
import numpy as np
from numpy.typing import NDArray

from tomosaxs import Axis, InputError, convert
from tomosaxs_plugins.loaders.hdf5 import is_number, numbers, units_of
from tomosaxs_plugins.loaders.links import Found

_WORST = 0.5
"""Largest deviation of a point from its grid line, in steps."""
_PLAIN = 0.02
"""Deviations up to here, in steps, are not worth a message."""


@dataclass(frozen=True, eq=False)
class Grid:
    """Coordinates along one axis, and the largest deviation of a point from them in steps."""

    values: NDArray[np.float64]
    deviation: float


def along(positions: NDArray[np.float64], sizes: Sequence[int], axis: int) -> Grid | None:
    """Return the coordinates along one axis of a raster, or None where the positions do not run along it.

    Parameters
    ----------
    positions : array
        One value a line of the axis, or one a point of the last axes of the raster.
    sizes : sequence of int
        Sizes of the raster's axes.
    axis : int
        Which of them.
    """
    if positions.ndim == 1 and len(positions) == sizes[axis]:
        lines, deviation = positions, 0.0
    elif positions.ndim > 1 and positions.shape == tuple(sizes[len(sizes) - positions.ndim :]):
        here = axis - (len(sizes) - positions.ndim)
        if here < 0:
            return None
        others = tuple(n for n in range(positions.ndim) if n != here)
        lines = positions.mean(axis=others)
        shape = [1] * positions.ndim
        shape[here] = len(lines)
        deviation = float(np.max(np.abs(positions - lines.reshape(shape))))
    else:
        return None
    if not np.all(np.isfinite(lines)):
        return None
    if len(lines) == 1:
        return Grid(lines, 0.0)
    step = float(np.abs(lines[-1] - lines[0])) / (len(lines) - 1)
    return Grid(lines, deviation / step) if step > 0 else None


def irregular(values: NDArray[np.float64]) -> float:
    """Return the largest deviation from equal steps, in steps."""
    if len(values) < 3:
        return 0.0
    even = np.linspace(values[0], values[-1], len(values))
    return float(np.max(np.abs(values - even)) / abs(even[1] - even[0]))


def _candidates(found: Found, entry: str, name: str) -> list[tuple[str, h5py.Dataset]]:
    homes = ("data", "sample", "sample/transformations")
    paths = [f"{entry.rstrip('/')}/{home}/{name}" for home in homes]
    return [(path, found.datasets[path]) for path in paths if path in found.datasets]


def stage_axis(
    file: str, found: Found, entry: str, name: str, sizes: Sequence[int], axis: int
) -> tuple[Axis, list[str]]:
    """Return one axis of the raster with its coordinates in metres, and what is to be said of them.

    The positions under the axis' own name are tried first, wherever they are stored; the first that vary
    along the axis are taken. Files exist in which those of x and y are exchanged in some of the places.

    Raises
    ------
    InputError
        When points lie off the grid by more than half a step.
    """
    size = sizes[axis]
    said: list[str] = []
    other = {"x": "y", "y": "x"}.get(name, "")
    own = _candidates(found, entry, name)
    for path, dataset in own + (_candidates(found, entry, other) if other and own else []):
        grid = along(numbers(dataset), sizes, axis) if is_number(dataset) else None
        if grid is None or grid.deviation > _WORST:
            said.append(_why_not(path, dataset, grid, name, size))
            continue
        if path.rsplit("/", 1)[1] != name:
            said.append(f"{path} varies along {name} and is taken for it: the names of the positions are exchanged")
        values, units, note = _metres(grid.values, dataset)
        notes = [f"{path} {note}"] if note else []
        if grid.deviation > _PLAIN:
            notes.append(f"{path}: points lie up to {grid.deviation:.2f} steps off the grid, which is averaged")
        if irregular(grid.values) > 0.1:
            notes.append(f"{path}: steps along {name} are not equal (up to {irregular(grid.values):.2f} steps off)")
        passed = said if path.rsplit("/", 1)[1] != name else []
        return Axis(name, size, values, units), passed + notes
    scattered = [text for text in said if "off the grid" in text]
    if scattered:
        raise InputError(f"{file}: {scattered[0]}: the points are no grid; give positions: none to number them instead")
    where = "; ".join(said[: len(own)]) if own else f"the file has no positions called {name}"
    return Axis(name, size, None, "px"), [f"axis {name} only counts points: {where}"]


def _why_not(path: str, dataset: h5py.Dataset, grid: Grid | None, name: str, size: int) -> str:
    if grid is not None:
        return f"{path} has points up to {grid.deviation:.2f} steps off the grid"
    return f"{path} {dataset.shape} does not run along {name} ({size} points)"


def _metres(values: NDArray[np.float64], dataset: h5py.Dataset) -> tuple[NDArray[np.float64], str, str]:
    units = units_of(dataset)
    if not units:
        return values, "", "has no units"
    try:
        return values * convert(1.0, units, "m"), "m", ""
    except InputError:
        return values, units, f"has the units {units!r}, which are no length"
