"""Frames to cakes with the tables of `CakeLookup`: eight frames at a time, sums in float64 and in one fixed order.

What a cake differs in from a curve: its sums are as large as a frame, so that they are kept and cleared where they
lie, and what the normalisation loses to unusable values is looked at only when there are any.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from tomosaxs_plugins.compiled import read_only
from tomosaxs_plugins.integration.engine.apply import (
    _add_grouped,
    _add_pixel,
    _aligned,
    _lose,
    _mend,
    _prepared,
    _spreads,
    _usable,
    usable_values,
)
from tomosaxs_plugins.integration.engine.cake_lookup import CakeLookup
from tomosaxs_plugins.integration.engine.cake_vector import add_squares
from tomosaxs_plugins.integration.engine.errors import ErrorModel, error_model
from tomosaxs_plugins.integration.engine.vector import LANES, compiled, load_pixels

_LARGEST = float(np.finfo(np.float64).max)
_NOTHING = np.zeros(0)


@dataclass(eq=False)
class _Room:
    """Sums of one thread; zeros between two blocks of eight frames."""

    signal: NDArray[np.float64]
    variance: NDArray[np.float64]
    loss: NDArray[np.float64]
    lost: NDArray[np.int64]
    buffer: NDArray[np.float64]
    other: NDArray[np.float64]

    @classmethod
    def of(cls, lookup: CakeLookup) -> _Room:
        cells = lookup.used.size
        sums = [_aligned((cells + lookup.width) * LANES) for _ in range(3)]
        # memory that is never written to costs nothing: the last two are for unusable values
        lost = np.zeros((cells + lookup.width, LANES), dtype=np.int64)
        return cls(sums[0], sums[1], sums[2], lost, _aligned(LANES * LANES), _aligned(LANES * LANES))


def make_cakes(
    lookup: CakeLookup,
    frames: NDArray[Any],
    *,
    errors: ErrorModel | str = "none",
    uncertainties: NDArray[Any] | None = None,
    below: float | None = None,
    above: float | None = None,
    gaps: bool = True,
    threads: int = 1,
    dtype: DTypeLike = np.float64,
) -> tuple[NDArray[Any], NDArray[Any] | None]:
    """Regroup frames into cakes.

    Parameters
    ----------
    lookup : CakeLookup
        Tables for this geometry, mask and cells.
    frames, errors, uncertainties, below, above, gaps, threads, dtype
        See `apply.integrate`.

    Returns
    -------
    cakes, sigmas : (n, sectors, bins) arrays
        Sum of weights times counts (less dark counts) over sum of weights times factors of the pixels, and its
        standard uncertainty (None without an error model); NaN where a cell has no usable pixel. A frame's cake is
        bit-identical whatever the other frames and the number of threads.

    Raises
    ------
    ValueError
        When the frames do not have the shape or a type that fits, or the error model is unknown.
    """
    model = error_model(errors) if isinstance(errors, str) else errors
    block = _prepared(frames, lookup.pixel_norm.size)
    number, pixels = len(block), lookup.pixel_norm.size
    spreads = _spreads(model, block, uncertainties)
    cakes = np.full((number, *lookup.shape), np.nan, dtype=dtype)
    sigmas = None if model.kind == "none" else np.full_like(cakes, np.nan)
    low, high = usable_values(block.dtype, below, above, gaps)
    if low > high or number == 0:
        return cakes, sigmas
    limits = block.dtype.type(low), block.dtype.type(high)
    flat = block.reshape(-1)
    if pixels < LANES:  # eight pixels are loaded together
        flat = read_only(np.concatenate([flat, np.zeros(LANES, dtype=flat.dtype)]))
    tables: tuple[Any, ...] = (
        lookup.groups, lookup.keep, lookup.first, lookup.weights, lookup.width, lookup.more, lookup.more_slot,
        lookup.more_first, lookup.more_starts, lookup.more_weights, lookup.pixel_norm, lookup.dark,
        lookup.dark_variance,
    )  # fmt: skip
    inverse = 1.0 / lookup.norm
    rooms: SimpleQueue[_Room] = SimpleQueue()

    def eight(begin: int) -> None:
        end = min(number, begin + LANES)
        room = _Room.of(lookup) if rooms.empty() else rooms.get()
        # lanes without a frame of their own repeat the last one
        lanes = np.minimum(np.arange(begin, begin + LANES), end - 1)
        starts = lanes * pixels
        spread, spread_starts, other = _NOTHING, starts, room.buffer
        if spreads is not None:
            spread, spread_starts, other = spreads(begin, end), (lanes - begin) * pixels, room.other
            if pixels < LANES:
                spread = np.concatenate([spread, np.zeros(LANES)])
        with_variance = model.kind in ("counts", "given")
        given: tuple[Any, ...] = (flat, starts, *limits, *tables)
        sums: tuple[Any, ...] = (
            *given, with_variance, spread, spread_starts, room.signal, room.variance, room.loss, room.lost,
            room.buffer, other,
        )  # fmt: skip
        bad = _accumulate(*sums)
        cells = lookup.used, lookup.norm, inverse, lookup.entries
        chosen = cakes[begin:end].reshape(end - begin, -1)
        keep_means = model.kind == "azimuthal"
        _divide(*cells, lookup.dark_sum, room.signal, room.loss, room.lost, bad, keep_means, chosen)
        if sigmas is not None:
            constant, slope = lookup.dark_variance_sum, model.slope if model.kind == "counts" else 1.0
            if model.kind == "azimuthal":
                constant = np.zeros(lookup.used.size)
                sums = (*given, room.signal, room.variance, room.buffer)
                _spread(*sums)
                room.signal[:] = 0.0
            found = sigmas[begin:end].reshape(end - begin, -1)
            _uncertain(*cells, constant, slope, room.variance, room.loss, room.lost, bad, found)
        if bad:
            room.loss[:] = 0.0
            room.lost[:] = 0
        rooms.put(room)

    if threads <= 1 or number <= LANES:
        for begin in range(0, number, LANES):
            eight(begin)
    else:
        with ThreadPoolExecutor(threads) as pool:
            for _ in pool.map(eight, range(0, number, LANES)):
                pass
    return cakes, sigmas


@compiled
def _accumulate(
    flat: Any, starts: Any, low: Any, high: Any, groups: Any, keep: Any, first: Any, weights: Any, width: int,
    more: Any, more_slot: Any, more_first: Any, more_starts: Any, more_weights: Any, norm: Any, dark: Any,
    dark_variance: Any, with_variance: bool, spread: Any, spread_starts: Any, signal: Any, variance: Any, loss: Any,
    lost: Any, buffer: Any, other: Any,
) -> bool:  # fmt: skip
    """Sum up weighted counts (and variances) of eight frames; return whether an unusable value was met.

    `other` is `buffer` where the variance of a pixel is its counts; else it takes what `spread` says.
    """
    given = spread.size > 0
    any_bad = False
    for group in range(groups.size):
        at = groups[group]
        bad = load_pixels(flat, starts, at, keep[group], low, high, buffer)
        if given:
            odd = load_pixels(spread, spread_starts, at, keep[group], 0.0, _LARGEST, other)
            if bad or odd:
                for pixel in range(LANES):
                    if keep[group] >> pixel & 1:
                        _mend(flat, starts, low, high, at + pixel, spread, spread_starts, other, pixel * LANES)
        if bad:
            any_bad = True
            for pixel in range(LANES):
                if keep[group] >> pixel & 1:
                    entry = group * LANES + pixel
                    _lose(
                        flat, starts, low, high, at + pixel, np.int64(first[entry]), weights,
                        entry * width, entry * width + width, norm, dark, dark_variance, with_variance,
                        signal, variance, loss, lost,
                    )  # fmt: skip
            for run in range(more[group], more[group + 1]):
                _lose(
                    flat, starts, low, high, at + more_slot[run], more_first[run], more_weights,
                    more_starts[run], more_starts[run + 1], norm, dark, dark_variance, with_variance,
                    signal, variance, loss, lost,
                )  # fmt: skip
        for pixel in range(LANES):
            entry = group * LANES + pixel
            here = np.int64(first[entry])
            _add_grouped(signal, here, buffer, pixel * LANES, weights, entry, width, False)
            if with_variance:
                _add_grouped(variance, here, other, pixel * LANES, weights, entry, width, True)
        for run in range(more[group], more[group + 1]):
            begin, count = more_starts[run], more_starts[run + 1] - more_starts[run]
            _add_pixel(signal, more_first[run], buffer, more_slot[run] * LANES, more_weights, begin, count, False)
            if with_variance:
                _add_pixel(variance, more_first[run], other, more_slot[run] * LANES, more_weights, begin, count, True)
    return any_bad


@compiled
def _add_spread(
    flat: Any, starts: Any, low: Any, high: Any, pixel: int, slot: int, first: int, weights: Any, begin: int, end: int,
    norm: Any, dark: Any, means: Any, variance: Any, buffer: Any, bad: bool,
) -> None:  # fmt: skip
    """Add a pixel's squared weighted deviations from the means of its cells."""
    without = dark[pixel] if dark.size > 0 else 0.0
    times = norm[pixel]
    for k in range(begin, end):
        weight = np.float64(weights[k])
        target = (first + k - begin) * LANES
        if bad:
            for lane in range(LANES):
                if _usable(flat[starts[lane] + pixel], low, high):
                    off = (buffer[slot * LANES + lane] - without - times * means[target + lane]) * weight
                    variance[target + lane] += off * off
        else:
            add_squares(variance, target, buffer, slot * LANES, means, without, times, weight)


