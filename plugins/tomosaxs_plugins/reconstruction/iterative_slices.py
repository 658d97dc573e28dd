"""Iterative reconstruction of many slices: threads, axes, what to begin with, and how every slice went on."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tomosaxs_plugins.reconstruction.grid import mask_outside
from tomosaxs_plugins.reconstruction.iteration import ITERATIONS, REGULARISATION, History, Wishes
from tomosaxs_plugins.reconstruction.iterative import Scales, iterate, scales_of
from tomosaxs_plugins.reconstruction.parallel import Each, one_by_one, thread_count
from tomosaxs_plugins.reconstruction.projector import Projector

INITIAL: tuple[str, ...] = ("zero", "fbp")
"""What an iterative reconstruction begins with: nothing, or the filtered backprojection."""


def reconstruct_by_iteration(
    sinograms: NDArray[np.float32],
    angles_deg: NDArray[np.float64],
    centres_px: NDArray[np.float64],
    *,
    method: str,
    size: int,
    iterations: int | None = None,
    nonnegative: bool = False,
    regularisation: float | None = None,
    tolerance: float = 0.0,
    initial: str = "zero",
    filter: str = "ramp",
    padding: str = "zero",
    mask_ratio: float | None = None,
    threads: int | None = None,
    histories: list[History] | None = None,
) -> NDArray[np.float32]:
    """Reconstruct slices by iteration.

    Parameters
    ----------
    sinograms : ndarray, shape (slices, angles, columns), float32
        Attenuation: line integrals, where a pixel is the unit of length.
    angles_deg : ndarray, shape (angles,)
        Angles in degrees.
    centres_px : ndarray, shape (slices,)
        Rotation axis of every slice, in pixel centres counted from 0.
    method : str
        One of `iterative.METHODS`.
    size : int
        Rows and columns of a slice.
    iterations, nonnegative, regularisation, tolerance
        See `iterative.Wishes`; None stands for what is usual.
    initial : {"zero", "fbp"}
        What to begin with; `filter` and `padding` are those of the filtered backprojection.
    mask_ratio : float, optional
        Pixels outside a circle of this diameter, relative to the size, become zero at the end.
    threads : int, optional
        Number of threads; by default as `thread_count` says.
    histories : list, optional
        How every slice went on is appended to it.

    Returns
    -------
    ndarray, shape (slices, size, size), float32
        Attenuation per pixel. A slice is bit-identical whatever the other slices and the number of threads.

    Raises
    ------
    ValueError
        If the method cannot do what is asked, or a value is out of range.
    """
    wishes = _wishes(method, iterations, nonnegative, regularisation, tolerance, initial)
    volume = np.empty((len(sinograms), size, size), dtype=np.float32)
    found: list[History] = [History()] * len(volume)
    start = None
    if initial == "fbp" and len(volume):
        from tomosaxs_plugins.reconstruction.backprojection import filtered_backprojection

        start = filtered_backprojection(
            sinograms, angles_deg, centres_px, filter=filter, padding=padding, size=size, threads=threads
        )
    workers = thread_count(threads)
    with ThreadPoolExecutor(workers) as pool:

        def together(function: Any, items: Iterable[Any]) -> None:
            for _ in pool.map(function, items):
                pass

        many = together if workers > 1 else one_by_one
        geometry = _Geometry(angles_deg, sinograms.shape[2], size, centres_px, many)

        def one(number: int, each: Each = one_by_one) -> None:
            begin = None if start is None else start[number]
            projector, scales = geometry.of(float(centres_px[number]), each)
            volume[number], found[number] = iterate(sinograms[number], projector, scales, wishes, begin, each)

        shared = len(volume) % workers if len(volume) < 4 * workers else 0  # all threads on one slice
        many(one, range(len(volume) - shared))
        for number in range(len(volume) - shared, len(volume)):
            one(number, many)
    if histories is not None:
        histories.extend(found)
    return mask_outside(volume, mask_ratio)


def _wishes(
    method: str, iterations: int | None, nonnegative: bool, regularisation: float | None, tolerance: float, initial: str
) -> Wishes:
    """Check what is asked."""
    if nonnegative and method == "cgls":
        raise ValueError("algorithm cgls cannot keep values from being negative; sirt and fista_tv can")
    if regularisation is not None and method != "fista_tv":
        raise ValueError(f"algorithm {method} has no regularisation; fista_tv has")
    if regularisation is not None and not regularisation >= 0:
        raise ValueError(f"the regularisation is {regularisation}; it must not be negative")
    if not 0 <= tolerance < 1:
        raise ValueError(f"the tolerance is {tolerance}; it is a share of the cost, from 0 to 1")
    if initial not in INITIAL:
        raise ValueError(f"nothing to begin with is called {initial!r}; there are {', '.join(INITIAL)}")
    weight = REGULARISATION if regularisation is None else regularisation
    return Wishes(method, iterations or ITERATIONS[method], nonnegative, weight, tolerance)


class _Geometry:
    """Projectors and scales: made once where all slices have the same axis, else anew for every slice."""

    def __init__(
        self, angles_deg: NDArray[np.float64], width: int, size: int, centres_px: NDArray[np.float64], each: Each
    ) -> None:
        self._angles, self._width, self._size = angles_deg, width, size
        self._same: tuple[Projector, Scales] | None = None
        if len(centres_px) and (centres_px == centres_px[0]).all():
            self._same = self.of(float(centres_px[0]), each)

    def of(self, centre: float, each: Each) -> tuple[Projector, Scales]:
        """Return projector and scales for an axis."""
        if self._same is not None:
            return self._same
        projector = Projector(self._angles, self._width, centre, self._size)
        return projector, scales_of(projector, each)
