"""Frames to curves with the tables of `Lookup`: eight frames at a time, sums in float64 and in one fixed order."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from tomosaxs_plugins.compiled import read_only
from tomosaxs_plugins.integration.engine.errors import ErrorModel, error_model
from tomosaxs_plugins.integration.engine.lookup import Lookup
from tomosaxs_plugins.integration.engine.vector import LANES, add_scaled, compiled, load_pixels

_LARGEST = float(np.finfo(np.float64).max)
_LINE = 8  # float64 numbers of a cache line: vectors that straddle two are slow


def usable_values(
    dtype: DTypeLike, below: float | None = None, above: float | None = None, gaps: bool = True
) -> tuple[Any, Any]:
    """Return the smallest and the largest value of this type that is used.

    Values under `below` or over `above` are not; with `gaps`, of integers neither are negative values (gaps and dead
    pixels) and the largest value of the type (how detectors flag a pixel). Of floats only finite values are used.
    """
    kind = np.dtype(dtype)
    if np.issubdtype(kind, np.integer):
        limits = np.iinfo(kind)
        low, high = int(limits.min), int(limits.max)
        if gaps:
            low, high = max(low, 0), high - 1
        if below is not None and below > low:
            low = int(np.ceil(below))
        if above is not None and above < high:
            high = int(np.floor(above))
        return low, high
    most = float(np.finfo(kind).max)
    lowest = -most if below is None else max(-most, float(np.asarray(below, dtype=kind)))
    return lowest, most if above is None else min(most, float(np.asarray(above, dtype=kind)))


def integrate(
    lookup: Lookup,
    frames: NDArray[Any],
    *,
    errors: ErrorModel | str = "none",
    uncertainties: NDArray[Any] | None = None,
    below: float | None = None,
    above: float | None = None,
    gaps: bool = True,
    threads: int = 1,
    dtype: DTypeLike = np.float64,
    unusable: NDArray[np.int64] | None = None,
) -> tuple[NDArray[Any], NDArray[Any] | None]:
    """Integrate frames.

    Parameters
    ----------
    lookup : Lookup
        Tables for this geometry, mask and bins.
    frames : (n, rows, columns) array
        Counts: integers or floats. Values that `usable_values` leaves out, and those that are not finite, are not
        used in that frame.
    errors : ErrorModel or str
        Variance of a pixel; a text is looked up by `error_model`. What does not depend on the counts (offset of the
        model, variance of dark counts) comes from the tables.
    uncertainties : (n, rows, columns) array, optional
        Standard uncertainty of every value, for the error model ``data``; NaN where it is not known, which makes
        that of the bin NaN.
    below, above, gaps
        See `usable_values`.
    threads : int
        Eight frames go to a thread at a time.
    dtype : dtype
        Of the result.
    unusable : (n,) int64 array, optional
        Receives, of every frame, how many shares of pixels in bins its unusable values cost.

    Returns
    -------
    curves, sigmas : (n, bins) arrays
        Sum of weights times counts (less dark counts) over sum of weights times factors of the pixels, and its
        standard uncertainty (None without an error model); NaN where a bin has no usable pixel. A frame's curve is
        bit-identical whatever the other frames and the number of threads.

    Raises
    ------
    ValueError
        When the frames do not have the shape or a type that fits, or the error model is unknown.
    """
    model = error_model(errors) if isinstance(errors, str) else errors
    block = _prepared(frames, lookup.pixel_norm.size)
    number = len(block)
    squared = model.kind == "given" and model.variance is None
    sigma = _checked(uncertainties, block) if squared else None
    spreads = None if squared else _spreads(model, block, uncertainties)
    curves = np.full((number, lookup.bins), np.nan, dtype=dtype)
    sigmas = None if model.kind == "none" else curves.copy()
    low, high = usable_values(block.dtype, below, above, gaps)
    if low > high or number == 0:
        return curves, sigmas
    limits = block.dtype.type(low), block.dtype.type(high)
    flat, pixels = block.reshape(-1), lookup.pixel_norm.size
    tables = (
        lookup.groups, lookup.keep, lookup.first, lookup.weights, lookup.width, lookup.apart, lookup.apart_first,
        lookup.apart_starts, lookup.apart_weights, lookup.pixel_norm, lookup.dark, lookup.dark_variance,
    )  # fmt: skip

    def eight(begin: int) -> None:
        end = min(number, begin + LANES)
        # lanes without a frame of their own repeat the last one
        lanes = np.minimum(np.arange(begin, begin + LANES), end - 1)
        starts = lanes * pixels
        signal, variance, loss = (_sums(lookup) for _ in range(3))
        lost = np.zeros((lookup.bins, LANES), dtype=np.int64)
        buffer, other = _aligned(LANES * LANES), _aligned(LANES * LANES)
        spread = None if spreads is None else read_only(spreads(begin, end))
        if sigma is not None:
            spread = read_only(sigma[begin:end].reshape(-1))
        most = None if spread is None else spread.dtype.type(np.finfo(spread.dtype).max)
        spread_starts = (lanes - begin) * pixels
        given: tuple[Any, ...] = (flat, starts, *limits, *tables)
        spreads_are = model.kind in ("counts", "given"), spread, spread_starts, most, squared
        given_sums: tuple[Any, ...] = (*given, *spreads_are, signal, variance, loss, lost, buffer, other)
        _accumulate(*given_sums)
        bins = lookup.norm, lookup.entries
        _divide(*bins, lookup.dark_sum, signal, loss, lost, end - begin, curves[begin:end])
        if unusable is not None:
            unusable[begin:end] = lost.sum(axis=0)[: end - begin]
        if sigmas is None:
            return
        constant, slope = lookup.dark_variance_sum, model.slope if model.kind == "counts" else 1.0
        if model.kind == "azimuthal":
            variance[:] = 0.0
            given_sums = (*given, *bins, lookup.dark_sum, signal, loss, lost, variance, buffer)
            _spread(*given_sums)
            constant = np.zeros(lookup.bins)
        _uncertain(*bins, constant, slope, variance, loss, lost, end - begin, sigmas[begin:end])

    if threads <= 1 or number <= LANES:
        for begin in range(0, number, LANES):
            eight(begin)
    else:
        with ThreadPoolExecutor(threads) as pool:
            for _ in pool.map(eight, range(0, number, LANES)):
                pass
    return curves, sigmas


def _spreads(
    model: ErrorModel, block: NDArray[Any], uncertainties: NDArray[Any] | None
) -> Callable[[int, int], NDArray[np.float64]] | None:
    """Return what makes the variances of some frames, flat; None where the loops have them from the counts."""
    if model.kind != "given":
        return None
    if model.variance is not None:
        made = model.variance
        return lambda begin, end: np.ascontiguousarray(made(block[begin:end])).reshape(-1)
    sigma = _checked(uncertainties, block)
    return lambda begin, end: np.square(sigma[begin:end], dtype=np.float64).reshape(-1)


def _checked(uncertainties: NDArray[Any] | None, block: NDArray[Any]) -> NDArray[Any]:
    """Return the uncertainties of frames in a type that the loops know."""
    if uncertainties is None:
        raise ValueError("error model data: the data carry no uncertainties")
    if uncertainties.shape != block.shape:
        raise ValueError(f"uncertainties of shape {uncertainties.shape} do not fit frames of {block.shape}")
    kind = np.float32 if uncertainties.dtype in (np.float16, np.float32) else np.float64
    return np.ascontiguousarray(uncertainties, dtype=kind)


def _prepared(frames: NDArray[Any], pixels: int) -> NDArray[Any]:
    """Return the frames contiguous, read-only, in the machine's byte order and in a type the loops know."""
    if frames.ndim != 3 or frames[0:1].size not in (0, pixels):
        raise ValueError(f"frames of shape {frames.shape} do not fit tables of {pixels} pixels a frame")
    kind = frames.dtype
    if kind.kind == "b":
        kind = np.dtype(np.uint8)
    elif kind.kind == "f" and kind.itemsize not in (4, 8):
        kind = np.dtype(np.float32 if kind.itemsize < 4 else np.float64)
    elif kind.kind not in "iuf":
        raise ValueError(f"frames of type {kind} cannot be integrated")
    return read_only(np.ascontiguousarray(frames, dtype=kind.newbyteorder("=")))


