"""Binning: neighbouring entries of an axis become one, their mean, while they are read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tomosaxs.dataset import Auxiliary, Axis, Reader, Selection, Source
from tomosaxs.errors import InputError, did_you_mean

_PIECE = 1 << 26
"""Bytes that are read at a time: a bin of frames is many times the memory of what it becomes."""


def bin_source(source: Source, factors: Mapping[str, int]) -> Source:
    """Return the source with `factors` neighbours of each named axis as one.

    Counts become mean counts (float32), coordinates the mean of theirs; uncertainties those of the mean. Entries left
    over at the end of an axis are left out. What goes with the data (flats, darks, a monitor) is binned alike; a mask
    hides a bin that holds any hidden pixel.

    Parameters
    ----------
    source : Source
        After the crop.
    factors : mapping of axis name to int

    Raises
    ------
    InputError
        When there is no such axis, it is shorter than a bin, or its entries are uneven or in no order.
    """
    axes = source.dataset.axes
    for name in factors:
        source.dataset.axis(name)
    factors = {name: factor for name, factor in factors.items() if factor > 1}
    if not factors:
        return source
    dataset = source.dataset
    auxiliaries = {name: _auxiliary(each, factors) for name, each in dataset.auxiliaries.items()}
    binned = [factors.get(axis.name, 1) for axis in axes]
    reader = BinnedReader(source.reader, tuple(binned))
    sigma = source.uncertainty
    return replace(
        source,
        dataset=replace(
            dataset,
            axes=tuple(_axis(axis, factor) for axis, factor in zip(axes, binned, strict=True)),
            dtype=reader.dtype,
            auxiliaries=auxiliaries,
        ),
        reader=reader,
        uncertainty=None if sigma is None else BinnedReader(sigma, tuple(binned), squares=True),
    )


def check_bin(given: Any, axes: tuple[str, ...] | None = None) -> list[tuple[str, str]]:
    """Return what is wrong with ``bin:`` of a list, as (message, axis) pairs."""
    if not isinstance(given, Mapping):
        return [(f"expected a mapping of axes, for instance {{detector_y: 2, detector_x: 2}}, got {given!r:.60}", "")]
    faults = []
    for axis, factor in given.items():
        if isinstance(factor, bool) or not isinstance(factor, int) or factor < 1:
            faults.append((f"{axis}: expected a whole number from 1, got {factor!r:.60}", str(axis)))
        elif axes is not None and axis not in axes:
            faults.append((f"the dataset has no axis {axis!r}{did_you_mean(str(axis), axes)}", str(axis)))
    return faults


def _axis(axis: Axis, factor: int) -> Axis:
    if factor == 1:
        return axis
    count = axis.size // factor
    if count == 0:
        raise InputError(f"axis {axis.name} has {axis.size} entries, fewer than a bin of {factor}")
    steps = np.unique(np.diff(axis.index))
    if len(steps) > 1:
        raise InputError(f"axis {axis.name} is not evenly taken, so that its entries cannot be binned")
    values = axis.values
    if values is not None:
        if len({bool(up) for up in np.diff(values) > 0}) > 1:
            raise InputError(
                f"the coordinates of {axis.name} go up and down: neighbours do not belong together and cannot be binned"
            )
        values = values[: count * factor].reshape(count, factor).mean(axis=1)
    wide = (factor - 1) * (int(steps[0]) if len(steps) else 1) + axis.binning
    return replace(axis, size=count, values=values, index=axis.index[: count * factor : factor], binning=wide)


def _auxiliary(auxiliary: Auxiliary, factors: Mapping[str, int]) -> Auxiliary:
    binned = tuple(factors.get(name, 1) for name in auxiliary.axes)
    if all(factor == 1 for factor in binned):
        return auxiliary
    return replace(auxiliary, reader=BinnedReader(auxiliary.reader, binned))


@dataclass(frozen=True, eq=False)
class BinnedReader:
    """A reader of means over neighbours.

    Parameters
    ----------
    whole : Reader
        What is binned.
    factors : tuple of int
        One a dimension.
    squares : bool
        The values are standard uncertainties: the root of the sum of their squares, over the number.
    """

    whole: Reader
    factors: tuple[int, ...]
    squares: bool = False

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape after binning."""
        return tuple(size // factor for size, factor in zip(self.whole.shape, self.factors, strict=True))

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the means: 64 bits where the values have them, masks stay masks."""
        old = self.whole.dtype
        return old if old.kind == "b" or old == np.float64 else np.dtype(np.float32)

    def read(self, selection: tuple[Selection, ...]) -> NDArray[Any]:
        """Return the selected bins."""
        places = [np.arange(size, dtype=np.intp)[part] for size, part in zip(self.shape, selection, strict=True)]
        out = np.empty([len(each) for each in places], dtype=self.dtype)
        if out.size == 0:
            return out
        raw = self.whole.dtype.itemsize * int(np.prod(self.factors, dtype=np.int64)) * (out.size // len(places[0]))
        step = max(1, _PIECE // max(raw, 1))
        for first in range(0, len(places[0]), step):
            piece = [places[0][first : first + step], *places[1:]]
            out[first : first + step] = self._means(self.whole.read(self._wanted(piece)))
        return out

    def _wanted(self, places: list[NDArray[np.intp]]) -> tuple[Selection, ...]:
        """Return the entries that make up the bins; a slice where they lie in a row, which files read faster."""
        found: list[Selection] = []
        for chosen, factor in zip(places, self.factors, strict=True):
            if len(chosen) == chosen[-1] - chosen[0] + 1:
                found.append(slice(int(chosen[0]) * factor, (int(chosen[-1]) + 1) * factor, 1))
            else:
                found.append((chosen[:, None] * factor + np.arange(factor)).ravel())
        return tuple(found)

    def _means(self, values: NDArray[Any]) -> NDArray[Any]:
        part = values
        if self.dtype.kind != "b":
            part = np.square(values, dtype=self.dtype) if self.squares else values
        for axis, factor in enumerate(self.factors):
            if factor == 1:
                continue
            along = np.moveaxis(part, axis, 0)
            total = along[::factor].astype(self.dtype)
            for shift in range(1, factor):
                if self.dtype.kind == "b":
                    total |= along[shift::factor]
                else:
                    total += along[shift::factor]
            part = np.moveaxis(total, 0, axis)
        if self.dtype.kind == "b":
            return part
        count = float(np.prod(self.factors, dtype=np.int64))
        if self.squares:
            return np.asarray(np.sqrt(part) / self.dtype.type(count))
        part *= self.dtype.type(1.0 / count)
        return part
