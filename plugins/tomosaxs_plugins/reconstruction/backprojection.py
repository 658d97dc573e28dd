"""Filtered backprojection of parallel-beam sinograms.

Every projection is filtered by Fourier transform and sampled twice as finely by zero padding of its spectrum. It is
resampled to half steps of a pixel along the rows of the slice (see `sheared`), and interpolated again between those;
both interpolations are linear, and what they damp, ``sinc(frequency / 2)**2`` and ``sinc(frequency step / 2)**2``, is
divided out of the filter. The filtered projections are known beyond both ends of the detector too, so that the corners
of a slice are right as long as the object itself is inside the field of view.

Reference: Kak and Slaney, Principles of Computerized Tomographic Imaging, DOI 10.1137/1.9780898719277, chapter 3.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tomosaxs_plugins.reconstruction.angles import angular_weights
from tomosaxs_plugins.reconstruction.filters import filter_response, pad, padded_length
from tomosaxs_plugins.reconstruction.grid import check_sinograms, inside_circle, mask_outside
from tomosaxs_plugins.reconstruction.parallel import thread_count
from tomosaxs_plugins.reconstruction.sheared import CHUNK, Half, add_lines, empty_sums, halves, resample

OVERSAMPLING = 2
"""Samples per detector pixel of a filtered projection."""

_VIEWS = 64  # views filtered at a time: their samples stay in the cache
_TOGETHER = 1 << 16  # values filtered in one go: calls cost more than the cache gains where rows are short
_ROWS = 64  # rows of a slice worked on by one thread at a time
_STEPS = 32  # so many filters make up for the damping of steps between 0.7 and 1 pixel

Item = TypeVar("Item")
Region: TypeAlias = tuple[int, int, int, int]
"""Part of a slice: top, bottom, left and right, the second and the last one excluded."""


class _Map(Protocol):
    """Call a function on every item, perhaps on several threads, and wait for all."""

    def __call__(self, function: Callable[[Item], Any], items: Iterable[Item], /) -> None: ...


def filtered_backprojection(
    sinograms: NDArray[np.float32],
    angles_deg: ArrayLike,
    centre_px: float | NDArray[np.float64],
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
    centre_px : float or ndarray, shape (slices,)
        Rotation axis, in pixel centres counted from 0; one for every slice where it is tilted.
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
    centres = np.broadcast_to(np.asarray(centre_px, dtype=np.float64), len(sinograms))
    stack = check_sinograms(sinograms, angles_deg, centre_px)
    slices, _, width = stack.shape
    side = width if size is None else size
    if side < 1:
        raise ValueError(f"a slice needs at least one pixel, not {side}")
    region = region or (0, side, 0, side)
    top, bottom, left, right = region
    if not (0 <= top < bottom <= side and 0 <= left < right <= side):
        raise ValueError(f"rows {top} to {bottom}, columns {left} to {right} are no part of a slice of {side} pixels")
    volume = np.empty((slices, bottom - top, right - left), dtype=np.float32)
    if slices == 0:
        return volume
    plan = _Plan.of(np.asarray(angles_deg, dtype=np.float64).ravel(), centres, width, side, region, mask_ratio, filter)

    def whole(number: int, each: _Map = _one_by_one) -> None:
        volume[number] = _slice(stack[number], plan, float(centres[number]), padding, each)

    workers = thread_count(threads)
    shared = slices % workers if slices < 4 * workers else 0  # slices that all threads work on together
    if workers == 1:
        _one_by_one(whole, range(slices))
    else:
        with ThreadPoolExecutor(workers) as pool:

            def together(function: Callable[[Item], Any], items: Iterable[Item], /) -> None:
                for _ in pool.map(function, items):
                    pass

            together(whole, range(slices - shared))
            for number in range(slices - shared, slices):
                whole(number, together)
    return mask_outside(volume, mask_ratio, side, region)


@dataclass(frozen=True)
class _Plan:
    """Everything that all slices share."""

    halves: list[Half]
    weights: NDArray[np.float32]  # (angles,)
    levels: NDArray[np.intp]  # (angles,) which of the filters
    responses: NDArray[np.float32]  # (filters, frequencies)
    length: int  # of the padded projections, before oversampling
    first: int  # detector column of the first sample kept
    samples: int  # number of samples kept
    middle: float  # row and column of the rotation axis in the slice
    region: Region
    limits: list[NDArray[np.int64]]  # of the rows, and of the columns, of the region

    @classmethod
    def of(
        cls,
        angles_deg: NDArray[np.float64],
        centres: NDArray[np.float64],
        width: int,
        side: int,
        region: Region,
        mask_ratio: float | None,
        name: str,
    ) -> _Plan:
        """Work out which part of the filtered projections is needed, and the filters."""
        middle = 0.5 * (side - 1)
        radius = math.hypot(middle, middle) + 3  # interpolation reaches a little further
        first = math.floor(centres.min() - radius) - 1
        last = math.ceil(centres.max() + radius) + 1
        length = padded_length(width, max(last, width - 1 - first))
        frequency = np.fft.rfftfreq(length)
        response = OVERSAMPLING * filter_response(name, length) / np.sinc(frequency / OVERSAMPLING) ** 3
        response[-1] *= 0.5  # the highest frequency gets a partner when the spectrum grows
        smallest = math.sqrt(0.5)
        steps = smallest + (1 - smallest) * np.arange(_STEPS) / (_STEPS - 1)
        angles = np.deg2rad(angles_deg)
        step = np.maximum(np.abs(np.cos(angles)), np.abs(np.sin(angles)))
        return cls(
            halves=halves(angles_deg),
            weights=angular_weights(angles_deg).astype(np.float32),
            levels=np.rint((step - smallest) / (1 - smallest) * (_STEPS - 1)).astype(np.intp),
            responses=(response / np.sinc(np.multiply.outer(steps, frequency / OVERSAMPLING)) ** 2).astype(np.float32),
            length=length,
            first=first,
            samples=OVERSAMPLING * (last - first) + 1,
            middle=middle,
            region=region,
            limits=_limits(side, region, mask_ratio),
        )


def _limits(side: int, region: Region, mask_ratio: float | None) -> list[NDArray[np.int64]]:
    """Return of every row the first and the last column (behind it) that are needed, and of every column the rows."""
    top, bottom, left, right = region
    inside = np.ones((bottom - top, right - left), dtype=bool)
    if mask_ratio is not None:
        inside = inside_circle(side, mask_ratio)[top:bottom, left:right]
    found = []
    for mask in (inside, inside.T):
        behind = mask.shape[1] - np.argmax(mask[:, ::-1], axis=1)
        found.append(np.stack([np.argmax(mask, axis=1), np.where(mask.any(axis=1), behind, 0)], axis=1))
    return found


def _one_by_one(function: Callable[[Item], Any], items: Iterable[Item], /) -> None:
    for item in items:
        function(item)


def _slice(sinogram: NDArray[np.float32], plan: _Plan, centre: float, padding: str, each: _Map) -> NDArray[np.float32]:
    """Reconstruct one slice."""
    top, bottom, left, right = plan.region
    result: NDArray[np.float32] | None = None
    for half in plan.halves:
        rows, columns = ((left, right), (top, bottom)) if half.steep else ((top, bottom), (left, right))
        total = empty_sums(rows[1] - rows[0], columns[1] - columns[0])
        _add_half(total, sinogram, plan, half, (rows, columns), centre, padding, each)
        seen = total[:, : columns[1] - columns[0]]
        seen = seen.T if half.steep else seen
        result = seen if result is None else result + seen
    assert result is not None  # there is at least one angle
    return result


def _add_half(
    total: NDArray[np.float32],
    sinogram: NDArray[np.float32],
    plan: _Plan,
    half: Half,
    part: tuple[tuple[int, int], tuple[int, int]],
    centre: float,
    padding: str,
    each: _Map,
) -> None:
    """Add to the sums what the views of one half say."""
    (rows, columns), middle = part, plan.middle
    reach = half.reach((rows[0] - middle, rows[1] - 1 - middle), (columns[0] - middle, columns[1] - 1 - middle))
    first = int(reach[:, 0].min())
    stride = int(reach[:, 1].max()) + 1 - first + CHUNK
    lines = np.zeros((min(len(half.members), _VIEWS), OVERSAMPLING, stride), dtype=np.float32)
    origin = OVERSAMPLING * (centre - plan.first)
    limits = plan.limits[half.steep]
    few = min(_VIEWS, max(8, _TOGETHER // plan.length))
    for begin in range(0, len(half.members), _VIEWS):
        chosen = slice(begin, min(len(half.members), begin + _VIEWS))
        some = lines[: chosen.stop - begin]

        def prepare(few: slice, begin: int = begin, some: Any = some) -> None:
            views = slice(begin + few.start, begin + few.stop)
            samples = _filtered(sinogram, half.members[views], plan, padding)
            resample(samples, origin, OVERSAMPLING * half.step[views], reach[views], first, some[few])

        def add(band: tuple[int, int], chosen: slice = chosen, some: Any = some) -> None:
            add_lines(total, some, half.slope[chosen], first, middle, (rows[0], columns[0]), limits, *band)

        each(prepare, [slice(at, min(len(some), at + few)) for at in range(0, len(some), few)])
        each(add, [(at, min(len(total), at + _ROWS)) for at in range(0, len(total), _ROWS)])


def _filtered(sinogram: NDArray[np.float32], views: NDArray[np.intp], plan: _Plan, padding: str) -> NDArray[np.float32]:
    """Return the needed samples of some filtered projections of one slice, shape (views, samples)."""
    import scipy.fft  # when it is needed: its import takes longer than planning a list

    weighted = sinogram[views] * plan.weights[views, np.newaxis]
    spectrum = scipy.fft.rfft(pad(weighted, plan.length, padding), axis=-1, overwrite_x=True)
    spectrum *= plan.responses[plan.levels[views]]
    cyclic = scipy.fft.irfft(spectrum, n=OVERSAMPLING * plan.length, axis=-1, overwrite_x=True)
    start = (OVERSAMPLING * plan.first) % cyclic.shape[-1]
    before = cyclic.shape[-1] - start
    if before >= plan.samples:
        return np.ascontiguousarray(cyclic[:, start : start + plan.samples])
    return np.concatenate([cyclic[:, start:], cyclic[:, : plan.samples - before]], axis=1)
