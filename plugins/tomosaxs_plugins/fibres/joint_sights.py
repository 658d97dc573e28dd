"""Which fibre is seen at which rotation by which beam paths, in the order in which the joint fit works through them.

A *sight* is one fibre at one rotation of the sample. Its streak depends on nothing else, however many beam paths of
that rotation see it: it is computed once, and the paths add it up with their weights.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tomosaxs_plugins.fibres.problem import BeamPaths, Floats
from tomosaxs_plugins.reconstruction.parallel import thread_count

Integers = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Sights:
    """Every fibre at every rotation at which a usable beam path crosses it, sorted by fibre, then rotation.

    Parameters
    ----------
    n_fibres : int
        Fibres, seen or not.
    fibre, rotation : (n_sights,) int arrays
        Of every sight.
    first : (n_sights + 1,) int array
        Where the beam paths of every sight begin in `path` and `path_weight`.
    path : (n_entries,) int array
    path_weight : (n_entries,) float array
    offsets : (n_paths + 1,) int array
        Where the sights of every beam path begin in `sight` and `weight`.
    sight : (n_entries,) int array
    weight : (n_entries,) float array
    """

    n_fibres: int
    fibre: Integers
    rotation: Integers
    first: Integers
    path: Integers
    path_weight: Floats
    offsets: Integers
    sight: Integers
    weight: Floats

    def paths_of_fibres(self) -> Integers:
        """Return how many beam paths see each fibre, (n_fibres,)."""
        seen = np.zeros(self.n_fibres, np.int64)
        np.add.at(seen, self.fibre, np.diff(self.first))
        return seen


def sights_of(paths: BeamPaths, usable_paths: NDArray[np.bool_]) -> Sights:
    """Return the sights of the beam paths that can be used; entries without weight are left out.

    Parameters
    ----------
    paths : BeamPaths
        Of one slice.
    usable_paths : (n_paths,) bool array
        Where a beam path has data.
    """
    n_paths, n_fibres = len(paths.path_rotation), len(paths.identifiers)
    path = np.repeat(np.arange(n_paths), np.diff(paths.offsets))
    keep = usable_paths[path] & (paths.weight > 0)
    path, fibre, weight = path[keep], paths.fibre[keep].astype(np.int64), paths.weight[keep].astype(np.float64)
    rotations = len(paths.rotation_deg)
    numbers, sight = np.unique(fibre * rotations + paths.path_rotation[path], return_inverse=True)
    order = np.lexsort((path, sight))
    first = np.concatenate([[0], np.cumsum(np.bincount(sight, minlength=len(numbers)))]).astype(np.int64)
    offsets = np.concatenate([[0], np.cumsum(np.bincount(path, minlength=n_paths))]).astype(np.int64)
    return Sights(
        n_fibres, (numbers // rotations).astype(np.int64), (numbers % rotations).astype(np.int64), first,
        path[order].astype(np.int64), weight[order], offsets, sight.astype(np.int64), weight,
    )  # fmt: skip


class Workers:
    """Threads that work on ranges of items; what is computed for an item does not depend on the ranges."""

    def __init__(self, pool: ThreadPoolExecutor | None, threads: int) -> None:
        self._pool, self._threads = pool, threads

    def each(self, function: Callable[[int, int], object], count: int, cost: NDArray[np.int64] | None = None) -> None:
        """Call ``function(low, high)`` for ranges that together are 0 to `count`.

        Parameters
        ----------
        function : callable
            Must write to places of its items only.
        count : int
            Number of items.
        cost : (count,) int array, optional
            Work of each item; by default all alike.
        """
        if self._pool is None or count < 2:
            if count:
                function(0, count)
            return
        parts = min(count, 4 * self._threads)
        share = np.cumsum(np.ones(count) if cost is None else cost + 1.0)
        cuts = np.searchsorted(share, share[-1] * np.arange(1, parts) / parts)
        edges = np.unique(np.concatenate([[0], cuts, [count]]))
        list(self._pool.map(function, edges[:-1].tolist(), edges[1:].tolist()))


@contextmanager
def workers(threads: int | None = None) -> Iterator[Workers]:
    """Give out threads, by default as many as the process may use."""
    count = thread_count(threads)
    if count == 1:
        yield Workers(None, 1)
        return
    with ThreadPoolExecutor(count) as pool:
        yield Workers(pool, count)
