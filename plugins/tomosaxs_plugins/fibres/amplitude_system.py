"""Normal equations of the heights of all fibres of a slice, over all its beam paths, azimuths and q.

The design matrix is never written out: its block of a path is weight times streak for every fibre of the path, and the
streak is the same for all paths of a rotation. What is added up are blocks of the normal matrix, path by path. Streaks
of one rotation at a time are in memory; they are made again for the next round, which takes less than using them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tomosaxs_plugins.fibres.amplitude_kernels import add_block, normal_of_path, residuals_of_path, reweight_path
from tomosaxs_plugins.fibres.equal_streaks import EqualStreaks
from tomosaxs_plugins.fibres.problem import BeamPaths, Bins, Floats, Library
from tomosaxs_plugins.reconstruction.parallel import thread_count

_AT_ONCE = 32  # paths whose blocks are held until they are added
LIT = 0.1
"""Data to which a streak gives this part of what the brightest of its height gives are the fibre's own."""


@dataclass(frozen=True, eq=False)
class NormalEquations:
    """What the data say of the heights: minimise x N x - 2 r x + c.

    Parameters
    ----------
    normal : (n, n) float array
        N.
    right : (n,) float array
        r.
    cost : float
        c: weighted sum of squares of the data that no background explains.
    n_data : int
        Bins in use, less the terms of backgrounds.
    """

    normal: Floats
    right: Floats
    cost: float
    n_data: int

    def cost_of(self, heights: Floats) -> float:
        """Return the weighted sum of squared residuals for given heights."""
        seen = np.isfinite(heights)
        x = np.where(seen, heights, 0.0)
        return max(float(self.cost - 2 * (self.right @ x) + x @ (self.normal @ x)), 0.0)


@dataclass(frozen=True, eq=False)
class Residuals:
    """How heights describe the data.

    Parameters
    ----------
    cost : float
        Weighted sum of squared residuals.
    squares, number : (n,) float arrays
        The same over the data of every fibre (those that it gives a good part of its height to), and their number.
    backgrounds : (n_paths, terms) float array
        Coefficients of the background of every path.
    """

    cost: float
    squares: Floats
    number: Floats
    backgrounds: Floats


