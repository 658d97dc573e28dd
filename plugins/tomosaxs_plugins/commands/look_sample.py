"""A few frames and a few rows of a tomography scan, read so that a scan of many gigabytes takes seconds."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tomosaxs import Dataset, Source

Floats = NDArray[np.float32]

FRAMES = 5  # projections that are read whole
ROWS = 5  # rows of which a sinogram is read
ANGLES = 361  # projections of a sinogram, at most
FEWEST = 61  # projections of a sinogram, where every frame must be decoded whole
SECONDS = 3.5  # for the sinograms of a scan whose frames are packed
WIDTH = 1024  # columns of a sinogram, at most; more are binned
BATCH_FRAMES = 2  # flats, or darks, of one batch that are read whole


@dataclass(eq=False)
class Batch:
    """A few images of one batch of flats or darks: (n, y, x), how many there are, and their mean."""

    frames: NDArray[Any]
    count: int

    @cached_property
    def mean(self) -> Floats:
        """(y, x) mean."""
        image: Floats = self.frames.mean(axis=0, dtype=np.float32)
        return image


@dataclass(eq=False)
class Sample:
    """What was read of a scan.

    Attributes
    ----------
    dataset : Dataset
        The whole scan's description.
    numbers : (k,) int array
        Projections that were read whole, and `frames` (k, y, x) as stored.
    flats, darks : list of Batch
    rows : (r,) int array
        Rows of the sinograms.
    taken : (n,) int array
        Projections of the sinograms; `angles` (n,) in degrees.
    transmission : (r, n, columns) float32
        Sinograms after flats and darks (as stored where there are no flats), columns binned.
    binning : int
        Columns that became one.
    read_bytes : int
        About what was read.
    """

    dataset: Dataset
    numbers: NDArray[np.intp]
    frames: NDArray[Any]
    rows: NDArray[np.intp]
    taken: NDArray[np.intp]
    angles: NDArray[np.float64]
    transmission: Floats
    binning: int
    flats: list[Batch] = field(default_factory=list)
    darks: list[Batch] = field(default_factory=list)
    read_bytes: int = 0

    def corrected(self, number: int) -> Floats:
        """Return one of the whole frames after the mean flat and dark, (y, x)."""
        frame: Floats = self.frames[number].astype(np.float32)
        if not self.flats:
            return frame
        made: Floats = _ratio(frame, self.flat, self.dark)
        return made

    @cached_property
    def flat(self) -> Floats:
        """(y, x) mean of the batches of flats."""
        return _mean(self.flats)

    @cached_property
    def dark(self) -> Floats:
        """(y, x) mean dark; zero where there is none."""
        return _mean(self.darks) if self.darks else np.zeros(self.frames.shape[1:], np.float32)


def _mean(batches: list[Batch]) -> Floats:
    total: Floats = np.zeros(batches[0].mean.shape, np.float32)
    for batch in batches:
        total += batch.mean
    total /= len(batches)
    return total


def _ratio(frame: Floats, flat: Floats, dark: Floats) -> Floats:
    with np.errstate(divide="ignore", invalid="ignore"):
        made: Floats = ((frame - dark) / (flat - dark)).astype(np.float32)
    made[~np.isfinite(made)] = np.nan
    return made


def sample(source: Source) -> Sample:
    """Read a few frames, flats, darks and rows of a scan with the axes (rotation_angle, detector_y, detector_x)."""
    dataset = source.dataset
    count, height, width = dataset.shape
    angles = dataset.axis("rotation_angle").values
    if angles is None:
        angles = np.full(count, np.nan)
    numbers = np.unique(np.linspace(0, count - 1, min(FRAMES, count)).round().astype(np.intp))
    started = time.perf_counter()
    frames = np.concatenate([source.reader.read((_one(n), slice(None), slice(None))) for n in numbers])
    a_frame = (time.perf_counter() - started) / len(numbers)
    flats, darks = _batches(source, "flats", "flat"), _batches(source, "darks", "dark")
    rows = np.unique(((np.arange(ROWS) + 0.5) * height / ROWS).astype(np.intp))
    most = ANGLES if not _decoded_whole(source.reader) else int(np.clip(SECONDS / max(a_frame, 1e-4), FEWEST, ANGLES))
    taken = np.arange(0, count, -(-count // most), dtype=np.intp)
    sinograms = _sinograms(source, rows, taken, dataset)
    binning = -(-width // WIDTH)
    made = Sample(
        dataset, numbers, frames, rows, taken, angles[taken], _binned(sinograms, binning), binning, flats, darks
    )
    made.read_bytes = frames.nbytes + sum(batch.frames.nbytes for batch in [*flats, *darks]) + sinograms.nbytes // 2
    return made


def _one(number: int) -> slice:
    return slice(int(number), int(number) + 1, 1)


def _innermost(reader: Any) -> Any:
    while hasattr(reader, "whole"):
        reader = reader.whole
    return reader


def _decoded_whole(reader: Any) -> bool:
    """Return whether reading a row costs as much as reading a frame: packed frames, image files."""
    inner = _innermost(reader)
    if not hasattr(inner, "compressed"):
        return not hasattr(inner, "array")
    return bool(inner.compressed)


def _batches(source: Source, name: str, axis: str) -> list[Batch]:
    """Return a few frames of every batch of flats or darks; of averaged images only, where there is no more."""
    found = source.dataset.auxiliaries.get(name)
    if found is None or axis not in found.axes:
        return []
    whole = (slice(None), slice(None))
    parts = getattr(found.reader, "batches", None)
    if parts is None:
        images = found.reader.read((slice(None), *whole))
        return [Batch(image[None], 1) for image in images]
    made: list[Batch] = []
    for part in parts:
        count = part.shape[0]
        numbers = np.unique(np.linspace(0, count - 1, min(BATCH_FRAMES, count)).round().astype(np.intp))
        made.append(Batch(np.concatenate([part.read((_one(n), *whole)) for n in numbers]), count))
    return made


def _sinograms(source: Source, rows: NDArray[np.intp], taken: NDArray[np.intp], dataset: Dataset) -> Floats:
    """Return (rows, angles, columns), after flats and darks as far as there are any."""
    every = slice(None)
    step = int(taken[1] - taken[0]) if len(taken) > 1 else 1
    chosen = slice(int(taken[0]), int(taken[-1]) + 1, step)
    if _decoded_whole(source.reader):
        raw = np.swapaxes(source.reader.read((chosen, rows, every)), 0, 1).astype(np.float32)
    else:
        raw = np.stack([source.reader.read((chosen, _one(row), every))[:, 0] for row in rows]).astype(np.float32)
    flats = dataset.auxiliaries.get("flats")
    if flats is None or "flat" not in flats.axes:
        return raw
    images = flats.reader.read((every, rows, every)).astype(np.float32)  # (flat, row, column)
    weights = dataset.auxiliaries.get("flat_weights")
    share = (
        np.full((len(images), len(taken)), 1 / len(images), np.float32)
        if weights is None
        else weights.reader.read((every, every))[:, taken].astype(np.float32)
    )
    darks = dataset.auxiliaries.get("darks")
    dark = np.zeros(images.shape[1:], np.float32)
    if darks is not None:
        dark = darks.reader.read((every, rows, every)).mean(axis=0, dtype=np.float32)
    for row in range(len(rows)):
        raw[row] = _ratio(raw[row], share.T @ images[:, row], dark[row])
    return raw


def _binned(sinograms: Floats, binning: int) -> Floats:
    if binning == 1:
        return sinograms
    rows, angles, columns = sinograms.shape
    kept = columns // binning * binning
    parts = sinograms[..., :kept].reshape(rows, angles, -1, binning)
    known = np.isfinite(parts)
    total = np.where(known, parts, 0).sum(axis=-1)
    count = known.sum(axis=-1)
    made: Floats = np.where(count > 0, total / np.maximum(count, 1), np.nan).astype(np.float32)
    return made
