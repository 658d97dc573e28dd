"""What the savers of curves share: which datasets are curves, and how the file of a frame is called."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from tomosaxs import Axis, Dataset, InputError, Result, SavedDataset
from tomosaxs_plugins.curves.curve import Curve, unit_name

_COORDINATES = ("q", "two_theta", "radius", "d_spacing", "azimuth")


def check_curves(datasets: Mapping[str, Dataset], dataset: str = "", prefix: str = "") -> None:
    """Refuse a dataset that will not be there or holds no curves, and a prefix that is no file name.

    Raises
    ------
    InputError
        With the parameter at fault.
    """
    if dataset and dataset not in datasets:
        raise InputError(
            f"no dataset {dataset!r} is saved; there are {', '.join(datasets) or 'none'}", parameter="dataset"
        )
    if not any(holds_curves(each) for name, each in datasets.items() if dataset in ("", name)):
        told = ", ".join(f"{name} ({', '.join(each.names)})" for name, each in datasets.items()) or "nothing"
        raise InputError(f"it writes curves, over q or another coordinate; saved is {told}", parameter="dataset")
    if prefix and Path(prefix).name != prefix:
        raise InputError(f"prefix {prefix!r} must be a plain file name, without folders", parameter="prefix")


def holds_curves(dataset: Dataset) -> bool:
    """Return whether the last axis is the coordinate of a curve; cakes (azimuth, q) are pictures."""
    names = dataset.names
    if not names or names[-1] not in _COORDINATES or dataset.axes[-1].values is None:
        return False
    return not (len(names) > 1 and names[-2] == "azimuth")


def curves_of(result: Result, saver: str, dataset: str, prefix: str, most: int = 0) -> Iterator[tuple[str, Curve]]:
    """Give (file name without suffix, curve) of every frame that has values.

    With `most` at most so many evenly spread frames of every dataset are looked at.
    What is left out is told in the result's messages: frames without a single value, or that there are no curves.
    """
    chosen = [each for each in result.datasets if holds_curves(each.dataset) and dataset in ("", each.name)]
    if not chosen:
        result.messages.append(f"output {saver}: the result holds no curves, so no file was written")
    for saved in chosen:
        base = prefix or (result.inputs[0].name if result.inputs else saved.name)
        own = f"_{saved.name}" if len(chosen) > 1 else ""
        yield from _frames(result, saved, saver, (base, own), most)


def _frames(
    result: Result, saved: SavedDataset, saver: str, name_parts: tuple[str, str], most: int
) -> Iterator[tuple[str, Curve]]:
    base, own = name_parts  # own tells the files of several datasets apart
    dataset, axis = saved.dataset, saved.dataset.axes[-1]
    values, sigma = saved.values(), saved.sigma()
    table = values.reshape(-1, axis.size)
    sigmas = None if sigma is None else sigma.reshape(-1, axis.size)
    stems = [f"{stem}{own}" for stem in file_stems(result, dataset.axes[:-1])]
    names = stems or _numbered(f"{base}{own}", dataset)
    looked_at: Sequence[int] = range(len(names))
    if most and most < len(names):
        looked_at = np.unique(np.linspace(0, len(names) - 1, most).round().astype(int)).tolist()
    empty = 0
    for number in looked_at:
        name = names[number]
        if not np.isfinite(table[number]).any():
            empty += 1
            continue
        yield name, Curve(
            np.asarray(axis.values), table[number], None if sigmas is None else sigmas[number], name,
            axis.name, unit_name(axis.units), dataset.label, dataset.units,
        )  # fmt: skip
    if empty:
        result.messages.append(f"output {saver}: {empty} of {len(looked_at)} curves of {saved.name} are empty: no file")


def _numbered(base: str, dataset: Dataset) -> list[str]:
    """Return names with the place of every frame along the uncropped axes: saxs_0003_0007."""
    axes = dataset.axes[:-1]
    shape = tuple(axis.size for axis in axes)
    digits = [max(4, len(str(axis.full_size - 1))) for axis in axes]
    places = [axis.index[where] for axis, where in zip(axes, np.indices(shape).reshape(len(axes), -1), strict=True)]
    rows = zip(*places, strict=True) if axes else iter([()])
    return ["_".join([base, *(f"{n:0{d}d}" for n, d in zip(row, digits, strict=True))]) for row in rows]


def file_stems(result: Result, axes: Sequence[Axis]) -> list[str]:
    """Return the names of the images that the frames along `axes` come from, where one file is one frame; else nothing.

    Only loaders that number frames as they list files can be asked: `image_files`, and others whose only scan
    axis is called frame. Files of equal names in several folders are told apart by the folders: their parts
    joined with ``_``.
    """
    if len(result.inputs) != 1:
        return []
    (origin,) = result.inputs
    order = [axis for name in origin.axes for axis in axes if axis.name == name]
    if len(order) != len(axes) or not (origin.plugin == "image_files" or [a.name for a in axes] == ["frame"]):
        return []
    stems = _stems([path for path, _, _ in origin.files])
    full = [axis.full_size for axis in order]
    if len(stems) < 2 or len(stems) != int(np.prod(full, dtype=np.int64)):
        return []
    places = np.meshgrid(*(axis.index for axis in axes), indexing="ij")
    known = {axis.name: place.reshape(-1) for axis, place in zip(axes, places, strict=True)}
    flat = np.ravel_multi_index([known[axis.name] for axis in order], full)
    return [stems[each] for each in flat]


def _stems(files: list[Path]) -> list[str]:
    """Return names that tell the files apart, without their suffixes; nothing where only suffixes do."""
    stems = [path.stem for path in files]
    if len(set(stems)) < len(stems):
        top = os.path.commonpath([str(path.parent) for path in files])
        stems = ["_".join(path.relative_to(top).with_suffix("").parts) for path in files]
    return stems if len(set(stems)) == len(stems) else []
