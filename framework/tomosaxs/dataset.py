"""N-dimensional data with named axes: descriptions, lazy readers and what goes with them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol, TypeAlias, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from tomosaxs.errors import InputError, did_you_mean

Selection: TypeAlias = "slice | NDArray[np.intp]"
"""Part of one axis: a slice with a positive step, or increasing indices."""


@dataclass(frozen=True, eq=False)
class Axis:
    """One named axis of a dataset.

    Parameters
    ----------
    name : str
        For instance ``rotation_angle``, ``detector_y``, ``detector_x``, ``y``, ``x``, ``z``, ``q``.
    size : int
        Number of entries.
    values : (size,) float64 array or None
        Coordinates in `units`; None where the axis only counts pixels.
    units : str
        For instance ``deg``, ``m``, ``nm^-1``, ``px``.
    index : (size,) int array, optional
        Position of every entry in the full, uncropped axis; default 0 .. size - 1.
    full_size : int, optional
        Size of the full, uncropped axis.
    binning : int, optional
        How many entries of the full axis one entry is the mean of; `index` is the place of the first of them.
    labels : tuple of (name, units, description), optional
        Of an axis whose entries are quantities of their own, the columns of a table: one an entry. The result then has
        every one of them as data of its own besides, named and with its units.
    """

    name: str
    size: int
    values: NDArray[Any] | None = None
    units: str = ""
    index: NDArray[np.intp] = field(default_factory=lambda: np.empty(0, dtype=np.intp))
    full_size: int = 0
    binning: int = 1
    labels: tuple[tuple[str, str, str], ...] = ()

    def __post_init__(self) -> None:
        if len(self.index) == 0:
            object.__setattr__(self, "index", np.arange(self.size, dtype=np.intp))
        if not self.full_size:
            object.__setattr__(self, "full_size", int(self.size))
        if self.values is not None:
            object.__setattr__(self, "values", np.asarray(self.values, dtype=np.float64))
        if self.values is not None and len(self.values) != self.size:
            raise InputError(f"axis {self.name}: {len(self.values)} values for {self.size} entries")
        if len(self.index) != self.size:
            raise InputError(f"axis {self.name}: {len(self.index)} positions for {self.size} entries")
        if self.labels and len(self.labels) != self.size:
            raise InputError(f"axis {self.name}: {len(self.labels)} labels for {self.size} entries")

    @property
    def centres(self) -> NDArray[np.float64]:
        """(size,) places of the entries in the full, unbinned axis, in 0-based pixel centres."""
        return np.asarray(self.index + (self.binning - 1) / 2, dtype=np.float64)

    @property
    def pitch(self) -> float:
        """Distance of neighbouring entries in entries of the full axis: 1 unless binned or taken with a step."""
        if self.size < 2:
            return float(self.binning)
        return float(self.index[-1] - self.index[0]) / (self.size - 1)

    def select(self, selection: Selection) -> Axis:
        """Return the part of the axis that `selection` takes; positions stay absolute."""
        index = self.index[selection]
        values = None if self.values is None else self.values[selection]
        labels = tuple(self.labels[place] for place in np.arange(self.size)[selection]) if self.labels else ()
        return replace(self, size=len(index), values=values, index=index, labels=labels)

    def renamed(self, name: str) -> Axis:
        """Return the same axis under another name."""
        return replace(self, name=name)


@runtime_checkable
class Reader(Protocol):
    """Anything that can be read in parts: an array, an HDF5 dataset, a stored result.

    A reader may have a method ``read_into(selection, out)`` that writes into an array instead of returning one, and two
    attributes more: ``compressed`` (bool: chunks are decoded whole to read a part) and
    ``notes`` (dict of text to count: what the user should know of what was read, for instance damaged frames;
    ``{count}`` in the text stands for the sum). The runner takes the notes into log and report.
    """

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the whole."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the entries."""

    def read(self, selection: tuple[Selection, ...]) -> NDArray[Any]:
        """Return the selected part, one selection an axis, as an array of the same rank."""


