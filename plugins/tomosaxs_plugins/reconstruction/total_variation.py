"""Total variation of a slice, and the slice nearest to a given one with a price on it.

The price is the sum over pixels of the length of the gradient (forward differences, none across the border). The
nearest slice is found by the fast gradient projection of Beck and Teboulle, DOI 10.1109/TIP.2009.2028250, on the dual
variables; they are kept from one call to the next, so that few steps are enough.
"""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import numpy as np

from tomosaxs_plugins.compiled import compiled


@partial(compiled, nogil=True, error_model="numpy")
def total_variation(image: Any) -> float:
    """Return the sum of the lengths of the gradients of an image, shape (rows, columns), float32."""
    rows, columns = image.shape
    total = 0.0
    for i in range(rows):
        for j in range(columns):
            down = image[i + 1, j] - image[i, j] if i + 1 < rows else np.float32(0.0)
            right = image[i, j + 1] - image[i, j] if j + 1 < columns else np.float32(0.0)
            total += math.sqrt(down * down + right * right)
    return total


@partial(compiled, nogil=True, error_model="numpy")
def nearest_smooth(image: Any, weight: float, nonnegative: bool, steps: int, dual: Any, result: Any) -> None:
    """Minimise ``|x - image|**2 / 2 + weight * total_variation(x)``, perhaps over what is nowhere negative.

    Parameters
    ----------
    image : ndarray, shape (rows, columns), float32
        What x shall be near to.
    weight : float
        Price of the total variation, positive.
    nonnegative : bool
        Whether x must not be negative.
    steps : int
        Steps of the method.
    dual : ndarray, shape (2, rows, columns), float32
        Dual variables to begin with, and those found.
    result : ndarray, shape (rows, columns), float32
        The result.
    """
    moved = dual.copy()
    pace = np.float32(1.0 / (8.0 * weight))
    momentum = 1.0
    for _ in range(steps):
        _primal(image, np.float32(weight), nonnegative, moved, result)
        following = 0.5 * (1.0 + math.sqrt(1.0 + 4.0 * momentum * momentum))
        _dual_step(result, pace, np.float32((momentum - 1.0) / following), dual, moved)
        momentum = following
    _primal(image, np.float32(weight), nonnegative, dual, result)


@partial(compiled, nogil=True, error_model="numpy")
def _primal(image: Any, weight: float, nonnegative: bool, dual: Any, result: Any) -> None:
    """Work out the slice that belongs to dual variables."""
    rows, columns = image.shape
    least = np.float32(0.0) if nonnegative else np.float32(-np.inf)
    for i in range(rows):
        above = max(i - 1, 0)
        keep = np.float32(1.0) if i else np.float32(0.0)
        for j in range(columns):
            left = dual[1, i, j - 1] if j else np.float32(0.0)
            slope = dual[0, i, j] - keep * dual[0, above, j] + dual[1, i, j] - left
            result[i, j] = max(image[i, j] - weight * slope, least)


@partial(compiled, nogil=True, error_model="numpy")
def _dual_step(result: Any, pace: float, share: float, dual: Any, moved: Any) -> None:
    """Move the dual variables along the gradient, back to lengths of at most one, and on by their momentum."""
    rows, columns = result.shape
    one = np.float32(1.0)
    for i in range(rows):
        below = min(i + 1, rows - 1)  # the gradient across the border is zero
        for j in range(columns):
            beside = min(j + 1, columns - 1)
            p = moved[0, i, j] + pace * (result[i, j] - result[below, j])
            q = moved[1, i, j] + pace * (result[i, j] - result[i, beside])
            length = max(one, np.float32(math.sqrt(p * p + q * q)))
            p, q = p / length, q / length
            moved[0, i, j] = p + share * (p - dual[0, i, j])
            moved[1, i, j] = q + share * (q - dual[1, i, j])
            dual[0, i, j], dual[1, i, j] = p, q
