"""Charts as SVG text: images with axes, curves, histograms. All labels are escaped."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tomosaxs.report.pictures import png_uri

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#5b5b5b")
_PREFIXES = ((1.0, "m"), (1e-3, "mm"), (1e-6, "µm"), (1e-9, "nm"))


@dataclass(frozen=True)
class Span:
    """What an axis of a chart shows: a label with units, and the outer edges."""

    label: str
    low: float
    high: float
    log: bool = False

    def place(self, value: Any) -> Any:
        """Return where a value lies, 0 at the low edge and 1 at the high edge."""
        low, high = (math.log10(self.low), math.log10(self.high)) if self.log else (self.low, self.high)
        with np.errstate(divide="ignore", invalid="ignore"):
            at = np.log10(value) if self.log else np.asarray(value, dtype=np.float64)
        return (at - low) / ((high - low) or 1.0)

    def ticks(self, count: int) -> list[float]:
        """Return round values between the edges, about `count` of them."""
        if self.log:
            first, last = math.ceil(math.log10(self.low) - 1e-9), math.floor(math.log10(self.high) + 1e-9)
            if last > first:
                step = max(1, math.ceil((last - first) / count))
                return [10.0**power for power in range(first, last + 1, step)]
        return linear_ticks(self.low, self.high, count)


def linear_ticks(low: float, high: float, count: int) -> list[float]:
    """Return multiples of 1, 2 or 5 times a power of ten between two values."""
    room = (high - low) / max(count, 1)
    if not (room > 0 and math.isfinite(room)):
        return [low]
    power = 10.0 ** math.floor(math.log10(room))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= room * 0.999)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [number * step for number in range(first, last + 1)]


def length_prefix(units: str, extent: float) -> tuple[float, str]:
    """Return by what to divide metres, and the unit that is then read best; others stay as they are."""
    if units != "m" or not (extent > 0 and math.isfinite(extent)):
        return 1.0, units
    return next(((size, name) for size, name in _PREFIXES if extent >= 0.5 * size), _PREFIXES[-1])


def number_text(value: float, digits: int = 4) -> str:
    """Return a number as short text."""
    if not math.isfinite(value):
        return "not known" if math.isnan(value) else ("∞" if value > 0 else "−∞")
    if value == 0 or 1e-3 <= abs(value) < 1e6:
        places = digits - 1 - math.floor(math.log10(abs(value))) if value else 0
        text = f"{round(value, places):.{max(places, 0)}f}"
        return (text.rstrip("0").rstrip(".") if "." in text else text).replace("-", "−")
    mantissa, power = f"{value:.{digits - 2}e}".split("e")
    mantissa = mantissa.rstrip("0").rstrip(".")
    raised = f"10{str(int(power)).translate(_SUPERSCRIPT)}"
    shown = raised if mantissa == "1" else f"{mantissa}·{raised}"
    return shown.replace("-", "−")


def tick_texts(values: Sequence[float], least: int = 3) -> list[str]:
    """Return texts of evenly spaced ticks, with as many digits (at least `least`) as tell them apart."""
    largest = max((abs(value) for value in values), default=0.0)
    step = min((abs(b - a) for a, b in pairwise(values)), default=0.0)
    if not (step > 0 and largest > 0 and math.isfinite(largest)):
        return [number_text(value) for value in values]
    digits = max(least, 1 + math.ceil(math.log10(largest / step) + 1e-9))
    return [number_text(0.0 if abs(value) < 1e-9 * largest else value, digits) for value in values]


_SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def pretty_units(units: str) -> str:
    """Return units with powers set high: nm^-1 becomes nm⁻¹."""
    return re.sub(r"\^(-?\d+)", lambda found: found[1].translate(_SUPERSCRIPT), units)


class _Canvas:
    """A chart area with margins, frame, ticks and labels."""

    def __init__(self, width: float, height: float, title: str, *, left: float = 70, bottom: float = 42) -> None:
        self.width, self.height, self.left, self.top, self.bottom = width, height, left, 8.0, bottom
        total = (left + width + 14, self.top + height + bottom)
        self.parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" role="img" viewBox="0 0 {total[0]:.0f} {total[1]:.0f}" '
            f'style="width:{total[0]:.0f}px" aria-label="{escape(title)}">'
        ]

    def x(self, share: Any) -> Any:
        return self.left + self.width * share

    def y(self, share: Any) -> Any:
        return self.top + self.height * (1.0 - share)

    def text(self, x: float, y: float, text: str, anchor: str = "middle", extra: str = "") -> None:
        self.parts.append(f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{extra}>{escape(text)}</text>')

    def line(self, x1: float, y1: float, x2: float, y2: float, kind: str) -> None:
        self.parts.append(f'<line class="{kind}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>')

    def frame(self, across: Span, up: Span | None, *, grid: bool = False, down: bool = False) -> None:
        ticks = across.ticks(max(3, int(self.width / 58)))
        for value, text in zip(ticks, tick_texts(ticks), strict=True):
            x = self.x(float(across.place(value)))
            if grid:
                self.line(x, self.top, x, self.top + self.height, "grid")
            self.line(x, self.top + self.height, x, self.top + self.height + 4, "tick")
            self.text(x, self.top + self.height + 17, text)
        self.text(self.left + self.width / 2, self.top + self.height + 35, across.label)
        if up is not None:
            ticks = up.ticks(max(2, int(self.height / 45)))
            for value, text in zip(ticks, tick_texts(ticks), strict=True):
                share = float(up.place(value))
                y = self.y(1.0 - share if down else share)
                if grid:
                    self.line(self.left, y, self.left + self.width, y, "grid")
                self.line(self.left - 4, y, self.left, y, "tick")
                self.text(self.left - 7, y + 4, text, "end")
            middle = self.top + self.height / 2
            self.text(13, middle, up.label, extra=f' transform="rotate(-90 13 {middle:.1f})"')
        self.parts.append(
            f'<rect class="frame" x="{self.left}" y="{self.top}" width="{self.width:.1f}" height="{self.height:.1f}"/>'
        )

    def finish(self) -> str:
        return "".join([*self.parts, "</svg>"])


def image_chart(picture: NDArray[np.uint8], across: Span, down: Span, size: tuple[float, float], title: str) -> str:
    """Return a picture with axes; row 0 is at the top."""
    canvas = _Canvas(size[0], size[1], title)
    smooth = "auto" if picture.shape[1] > size[0] else "pixelated"
    canvas.parts.append(
        f'<image x="{canvas.left}" y="{canvas.top}" width="{size[0]:.1f}" height="{size[1]:.1f}" '
        f'preserveAspectRatio="none" style="image-rendering:{smooth}" href="{png_uri(picture)}"/>'
    )
    canvas.frame(across, down, down=True)
    return canvas.finish()


def line_chart(
    series: Sequence[tuple[str, NDArray[Any], NDArray[Any]]],
    labels: tuple[str, str],
    *,
    points: bool = False,
    log: bool = False,
    level: float | None = None,
    bands: Sequence[NDArray[Any] | None] = (),
    size: tuple[float, float] = (520, 260),
) -> str:
    """Return curves (or points) of (name, x, y); what is not finite makes a gap.

    `bands` has, for every curve, half the height of a band around it, or None.
    """
    across = _span(labels[0], np.concatenate([x for _, x, _ in series]), False)
    everything = np.concatenate([np.asarray(y, dtype=np.float64) for _, _, y in series])
    if level is not None and math.isfinite(level):
        everything = np.append(everything, level)
    up = _span(labels[1], everything, log)
    named = len(series) > 1
    rising = _rising([y for _, _, y in series])
    canvas = _Canvas(size[0], size[1], f"{labels[1]} against {labels[0]}")
    canvas.frame(across, up, grid=True)
    if level is not None and math.isfinite(level):
        at_level = float(canvas.y(up.place(level)))
        canvas.line(canvas.left, at_level, canvas.left + canvas.width, at_level, "level")
    for number, ((name, x, y), half) in enumerate(zip(series, [*bands, *[None] * len(series)], strict=False)):
        colour = COLOURS[number % len(COLOURS)]
        if half is not None:
            canvas.parts.append(
                _band(canvas, (across, up), np.asarray(x), np.asarray(y, dtype=np.float64), half, colour)
            )
        at = canvas.x(across.place(x)), canvas.y(np.clip(up.place(np.asarray(y, dtype=np.float64)), 0, 1))
        canvas.parts.append(_dots(*at, colour) if points else _path(*at, colour))
        if named:
            _legend(canvas, number, name, colour, left=rising)
    return canvas.finish()


def _rising(curves: Sequence[NDArray[Any]]) -> bool:
    """Return whether curves end higher than they begin: names then stand on the left, else on the right."""
    ends = [(y[: len(y) // 3 + 1], y[-(len(y) // 3 + 1) :]) for y in curves]
    first, last = (np.concatenate([end[side] for end in ends]) for side in (0, 1))
    first, last = first[np.isfinite(first)], last[np.isfinite(last)]
    return bool(first.size and last.size and last.max() > first.max())


def _legend(canvas: _Canvas, number: int, name: str, colour: str, *, left: bool) -> None:
    top = canvas.top + 16 + 15 * number
    edge = canvas.left + (12 if left else canvas.width - 21)
    canvas.parts.append(f'<rect x="{edge:.0f}" y="{top - 8}" width="9" height="9" fill="{colour}"/>')
    canvas.text(edge + (14 if left else -5), top, name, "start" if left else "end", ' class="halo"')


def _span(label: str, values: NDArray[Any], log: bool) -> Span:
    finite = values[np.isfinite(values) & ((values > 0) | (not log))]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.1 if log else 0.0, 1.0)
    if log:
        return Span(label, low / 1.2, high * 1.2, True)
    room = 0.04 * (high - low) or 0.5 * abs(low) or 0.5
    return Span(label, low - room, high + room)


def _path(x: NDArray[Any], y: NDArray[Any], colour: str) -> str:
    commands, pen_down = [], False
    for one, other in zip(x, y, strict=True):
        if not (math.isfinite(one) and math.isfinite(other)):
            pen_down = False
            continue
        commands.append(f"{'L' if pen_down else 'M'}{one:.1f} {other:.1f}")
        pen_down = True
    return f'<path class="curve" stroke="{colour}" d="{"".join(commands)}"/>'


def _band(
    canvas: _Canvas, spans: tuple[Span, Span], x: NDArray[Any], y: NDArray[Any], half: NDArray[Any], colour: str
) -> str:
    """Return the area between y - half and y + half, a piece for every run of finite values."""
    across, up = spans
    usable = np.isfinite(x) & np.isfinite(y) & np.isfinite(half)
    if up.log:
        usable &= y > 0
    low = np.maximum(y - half, up.low) if up.log else y - half
    left = canvas.x(across.place(x))
    bottom, top = (canvas.y(np.clip(up.place(edge), 0, 1)) for edge in (low, y + half))
    pieces = []
    ends = np.flatnonzero(np.diff(np.concatenate([[False], usable, [False]]).astype(int)))
    for first, last in zip(ends[::2], ends[1::2], strict=True):
        there = [f"{left[at]:.1f} {top[at]:.1f}" for at in range(first, last)]
        back = [f"{left[at]:.1f} {bottom[at]:.1f}" for at in range(last - 1, first - 1, -1)]
        pieces.append("M" + "L".join([*there, *back]) + "Z")
    return f'<path fill="{colour}" fill-opacity="0.2" d="{"".join(pieces)}"/>' if pieces else ""


def _dots(x: NDArray[Any], y: NDArray[Any], colour: str) -> str:
    usable = np.isfinite(x) & np.isfinite(y)
    return "".join(
        f'<circle cx="{one:.1f}" cy="{other:.1f}" r="3" fill="{colour}"/>'
        for one, other in zip(x[usable], y[usable], strict=True)
    )


def histogram_chart(
    values: NDArray[Any], limits: tuple[float, float], label: str, size: tuple[float, float] = (430, 120)
) -> str:
    """Return the histogram of finite values (counts on a logarithmic scale) with the grey scale below it."""
    finite = values[np.isfinite(values)]
    if finite.size == 0:
        return ""
    room = 0.5 * (limits[1] - limits[0])
    low = max(float(finite.min()), limits[0] - room)
    high = min(float(finite.max()), limits[1] + room)
    low, high = (low, high) if high > low else (limits[0], limits[1])
    counts, _ = np.histogram(finite.astype(np.float64), bins=130, range=(low, high))
    heights = np.log10(1.0 + counts) / max(float(np.log10(1.0 + counts.max())), 1e-12)
    canvas = _Canvas(size[0], size[1], f"histogram of {label}", left=20, bottom=58)
    across = Span(label, low, high)
    step = canvas.width / len(counts)
    for number, share in enumerate(heights.tolist()):
        if share > 0:
            canvas.parts.append(
                f'<rect class="column" x="{canvas.left + number * step:.1f}" y="{canvas.y(share):.1f}" '
                f'width="{step:.2f}" height="{canvas.height * share:.1f}"/>'
            )
    ramp = np.arange(256, dtype=np.float64) / 255 * (high - low) + low
    grey = np.clip((ramp - limits[0]) / (limits[1] - limits[0]) * 255, 0, 255).astype(np.uint8)[None]
    strip = canvas.top + canvas.height
    canvas.parts.append(
        f'<image x="{canvas.left}" y="{strip:.1f}" width="{canvas.width}" height="14" '
        f'preserveAspectRatio="none" href="{png_uri(grey)}"/>'
    )
    canvas.height += 14
    canvas.frame(across, None)
    return canvas.finish()
