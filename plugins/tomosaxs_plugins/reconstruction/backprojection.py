"""Filtered backprojection of parallel-beam sinograms.

Every projection is filtered by Fourier transform and sampled twice as finely by zero padding of its spectrum, so that
linear interpolation between samples is nearly exact; what linear interpolation still damps, the factor
``sinc(frequency / 2)**2``, is divided out of the filter. The filtered projections are known beyond both ends of the
detector too, so that the corners of a slice are right as long as the object itself is inside the field of view.

Reference: Kak and Slaney, Principles of Computerized Tomographic Imaging, DOI 10.1137/1.9780898719277, chapter 3.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias, TypeVar

import numpy as np
import scipy.fft
from numpy.typing import ArrayLike, NDArray

from tomosaxs_plugins.reconstruction.angles import angular_weights
from tomosaxs_plugins.reconstruction.filters import filter_response, pad, padded_length
from tomosaxs_plugins.reconstruction.grid import check_sinograms, mask_outside
from tomosaxs_plugins.reconstruction.lanes import LANES, add_backprojection
from tomosaxs_plugins.reconstruction.parallel import thread_count

OVERSAMPLING = 2
"""Samples per detector pixel of a filtered projection."""

_VIEWS = 64  # views filtered at a time: their samples stay in the cache
_ROWS = 32  # rows of a slice worked on by one thread at a time

Item = TypeVar("Item")
Region: TypeAlias = tuple[int, int, int, int]
"""Part of a slice: top, bottom, left and right, the second and the last one excluded."""


class _Map(Protocol):
    """Call a function on every item, perhaps on several threads, and wait for all."""

    def __call__(self, function: Callable[[Item], Any], items: Iterable[Item], /) -> None: ...


def filtered_backprojection(
    sinograms: NDArray[np.float32],
    angles_deg: ArrayLike,
    centre_px: float,
    *,
    filter: str = "ramp",
    padding: str = "zero",
    size: int | None = None,
    mask_ratio: float | None = None,
    threads: int | None = None,
    region: Region | None = None,
) -> NDArray[np.float32]:
    """Reconstruct slices from sinograms.

    Parameters
    ----------
    sinograms : ndarray, shape (slices, angles, columns)
        Attenuation: line integrals, where a pixel is the unit of length.
    angles_deg : array_like, shape (angles,)
        Angles in degrees, in any order; 180 and 360 degrees, even or not (see `angular_weights`).
    centre_px : float
        Rotation axis, in pixel centres counted from 0.
    filter : str
        ``ramp``, ``shepp-logan``, ``cosine``, ``hann``, ``hamming`` or ``parzen``.
    padding : {"zero", "edge"}
        What is assumed beyond the detector; ``edge`` for objects wider than the field of view.
    size : int, optional
        Rows and columns of a slice; the detector's width by default.
    mask_ratio : float, optional
        Pixels outside a circle of this diameter, relative to the size, become zero.
    threads : int, optional
        Number of threads; by default as `thread_count` says.
    region : (top, bottom, left, right), optional
        Rows and columns of the slice that are worked out, the last ones excluded; the result is that part of the
        whole slice bit for bit.

    Returns
    -------
    ndarray, shape (slices, size, size), float32
        Attenuation per pixel (of the region only, where one is given). The rotation axis is at row and column
        ``(size - 1) / 2``; detector column ``centre + x cos(angle) + y sin(angle)`` sees the pixel x columns and y
        rows from there. A slice is bit-identical whatever the other slices and the number of threads.

    Raises
    ------
    ValueError
        If shapes do not fit together, the axis is not on the detector, or a name is unknown.
    """
    stack = check_sinograms(sinograms, angles_deg, centre_px)
    slices, _, width = stack.shape
    side = width if size is None else size
    if side < 1:
        raise ValueError(f"a slice needs at least one pixel, not {side}")
    top, bottom, left, right = region or (0, side, 0, side)
    if not (0 <= top < bottom <= side and 0 <= left < right <= side):
        raise ValueError(f"rows {top} to {bottom}, columns {left} to {right} are no part of a slice of {side} pixels")
    geometry = _plan(angles_deg, centre_px, width, side, (top, bottom, left, right), filter)
    workers = thread_count(threads)
    volume = np.empty((slices, bottom - top, right - left), dtype=np.float32)
    if workers == 1:
        _reconstruct_all(stack, geometry, padding, volume, _one_by_one)
    else:
        with ThreadPoolExecutor(workers) as pool:

            def together(function: Callable[[Item], Any], items: Iterable[Item], /) -> None:
                for _ in pool.map(function, items):
                    pass

            _reconstruct_all(stack, geometry, padding, volume, together)
    return mask_outside(volume, mask_ratio, side, (top, bottom, left, right))


@dataclass(frozen=True)
class _Geometry:
    """Everything that all slices share."""

    weights: NDArray[np.float32]  # (angles,)
    response: NDArray[np.float32]  # of the filter, for the padded length
    length: int  # padded, before oversampling
    start: int  # first sample that is kept, counted cyclically
    samples: int  # number of samples kept
    origin: NDArray[np.float64]  # (angles,) sample seen by the rotation axis
    along_x: NDArray[np.float64]  # (angles,) samples per column of the slice
    along_y: NDArray[np.float64]  # (angles,) samples per row of the slice
    columns: int  # of the sums: those of the region rounded up to whole vectors of pixels
    middle_x: float  # the rotation axis in pixels of the region
    middle_y: float


def _plan(angles_deg: ArrayLike, centre: float, width: int, side: int, region: Region, name: str) -> _Geometry:
    """Work out which part of the filtered projections is needed, and the filter."""
    angles = np.deg2rad(np.asarray(angles_deg, dtype=np.float64).ravel())
    top, _, left, right = region
    middle = 0.5 * (side - 1)
    # rounding up to whole vectors may reach three pixels beyond the slice, wherever a region ends
    radius = math.hypot(side + 2 - middle, middle)
    first = math.floor(centre - radius) - 1
    last = math.ceil(centre + radius) + 1
    length = padded_length(width, max(last, width - 1 - first))
    frequency = np.asarray(scipy.fft.rfftfreq(length))
    response = OVERSAMPLING * filter_response(name, length) / np.sinc(frequency / OVERSAMPLING) ** 2
    response[-1] *= 0.5  # the highest frequency gets a partner when the spectrum grows
    return _Geometry(
        weights=angular_weights(angles_deg).astype(np.float32),
        response=response.astype(np.float32),
        length=length,
        start=(OVERSAMPLING * first) % (OVERSAMPLING * length),
        samples=OVERSAMPLING * (last - first) + 1,
        origin=np.full(len(angles), OVERSAMPLING * (centre - first)),
        along_x=OVERSAMPLING * np.cos(angles),
        along_y=OVERSAMPLING * np.sin(angles),
        columns=4 * ((right - left + 3) // 4),
        middle_x=middle - left,
        middle_y=middle - top,
    )


def _one_by_one(function: Callable[[Item], Any], items: Iterable[Item], /) -> None:
    for item in items:
        function(item)


def _reconstruct_all(
    stack: NDArray[np.float32], geometry: _Geometry, padding: str, volume: NDArray[np.float32], each: _Map
) -> None:
    """Fill the volume, sixteen slices at a time."""
    slices, views, _ = stack.shape
    height, width = volume.shape[1:]
    total = np.empty((height, geometry.columns, LANES), dtype=np.float32)
    samples = np.zeros((min(views, _VIEWS), geometry.samples, LANES), dtype=np.float32)
    bands = [(row, min(height, row + _ROWS)) for row in range(0, height, _ROWS)]
    for group in range(0, slices, LANES):
        members = range(min(LANES, slices - group))
        total[...] = 0.0
        samples[:, :, len(members) :] = 0.0
        for view in range(0, views, _VIEWS):
            chosen = slice(view, min(views, view + _VIEWS))
            part = samples[: chosen.stop - view]

            def filter_slice(lane: int, group: int = group, chosen: slice = chosen, part: Any = part) -> None:
                part[:, :, lane] = _filtered(stack[group + lane, chosen], geometry, chosen, padding)

            def backproject(band: tuple[int, int], chosen: slice = chosen, part: Any = part) -> None:
                places = geometry.origin[chosen], geometry.along_x[chosen], geometry.along_y[chosen]
                add_backprojection(total, part, *places, geometry.middle_x, geometry.middle_y, *band)

            each(filter_slice, members)
            each(backproject, bands)

        def store(band: tuple[int, int], group: int = group, members: range = members) -> None:
            rows = slice(*band)
            volume[group : group + len(members), rows] = np.moveaxis(total[rows, :width, : len(members)], 2, 0)

        each(store, bands)


def _filtered(projections: NDArray[np.float32], geometry: _Geometry, views: slice, padding: str) -> NDArray[np.float32]:
    """Return the needed samples of some filtered projections of one slice, shape (views, samples)."""
    weighted = projections * geometry.weights[views, np.newaxis]
    spectrum = scipy.fft.rfft(pad(weighted, geometry.length, padding), axis=-1, overwrite_x=True)
    spectrum *= geometry.response
    cyclic = scipy.fft.irfft(spectrum, n=OVERSAMPLING * geometry.length, axis=-1, overwrite_x=True)
    before = cyclic.shape[-1] - geometry.start
    if before >= geometry.samples:
        return np.asarray(cyclic[:, geometry.start : geometry.start + geometry.samples])
    return np.concatenate([cyclic[:, geometry.start :], cyclic[:, : geometry.samples - before]], axis=1)
