"""What the report shows of curves and cakes: mean and representative ones, and maps of their sums."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tomosaxs.dataset import Axis
from tomosaxs.memory import release
from tomosaxs.report.pictures import robust_limits
from tomosaxs.report.slices import Figure, place_text, slice_figure, with_units
from tomosaxs.report.svg import line_chart, number_text

PROFILE_AXES = ("q", "two_theta", "radius", "d_spacing", "azimuth", "energy", "channel")
_BYTES, _MEAN_OF, _POINTS, _WIDTH, _WIDE = 1 << 28, 400, 2000, 280.0, 470.0
_HELD, _AROUND = 1 << 24, 1 << 16
"""Bytes of a mapped file that are held at a time, and those that the system maps around every place touched."""
_CAKES = 64
_LEVELS = (("low", 2.0), ("median", 50.0), ("high", 98.0))


@dataclass(frozen=True, eq=False)
class Frames:
    """Curves (scan ..., bins) or cakes (scan ..., azimuths, bins); `core` counts the axes of one of them."""

    values: NDArray[Any]
    sigma: NDArray[Any] | None
    axes: tuple[Axis, ...]
    core: int
    quantity: str

    @property
    def scan(self) -> tuple[Axis, ...]:
        """Axes that number the frames."""
        return self.axes[: len(self.axes) - self.core]

    @property
    def table(self) -> NDArray[Any]:
        """(frames, ...) values of every frame."""
        return self.values.reshape(-1, *self.values.shape[self.values.ndim - self.core :])

    @property
    def sigma_table(self) -> NDArray[Any] | None:
        """The same of the standard uncertainties."""
        return None if self.sigma is None else self.sigma.reshape(self.table.shape)

    def name(self, number: int) -> str:
        """Return the place of a frame in words."""
        if not self.scan:
            return ""
        where = np.unravel_index(number, [axis.size for axis in self.scan])
        return ", ".join(f"{axis.name} {axis.index[at]}" for axis, at in zip(self.scan, where, strict=True))


@dataclass(frozen=True, eq=False)
class Totals:
    """Sums of frames over their bins, NaN where a frame has no value; thinned out where there are too many.

    `grid` has a dimension for every scan axis; entry i of axis a is frame number i * steps[a] there.
    """

    grid: NDArray[np.float64]
    steps: tuple[int, ...]
    partly: str

    @property
    def numbers(self) -> NDArray[np.intp]:
        """Flat numbers, in the thinned grid, of frames with values."""
        return np.flatnonzero(np.isfinite(self.grid.reshape(-1)))


def curve_figures(frames: Frames) -> tuple[list[Figure], list[str]]:
    """Return (chart, caption) of curves, and notes."""
    totals = sums_of(frames)
    chosen = _representative(frames, totals)
    figures = [_curves(frames, totals, chosen)]
    figures += _of_scan(frames, totals)
    return figures, _notes(frames, totals)


def cake_figures(frames: Frames) -> tuple[list[Figure], list[str]]:
    """Return (chart, caption) of cakes: the mean over the scan, one of median sum, mean over azimuth; and notes."""
    totals = sums_of(frames)
    measured = _all_numbers(frames, totals)
    down, across = frames.axes[-2:]
    each = max(1, int(_BYTES // max(frames.table[:1].nbytes, 1)))
    some = measured[_even(len(measured), min(_CAKES, each))]
    mean = nanmean(_stack(frames.table, some), 0)
    figures = []
    log = wide(mean)
    told = [f"mean of {len(some)} of {len(frames.table)} cakes"] if frames.scan else []
    figures.append(_cake(mean, down, across, told, log))
    if len(measured) > 1:
        words = dict(_representative(frames, totals))
        word = "median" if "median" in words else "high"
        number = words[word]
        told = [f"the cake of {word} sum: {frames.name(number)}"]
        figures.append(_cake(real(frames.table[number]), down, across, told, log))
    curve = nanmean(mean, 0)
    label = with_units(across.name, across.units)
    chart = line_chart([("", _x(across), curve)], (label, frames.quantity), log=wide(curve), size=(430, 240))
    figures.append((chart, "mean cake, mean over its azimuths" + (", logarithmic scale" if wide(curve) else "")))
    figures += _of_scan(frames, totals)
    return figures, _notes(frames, totals)


def sums_of(frames: Frames) -> Totals:
    """Return the sum of every frame; where the data are large, of some bins of some frames."""
    values = frames.values
    steps = [1] * len(frames.scan)
    inner = 1
    if frames.core == 2:  # whole rows of a cake are left out before whole points of a map
        while values.nbytes / inner > _BYTES and inner < values.shape[-2]:
            inner += 1
    while steps and values.nbytes / inner / np.prod(steps, dtype=float) > _BYTES:
        largest = max(range(len(steps)), key=lambda at: values.shape[at] / steps[at])
        steps[largest] += 1
    thin = values[tuple(slice(None, None, step) for step in steps)]
    thin = thin[..., ::inner, :] if inner > 1 else thin
    shape = thin.shape[: len(steps)]
    sums, held = [], 0
    for row in thin.reshape(-1, *thin.shape[len(steps) :]):
        sums.append(_total(row))
        held += max(row.nbytes * inner, _AROUND)
        if held > _HELD:
            release(values)
            held = 0
    grid = np.array(sums, dtype=np.float64)
    partly = f"sums over every {_ordinal(inner)} azimuth" if inner > 1 else ""
    return Totals(grid.reshape(shape), tuple(steps), partly)


def _total(frame: NDArray[Any]) -> float:
    values = real(frame)
    finite = np.isfinite(values)
    return float(np.sum(values, where=finite, dtype=np.float64)) if finite.any() else float("nan")


def _all_numbers(frames: Frames, totals: Totals) -> NDArray[np.intp]:
    """Return flat numbers of frames with values, in the whole dataset."""
    if not frames.scan:
        return np.zeros(1, dtype=np.intp)
    places = np.unravel_index(totals.numbers, totals.grid.shape)
    whole = [at * step for at, step in zip(places, totals.steps, strict=True)]
    found: NDArray[np.intp] = np.ravel_multi_index(whole, [axis.size for axis in frames.scan])
    return found if len(found) else np.zeros(1, dtype=np.intp)


def _representative(frames: Frames, totals: Totals) -> list[tuple[str, int]]:
    """Return (word, number) of frames of low, median and high sum; a few wild ones at both ends do not count."""
    numbers = _all_numbers(frames, totals)
    sums = totals.grid.reshape(-1)[totals.numbers]
    if len(numbers) <= 1:
        return [("median", int(numbers[0]))]
    order = numbers[np.argsort(sums, kind="stable")]
    if len(order) == 2:
        return [("low", int(order[0])), ("high", int(order[1]))]
    return [(word, int(order[round(level / 100 * (len(order) - 1))])) for word, level in _LEVELS]


def _curves(frames: Frames, totals: Totals, chosen: list[tuple[str, int]]) -> Figure:
    """Draw the mean of the curves and some of them, with bands of what they are uncertain by or spread."""
    axis, table, sigmas = frames.axes[-1], frames.table, frames.sigma_table
    x = _x(axis)
    series: list[tuple[str, NDArray[Any], NDArray[Any]]] = []
    bands: list[NDArray[Any] | None] = []
    told = "the curve"
    if len(table) > 1:
        measured = _all_numbers(frames, totals)
        some = measured[_even(len(measured), _MEAN_OF)]
        curves = _stack(table, some)
        mean = nanmean(curves, 0)
        if sigmas is not None:
            band, word = _of_mean(_stack(sigmas, some)), "its standard uncertainty"
        else:
            band, word = np.sqrt(nanmean((curves - mean) ** 2, 0)), "the standard deviation of the curves"
        series.append((f"mean of {len(some)} curves", x, mean))
        bands.append(band)
        told = f"mean, its band {word}; curves of low, median and high sum"
    for word, number in chosen:
        name = f"{word}: {frames.name(number)}" if len(table) > 1 else frames.name(number)
        series.append((name or "curve", x, real(table[number])))
        bands.append(None if sigmas is None else real(sigmas[number]))
    if sigmas is not None:
        told += " with their standard uncertainties" if len(table) > 1 else " with its standard uncertainty"
    step = -(-len(x) // _POINTS)
    series = [(name, x[::step], y[::step]) for name, x, y in series]
    thin = [None if band is None else band[::step] for band in bands]
    log = wide(np.concatenate([y for _, _, y in series]))
    label = with_units(axis.name, axis.units or ("px" if axis.values is None else ""))
    chart = line_chart(series, (label, frames.quantity), log=log, bands=thin, size=(560, 300))
    return chart, told + (", logarithmic scale" if log else "")


def _of_mean(sigmas: NDArray[Any]) -> NDArray[Any]:
    """Return the standard uncertainty of a mean of independent values."""
    usable = np.isfinite(sigmas)
    count = usable.sum(axis=0)
    variance = np.where(usable, sigmas, 0.0).astype(np.float64) ** 2
    return np.where(count > 0, np.sqrt(variance.sum(axis=0)) / np.maximum(count, 1), np.nan)


def _of_scan(frames: Frames, totals: Totals) -> list[Figure]:
    """Draw the sums over the scan: against one axis, or as maps over the last two."""
    scan = frames.scan
    if not scan or totals.grid.size < 2:
        return []
    axes = [_thin(axis, step) for axis, step in zip(scan, totals.steps, strict=True)]
    more = ([totals.partly] if totals.partly else []) + [
        f"every {_ordinal(step)} {axis.name}" for axis, step in zip(scan, totals.steps, strict=True) if step > 1
    ]
    if len(axes) == 1:
        even = axes[0].values is not None
        x = np.asarray(axes[0].values if even else axes[0].index, dtype=np.float64)
        label = with_units(axes[0].name, axes[0].units if even else "")
        dots = totals.grid.size <= 200
        chart = line_chart([("", x, totals.grid)], (label, "sum of a frame"), points=dots, size=(430, 200))
        return [(chart, ", ".join(["sum of every frame over its bins", *more]))]
    limits = robust_limits(totals.grid)
    figures = []
    for before in _shown(totals.grid.shape[:-2]):
        told = [place_text(axis, at) for axis, at in zip(axes, before, strict=False)]
        chart, caption = slice_figure(totals.grid[before], axes[-2], axes[-1], limits, [*told, *more], _WIDTH)
        figures.append((chart, f"sum over the bins: {caption}"))
    return figures


def _shown(shape: tuple[int, ...]) -> list[tuple[int, ...]]:
    """Return which maps are shown of a scan of more than two axes: first, middle and last along the first axis."""
    if not shape:
        return [()]
    rest = tuple(size // 2 for size in shape[1:])
    return [(int(at), *rest) for at in dict.fromkeys((0, shape[0] // 2, shape[0] - 1))]


def _notes(frames: Frames, totals: Totals) -> list[str]:
    notes = []
    empty = totals.grid.size - len(totals.numbers)
    if frames.scan and empty:
        told = " (of those looked at)" if any(step > 1 for step in totals.steps) else ""
        notes.append(f"{empty} of {totals.grid.size} points{told} have no value; they are amber on a map.")
    if len(frames.scan) >= 2:
        low, high = robust_limits(totals.grid)
        notes.append(f"Maps have one grey scale: black {number_text(low)}, white {number_text(high)}.")
    return notes


def _cake(image: NDArray[Any], down: Axis, across: Axis, told: list[str], log: bool) -> Figure:
    values = np.asarray(image, dtype=np.float64)
    if log:
        with np.errstate(divide="ignore", invalid="ignore"):
            values = np.where(values > 0, np.log10(values), np.where(np.isfinite(values), -np.inf, np.nan))
    limits = robust_limits(values)
    ends = [number_text(10.0**each if log else each) for each in limits]
    scale = f"{'logarithmic' if log else 'linear'} scale, black {ends[0]}, white {ends[1]}"
    return slice_figure(values, down, across, limits, [*told, scale], _WIDE, least=260.0)


def _stack(table: NDArray[Any], numbers: NDArray[np.intp]) -> NDArray[Any]:
    return real(np.stack([table[int(number)] for number in numbers]))


def _even(count: int, most: int) -> NDArray[np.intp]:
    return np.unique(np.linspace(0, count - 1, max(1, min(most, count))).round().astype(np.intp))


def _thin(axis: Axis, step: int) -> Axis:
    return axis if step == 1 else axis.select(slice(None, None, step))


def _x(axis: Axis) -> NDArray[np.float64]:
    return np.asarray(axis.values if axis.values is not None else axis.index, dtype=np.float64)


def _ordinal(number: int) -> str:
    ending = {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th") if number % 100 not in (11, 12, 13) else "th"
    return f"{number}{ending}"


def real(values: NDArray[Any]) -> NDArray[Any]:
    """Return values that can be drawn: absolute values of complex numbers, 0 and 1 of truth values."""
    if values.dtype.kind == "c":
        return np.asarray(np.abs(values))
    return values.astype(np.uint8) if values.dtype.kind == "b" else np.asarray(values)


def nanmean(values: NDArray[Any], axis: int) -> NDArray[Any]:
    """Return means of the finite values, NaN where there are none."""
    usable = np.isfinite(values)
    count = usable.sum(axis=axis)
    total = np.where(usable, values, 0).sum(axis=axis, dtype=np.float64)
    mean: NDArray[Any] = np.where(count > 0, total / np.maximum(count, 1), np.nan)
    return mean


def wide(values: NDArray[Any] | Sequence[float]) -> bool:
    """Return whether values are read best on a logarithmic scale."""
    finite = np.asarray(values)[np.isfinite(values)]
    if finite.size == 0 or np.mean(finite > 0) < 0.95:
        return False
    low, high = np.percentile(finite[finite > 0], [2, 99.8])
    return bool(high > 30 * low)
