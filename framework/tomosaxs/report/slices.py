"""Slices of a dataset as pictures with axes."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from tomosaxs.dataset import Axis
from tomosaxs.report.pictures import shrink, to_grey
from tomosaxs.report.svg import Span, image_chart, length_prefix, number_text, pretty_units

Figure: TypeAlias = tuple[str, str]
"""A chart and its caption."""

_LARGEST_PICTURE = 720


def with_units(label: str, units: str) -> str:
    """Return a label with its units behind it."""
    label = label.replace("_", " ")
    return f"{label} ({pretty_units(units)})" if units else label


def place_text(axis: Axis, position: int) -> str:
    """Return where along an axis a slice lies, in words."""
    text = f"{axis.name} {axis.index[position]}"
    if axis.values is None:
        return text
    value = float(axis.values[position])
    extent = float(np.ptp(axis.values)) if axis.size > 1 else abs(value)
    value = 0.0 if abs(value) < 1e-6 * extent else value
    scale, units = length_prefix(axis.units, abs(value) or extent)
    return f"{text} ({number_text(value / scale)} {pretty_units(units)})"


def slice_figure(
    image: NDArray[Any],
    down: Axis,
    across: Axis,
    limits: tuple[float, float],
    told: list[str],
    width: float,
    least: float = 16.0,
) -> Figure:
    """Return a picture of two axes with its caption; `width` on the page, not lower than `least`."""
    vertical, horizontal = _edges(down), _edges(across)
    size, distorted = _display_size(vertical, horizontal, down, across, width, least)
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
    vertical: Span, horizontal: Span, down: Axis, across: Axis, full: float, least: float
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
    shown = max(width, 60.0), max(height, least)
    return shown, shown != (width, height)
