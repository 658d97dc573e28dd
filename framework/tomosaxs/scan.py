"""What a plugin is told about the block it works on: geometry and everything that goes with the data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tomosaxs import units as unit_conversion
from tomosaxs.dataset import ArrayReader, Auxiliary, Axis, Dataset, Quantity, Selection
from tomosaxs.errors import InputError, did_you_mean


@dataclass(eq=False)
class Scan:
    """Geometry and companions of one block, already cut to it.

    A block has shape (n, \\*core). Its leading axis runs over `sliced` axes, flattened in C order.

    Parameters
    ----------
    dataset : Dataset
        Description of the whole (cropped) dataset that the block belongs to.
    sliced : tuple of str
        Axes that were flattened into the leading axis.
    core : tuple of str
        Axes that the block holds whole, in the order of its dimensions.
    index : (n,) int array
        Flat position of every slice in the leading axis of the whole dataset. With one sliced axis
        use `positions` for the place in the full, uncropped axis.
    output : Path or None
        Folder for files that a saving step writes.
    uncertainties : tuple
        Standard uncertainties of the blocks that the step was given, in their shape; None for data without. Only
        a step that declares ``uncertainty=True`` gets them.
    names : tuple of str
        Names in the list of the datasets that the step reads.
    own : slice
        Slices that belong to the block; those around them (a halo) belong to other blocks, which count them.
    """

    dataset: Dataset
    sliced: tuple[str, ...]
    core: tuple[str, ...]
    index: NDArray[np.intp]
    output: Path | None = None
    notes: dict[str, int] = field(default_factory=dict, repr=False)
    _cache: dict[tuple[str, bytes, tuple[str, ...]], NDArray[Any]] = field(default_factory=dict, repr=False)
    uncertainties: tuple[NDArray[Any] | None, ...] = ()
    remarks: dict[str, int] = field(default_factory=dict, repr=False)
    names: tuple[str, ...] = ()
    kept: dict[str, NDArray[Any]] = field(default_factory=dict, repr=False)
    own: slice = field(default_factory=lambda: slice(None))

    @classmethod
    def whole(cls, dataset: Dataset, core: Sequence[str]) -> Scan:
        """Return the scan of a dataset taken whole, for use in a notebook."""
        sliced = tuple(name for name in dataset.names if name not in core)
        count = int(np.prod([dataset.axis(name).size for name in sliced], dtype=np.int64))
        return cls(dataset, sliced, tuple(core), np.arange(count, dtype=np.intp))

    @classmethod
    def of_angles(
        cls,
        angles: NDArray[np.float64],
        *,
        core: Sequence[str] = ("rotation_angle", "detector_x"),
        rows: int = 1,
        columns: int = 1,
        **companions: NDArray[Any],
    ) -> Scan:
        """Return a scan of plain arrays: rotation angles in degrees and companions by name.

        Companions must have one entry an angle (``monitor``), or be images (``flats``, ``darks``
        of shape (k, rows, columns)).
        """
        angles = np.asarray(angles, dtype=np.float64)
        axes = (
            Axis("rotation_angle", len(angles), angles, "deg"),
            Axis("detector_y", rows, None, "px"),
            Axis("detector_x", columns, None, "px"),
        )
        names = {
            "flats": ("flat", "detector_y", "detector_x"),
            "darks": ("dark", "detector_y", "detector_x"),
            "flat_weights": ("flat", "rotation_angle"),
        }
        extra = {
            key: Auxiliary(names.get(key, ("rotation_angle",)), ArrayReader(np.asarray(value)))
            for key, value in companions.items()
        }
        return cls.whole(Dataset(axes, np.dtype(np.float32), auxiliaries=extra), core)

    def __contains__(self, name: str) -> bool:
        return name in self.dataset.auxiliaries

    def axis(self, name: str) -> Axis:
        """Return the whole (cropped) axis called `name`."""
        return self.dataset.axis(name)

    def _coordinates(self) -> dict[str, NDArray[np.intp]]:
        sizes = [self.dataset.axis(name).size for name in self.sliced]
        if not sizes:
            return {}
        return dict(zip(self.sliced, np.unravel_index(self.index, sizes), strict=True))

    @property
    def uncertainty(self) -> NDArray[Any] | None:
        """(n, \\*core) standard uncertainties of the first input, or None."""
        return self.uncertainties[0] if self.uncertainties else None

    @property
    def positions(self) -> NDArray[np.intp]:
        """(n,) place of every slice in the full, uncropped first sliced axis."""
        first = self.sliced[0]
        return self.dataset.axis(first).index[self._coordinates()[first]]

    def values(self, name: str) -> NDArray[np.float64]:
        """Return the coordinates of an axis for this block.

        Shape (n,), one a slice, where the axis is sliced; else the whole axis.

        Raises
        ------
        InputError
            When there is no such axis or it has no coordinates.
        """
        axis = self.dataset.axis(name)
        if axis.values is None:
            raise InputError(f"axis {name!r} of the dataset has no coordinates")
        coordinates = self._coordinates()
        return axis.values[coordinates[name]] if name in coordinates else axis.values

    @property
    def angles(self) -> NDArray[np.float64]:
        """Rotation angles in degrees: one a slice, or the whole axis where a slice holds it."""
        return self.values("rotation_angle")

    def get(self, name: str) -> NDArray[Any]:
        """Return a companion, broadcastable to the block.

        The axes that the dataset does not have (``flat``, ``dark``) come first, then a leading
        axis of n or 1, then one dimension of full size or 1 for every core axis.

        Raises
        ------
        InputError
            When the data came without it; the message names what there is.
        """
        auxiliary = self.dataset.auxiliaries.get(name)
        if auxiliary is None:
            known = self.dataset.auxiliaries
            raise InputError(f"the data came without {name!r}{did_you_mean(name, known)}")
        cut = any(axis in self.sliced for axis in auxiliary.axes)
        key = (name, self.index.tobytes() if cut else b"", self.core)
        if key not in self._cache:
            self._cache[key] = self._cut(name, auxiliary)
        return self._cache[key]

    def _cut(self, name: str, auxiliary: Auxiliary) -> NDArray[Any]:
        """Read what the block needs, then order its dimensions as (own..., leading, core...)."""
        for axis_name in auxiliary.axes:
            known = axis_name in self.sliced or axis_name in self.core
            if not known and axis_name in self.dataset.names:
                raise InputError(f"{name!r}: axis {axis_name!r} is neither sliced nor whole here")
        coordinates = self._coordinates()
        spans: dict[str, tuple[int, NDArray[np.intp]]] = {}
        selection: list[Selection] = []
        for axis_name in auxiliary.axes:
            if axis_name in coordinates and len(self.index):
                where = coordinates[axis_name]
                low, high = int(where.min()), int(where.max()) + 1
                spans[axis_name] = (low, where - low)
                selection.append(slice(low, high, 1))
            else:
                selection.append(slice(None))
        part = auxiliary.reader.read(tuple(selection))
        own = [a for a in auxiliary.axes if a not in self.sliced and a not in self.core]
        cut = [a for a in auxiliary.axes if a in spans]
        core = [a for a in self.core if a in auxiliary.axes]
        part = np.transpose(part, [auxiliary.axes.index(a) for a in own + cut + core])
        head, tail = part.shape[: len(own)], part.shape[len(own) + len(cut) :]
        # where one image (the flat of one tomogram of a series) serves the whole block it is not copied for each slice
        alike = len(core) > 1 and all(part.shape[len(own) + n] == 1 for n in range(len(cut)))
        if cut and not alike:
            picks = tuple(spans[a][1] for a in cut)
            part = part[(slice(None),) * len(own) + picks]
        else:
            part = part.reshape(*head, 1, *tail)
        sizes = iter(tail)
        shape = [next(sizes) if a in core else 1 for a in self.core]
        return np.ascontiguousarray(part.reshape(*part.shape[: len(own) + 1], *shape))

    def quantity(self, name: str, units: str, default: float | None = None) -> float:
        """Return a metadata quantity converted to `units`.

        Raises
        ------
        InputError
            When it is absent and no default is given, or its units do not convert.
        """
        found = self.dataset.metadata.get(name)
        if isinstance(found, Quantity):
            return unit_conversion.convert(found.value, found.units, units)
        if default is None:
            have = [k for k, v in self.dataset.metadata.items() if isinstance(v, Quantity)]
            raise InputError(f"the data came without {name!r} (in {units}){did_you_mean(name, have)}")
        return default

    def note(self, text: str, count: int | NDArray[Any] = 1) -> None:
        """Warn the user of something, in log and report; equal texts are counted together.

        ``{count}`` in the text stands for the sum of the counts over all blocks and ranks. Give (n,) counts, one a
        slice, where a later step may need neighbouring slices: every slice is then counted once, by the block that it
        belongs to, so that the message is the same for any blocks and ranks.
        """
        self.notes[text] = self.notes.get(text, 0) + self._counted(count)

    def remark(self, text: str, count: int | NDArray[Any] = 1) -> None:
        """Tell the user something that is as it should be; otherwise as `note`."""
        self.remarks[text] = self.remarks.get(text, 0) + self._counted(count)

    def _counted(self, count: int | NDArray[Any]) -> int:
        if np.ndim(count) == 0:
            return int(count)
        counts = np.asarray(count)
        if counts.shape != self.index.shape:
            raise ValueError(f"counts of shape {counts.shape} are not one for each of {len(self.index)} slices")
        return int(counts[self.own].sum())

    def keep(self, name: str, array: NDArray[Any]) -> None:
        """Keep an array with the record of the step in the result, for instance the mask that was used.

        It must be the same for every block and on every rank that keeps it; that of the first of them is taken.
        """
        self.kept[name] = array

    @property
    def metadata(self) -> Mapping[str, Quantity | str]:
        """Everything else that the file said."""
        return self.dataset.metadata
