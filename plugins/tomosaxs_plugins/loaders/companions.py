"""Flats, darks and the monitor: batches in time, weights between them, what is not fit for use."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import h5py
import numpy as np
from numpy.typing import NDArray

from tomosaxs import CroppedReader, InputError, Reader
from tomosaxs_plugins.loaders.hdf5 import OpenFile, is_number, numbers
from tomosaxs_plugins.loaders.images import AveragedReader, FloatReader, JoinedReader, turned
from tomosaxs_plugins.loaders.links import Found, dataset_at
from tomosaxs_plugins.loaders.readers import HDF5Reader, runs


@dataclass(frozen=True, eq=False)
class Batch:
    """Frames of one kind that were taken together.

    Parameters
    ----------
    reader : Reader
        The frames, (n, detector_y, detector_x).
    place : str
        Where they lie, for messages.
    time : float or None
        Mean frame number in the scan's own counting; None when the file does not say when.
    frames : (n,) int array or None
        Their numbers in the scan's stack, where they are part of it.
    origin : str
        The file or folder that holds them, where that is not the scan's own: what several scans have in common.
    """

    reader: Reader
    place: str
    time: float | None = None
    frames: NDArray[np.intp] | None = None
    origin: str = ""

    @property
    def count(self) -> int:
        """Number of frames."""
        return self.reader.shape[0]


def batches_in_stack(file: OpenFile, data: h5py.Dataset, frames: NDArray[np.intp]) -> list[Batch]:
    """Return one batch a run of consecutive frames."""
    if len(frames) == 0:
        return []
    made = []
    for _, begin, end in runs(frames):
        numbers_ = np.arange(begin, end, dtype=np.intp)
        text = f"frames {begin}..{end - 1}"
        made.append(Batch(HDF5Reader(file, data, numbers_), text, (begin + end - 1) / 2, numbers_))
    return made


def without(batches: Sequence[Batch], ignored: Sequence[int], kind: str, where: str) -> list[Batch]:
    """Return the batches whose number, from 1, is not in `ignored`.

    Raises
    ------
    InputError
        When a number does not exist.
    """
    for number in ignored:
        if not 1 <= number <= len(batches):
            have = ", ".join(f"{n + 1}: {batch.place}" for n, batch in enumerate(batches)) or "none"
            raise InputError(f"ignore_{kind}: there is no batch {number} in {where}; batches of {kind}: {have}")
    return [batch for number, batch in enumerate(batches, 1) if number not in ignored]


def without_saturated(batches: Sequence[Batch], where: str) -> tuple[list[Batch], list[str]]:
    """Drop flats in which every pixel has the largest value of the type.

    Only three rows are read of a flat that is not saturated.

    Raises
    ------
    InputError
        When no flat is left.
    """
    kept: list[Batch] = []
    messages: list[str] = []
    for batch in batches:
        reader = batch.reader
        if reader.dtype.kind not in "iu":
            kept.append(batch)
            continue
        good = np.array([n for n in range(batch.count) if not _saturated(reader, n)], dtype=np.intp)
        lost = batch.count - len(good)
        if lost:
            messages.append(
                f"{lost} of {batch.count} flats ({batch.place}) are saturated (every pixel at "
                f"{np.iinfo(reader.dtype).max}) and are not used"
            )
        if len(good) == 0:
            continue
        if lost:
            frames = None if batch.frames is None else batch.frames[good]
            batch = replace(batch, reader=frames_of(reader, good), frames=frames)
        kept.append(batch)
    if batches and not kept:
        raise InputError(f"{where}: {'; '.join(messages)}; no flat is left: give flats: FILE with good ones")
    return kept, messages


def frames_of(reader: Reader, numbers_: NDArray[np.intp]) -> Reader:
    """Return a reader of some frames of a stack."""
    if isinstance(reader, HDF5Reader):
        return replace(reader, frames=numbers_ if reader.frames is None else reader.frames[numbers_])
    return CroppedReader(reader, (numbers_, slice(None), slice(None)))


def _saturated(reader: Reader, number: int) -> bool:
    top, rows = np.iinfo(reader.dtype).max, reader.shape[1]
    frame = slice(number, number + 1, 1)
    for row in sorted({0, rows // 2, rows - 1}):
        if np.any(reader.read((frame, slice(row, row + 1, 1), slice(None))) != top):
            return False
    return bool(np.all(reader.read((frame, slice(None), slice(None))) == top))


def merged(batches: Sequence[Batch]) -> list[tuple[Batch, ...]]:
    """Return batches as groups that are averaged to one image each: all in one where times are unknown."""
    if not batches:
        return []
    if any(batch.time is None for batch in batches):
        return [tuple(batches)]
    groups: dict[float, list[Batch]] = {}
    for batch in batches:
        groups.setdefault(batch.time or 0.0, []).append(batch)
    return [tuple(groups[time]) for time in sorted(groups)]


def time_weights(times: Sequence[float], frames: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the weight of every batch for every frame: linear in time between neighbouring batches.

    Parameters
    ----------
    times : (b,) increasing
        When the batches were taken, in frames.
    frames : (n,) array
        When the projections were taken.

    Returns
    -------
    (b, n) array
        Columns sum to 1; before the first and after the last batch that one alone counts.
    """
    return np.stack([np.interp(frames, times, row) for row in np.eye(len(times))])


