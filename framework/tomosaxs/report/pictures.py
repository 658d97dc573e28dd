"""Grey pictures of arrays: robust grey levels, PNG, contact sheets. Needs numpy and Pillow only."""

from __future__ import annotations

import base64
import io
import math
import struct
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

LOW_PERCENTILE, HIGH_PERCENTILE = 0.5, 99.5
_LARGE = 1 << 20  # values of a picture that is written for itself, not for a report
NOT_A_NUMBER = (240, 196, 120)
"""Colour of values that are not numbers."""


def robust_limits(
    values: NDArray[Any], low: float = LOW_PERCENTILE, high: float = HIGH_PERCENTILE
) -> tuple[float, float]:
    """Return two percentiles of the finite values; (0, 1) where there are none, never equal."""
    finite = values[np.isfinite(values)]
    if finite.size == 0:
        return 0.0, 1.0
    first, last = (float(v) for v in np.percentile(finite.astype(np.float64), [low, high]))
    if not last > first:  # a constant picture, or a few specks in one
        first, last = float(finite.min()), float(finite.max())
    if not last > first:
        room = abs(first) * 0.5 or 0.5
        return first - room, first + room
    return first, last


def to_grey(image: NDArray[Any], limits: tuple[float, float]) -> NDArray[np.uint8]:
    """Return (y, x) uint8 with limits[0] black and limits[1] white.

    Where the image has values that are not numbers the answer is (y, x, 3), with those in colour.
    """
    low, high = limits
    image = np.asarray(image)
    single = image.dtype == np.float32 and abs(low) < 1e3 * (high - low) < 1e30  # its digits are enough for 256 greys
    scaled = image.astype(np.float32 if single else np.float64)
    bad = np.isnan(scaled)
    some_bad = bool(bad.any())
    np.clip(scaled, low, high, out=scaled)
    scaled -= low
    scaled *= 255.0 / (high - low)
    np.rint(scaled, out=scaled)
    if some_bad:
        scaled[bad] = 0.0
    grey = scaled.astype(np.uint8)
    if not some_bad:
        return grey
    coloured = np.repeat(grey[..., None], 3, axis=-1)
    coloured[bad] = NOT_A_NUMBER
    return coloured


