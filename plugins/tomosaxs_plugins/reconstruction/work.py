"""How the work of a reconstruction grows with its size: what its seconds are proportional to."""

from __future__ import annotations

import math

from tomosaxs_plugins.reconstruction.parallel import thread_count

FOURIER = {
    ("tomosaxs", "gridding"),
    ("tomopy", "gridrec"),
    ("tomopy", "fourierrec"),
    ("algotom", "gridrec"),
    ("algotom", "dfi"),
}
"""Backends and algorithms that transform and grid instead of going through every pixel for every projection."""
_KERNEL = 36.0
"""Grid points that a sample of a projection is spread onto, weighed against the updates of a backprojection."""


def reconstruction_work(
    slices: int, angles: int, width: int, count: int, area: float, *, backend: str, algorithm: str, iterations: int
) -> float:
    """Return the work of reconstructing slices, in updates of a pixel by a projection.

    Parameters
    ----------
    slices, angles, width : int
        Of the sinograms.
    count : int
        Rows and columns of a slice.
    area : float
        Pixels of a slice that are worked out.
    iterations : int
        Of the iterative algorithms; each projects and backprojects. 0: filtered.
    """
    padded = 2.0 ** math.ceil(math.log2(2.0 * max(width, 2)))
    filtering = angles * padded * math.log2(padded)
    if (backend, algorithm) in FOURIER:
        grid = 1.25 * count
        return slices * (filtering + _KERNEL * angles * width + 2.0 * grid * grid * math.log2(max(grid, 2.0)))
    if iterations:
        return slices * 2.0 * iterations * angles * float(count) ** 2
    return slices * (filtering + angles * area)


def iteration_memory(width: int, angles: int, count: int) -> float:
    """Return the bytes that the threads of a rank need to work by iteration: own slices, residuals and rays.

    Parameters
    ----------
    width, angles : int
        Of the sinograms.
    count : int
        Rows and columns of a slice.
    """
    return thread_count() * (64.0 * count * count + 40.0 * angles * width + 4096.0 * (count + width))


def filtered_memory(width: int, count: int, slices: int, algorithm: str, threads: int) -> float:
    """Return the bytes that the own filtered reconstruction works in beside sinograms and slices, as measured.

    Parameters
    ----------
    width, count, slices : int
        Columns; rows and columns of a slice; slices of a block.
    algorithm : str
        ``gridding`` (also what ``fbp`` may become) or ``backproject``.
    threads : int
        That work; eight slices are on the grid of each.
    """
    if algorithm == "backproject":
        return 8e6 + threads * (4000.0 * width + 12.0 * count * count)
    grid = 8 * 8.0 * (1.25 * count) * (1.25 * count / 2 + 2)
    return min(threads, -(-slices // 8)) * (1.15 * grid + 4000.0 * width) + 2000.0 * width
