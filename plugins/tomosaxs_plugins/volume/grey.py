"""Grey levels: values to integers of 8 or 16 bit and back. Plain functions on plain arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tomosaxs_plugins.compiled import compiled
from tomosaxs_plugins.volume.parts import in_parts


def top_level(dtype: Any) -> int:
    """Return the largest integer of an unsigned type: 255 or 65535."""
    return int(np.iinfo(dtype).max)


def to_grey(
    values: NDArray[Any], limits: tuple[float, float], dtype: Any, threads: int | None = None
) -> tuple[NDArray[Any], int]:
    """Return round(clip((v - low) / (high - low), 0, 1) * top), halves to the even neighbour, NaN as 0.

    Computed in float64 value by value, so that within the limits no value is off by more than half a level.

    Parameters
    ----------
    values : array
        Any shape and number type.
    limits : (low, high)
        Values that become 0 and the largest integer, ``top``.
    dtype : numpy dtype
        Unsigned integers.
    threads : int, optional
        As `thread_count` says.

    Returns
    -------
    levels : array of `dtype`, shape of `values`
        ``low + level * (high - low) / top`` gives the values back.
    bad : int
        How many values were not a number.
    """
    low, high = (float(limit) for limit in limits)
    source = np.ascontiguousarray(values)
    out = np.empty(source.shape, dtype=dtype)
    top = float(top_level(dtype))
    factor = top / (high - low)
    bad = in_parts(lambda part, made: _to_grey(part, low, factor, top, made), source, out, threads=threads)
    return out, int(sum(bad))


def from_grey(levels: NDArray[Any], scale: float, offset: float, threads: int | None = None) -> NDArray[np.float32]:
    """Return level * scale + offset in float32."""
    source = np.ascontiguousarray(levels)
    out = np.empty(source.shape, dtype=np.float32)
    in_parts(lambda part, made: _from_grey(part, float(scale), float(offset), made), source, out, threads=threads)
    return out


def _to_grey_loop(values: Any, low: float, factor: float, top: float, out: Any) -> int:
    bad = 0
    for place in range(values.size):
        value = np.float64(values[place])
        bad += value != value
        level = (value - low) * factor
        out[place] = np.rint(min(level, top)) if level > 0.0 else 0.0
    return bad


def _from_grey_loop(levels: Any, scale: float, offset: float, out: Any) -> None:
    for place in range(levels.size):
        out[place] = levels[place] * scale + offset


_to_grey = compiled(_to_grey_loop, nogil=True)
_from_grey = compiled(_from_grey_loop, nogil=True)
