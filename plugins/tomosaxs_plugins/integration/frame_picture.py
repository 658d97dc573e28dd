"""The picture that settles orientation and mask: a frame with everything drawn on it that integration uses.

Plain numpy and Pillow, no framework; the answer is SVG text with the frame inside.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tomosaxs_plugins.integration.frame_lines import (
    corner_angle,
    ray,
    ring,
    round_values,
    visible,
    where_on_detector,
)
from tomosaxs_plugins.integration.geometry import DetectorGeometry
from tomosaxs_plugins.integration.picture_shades import GreyScale, Shade, grey_scale, png_uri, shaded
from tomosaxs_plugins.integration.radial import full_range

Floats = NDArray[np.float64]

_LONGEST, _LONGEST_OF_FLAT = 600.0, 1000.0
_MARGIN = 46.0
_RING, _BEAM, _ARROW, _EDGE = "#00c2e0", "#ff3b30", "#ff9f0a", "#34c759"
# as styles, which the style sheet of a page does not override
_TEXT = "font:600 13px system-ui,sans-serif;paint-order:stroke;stroke:#000;stroke-width:3px"
_PLAIN = "font:12px system-ui,sans-serif;fill:#5a6672"


class FramePicture:
    """A frame, what is left out of it, and lines of its geometry.

    Parameters
    ----------
    image : (rows, columns) array
        Counts; NaN where a pixel has no value.
    geometry : DetectorGeometry
        Of this frame: the one that integrates it.
    shades : sequence of Shade
        What is coloured, for instance the mask.
    scale : GreyScale, optional
        Default: from the values that no shade covers.
    """

    def __init__(
        self,
        image: NDArray[Any],
        geometry: DetectorGeometry,
        shades: Sequence[Shade] = (),
        scale: GreyScale | None = None,
    ) -> None:
        self.image = np.asarray(image, dtype=np.float64)
        self.geometry, self.shades = geometry, list(shades)
        self.shape = (self.image.shape[0], self.image.shape[1])
        free = np.ones(self.shape, dtype=np.bool_)
        for shade in self.shades:
            free &= ~shade.pixels
        self.scale = scale or grey_scale(self.image[free] if free.any() else self.image)
        self.beam_shown = self._extend()
        self._parts: list[str] = []

    def _extend(self) -> bool:
        """Choose the part of the detector plane that is shown: the frame, and the beam where it is near."""
        rows, columns = self.shape
        row, column = self.geometry.beam_centre
        room = 0.6 * max(rows, columns)
        near = -room <= row <= rows + room and -room <= column <= columns + room
        pad = 0.06 * max(rows, columns)
        self.top, self.left = (min(0.0, each - pad) if near else 0.0 for each in (row, column))
        bottom = max(float(rows), row + pad) if near else float(rows)
        right = max(float(columns), column + pad) if near else float(columns)
        height, width = bottom - self.top, right - self.left
        longest = _LONGEST_OF_FLAT if width > 2.5 * height else _LONGEST
        self.zoom = min(longest / width, _LONGEST / height)
        self.height, self.width = max(height * self.zoom, 60.0), width * self.zoom
        return bool(near)

    def x(self, column: Any) -> Any:
        """Return where an edge coordinate along columns lies in the SVG."""
        return _MARGIN + (np.asarray(column, dtype=np.float64) - self.left) * self.zoom

    def y(self, row: Any) -> Any:
        """Return where an edge coordinate along rows lies in the SVG: row 0 is at the top."""
        return 8.0 + (np.asarray(row, dtype=np.float64) - self.top) * self.zoom

    def line(self, rows: Floats, columns: Floats, colour: str, width: float = 1.2, dash: str = "") -> None:
        """Draw a line through points; gaps where they are not finite or far outside."""
        far = 4 * max(self.shape)
        x, y = self.x(columns), self.y(rows)
        with np.errstate(invalid="ignore"):
            usable = np.isfinite(x) & np.isfinite(y) & (np.abs(columns) < far) & (np.abs(rows) < far)
        commands, down = [], False
        for one, other, good in zip(x, y, usable, strict=True):
            if good:
                commands.append(f"{'L' if down else 'M'}{one:.1f} {other:.1f}")
            down = bool(good)
        if commands:
            dashed = f' stroke-dasharray="{dash}"' if dash else ""
            path = f'd="{"".join(commands)}" fill="none" stroke-linejoin="round"{dashed}'
            self._parts.append(f'<path {path} stroke="#000" stroke-opacity="0.55" stroke-width="{width + 1.6}"/>')
            self._parts.append(f'<path {path} stroke="{colour}" stroke-width="{width}"/>')

    def text(self, row: float, column: float, text: str, colour: str, shift: tuple[float, float] = (0, 0)) -> None:
        """Write a word at a point, `shift` in SVG units."""
        x, y = float(self.x(column)) + shift[0], float(self.y(row)) + shift[1]
        x = min(max(x, _MARGIN + 12.0), _MARGIN + self.width - 12.0)
        y = min(max(y, 20.0), self.height + 4.0)
        place = f'x="{x:.1f}" y="{y:.1f}" text-anchor="middle" style="{_TEXT};fill:{colour}"'
        self._parts.append(f"<text {place}>{escape(text)}</text>")

    def arrow(self, rows: Floats, columns: Floats, colour: str) -> None:
        """Draw a line with a head at its last point."""
        self.line(rows, columns, colour, 2.2)
        x, y = self.x(columns), self.y(rows)
        turn = math.atan2(y[-1] - y[-4], x[-1] - x[-4])
        tips = [(x[-1], y[-1])]
        tips += [(x[-1] - 13 * math.cos(turn + s), y[-1] - 13 * math.sin(turn + s)) for s in (0.42, -0.42)]
        points = " ".join(f"{one:.1f},{other:.1f}" for one, other in tips)
        self._parts.append(f'<polygon points="{points}" fill="{colour}" stroke="#000" stroke-opacity="0.55"/>')

    def rings(self, unit: str, count: int = 8) -> list[float]:
        """Draw rings at round values of a radial coordinate, labelled; return the values."""
        low, high = full_range(self.geometry, self.shape, unit)
        drawn = []
        for number, value in enumerate(round_values(low, high, count)):
            rows, columns = ring(self.geometry, unit, value)
            if self._label_ring(rows, columns, f"{value:.6g}", number):
                self.line(rows, columns, _RING)
                drawn.append(value)
        self._parts.sort(key=lambda part: part.startswith("<text"))  # words stay above lines
        return drawn

    def _label_ring(self, rows: Floats, columns: Floats, text: str, number: int) -> bool:
        """Put the label where the ring is on the frame: near the diagonals, each ring elsewhere."""
        seen = visible(rows, columns, self.shape, 0.02 * min(self.shape))
        if not seen.any():
            return False
        chi = np.linspace(-180.0, 180.0, len(rows))
        wanted = (50.0, 62.0, 40.0, 70.0, 32.0)[number % 5]
        away = np.abs((chi - wanted + 180.0) % 360.0 - 180.0)
        at = int(np.argmin(np.where(seen, away, np.inf)))
        self.text(float(rows[at]), float(columns[at]), text, _RING, (0, 4))
        return True

    def edge(self, rows: Floats, columns: Floats) -> None:
        """Draw a border of a sector or band."""
        self.line(rows, columns, _EDGE, 1.8, "7 4")

    def sector(self, low: float, high: float) -> None:
        """Draw both borders of a sector of azimuths (deg)."""
        reach = corner_angle(self.geometry, self.shape)
        for chi in (low, high):
            self.edge(*ray(self.geometry, math.radians(chi), reach))

    def band(self, unit: str, low: float, high: float) -> None:
        """Draw both borders of a band of the radial coordinate."""
        for value in (low, high):
            if value > 0:
                self.edge(*ring(self.geometry, unit, value))

    def beam(self) -> None:
        """Draw a cross where the beam falls, and arrows along and around chi = 0; elsewhere where it is far off."""
        if self.beam_shown:
            self._beam_here()
        else:
            self._beam_elsewhere()

    def _beam_here(self) -> None:
        row, column = self.geometry.beam_centre
        x, y = float(self.x(column)), float(self.y(row))
        cross = f"M{x - 11:.1f} {y:.1f}H{x + 11:.1f}M{x:.1f} {y - 11:.1f}V{y + 11:.1f}"
        self._parts.append(f'<path d="{cross}" stroke="#000" stroke-opacity="0.55" stroke-width="4.5"/>')
        self._parts.append(f'<path d="{cross}" stroke="{_BEAM}" stroke-width="2"/>')
        # lengths that fit into the picture whatever the geometry: pixels turned into scattering angles
        size = min(self.width, self.height) / self.zoom
        reach = float(self.geometry.two_theta(row, column + 0.42 * size))
        around = float(self.geometry.two_theta(row, column + 0.26 * size))
        rows, columns = where_on_detector(self.geometry, np.linspace(0.0, reach, 60), 0.0)
        self.arrow(rows, columns, _ARROW)
        self.text(float(rows[-1]), float(columns[-1]), "χ = 0", _ARROW, (6, -12))
        rows, columns = where_on_detector(self.geometry, around, np.radians(np.linspace(4.0, 55.0, 60)))
        self.arrow(rows, columns, _ARROW)
        self.text(float(rows[-1]), float(columns[-1]), "χ > 0", _ARROW, (4, -14))

    def _beam_elsewhere(self) -> None:
        middle = self.shape[0] / 2, self.shape[1] / 2
        chi, two_theta = float(self.geometry.azimuth(*middle)), float(self.geometry.two_theta(*middle))
        step = float(self.geometry.two_theta(middle[0], middle[1] + 1)) - two_theta
        pixel = max(abs(step), 1e-12, abs(float(self.geometry.two_theta(middle[0] + 1, middle[1])) - two_theta))
        length = 0.3 * min(self.shape)
        rows, columns = where_on_detector(self.geometry, two_theta - np.linspace(0.0, length * pixel, 60), chi)
        self.arrow(rows, columns, _BEAM)
        self.text(float(rows[-1]), float(columns[-1]), "to the beam", _BEAM, (-42, 4))
        turn = length * pixel / math.tan(two_theta) if two_theta < 1.5 else length * pixel
        rows, columns = where_on_detector(self.geometry, two_theta, chi + np.linspace(0.0, turn, 60))
        self.arrow(rows, columns, _ARROW)
        self.text(float(rows[-1]), float(columns[-1]), f"χ grows (here {math.degrees(chi):.0f}°)", _ARROW, (70, 4))

    @property
    def page_width(self) -> float:
        """Width of the whole picture on a page."""
        return _MARGIN + self.width + 24

    def svg(self) -> str:
        """Return the picture as SVG text, axes in detector pixels of the frame."""
        total = self.page_width, 8.0 + self.height + 40
        x, y = float(self.x(0)), float(self.y(0))
        width, height = self.shape[1] * self.zoom, self.shape[0] * self.zoom
        uri = png_uri(shaded(self.image, self.scale, self.shades))
        # a nested svg clips rings and rays at its edges
        inner = (
            f'<svg x="{_MARGIN}" y="8" width="{self.width:.1f}" height="{self.height:.1f}" '
            f'viewBox="{_MARGIN} 8 {self.width:.1f} {self.height:.1f}">'
            f'<rect x="{_MARGIN}" y="8" width="{self.width:.1f}" height="{self.height:.1f}" fill="#3a4047"/>'
            f'<image x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" preserveAspectRatio="none" '
            f'style="image-rendering:auto" href="{uri}"/>{"".join(self._parts)}</svg>'
        )
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" role="img" viewBox="0 0 {total[0]:.0f} {total[1]:.0f}" '
            f'style="width:{total[0]:.0f}px" aria-label="detector frame with mask, rings and beam centre">'
            f"{inner}{self._ticks()}</svg>"
        )

    def _ticks(self) -> str:
        plain = f'style="{_PLAIN}"'
        parts = []
        for value in [0.0, *round_values(0, self.shape[1], 6)]:
            x = float(self.x(value))
            parts.append(f'<text x="{x:.1f}" y="{self.height + 23:.1f}" text-anchor="middle" {plain}>{value:g}</text>')
            parts.append(f'<path d="M{x:.1f} {self.height + 8:.1f}v4" stroke="#8a959f"/>')
        for value in [0.0, *round_values(0, self.shape[0], 6 if self.height > 150 else 2)]:
            y = float(self.y(value))
            parts.append(f'<text x="{_MARGIN - 7}" y="{y + 4:.1f}" text-anchor="end" {plain}>{value:g}</text>')
            parts.append(f'<path d="M{_MARGIN - 4} {y:.1f}h4" stroke="#8a959f"/>')
        middle = _MARGIN + self.width / 2
        below = self.height + 40
        parts.append(f'<text x="{middle:.1f}" y="{below:.1f}" text-anchor="middle" {plain}>column (px)</text>')
        turn, at = 'transform="rotate(-90 10 {0:.1f})"', 8 + self.height / 2
        parts.append(f'<text x="10" y="{at:.1f}" text-anchor="middle" {turn.format(at)} {plain}>row (px)</text>')
        return "".join(parts)
