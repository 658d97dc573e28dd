"""Pixels that do not measure: hot and cold ones by sigma clipping in rings, constant ones; plain numpy.

Pixels at the same scattering angle measure the same but for noise and texture, so a pixel far from the
others of its ring is at fault; between rings the expected value runs in straight lines. Iterative sigma
clipping as in doi:10.1107/S1600576724011038, applied to the mean of many frames instead of to one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln

from tomosaxs_plugins.integration.geometry import DetectorGeometry

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]
FEWEST = 32
"""Pixels of a ring at least; smaller ones are joined with the next."""
_UNLIKELY = 1e-9  # a good pixel looks constant less often than this
_FRAMES_TO_SEE_CHANGE = 8


@dataclass(frozen=True, eq=False)
class PixelFaults:
    """What is wrong with which pixels, (rows, columns) each.

    Parameters
    ----------
    hot, cold : bool arrays
        Far above or below the other pixels of their ring.
    constant : bool array
        The same in every frame although their ring varies.
    unseen : bool array
        Without one usable value in any frame, and not masked before.
    """

    hot: Mask
    cold: Mask
    constant: Mask
    unseen: Mask

    @property
    def mask(self) -> Mask:
        """All of them."""
        return self.hot | self.cold | self.constant | self.unseen


@dataclass(frozen=True, eq=False)
class Rings:
    """Usable pixels sorted into rings.

    Parameters
    ----------
    number : (n,) int array
        Ring of every usable pixel, in the order of ``usable.ravel()``.
    angle : (n,) float64 array
        2 theta of every such pixel, rad.
    count : int
        Number of rings.
    """

    number: NDArray[np.intp]
    angle: Floats
    count: int

    def means(self, values: Floats, good: Mask, otherwise: Floats) -> Floats:
        """Return the mean of every ring's good pixels; `otherwise` where there are none."""
        ring = self.number[good]
        size = np.bincount(ring, minlength=self.count)
        total = np.bincount(ring, values[good], minlength=self.count)
        return np.where(size > 0, total / np.maximum(size, 1), otherwise)

    def medians(self, values: Floats) -> Floats:
        """Return the median of every ring."""
        order = np.lexsort((values, self.number))
        sizes = np.bincount(self.number, minlength=self.count)
        first = np.concatenate([[0], np.cumsum(sizes)[:-1]])
        ordered = values[order]
        return np.asarray(0.5 * (ordered[first + (sizes - 1) // 2] + ordered[first + sizes // 2]))

    def at_pixels(self, values: Floats) -> Floats:
        """Return values of rings at every pixel's own angle: straight lines between the middles of rings."""
        middle = self.means(self.angle, np.ones(len(self.angle), np.bool_), np.zeros(self.count))
        return np.interp(self.angle, middle, values) if self.count else np.zeros(0)


def rings(geometry: DetectorGeometry, usable: Mask, width: float = 1.0) -> Rings:
    """Sort usable pixels into rings of one scattering angle.

    A ring is `width` pixels wide at the beam; those with fewer than `FEWEST` usable pixels are joined with the next.
    """
    rows, columns = np.nonzero(usable)
    angle = geometry.two_theta(rows + 0.5, columns + 0.5)
    step = width * max(geometry.pixel1, geometry.pixel2) / geometry.beam_distance
    _, number, sizes = np.unique(np.floor(angle / step), return_inverse=True, return_counts=True)
    joined, total, here = np.zeros(len(sizes), dtype=np.intp), 0, 0
    for place, size in enumerate(sizes):
        joined[place] = here
        total += int(size)
        if total >= FEWEST:
            here, total = here + 1, 0
    if total and here:  # what is left at the end is too little for a ring of its own
        joined[joined == here] = here - 1
    found = joined[number.ravel()] if len(sizes) else np.zeros(0, dtype=np.intp)
    return Rings(found, angle, int(found.max()) + 1 if len(found) else 0)


def find_faults(
    mean: Floats,
    frames: NDArray[np.integer],
    low: NDArray[np.floating],
    high: NDArray[np.floating],
    geometry: DetectorGeometry,
    masked: Mask,
    *,
    sigma: float = 6.0,
    width: float = 1.0,
    counts: bool = True,
    iterations: int = 20,
) -> PixelFaults:
    """Return the pixels that do not measure.

    Parameters
    ----------
    mean : (rows, columns) float64 array
        Mean of the usable values of each pixel.
    frames : (rows, columns) int array
        How many usable values that are.
    low, high : (rows, columns) arrays
        Smallest and largest of them.
    geometry : DetectorGeometry
        Of the frames.
    masked : (rows, columns) bool array
        Pixels that are not looked at.
    sigma : float
        A pixel further than this many standard deviations from its ring's mean is at fault. The standard
        deviation is that of the ring's good pixels, and never less than what counting gives.
    width : float
        Of a ring, px.
    counts : bool
        Whether the values are counted photons, which vary by the root of their number.
    """
    shape = mean.shape
    usable = ~masked & (frames > 0) & np.isfinite(mean)
    unseen = ~masked & ~usable
    sorted_in = rings(geometry, usable, width)
    values, seen = mean[usable], frames[usable].astype(np.float64)
    centre, good = _clip(values, seen, sorted_in, sigma, counts, iterations)
    above, below = ~good & (values > centre), ~good & (values < centre)
    constant = _constant(centre, seen, low[usable], high[usable], sorted_in, counts)

    def whole(part: Mask) -> Mask:
        made = np.zeros(shape, dtype=np.bool_)
        made[usable] = part
        return made

    return PixelFaults(whole(above), whole(below), whole(constant & good), unseen)


def _clip(
    values: Floats, seen: Floats, sorted_in: Rings, sigma: float, counts: bool, iterations: int
) -> tuple[Floats, Mask]:
    """Return what is expected of every pixel from its ring's good ones, and which pixels are good."""
    good = np.ones(len(values), dtype=np.bool_)
    centre = sorted_in.medians(values)
    expected = sorted_in.at_pixels(centre)
    away = np.abs(values - expected)
    spread = 1.4826 * sorted_in.medians(away)
    # more than half of a ring at the same value, as with few counts: the plain deviation then
    plain = np.sqrt(sorted_in.means(np.square(away), good, spread))
    spread = np.where(spread == 0, plain, spread)
    for _ in range(iterations):
        high = low = sigma * spread[sorted_in.number]
        if counts:
            # the quantile of few counts lies further out than the root says: (root(n) + sigma / 2)^2
            total = np.maximum(expected, 0.0) * seen
            high = np.maximum(high, (sigma * np.sqrt(total) + sigma * sigma / 4) / seen)
            low = np.maximum(low, sigma * np.sqrt(total) / seen)
        now = (values - expected <= high) & (expected - values <= low)
        if np.array_equal(now, good):
            break
        good = now
        centre = sorted_in.means(values, good, centre)
        expected = sorted_in.at_pixels(centre)
        spread = np.sqrt(sorted_in.means(np.square(values - expected), good, np.square(spread)))
    return expected, good


def _constant(
    expected: Floats,
    seen: Floats,
    low: NDArray[np.floating],
    high: NDArray[np.floating],
    sorted_in: Rings,
    counts: bool,
) -> Mask:
    """Return which pixels never change although they should."""
    same = low == high
    if counts:
        # n draws of a Poisson variable agree with at most the largest probability to the power n - 1
        mean = np.maximum(expected, 1e-300)
        most = np.floor(mean)
        likely = most * np.log(mean) - mean - gammaln(most + 1)
        return np.asarray(same & ((seen - 1) * likely < np.log(_UNLIKELY)))
    everything = np.ones(len(same), dtype=np.bool_)
    moving = sorted_in.means((~same).astype(np.float64), everything, np.zeros(sorted_in.count)) > 0.9
    return np.asarray(same & (seen >= _FRAMES_TO_SEE_CHANGE) & moving[sorted_in.number])
