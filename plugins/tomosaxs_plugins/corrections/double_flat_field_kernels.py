"""Double flat field: what stays in the mean of all projections and is not smooth belongs to the detector."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Average = Literal["log", "mean"]
LOWEST = 1e-4
"""Transmissions below this are raised to it before the logarithm, as by minus_log."""


def mean_attenuation(sinograms: NDArray[Any], average: Average, attenuation: bool) -> NDArray[np.float64]:
    """Return the mean over the angles as an attenuation, row by row of the detector.

    Parameters
    ----------
    sinograms : (n, angles, columns) array
        Transmissions, or attenuations where `attenuation` is true.
    average : str
        ``log``: mean of the attenuations; ``mean``: attenuation of the mean transmission.

    Returns
    -------
    (n, columns) array
    """
    made = np.empty((len(sinograms), sinograms.shape[2]))
    for one, row in zip(sinograms, made, strict=True):  # row by row: the same whatever is worked on beside it
        values = one.astype(np.float32)
        if average == "log":
            if not attenuation:
                values = -np.log(np.maximum(values, np.float32(LOWEST)))
            row[:] = values.mean(axis=0, dtype=np.float64)
        else:
            values = np.exp(-values) if attenuation else values
            row[:] = -np.log(np.maximum(values.mean(axis=0, dtype=np.float64), LOWEST))
    return made


def fixed_pattern(
    mean: NDArray[np.float64],
    size: tuple[int, int],
    sigma: float | None,
    homogeneous: bool,
    threshold: float,
) -> NDArray[np.float32]:
    """Return what a smoothing filter takes away from the mean attenuation of all projections.

    Parameters
    ----------
    mean : (rows, columns) array
    size : (rows, columns)
        Window of the median.
    sigma : float or None
        Standard deviation in pixels of a Gaussian to smooth with instead.
    homogeneous : bool
        Any contrast of the mean is taken away, not only what is not smooth.
    threshold : float
        Smaller values are set to zero: those pixels are not corrected.
    """
    if homogeneous:
        smooth: Any = mean.mean()
    elif sigma is not None:
        smooth = ndimage.gaussian_filter(mean, sigma, mode="nearest")
    else:
        smooth = ndimage.median_filter(mean, size=size, mode="nearest")
    pattern = np.asarray(mean - smooth, dtype=np.float32)
    if threshold > 0:
        pattern[np.abs(pattern) < threshold] = 0.0
    return pattern


def between(places: NDArray[np.intp], full: int, blocks: int, interpolate: bool) -> tuple[NDArray[Any], ...]:
    """Return for each projection the two blocks of angles it lies between, and the share of the second.

    Parameters
    ----------
    places : int array
        Numbers of the projections in the whole scan.
    full, blocks : int
        Number of projections of the whole scan, and of blocks that it is cut into.
    interpolate : bool
        Linearly between the middles of the blocks; else each projection belongs to its block alone.
    """
    if not interpolate:
        own = block_of(places, full, blocks)
        return own, own, np.zeros(places.shape, np.float32)
    place = np.clip((places + 0.5) * (blocks / full) - 0.5, 0.0, blocks - 1.0)
    first = np.minimum(place.astype(np.intp), max(blocks - 2, 0))
    return first, np.minimum(first + 1, blocks - 1), (place - first).astype(np.float32)


def block_of(places: NDArray[np.intp], full: int, blocks: int) -> NDArray[np.intp]:
    """Return the block of angles that each projection belongs to."""
    return np.clip(places * blocks // full, 0, blocks - 1)
