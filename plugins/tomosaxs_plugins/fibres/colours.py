"""Colours of maps: a sequential scale, and one for what is positive or negative; numpy and Pillow."""

from __future__ import annotations

import base64
import io
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

# even in lightness, told apart by all common forms of colour blindness: dark blue, teal, yellow; blue, white, red
_SEQUENTIAL = ((45, 20, 85), (52, 84, 142), (32, 144, 141), (110, 200, 95), (250, 230, 60))
_DIVERGING = ((25, 75, 150), (120, 175, 215), (246, 246, 244), (235, 150, 115), (165, 25, 40))
_UNSOLVED, _EMPTY = (214, 217, 220), (255, 255, 255)


def coloured(values: Floats, low: float, high: float, *, diverging: bool = False) -> NDArray[np.uint8]:
    """Return (y, x, 3) colours of values (y, x) between two limits; NaN is grey."""
    anchors = np.array(_DIVERGING if diverging else _SEQUENTIAL, dtype=np.float64)
    with np.errstate(invalid="ignore"):
        share = np.clip((values - low) / ((high - low) or 1.0), 0.0, 1.0)
    at = np.nan_to_num(share) * (len(anchors) - 1)
    steps = np.arange(len(anchors))
    found = np.stack([np.interp(at, steps, anchors[:, channel]) for channel in range(3)], axis=-1)
    found[~np.isfinite(values)] = _UNSOLVED
    return np.asarray(np.rint(found), dtype=np.uint8)


def blanked(picture: NDArray[np.uint8], empty: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Return a picture that is white where there is nothing."""
    made: NDArray[np.uint8] = picture.copy()
    made[empty] = _EMPTY
    return made


def scale(*, diverging: bool = False) -> NDArray[np.uint8]:
    """Return (256, 1, 3) colours from the highest value to the lowest."""
    return coloured(np.linspace(1.0, 0.0, 256)[:, None], 0.0, 1.0, diverging=diverging)


def limits_of(values: Floats, *, around_zero: bool = False) -> tuple[float, float]:
    """Return limits that leave one value in fifty out at either end; even about zero where asked for."""
    finite = values[np.isfinite(values)]
    if finite.size == 0:
        return (-1.0, 1.0) if around_zero else (0.0, 1.0)
    low, high = (float(each) for each in np.percentile(finite, [2, 98]))
    if around_zero:
        reach = max(abs(low), abs(high)) or 1.0
        return -reach, reach
    if not high > low:
        room = 0.5 * abs(low) or 0.5
        return low - room, high + room
    return low, high


def png_uri(picture: NDArray[Any]) -> str:
    """Return a picture as a ``data:`` address."""
    from PIL import Image

    stream = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(picture, dtype=np.uint8)).save(stream, "PNG")
    return "data:image/png;base64," + base64.b64encode(stream.getvalue()).decode("ascii")
