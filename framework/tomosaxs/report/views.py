"""What the report shows of a saved dataset: a few slices or curves, never the whole of it."""

from __future__ import annotations

import mmap
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tomosaxs.dataset import Axis
from tomosaxs.memory import release
from tomosaxs.report.maps import PROFILE_AXES, Frames, cake_figures, curve_figures, real
from tomosaxs.report.pictures import HIGH_PERCENTILE, LOW_PERCENTILE, robust_limits
from tomosaxs.report.slices import place_text, slice_figure, with_units
from tomosaxs.report.svg import histogram_chart, length_prefix, number_text, pretty_units, tick_texts
from tomosaxs.result import SavedDataset

_SAMPLE, _RUNS, _PAGES, _PAGE = 1 << 20, 256, 1 << 16, 4096
_AROUND = 1 << 16
"""Bytes that the system maps around every place of a file that is touched."""
_HELD = 1 << 24
"""Bytes of a mapped file that are held at a time."""
_WIDTH, _WIDE = 280.0, 470.0


@dataclass
class View:
    """One dataset as the report shows it; charts are SVG text.

    Where `stacked` is true, all figures but the first stand above each other, beside the first. `columns` has a row for
    every quantity of a labelled axis: name, units, least, median and largest value, how many there are, description.
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
    columns: list[tuple[str, ...]] = field(default_factory=list)
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
    labelled = [place for place, axis in enumerate(dataset.axes) if axis.labels]
    if labelled:  # quantities with units of their own have no statistics and no grey scale in common
        view.columns = _columns(values, dataset.axes, labelled[0])
        release(values)
        return view
    sample, told = take_sample(values)
    release(values)
    limits = robust_limits(sample)
    curves = values.ndim == 1 or (values.ndim > 1 and dataset.names[-1] in PROFILE_AXES)
    view.numbers = _statistics(sample, curves)
    view.notes.append(told)
    quantity = with_units(dataset.label, dataset.units)
    if values.ndim == 0:
        view.numbers = [("value", number_text(float(real(values))))]
    elif curves:
        cakes = values.ndim > 1 and dataset.names[-2] == "azimuth"
        frames = Frames(values, saved.sigma(), dataset.axes, 2 if cakes else 1, quantity)
        figures, notes = (cake_figures if cakes else curve_figures)(frames)
        view.figures += figures
        view.notes += notes
    else:
        _add_slices(view, values, dataset.axes, limits)
        view.histogram = histogram_chart(sample, limits, quantity)
    release(values)
    return view


def _read_only_what_is_touched(values: NDArray[Any]) -> None:
    """Keep the system from reading ahead in a mapped file: a few slices would read all of it."""
    mapped: object = values.base
    if isinstance(mapped, mmap.mmap) and hasattr(mmap, "MADV_RANDOM"):
        mapped.madvise(mmap.MADV_RANDOM)


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


def take_sample(values: NDArray[Any]) -> tuple[NDArray[Any], str]:
    """Return values for statistics, and in words which: all, or evenly spread runs of a large array."""
    flat = values.reshape(-1)
    if flat.size <= 2 * _SAMPLE:
        return real(flat), f"Statistics of all {flat.size:,} values.".replace(",", " ")
    length = _SAMPLE // _RUNS
    # steps of the golden section, so that the runs do not keep pace with the rows of the array
    starts = np.sort((np.arange(_RUNS) * 0.6180339887498949) % 1.0) * (flat.size - length)
    runs = [flat[int(start) : int(start) + length] for start in starts]
    told = f"Statistics of {_RUNS * length:,} of {flat.size:,} values, in {_RUNS} evenly spread runs."
    return real(np.concatenate(runs)), told.replace(",", " ")


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


def _columns(values: NDArray[Any], axes: tuple[Axis, ...], place: int) -> list[tuple[str, ...]]:
    """Return a row for every quantity along a labelled axis."""
    rows = []
    for number, (name, units, text) in enumerate(axes[place].labels):
        sample, _ = take_sample(np.ascontiguousarray(values[(slice(None),) * place + (number,)]))
        finite = sample[np.isfinite(sample)].astype(np.float64)
        ends = (finite.min(), np.median(finite), finite.max()) if finite.size else ()
        shown = [number_text(float(end)) for end in ends] or [""] * 3
        rows.append((name, pretty_units(units), *shown, str(finite.size), text))
    return rows


def _add_slices(view: View, values: NDArray[Any], axes: tuple[Axis, ...], limits: tuple[float, float]) -> None:
    """Add the middle slice along each of the last three axes; further axes stay at their middle."""
    before = axes[:-3]
    fixed = tuple(axis.size // 2 for axis in before)
    told = [place_text(axis, at) for axis, at in zip(before, fixed, strict=True)]
    block, shown = values[fixed], axes[-3:]
    if len(shown) == 2:
        view.figures.append(slice_figure(real(block), shown[0], shown[1], limits, told, _WIDE))
        return
    # a flat volume: the two flat slices above each other, beside the large one
    view.stacked = shown[0].size < 0.45 * min(shown[1].size, shown[2].size)
    width = _WIDE if view.stacked else _WIDTH
    for place in range(3):
        at = shown[place].size // 2
        rest = [axis for number, axis in enumerate(shown) if number != place]
        part, step = _cut(block, place, at)
        here = [*told, place_text(shown[place], at)]
        if step > 1:
            here.append(f"every {step}th value")
        view.figures.append(slice_figure(real(part), rest[0], rest[1], limits, here, width))
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
    thin = part[::step, ::step]
    picture = np.empty(thin.shape, thin.dtype)
    pages = thin.shape[1] if place == block.ndim - 1 else max(1, thin[:1].nbytes // _PAGE)
    rows = max(1, _HELD // (pages * _AROUND))
    for low in range(0, len(thin), rows):
        picture[low : low + rows] = thin[low : low + rows]
        release(part)
    return picture, step
