"""Numbers that help to choose between pictures of the same slice. None of them knows what is looked for.

All work on one (y, x) slice and return a float; values that are not numbers are left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

_BINS = 256
_LEAST_RADIUS = 0.1
"""Of the half width: rings nearer to the centre have too few pixels for a mean."""


@dataclass(frozen=True)
class Metric:
    """A number of a picture.

    Parameters
    ----------
    name : str
        Heading of its column.
    description : str
        What it is.
    better : {"high", "low"}
        Which end is usually the better picture.
    """

    name: str
    description: str
    better: str


METRICS = (
    Metric("sharpness", "root mean square gradient over the standard deviation of the values, 1/px", "high"),
    Metric("entropy", "Shannon entropy of the histogram of all pictures' range, bit", "low"),
    Metric("noise", "standard deviation in the most even patch, the same of all pictures", "low"),
    Metric("variation", "total variation: mean of |dx| + |dy|", "low"),
    Metric("rings", "standard deviation of the means on circles about the centre, less their slow change", "low"),
)


def metrics_of(images: Sequence[NDArray[Any]]) -> list[dict[str, float]]:
    """Return every metric of every picture; range, patch and centre are common to all, so that they compare.

    Parameters
    ----------
    images : sequence of (y, x) array
        Of one shape, or of several, which then have a patch of their own each.
    """
    arrays = [np.asarray(image, dtype=np.float64) for image in images]
    finite = [array[np.isfinite(array)] for array in arrays]
    ends = [(each.min(), each.max()) for each in finite if each.size]
    low, high = (min(e[0] for e in ends), max(e[1] for e in ends)) if ends else (0.0, 1.0)
    alike = len({array.shape for array in arrays}) == 1
    patch = even_patch(np.mean(arrays, axis=0)) if alike else None
    return [
        {
            "sharpness": sharpness(array),
            "entropy": entropy(array, float(low), float(high)),
            "noise": float(np.nanstd(array[patch or even_patch(array)])) if np.isfinite(array).any() else float("nan"),
            "variation": total_variation(array),
            "rings": ring_metric(array),
        }
        for array in arrays
    ]


def sharpness(image: NDArray[Any]) -> float:
    """Return the root mean square gradient (differences of neighbours) over the standard deviation; 1/px.

    The squares weigh steep edges: the mean of the gradient itself is the same for a sharp edge and a blurred one.
    """
    down, across = np.diff(image, axis=0)[:, :-1], np.diff(image, axis=1)[:-1]
    spread = _mean(np.square(image - _mean(image))) ** 0.5
    return _mean(np.square(down) + np.square(across)) ** 0.5 / spread if spread > 0 else 0.0


def total_variation(image: NDArray[Any]) -> float:
    """Return the mean of the absolute differences to the neighbour below plus that to the right."""
    return _mean(np.abs(np.diff(image, axis=0))[:, :-1] + np.abs(np.diff(image, axis=1))[:-1])


def entropy(image: NDArray[Any], low: float, high: float) -> float:
    """Return the Shannon entropy (bit) of the histogram with 256 bins from `low` to `high`."""
    values = image[np.isfinite(image)]
    if values.size == 0 or not high > low:
        return 0.0
    counts = np.histogram(values, bins=_BINS, range=(low, high))[0]
    part = counts[counts > 0] / values.size
    return float(-(part * np.log2(part)).sum())


def even_patch(image: NDArray[Any]) -> tuple[slice, slice]:
    """Return the patch (a twelfth of the side, at least 4 px) with the smallest spread inside the middle circle.

    Patches that are constant, for instance outside a circular mask, are passed over where there are others.
    """
    side = max(4, min(image.shape) // 12)
    rows, columns = (max(1, size // side) for size in image.shape)
    tiles = image[: rows * side, : columns * side].reshape(rows, min(side, image.shape[0]), columns, -1)
    spread = tiles.std(axis=(1, 3))
    at = [(np.arange(count) + 0.5) * side - size / 2 for count, size in zip((rows, columns), image.shape, strict=True)]
    inside = np.hypot(at[0][:, None], at[1][None, :]) < 0.45 * min(image.shape)
    usable = np.isfinite(spread) & inside
    usable = usable & (spread > 0) if (usable & (spread > 0)).any() else usable
    if not usable.any():
        return slice(0, image.shape[0]), slice(0, image.shape[1])
    row, column = np.unravel_index(int(np.argmin(np.where(usable, spread, np.inf))), spread.shape)
    return slice(row * side, (row + 1) * side), slice(column * side, (column + 1) * side)


def ring_metric(image: NDArray[Any]) -> float:
    """Return how much the mean on a circle differs from that of the circles around it.

    The centre is the middle of the picture, where the rotation axis lies; circles are one pixel wide, and the
    running median of nine of them is their slow change.
    """
    rows, columns = image.shape
    y, x = np.ogrid[:rows, :columns]
    radius = np.rint(np.hypot(y - (rows - 1) / 2, x - (columns - 1) / 2)).astype(np.intp)
    most = (min(rows, columns) - 1) // 2
    good = np.isfinite(image) & (radius <= most)
    count = np.bincount(radius[good], minlength=most + 1)
    total = np.bincount(radius[good], weights=image[good], minlength=most + 1)
    profile = (total / np.maximum(count, 1))[max(3, int(_LEAST_RADIUS * most)) :]
    if profile.size < 9:
        return 0.0
    windows = np.lib.stride_tricks.sliding_window_view(profile, 9)
    return float(np.std(profile[4:-4] - np.median(windows, axis=1)))


def _mean(values: NDArray[Any]) -> float:
    found = values[np.isfinite(values)]
    return float(found.mean()) if found.size else 0.0
