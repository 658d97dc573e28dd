"""How strong the rings of a slice are: one number, the lower the better."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates, median_filter


def polar(slice2d: NDArray[np.floating], centre: tuple[float, float] | None = None) -> NDArray[np.float32]:
    """Return a slice in polar coordinates, (angle, radius): rings become straight columns.

    Parameters
    ----------
    slice2d : (y, x) array
    centre : (y, x) floats, optional
        Rotation axis in 0-based pixel centres; default the middle, where reconstructions have it.

    Returns
    -------
    (angles, radii) float32 array
        Radii 0, 1, 2 ... px up to the nearest side, as many angles as the outermost ring has pixels, rounded up to
        a multiple of 16.
    """
    image = np.asarray(slice2d, dtype=np.float32)
    height, width = image.shape
    y, x = ((height - 1) / 2, (width - 1) / 2) if centre is None else centre
    radii = np.arange(int(max(min(y, x, height - 1 - y, width - 1 - x), 0)) + 1, dtype=np.float32)
    count = 16 * math.ceil(2 * math.pi * len(radii) / 16)
    turn = (np.arange(count, dtype=np.float32) * (2 * np.pi / count))[:, None]
    places = np.stack([y + np.sin(turn) * radii, x + np.cos(turn) * radii])
    return np.asarray(map_coordinates(image, places, output=np.float32, order=1, mode="nearest"))


def ring_score(
    slice2d: NDArray[np.floating], centre: tuple[float, float] | None = None, *, width: int = 15, sectors: int = 8
) -> float:
    """Return the strength of the rings of a slice: the standard deviation of the columns of its polar picture.

    The picture is divided by angle into sectors, for rings that go only part of the way round. In each sector, what
    every column differs from its neighbours by (their median over `width`) is taken as the median over the angles, so
    that what is not a ring does not count. The score is the root of the mean square of these over radii and sectors.

    Parameters
    ----------
    slice2d : (y, x) array
        A reconstructed slice; values that are not finite count as 0.
    centre : (y, x) floats, optional
        Rotation axis in 0-based pixel centres; default the middle.
    width : int
        Rings are narrower than about half of this, px.
    sectors : int
        Parts of the full turn.

    Returns
    -------
    float
        In the units of the slice; 0 for a slice without rings, and about the noise over the root of the pixels of an
        arc in one with noise alone.

    Raises
    ------
    ValueError
        When the slice is not two-dimensional or smaller than 16 px.
    """
    if slice2d.ndim != 2 or min(slice2d.shape) < 16:
        raise ValueError(f"a slice of two dimensions and at least 16 px is needed, given {slice2d.shape}")
    picture = np.nan_to_num(polar(slice2d, centre), nan=0.0, posinf=0.0, neginf=0.0)
    rough = picture - median_filter(picture, (1, width), mode="nearest")
    parts = [np.median(part, axis=0) for part in np.array_split(rough, sectors)]
    inner = min(4, picture.shape[1] // 4)  # the innermost radii hold few pixels
    return float(np.sqrt(np.mean(np.square(np.stack(parts)[:, inner:], dtype=np.float64))))
