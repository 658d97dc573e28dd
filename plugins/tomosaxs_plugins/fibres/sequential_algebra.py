"""Small dense problems inside a fit: elimination of a background, Cholesky factors. Loops that are compiled."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tomosaxs_plugins.compiled import compiled

Array = NDArray[np.float64]


def _basis_loop(weight: Array, decay: Array, terms: int, basis: Array) -> None:
    """Fill orthonormal weighted shapes of the background of every row: a constant and an exponential.

    Parameters
    ----------
    weight : (n_rows, n_q) float array
        Inverse standard uncertainties; 0 where a bin is not used.
    decay : (n_q,) float array
        The exponential.
    terms : int
        2: both; 0: no background.
    basis : (n_rows, 2, n_q) float array, written
        Zero where a row has too few bins for a shape.
    """
    basis[:] = 0.0
    if terms == 0:
        return
    n_rows, n_q = weight.shape
    for r in range(n_rows):
        for t in range(2):
            before = 0.0
            for k in range(n_q):
                basis[r, t, k] = weight[r, k] * (1.0 if t == 0 else decay[k])
                before += basis[r, t, k] ** 2
            if t == 1:
                shared = 0.0
                for k in range(n_q):
                    shared += basis[r, 0, k] * basis[r, 1, k]
                for k in range(n_q):
                    basis[r, 1, k] -= shared * basis[r, 0, k]
            left = 0.0
            for k in range(n_q):
                left += basis[r, t, k] ** 2
            scale = 1.0 / math.sqrt(left) if left > 1e-12 * before else 0.0
            for k in range(n_q):
                basis[r, t, k] *= scale


def _eliminate_loop(rows: Array, basis: Array) -> None:
    """Take out of weighted rows (n_rows, n_q) whatever the shapes of the background can describe, in place."""
    n_rows, n_q = rows.shape
    for r in range(n_rows):
        for t in range(2):
            share = 0.0
            for k in range(n_q):
                share += basis[r, t, k] * rows[r, k]
            if share != 0.0:
                for k in range(n_q):
                    rows[r, k] -= share * basis[r, t, k]


def _cholesky_loop(matrix: Array, n: int) -> bool:
    """Replace the lower triangle of the leading (n, n) by its Cholesky factor; False where it is not positive."""
    for i in range(n):
        for j in range(i + 1):
            value = matrix[i, j]
            for k in range(j):
                value -= matrix[i, k] * matrix[j, k]
            if i == j:
                if not value > 1e-14 * abs(matrix[i, i]):
                    return False
                matrix[i, i] = math.sqrt(value)
            else:
                matrix[i, j] = value / matrix[j, j]
    return True


def _solve_loop(factor: Array, n: int, right: Array) -> None:
    """Solve with a Cholesky factor, in place."""
    for i in range(n):
        value = right[i]
        for k in range(i):
            value -= factor[i, k] * right[k]
        right[i] = value / factor[i, i]
    for i in range(n - 1, -1, -1):
        value = right[i]
        for k in range(i + 1, n):
            value -= factor[k, i] * right[k]
        right[i] = value / factor[i, i]


def _assemble_loop(
    heights: Array, values: Array, slopes: Array, factors: Array, known: Array, data: Array, weight: Array,
    basis: Array, residual: Array, jacobian: Array,
) -> float:  # fmt: skip
    """Fill the weighted residual and its slopes, both without the background; return the sum of squares.

    Parameters
    ----------
    heights : (n,) float array
        Of the targets.
    values, slopes : (n, n_rows, n_q) and (n, 6, n_rows, n_q) float arrays
        Their streaks at unit height, and derivatives.
    factors, known : (m,) and (m, n_rows, n_q) float arrays
        Streaks known before, and factors on them.
    data, weight, basis
        As of a fit.
    residual, jacobian : (n_rows, n_q) and (5 n + m, n_rows, n_q) float arrays, written
        Unknowns: q0, log wa, log wmu, logit delta, log height of each target, then the logarithms of the factors.
    """
    n, m, (n_rows, n_q) = heights.size, factors.size, data.shape
    for r in range(n_rows):
        for k in range(n_q):
            w = weight[r, k]
            left = data[r, k] * w
            for t in range(n):
                scale = heights[t] * w
                for i in range(4):
                    jacobian[5 * t + i, r, k] = scale * slopes[t, i, r, k]
                value = scale * values[t, r, k]
                jacobian[5 * t + 4, r, k] = value
                left -= value
            for j in range(m):
                value = factors[j] * known[j, r, k] * w
                jacobian[5 * n + j, r, k] = value
                left -= value
            residual[r, k] = left
    for i in range(5 * n + m):
        eliminate(jacobian[i], basis)
    eliminate(residual, basis)
    cost = 0.0
    for r in range(n_rows):
        for k in range(n_q):
            cost += residual[r, k] ** 2
    return cost


def _normal_loop(jacobian: Array, residual: Array, factors: Array, prior: float, normal: Array, right: Array) -> None:
    """Fill the normal matrix and the right side, with the prior of the factors, which are the last unknowns."""
    size, n_rows, n_q = jacobian.shape
    first = size - factors.size
    for i in range(size):
        total = 0.0
        for r in range(n_rows):
            for k in range(n_q):
                total += jacobian[i, r, k] * residual[r, k]
        right[i] = total
        for j in range(i + 1):
            total = 0.0
            for r in range(n_rows):
                for k in range(n_q):
                    total += jacobian[i, r, k] * jacobian[j, r, k]
            normal[i, j] = total
            normal[j, i] = total
    for j in range(factors.size):
        normal[first + j, first + j] += 1.0 / prior**2
        right[first + j] -= factors[j] / prior**2


basis_of_background: Any = compiled(_basis_loop, nogil=True, error_model="numpy")
eliminate: Any = compiled(_eliminate_loop, nogil=True, error_model="numpy")
assemble: Any = compiled(_assemble_loop, nogil=True, error_model="numpy")
normal_equations: Any = compiled(_normal_loop, nogil=True, error_model="numpy")
cholesky: Any = compiled(_cholesky_loop, nogil=True, error_model="numpy")
solve: Any = compiled(_solve_loop, nogil=True, error_model="numpy")
