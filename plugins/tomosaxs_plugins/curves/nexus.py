"""Curves in NeXus files: results of tomosaxs, NXcanSAS and NXdata of others, one curve or many frames."""

from __future__ import annotations

import importlib
import importlib.util
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from tomosaxs_plugins.curves.curve import Curve, Floats, described, unit_name


@dataclass(frozen=True)
class CurveSet:
    """Curves that lie together in a file: one dataset whose axis `place` runs along the curve.

    Parameters
    ----------
    path : Path
        The file.
    group : str
        HDF5 path of the NXdata (SASdata) group.
    signal, coordinate, sigma : str
        Names in the group; `sigma` empty where there are no uncertainties.
    shape : tuple of int
        Of the whole dataset.
    place : int
        Axis along a curve.
    frame_axes : tuple of str
        Names of the others.
    """

    path: Path
    group: str
    signal: str
    coordinate: str
    sigma: str
    shape: tuple[int, ...]
    place: int
    frame_axes: tuple[str, ...]

    @property
    def frames(self) -> tuple[int, ...]:
        """Sizes of the axes that number the curves."""
        return self.shape[: self.place] + self.shape[self.place + 1 :]

    @property
    def count(self) -> int:
        """Number of curves."""
        return int(np.prod(self.frames, dtype=np.int64))

    def read(self, numbers: Iterable[int]) -> list[Curve]:
        """Return the curves of these flat numbers, in that order.

        Raises
        ------
        ValueError
            When a number does not exist, or the values cannot be decoded.
        """
        with _opened(self.path) as file:
            group = file[self.group]
            images = self._images(group)
            several = {name for name, count in Counter(images).items() if count > 1}
            return [self._one(group, number, images, several) for number in numbers]

    def _images(self, group: h5py.Group) -> list[str]:
        """Return the names of the images that the curves come from, or nothing; `tomosaxs integrate` writes them."""
        found = group.get("file")
        if not isinstance(found, h5py.Dataset) or h5py.check_string_dtype(found.dtype) is None:
            return []
        return [Path(_text(each)).stem for each in found[()]] if found.shape == self.frames else []

    def _one(self, group: h5py.Group, number: int, images: list[str], several: set[str]) -> Curve:
        if not 0 <= number < self.count:
            raise ValueError(f"{self.path}: {self.group} has {self.count} curves, there is no number {number}")
        frame = tuple(int(each) for each in np.unravel_index(number, self.frames)) if self.frames else ()
        x, y = group[self.coordinate], group[self.signal]
        values = self._part(y, frame)
        mask = group.get(_text(group.attrs.get("mask", "")) or "mask")
        if isinstance(mask, h5py.Dataset) and mask.shape == self.shape and mask.dtype.kind in "biu":
            values = np.where(self._part(mask, frame) != 0, np.nan, values)
        sigma = self._part(group[self.sigma], frame) if self.sigma else None
        name = self.path.stem
        where = ", ".join(f"{axis} {place}" for axis, place in zip(self.frame_axes, frame, strict=True))
        if images:
            name, where = images[number], where if images[number] in several else ""
        units = unit_name(_text(x.attrs.get("units", "")))
        x_name, guessed = described(f"{self.coordinate} {_text(x.attrs.get('long_name', ''))}")
        y_units = _text(y.attrs.get("units_as_computed", y.attrs.get("units", "")))
        return Curve(
            self._part(x, frame), values, sigma, f"{name}: {where}" if where else name,
            x_name or self.coordinate, units or guessed, "intensity", "" if y_units == "arbitrary" else y_units,
        )  # fmt: skip

    def _part(self, dataset: h5py.Dataset, frame: tuple[int, ...]) -> Floats:
        at = (*frame[: self.place], slice(None), *frame[self.place :])
        try:
            part = dataset[at] if dataset.shape == self.shape else dataset[()]
        except OSError as error:
            raise ValueError(f"{self.path}: {dataset.name} cannot be decoded: {error}") from None
        return np.asarray(part, dtype=np.float64).reshape(-1)


def curve_sets(path: Path) -> list[CurveSet]:
    """Return the curves of a NeXus file: those of its default NXdata and of every further NXcanSAS entry.

    Where the file says no default, or the default holds no curves, all groups with curves are taken.

    Raises
    ------
    ValueError
        When it is no HDF5 file, or holds no curves.
    """
    path = Path(path)
    with _opened(path) as file:
        groups: dict[str, h5py.Group] = {}

        def visit(name: str, item: Any) -> None:
            if isinstance(item, h5py.Group):
                groups[f"/{name}"] = item

        file.visititems(visit)
        found = {name: each for name, group in groups.items() if (each := _set_of(path, group)) is not None}
        default = _default(file)
        if default in found:
            entry = default.split("/")[1]
            others = [
                each
                for name, each in found.items()
                if name.split("/")[1] != entry and _text(groups[name].attrs.get("canSAS_class", "")) == "SASdata"
            ]
            return [found[default], *others]
        if not found:
            raise ValueError(f"{path} holds no curves: no NXdata group with a signal over q, 2 theta or the like")
        return list(found.values())


