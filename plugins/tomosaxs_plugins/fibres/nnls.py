"""Non-negative least squares on the normal matrix: for thousands of unknowns, the same bits for any number of threads.

Cyclic coordinate descent finds nearly which unknowns are zero; block principal pivoting then makes the set exact, with
a Cholesky factor of the matrix of the others, and ends where the conditions of Karush, Kuhn and Tucker hold.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tomosaxs_plugins.compiled import compiled
from tomosaxs_plugins.fibres.cholesky import Factor, cholesky

Floats = NDArray[np.float64]

_PATIENCE = 3  # full exchanges that do not help before single ones are made


@dataclass(frozen=True, eq=False)
class NonNegative:
    """Solution of a non-negative least-squares problem.

    Parameters
    ----------
    values : (n,) float array
        Not negative.
    free : (n,) bool array
        Unknowns that the data set; the others are held at zero by the condition, or the data say nothing of them.
    gradient : (n,) float array
        Half the derivative of the sum of squares; zero where an unknown is free, not negative elsewhere.
    factor : Factor
        Of the normal matrix of the free unknowns, scaled to a diagonal of ones.
    scale : (n,) float array
        Roots of the diagonal of the normal matrix.
    violation : float
        Largest violation of the conditions of Karush, Kuhn and Tucker, in units of the scaled right-hand side.
    sweeps, exchanges : int
        Of coordinate descent; exchanges of unknowns between the two sets.
    """

    values: Floats
    free: NDArray[np.bool_]
    gradient: Floats
    factor: Factor
    scale: Floats
    violation: float
    sweeps: int
    exchanges: int

    def variances(self, threads: int | None = None) -> Floats:
        """Return (n,) variances for data of unit variance: of free unknowns; elsewhere infinite."""
        out = np.full(len(self.values), np.inf)
        out[self.free] = self.factor.inverse_diagonal(threads) / self.scale[self.free] ** 2
        return out

    def variances_if_free(self, normal: Floats, index: NDArray[np.intp], threads: int | None = None) -> Floats:
        """Return (m,) variances that unknowns held at zero would have, each alone beside the free ones.

        Infinite where there is none. Of `normal` only what stands beside the diagonal is read.
        """
        known = self.scale[index] > 0
        scale = self.scale[index[known]]
        shared = normal[np.ix_(index[known], np.flatnonzero(self.free))]
        shared /= scale[:, None] * self.scale[self.free]
        left = 1.0 - self.factor.half_squares(shared, threads)
        out = np.full(len(index), np.inf)
        with np.errstate(divide="ignore"):
            out[known] = np.where(left > 1e-10, 1.0 / (left * scale**2), np.inf)
        return out


def nonnegative_least_squares(
    normal: Floats,
    right: Floats,
    *,
    sweeps: int = 200,
    exchanges: int = 400,
    tolerance: float = 1e-11,
    free: NDArray[np.bool_] | None = None,
    threads: int | None = None,
) -> NonNegative:
    """Minimise x^T N x / 2 - right^T x with no x below zero.

    Parameters
    ----------
    normal : (n, n) float array
        N = A^T W A, symmetric; rows of zeros stand for unknowns that no datum sees, which come out as zero.
    right : (n,) float array
        A^T W b.
    sweeps : int
        At most so many of coordinate descent.
    exchanges : int
        At most so many changes of the set of free unknowns.
    tolerance : float
        What counts as zero, in units of the largest scaled right-hand side.
    free : (n,) bool array, optional
        Where the search for the unknowns that are not zero begins, as the solution of a similar problem had them; then
        without coordinate descent. The solution is the same.
    threads : int, optional
        By default as many as the process may use; the result does not depend on it.

    Raises
    ------
    ValueError
        For arrays that do not fit, or are not finite.
    RuntimeError
        When the set of free unknowns does not settle.
    """
    normal = np.ascontiguousarray(normal, dtype=np.float64)
    right = np.ascontiguousarray(right, dtype=np.float64)
    if normal.ndim != 2 or normal.shape != (len(right), len(right)):
        raise ValueError(f"a normal matrix of shape {normal.shape} does not fit a right-hand side of {right.shape}")
    if not (np.isfinite(normal).all() and np.isfinite(right).all()):
        raise ValueError("the normal matrix or the right-hand side is not finite")
    diagonal = np.diagonal(normal)
    seen = diagonal > 0
    scale = np.sqrt(np.where(seen, diagonal, 0.0))
    inverse = np.where(seen, 1.0 / np.where(seen, scale, 1.0), 0.0)
    scaled = normal * inverse
    scaled *= inverse[:, None]
    wanted = right * inverse
    largest = float(np.abs(wanted).max(initial=0.0)) or 1.0
    done = 0
    if free is None:
        x = np.zeros(len(right))
        done = _descend(scaled, wanted / largest, x, sweeps, 1e-4)
        free = x > 0
    else:
        free = free & seen
    x, gradient, factor, made = _settle(scaled, wanted / largest, free, seen, tolerance, exchanges, threads)
    beyond = max(float(-gradient[~free & seen].min(initial=0.0)), float(np.abs(gradient[free]).max(initial=0.0)))
    violation = max(beyond, float(-x.min(initial=0.0)))
    return NonNegative(
        np.maximum(x, 0.0) * inverse * largest, free, gradient * scale * largest, factor, scale, violation, done, made
    )


def _settle(
    normal: Floats,
    right: Floats,
    free: NDArray[np.bool_],
    seen: NDArray[np.bool_],
    tolerance: float,
    exchanges: int,
    threads: int | None,
) -> tuple[Floats, Floats, Factor, int]:
    """Change `free` until the conditions hold; return solution, gradient, factor and the number of changes."""
    fewest, patience = len(right) + 1, _PATIENCE
    for made in range(exchanges + 1):
        chosen = np.flatnonzero(free)
        factor = cholesky(normal[np.ix_(chosen, chosen)], overwrite=True, threads=threads)
        x = np.zeros(len(right))
        x[chosen] = factor.solve(right[chosen])
        gradient = _gradient(normal, x, right)
        if factor.dependent.any():  # a combination of others: zero is as good as any value
            free[chosen[factor.dependent]] = False
            seen = seen & ~_member(chosen[factor.dependent], len(right))
            continue
        negative = free & (x < -tolerance)
        wrong = negative | (~free & seen & (gradient < -tolerance))
        count = int(wrong.sum())
        if count == 0:
            # what is zero within rounding is zero
            return x, gradient, factor, made
        if count < fewest:
            fewest, patience = count, _PATIENCE
        elif patience > 0:
            patience -= 1
        else:  # one at a time, the last one: this always ends
            last = int(np.flatnonzero(wrong)[-1])
            wrong = _member(np.array([last]), len(right))
        free ^= wrong
    raise RuntimeError(f"non-negative least squares: the unknowns at zero did not settle in {exchanges} exchanges")


def _member(index: NDArray[np.intp], count: int) -> NDArray[np.bool_]:
    out = np.zeros(count, dtype=np.bool_)
    out[index] = True
    return out


@partial(compiled, nogil=True, error_model="numpy")
def _descend(normal: Any, right: Any, x: Any, sweeps: int, tolerance: float) -> int:
    """Improve x (zeros at first) by cyclic coordinate descent; return the number of sweeps."""
    n = x.size
    gradient = -right.copy()
    for sweep in range(sweeps):
        change = 0.0
        for i in range(n):
            if normal[i, i] == 0.0:
                continue
            new = max(x[i] - gradient[i] / normal[i, i], 0.0)
            step = new - x[i]
            if step != 0.0:
                x[i] = new
                change = max(change, abs(step))
                row = normal[i]
                for j in range(n):
                    gradient[j] += step * row[j]
        if change < tolerance:
            return int(sweep + 1)
    return int(sweeps)


@partial(compiled, nogil=True, error_model="numpy")
def _gradient(normal: Any, x: Any, right: Any) -> Any:
    """Return N x - right, added up in the order of the unknowns."""
    out = -right.copy()
    for i in range(x.size):
        if x[i] != 0.0:
            row = normal[i]
            for j in range(out.size):
                out[j] += x[i] * row[j]
    return out
