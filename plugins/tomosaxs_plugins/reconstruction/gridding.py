"""Direct Fourier reconstruction of parallel-beam sinograms by gridding.

The spectrum of a projection is a line through the middle of the slice's two-dimensional spectrum. Every projection is
padded, transformed and filtered, its frequencies are spread onto a Cartesian grid with a Kaiser-Bessel kernel, the grid
is transformed, and the slice is divided by the transform of the kernel. That is the sum of filtered backprojection over
all views, exact but for what the kernel lets through from beyond the grid's period.

Eight slices are worked on side by side in the lanes of vectors, so that places and weights are worked out once for all
of them; lanes never mix. A slice is real, and only the half of its spectrum that tells everything is kept.

References: J. D. O'Sullivan, DOI 10.1109/TMI.1985.4307723; J. I. Jackson et al., DOI 10.1109/42.97598; P. J. Beatty et
al., DOI 10.1109/TMI.2005.848376.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tomosaxs_plugins.compiled import compiled
from tomosaxs_plugins.reconstruction.grid import check_sinograms, mask_outside
from tomosaxs_plugins.reconstruction.gridding_plan import PAD, Plan, Region, plan_of
from tomosaxs_plugins.reconstruction.gridding_slices import ROWS, transform_columns, transform_rows
from tomosaxs_plugins.reconstruction.gridding_views import spread, view_spectra
from tomosaxs_plugins.reconstruction.parallel import thread_count

LANES = 8
"""Slices that are reconstructed side by side."""

CHUNK = 16
"""Views that are spread together: neighbours meet the same part of the grid while it is in the cache."""


def gridding(
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
        Rows and columns of the slice that are wanted, the last ones excluded; the result is that part of the whole
        slice bit for bit.

    Returns
    -------
    ndarray, shape (slices, size, size), float32
        Attenuation per pixel (of the region only, where one is given), on the grid of `filtered_backprojection`. A
        slice is bit-identical whatever the other slices and the number of threads.

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
    plan = plan_of(angles_deg, centre_px, width, side, (top, bottom, left, right), filter, padding)
    volume = np.empty((slices, bottom - top, right - left), dtype=np.float32)
    if slices:
        _reconstruct_all(stack, plan, volume, thread_count(threads))
    return mask_outside(volume, mask_ratio, side, (top, bottom, left, right))


class Space(NamedTuple):
    """What one thread needs to work in.

    Parameters
    ----------
    rows, work, block : ndarray, float32
        One view of eight slices; two buffers of a transform; some rows of the grid.
    factors, weights, scaled, corner : ndarray, float32
        Of a view; of the values of a segment; of a row of pixels; a square of eight by eight pixels.
    places : ndarray, int64
        Where the values of a segment go.
    """

    rows: NDArray[np.float32]
    work: NDArray[np.float32]
    block: NDArray[np.float32]
    factors: NDArray[np.float32]
    weights: NDArray[np.float32]
    scaled: NDArray[np.float32]
    corner: NDArray[np.float32]
    places: NDArray[np.int64]


def aligned(count: int) -> NDArray[np.float32]:
    """Return so many zeros, at the beginning of a line of the cache: vectors then never lie across two lines."""
    raw = np.zeros(count + 16, dtype=np.float32)
    skip = (-raw.ctypes.data % 64) // 4
    return raw[skip : skip + count]


def space_for(plan: Plan) -> Space:
    """Return what one thread needs for a plan."""
    half, period = plan.views.length, plan.columns.length
    return Space(
        rows=aligned(8 * half),
        work=aligned(32 * max(half, period)),
        block=aligned(ROWS * 16 * (plan.rows.length + 1)),
        factors=aligned(4 * (half + 4)),
        weights=aligned(16 * plan.segment),
        scaled=aligned(len(plan.correction)),
        corner=aligned(64),
        places=np.zeros(plan.segment, dtype=np.int64),
    )


def grid_for(plan: Plan) -> NDArray[np.float32]:
    """Return the grid of eight slices: half their spectra, all zero."""
    return aligned(16 * plan.pitch * (plan.rows.length + 1 + 2 * PAD))


def spectra_for(plan: Plan) -> NDArray[np.float32]:
    """Return room for the spectra of some views of eight slices."""
    return aligned(16 * CHUNK * (plan.views.length + 1))


@partial(compiled, nogil=True, error_model="numpy")
def reconstruct_eight(
    sinograms: Any, first: int, plan: Any, space: Any, spectra: Any, grid: Any, pixels: Any, slice_: int
) -> None:
    """Reconstruct eight slices on one thread.

    Parameters
    ----------
    sinograms : ndarray, float32, flat
        Slices, views, columns.
    first : int
        First of the eight.
    plan : Plan
    space : Space
    spectra, grid : ndarray, float32
        See `spectra_for`, `grid_for`.
    pixels : ndarray, float32, flat
        Slices, rows, columns.
    slice_ : int
        Where among them the first goes; those that there is no room for are left out.
    """
    views, samples = len(plan.order), plan.views.length + 1
    segments = (samples + plan.segment - 1) // plan.segment
    for view in range(0, views, CHUNK):
        count = min(CHUNK, views - view)
        for number in range(count):
            view_spectra(sinograms, first, view + number, plan, space, spectra, 16 * samples * number)
        for colour in range(2):
            for segment in range(colour, segments, 2):
                spread(spectra, count, view, segment, plan, space, grid)
    transform_columns(grid, 0, plan.rows.length + 1 + 2 * PAD, plan, space)
    transform_rows(grid, plan.top, plan.bottom, plan, space, pixels, slice_)


def _reconstruct_all(stack: NDArray[np.float32], plan: Plan, volume: NDArray[np.float32], workers: int) -> None:
    """Fill the volume, eight slices at a time and one such batch on a thread."""
    batches = range(0, len(stack), LANES)
    each = [batches[number :: min(workers, len(batches))] for number in range(min(workers, len(batches)))]

    def share(mine: range) -> None:
        space, spectra, grid = space_for(plan), spectra_for(plan), grid_for(plan)
        for first in mine:
            values, begin = stack, first
            if first + LANES > len(stack):
                values, begin = np.zeros((LANES, *stack.shape[1:]), dtype=np.float32), 0
                values[: len(stack) - first] = stack[first:]
            reconstruct_eight(values.ravel(), begin, plan, space, spectra, grid, volume.ravel(), first)

    if len(each) == 1:
        share(each[0])
        return
    with ThreadPoolExecutor(len(each)) as pool:
        for _ in pool.map(share, each):
            pass