@dataclass(frozen=True, eq=False)
class ArrayReader:
    """A reader over an array in memory (or a memory map)."""

    array: NDArray[Any]

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the array."""
        return self.array.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the entries."""
        return self.array.dtype

    def read(self, selection: tuple[Selection, ...]) -> NDArray[Any]:
        """Return the selected part; axes are selected independently of each other."""
        part = self.array
        for number, chosen in enumerate(selection):
            part = part[(slice(None),) * number + (chosen,)]
        return part


@dataclass(frozen=True, eq=False)
class CroppedReader:
    """Part of another reader, itself readable in parts."""

    whole: Reader
    crop: tuple[Selection, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the part."""
        return tuple(
            len(range(size)[chosen]) if isinstance(chosen, slice) else len(chosen)
            for size, chosen in zip(self.whole.shape, self.crop, strict=True)
        )

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the entries."""
        return self.whole.dtype

    def read(self, selection: tuple[Selection, ...]) -> NDArray[Any]:
        """Return a part of the part."""
        return self.whole.read(self._composed(selection))

    def read_into(self, selection: tuple[Selection, ...], out: NDArray[Any]) -> None:
        """Write a part of the part into `out`."""
        read_into(self.whole, self._composed(selection), out)

    def _composed(self, selection: tuple[Selection, ...]) -> tuple[Selection, ...]:
        return tuple(
            compose(size, crop, chosen)
            for size, crop, chosen in zip(self.whole.shape, self.crop, selection, strict=True)
        )


def read_into(reader: Reader, selection: tuple[Selection, ...], out: NDArray[Any]) -> None:
    """Write the selected part into `out`, contiguous; without a detour where the reader can (``read_into``)."""
    direct = getattr(reader, "read_into", None)
    if direct is None:
        out[...] = reader.read(selection)
    else:
        direct(selection, out)


def innermost(reader: Reader) -> Any:
    """Return the reader that crops and bins are made of."""
    inner: Any = reader
    while hasattr(inner, "whole"):
        inner = inner.whole
    return inner


def is_compressed(reader: Reader) -> bool:
    """Return whether chunks are decoded whole to read a part, as far as the reader tells (``compressed``)."""
    return bool(getattr(innermost(reader), "compressed", False))


def chunks_of(reader: Reader) -> tuple[int, ...] | None:
    """Return the shape of the parts that are decoded whole, as far as the reader tells (``chunks``), or None."""
    inner: Any = reader
    while not hasattr(inner, "chunks") and hasattr(inner, "whole"):
        inner = inner.whole
    chunks: tuple[int, ...] | None = getattr(inner, "chunks", None)
    return chunks


def take_notes(reader: Reader) -> dict[str, int]:
    """Return what a reader had to say since it was asked last (``notes``: text -> count), and empty that."""
    notes: dict[str, int] = getattr(innermost(reader), "notes", {})
    taken = dict(notes)
    notes.clear()
    return taken


def compose(size: int, first: Selection, second: Selection) -> Selection:
    """Return the selection that equals taking `first` of `size` entries, then `second` of those."""
    if isinstance(first, slice) and isinstance(second, slice):
        taken = range(size)[first][second]
        if len(taken) == 0:
            return slice(0, 0, 1)
        return slice(taken.start, taken.stop, taken.step)
    return np.arange(size, dtype=np.intp)[first][second]


@dataclass(frozen=True)
class Quantity:
    """A number with its units."""

    value: float
    units: str


@dataclass(frozen=True, eq=False)
class Auxiliary:
    """An array that goes with a dataset: flats, darks, a monitor, a mask.

    Parameters
    ----------
    axes : tuple of str
        Axis names, one a dimension. Those that the dataset has too are cut and distributed with it;
        the others (``flat``, ``dark``) always come whole and lead in what a plugin receives.
    reader : Reader
        The values.
    units : str
        Their units.
    """

    axes: tuple[str, ...]
    reader: Reader
    units: str = ""

    def select(self, selection: Mapping[str, Selection]) -> Auxiliary:
        """Return the auxiliary cut along the named axes."""
        if not any(name in selection for name in self.axes):
            return self
        crop = tuple(selection.get(name, slice(None)) for name in self.axes)
        return replace(self, reader=CroppedReader(self.reader, crop))


@dataclass(frozen=True, eq=False)
class Dataset:
    """Description of a dataset; its values are read or computed block by block elsewhere.

    Parameters
    ----------
    axes : tuple of Axis
        In storage order.
    dtype : numpy dtype
        Type of the entries.
    label : str
        What the values are, for instance ``counts``, ``transmission``, ``attenuation``.
    units : str
        Units of the values, for instance ``counts``, ``1/m``; empty for plain numbers.
    auxiliaries : mapping
        What goes with the data, by name. Names that shipped plugins know: ``flats`` with axes
        (flat, ...), ``flat_weights`` (flat, rotation_angle), ``darks`` (dark, ...), ``monitor``
        (one value a frame or point), ``mask`` (True where a value must not be used).
    metadata : mapping
        Quantities and text: ``pixel_size_x``, ``pixel_size_y``, ``energy``, ``distance``,
        ``sample_name``, ``title`` ...
    uncertainty : bool
        Whether every value has a standard uncertainty, kept beside the values.
    name : str
        Its name in the list.
    """

    axes: tuple[Axis, ...]
    dtype: np.dtype[Any]
    label: str = "data"
    units: str = ""
    auxiliaries: Mapping[str, Auxiliary] = field(default_factory=dict)
    metadata: Mapping[str, Quantity | str] = field(default_factory=dict)
    uncertainty: bool = False
    name: str = ""

    @property
    def shape(self) -> tuple[int, ...]:
        """Sizes of the axes."""
        return tuple(axis.size for axis in self.axes)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the axes."""
        return tuple(axis.name for axis in self.axes)

    @property
    def nbytes(self) -> int:
        """Bytes of the whole."""
        return int(np.prod(self.shape, dtype=np.int64)) * self.dtype.itemsize

    def axis(self, name: str) -> Axis:
        """Return the axis called `name`.

        Raises
        ------
        InputError
            When there is none; the message names those that exist.
        """
        for axis in self.axes:
            if axis.name == name:
                return axis
        raise InputError(f"the dataset has no axis {name!r}{did_you_mean(name, self.names)}")

    def select(self, selection: Mapping[str, Selection]) -> Dataset:
        """Return the description of a part: axes and auxiliaries are cut alike."""
        for name in selection:
            self.axis(name)
        axes = tuple(a.select(selection[a.name]) if a.name in selection else a for a in self.axes)
        auxiliaries = {key: aux.select(selection) for key, aux in self.auxiliaries.items()}
        return replace(self, axes=axes, auxiliaries=auxiliaries)

    def quantity(self, name: str) -> Quantity | None:
        """Return a metadata quantity, or None when it is absent or only text."""
        value = self.metadata.get(name)
        return value if isinstance(value, Quantity) else None


@dataclass(frozen=True, eq=False)
class Source:
    """What a loader returns: a described dataset that can be read in parts.

    Parameters
    ----------
    dataset : Dataset
        Description, uncropped.
    reader : Reader
        The values, same shape as the dataset. Reads happen on every rank, of that rank's part only.
    files : tuple of Path
        Every file that is read; their checksums go into the result.
    messages : tuple of str
        What the loader recognised and took, for the log and the report.
    uncertainty : Reader or None
        Standard uncertainties of the values, same shape.
    """

    dataset: Dataset
    reader: Reader
    files: tuple[Path, ...] = ()
    messages: tuple[str, ...] = ()
    uncertainty: Reader | None = None

    def select(self, selection: Mapping[str, Selection]) -> Source:
        """Return the part that a crop takes."""
        dataset = self.dataset.select(selection)
        crop = tuple(selection.get(name, slice(None)) for name in self.dataset.names)
        sigma = None if self.uncertainty is None else CroppedReader(self.uncertainty, crop)
        return replace(self, dataset=dataset, reader=CroppedReader(self.reader, crop), uncertainty=sigma)
