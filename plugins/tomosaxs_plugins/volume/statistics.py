"""Histograms that need no range beforehand and can be added up. Plain functions on plain arrays.

The bins follow the bits of a float32: sign, exponent and ten bits of the mantissa, so that every bin is 0.1 % of its
value wide, wherever the values lie and whatever a few wild ones do. Counts of parts add up to the counts of the whole.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tomosaxs_plugins.compiled import compiled
from tomosaxs_plugins.reconstruction.parallel import thread_count
from tomosaxs_plugins.volume.parts import for_each

_SHIFT = 13
_BINS = 1 << (32 - _SHIFT)
_ALL, _SIGN = np.uint32(0xFFFFFFFF), np.uint32(0x80000000)


@dataclass(frozen=True)
class Tally:
    """Counts and moments of some values.

    Parameters
    ----------
    keys, counts : (n,) int64 arrays
        Bins that hold anything, in increasing order, and how many values each holds.
    moments : (6,) float64 array
        Number of finite values, number of others, minimum, maximum, sum, sum of squares.
    """

    keys: NDArray[np.int64]
    counts: NDArray[np.int64]
    moments: NDArray[np.float64]

    @property
    def finite(self) -> int:
        """Number of finite values."""
        return int(self.moments[0])

    @property
    def mean(self) -> float:
        """Mean of the finite values."""
        return float(self.moments[4] / self.moments[0])

    @property
    def deviation(self) -> float:
        """Standard deviation of the finite values."""
        return float(np.sqrt(max(0.0, self.moments[5] / self.moments[0] - self.mean**2)))

    def added(self, other: Tally) -> Tally:
        """Return the tally of both parts."""
        keys, where = np.unique(np.concatenate([self.keys, other.keys]), return_inverse=True)
        counts = np.zeros(len(keys), dtype=np.int64)
        np.add.at(counts, where, np.concatenate([self.counts, other.counts]))
        return Tally(keys, counts, _added(self.moments, other.moments))

    def percentiles(self, percents: Any) -> NDArray[np.float64]:
        """Return percentiles, linear within a bin."""
        edges, cumulated = self._cumulated()
        found = np.interp(np.asarray(percents, dtype=np.float64) / 100 * self.finite, cumulated, edges)
        limited: NDArray[np.float64] = np.clip(found, self.moments[2], self.moments[3])
        return limited

    def histogram(self, edges: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return how many values lie between given edges; values of a bin are taken as spread evenly over it."""
        own, cumulated = self._cumulated()
        below: NDArray[np.float64] = np.interp(edges, own, cumulated, left=0.0, right=float(self.finite))
        return np.diff(below)

    def _cumulated(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return increasing places and how many values lie below each."""
        lower, upper = edges_of(self.keys), edges_of(self.keys + 1)
        low, high = self.moments[2], self.moments[3]
        places = np.stack([np.clip(lower, low, high), np.clip(upper, low, high)], axis=1).ravel()
        after = np.cumsum(self.counts).astype(np.float64)
        return places, np.stack([after - self.counts, after], axis=1).ravel()


def tally(values: NDArray[Any], inside: NDArray[np.bool_] | None = None, threads: int | None = None) -> Tally:
    """Return the tally of a stack of slices.

    Parameters
    ----------
    values : (n, y, x) array
        Any number type; taken as float32.
    inside : (y, x) bool array, optional
        Pixels that count; default all.
    threads : int, optional
        As `thread_count` says; the tally is the same for any.
    """
    slices = np.ascontiguousarray(values, dtype=np.float32).reshape(len(values), -1)
    counted = np.ones(slices.shape[1], np.bool_) if inside is None else np.ascontiguousarray(inside).reshape(-1)
    workers = max(1, min(thread_count(threads), len(slices)))
    moments = np.empty((len(slices), 6))
    groups = np.array_split(np.arange(len(slices)), workers)

    def of_group(group: NDArray[np.intp]) -> NDArray[np.int64]:
        counts = np.zeros(_BINS, dtype=np.int64)
        for number in group:
            _count(slices[number].view(np.uint32), slices[number], counted, counts, moments[number])
        return counts

    total = sum(for_each(of_group, groups, threads), np.zeros(_BINS, dtype=np.int64))
    whole = moments[0]
    for each in moments[1:]:  # in the order of the slices: the same sum for any number of threads
        whole = _added(whole, each)
    keys = np.flatnonzero(total)
    return Tally(keys, total[keys], whole)


def edges_of(keys: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the lower edges of bins."""
    ordered = (np.asarray(keys, dtype=np.int64) << _SHIFT).clip(0, 0xFFFFFFFF).astype(np.uint32)
    bits = np.where(ordered & _SIGN, ordered ^ _SIGN, ordered ^ _ALL).astype(np.uint32)
    edges: NDArray[np.float64] = bits.view(np.float32).astype(np.float64)
    return edges


def _added(one: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.float64]:
    total = one + other
    total[2], total[3] = min(one[2], other[2]), max(one[3], other[3])
    return total


def _count_loop(bits: Any, values: Any, counted: Any, counts: Any, moments: Any) -> None:
    """Count the values of one slice by their bits, ordered as the values are."""
    finite, other, low, high, total, squares = 0, 0, np.inf, -np.inf, 0.0, 0.0
    for place in range(bits.size):
        if not counted[place]:
            continue
        value = np.float64(values[place])
        if not np.isfinite(value):
            other += 1
            continue
        word = bits[place]
        if word == np.uint32(0x80000000):  # -0 is 0
            word = np.uint32(0)
        ordered = word ^ np.uint32(0xFFFFFFFF) if word & np.uint32(0x80000000) else word ^ np.uint32(0x80000000)
        counts[ordered >> np.uint32(13)] += 1
        finite += 1
        low, high = min(low, value), max(high, value)
        total += value
        squares += value * value
    moments[0], moments[1], moments[2], moments[3], moments[4], moments[5] = finite, other, low, high, total, squares


_count = compiled(_count_loop, nogil=True)
