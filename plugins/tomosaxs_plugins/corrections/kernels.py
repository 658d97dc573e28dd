"""Kernels of the pointwise corrections: plain functions on plain arrays."""

from __future__ import annotations

import importlib.util
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
Counts = NDArray[np.intp]


def transmission(
    counts: NDArray[Any],
    dark: NDArray[Any],
    flats: NDArray[Any],
    weights: NDArray[Any],
    row_axis: int = -1,
    dead_below: float = 0.01,
    fill: bool = True,
    out: Array | None = None,
) -> tuple[Array, Counts]:
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
    row_axis : int
        Dimension that runs along a row of the detector.
    dead_below : float
        A pixel is dead where flat - dark is not above this fraction of its median over the row.
    fill : bool
        Dead pixels get what lies on the line between their neighbours in the row; else 1.
    out : float32 array, shape of `counts`, optional
        Where the result goes: memory that was used before costs less than new one.

    Returns
    -------
    transmission : float32 array, shape of `counts`
    dead : (n,) int array
        Number of values at dead pixels of every slice.
    """
    import numexpr  # when it is needed: plans are made without it

    dark = np.asarray(dark, dtype=np.float32)
    flats = np.asarray(flats, dtype=np.float32)
    weights = np.asarray(weights, dtype=np.float32)
    row = row_axis % counts.ndim - 1
    out = np.empty(counts.shape, np.float32) if out is None else out
    dead = np.zeros(len(counts), dtype=np.intp)
    for number in _not_compiled(counts, dark, flats, weights, row, np.float32(dead_below), fill, out, dead):
        one = np.ascontiguousarray(counts[number], dtype=np.float32)
        black = dark[min(number, len(dark) - 1)]
        span = _interpolated(flats, weights, number) - black
        limit = np.float32(dead_below) * np.median(span, axis=row, keepdims=True).astype(np.float32)
        bad = ~(span > np.maximum(limit, np.float32(0)))
        if bool(bad.any()):
            bad = np.broadcast_to(bad, one.shape)
            numexpr.evaluate("where(bad, 1, (one - black) / span)", out=out[number], casting="same_kind")
            dead[number] = fill_dead(out[number], bad, row) if fill else int(np.count_nonzero(bad))
        else:
            numexpr.evaluate("(one - black) / span", out=out[number], casting="same_kind")
    return out, dead


def _not_compiled(
    counts: NDArray[Any], dark: Array, flats: Array, weights: Array, row: int, dead_below: np.float32, fill: bool,
    out: Array, dead: Counts,
) -> list[int]:  # fmt: skip
    """Correct all slices with the compiled kernel, in several threads; return those it was not there for."""
    if counts.ndim != 3 or not len(flats) or importlib.util.find_spec("numba") is None:
        return list(range(len(counts)))
    from tomosaxs_plugins.compiled import read_only
    from tomosaxs_plugins.corrections.rows import transmission_of_rows
    from tomosaxs_plugins.volume.parts import for_each

    shape = counts.shape[1:]
    data = counts if counts.dtype == np.uint16 else np.asarray(counts, dtype=np.float32)

    def lines(values: NDArray[Any], number: int) -> NDArray[Any]:
        """Return what belongs to a slice as (..., lines, columns), a line along the row of the detector."""
        own = values[..., min(number, values.shape[-3] - 1), :, :]
        return read_only(np.moveaxis(np.broadcast_to(own, (*own.shape[:-2], *shape)), row - 2, -1))

    def one(number: int) -> None:
        room = np.empty(shape[row], np.float32)
        given, target = read_only(np.moveaxis(data[number], row, -1)), np.moveaxis(out[number], row, -1)
        of_slice = (lines(dark, number), lines(flats, number), lines(weights, number))
        dead[number] = transmission_of_rows(given, *of_slice, dead_below, fill, room, target)

    for_each(one, list(range(len(data))))
    return []


def fill_dead(values: NDArray[Any], bad: NDArray[np.bool_], row_axis: int) -> int:
    """Put bad values on the straight line between the nearest good ones of their row, in place.

    At the ends of a row the nearest good value is taken; a row without any is left as it is.

    Returns
    -------
    int
        Number of bad values.
    """
    rows, mask = np.moveaxis(values, row_axis, -1), np.moveaxis(bad, row_axis, -1)
    touched = np.nonzero(mask.any(axis=-1))
    part, wrong = rows[touched], mask[touched]  # copies: only the rows that have a dead pixel
    columns = np.arange(part.shape[-1])
    left = np.maximum.accumulate(np.where(wrong, -1, columns), axis=-1)
    right = np.minimum.accumulate(np.where(wrong, part.shape[-1], columns)[:, ::-1], axis=-1)[:, ::-1]
    which, column = np.nonzero(wrong & ((left >= 0) | (right < part.shape[-1])))
    before, after = left[which, column], right[which, column]
    before, after = np.where(before < 0, after, before), np.where(after >= part.shape[-1], before, after)
    share = np.where(after > before, (column - before) / np.maximum(after - before, 1), 0).astype(np.float32)
    part[which, column] = part[which, before] * (1 - share) + part[which, after] * share
    rows[touched] = part
    return int(np.count_nonzero(mask))


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


def minus_logarithm(
    signal: NDArray[Any], minimum: float, open_beam: float = 1.0, out: Array | None = None
) -> tuple[Array, Counts]:
    """Return -ln(T), T = signal / open_beam raised to at least `minimum`, and how many values of each slice were.

    The result goes into `out` where one is given, float32 in the shape of the signal.
    """
    import numexpr

    data = np.ascontiguousarray(signal, dtype=np.float32)
    if open_beam != 1.0:
        data = data / np.float32(open_beam)
    lowest = np.float32(minimum)
    # most blocks have no such value, which the smallest one tells; it is no number where one of them is not
    none = data.size == 0 or bool(data.min() >= lowest)
    raised = np.zeros(len(data), dtype=np.intp) if none else counts_of(data < lowest)
    out = np.empty_like(data) if out is None else out
    numexpr.evaluate("-log(where(data < lowest, lowest, data))", out=out, casting="same_kind")
    return out, raised


def counts_of(where: NDArray[np.bool_]) -> Counts:
    """Return how many values of every slice, (n,), are True; fast where none is."""
    if not where.any():
        return np.zeros(len(where), dtype=np.intp)
    return np.array([np.count_nonzero(one) for one in where], dtype=np.intp)
