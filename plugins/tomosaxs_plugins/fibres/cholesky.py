"""Cholesky factors of large symmetric matrices in one fixed order of operations, for any number of threads.

A library's factorisation adds up in an order that depends on how many threads it may use; results of different numbers
of ranks would differ in their last bits. Here a matrix is cut into tiles that are worked on in a fixed order.
"""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tomosaxs_plugins.compiled import compiled
from tomosaxs_plugins.reconstruction.parallel import thread_count

Floats = NDArray[np.float64]

TILE = 64
_TOGETHER = 16  # right-hand sides that are solved for at once
_SMALL = 256  # below this, threads cost more than they bring
_reassociated = {"reassoc", "contract", "nsz"}
"""Sums may be vectorised; how is settled when the code is compiled, not by the number of threads."""


@dataclass(frozen=True, eq=False)
class Factor:
    """Cholesky factor of a symmetric matrix N = L L^T.

    Parameters
    ----------
    lower : (n, n) float array
        L; what stands above its diagonal means nothing.
    dependent : (n,) bool array
        Rows that are a combination of those before, as far as float64 tells; they are left out, so that a solution is
        zero there.
    """

    lower: Floats
    dependent: NDArray[np.bool_]

    def solve(self, right: Floats) -> Floats:
        """Return (n,) x of N x = `right`, zero where a row is dependent."""
        out = np.array(right, dtype=np.float64)
        _solve(self.lower, self.dependent, out)
        return out

    def half_squares(self, rights: Floats, threads: int | None = None) -> Floats:
        """Return (m,) sums of the squares of y of L y = right, right^T N^-1 right, for all `rights` (m, n)."""
        count, starts = len(rights), range(0, len(rights), _TOGETHER)
        out = np.zeros(count)

        def some(start: int) -> None:
            held = np.ascontiguousarray(rights[start : start + _TOGETHER].T, dtype=np.float64)
            _forward_together(self.lower, self.dependent, held, out[start : start + _TOGETHER])

        if len(self.lower) <= _SMALL:
            for start in starts:
                some(start)
        else:
            with ThreadPoolExecutor(thread_count(threads)) as pool:
                list(pool.map(some, starts))
        return out

    def inverse_diagonal(self, threads: int | None = None) -> Floats:
        """Return (n,) diagonal of the inverse of N; infinite where a row is dependent."""
        n = len(self.lower)
        out = np.zeros(n)
        starts = range(0, n, TILE)

        def some(start: int) -> None:
            _columns_of_inverse(self.lower, self.dependent, start, min(start + TILE, n), out)

        if n <= _SMALL:
            for start in starts:
                some(start)
        else:
            with ThreadPoolExecutor(thread_count(threads)) as pool:
                list(pool.map(some, starts))
        out[self.dependent] = np.inf
        return out


def cholesky(
    matrix: Floats, *, tolerance: float = 1e-12, overwrite: bool = False, threads: int | None = None
) -> Factor:
    """Return the Cholesky factor of a symmetric matrix that is positive, or at least not negative.

    Parameters
    ----------
    matrix : (n, n) float array
        Only its lower triangle is read.
    tolerance : float
        A row of which less than this part of its diagonal is left counts as dependent on those before.
    overwrite : bool
        Whether `matrix` may become the factor.
    threads : int, optional
        By default as `thread_count` says; the result does not depend on it.
    """
    lower = np.ascontiguousarray(matrix, dtype=np.float64) if overwrite else np.array(matrix, np.float64, order="C")
    n = len(lower)
    dependent = np.zeros(n, dtype=np.bool_)
    diagonal = np.diagonal(lower).copy()
    count = 1 if n <= _SMALL else thread_count(threads)
    with ThreadPoolExecutor(count) as pool:
        for start in range(0, n, TILE):
            stop = min(start + TILE, n)
            _tile(lower, start, start, stop)
            _factor(lower, diagonal, start, stop, tolerance, dependent)

            def below(row: int, start: int = start, stop: int = stop) -> None:
                _tile(lower, row, start, min(row + TILE, n))
                _divide(lower, dependent, row, min(row + TILE, n), start, stop)

            rows = range(stop, n, TILE)
            if count == 1:
                for row in rows:
                    below(row)
            else:
                list(pool.map(below, rows))
    return Factor(lower, dependent)


