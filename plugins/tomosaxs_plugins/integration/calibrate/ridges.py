"""Bright curves of an image, whatever their shape: points on them and their normals; plain numpy and scipy."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]
SCALES = (1.5, 3.0, 6.0)
"""Widths of the smoothing in pixels: rings from about two to twenty pixels wide are seen."""


@dataclass(frozen=True, eq=False)
class Ridges:
    """Points on bright curves, in edge coordinates of pixels.

    Attributes
    ----------
    rows, columns : (n,) arrays
    normal_rows, normal_columns : (n,) arrays
        Unit vectors across the curve, of either sign.
    strength : (n,) array
        Curvature across the curve in units of its noise.
    scale : float
        Width of the smoothing at which they were found.
    """

    rows: Floats
    columns: Floats
    normal_rows: Floats
    normal_columns: Floats
    strength: Floats
    scale: float

    def __len__(self) -> int:
        return len(self.rows)


def shrink(image: Floats, mask: Mask, largest: int) -> tuple[Floats, Mask, int]:
    """Return the image in squares of pixels (mean of the good ones), their mask, and the squares' width."""
    factor = int(np.ceil(max(image.shape) / largest))
    if factor <= 1:
        return image, mask, 1
    rows, columns = (size // factor for size in image.shape)
    cut = (slice(0, rows * factor), slice(0, columns * factor))
    good = (~mask[cut]).reshape(rows, factor, columns, factor)
    values = np.where(mask[cut], 0.0, image[cut]).reshape(rows, factor, columns, factor)
    number = good.sum(axis=(1, 3))
    return values.sum(axis=(1, 3)) / np.maximum(number, 1), number < factor * factor / 2, factor


def find_ridges(image: Floats, mask: Mask, scale: float, *, least: float = 6.0, most: int = 6000) -> Ridges:
    """Find where the image, smoothed by a Gaussian of `scale` pixels, has a crest across one direction.

    The square root of the counts is looked at, in which counting noise is the same everywhere. Pixels whose
    surroundings are masked are left out.

    Parameters
    ----------
    image : (rows, columns) array
        Counts; those under the mask do not matter.
    mask : (rows, columns) array
        True: do not use.
    scale : float
        px
    least : float
        Strength, in standard deviations of the noise, below which a crest is left out.
    most : int
        Only the strongest are kept.
    """
    root = np.sqrt(np.clip(np.where(mask, 0.0, image), 0, None) + 0.375)
    filled = _filled(root, mask, scale)
    deep = ndimage.distance_transform_edt(~np.pad(mask, 1, constant_values=True))[1:-1, 1:-1] > 2.0 * scale
    if deep.sum() < 100:
        return _none(scale)
    rr = ndimage.gaussian_filter(filled, scale, order=(2, 0), mode="nearest")
    cc = ndimage.gaussian_filter(filled, scale, order=(0, 2), mode="nearest")
    rc = ndimage.gaussian_filter(filled, scale, order=(1, 1), mode="nearest")
    half = np.hypot((rr - cc) / 2, rc)
    across, along = (rr + cc) / 2 - half, (rr + cc) / 2 + half
    angle = 0.5 * np.arctan2(2 * rc, rr - cc)  # of the direction of the larger second derivative
    normal_r, normal_c = -np.sin(angle), np.cos(angle)
    # 0.5 is the noise of the square root of a count; the filter leaves this much of it
    noise = 0.5 * np.sqrt(3.0 / (16 * np.pi)) / scale**3
    # texture of detector and scattering may be stronger than counting noise: the quiet half of the picture tells
    noise = max(noise, 1.4826 * float(np.median(np.abs(rc[deep]))) * 0.6)
    strength = -across / noise
    gr = ndimage.gaussian_filter(filled, scale, order=(1, 0), mode="nearest")
    gc = ndimage.gaussian_filter(filled, scale, order=(0, 1), mode="nearest")
    with np.errstate(divide="ignore", invalid="ignore"):
        offset = -(gr * normal_r + gc * normal_c) / across
    crest = deep & (strength > least) & (np.abs(along) < 0.5 * np.abs(across)) & (np.abs(offset) < 0.75)
    rows, columns = np.nonzero(crest)
    if len(rows) > most:
        # evenly among the strongest, so that no single ring takes all
        order = np.random.default_rng(0).permutation(len(rows))[:most]
        rows, columns = rows[np.sort(order)], columns[np.sort(order)]
    at = (rows, columns)
    return Ridges(
        rows + 0.5 + offset[at] * normal_r[at],
        columns + 0.5 + offset[at] * normal_c[at],
        normal_r[at],
        normal_c[at],
        strength[at],
        scale,
    )


def _none(scale: float) -> Ridges:
    nothing = np.zeros(0)
    return Ridges(nothing, nothing, nothing, nothing, nothing, scale)


def _filled(values: Floats, mask: Mask, scale: float) -> Floats:
    """Fill what is masked from its surroundings, so that edges of the mask make no crests nearby."""
    if not mask.any():
        return values
    good = (~mask).astype(np.float64)
    total = ndimage.gaussian_filter(values * good, 2 * scale)
    share = ndimage.gaussian_filter(good, 2 * scale)
    level = float(np.median(values[~mask])) if (~mask).any() else 0.0
    near = share > 1e-3
    around = np.where(near, total / np.where(near, share, 1.0), level)
    return np.where(mask, around, values)
