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


@partial(compiled, nogil=True, error_model="numpy")
def _reduce(a: Any, diagonal: Any, beside: Any, reflections: Any) -> None:
    """Reduce a symmetric matrix to its diagonal and the one beside it; `reflections` keeps the unit vectors."""
    n = a.shape[0]
    v, w = np.zeros(n), np.zeros(n)
    for k in range(n - 2):
        length = 0.0
        for i in range(k + 1, n):
            length += a[k, i] * a[k, i]
        norm = math.sqrt(length)
        diagonal[k] = a[k, k]
        if norm == 0.0:
            beside[k] = 0.0
            continue
        sign = 1.0 if a[k, k + 1] >= 0 else -1.0
        beside[k] = -sign * norm
        for i in range(k + 1, n):
            v[i] = a[k, i]
        v[k + 1] += sign * norm
        half = length + abs(a[k, k + 1]) * norm
        scale = 1.0 / math.sqrt(half)
        for i in range(k + 1, n):
            v[i] *= scale  # the reflection is 1 - v v^T
            w[i] = 0.0
        if reflections.shape[0] > 0:
            for i in range(k + 1, n):
                reflections[k, i] = v[i]
        for i in range(k + 1, n):
            share = v[i]
            row = a[i]
            for j in range(k + 1, n):
                w[j] += share * row[j]
        inner = 0.0
        for i in range(k + 1, n):
            inner += w[i] * v[i]
        for i in range(k + 1, n):
            w[i] -= 0.5 * inner * v[i]
        for i in range(k + 1, n):
            first, second = v[i], w[i]
            row = a[i]
            for j in range(k + 1, n):
                row[j] -= first * w[j] + second * v[j]
    for k in range(max(n - 2, 0), n):
        diagonal[k] = a[k, k]
    if n > 1:
        beside[n - 2] = a[n - 2, n - 1]


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
