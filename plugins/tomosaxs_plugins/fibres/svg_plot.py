"""Small plots as SVG text: points with error bars, lines, bars, coloured maps; axes with round ticks. Plain numpy."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

BLUE, ORANGE, GREEN, RED, GREY, INK = "#0b62a4", "#d55e00", "#1b7a43", "#b3261e", "#8a959f", "#1d2730"
_SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_LEFT, _RIGHT, _TOP, _BOTTOM = 68.0, 12.0, 24.0, 42.0


def pretty(units: str) -> str:
    """Return units with powers set high: nm^-1 becomes nm⁻¹."""
    return re.sub(r"\^(-?\d+)", lambda found: found[1].translate(_SUPERSCRIPT), units)


def labelled(name: str, units: str) -> str:
    """Return the label of an axis."""
    return f"{name} / {pretty(units)}" if units else name


def round_ticks(low: float, high: float, count: int) -> list[float]:
    """Return multiples of 1, 2 or 5 times a power of ten between two values, about `count` of them."""
    room = (high - low) / max(count, 1)
    if not (room > 0 and math.isfinite(room)):
        return [low] if math.isfinite(low) else []
    power = 10.0 ** math.floor(math.log10(room))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= 0.999 * room)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [number * step for number in range(first, last + 1)]


def tick_texts(values: Sequence[float]) -> list[str]:
    """Return texts of ticks with just the digits that tell them apart; large and small ones as powers of ten."""
    largest = max((abs(value) for value in values), default=0.0)
    if len(values) < 2 or largest == 0:
        return [f"{value:.4g}".replace("-", "−") for value in values]
    power = math.floor(math.log10(largest) + 1e-9)
    power = power if power >= 5 or power < -3 else 0
    step = abs(values[1] - values[0]) / 10.0**power
    places = max(0, -math.floor(math.log10(step) + 1e-9))
    texts = [f"{value / 10.0**power + 0.0:.{places}f}" for value in values]
    texts = [text.lstrip("-") if float(text) == 0 else text for text in texts]
    if power:
        texts = [text if float(text) == 0 else f"{text}·10{str(power).translate(_SUPERSCRIPT)}" for text in texts]
    return [text.replace("-", "−") for text in texts]


@dataclass
class Plot:
    """A plot that is drawn part by part; `svg` gives the text.

    Parameters
    ----------
    title : str
        Above the plot, and what a screen reader says.
    x_label, y_label : str
        Of the axes, with units.
    x_range, y_range : (low, high)
        What the axes show.
    width, height : float
        Of the area between the axes in px.
    """

    title: str
    x_label: str
    y_label: str
    x_range: tuple[float, float]
    y_range: tuple[float, float]
    width: float = 250.0
    height: float = 190.0
    right: float = _RIGHT
    parts: list[str] = field(default_factory=list)
    outside: list[str] = field(default_factory=list)
    names: list[tuple[str, str, str]] = field(default_factory=list)

    def x(self, value: Floats | float) -> Floats:
        """Return where values lie across."""
        low, high = self.x_range
        return np.asarray(_LEFT + (np.asarray(value, dtype=np.float64) - low) / (high - low) * self.width)

    def y(self, value: Floats | float) -> Floats:
        """Return where values lie from the top."""
        low, high = self.y_range
        return np.asarray(_TOP + (high - np.asarray(value, dtype=np.float64)) / (high - low) * self.height)

    def line(self, x: Floats, y: Floats, colour: str, name: str = "", *, dash: str = "", width: float = 1.6) -> None:
        """Draw a line; what is not finite makes a gap."""
        commands, down = [], False
        for one, other in zip(self.x(x).tolist(), self.y(y).tolist(), strict=True):
            good = math.isfinite(one) and math.isfinite(other)
            if good:
                commands.append(f"{'L' if down else 'M'}{one:.1f} {other:.1f}")
            down = good
        dashed = f' stroke-dasharray="{dash}"' if dash else ""
        path = f'<path d="{"".join(commands)}" fill="none" stroke="{colour}" stroke-width="{width}"{dashed}/>'
        self.parts.append(path)
        if name:
            self.names.append((name, colour, f"line {dash}"))

    def points(
        self,
        x: Floats,
        y: Floats,
        colour: str,
        name: str = "",
        *,
        errors: Floats | None = None,
        cross: bool = False,
        radius: float = 2.2,
    ) -> None:
        """Draw dots (or crosses) with error bars of one standard uncertainty along y."""
        places = list(zip(self.x(x).tolist(), self.y(y).tolist(), strict=True))
        if errors is not None:
            ends = zip(self.y(y - errors).tolist(), self.y(y + errors).tolist(), strict=True)
            bars = [
                f"M{one:.1f} {low:.1f}V{high:.1f}"
                for (one, _), (low, high) in zip(places, ends, strict=True)
                if math.isfinite(one + low + high)
            ]
            self.parts.append(f'<path d="{"".join(bars)}" stroke="{colour}" stroke-opacity="0.55" fill="none"/>')
        good = [(one, other) for one, other in places if math.isfinite(one + other)]
        if cross:
            marks = "".join(
                f"M{a - radius:.1f} {b - radius:.1f}l{2 * radius:.1f} {2 * radius:.1f}m0 {-2 * radius:.1f}"
                f"l{-2 * radius:.1f} {2 * radius:.1f}"
                for a, b in good
            )
            self.parts.append(f'<path d="{marks}" stroke="{colour}" stroke-width="1.4" fill="none"/>')
        else:
            marks = "".join(f'<circle cx="{a:.1f}" cy="{b:.1f}" r="{radius}"/>' for a, b in good)
            self.parts.append(f'<g fill="{colour}" fill-opacity="0.75">{marks}</g>')
        if name:
            self.names.append((name, colour, "cross" if cross else "dot"))

    def bars(self, edges: Floats, heights: Floats, colour: str, name: str = "") -> None:
        """Draw the columns of a histogram."""
        left, right, top, floor = self.x(edges[:-1]), self.x(edges[1:]), self.y(heights), float(self.y(0.0))
        rects = "".join(
            f'<rect x="{a:.1f}" y="{t:.1f}" width="{max(b - a - 0.6, 0.4):.1f}" height="{max(floor - t, 0):.1f}"/>'
            for a, b, t in zip(left.tolist(), right.tolist(), top.tolist(), strict=True)
        )
        self.parts.append(f'<g fill="{colour}" fill-opacity="0.55">{rects}</g>')
        if name:
            self.names.append((name, colour, "box"))

    def image(self, uri: str, left: float, right: float, bottom: float, top: float) -> None:
        """Put a picture between coordinates; its first row is at `top`."""
        a, b, c, d = (float(each) for each in (self.x(left), self.x(right), self.y(top), self.y(bottom)))
        self.parts.append(
            f'<image x="{a:.2f}" y="{c:.2f}" width="{b - a:.2f}" height="{d - c:.2f}" preserveAspectRatio="none" '
            f'style="image-rendering:pixelated" href="{uri}"/>'
        )

    def colour_bar(self, uri: str, low: float, high: float) -> None:
        """Draw a scale of colours on the right; its picture has one column, the highest value first."""
        left = _LEFT + self.width + 10
        self.right = 74.0
        self.outside.append(
            f'<image x="{left:.1f}" y="{_TOP}" width="11" height="{self.height:.1f}" preserveAspectRatio="none" '
            f'href="{uri}"/><rect x="{left:.1f}" y="{_TOP}" width="11" height="{self.height:.1f}" fill="none" '
            f'stroke="{GREY}"/>'
        )
        ticks = round_ticks(low, high, 5)
        for value, text in zip(ticks, tick_texts(ticks), strict=True):
            at = _TOP + (high - value) / (high - low) * self.height
            self.outside.append(f'<path d="M{left + 11:.1f} {at:.1f}h4" stroke="{GREY}"/>')
            self.outside.append(_text(left + 18, at + 4, text, "start"))

    def svg(self) -> str:
        """Return the plot."""
        total = (_LEFT + self.width + self.right, _TOP + self.height + _BOTTOM)
        legend = _legend(self.names[::-1])  # what was drawn last lies on top
        height = total[1] + 17.0 * len(legend) + (6 if legend else 0)
        clip = f'<svg x="{_LEFT}" y="{_TOP}" width="{self.width}" height="{self.height}" '
        clip += f'viewBox="{_LEFT} {_TOP} {self.width} {self.height}">'
        rows = "".join(
            f'<g transform="translate({_LEFT:.0f} {total[1] + 17.0 * number + 14:.0f})">{row}</g>'
            for number, row in enumerate(legend)
        )
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" role="img" viewBox="0 0 {total[0]:.0f} {height:.0f}" '
            f'style="width:{total[0]:.0f}px" aria-label="{escape(self.title)}">'
            f'<text x="{_LEFT + self.width / 2:.1f}" y="15" text-anchor="middle" '
            f'style="font:600 13px system-ui,sans-serif;fill:{INK}">{escape(self.title)}</text>'
            f"{clip}{''.join(self.parts)}</svg>{''.join(self.outside)}{self._axes()}{rows}</svg>"
        )

    def _axes(self) -> str:
        floor, parts = _TOP + self.height, []
        ticks = round_ticks(*self.x_range, max(3, int(self.width / 62)))
        for value, text in zip(ticks, tick_texts(ticks), strict=True):
            at = float(self.x(value))
            parts.append(f'<path d="M{at:.1f} {floor:.1f}v4" stroke="{GREY}"/>')
            parts.append(_text(at, floor + 17, text, "middle"))
        ticks = round_ticks(*self.y_range, max(2, int(self.height / 36)))
        for value, text in zip(ticks, tick_texts(ticks), strict=True):
            at = float(self.y(value))
            parts.append(f'<path d="M{_LEFT - 4} {at:.1f}h4" stroke="{GREY}"/>')
            parts.append(_text(_LEFT - 7, at + 4, text, "end"))
        parts.append(_text(_LEFT + self.width / 2, floor + 35, self.x_label, "middle"))
        middle = _TOP + self.height / 2
        turn = f' transform="rotate(-90 12 {middle:.1f})"'
        parts.append(_text(12, middle, self.y_label, "middle", turn))
        box = f'x="{_LEFT}" y="{_TOP}" width="{self.width}" height="{self.height}"'
        parts.append(f'<rect {box} fill="none" stroke="{GREY}"/>')
        return "".join(parts)


def _text(x: float, y: float, text: str, anchor: str, more: str = "") -> str:
    place = f'x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{more}'
    return f'<text {place} style="font:12px system-ui,sans-serif;fill:#5a6672">{escape(text)}</text>'


def _legend(names: Sequence[tuple[str, str, str]]) -> list[str]:
    """Return a line of the legend for every name."""
    marks = {
        "line": '<path d="M0 -4h18" stroke="{0}" stroke-width="2" stroke-dasharray="{1}"/>',
        "dot": '<circle cx="9" cy="-4" r="3" fill="{0}"/>',
        "cross": '<path d="M6 -7l6 6m0 -6l-6 6" stroke="{0}" stroke-width="1.6"/>',
        "box": '<rect x="3" y="-9" width="12" height="9" fill="{0}" fill-opacity="0.55"/>',
    }
    made = []
    for name, colour, kind in names:
        mark, _, dash = kind.partition(" ")
        made.append(marks[mark].format(colour, dash or "none") + _text(25, 0, name, "start"))
    return made