def read_nexus(path: Path, numbers: Iterable[int] | None = None, at_most: int = 0) -> tuple[list[Curve], int]:
    """Return curves of a NeXus file, and how many it holds.

    Parameters
    ----------
    path : Path
        The file.
    numbers : iterable of int, optional
        Flat numbers of the frames to read; default all.
    at_most : int, optional
        Read no more than so many, evenly spread; 0 reads all.
    """
    sets = curve_sets(path)
    ends = np.cumsum([each.count for each in sets])
    total = int(ends[-1])
    if numbers is None:
        some = at_most and at_most < total
        wanted = np.linspace(0, total - 1, at_most).round().astype(int) if some else np.arange(total)
    else:
        wanted = np.fromiter(numbers, dtype=int)
        wrong = wanted[(wanted < 0) | (wanted >= total)]
        if len(wrong):
            raise ValueError(f"{path} holds {total} curves, there is no number {wrong[0]} (the first is 0)")
    curves: list[Curve] = []
    for each, end in zip(sets, ends, strict=True):
        first = int(end) - each.count
        curves += each.read(int(n) - first for n in wanted if first <= n < end)
    return curves, total


def _opened(path: Path) -> h5py.File:
    if importlib.util.find_spec("hdf5plugin") is not None:
        importlib.import_module("hdf5plugin")  # registers the decoders of compressed data
    try:
        return h5py.File(path, "r")
    except FileNotFoundError:
        raise
    except OSError as error:
        raise ValueError(f"{path} cannot be read as HDF5: {error}") from None


def _text(value: Any) -> str:
    if isinstance(value, np.ndarray):
        value = value.ravel()[0] if value.size else ""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _texts(value: Any) -> list[str]:
    """Return names of an attribute: an array of text, or one text with commas or colons."""
    if isinstance(value, np.ndarray) and value.ndim:
        return [_text(each) for each in value]
    return [part.strip() for part in _text(value).replace(":", ",").split(",") if part.strip()]


def _default(file: h5py.File) -> str:
    """Follow the chain of ``default`` attributes; stop where it breaks."""
    group: h5py.Group = file
    while True:
        name = _text(group.attrs.get("default", ""))
        below = group.get(name) if name else None
        if not isinstance(below, h5py.Group):
            return str(group.name)
        group = below


def _set_of(path: Path, group: h5py.Group) -> CurveSet | None:
    """Return the curves of a group, or None where it holds none."""
    cansas = _text(group.attrs.get("canSAS_class", "")) == "SASdata"
    if not cansas and _text(group.attrs.get("NX_class", "")) != "NXdata":
        return None
    signal = _text(group.attrs.get("signal", "I" if cansas else ""))
    values = group.get(signal) if signal else None
    if not isinstance(values, h5py.Dataset) or values.ndim == 0 or values.dtype.kind not in "iuf":
        return None
    axes = _texts(group.attrs["axes"]) if "axes" in group.attrs else _texts(group.attrs.get("I_axes", ""))
    place, name = _along(group, axes, values, cansas)
    coordinate = group.get(name) if name else None
    if not isinstance(coordinate, h5py.Dataset) or coordinate.shape not in ((values.shape[place],), values.shape):
        return None
    named = axes if len(axes) == values.ndim else [f"axis{each}" for each in range(values.ndim)]
    frame_axes = tuple(each for number, each in enumerate(named) if number != place)
    return CurveSet(
        path, str(group.name), signal, name, _sigma(group, signal, values), tuple(values.shape), place, frame_axes
    )


def _along(group: h5py.Group, axes: list[str], values: h5py.Dataset, cansas: bool) -> tuple[int, str]:
    """Return which axis runs along the curve, and the name of its coordinate (empty where there is none)."""
    if cansas and "Q" in group:
        told = np.ravel(group.attrs.get("Q_indices", values.ndim - 1))
        scattering_image = len(told) > 1 and group["Q"].shape != values.shape
        return int(told[-1]) % values.ndim, "" if scattering_image else "Q"
    if len(axes) != values.ndim:
        return 0, ""
    last = axes[-1]
    known = described(last)[0] or last.lower() in ("energy", "channel")
    spectrum = _text(values.attrs.get("interpretation", "")) == "spectrum"
    return values.ndim - 1, last if values.ndim == 1 or known or spectrum else ""


def _sigma(group: h5py.Group, signal: str, values: h5py.Dataset) -> str:
    told = _text(values.attrs.get("uncertainties", values.attrs.get("uncertainty", "")))
    for name in (told, f"{signal}_errors", "errors", "Idev" if signal == "I" else ""):
        found = group.get(name) if name else None
        if isinstance(found, h5py.Dataset) and found.shape == values.shape:
            return name
    return ""
