"""What the report shows of a saved dataset: a few slices or curves, never the whole of it."""

from __future__ import annotations

import mmap
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tomosaxs.dataset import Axis
from tomosaxs.report.pictures import HIGH_PERCENTILE, LOW_PERCENTILE, robust_limits, shrink, to_grey
from tomosaxs.report.svg import (
    Span,
    histogram_chart,
    image_chart,
    length_prefix,
    line_chart,
    number_text,
    pretty_units,
    tick_texts,
)
from tomosaxs.result import SavedDataset

PROFILE_AXES = ("q", "two_theta", "radius", "d_spacing", "azimuth", "energy", "channel")
_SAMPLE, _RUNS, _PAGES, _PAGE = 1 << 20, 256, 1 << 16, 4096
_WIDTH, _WIDE = 280.0, 470.0
_LARGEST_PICTURE, _CURVES, _CURVE_POINTS, _MEAN_OF = 720, 5, 2000, 400


@dataclass
class View:
    """One dataset as the report shows it; charts are SVG text.

    Where `stacked` is true, all figures but the first stand above each other, beside the first.
    """

    name: str
    label: str
    units: str
    shape: str
    axes: list[tuple[str, str, str]]
    figures: list[tuple[str, str]] = field(default_factory=list)
    stacked: bool = False
    histogram: str = ""
    numbers: list[tuple[str, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def view_of(saved: SavedDataset) -> View:
    """Return pictures and statistics of a saved dataset."""
    dataset = saved.dataset
    view = View(
        saved.name, dataset.label, dataset.units, " × ".join(str(size) for size in dataset.shape) or "one number",
        [_axis_row(axis) for axis in dataset.axes],
    )  # fmt: skip
    values = saved.values()
    _read_only_what_is_touched(values)
    if values.size == 0:
        view.notes.append("It is empty.")
        return view
    sample, told = take_sample(values)
    limits = robust_limits(sample)
    curves = values.ndim == 1 or (values.ndim > 1 and dataset.names[-1] in PROFILE_AXES)
    view.numbers = _statistics(sample, curves)
    view.notes.append(told)
    quantity = with_units(dataset.label, dataset.units)
    if values.ndim == 0:
        view.numbers = [("value", number_text(float(_real(values))))]
    elif curves:
        _add_curves(view, values, dataset.axes, quantity)
    else:
        _add_slices(view, values, dataset.axes, limits)
        view.histogram = histogram_chart(sample, limits, quantity)
    return view


def _read_only_what_is_touched(values: NDArray[Any]) -> None:
    """Keep the system from reading ahead in a mapped file: a few slices would read all of it."""
    mapped: object = values.base
    if isinstance(mapped, mmap.mmap) and hasattr(mmap, "MADV_RANDOM"):
        mapped.madvise(mmap.MADV_RANDOM)


def with_units(label: str, units: str) -> str:
    """Return a label with its units behind it."""
    label = label.replace("_", " ")
    return f"{label} ({pretty_units(units)})" if units else label


def _axis_row(axis: Axis) -> tuple[str, str, str]:
    if axis.size == 0:
        return axis.name, "0", ""
    known = axis.values is not None
    values = np.asarray(axis.values if axis.values is not None else axis.index, dtype=np.float64)
    low, high = float(values.min()), float(values.max())
    scale, units = length_prefix(axis.units if known else axis.units or "px", max(abs(low), abs(high)))
    ends = tick_texts([low / scale, high / scale], 4)
    span = f"{ends[0]} … {ends[1]} {pretty_units(units)}"
    cropped = f", {axis.index[0]} … {axis.index[-1]} of {axis.full_size}" if axis.full_size != axis.size else ""
    return axis.name, str(axis.size), span + cropped


def _real(values: NDArray[Any]) -> NDArray[Any]:
    if values.dtype.kind == "c":
        return np.asarray(np.abs(values))
    return values.astype(np.uint8) if values.dtype.kind == "b" else np.asarray(values)


def take_sample(values: NDArray[Any]) -> tuple[NDArray[Any], str]:
    """Return values for statistics, and in words which: all, or evenly spread runs of a large array."""
    flat = values.reshape(-1)
    if flat.size <= 2 * _SAMPLE:
        return _real(flat), f"Statistics of all {flat.size:,} values.".replace(",", " ")
    length = _SAMPLE // _RUNS
    # steps of the golden section, so that the runs do not keep pace with the rows of the array
    starts = np.sort((np.arange(_RUNS) * 0.6180339887498949) % 1.0) * (flat.size - length)
    runs = [flat[int(start) : int(start) + length] for start in starts]
    told = f"Statistics of {_RUNS * length:,} of {flat.size:,} values, in {_RUNS} evenly spread runs."
    return _real(np.concatenate(runs)), told.replace(",", " ")


def _statistics(sample: NDArray[Any], curves: bool) -> list[tuple[str, str]]:
    finite = sample[np.isfinite(sample)].astype(np.float64)
    missing = sample.size - finite.size
    found = [("not a number or infinite", f"{100.0 * missing / sample.size:.3g} %" if missing else "none")]
    if finite.size:
        low, middle, high = np.percentile(finite, [LOW_PERCENTILE, 50, HIGH_PERCENTILE])
        black, white = ("", "") if curves else (" (black)", " (white)")
        more = {
            "smallest": finite.min(), f"{LOW_PERCENTILE} % percentile{black}": low, "median": middle,
            "mean": finite.mean(), "standard deviation": finite.std(),
            f"{HIGH_PERCENTILE} % percentile{white}": high, "largest": finite.max(),
        }  # fmt: skip
        found = [(name, number_text(float(value))) for name, value in more.items()] + found
    return found


def _place(axis: Axis, position: int) -> str:
    """Return where along an axis a slice lies, in words."""
    text = f"{axis.name} {axis.index[position]}"
    if axis.values is None:
        return text
    value = float(axis.values[position])
    extent = float(np.ptp(axis.values)) if axis.size > 1 else abs(value)
    value = 0.0 if abs(value) < 1e-6 * extent else value
    scale, units = length_prefix(axis.units, abs(value) or extent)
    return f"{text} ({number_text(value / scale)} {pretty_units(units)})"


def _add_slices(view: View, values: NDArray[Any], axes: tuple[Axis, ...], limits: tuple[float, float]) -> None:
    """Add the middle slice along each of the last three axes; further axes stay at their middle."""
    before = axes[:-3]
    fixed = tuple(axis.size // 2 for axis in before)
    told = [_place(axis, at) for axis, at in zip(before, fixed, strict=True)]
    block, shown = values[fixed], axes[-3:]
    if len(shown) == 2:
        view.figures.append(_slice_figure(_real(block), shown[0], shown[1], limits, told, _WIDE))
        return
    # a flat volume: the two flat slices above each other, beside the large one
    view.stacked = shown[0].size < 0.45 * min(shown[1].size, shown[2].size)
    width = _WIDE if view.stacked else _WIDTH
    for place in range(3):
        at = shown[place].size // 2
        rest = [axis for number, axis in enumerate(shown) if number != place]
        part, step = _cut(block, place, at)
        here = [*told, _place(shown[place], at)]
        if step > 1:
            here.append(f"every {step}th value")
        view.figures.append(_slice_figure(_real(part), rest[0], rest[1], limits, here, width))
    view.notes.append(
        f"All pictures of this dataset have the same grey scale: black is {number_text(limits[0])}, white "
        f"{number_text(limits[1])} (the {LOW_PERCENTILE} and {HIGH_PERCENTILE} percentiles); "
        "values that are not a number are shown in amber."
    )


def _cut(block: NDArray[Any], place: int, at: int) -> tuple[NDArray[Any], int]:
    """Return one slice of a (mapped) volume, thinned out where it would touch too much of the file."""
    part = block[(slice(None),) * place + (at,)]
    touched = part.size if place == block.ndim - 1 else part.nbytes // _PAGE
    step = 1
    while touched / step**2 > _PAGES:
        step += 1
    return np.asarray(part[::step, ::step]), step


def _slice_figure(
    image: NDArray[Any],
    down: Axis,
    across: Axis,
    limits: tuple[float, float],
    told: list[str],
    width: float,
) -> tuple[str, str]:
    vertical, horizontal = _edges(down), _edges(across)
    size, distorted = _display_size(vertical, horizontal, down, across, width)
    picture = to_grey(shrink(image, _LARGEST_PICTURE), limits)
    caption = f"{down.name}, {across.name}" + (f" at {', '.join(told)}" if told else "")
    if distorted:
        caption += "; not to scale"
    return image_chart(picture, horizontal, vertical, size, caption), caption


def _edges(axis: Axis) -> Span:
    """Return the outer edges of an axis in units that read well; unevenly spaced axes count entries."""
    values = axis.values
    even = values is not None and bool(np.isfinite(values).all()) and (axis.size < 2 or _evenly(values))
    if values is None or not even:
        label = with_units(axis.name, axis.units or "px") if values is None else f"{axis.name} (entry)"
        index = axis.index if values is None else np.arange(axis.size)
        return Span(label, float(index[0]) - 0.5, float(index[-1]) + 0.5)
    step = float(values[-1] - values[0]) / (axis.size - 1) if axis.size > 1 else 1.0
    low, high = float(values[0]) - step / 2, float(values[-1]) + step / 2
    scale, units = length_prefix(axis.units, abs(high - low))
    return Span(with_units(axis.name, units), low / scale, high / scale)


def _evenly(values: NDArray[np.float64]) -> bool:
    steps = np.diff(values)
    mean = float(steps.mean())
    return bool(np.isfinite(steps).all() and mean > 0 and np.all(np.abs(steps - mean) < 0.01 * mean))


def _display_size(
    vertical: Span, horizontal: Span, down: Axis, across: Axis, full: float
) -> tuple[tuple[float, float], bool]:
    """Return width and height on the page; lengths in the same units keep their proportion."""
    ratio = down.size / across.size
    if down.units == across.units and down.values is not None and across.values is not None:
        scales = [
            length_prefix(a.units, float(np.ptp(a.values)) if a.values is not None else 0)[0] for a in (down, across)
        ]
        heights = abs(vertical.high - vertical.low) * scales[0], abs(horizontal.high - horizontal.low) * scales[1]
        if heights[1] > 0 and down.size > 1 and across.size > 1:
            ratio = heights[0] / heights[1]
    width, height = (full, full * ratio) if ratio <= 1.2 else (1.2 * full / ratio, 1.2 * full)
    shown = max(width, 60.0), max(height, 16.0)
    return shown, shown != (width, height)


def _add_curves(view: View, values: NDArray[Any], axes: tuple[Axis, ...], quantity: str) -> None:
    """Add some curves along the last axis, their mean, and a map of the mean of every curve."""
    axis = axes[-1]
    x = np.asarray(axis.values if axis.values is not None else axis.index, dtype=np.float64)
    table = values.reshape(-1, axis.size)
    chosen = np.unique(np.linspace(0, len(table) - 1, min(_CURVES, len(table))).astype(int))
    series = []
    if len(table) > 1:
        several = np.unique(np.linspace(0, len(table) - 1, min(_MEAN_OF, len(table))).astype(int))
        mean = _nanmean(_real(table[several]), 0)
        series.append((f"mean of {len(several)} curves", x, mean))
    for number in chosen:
        where = np.unravel_index(number, values.shape[:-1]) if values.ndim > 1 else ()
        name = ", ".join(f"{a.name} {a.index[i]}" for a, i in zip(axes[:-1], where, strict=True))
        series.append((name or view.name, x, _real(table[number])))
    series = [(name, *_thinned(x, y)) for name, x, y in series]
    log = _wide(np.concatenate([y for _, _, y in series]))
    label = with_units(axis.name, axis.units or ("px" if axis.values is None else ""))
    told = f"{len(chosen)} of {len(table)} curves" if len(table) > 1 else "the curve"
    chart = line_chart(series, (label, quantity), log=log, size=(560, 300))
    view.figures.append((chart, told + (", logarithmic scale" if log else "")))
    if values.ndim >= 3:
        _add_map(view, values, axes)


def _add_map(view: View, values: NDArray[Any], axes: tuple[Axis, ...]) -> None:
    """Add the mean of every curve over the last two axes before it."""
    before = axes[:-3]
    fixed = tuple(axis.size // 2 for axis in before)
    block = values[fixed]
    step = 1
    while block.nbytes / step**2 > 1 << 27:
        step += 1
    means = _nanmean(_real(block[::step, ::step]), 2)
    told = [_place(axis, at) for axis, at in zip(before, fixed, strict=True)]
    told += [f"every {step}th point"] if step > 1 else []
    limits = robust_limits(means)
    chart, caption = _slice_figure(means, axes[-3], axes[-2], limits, told, _WIDTH)
    ends = f"black {number_text(limits[0])}, white {number_text(limits[1])}"
    view.figures.append((chart, f"mean of every curve: {caption} ({ends})"))


def _nanmean(values: NDArray[Any], axis: int) -> NDArray[Any]:
    usable = np.isfinite(values)
    count = usable.sum(axis=axis)
    total = np.where(usable, values, 0).sum(axis=axis, dtype=np.float64)
    mean: NDArray[Any] = np.where(count > 0, total / np.maximum(count, 1), np.nan)
    return mean


def _thinned(x: NDArray[Any], y: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    step = -(-len(x) // _CURVE_POINTS)
    return x[::step], y[::step]


def _wide(values: NDArray[Any]) -> bool:
    """Return whether curves are read best on a logarithmic scale."""
    finite = values[np.isfinite(values)]
    if finite.size == 0 or np.mean(finite > 0) < 0.95:
        return False
    low, high = np.percentile(finite[finite > 0], [2, 99])
    return bool(high > 30 * low)
