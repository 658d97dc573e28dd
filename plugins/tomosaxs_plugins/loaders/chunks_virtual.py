"""Virtual HDF5 datasets whose sources are read around the HDF5 library: boxes of frames from several files."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from tomosaxs_plugins.loaders.chunks import Chunks, Contiguous, Damage, around_hdf5
from tomosaxs_plugins.loaders.chunks_parts import Chosen, Region, put, slice_if
from tomosaxs_plugins.loaders.hdf5 import OpenFile, open_file

_MOST = 200
"""Files that are kept open at the same time."""

Box = tuple[tuple[int, int], ...]


@dataclass(frozen=True, eq=False)
class _Mapped:
    """A box of the virtual dataset, and the box of a source that it shows; `axes` are the pairs longer than one."""

    box: Box
    source_box: Box
    axes: dict[int, int]
    values: Chunks | Contiguous
    file: OpenFile | None


class Virtual:
    """A virtual dataset made of boxes."""

    def __init__(self, dataset: h5py.Dataset, parts: list[_Mapped]) -> None:
        self._dataset = dataset
        self._parts = parts
        self._fill = np.asarray(dataset.fillvalue)
        self._complete = sum(math.prod(high - low for low, high in part.box) for part in parts) == dataset.size

    def read(self, out: NDArray[Any], chosen: Sequence[Chosen]) -> list[Damage] | None:
        """Fill `out` with a selection that is not empty; None where a source cannot be read that way."""
        if not self._complete:
            out[...] = self._fill
        wanted = [np.arange(size)[each] for size, each in zip(self._dataset.shape, chosen, strict=True)]
        damages: list[Damage] = []
        for part in self._parts:
            places = [np.flatnonzero((w >= low) & (w < high)) for w, (low, high) in zip(wanted, part.box, strict=True)]
            if not all(len(each) for each in places):
                continue
            found = self._one(out, part, places, [w[p] for w, p in zip(wanted, places, strict=True)])
            if found is None:
                return None
            damages += found
        return damages

    def _one(
        self, out: NDArray[Any], part: _Mapped, places: list[NDArray[np.intp]], wanted: list[NDArray[np.intp]]
    ) -> list[Damage] | None:
        """Read what one source gives: entries `wanted` of the virtual axes, to `places` of the result."""
        inner: list[Chosen] = [slice(low, high, 1) for low, high in part.source_box]
        for axis, source_axis in part.axes.items():
            inner[source_axis] = _chosen(wanted[axis] - part.box[axis][0] + part.source_box[source_axis][0])
        paired = {source_axis: axis for axis, source_axis in part.axes.items()}
        shape = tuple(len(wanted[paired[n]]) if n in paired else 1 for n in range(len(inner)))
        region = tuple(slice_if(each) for each in places)
        target = out[region] if all(isinstance(each, slice) for each in region) else None
        direct = target is not None and target.flags.c_contiguous and target.size == math.prod(shape)
        values = target.reshape(shape) if target is not None and direct else np.empty(shape, out.dtype)
        found = part.values.read(values, inner)
        if found is None:
            return None
        if not direct:
            # axes of one entry may lie elsewhere in the source, but all others follow in the same order
            put(
                out, region, values.reshape([len(each) if axis in part.axes else 1 for axis, each in enumerate(places)])
            )
        return [Damage(_outer(damage.region, part, places), damage.why) for damage in found]


def _outer(region: Region, part: _Mapped, places: list[NDArray[np.intp]]) -> Region:
    """Return where a region of what a source gave lies in the result."""
    outer: list[slice | NDArray[np.intp]] = []
    for axis, each in enumerate(places):
        source_axis = part.axes.get(axis)
        whole = source_axis is None or source_axis >= len(region)
        outer.append(slice_if(each if whole or source_axis is None else each[region[source_axis]]))
    return tuple(outer)


def _chosen(indices: NDArray[np.intp]) -> Chosen:
    step = int(indices[1] - indices[0]) if len(indices) > 1 else 1
    if step > 0 and np.all(np.diff(indices) == step):
        return slice(int(indices[0]), int(indices[-1]) + 1, step)
    return indices


def virtual(dataset: h5py.Dataset) -> Virtual | None:
    """Return what reads a virtual dataset around HDF5, or None where only HDF5 itself can."""
    parts: list[_Mapped] = []
    sources = dataset.virtual_sources()
    if len({source.file_name for source in sources}) > _MOST or not dataset.dtype.isnative:
        return None
    for source in sources:
        part = None if "%" in source.file_name else _mapped(dataset, source)
        if part is None:
            return None
        parts.append(part)
    covered = sum(math.prod(high - low for low, high in part.box) for part in parts)
    return Virtual(dataset, parts) if covered <= dataset.size and not _overlap(parts) else None


def _mapped(dataset: h5py.Dataset, source: Any) -> _Mapped | None:
    folder = Path(dataset.file.filename).parent
    file = None if source.file_name == "." else open_file(folder / source.file_name)
    inner = (dataset.file if file is None else file.handle).get(source.dset_name)
    if not isinstance(inner, h5py.Dataset) or inner.dtype != dataset.dtype:
        return None
    values = around_hdf5(inner)
    box = _box(source.vspace, dataset.shape)
    source_box = _box(source.src_space, inner.shape)
    if box is None or source_box is None or values is None:
        return None
    long = [axis for axis, (low, high) in enumerate(box) if high - low > 1]
    source_long = [axis for axis, (low, high) in enumerate(source_box) if high - low > 1]
    sizes = [box[axis][1] - box[axis][0] for axis in long]
    if sizes != [source_box[axis][1] - source_box[axis][0] for axis in source_long]:
        return None
    return _Mapped(box, source_box, dict(zip(long, source_long, strict=True)), values, file)


def _box(space: Any, shape: tuple[int, ...]) -> Box | None:
    """Return a selection as a box inside `shape`, or None where it is none."""
    if space.get_select_type() == h5py.h5s.SEL_ALL:
        return tuple((0, int(size)) for size in shape)
    if space.get_simple_extent_ndims() != len(shape) or space.get_select_type() != h5py.h5s.SEL_HYPERSLABS:
        return None
    low, high = space.get_select_bounds()
    box = tuple((int(a), int(b) + 1) for a, b in zip(low, high, strict=True))
    inside = all(end <= size for (_, end), size in zip(box, shape, strict=True))
    return box if inside and int(space.get_select_npoints()) == math.prod(end - begin for begin, end in box) else None


def _overlap(parts: list[_Mapped]) -> bool:
    """Return whether two boxes share entries: which of them counts is then HDF5's business."""
    ordered = sorted(parts, key=lambda part: part.box[0])
    for number, part in enumerate(ordered):
        for other in ordered[number + 1 :]:
            if other.box[0][0] >= part.box[0][1]:
                break
            if all(a[0] < b[1] and b[0] < a[1] for a, b in zip(part.box, other.box, strict=True)):
                return True
    return False