@partial(compiled, nogil=True, error_model="numpy", fastmath=_reassociated)
def _tile(lower: Any, row: int, column: int, row_stop: int) -> None:
    """Take off rows `row` to `row_stop` of the tile column at `column` what the columns before it explain."""
    stop = min(column + TILE, lower.shape[0])
    for i in range(row, row_stop, 2):
        two = i + 1 < row_stop  # two rows with four: fewer loads a product
        other = i + 1 if two else i
        j, last = column, min(stop, i + 1)
        while two and j + 4 <= last:
            a = b = c = d = e = f = g = h = 0.0
            for k in range(column):
                x, y = lower[i, k], lower[other, k]
                a += x * lower[j, k]
                b += x * lower[j + 1, k]
                c += x * lower[j + 2, k]
                d += x * lower[j + 3, k]
                e += y * lower[j, k]
                f += y * lower[j + 1, k]
                g += y * lower[j + 2, k]
                h += y * lower[j + 3, k]
            lower[i, j] -= a
            lower[i, j + 1] -= b
            lower[i, j + 2] -= c
            lower[i, j + 3] -= d
            lower[other, j] -= e
            lower[other, j + 1] -= f
            lower[other, j + 2] -= g
            lower[other, j + 3] -= h
            j += 4
        for r in range(i, other + 1):
            for m in range(j, min(stop, r + 1)):
                a = 0.0
                for k in range(column):
                    a += lower[r, k] * lower[m, k]
                lower[r, m] -= a


@partial(compiled, nogil=True, error_model="numpy")
def _factor(lower: Any, diagonal: Any, start: int, stop: int, tolerance: float, dependent: Any) -> None:
    """Factor the tile on the diagonal."""
    for j in range(start, stop):
        left = lower[j, j]
        for k in range(start, j):
            left -= lower[j, k] * lower[j, k]
        if not left > tolerance * diagonal[j]:
            dependent[j] = True
            lower[j, j] = 1.0
            for i in range(j + 1, stop):
                lower[i, j] = 0.0
            continue
        pivot = math.sqrt(left)
        lower[j, j] = pivot
        for i in range(j + 1, stop):
            value = lower[i, j]
            for k in range(start, j):
                value -= lower[i, k] * lower[j, k]
            lower[i, j] = value / pivot


@partial(compiled, nogil=True, error_model="numpy")
def _divide(lower: Any, dependent: Any, row: int, row_stop: int, start: int, stop: int) -> None:
    """Divide a tile below the diagonal by the tile on the diagonal."""
    for i in range(row, row_stop):
        for j in range(start, stop):
            if dependent[j]:
                lower[i, j] = 0.0
                continue
            value = lower[i, j]
            for k in range(start, j):
                value -= lower[i, k] * lower[j, k]
            lower[i, j] = value / lower[j, j]


@partial(compiled, nogil=True, error_model="numpy")
def _forward(lower: Any, dependent: Any, out: Any) -> None:
    for i in range(out.size):
        value = out[i]
        for k in range(i):
            value -= lower[i, k] * out[k]
        out[i] = 0.0 if dependent[i] else value / lower[i, i]


@partial(compiled, nogil=True, error_model="numpy")
def _forward_together(lower: Any, dependent: Any, held: Any, squares: Any) -> None:
    """Solve L y = right in place for the columns of `held` (n, m); write the sums of their squares."""
    width = held.shape[1]
    for i in range(held.shape[0]):
        row = held[i]
        if dependent[i]:
            row[:] = 0.0
            continue
        for k in range(i):
            share = lower[i, k]
            known = held[k]
            for j in range(width):
                row[j] -= share * known[j]
        for j in range(width):
            row[j] /= lower[i, i]
            squares[j] += row[j] * row[j]


@partial(compiled, nogil=True, error_model="numpy")
def _solve(lower: Any, dependent: Any, out: Any) -> None:
    _forward(lower, dependent, out)
    for i in range(out.size - 1, -1, -1):
        if dependent[i]:
            out[i] = 0.0
            continue
        value = out[i] / lower[i, i]
        out[i] = value
        for k in range(i):
            out[k] -= lower[i, k] * value


@partial(compiled, nogil=True, error_model="numpy")
def _columns_of_inverse(lower: Any, dependent: Any, start: int, stop: int, out: Any) -> None:
    """Add up the squares of columns `start` to `stop` of the inverse of L."""
    n, width = lower.shape[0], stop - start
    held = np.zeros((n - start, width))
    for i in range(start, n):
        row = held[i - start]
        if dependent[i]:
            continue
        if i < stop:
            row[i - start] = 1.0
        for k in range(start, i):
            share = lower[i, k]
            if share != 0.0:
                known = held[k - start]
                for j in range(width):
                    row[j] -= share * known[j]
        for j in range(width):
            row[j] /= lower[i, i]
            out[start + j] += row[j] * row[j]