def shrink(image: NDArray[Any], largest: int) -> NDArray[Any]:
    """Return `image` averaged over equal squares, so that no side exceeds `largest` pixels.

    Values that are not numbers are left out of a mean. What remains at the far edges is cut off.
    """
    factor = math.ceil(max(image.shape) / largest)
    if factor <= 1:
        return image
    rows, columns = (max(1, size // factor) for size in image.shape)
    down, across = (min(factor, size) for size in image.shape)
    squares = np.asarray(image[: rows * down, : columns * across], dtype=np.float64)
    squares = squares.reshape(rows, down, columns, across)
    usable = np.isfinite(squares)
    count = usable.sum(axis=(1, 3))
    total = np.where(usable, squares, 0.0).sum(axis=(1, 3))
    mean: NDArray[Any] = np.where(count > 0, total / np.maximum(count, 1), np.nan)
    return mean


def png_bytes(picture: NDArray[Any]) -> bytes:
    """Return a (y, x) or (y, x, 3) uint8 picture as a PNG file.

    The best compression would take seven times as long for two percent less. Of a large picture, most of which is
    noise, rows are written as differences to those above and coded symbol by symbol, in a third of the time.
    """
    picture = np.ascontiguousarray(picture, dtype=np.uint8)
    if picture.size > _LARGE:
        return _plain_png(picture)
    from PIL import Image

    stream = io.BytesIO()
    Image.fromarray(picture).save(stream, "PNG", compress_level=4)
    return stream.getvalue()


def _plain_png(picture: NDArray[np.uint8]) -> bytes:
    """Return a PNG file (ISO/IEC 15948): filter "up" in every row, runs of equal bytes as the only matches."""
    height, width = picture.shape[:2]
    lines = np.empty((height, 1 + picture.size // height), dtype=np.uint8)
    lines[:, 0] = 2  # the filter
    flat = picture.reshape(height, -1)
    lines[0, 1:] = flat[0]
    np.subtract(flat[1:], flat[:-1], out=lines[1:, 1:])  # modulo 256, as the format has it
    packer = zlib.compressobj(1, zlib.DEFLATED, 15, 9, zlib.Z_RLE)
    packed = packer.compress(lines.data) + packer.flush()
    colour = 2 if picture.ndim == 3 else 0
    header = struct.pack(">IIBBBBB", width, height, 8, colour, 0, 0, 0)
    parts = ((b"IHDR", header), (b"IDAT", packed), (b"IEND", b""))
    chunks = [
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body)) for name, body in parts
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def png_uri(picture: NDArray[Any]) -> str:
    """Return a picture as a ``data:`` address."""
    return "data:image/png;base64," + base64.b64encode(png_bytes(picture)).decode("ascii")


def write_png(path: Path, picture: Any) -> None:
    """Write a (y, x) or (y, x, 3) uint8 picture as a PNG file."""
    Path(path).write_bytes(png_bytes(np.asarray(picture)))


def contact_sheet(
    images: Sequence[tuple[str, NDArray[Any]]],
    columns: int = 0,
    *,
    tile: int = 320,
    limits: tuple[float, float] | None = None,
) -> NDArray[np.uint8]:
    """Return pictures side by side, labelled, all with the same grey scale.

    Parameters
    ----------
    images : sequence of (label, (y, x) array)
        Sizes may differ; every image is fitted into its tile, undistorted.
    columns : int, optional
        Images a row; 0 makes the sheet about square.
    tile : int, optional
        Largest side of an image on the sheet in pixels.
    limits : (low, high), optional
        Values shown black and white; default the 0.5 and 99.5 percentiles of all images together.

    Returns
    -------
    (y, x) uint8 array
        Values that are not numbers are shown mid-grey.

    Raises
    ------
    ValueError
        When there is no image, or one is empty or not two-dimensional.
    """
    arrays = [np.asarray(image) for _, image in images]
    if not arrays or any(array.ndim != 2 or array.size == 0 for array in arrays):
        raise ValueError("a contact sheet needs at least one image, and every image must be (y, x)")
    columns = min(columns or math.ceil(math.sqrt(len(arrays))), len(arrays))
    if limits is None:
        limits = robust_limits(np.concatenate([array.ravel() for array in arrays]))
    fitted = [_fit(array, tile, limits) for array in arrays]
    rows = [fitted[first : first + columns] for first in range(0, len(fitted), columns)]
    widths = [max(row[c].shape[1] for row in rows if c < len(row)) for c in range(columns)]
    heights = [max(picture.shape[0] for picture in row) for row in rows]
    return _paste([label for label, _ in images], rows, [max(w, tile // 2) for w in widths], heights)


def _fit(image: NDArray[Any], tile: int, limits: tuple[float, float]) -> NDArray[np.uint8]:
    """Return the image in grey, enlarged by a whole factor or reduced so that it fits its tile."""
    middle = 0.5 * (limits[0] + limits[1])
    values = np.where(np.isnan(image), middle, image) if image.dtype.kind in "fc" else image
    grey = to_grey(shrink(values, tile), limits)
    factor = max(1, tile // max(grey.shape[:2]))
    return np.repeat(np.repeat(grey, factor, axis=0), factor, axis=1)


def _paste(
    labels: Sequence[str], rows: list[list[NDArray[np.uint8]]], widths: list[int], heights: list[int]
) -> NDArray[np.uint8]:
    from PIL import Image, ImageDraw

    gap, strip = 8, 26
    size = (gap + sum(w + gap for w in widths), gap + sum(h + strip + gap for h in heights))
    sheet = Image.new("L", size, 255)
    draw = ImageDraw.Draw(sheet)
    names = iter(labels)
    top = gap
    for row, height in zip(rows, heights, strict=True):
        left = gap
        for picture, width in zip(row, widths, strict=False):
            label = next(names)
            draw.text((left, top + 3), label, fill=0, font=_font(draw, label, width))
            sheet.paste(Image.fromarray(picture), (left, top + strip))
            left += width + gap
        top += height + strip + gap
    pasted: NDArray[np.uint8] = np.array(sheet, dtype=np.uint8)
    return pasted


def _font(draw: Any, label: str, width: int) -> Any:
    """Return the largest of a few sizes in which the label fits."""
    from PIL import ImageFont

    for size in (18, 16, 14, 12, 10):
        font = ImageFont.load_default(size)
        if draw.textlength(label, font=font) <= width:
            return font
    return ImageFont.load_default(9)