def images(groups: Sequence[tuple[Batch, ...]], how: str, orientation: str) -> Reader:
    """Return averaged images, one a group, or with `how` ``none`` every frame, (image, detector_y, detector_x)."""
    readers: list[Reader] = [
        group[0].reader if len(group) == 1 else JoinedReader(tuple(batch.reader for batch in group)) for group in groups
    ]
    turned_ = tuple(turned(reader, orientation) for reader in readers)
    if how == "none":
        return FloatReader(turned_[0] if len(turned_) == 1 else JoinedReader(turned_))
    return AveragedReader(turned_, how)


def flat_weights(
    groups: Sequence[tuple[Batch, ...]], projections: NDArray[np.intp], how: str = "mean"
) -> NDArray[np.float64]:
    """Return the weights of the flats for every projection, (flat, \\*shape of projections).

    Where every flat is kept (`how` is ``none``), those of a group share its weight, so that their weighted sum is the
    mean.
    """
    if len(groups) == 1:
        weights = np.ones((1, *projections.shape))
    else:
        times = [group[0].time or 0.0 for group in groups]
        weights = time_weights(times, projections.astype(np.float64))
    if how != "none":
        return weights
    counts = [sum(batch.count for batch in group) for group in groups]
    return np.repeat(weights / np.reshape(counts, (-1, *[1] * projections.ndim)), counts, axis=0)


_MONITORS = ("control/data", "monitor/data", "control/intensity", "monitor/intensity")


def find_monitor(
    file: OpenFile, found: Found, entry: str, path: str, frames: int, projections: NDArray[np.intp]
) -> tuple[NDArray[np.float64] | None, NDArray[np.float64] | None, list[str]]:
    """Return the monitor of every projection, of every frame (if known), and messages."""
    if path == "none":
        return None, None, []
    base = entry.rstrip("/")
    if path:
        chosen = dataset_at(file, path, "monitor_path")
    else:
        known = (found.datasets.get(f"{base}/{name}") for name in _MONITORS)
        chosen = next((dataset for dataset in known if dataset is not None), None)
    if chosen is None:
        return None, None, []
    fits = is_number(chosen) and chosen.ndim >= 1 and chosen.size in (frames, len(projections))
    if not fits:
        size = f"{chosen.size} values" if chosen.shape is not None else "no values"
        text = f"{chosen.name} has {size} for {frames} frames, {len(projections)} projections"
        if path:
            raise InputError(f"{file.path}: {text}: it is no monitor of this scan")
        return None, None, [f"monitor ignored: {text}"]
    values = numbers(chosen).ravel()
    whole = values if len(values) == frames else None
    own = values if whole is None else values[projections]
    bad = int(np.count_nonzero(~(np.isfinite(own) & (own > 0))))
    note = f"; {bad} of its values are zero, negative or no numbers" if bad else ""
    return own, whole, [f"monitor: {chosen.name}, one value a frame{note}"]


def batch_monitors(
    groups: Sequence[tuple[Batch, ...]], whole: NDArray[np.float64] | None, how: str = "mean"
) -> NDArray[np.float64] | None:
    """Return the mean monitor of every group of flats (`how` ``none``: of every flat), or None where it is unknown."""
    if whole is None or any(batch.frames is None for group in groups for batch in group):
        return None
    values = [np.concatenate([whole[batch.frames] for batch in group if batch.frames is not None]) for group in groups]
    return np.concatenate(values) if how == "none" else np.array([np.mean(each) for each in values])
