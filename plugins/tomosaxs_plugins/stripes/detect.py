"""Which columns of a sinogram hold a stripe: a test of significance that stripe-free data pass.

What a sample shows in a column of a sinogram passes through it: features run along sine curves. What a detector pixel
adds stays. Every run of columns is therefore compared with its neighbours at every angle: with the parabola through
two pairs of neighbours, at its left end with straight lines through columns on the left, at its right end with such on
the right. Of each comparison the location over the angles is taken (Tukey's biweight: what passes through does not
count) and its standard error; a stripe stands out from all three alike, by much more than its own error and the usual
deviation of the columns about it, and to the same side in most ranges of angle.

What is round about the rotation axis (the wall of a capillary) stays in its columns, too, but in two of them. Where the
axis can be told from rows half a turn apart, what stands out on both sides of it is left alone unless it is as sharp on
both of its own sides as stripes are and walls are not.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import median_filter, percentile_filter

from tomosaxs_plugins.stripes.compare import compare, run_location
from tomosaxs_plugins.stripes.mirror import STEADY, Candidate, Comparison, twice_the_axis, unpaired

Array = NDArray[np.float32]
Float = NDArray[np.float64]

FLOOR = 1e-4
"""Standard error that every comparison has at least, as a part of the range of the data."""
NARROW = 4
"""Widest stripe that is found by the parabola alone, px; wider ones have to have two sharp ends."""
KINDS = (-1, 0, 1)
"""Comparisons of every column: with the left, with the right, with both sides."""
REACH = 6
"""How far the columns are that a column is compared with, px."""
WIDER = 1.0
"""What the usual deviation of a run is, as a multiple of its width times that of a single column."""
EVEN = 0.12
"""By how much the comparisons of one column may differ that is no wall, as a part of what it stands out by."""
USUAL = 41
"""Columns from which the usual deviation is taken."""


def angular_windows(count: int, part: float) -> list[tuple[int, int]]:
    """Return the ranges of angles in which stripes are looked for: all, or overlapping ones as long as `part`."""
    if part >= 0.5:
        return [(0, count)]
    length = min(max(int(part * count), 3), count)
    starts = np.linspace(0, count - length, 1 + int(np.ceil(2 * (count - length) / length))).astype(int)
    return [(int(start), int(start) + length) for start in starts]


class Comparisons:
    """Every column beside its neighbours on the left, on the right and on both sides, kept up to date.

    Parameters
    ----------
    lines : (columns, angles) float32 array
        From `grouped`.
    """

    def __init__(self, lines: Array) -> None:
        self.lines = lines
        self.floor = max(FLOOR * float(lines.max() - lines.min()), 1e-30)
        self.sides = [Comparison(*np.zeros((3, len(lines)))) for _ in KINDS]
        self.update(np.arange(len(lines)))

    def update(self, columns: NDArray[np.int64]) -> None:
        """Compare some of the columns again."""
        for kind, side in zip(KINDS, self.sides, strict=True):
            compare(self.lines, kind, columns, side.value, side.error, side.share)
        self.left, self.right, self.single = (
            Comparison(side.value, np.maximum(np.maximum(side.error, _usual(side.value)), self.floor), side.share)
            for side in self.sides
        )

    def changed(self, stripes: list[Candidate]) -> None:
        """Compare the columns again that corrected stripes have changed, with those that were compared with them."""
        reach = np.arange(-REACH, REACH + 1)
        inside = np.concatenate([np.arange(each.first, each.last + 1) for each in stripes])
        columns = np.unique(inside[:, None] + reach)
        self.update(columns[(columns >= 0) & (columns < len(self.lines))])


def stripes_of(compared: Comparisons, widest: int, threshold: float, part: float) -> list[Candidate]:
    """Return the stripes of a sinogram, those that stand out most first.

    Parameters
    ----------
    compared : Comparisons
    widest : int
        Width of the widest stripe that is looked for, px.
    threshold : float
        Standard errors by which a stripe stands out, above 0.
    part : float
        Part of the angles over which a stripe must show, 0..1.
    """
    found: list[Candidate] = []
    for width in range(1, min(widest, NARROW) + 1):
        found += _narrow(compared, width, threshold, part)
    if widest > NARROW:
        found += _wide(compared.lines, compared.left, compared.right, widest, threshold, part)
    if not found:
        return []
    twice = twice_the_axis(compared.lines, found)
    kept = found if twice is None else unpaired(found, compared.left, compared.right, twice)
    chosen: list[Candidate] = []
    taken = np.zeros(len(compared.lines), bool)
    for stripe in sorted(kept, key=lambda each: (-each.score, each.first)):
        if not taken[stripe.first : stripe.last + 1].any():
            taken[stripe.first : stripe.last + 1] = True
            chosen.append(stripe)
    return chosen


def _usual(value: Float) -> Float:
    """Return the usual deviation of the columns about every column, as a standard deviation."""
    reach = min(USUAL, (len(value) - 1) | 1)
    apart = np.abs(value - median_filter(value, reach, mode="reflect"))
    return np.asarray(1.9069 * percentile_filter(apart, 40, reach, mode="reflect"))  # half of them may be striped


def _narrow(compared: Comparisons, width: int, threshold: float, part: float) -> list[Candidate]:
    """Return the runs of a width that stand out from both sides and their parabola."""
    count = len(compared.lines) - width + 1
    left, right, single = compared.left, compared.right, compared.single
    value, error, share = single
    ends = np.stack([left.value[:count], right.value[width - 1 :]])
    slack = 2 * np.stack([left.error[:count], right.error[width - 1 :]])
    likely = np.flatnonzero(ends[0] * ends[1] > 0)
    if width > 1:
        value, error, share = np.zeros((3, len(compared.lines)))
        likely = likely[np.abs(ends[:, likely]).max(axis=0) > 0.5 * threshold * single.error[likely]]
        compare(compared.lines, width, likely, value, error, share)
        error = np.maximum(error, WIDER * width * _usual(single.value))
        error = 2 * np.maximum(error, compared.floor)
    value, error, share = value[:count], error[:count], share[:count]
    score, sign, size = np.abs(value) / error, np.sign(value), np.abs(value)
    doubtful = score < 1.5 * threshold
    good = (score > threshold) & (share >= np.where(doubtful, max(part, STEADY), part))
    ends = ends * sign
    good &= ((ends > np.maximum(0.4 * size - slack, 0)) & (ends < 2.5 * size + slack)).all(axis=0)
    beside = np.pad(single.value, 2, mode="edge")  # a column beside a stripe stands out to the other side, by less
    for shift in (0, 1, width + 2, width + 3):
        good &= -beside[shift : shift + count] * sign < size
    sharp = np.abs(ends[0] - ends[1]) < 0.3 * ends.max(axis=0)
    even = np.logical_and((np.abs(ends - size) < EVEN * size).all(axis=0), width == 1)
    return [
        Candidate(int(c), int(c) + width - 1, float(score[c]), float(value[c]), bool(sharp[c]), bool(even[c]))
        for c in np.flatnonzero(good)
    ]


def _wide(
    lines: Array, left: Comparison, right: Comparison, widest: int, threshold: float, part: float
) -> list[Candidate]:
    """Return wider runs with a sharp step of the same height at both ends, over all of which their mean stands out."""
    found = []
    starts, ends = (
        np.flatnonzero((np.abs(each.value) > threshold * each.error) & (each.share >= part)) for each in (left, right)
    )
    for first in starts:
        for last in ends[(ends >= first + NARROW) & (ends < first + widest) & (ends < len(lines) - 1)]:
            if first < 1:
                continue
            one, other = float(left.value[first]), float(right.value[last])
            size = 0.5 * (abs(one) + abs(other))
            steps = np.array([one, other, -float(right.value[first - 1]), -float(left.value[last + 1])]) * np.sign(one)
            inside = max(abs(float(right.value[first])), abs(float(left.value[last])))
            if steps.min() < 0.5 * steps.max() or inside > 0.3 * size:
                continue
            plateau = run_location(lines, int(first), int(last)) * np.sign(one)
            if 0.6 * size < plateau < 1.6 * size:
                score = min(abs(one) / left.error[first], abs(other) / right.error[last])
                found.append(Candidate(int(first), int(last), float(score), 0.5 * (one + other), True))
    return found
