"""Inner loops for a few fibres, or any two of them: how much streaks overlap, and normal equations written out.

Arrays are those of `joint_kernels`.
"""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import numpy as np

from tomosaxs_plugins.compiled import compiled

_loop = partial(compiled, nogil=True, error_model="numpy", fastmath={"contract"})
_sums = partial(compiled, nogil=True, error_model="numpy", fastmath={"contract", "reassoc"})


@_loop
def row_at(first: Any, row_chi: Any, sight: Any, chi: Any) -> int:
    """Return the row of a sight at an azimuth, -1 for none; rows go up in azimuth, nearly always one by one."""
    begin, end = first[sight], first[sight + 1]
    if begin == end or row_chi[begin] > chi or row_chi[end - 1] < chi:
        return -1
    there = min(begin + chi - row_chi[begin], end - 1)
    while row_chi[there] > chi:
        there -= 1
    return there if row_chi[there] == chi else -1


@_sums
def overlap(
    low: int, high: int, edges: Any, fibre: Any, path_first: Any, path: Any, path_weight: Any, offsets: Any, sight: Any,
    weight: Any, first: Any, row_chi: Any, values: Any, precision: Any, out: Any,
) -> None:  # fmt: skip
    """Write to rows `low` to `high` of `out` (n_fibres, n_fibres) products of streaks with each other, by precision.

    `edges` (n_fibres + 1,) are where the sights of every fibre begin.
    """
    n_q = values.shape[2]
    line = np.empty(n_q)
    for f in range(low, high):
        for s in range(edges[f], edges[f + 1]):
            for entry in range(path_first[s], path_first[s + 1]):
                p, w = path[entry], path_weight[entry]
                for row in range(first[s], first[s + 1]):
                    chi = row_chi[row]
                    for j in range(n_q):
                        line[j] = w * values[row, 0, j] * precision[p, chi, j]
                    for other in range(offsets[p], offsets[p + 1]):
                        there = row_at(first, row_chi, sight[other], chi)
                        if there >= 0:
                            total = 0.0
                            for j in range(n_q):
                                total += line[j] * values[there, 0, j]
                            out[f, fibre[sight[other]]] += total * weight[other]


@_sums
def normal_equations(
    offsets: Any, sight: Any, weight: Any, fibre: Any, first: Any, row_chi: Any, values: Any, precision: Any,
    residual: Any, matrix: Any, right: Any,
) -> None:  # fmt: skip
    """Add to the lower half of `matrix` (n, n) and to `right` (n,) what all beam paths tell of n = n_fibres n_terms."""
    terms, n_q = values.shape[1], values.shape[2]
    line = np.empty((terms, n_q), np.float32)
    for p in range(offsets.shape[0] - 1):
        for entry in range(offsets[p], offsets[p + 1]):
            s, w = sight[entry], np.float32(weight[entry])
            own = fibre[s] * terms
            for row in range(first[s], first[s + 1]):
                chi = row_chi[row]
                for t in range(terms):
                    total = np.float32(0)
                    for j in range(n_q):
                        line[t, j] = w * values[row, t, j] * np.float32(precision[p, chi, j])
                        total += line[t, j] * np.float32(residual[p, chi, j])
                    right[own + t] += total
                for other in range(offsets[p], entry + 1):
                    there = row_at(first, row_chi, sight[other], chi)
                    if there < 0:
                        continue
                    column, share = fibre[sight[other]] * terms, weight[other]
                    for t in range(terms):
                        for r in range(terms if other < entry else t + 1):
                            dot = np.float32(0)
                            for j in range(n_q):
                                dot += line[t, j] * values[there, r, j]
                            low, high = own + t, column + r
                            if low < high:
                                low, high = high, low
                            matrix[low, high] += share * dot


@_loop
def solve_positive(matrix: Any, x: Any) -> None:
    """Solve a small symmetric positive system in place of its right side `x`; the lower half of `matrix` is lost.

    Threads of a linear algebra library would wait for each other more than work.
    """
    n = x.size
    for i in range(n):
        for j in range(i + 1):
            total = matrix[i, j]
            for k in range(j):
                total -= matrix[i, k] * matrix[j, k]
            matrix[i, j] = math.sqrt(max(total, 1e-300)) if i == j else total / matrix[j, j]
    for i in range(n):
        for k in range(i):
            x[i] -= matrix[i, k] * x[k]
        x[i] /= matrix[i, i]
    for i in range(n - 1, -1, -1):
        for k in range(i + 1, n):
            x[i] -= matrix[k, i] * x[k]
        x[i] /= matrix[i, i]
