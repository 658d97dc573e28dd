"""The picture to look at: the image, the rings of the fit, the points used and left out; numpy and Pillow."""

from __future__ import annotations

import io
from base64 import b64encode
from html import escape

import numpy as np
from numpy.typing import NDArray

from tomosaxs_plugins.integration.calibrate.fit import ring_angles
from tomosaxs_plugins.integration.calibrate.model import place
from tomosaxs_plugins.integration.calibrate.refine import Calibration

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]
_RING, _POINT, _LEFT_OUT, _BEAM = "#ff5a36", "#4cd0ff", "#ffd23c", "#7dff6a"
_MASKED = (66, 30, 44)
_CHART, _LEFT, _WIDEST = 190, 60, 1200


def background(image: Floats, mask: Mask, largest: int = _WIDEST) -> tuple[NDArray[np.uint8], float]:
    """Return the image (rows, columns, 3) on a logarithmic grey scale, masked parts dark red, and its px per pixel.

    Large images are shown in squares of pixels, small ones enlarged.
    """
    factor = max(1, int(np.ceil(max(image.shape) / largest)))
    rows, columns = (size // factor for size in image.shape)
    cut = (slice(0, rows * factor), slice(0, columns * factor))
    good = (~mask[cut]).reshape(rows, factor, columns, factor)
    number = good.sum(axis=(1, 3))
    total = np.where(mask[cut], 0.0, image[cut]).reshape(rows, factor, columns, factor).sum(axis=(1, 3))
    values = total / np.maximum(number, 1)
    shown = values[number > 0]
    low, high = np.percentile(shown, [1, 99.8]) if shown.size else (0.0, 1.0)
    floor = max(low, 0.0)
    scale = max((high - floor) / 200.0, 1e-12)
    grey = np.log1p(np.clip(values - floor, 0, None) / scale) / np.log1p(max(high - floor, 1e-12) / scale)
    picture = np.repeat((np.clip(grey, 0, 1) * 255).astype(np.uint8)[..., None], 3, axis=-1)
    picture[number == 0] = _MASKED
    enlarge = max(1, int(700 // max(picture.shape[:2])))
    return picture.repeat(enlarge, axis=0).repeat(enlarge, axis=1), enlarge / factor


def ring_lines(result: Calibration, beyond: int = 3) -> list[tuple[int, bool, list[Floats]]]:
    """Return (1-based number, whether it was used, pieces of (n, 2) column and row) of rings on the detector.

    A few rings farther out than those used are there too, as far as they fall on the detector.
    """
    shape = result.geometry.shape
    assert shape is not None
    angles = ring_angles(result.standard.spacings, float(result.geometry.wavelength or np.nan))
    around = np.radians(np.arange(0, 360.5, 0.5))
    lines = []
    for number in range(min(max(result.seen) + 1 + beyond, len(angles))):
        if not np.isfinite(angles[number]):
            continue
        rows, columns = place(result.geometry, angles[number], around)
        inside = (rows >= 0) & (rows <= shape[0]) & (columns >= 0) & (columns <= shape[1])
        ends = np.nonzero(np.diff(np.concatenate([[False], inside, [False]]).astype(np.int8)))[0].reshape(-1, 2)
        pieces = [np.stack([columns[a:b], rows[a:b]], axis=1) for a, b in ends if b - a > 1]
        if pieces:
            lines.append((number + 1, number in result.seen, pieces))
    return lines


def _label_place(pieces: list[Floats]) -> tuple[float, float]:
    longest = max(pieces, key=len)
    column, row = longest[len(longest) // 2]
    return float(column), float(row)


def png(result: Calibration, image: Floats, mask: Mask) -> bytes:
    """Return the picture as PNG: image with rings and points, and below it the residuals along the rings."""
    from PIL import Image, ImageDraw

    picture, zoom = background(image, mask)
    height, width = picture.shape[:2]
    # drawn twice as large and shrunk, so that thin lines stay smooth
    fine = 2
    canvas = Image.fromarray(picture).resize((width * fine, height * fine), Image.Resampling.NEAREST)
    draw = ImageDraw.Draw(canvas)
    k = zoom * fine
    for _, used, pieces in ring_lines(result):
        for piece in pieces:
            dashes = [piece] if used else [piece[at : at + 5] for at in range(0, len(piece) - 4, 10)]
            for dash in dashes:
                draw.line([(x * k, y * k) for x, y in dash.tolist()], fill=_RING, width=2)
    for row, column, used in zip(result.points.rows, result.points.columns, result.fit.used, strict=True):
        x, y, r = column * k, row * k, 4
        draw.ellipse([x - r, y - r, x + r, y + r], outline=_POINT if used else _LEFT_OUT, width=2)
    row, column = result.geometry.beam_centre
    x, y = column * k, row * k
    draw.line([(x - 24, y), (x + 24, y)], fill=_BEAM, width=3)
    draw.line([(x, y - 24), (x, y + 24)], fill=_BEAM, width=3)
    canvas = canvas.resize((width, height), Image.Resampling.LANCZOS)
    draw = ImageDraw.Draw(canvas)
    for number, _, pieces in ring_lines(result):
        column, row = _label_place(pieces)
        draw.text((column * zoom + 4, row * zoom + 3), str(number), fill=_RING)
    sheet = Image.new("RGB", (width, height + _CHART), "white")
    sheet.paste(canvas, (0, 0))
    _draw_chart(ImageDraw.Draw(sheet), result, width, height)
    stream = io.BytesIO()
    sheet.save(stream, "PNG", optimize=True)
    return stream.getvalue()


def _chart(result: Calibration, width: int, top: int) -> tuple[list[tuple[float, float, bool]], float, float, float]:
    """Return points (x, y, used) of the chart of residuals, its zero line, its half height and its limit in px."""
    rest = result.fit.residuals
    limit = max(float(np.percentile(np.abs(rest[result.fit.used]), 98)) * 1.3, 0.02)
    half = (_CHART - 60) / 2
    zero = top + 22 + half
    across = (np.degrees(result.points.azimuth) + 180) / 360 * (width - _LEFT - 15) + _LEFT
    down = zero - np.clip(rest / limit, -1, 1) * half
    points = [(float(x), float(y), bool(u)) for x, y, u in zip(across, down, result.fit.used, strict=True)]
    return points, zero, half, limit


def _draw_chart(draw: object, result: Calibration, width: int, top: int) -> None:
    from PIL import ImageDraw

    assert isinstance(draw, ImageDraw.ImageDraw)
    points, zero, half, limit = _chart(result, width, top)
    draw.text((_LEFT, top + 4), "distance of the points from their rings (px) against azimuth chi (deg)", fill="black")
    for share in (-1, 0, 1):
        y = zero - share * half
        draw.line([(_LEFT, y), (width - 15, y)], fill="#bbbbbb")
        draw.text((6, y - 6), f"{share * limit:+.2f}" if share else "0", fill="black")
    for degrees in (-180, -90, 0, 90, 180):
        x = (degrees + 180) / 360 * (width - _LEFT - 15) + _LEFT
        draw.line([(x, zero + half), (x, zero + half + 4)], fill="#888888")
        draw.text((x - 10, zero + half + 6), str(degrees), fill="black")
    for x, y, used in points:
        draw.ellipse([x - 2, y - 2, x + 2, y + 2], fill="#0072b2" if used else "#e0a000")


def svg(result: Calibration, image: Floats, mask: Mask) -> str:
    """Return the same picture as SVG: lines and points are drawn, the image is embedded."""
    from PIL import Image

    picture, zoom = background(image, mask)
    height, width = picture.shape[:2]
    stream = io.BytesIO()
    Image.fromarray(picture).save(stream, "PNG", optimize=True)
    embedded = b64encode(stream.getvalue()).decode()
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height + _CHART}" font-family="sans-serif" '
        f'font-size="12"><rect width="100%" height="100%" fill="white"/>',
        f'<image width="{width}" height="{height}" href="data:image/png;base64,{embedded}"/>',
    ]
    for number, used, pieces in ring_lines(result):
        dash = "" if used else ' stroke-dasharray="6 6"'
        for piece in pieces:
            path = " ".join(f"{x:.2f},{y:.2f}" for x, y in (piece * zoom).tolist())
            parts.append(f'<polyline points="{path}" fill="none" stroke="{_RING}"{dash}/>')
        column, row = _label_place(pieces)
        parts.append(f'<text x="{column * zoom + 4:.1f}" y="{row * zoom + 14:.1f}" fill="{_RING}">{number}</text>')
    for row, column, used in zip(result.points.rows, result.points.columns, result.fit.used, strict=True):
        colour = _POINT if used else _LEFT_OUT
        parts.append(f'<circle cx="{column * zoom:.2f}" cy="{row * zoom:.2f}" r="2" fill="none" stroke="{colour}"/>')
    row, column = (value * zoom for value in result.geometry.beam_centre)
    parts.append(f'<path d="M{column - 12:.2f} {row:.2f}h24M{column:.2f} {row - 12:.2f}v24" stroke="{_BEAM}"/>')
    points, zero, half, limit = _chart(result, width, height)
    title = escape("distance of the points from their rings (px) against azimuth chi (deg)")
    parts.append(f'<text x="{_LEFT}" y="{height + 15}">{title}</text>')
    for share in (-1, 0, 1):
        y = zero - share * half
        parts.append(f'<path d="M{_LEFT} {y:.1f}H{width - 15}" stroke="#bbb"/>')
        parts.append(f'<text x="6" y="{y + 4:.1f}">{share * limit:+.2f}</text>')
    for degrees in (-180, -90, 0, 90, 180):
        x = (degrees + 180) / 360 * (width - _LEFT - 15) + _LEFT
        parts.append(f'<text x="{x:.1f}" y="{zero + half + 16:.1f}" text-anchor="middle">{degrees}</text>')
    for x, y, used in points:
        parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2" fill="{"#0072b2" if used else "#e0a000"}"/>')
    return "\n".join([*parts, "</svg>"])
