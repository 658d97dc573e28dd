"""A detector frame as a picture: grey levels, coloured where pixels are left out, as PNG; numpy and Pillow."""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]

_LARGEST = 800
_NOT_A_NUMBER = (240, 196, 120)


@dataclass(frozen=True, eq=False)
class Shade:
    """Pixels that are coloured: what they are, which ones, and how.

    Parameters
    ----------
    name : str
        For the legend.
    pixels : (rows, columns) bool array
        True where the picture is coloured.
    colour : (red, green, blue)
        0 .. 255.
    strength : float
        0 shows nothing, 1 hides the frame.
    """

    name: str
    pixels: Mask
    colour: tuple[int, int, int]
    strength: float = 0.5


@dataclass(frozen=True)
class GreyScale:
    """Which values are black and white, and whether the scale between them is logarithmic."""

    low: float
    high: float
    log: bool

    def levels(self, values: NDArray[Any]) -> NDArray[np.float64]:
        """Return 0 .. 1 of values; NaN stays."""
        if self.log:
            low, high = math.log(self.low), math.log(self.high)
            scaled = (np.log(np.maximum(values, self.low)) - low) / (high - low)
        else:
            scaled = (values - self.low) / (self.high - self.low)
        return np.asarray(np.clip(scaled, 0.0, 1.0), dtype=np.float64)


def grey_scale(values: NDArray[Any]) -> GreyScale:
    """Return a scale that shows nearly all of the values: logarithmic where they span more than a factor of five."""
    finite = values[np.isfinite(values)].astype(np.float64)
    if finite.size == 0:
        return GreyScale(0.0, 1.0, False)
    low, high = (float(each) for each in np.percentile(finite, [0.5, 99.9]))
    positive = finite[finite > 0]
    if positive.size > 0.05 * finite.size:
        floor = max(low, float(np.percentile(positive, 1)))
        if high > 5 * floor:
            return GreyScale(floor, high, True)
    if not high > low:
        low, high = float(finite.min()), float(finite.max())
    return GreyScale(low, high if high > low else low + 1.0, False)


def shaded(values: NDArray[Any], scale: GreyScale, shades: Sequence[Shade]) -> NDArray[np.uint8]:
    """Return (y, x, 3) uint8: grey levels with shades over them, in their order; row 0 is row 0 of the frame.

    Large frames are averaged over equal squares. A square that is shaded in part is coloured in part.
    """
    factor = max(1, math.ceil(max(values.shape) / _LARGEST))
    small = _averaged(np.asarray(values, dtype=np.float64), factor)
    level = 255.0 * scale.levels(small)
    picture = np.repeat(np.nan_to_num(level)[..., None], 3, axis=-1)
    picture[np.isnan(level)] = _NOT_A_NUMBER
    for shade in shades:
        share = shade.strength * _averaged(shade.pixels.astype(np.float64), factor)[..., None]
        picture = picture * (1 - share) + share * np.asarray(shade.colour, dtype=np.float64)
    return np.rint(picture).astype(np.uint8)


def _averaged(values: NDArray[np.float64], factor: int) -> NDArray[np.float64]:
    """Return the means of squares, NaN left out; squares at the far edges may be cut."""
    if factor == 1:
        return values
    rows, columns = (math.ceil(size / factor) * factor for size in values.shape)
    padded = np.full((rows, columns), np.nan)
    padded[: values.shape[0], : values.shape[1]] = values
    squares = padded.reshape(rows // factor, factor, columns // factor, factor)
    usable = np.isfinite(squares)
    count = usable.sum(axis=(1, 3))
    total = np.where(usable, squares, 0.0).sum(axis=(1, 3))
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def png_uri(picture: NDArray[np.uint8]) -> str:
    """Return a picture as a ``data:`` address."""
    from PIL import Image

    stream = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(picture)).save(stream, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(stream.getvalue()).decode("ascii")
