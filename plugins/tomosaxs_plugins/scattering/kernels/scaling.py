"""What the corrections share: division by known factors, with variance."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats: TypeAlias = NDArray[Any]
Corrected: TypeAlias = "tuple[Floats, Floats | None]"
"""Values, and their variance where one was given."""


def floating(values: ArrayLike) -> Floats:
    """Return values as float32 where they are float32, else as float64."""
    given = np.asarray(values)
    return given if given.dtype == np.float32 else np.asarray(given, dtype=np.float64)


def divided(values: ArrayLike, divisor: ArrayLike, variance: ArrayLike | None = None) -> Corrected:
    """Return ``values / divisor`` and ``variance / divisor**2``; NaN where the divisor is not a positive number.

    The division is made in float64 and rounded once, so that float32 values lose nothing to a rounded divisor.

    Parameters
    ----------
    values : array
    divisor : array broadcastable to `values`
    variance : array, optional
        Of `values`, same shape.
    """
    data = floating(values)
    given = np.asarray(divisor, dtype=np.float64)
    usable = np.where(np.isfinite(given) & (given > 0), given, np.nan)
    out = np.divide(data, usable, out=_like(data, usable), casting="same_kind")
    if variance is None:
        return out, None
    square = usable * usable
    spread = floating(variance)
    return out, np.divide(spread, square, out=_like(spread, square), casting="same_kind")


def _like(data: Floats, other: Floats) -> Floats:
    return np.empty(np.broadcast_shapes(data.shape, other.shape), dtype=data.dtype)


def added(first: ArrayLike | None, second: ArrayLike | None) -> Floats | None:
    """Return the sum of two variances, of which either may be unknown (None): then it counts as zero."""
    if first is None or second is None:
        known = first if second is None else second
        return None if known is None else floating(known)
    return np.asarray(floating(first) + floating(second))
