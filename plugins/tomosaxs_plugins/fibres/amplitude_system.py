"""Normal equations of the heights of all fibres of a slice, over all its beam paths, azimuths and q.

The design matrix is never written out: its block of a path is weight times streak for every fibre of the path, and the
streak is the same for all paths of a rotation. What is added up are blocks of the normal matrix, path by path.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from tomosaxs_plugins.fibres.amplitude_kernels import normal_of_path, residuals_of_path
from tomosaxs_plugins.fibres.model import bin_means
from tomosaxs_plugins.fibres.problem import BeamPaths, Bins, FibreTable, Floats, Library
from tomosaxs_plugins.reconstruction.parallel import thread_count

_HELD = 256 << 20  # bytes of streaks that are kept for the next round
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
    table : FibreTable
        q0, wa, wmu and delta that streaks are made with; directions are those of `paths`.
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
        self, library: Library, paths: BeamPaths, bins: Bins, table: FibreTable, basis: Floats, *,
        group: NDArray[np.intp] | None = None, folded: bool = False, threads: int | None = None,
    ) -> None:  # fmt: skip
        self.library, self.paths, self.bins, self.table = library, paths, bins, table
        self.basis, self.folded, self.threads = np.ascontiguousarray(basis, dtype=np.float64), folded, threads
        self.group = np.arange(len(bins.q)) if group is None else group
        self.largest = 0.0
        self.expected_cost: float | None = None
        usable = library.usable & np.isfinite(library.values) & np.isfinite(library.sigma) & (library.sigma > 0)
        self.data = np.where(usable, library.values, 0.0).reshape(len(usable), -1)
        self.variance = np.where(usable, library.sigma, np.inf).reshape(len(usable), -1) ** 2
        self._of_one_count = np.where(
            usable, library.sigma**2 / np.maximum(library.values, library.sigma), np.nan
        ).reshape(len(usable), -1)
        self._expected = np.zeros_like(self.data)
        self._streaks: dict[int, tuple[NDArray[np.intp], Floats]] = {}
        n_bins = len(bins.chi_deg) * len(bins.q)
        self._hold = len(paths.rotation_deg) * len(paths.identifiers) * n_bins * 8 <= _HELD

    def streaks(self, rotation: int) -> tuple[NDArray[np.intp], Floats]:
        """Return the fibres that are seen at a rotation, and their streaks of height 1 there, (m, n_bins)."""
        if rotation in self._streaks:
            return self._streaks[rotation]
        paths = self.paths
        mine = np.flatnonzero(paths.path_rotation == rotation)
        parts = [paths.fibre[paths.offsets[p] : paths.offsets[p + 1]] for p in mine]
        seen = np.unique(np.concatenate(parts)) if parts else np.zeros(0, dtype=np.intp)
        turned = paths.beta_deg[seen] + paths.rotation_deg[rotation]
        direction = np.radians(paths.alpha_deg[seen]), np.radians(turned)
        shape = tuple(getattr(self.table, name)[seen] for name in ("q0", "wa", "wmu", "delta"))
        values = bin_means(self.bins, *direction, *shape, threads=self.threads)[0]
        if self.folded:
            other = replace(self.bins, chi_deg=self.bins.chi_deg + 180.0)
            values = (values + bin_means(other, *direction, *shape, threads=self.threads)[0]) / 2
        found = seen, np.ascontiguousarray(values.reshape(len(seen), -1), dtype=np.float64)
        if self._hold:
            self._streaks[rotation] = found
        return found

    def _each(self, work: Callable[[int, NDArray[np.intp], Floats], object]) -> Iterator[tuple[int, object]]:
        """Call `work(path, rows of streaks, streaks)` for every path on threads; give answers in the order of paths."""
        paths = self.paths
        with ThreadPoolExecutor(thread_count(self.threads)) as pool:
            for rotation in range(len(paths.rotation_deg)):
                mine = np.flatnonzero(paths.path_rotation == rotation)
                if not len(mine):
                    continue
                seen, streaks = self.streaks(rotation)

                def one(path: int, seen: NDArray[np.intp] = seen, streaks: Floats = streaks) -> object:
                    fibre = paths.fibre[paths.offsets[path] : paths.offsets[path + 1]]
                    return work(path, np.searchsorted(seen, fibre), streaks)

                for begin in range(0, len(mine), _AT_ONCE):
                    some = [int(path) for path in mine[begin : begin + _AT_ONCE]]
                    yield from zip(some, pool.map(one, some), strict=True)

    def normal_equations(self) -> NormalEquations:
        """Add up the normal equations over all paths, with the present variances."""
        n, paths = len(self.paths.identifiers), self.paths
        normal, right = np.zeros((n, n)), np.zeros(n)
        cost, count = 0.0, 0

        def one(path: int, place: NDArray[np.intp], streaks: Floats) -> tuple[Floats, Floats, float, int, float]:
            share = paths.weight[paths.offsets[path] : paths.offsets[path + 1]]
            block, mine = np.zeros((len(place), len(place))), np.zeros(len(place))
            left, used, most = normal_of_path(
                streaks, place, share, self.data[path], self.variance[path], self.group, self.basis, block, mine
            )
            return block, mine, left, used, most

        for path, answer in self._each(one):
            assert isinstance(answer, tuple)
            block, mine, left, used, most = answer
            fibre = paths.fibre[paths.offsets[path] : paths.offsets[path + 1]]
            normal[np.ix_(fibre, fibre)] += block
            right[fibre] += mine
            cost += left
            count += max(used - len(self.basis), 0)
            self.largest = max(self.largest, most)
        return NormalEquations(normal, right, cost, count)

    def residuals(self, heights: Floats) -> Residuals:
        """Return how given heights describe the data, NaN as zero; the expected intensities are kept for `reweight`."""
        n, paths = len(self.paths.identifiers), self.paths
        known = np.nan_to_num(heights)
        squares, number = np.zeros(n), np.zeros(n)
        backgrounds = np.zeros((len(paths.path_rotation), len(self.basis)))
        cost = 0.0

        def one(path: int, place: NDArray[np.intp], streaks: Floats) -> tuple[Floats, Floats, float]:
            part = slice(paths.offsets[path], paths.offsets[path + 1])
            own, count = np.zeros(len(place)), np.zeros(len(place))
            left = residuals_of_path(
                streaks, place, paths.weight[part], known[paths.fibre[part]], self.data[path],
                self.variance[path], self.group, self.basis, LIT * self.largest, self._expected[path],
                backgrounds[path], own, count,
            )  # fmt: skip
            return own, count, left

        for path, answer in self._each(one):
            assert isinstance(answer, tuple)
            own, count, left = answer
            fibre = paths.fibre[paths.offsets[path] : paths.offsets[path + 1]]
            squares[fibre] += own
            number[fibre] += count
            cost += left
        return Residuals(cost, squares, number, backgrounds)

    def reweight(self) -> None:
        """Take the variances of counting from the expected intensities of the last `residuals`, not from the counts.

        The intensity of one count is that of the given uncertainties: variance over intensity, or, of a bin with less
        than one count, the uncertainty itself.
        """
        one = self._of_one_count
        known = np.isfinite(one)
        self.variance = np.where(known, one * np.maximum(self._expected, one), np.inf)
        # bins with less than one expected count scatter less than their weight says
        really = np.where(known, one * np.maximum(self._expected, 0.0), 0.0)
        starts = np.flatnonzero(np.diff(self.group, prepend=self.group[0] - 1))
        shape = len(one), len(self.bins.chi_deg), len(self.bins.q)
        used = np.where(known, self.variance, 0.0)
        top, bottom = (np.add.reduceat(each.reshape(shape), starts, axis=2) for each in (really, used))
        ratio = np.divide(top, bottom, out=np.zeros_like(top), where=bottom > 0)
        terms = len(self.basis) * int(known.any(axis=1).sum())
        self.expected_cost = max(float(ratio.sum()) - terms, 1.0)
