"""Numbers that go with the points of a scattering scan: incident and transmitted beam, exposure, thickness."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import h5py
import numpy as np
from numpy.typing import NDArray

from tomosaxs import ArrayReader, Auxiliary, InputError, Quantity
from tomosaxs_plugins.loaders.hdf5 import is_number, numbers, units_of
from tomosaxs_plugins.loaders.links import dataset_at
from tomosaxs_plugins.loaders.scans.layout import Detector, own_contents

Floats = NDArray[np.float64]

_COUNTERS = {
    "monitor": ("i0", "monitor", "control", "io", "incident"),
    "transmitted": ("bsdiodes", "it", "bsdiode", "diode", "transmitted", "i1"),
}
_SAMPLE = {"transmission": ("transmission",), "thickness": ("thickness",)}
_EXPOSURE = ("count_time", "exposure_time", "acquisition_time")
PLAIN = {"monitor": "counts", "transmitted": "counts", "count_time": "s"}
"""Units of what comes without."""


@dataclass(frozen=True, eq=False)
class Values:
    """One companion of one file.

    Parameters
    ----------
    path : str
    values : array
        One number, or one a frame in the order in which they are stored (NaN where there is none).
    units : str
    note : str
    """

    path: str
    values: Floats
    units: str
    note: str = ""


def find_values(
    detector: Detector, given: Mapping[str, str], channels: Mapping[str, int]
) -> tuple[dict[str, Values], list[str]]:
    """Return the companions of a file by name, and messages.

    Parameters
    ----------
    given : mapping of str to str
        HDF5 paths for names that the list gives; ``none`` to leave one out.
    channels : mapping of str to int
        Channel of counters that have several, from 0.

    Raises
    ------
    InputError
        When something that the list gives is missing or fits no point of the scan.
    """
    made: dict[str, Values] = {}
    said: list[str] = []
    for name, path in {**_found(detector), **given}.items():
        if path == "none":
            continue
        dataset = dataset_at(detector.file, path, f"companions {name}")
        values, fault = _per_frame(dataset, detector, channels.get(name))
        if values is None:
            text = f"{dataset.name} {dataset.shape} {fault}"
            if name in given:
                raise InputError(f"{detector.file.path}: {text}", parameter="companions")
            said.append(f"{name} ignored: {text}")
            continue
        made[name] = Values(str(dataset.name), values, units_of(dataset) or PLAIN.get(name, ""), fault)
    return made, said


def _found(detector: Detector) -> dict[str, str]:
    """Return where a file keeps the companions that corrections ask for."""
    found = detector.found
    lower = {path.lower(): path for path in found.datasets}
    wanted: dict[str, list[str]] = {}
    for name, groups in _COUNTERS.items():
        homes = [
            f"{base}{inner}/{group}" for group in groups for base in detector.bases for inner in ("", "/instrument")
        ]
        wanted[name] = [f"{home}/{leaf}" for home in homes for leaf in ("data", "value", "integral")]
        wanted[name] += [f"/{group}_data" for group in groups]
    for name, leaves in _SAMPLE.items():
        places = [
            f"{base}/{inner}{leaf}" for leaf in leaves for base in detector.bases for inner in ("sample/", "", "data/")
        ]
        wanted[name] = places + [f"{place}/data" for place in places]
    own = [own_contents(detector)[1], *detector.homes]
    own += [f"{base}/instrument/{one}" for base in detector.bases for one in detector.names]
    own += [f"{base}/instrument/detector" for base in detector.bases] + [""]
    wanted["count_time"] = [f"{home}/{leaf}" for home in own for leaf in _EXPOSURE]
    result = {}
    for name, places in wanted.items():
        path = next((lower[place.lower()] for place in places if place.lower() in lower), None)
        if path is not None and path not in detector.paths and is_number(found.datasets[path]):
            result[name] = path
    return result


def _per_frame(dataset: h5py.Dataset, detector: Detector, channel: int | None) -> tuple[Floats | None, str]:
    """Return one value, or one a frame, and a note; None and why not where it fits no frame."""
    stored = detector.points
    if not is_number(dataset):
        return None, "holds no numbers"
    if dataset.size == 1:
        return numbers(dataset).reshape(()), ""
    rank = len(stored)
    flat_grid = rank == 1 and dataset.ndim >= 2 and dataset.shape[0] < stored[0] <= math.prod(dataset.shape)
    if flat_grid:
        rank = next(n for n in range(1, dataset.ndim + 1) if math.prod(dataset.shape[:n]) >= stored[0])
    elif dataset.ndim < rank or dataset.shape[1:rank] != stored[1:rank]:
        if dataset.ndim == 1 and rank > 1 and dataset.size == math.prod(stored):
            return numbers(dataset), ""
        return None, f"does not fit the {stored} frames"
    if dataset.ndim - rank > 2 or dataset.size > 10**9:
        return None, "has more dimensions than a counter"
    values, note = _of_channel(dataset, rank, channel)
    if values is None:
        return None, note
    if flat_grid:
        return _cut(values.reshape(-1), (stored[0],)), note
    return _cut(values, stored).reshape(-1), note


def _of_channel(dataset: h5py.Dataset, rank: int, channel: int | None) -> tuple[Floats | None, str]:
    """Return one channel of a counter, averaged over its readings."""
    more = dataset.shape[rank:]
    note = ""
    try:
        if more and more[-1] > 1:
            if channel is None:
                return None, f"has {more[-1]} values a point"
            if not 0 <= channel < more[-1]:
                return None, f"has the channels 0 to {more[-1] - 1}, not {channel}"
            values = np.asarray(dataset[..., channel], dtype=np.float64)
            note = f"channel {channel} of {more[-1]}, counted from 0"
        else:
            values = np.asarray(dataset[()], dtype=np.float64)
    except (OSError, RuntimeError) as error:
        raise InputError(f"{dataset.file.filename}: {dataset.name} cannot be read: {error}") from None
    extra = tuple(range(rank, values.ndim))
    if any(values.shape[axis] > 1 for axis in extra):
        note += f"{', ' if note else ''}mean of {math.prod(values.shape[axis] for axis in extra)} readings"
    return values.mean(axis=extra) if extra else values, note


def _cut(values: Floats, shape: tuple[int, ...]) -> Floats:
    out = np.full(shape, np.nan)
    common = tuple(slice(min(a, b)) for a, b in zip(values.shape, shape, strict=True))
    out[common] = values[common]
    return out


def on_grid(
    name: str, every: Sequence[Values | None], where: NDArray[np.int64], axes: Sequence[str], stacked: bool
) -> Auxiliary | Quantity | None:
    """Return a companion of all files on the common grid: one number where it is the same everywhere.

    Parameters
    ----------
    every : sequence of Values or None
        Those of every file.
    where : int array
        (files, \\*grid) frames of every point.
    axes : sequence of str
        Names of the axes of the grid, those of the files in front where there are several.
    stacked : bool
        Whether the files have an axis of their own.
    """
    known = [each for each in every if each is not None]
    if not known:
        return None
    units = known[0].units
    whole = all(each.values.ndim == 0 for each in known)
    if whole:
        single = np.array([np.nan if each is None else float(each.values) for each in every])
        same = np.unique(single[np.isfinite(single)])
        if len(same) == 1 and name not in ("monitor", "transmitted"):
            return Quantity(float(same[0]), units)
        if stacked and name not in ("monitor", "transmitted"):
            return Auxiliary((axes[0],), ArrayReader(single), units)
    out = np.full(where.shape, np.nan)
    for number, each in enumerate(every):
        if each is None:
            continue
        frames = where[number]
        there = frames >= 0
        out[number][there] = each.values if each.values.ndim == 0 else each.values[frames[there]]
    return Auxiliary(tuple(axes), ArrayReader(out if stacked else out[0]), units)
