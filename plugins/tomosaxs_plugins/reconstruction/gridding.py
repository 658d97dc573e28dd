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
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tomosaxs_plugins.compiled import compiled, read_only
from tomosaxs_plugins.reconstruction.grid import check_sinograms, mask_outside
from tomosaxs_plugins.reconstruction.gridding_one import pitch_of_one, reconstruct_one
from tomosaxs_plugins.reconstruction.gridding_plan import CHUNK, PAD, Plan, Region, lengths, plan_of
from tomosaxs_plugins.reconstruction.gridding_slices import transform_columns, transform_rows
from tomosaxs_plugins.reconstruction.gridding_space import LANES, Space, aligned, space_for, spectra_for
from tomosaxs_plugins.reconstruction.gridding_views import factors_of, spectra_of, spread
from tomosaxs_plugins.reconstruction.parallel import thread_count

ALONE = 2
"""So many slices, one after the other, cost less than eight side by side."""


def gridding(
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
    volume = np.empty((slices, bottom - top, right - left), dtype=np.float32)
    rest = (side, (top, bottom, left, right), filter, padding)
    axes = np.asarray(centre_px, dtype=np.float64)
    if axes.ndim:
        # the same length, and so the same bits, whatever the other slices are
        found = [lengths(centre, width, side)[0] for centre in axes]
        ends = [*(np.flatnonzero(np.diff(found)) + 1).tolist(), slices]
        for first, last in zip([0, *ends[:-1]], ends, strict=True):
            if first < last:
                plan = plan_of(angles_deg, 0.5 * (width - 1), width, *rest, length=found[first])
                asides = axes[first:last] - 0.5 * (width - 1)
                _reconstruct(stack[first:last], asides, plan, volume[first:last], thread_count(threads))
    else:
        plan = plan_of(angles_deg, float(axes), width, *rest)
        _reconstruct(stack, None, plan, volume, thread_count(threads))
    return mask_outside(volume, mask_ratio, side, (top, bottom, left, right))


@partial(compiled, nogil=True, error_model="numpy")
def reconstruct_eight(
    sinograms: Any, asides: Any, plan: Any, space: Any, spectra: Any, grid: Any, pixels: Any, slice_: int
) -> None:
    """Reconstruct eight slices on one thread.

    Parameters
    ----------
    sinograms : ndarray, float32, flat
        Eight slices, views, columns.
    asides : ndarray, shape (8,) or (0,), float64
        Places of the rotation axes, in columns from that of the plan, where every slice has its own.
    plan : Plan
    space : Space
    spectra, grid : ndarray, float32
        See `spectra_for`; columns of ``plan.pitch`` complex numbers of eight slices, all zero before and after.
    pixels : ndarray, float32, flat
        Slices, rows, columns.
    slice_ : int
        Where among them the first goes; those that there is no room for are left out.
    """
    views, samples, own = len(plan.order), plan.views.length + 1, len(asides) > 0
    segments = (samples + plan.segment - 1) // plan.segment
    for view in range(0, views, CHUNK):
        count = min(CHUNK, views - view)
        for number in range(count):
            if own:
                for lane in range(8):
                    factors_of(plan, view + number, asides[lane], space.factors, lane, 8)
            else:
                factors_of(plan, view + number, 0.0, space.factors, 0, 1)
            base, step = plan.order[view + number] * plan.width, views * plan.width
            spectra_of(sinograms, base, step, plan, space, spectra, 16 * samples * number, own)
        for colour in range(2):
            for segment in range(colour, segments, 2):
                spread(spectra, count, view, segment, plan, space, grid)
    transform_columns(grid, 0, plan.rows.length + 1 + 2 * PAD, plan, space)
    transform_rows(grid, plan.top, plan.bottom, plan, space, pixels, slice_)


def _reconstruct(
    stack: NDArray[np.float32],
    asides: NDArray[np.float64] | None,
    plan: Plan,
    volume: NDArray[np.float32],
    workers: int,
) -> None:
    """Fill the volume: eight slices at a time on every thread, and the rest one by one where that is quicker."""
    slices = len(stack)
    even = slices - slices % (LANES * workers)
    if slices - even > ALONE * workers:
        even = slices
    # the last eight may overlap with those before: some slices are worked out twice, to the same bits
    begins = [min(first, max(0, slices - LANES)) for first in range(0, even, LANES)]
    tasks = [range(first, min(slices, first + LANES)) for first in begins]
    tasks += [range(one, one + 1) for one in range(even, slices)]
    workers = min(workers, len(tasks))

    def share(mine: list[range]) -> None:
        space, spectra = space_for(plan), spectra_for(plan)
        grid: NDArray[np.float32] | None = None
        for group in mine:
            if len(group) == 1 and group.start >= even:
                _alone(
                    stack[group.start],
                    0.0 if asides is None else float(asides[group.start]),
                    plan,
                    space,
                    spectra,
                    volume[group.start],
                )
                continue
            if grid is None:
                grid = aligned(16 * plan.pitch * (plan.rows.length + 1 + 2 * PAD))
            values, places = stack[group.start : group.stop], np.zeros(0)
            if len(group) < LANES:
                values = np.zeros((LANES, *stack.shape[1:]), dtype=np.float32)
                values[: len(group)] = stack[group.start :]
            if asides is not None:
                places = np.zeros(LANES)
                places[: len(group)] = asides[group.start : group.stop]
            reconstruct_eight(
                read_only(values.ravel()), places, plan, space, spectra, grid, volume.ravel(), group.start
            )

    if workers < 2:
        share(tasks)
        return
    with ThreadPoolExecutor(workers) as pool:
        for _ in pool.map(share, [tasks[number::workers] for number in range(workers)]):
            pass


def _alone(
    sinogram: NDArray[np.float32],
    aside: float,
    plan: Plan,
    space: Space,
    spectra: NDArray[np.float32],
    pixels: NDArray[np.float32],
) -> None:
    """Reconstruct one slice."""
    columns = -(-(plan.rows.length + 1 + 2 * PAD) // 8) * 8
    grid = aligned(2 * pitch_of_one(plan.columns.length) * columns)
    reconstruct_one(read_only(sinogram.ravel()), 0, aside, plan, space, spectra, grid, pixels.ravel(), 0)
