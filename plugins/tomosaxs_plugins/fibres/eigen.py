"""Eigenvalues and eigenvectors of symmetric matrices in one fixed order of operations.

Reduction to three diagonals by reflections, then implicit QL steps (Golub and Van Loan, Matrix Computations, 8.3).
Slower than a library, but the same bits whatever number of threads the process may use.
"""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tomosaxs_plugins.compiled import compiled

Floats = NDArray[np.float64]

_ROUNDS = 60  # implicit steps an eigenvalue may take; two or three are usual
_EPSILON = float(np.finfo(np.float64).eps)


def symmetric_eigen(matrix: Floats, *, vectors: bool = True) -> tuple[Floats, Floats]:
    """Return eigenvalues in falling order and, if asked for, eigenvectors.

    Parameters
    ----------
    matrix : (n, n) float array
        Symmetric.
    vectors : bool
        Whether eigenvectors are wanted.

    Returns
    -------
    values : (n,) float array
        Largest first.
    vectors : (n, n) float array
        Row k belongs to value k; of shape (0, n) if not wanted.

    Raises
    ------
    RuntimeError
        When an eigenvalue does not converge.
    """
    work = np.array(matrix, dtype=np.float64, order="C")
    n = len(work)
    beside, diagonal = np.zeros(n), np.zeros(n)
    reflections = np.zeros((n, n)) if vectors else np.zeros((0, n))
    _reduce(work, diagonal, beside, reflections)
    # rows of `turned` are the columns of the orthogonal matrix: rotations act on rows, which lie together
    turned = np.eye(n) if vectors else np.zeros((0, n))
    if vectors:
        _apply(reflections, turned)
        turned = np.ascontiguousarray(turned.T)
    if not _implicit(diagonal, beside, turned):
        raise RuntimeError(f"an eigenvalue of a symmetric matrix of {n} rows did not converge")
    order = np.argsort(-diagonal, kind="stable")
    return diagonal[order], turned[order] if vectors else turned


@partial(compiled, nogil=True, error_model="numpy", fastmath={"reassoc", "contract", "nsz"})
def _reduce(a: Any, diagonal: Any, beside: Any, reflections: Any) -> None:
    """Reduce a symmetric matrix to its diagonal and the one beside it; `reflections` keeps the unit vectors.

    Only the upper triangle is read. What a reflection 1 - v v^T changes, a - v w^T - w v^T, is worked out when the next
    one needs the product with its own vector: the matrix goes through memory once a reflection.
    """
    n = a.shape[0]
    v, w = np.zeros(n), np.zeros(n)  # of the reflection before, which the matrix does not have yet
    u, y = np.zeros(n), np.zeros(n)
    for k in range(n - 2):
        pivot = a[k]
        for j in range(k, n):
            pivot[j] -= v[k] * w[j] + w[k] * v[j]
        length = 0.0
        for i in range(k + 1, n):
            length += pivot[i] * pivot[i]
        norm = math.sqrt(length)
        diagonal[k] = pivot[k]
        for i in range(k, n):
            u[i] = 0.0
            y[i] = 0.0
        sign = 1.0 if pivot[k + 1] >= 0 else -1.0
        beside[k] = -sign * norm if norm > 0.0 else 0.0
        if norm > 0.0:
            scale = 1.0 / math.sqrt(length + abs(pivot[k + 1]) * norm)
            for i in range(k + 1, n):
                u[i] = pivot[i] * scale
            u[k + 1] = (pivot[k + 1] + sign * norm) * scale
        if reflections.shape[0] > 0:
            for i in range(k + 1, n):
                reflections[k, i] = u[i]
        for i in range(k + 1, n - 1, 2):  # two rows at once: fewer loads an element
            row, one, two, share = a[i], v[i], w[i], u[i]
            below, three, four, other = a[i + 1], v[i + 1], w[i + 1], u[i + 1]
            row[i] -= 2.0 * one * two
            row[i + 1] -= one * four + two * three
            below[i + 1] -= 2.0 * three * four
            total = row[i] * share + row[i + 1] * other
            rest = row[i + 1] * share + below[i + 1] * other
            for j in range(i + 2, n):
                p = row[j] - one * w[j] - two * v[j]
                q = below[j] - three * w[j] - four * v[j]
                row[j], below[j] = p, q
                total += p * u[j]
                rest += q * u[j]
                y[j] += p * share + q * other
            y[i] += total
            y[i + 1] += rest
        if (n - k - 1) % 2:
            a[n - 1, n - 1] -= 2.0 * v[n - 1] * w[n - 1]
            y[n - 1] += a[n - 1, n - 1] * u[n - 1]
        inner = 0.0
        for i in range(k + 1, n):
            inner += y[i] * u[i]
        for i in range(k + 1, n):
            v[i] = u[i]
            w[i] = y[i] - 0.5 * inner * u[i]
    for k in range(max(n - 2, 0), n):
        diagonal[k] = a[k, k] - 2.0 * v[k] * w[k]
    if n > 1:
        beside[n - 2] = a[n - 2, n - 1] - v[n - 2] * w[n - 1] - w[n - 2] * v[n - 1]


@partial(compiled, nogil=True, error_model="numpy")
def _apply(reflections: Any, turned: Any) -> None:
    """Multiply the reflections, last first, into an identity matrix."""
    n = turned.shape[0]
    w = np.zeros(n)
    for k in range(n - 3, -1, -1):
        v = reflections[k]
        for j in range(k + 1, n):
            w[j] = 0.0
        for i in range(k + 1, n):
            share = v[i]
            if share != 0.0:
                for j in range(k + 1, n):
                    w[j] += share * turned[i, j]
        for i in range(k + 1, n):
            share = v[i]
            if share != 0.0:
                for j in range(k + 1, n):
                    turned[i, j] -= share * w[j]


@partial(compiled, nogil=True, error_model="numpy")
def _implicit(diagonal: Any, beside: Any, turned: Any) -> bool:
    """Make the diagonal the eigenvalues by implicit QL steps; rotate the rows of `turned` along."""
    n, width = diagonal.size, turned.shape[1] if turned.shape[0] > 0 else 0
    for low in range(n):
        for attempt in range(_ROUNDS + 1):
            high = low
            while high < n - 1:
                size = abs(diagonal[high]) + abs(diagonal[high + 1])
                if abs(beside[high]) <= _EPSILON * size:
                    break
                high += 1
            if high == low:
                break
            if attempt == _ROUNDS:
                return False
            shift = (diagonal[low + 1] - diagonal[low]) / (2.0 * beside[low])
            root = math.hypot(shift, 1.0)
            g = diagonal[high] - diagonal[low] + beside[low] / (shift + (root if shift >= 0 else -root))
            s = c = 1.0
            p = 0.0
            ended = False
            for i in range(high - 1, low - 1, -1):
                f, b = s * beside[i], c * beside[i]
                root = math.hypot(f, g)
                beside[i + 1] = root
                if root == 0.0:
                    diagonal[i + 1] -= p
                    beside[high] = 0.0
                    ended = True
                    break
                s, c = f / root, g / root
                g = diagonal[i + 1] - p
                root = (diagonal[i] - g) * s + 2.0 * c * b
                p = s * root
                diagonal[i + 1] = g + p
                g = c * root - b
                if width > 0:
                    one, two = turned[i], turned[i + 1]
                    for k in range(width):
                        f = two[k]
                        two[k] = s * one[k] + c * f
                        one[k] = c * one[k] - s * f
            if not ended:
                diagonal[low] -= p
                beside[low] = g
                beside[high] = 0.0
    return True
