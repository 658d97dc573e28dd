"""Kernels of the pointwise corrections: plain functions on plain arrays."""

from __future__ import annotations

from typing import Any

import numexpr
import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]


def transmission(
    counts: NDArray[Any], dark: NDArray[Any], flats: NDArray[Any], weights: NDArray[Any]
) -> tuple[Array, int]:
    """Return (counts - dark) / (flat - dark) with the flat interpolated between groups of flats.

    Parameters
    ----------
    counts : array
        Raw counts, any shape.
    dark : array
        Mean dark, broadcastable to `counts`.
    flats : array of shape (k, ...)
        Mean flat of each group, broadcastable to `counts` after the first axis.
    weights : array of shape (k, ...)
        Share of each group in the flat of every value; sums to 1 over the groups.

    Returns
    -------
    transmission : float32 array, shape of `counts`
        1 where the flat is not above the dark (a dead pixel says nothing).
    dead : int
        Number of such values.
    """
    data = np.ascontiguousarray(counts, dtype=np.float32)
    dark = np.asarray(dark, dtype=np.float32)
    flats = np.asarray(flats, dtype=np.float32)
    weights = np.asarray(weights, dtype=np.float32)
    out = np.empty_like(data)
    dead = 0
    for number in range(len(data)):  # slice by slice: temporaries stay in cache
        one, black = data[number], dark[min(number, len(dark) - 1)]
        span = _interpolated(flats, weights, number) - black
        if bool((span <= 0).any()):
            dead += int(np.count_nonzero(np.broadcast_to(span <= 0, one.shape)))
            numexpr.evaluate("where(span > 0, (one - black) / span, 1)", out=out[number], casting="same_kind")
        else:
            numexpr.evaluate("(one - black) / span", out=out[number], casting="same_kind")
    return out, dead


def _interpolated(flats: Array, weights: Array, number: int) -> Array:
    """Return the flat of slice `number`, broadcastable to it."""
    flat = None
    for group, share in zip(flats, weights, strict=True):
        term = group[min(number, len(group) - 1)] * share[min(number, len(share) - 1)]
        flat = term if flat is None else flat + term
    if flat is None:
        raise ValueError("no flats")
    result: Array = np.asarray(flat, dtype=np.float32)
    return result


def minus_logarithm(signal: NDArray[Any], minimum: float, open_beam: float = 1.0) -> tuple[Array, int]:
    """Return -ln(T), T = signal / open_beam raised to at least `minimum`, and how many values were raised."""
    data = np.ascontiguousarray(signal, dtype=np.float32)
    if open_beam != 1.0:
        data = data / np.float32(open_beam)
    lowest = np.float32(minimum)
    raised = int(np.count_nonzero(data < lowest))
    out = np.empty_like(data)
    numexpr.evaluate("-log(where(data < lowest, lowest, data))", out=out, casting="same_kind")
    return out, raised
