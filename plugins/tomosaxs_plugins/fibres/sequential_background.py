"""Background of the sectors of one window, from the intervals of q outside the streak."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tomosaxs_plugins.fibres.problem import Floats

DECAY_BOUNDS = (0.02, 0.1)  # of b in nm^-1, as published
_GRID, _STEPS = 9, 10  # of the search for b, to 2 per mille


def background(
    q: Floats, values: Floats, weight: Floats, outside: NDArray[np.bool_]
) -> tuple[Floats, float, NDArray[np.bool_]]:
    """Fit a exp(-q / b) + c to every sector outside the streak; b is the same for all sectors of the window.

    For every b, a and c follow from linear least squares, with no coefficient below zero; b is sought on a grid and
    then by golden section.

    Parameters
    ----------
    q : (n_q,) float array
        In nm^-1.
    values, weight : (n_rows, n_q) float arrays
        Intensity less the streaks that are known, and inverse standard uncertainties (0 where a bin is not used).
    outside : (n_q,) bool array
        Bins beside the streak.

    Returns
    -------
    background : (n_rows, n_q) float array
        At all q; zero in a sector that was not fitted.
    decay : float
        b in nm^-1.
    fitted : (n_rows,) bool array
        Sectors with three or more bins outside the streak.
    """
    w = np.where(outside, weight, 0.0)
    fitted = np.count_nonzero(w, axis=1) >= 3
    w[~fitted] = 0.0
    middle = float(q.mean())

    def cost(log_b: float) -> float:
        return _coefficients(np.exp(-(q - middle) / np.exp(log_b)), values, w)[1]

    grid = np.linspace(np.log(DECAY_BOUNDS[0]), np.log(DECAY_BOUNDS[1]), _GRID)
    best = int(np.argmin([cost(each) for each in grid]))
    low, high = grid[max(best - 1, 0)], grid[min(best + 1, _GRID - 1)]
    ratio = (np.sqrt(5) - 1) / 2
    a, b = high - ratio * (high - low), low + ratio * (high - low)
    at_a, at_b = cost(a), cost(b)
    for _ in range(_STEPS):
        if at_a <= at_b:
            high, b, at_b = b, a, at_a
            a = high - ratio * (high - low)
            at_a = cost(a)
        else:
            low, a, at_a = a, b, at_b
            b = low + ratio * (high - low)
            at_b = cost(b)
    decay = float(np.exp((low + high) / 2))
    shape = np.exp(-(q - middle) / decay)
    coefficients, _ = _coefficients(shape, values, w)
    return coefficients[:, :1] * shape + coefficients[:, 1:], decay, fitted


def _coefficients(shape: Floats, values: Floats, w: Floats) -> tuple[Floats, float]:
    """Return (n_rows, 2) non-negative coefficients of shape and constant, and the sum of squares that is left."""
    w2 = w * w
    ee, e1, one = w2 @ (shape * shape), w2 @ shape, w2.sum(axis=1)
    de, d1 = (w2 * values) @ shape, (w2 * values).sum(axis=1)
    determinant = ee * one - e1 * e1
    safe = determinant > 1e-12 * ee * one
    with np.errstate(divide="ignore", invalid="ignore"):
        both = np.stack([(one * de - e1 * d1) / determinant, (ee * d1 - e1 * de) / determinant], axis=1)
        alone_e = np.where(ee > 0, np.maximum(de, 0) / ee, 0.0)
        alone_1 = np.where(one > 0, np.maximum(d1, 0) / one, 0.0)
    use_e = alone_e * de >= alone_1 * d1  # the one that explains more
    single = np.stack([np.where(use_e, alone_e, 0.0), np.where(use_e, 0.0, alone_1)], axis=1)
    keep = safe & (both >= 0).all(axis=1)
    coefficients = np.where(keep[:, None], both, single)
    left = np.sum(w2 * (values - coefficients[:, :1] * shape - coefficients[:, 1:]) ** 2)
    return coefficients, float(left)