class PathSystem:
    """The linear problem of one slice.

    Parameters
    ----------
    library : Library
        Measured intensities.
    paths : BeamPaths
        Which fibres every path crosses.
    bins : Bins
        Of the library.
    shape : (float, float, float, float)
        q0, wa, wmu and delta that all streaks are made with.
    basis : (terms, n_q) float array
        Shapes of the background of a path against q.
    group : (n_q,) int array, optional
        Bins of one azimuth that have the same number, side by side, are taken together as their mean.
    folded : bool
        Whether azimuths half a turn apart were taken together.
    threads : int, optional
        By default as many as the process may use; no result depends on it.
    """

    def __init__(
        self, library: Library, paths: BeamPaths, bins: Bins, shape: tuple[float, float, float, float], basis: Floats,
        *, group: NDArray[np.intp] | None = None, folded: bool = False, threads: int | None = None,
    ) -> None:  # fmt: skip
        self.paths, self.threads = paths, threads
        self.basis = np.ascontiguousarray(basis, dtype=np.float64)
        self.group = np.arange(len(bins.q)) if group is None else group
        self.largest = 0.0
        self.expected_cost: float | None = None
        usable = library.usable & np.isfinite(library.values) & np.isfinite(library.sigma) & (library.sigma > 0)
        self.data = np.where(usable, library.values, 0.0).reshape(len(usable), -1)
        self.variance = np.where(usable, library.sigma, np.inf).reshape(len(usable), -1) ** 2
        # the intensity of one count is that of the given uncertainties: variance over intensity, or, of a bin with
        # less than one count, the uncertainty itself
        self._of_one_count = np.where(
            usable, library.sigma**2 / np.maximum(library.values, library.sigma), np.nan
        ).reshape(len(usable), -1)
        self._streaks = EqualStreaks(bins, *shape, folded=folded)

    def _each(self, work: Callable[[int, slice, NDArray[np.intp], Floats], Any]) -> Iterator[tuple[int, slice, Any]]:
        """Call `work(path, its entries, rows of streaks, streaks)` for every path on threads.

        Answers come in the order of paths, with the path and its entries.
        """
        paths = self.paths
        with ThreadPoolExecutor(thread_count(self.threads)) as pool:
            for rotation, angle in enumerate(paths.rotation_deg):
                mine = np.flatnonzero(paths.path_rotation == rotation)
                entries = [slice(int(paths.offsets[path]), int(paths.offsets[path + 1])) for path in mine]
                if not len(mine):
                    continue
                seen = np.unique(np.concatenate([paths.fibre[part] for part in entries]))
                made = self._streaks(paths.alpha_deg[seen], paths.beta_deg[seen] + angle, self.threads)
                streaks = made.reshape(len(seen), self.data.shape[1])

                def one(path: int, part: slice, seen: NDArray[np.intp] = seen, streaks: Floats = streaks) -> Any:
                    return work(path, part, np.searchsorted(seen, paths.fibre[part]), streaks)

                for begin in range(0, len(mine), _AT_ONCE):
                    some = [int(path) for path in mine[begin : begin + _AT_ONCE]]
                    parts = entries[begin : begin + _AT_ONCE]
                    yield from zip(some, parts, pool.map(one, some, parts), strict=True)

    def normal_equations(self, heights: Floats | None = None) -> NormalEquations:
        """Add up the normal equations over all paths.

        Parameters
        ----------
        heights : (n,) float array, optional
            Take the variances of counting from the intensities that these let expect, from now on. Without them the
            present variances count.
        """
        n, paths = len(self.paths.identifiers), self.paths
        normal, right = np.zeros((n, n)), np.zeros(n)
        cost, count, noise, terms = 0.0, 0, 0.0, 0

        def one(
            path: int, part: slice, place: NDArray[np.intp], streaks: Floats
        ) -> tuple[Floats, Floats, float, tuple[float, int, float]]:
            share, data, variance = paths.weight[part], self.data[path], self.variance[path]
            expected = 0.0
            if heights is not None:
                expected = reweight_path(
                    streaks, place, share, heights[paths.fibre[part]], data, self._of_one_count[path], variance,
                    self.group, self.basis,
                )  # fmt: skip
            block, mine = np.zeros((len(place), len(place))), np.zeros(len(place))
            return (
                block,
                mine,
                expected,
                normal_of_path(streaks, place, share, data, variance, self.group, self.basis, block, mine),
            )

        for _, part, (block, mine, expected, (left, used, most)) in self._each(one):
            add_block(normal, right, paths.fibre[part], block, mine)
            cost += left
            count += max(used - len(self.basis), 0)
            self.largest = max(self.largest, most)
            noise += expected
            terms += len(self.basis) if used else 0
        if heights is not None:
            self.expected_cost = max(noise - terms, 1.0)
        return NormalEquations(normal, right, cost, count)

    def residuals(self, heights: Floats) -> Residuals:
        """Return how given heights describe the data."""
        n, paths = len(self.paths.identifiers), self.paths
        squares, number = np.zeros(n), np.zeros(n)
        backgrounds = np.zeros((len(paths.path_rotation), len(self.basis)))
        cost = 0.0

        def one(path: int, part: slice, place: NDArray[np.intp], streaks: Floats) -> tuple[Floats, Floats, float]:
            own, count = np.zeros(len(place)), np.zeros(len(place))
            left = residuals_of_path(
                streaks, place, paths.weight[part], heights[paths.fibre[part]], self.data[path], self.variance[path],
                self.group, self.basis, LIT * self.largest, backgrounds[path], own, count,
            )  # fmt: skip
            return own, count, left

        for _, part, (own, count, left) in self._each(one):
            squares[paths.fibre[part]] += own
            number[paths.fibre[part]] += count
            cost += left
        return Residuals(cost, squares, number, backgrounds)
