"""Which columns of a sinogram hold a stripe: a test of significance that stripe-free data pass.

What a sample shows in a column of a sinogram passes through it: features run along sine curves. What a detector pixel
adds stays. The sinogram is therefore averaged over a few dozen short ranges of angle, and in each average every column
is compared with its neighbours. A stripe stands out to the same side in most of the ranges.

Three comparisons have to agree: with the straight line through neighbours on the left, at the distances k and 2 k, with
that on the right, and with pairs of neighbours on both sides, (4 a_k - a_2k) / 3 with a_k their mean. An edge of the
sample agrees with one of its sides, a round top with the pairs; a stripe stands out from all. The distances grow with
the width of the stripe that is looked for: 1, 2, 4 ... px.

What is round about the rotation axis (the wall of a capillary) stays in its columns, too, but in two of them. Where the
axis can be told from rows half a turn apart, what stands out on both sides of it is left alone.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter1d, median_filter

from tomosaxs_plugins.compiled import compiled

Float = NDArray[np.float64]

RANGES = 64
"""Ranges of angle that are compared with each other."""
FLOOR = 1e-4
"""Standard deviation that every comparison has at least, as a part of the range of the data."""
SLACK = 5
"""By how much the two sides of something round may differ in their distance from the axis, px."""
CLEAR = 20.0
"""Standard deviations beyond which one stripe is as clear as another."""
NARROW = 4
"""Widest stripe that has no inside, px."""


def stripe_weights(
    sinogram: NDArray[np.float32], widest: int, threshold: float, part: float = 0.6
) -> NDArray[np.float32]:
    """Return how far every column is to be corrected: 0 where no stripe is seen, 1 where one is.

    Parameters
    ----------
    sinogram : (angles, columns) float32 array
        Without NaN.
    widest : int
        Width of the widest stripe that is looked for, px.
    threshold : float
        Standard deviations by which a stripe stands out; the weight grows from 0 to 1 between this and 1.5 times
        this. 0: every column has the weight 1.
    part : float
        Part of the angles over which a stripe must show, 0..1.

    Returns
    -------
    (columns,) float32 array
    """
    if threshold <= 0:
        return np.ones(sinogram.shape[1], np.float32)
    means = range_means(sinogram)
    score = significance(means, widest, part)
    if bool((np.abs(score) > threshold).any()):
        twice = twice_the_axis(sinogram)
        if twice is not None:
            score = without_pairs(score, significance(means, widest, 0.5 * part), twice)
    weights = weights_of(score, threshold)
    if widest <= NARROW:
        return weights
    return np.asarray(maximum_filter1d(weights, 5, mode="nearest"))  # the edges of a wide stripe stand out less


def weights_of(score: Float, threshold: float) -> NDArray[np.float32]:
    """Return the weights that go with scores in standard deviations."""
    return np.clip((np.abs(score) - threshold) / (0.5 * threshold), 0, 1).astype(np.float32)


def range_means(sinogram: NDArray[np.float32]) -> Float:
    """Return the means over ranges of angle, (ranges, columns) float64."""
    count = len(sinogram)
    edges = np.linspace(0, count, min(RANGES, count) + 1).astype(int)
    sums = np.add.reduceat(sinogram, edges[:-1], axis=0, dtype=np.float64)
    return np.asarray(sums / np.diff(edges)[:, None])


def significance(means: Float, widest: int, part: float) -> Float:
    """Return by how many standard deviations every column stands out of its neighbours, with its sign.

    Parameters
    ----------
    means : (ranges, columns) float64 array
    widest : int
        Width of the widest stripe that is looked for, px.
    part : float
        Part of the ranges in which it has to.

    Returns
    -------
    (columns,) float64 array
    """
    columns = means.shape[1]
    floor = max(FLOOR * float(means.max() - means.min()), 1e-30)
    best, width = np.zeros(columns), 1
    while width <= max(widest, 1) and 4 * width + 4 < columns:
        score = np.full(columns, np.inf)
        least = floor * (width if width <= 2 else width**2 / 2)  # the sample itself is rougher over wider distances
        for apart in standing_out(means, np.unique(np.linspace(width, 2 * width + 1, 5).astype(np.int64))):
            score = agreed(score, strength(apart, part) / _error_of(apart, least))
        if (
            width > 2
        ):  # a wide stripe looks more like a sample: it has to stand out of the median of its neighbours, too
            apart = means - median_filter(means, (1, 4 * width + 1), mode="reflect")
            score = agreed(score, strength(apart, part) / _error_of(apart, least))
        best = np.where(np.abs(score) > np.abs(best), score, best)
        width *= 2
    return best


def strength(apart: Float, part: float) -> Float:
    """Return what the given part of the ranges stands out by at least, with its sign; 0 where they do not agree."""
    count = len(apart)
    need = min(max(int(np.ceil(part * count)), 1), count)
    ordered = np.partition(apart, (need - 1, count - need), axis=0)
    above, below = ordered[count - need], ordered[need - 1]
    return np.where(above > 0, above, 0.0) + np.where(below < 0, below, 0.0)


def _error_of(apart: Float, floor: float) -> Float:
    """Return the standard deviation of the strength of a column in which nothing stands out."""
    count = len(apart)
    steps = np.abs(np.diff(apart, axis=0)) if count > 1 else np.abs(apart)
    own = np.median(steps, axis=0) * (1.4826 / np.sqrt(2.0))
    usual = median_filter(own, 31, mode="reflect")
    return np.asarray(np.maximum(np.maximum(own, usual) * (1.2533 / np.sqrt(count)), floor))


def agreed(one: Float, other: Float) -> Float:
    """Return the smaller of two values of one sign, else 0; infinity agrees with everything."""
    if bool(np.isinf(one).all()):
        return other
    smaller = np.where(np.abs(one) < np.abs(other), one, other)
    return np.where(one * other > 0, smaller, 0.0)


def standing_out(means: Float, distances: NDArray[np.int64]) -> tuple[Float, Float, Float]:
    """Return by how much every value is above what the left, the right and both say, (ranges, columns) each."""
    reach = 2 * int(distances[-1])
    padded = np.pad(means, ((0, 0), (reach, reach)), mode="reflect")
    left, right, both = np.empty_like(means), np.empty_like(means), np.empty_like(means)
    _compare(padded, distances, left, right, both)
    return left, right, both


def _compare_loop(padded: Float, distances: NDArray[np.int64], left: Float, right: Float, both: Float) -> None:
    reach, count = 2 * distances[-1], len(distances)
    said = np.empty((3, count))
    for row in range(left.shape[0]):
        line = padded[row]
        for column in range(left.shape[1]):
            here = column + reach
            for number in range(count):
                k = distances[number]
                said[0, number] = 2 * line[here - k] - line[here - 2 * k]
                said[1, number] = 2 * line[here + k] - line[here + 2 * k]
                near, far = line[here - k] + line[here + k], line[here - 2 * k] + line[here + 2 * k]
                said[2, number] = (4 * near - far) / 6
            for side in range(3):
                for number in range(1, count):  # sort by insertion
                    value, place = said[side, number], number
                    while place > 0 and said[side, place - 1] > value:
                        said[side, place] = said[side, place - 1]
                        place -= 1
                    said[side, place] = value
            middle, other = count // 2, (count - 1) // 2
            left[row, column] = line[here] - (said[0, middle] + said[0, other]) / 2
            right[row, column] = line[here] - (said[1, middle] + said[1, other]) / 2
            both[row, column] = line[here] - (said[2, middle] + said[2, other]) / 2


_compare = compiled(_compare_loop, nogil=True)


def without_pairs(score: Float, loose: Float, twice: int) -> Float:
    """Return scores with 0 where the column opposite of the rotation axis stands out alike.

    Parameters
    ----------
    score : (columns,) float64 array
        From `significance`.
    loose : (columns,) float64 array
        The same for a smaller part of the angles.
    twice : int
        Sum of the places of two columns opposite of each other.
    """
    clipped = np.minimum(np.abs(score), CLEAR)
    total = float(np.sum(clipped**2))
    paired = _paired(score, loose, twice)
    by_chance = (_paired(score, loose, twice + shift) for shift in (-53, -37, 37, 53))
    usual = max(float(np.sum(np.minimum(each, clipped) ** 2)) for each in by_chance)
    if float(np.sum(np.minimum(paired, clipped) ** 2)) < max(0.3 * total, 2 * usual):
        return score  # stripes in many columns: some of them are opposite of each other by chance
    on_axis = np.abs(2 * np.arange(len(score)) - twice) <= 2 * SLACK  # these are their own opposites
    return np.where((paired > 0.2 * clipped) | on_axis, 0.0, score)


def _paired(score: Float, loose: Float, twice: int) -> Float:
    """Return the largest score of the same sign, without the sign, about the place opposite of every column."""
    columns = len(score)
    opposite, there = np.zeros(columns), np.arange(columns)
    for shift in range(-SLACK, SLACK + 1):
        other = twice - there + shift
        known = (other >= 0) & (other < columns) & (np.abs(other - there) > 2 * SLACK)
        found = np.zeros(columns)
        found[known] = loose[other[known]]
        opposite = np.maximum(opposite, np.where(found * score > 0, np.abs(found), 0.0))
    return opposite


def twice_the_axis(sinogram: NDArray[np.float32]) -> int | None:
    """Return the sum of the places of two columns opposite of each other; None where no symmetry is found.

    Rows half a turn apart are mirror images: the first and the last of half a turn, the first and the middle one of a
    whole turn, of which the mean is its own mirror image, too.
    """
    count = max(len(sinogram) // 180, 1)
    middle = len(sinogram) // 2
    first, last, half, mean = (
        median_filter(part.mean(axis=0, dtype=np.float64), min(5, sinogram.shape[1]), mode="reflect")
        for part in (sinogram[:count], sinogram[-count:], sinogram[middle : middle + count], sinogram)
    )
    found = [_mirrored(one, other) for one, other in ((first, last), (first, half), (mean, mean))]
    apart, where = min(found)
    return where if apart < 0.05 else None


def _mirrored(one: Float, other: Float) -> tuple[float, int]:
    """Return the least mean square of the difference over the variance, and twice the axis there."""
    columns = len(one)
    best, where = np.inf, 0
    for twice in range(columns // 2, 2 * (columns - 1) - columns // 2 + 1):
        low, high = max(0, twice - columns + 1), min(columns, twice + 1)
        part, mirror = one[low:high], other[low:high][::-1]
        apart, spread = float(np.mean((part - mirror) ** 2)), float(np.var(part))
        if apart < best * spread:
            best, where = apart / spread, twice
    return best, where