def _aligned(size: int) -> NDArray[np.float64]:
    """Return zeros that begin at a cache line."""
    room = np.zeros(size + _LINE)
    begin = (-room.ctypes.data // room.itemsize) % _LINE
    return room[begin : begin + size]


def _sums(lookup: Lookup) -> NDArray[np.float64]:
    """Return zeros for every bin and lane, and for the bins behind the last one that weights of 0 may touch."""
    return _aligned((lookup.bins + lookup.width) * LANES)


@compiled
def _usable(value: Any, low: Any, high: Any) -> bool:
    return bool(low <= value <= high)  # NaN is not


@compiled
def _lose(
    flat: Any, starts: Any, low: Any, high: Any, pixel: int, first: int, weights: Any, begin: int, end: int, norm: Any,
    dark: Any, dark_variance: Any, with_variance: bool, signal: Any, variance: Any, loss: Any, lost: Any,
) -> None:  # fmt: skip
    """Note, frame by frame, what the normalisation lacks when this pixel's value is unusable.

    Its dark counts, and their variance, are subtracted later with those of the whole bin: give them back here.
    """
    for lane in range(LANES):
        if not _usable(flat[starts[lane] + pixel], low, high):
            for k in range(begin, end):
                weight = np.float64(weights[k])
                if weight > 0:
                    at = first + k - begin
                    loss[at * LANES + lane] += weight * norm[pixel]
                    lost[at, lane] += 1
                    if dark.size > 0:
                        signal[at * LANES + lane] += weight * dark[pixel]
                    if with_variance and dark_variance.size > 0:
                        variance[at * LANES + lane] -= weight * weight * dark_variance[pixel]


@compiled
def _mend(
    flat: Any, starts: Any, low: Any, high: Any, pixel: int, spread: Any, spread_starts: Any, other: Any, at: int
) -> None:
    """Set variances of eight frames right: none where the value is unusable, NaN where only the variance is."""
    for lane in range(LANES):
        found = np.float64(spread[spread_starts[lane] + pixel])
        if not _usable(flat[starts[lane] + pixel], low, high):
            other[at + lane] = 0.0
        elif not _usable(found, 0.0, _LARGEST):
            other[at + lane] = np.nan
        else:
            other[at + lane] = found


@compiled
def _square(values: Any, at: int, number: int, wanted: bool) -> None:
    if wanted:
        for k in range(at, at + number):
            values[k] *= values[k]


@compiled
def _add_pixel(sums: Any, first: int, buffer: Any, at: int, weights: Any, begin: int, width: int, square: bool) -> None:
    """Add a pixel of eight frames to its bins, times weights or their squares."""
    target = first * LANES
    for k in range(width):
        weight = np.float64(weights[begin + k])
        add_scaled(sums, target + LANES * k, buffer, at, weight * weight if square else weight)


@compiled
def _add_grouped(
    sums: Any, first: int, buffer: Any, at: int, weights: Any, entry: int, width: int, square: bool
) -> None:
    """Add a pixel of a group; each width spelled out, because a loop of three turns costs as much as what it does."""
    if width == 3:
        _add_pixel(sums, first, buffer, at, weights, entry * 3, 3, square)
    elif width == 2:
        _add_pixel(sums, first, buffer, at, weights, entry * 2, 2, square)
    elif width == 1:
        _add_pixel(sums, first, buffer, at, weights, entry, 1, square)
    else:
        _add_pixel(sums, first, buffer, at, weights, entry * 4, 4, square)


@compiled
def _accumulate(
    flat: Any, starts: Any, low: Any, high: Any, groups: Any, keep: Any, first: Any, weights: Any, width: int,
    apart: Any, apart_first: Any, apart_starts: Any, apart_weights: Any, norm: Any, dark: Any, dark_variance: Any,
    with_variance: bool, spread: Any, spread_starts: Any, most: Any, squared: bool,
    signal: Any, variance: Any, loss: Any, lost: Any, buffer: Any, other: Any,
) -> None:  # fmt: skip
    """Sum up weighted counts (and variances) of eight frames.

    Where `spread` is None the variance of a pixel is its counts, else what it says (or its square); compiled apart
    for both. `most` is the largest value of its type.
    """
    for group in range(groups.size):
        at = groups[group]
        bad = load_pixels(flat, starts, at, keep[group], low, high, buffer)
        if spread is not None:
            odd = load_pixels(spread, spread_starts, at, keep[group], most * 0, most, other)
            if bad or odd:
                for pixel in range(LANES):
                    if keep[group] >> pixel & 1:
                        _mend(flat, starts, low, high, at + pixel, spread, spread_starts, other, pixel * LANES)
            _square(other, 0, LANES * LANES, squared)
        if bad:
            for pixel in range(LANES):
                if keep[group] >> pixel & 1:
                    entry = group * LANES + pixel
                    _lose(
                        flat, starts, low, high, at + pixel, np.int64(first[entry]), weights,
                        entry * width, entry * width + width, norm, dark, dark_variance, with_variance,
                        signal, variance, loss, lost,
                    )  # fmt: skip
        for pixel in range(LANES):
            entry = group * LANES + pixel
            here = np.int64(first[entry])
            _add_grouped(signal, here, buffer, pixel * LANES, weights, entry, width, False)
            if with_variance:
                if spread is None:
                    _add_grouped(variance, here, buffer, pixel * LANES, weights, entry, width, True)
                else:
                    _add_grouped(variance, here, other, pixel * LANES, weights, entry, width, True)
    for number in range(apart.size):
        pixel = apart[number]
        begin, end = apart_starts[number], apart_starts[number + 1]
        here = np.int64(apart_first[number])
        for lane in range(LANES):
            value = flat[starts[lane] + pixel]
            buffer[lane] = np.float64(value) if _usable(value, low, high) else 0.0
        if spread is not None:
            _mend(flat, starts, low, high, pixel, spread, spread_starts, other, 0)
            _square(other, 0, LANES, squared)
        _lose(
            flat, starts, low, high, pixel, here, apart_weights, begin, end, norm, dark, dark_variance, with_variance,
            signal, variance, loss, lost,
        )  # fmt: skip
        _add_pixel(signal, here, buffer, 0, apart_weights, begin, end - begin, False)
        if with_variance:
            counts = buffer if spread is None else other
            _add_pixel(variance, here, counts, 0, apart_weights, begin, end - begin, True)


@compiled
def _spread(
    flat: Any, starts: Any, low: Any, high: Any, groups: Any, keep: Any, first: Any, weights: Any, width: int,
    apart: Any, apart_first: Any, apart_starts: Any, apart_weights: Any, norm: Any, dark: Any, dark_variance: Any,
    bin_norm: Any, entries: Any, dark_sum: Any, signal: Any, loss: Any, lost: Any, variance: Any, buffer: Any,
) -> None:  # fmt: skip
    """Sum up squared weighted deviations from the curve, which is worked out from the sums into `signal`."""
    for at in range(bin_norm.size):
        for lane in range(LANES):
            here = at * LANES + lane
            left = entries[at] - lost[at, lane]
            signal[here] = (signal[here] - dark_sum[at]) / (bin_norm[at] - loss[here]) if left > 0 else 0.0
    for group in range(groups.size):
        at = groups[group]
        bad = load_pixels(flat, starts, at, keep[group], low, high, buffer)
        for pixel in range(LANES):
            if not keep[group] >> pixel & 1:
                continue
            entry = group * LANES + pixel
            without = dark[at + pixel] if dark.size > 0 else 0.0
            for k in range(width):
                weight = np.float64(weights[entry * width + k])
                target = (first[entry] + k) * LANES
                for lane in range(LANES):
                    expected = without + norm[at + pixel] * signal[target + lane]
                    off = (buffer[pixel * LANES + lane] - expected) * weight
                    if bad and not _usable(flat[starts[lane] + at + pixel], low, high):
                        off = 0.0
                    variance[target + lane] += off * off
    for number in range(apart.size):
        pixel = apart[number]
        without = dark[pixel] if dark.size > 0 else 0.0
        for lane in range(LANES):
            value = flat[starts[lane] + pixel]
            if not _usable(value, low, high):
                continue
            for k in range(apart_starts[number], apart_starts[number + 1]):
                target = (apart_first[number] + k - apart_starts[number]) * LANES + lane
                off = (np.float64(value) - (without + norm[pixel] * signal[target])) * np.float64(apart_weights[k])
                variance[target] += off * off


@compiled
def _divide(norm: Any, entries: Any, dark_sum: Any, signal: Any, loss: Any, lost: Any, lanes: int, curves: Any) -> None:
    """Write signal over normalisation where a pixel is left."""
    for lane in range(lanes):
        for at in range(norm.size):
            if entries[at] - lost[at, lane] > 0:
                here = at * LANES + lane
                curves[lane, at] = (signal[here] - dark_sum[at]) / (norm[at] - loss[here])


@compiled
def _uncertain(
    norm: Any, entries: Any, constant: Any, slope: float, variance: Any, loss: Any, lost: Any, lanes: int, sigmas: Any
) -> None:
    """Write the root of the variance over normalisation where a pixel is left."""
    for lane in range(lanes):
        for at in range(norm.size):
            if entries[at] - lost[at, lane] > 0:
                here = at * LANES + lane
                sigmas[lane, at] = np.sqrt(slope * (variance[here] + constant[at])) / (norm[at] - loss[here])
