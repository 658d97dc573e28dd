"""Which frames of an HDF5 dataset were ever written: a scan that was broken off leaves chunks that do not exist."""

from __future__ import annotations

import math
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from tomosaxs_plugins.loaders.hdf5 import open_file

Flags = NDArray[np.bool_]


def written_frames(dataset: h5py.Dataset, core: int = 2) -> Flags:
    """Return True for every frame that was written, shape ``dataset.shape[:-core]``.

    Nothing is read but the list of chunks. Where a chunk holds several frames they count as written together. A
    virtual dataset counts as written where its sources are.

    Parameters
    ----------
    dataset : h5py.Dataset
    core : int
        Number of trailing axes that make up a frame.
    """
    points = dataset.shape[: dataset.ndim - core]
    if dataset.is_virtual:
        return _of_sources(dataset, core)
    if dataset.size == 0 or (dataset.chunks is None and not dataset.external and not dataset.id.get_storage_size()):
        return np.zeros(points, dtype=np.bool_)
    if dataset.chunks is None:
        return np.ones(points, dtype=np.bool_)
    grid = tuple(-(-size // chunk) for size, chunk in zip(dataset.shape, dataset.chunks, strict=True))
    if int(dataset.id.get_num_chunks()) >= math.prod(grid):
        return np.ones(points, dtype=np.bool_)
    there = np.zeros(grid, dtype=np.bool_)
    offsets = _offsets(dataset)
    if len(offsets):
        there[tuple((offsets // np.array(dataset.chunks)).T)] = True
    whole = there.all(axis=tuple(range(len(points), dataset.ndim)))
    for axis, (size, chunk) in enumerate(zip(points, dataset.chunks, strict=False)):
        whole = np.repeat(whole, chunk, axis=axis)[(slice(None),) * axis + (slice(size),)]
    return np.asarray(whole, dtype=np.bool_)


def _offsets(dataset: h5py.Dataset) -> NDArray[np.intp]:
    found: list[tuple[int, ...]] = []
    if hasattr(dataset.id, "chunk_iter"):
        dataset.id.chunk_iter(lambda info: found.append(info.chunk_offset))
    else:
        found = [dataset.id.get_chunk_info(n).chunk_offset for n in range(int(dataset.id.get_num_chunks()))]
    return np.array(found, dtype=np.intp)


def _of_sources(dataset: h5py.Dataset, core: int) -> Flags:
    """Count the pixels of every frame that the sources wrote; a frame is there when all are."""
    points = dataset.shape[: dataset.ndim - core]
    pixels = math.prod(dataset.shape[dataset.ndim - core :])
    covered = np.zeros(points, dtype=np.int64)
    for source in dataset.virtual_sources():
        if "%" in source.file_name:  # the sources are counted up while reading: nothing is known beforehand
            return np.ones(points, dtype=np.bool_)
        box = _box(source.vspace)
        if box is None:
            return np.ones(points, dtype=np.bool_)
        part = math.prod(each.stop - each.start for each in box[len(points) :])
        region = box[: len(points)]
        covered[region] += part * _source_flags(dataset, source, [s.stop - s.start for s in region], part)
    return np.asarray(covered >= pixels, dtype=np.bool_)


def _source_flags(dataset: h5py.Dataset, source: h5py.VirtualSource, sizes: list[int], part: int) -> Flags:
    """Return which of the frames that a virtual dataset takes from one source were written there."""
    beside = None if source.file_name == "." else open_file(Path(dataset.file.filename).parent / source.file_name)
    inner = (dataset.file if beside is None else beside.handle).get(source.dset_name)
    if not isinstance(inner, h5py.Dataset):
        return np.zeros(sizes, dtype=np.bool_)
    if source.src_space.get_select_type() == h5py.h5s.SEL_ALL:  # then nothing is said of its size
        return _leading(inner, sizes, part)
    box = _box(source.src_space)
    if box is None or inner.ndim != len(box):
        return np.ones(sizes, dtype=np.bool_)
    core = next((n for n in range(inner.ndim + 1) if _pixels(box[inner.ndim - n :]) == part), None)
    if core is None or _pixels(box[: inner.ndim - core]) != math.prod(sizes):
        return np.ones(sizes, dtype=np.bool_)
    there = written_frames(inner, core)
    wanted = box[: inner.ndim - core]
    flags = np.zeros([each.stop for each in wanted], dtype=np.bool_)  # the source may have stayed shorter
    common = tuple(slice(min(have, want)) for have, want in zip(there.shape, flags.shape, strict=True))
    flags[common] = there[common]
    if any(have < want.stop for have, want in zip(inner.shape[len(wanted) :], box[len(wanted) :], strict=True)):
        flags[...] = False
    return flags[wanted].reshape(sizes)


def _leading(inner: h5py.Dataset, sizes: list[int], part: int) -> Flags:
    """Return which frames were written of a source that is taken whole; it may have stayed shorter."""
    core = next((n for n in range(inner.ndim + 1) if math.prod(inner.shape[inner.ndim - n :]) == part), None)
    flags = np.zeros(math.prod(sizes), dtype=np.bool_)
    if core is not None:
        there = written_frames(inner, core).ravel()[: len(flags)]
        flags[: len(there)] = there
    return flags.reshape(sizes)


def _pixels(box: tuple[slice, ...]) -> int:
    return math.prod(each.stop - each.start for each in box)


def _box(space: h5py.h5s.SpaceID) -> tuple[slice, ...] | None:
    """Return a selection as one box, or None where it is none (strides, several parts)."""
    low, high = space.get_select_bounds()
    box = tuple(slice(int(a), int(b) + 1) for a, b in zip(low, high, strict=True))
    return box if int(space.get_select_npoints()) == _pixels(box) else None