@compiled
def _spread(
    flat: Any, starts: Any, low: Any, high: Any, groups: Any, keep: Any, first: Any, weights: Any, width: int,
    more: Any, more_slot: Any, more_first: Any, more_starts: Any, more_weights: Any, norm: Any, dark: Any,
    dark_variance: Any, means: Any, variance: Any, buffer: Any,
) -> None:  # fmt: skip
    """Sum up squared weighted deviations from the means of the cells."""
    for group in range(groups.size):
        at = groups[group]
        bad = load_pixels(flat, starts, at, keep[group], low, high, buffer)
        for slot in range(LANES):
            if keep[group] >> slot & 1:
                entry = group * LANES + slot
                _add_spread(
                    flat, starts, low, high, at + slot, slot, np.int64(first[entry]), weights, entry * width,
                    entry * width + width, norm, dark, means, variance, buffer, bad,
                )  # fmt: skip
        for run in range(more[group], more[group + 1]):
            slot = more_slot[run]
            _add_spread(
                flat, starts, low, high, at + slot, slot, more_first[run], more_weights, more_starts[run],
                more_starts[run + 1], norm, dark, means, variance, buffer, bad,
            )  # fmt: skip


@compiled
def _divide(
    used: Any, norm: Any, inverse: Any, entries: Any, dark_sum: Any, signal: Any, loss: Any, lost: Any, bad: bool,
    keep_means: bool, cakes: Any,
) -> None:  # fmt: skip
    """Write signal over normalisation where a pixel is left; clear the signal, or leave the means in its place."""
    lanes = cakes.shape[0]
    for at in range(used.size):
        here = used[at]
        for lane in range(LANES):
            place = at * LANES + lane
            value = (signal[place] - dark_sum[at]) * inverse[at]
            good = True
            if bad and lost[at, lane] > 0:
                good = entries[at] > lost[at, lane]
                value = (signal[place] - dark_sum[at]) * (1.0 / (norm[at] - loss[place])) if good else 0.0
            if good and lane < lanes:
                cakes[lane, here] = value
            signal[place] = value if keep_means else 0.0
    for place in range(used.size * LANES, signal.size):
        signal[place] = 0.0


@compiled
def _uncertain(
    used: Any, norm: Any, inverse: Any, entries: Any, constant: Any, slope: float, variance: Any, loss: Any, lost: Any,
    bad: bool, sigmas: Any,
) -> None:  # fmt: skip
    """Write the root of the variance over normalisation where a pixel is left; clear the variance."""
    lanes = sigmas.shape[0]
    for at in range(used.size):
        here = used[at]
        for lane in range(LANES):
            place = at * LANES + lane
            spread = np.sqrt(slope * (variance[place] + constant[at]))
            variance[place] = 0.0
            if lane >= lanes:
                continue
            if not (bad and lost[at, lane] > 0):
                sigmas[lane, here] = spread * inverse[at]
            elif entries[at] > lost[at, lane]:
                sigmas[lane, here] = spread * (1.0 / (norm[at] - loss[place]))
    for place in range(used.size * LANES, variance.size):
        variance[place] = 0.0
