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

from tomosaxs_plugins.compiled import compiled
from tomosaxs_plugins.stripes.mirror import STEADY, Candidate, Comparison, twice_the_axis, unpaired

Array = NDArray[np.float32]
Float = NDArray[np.float64]

GROUPS = 128
"""Groups of neighbouring angles that are compared with each other, at most."""
BLOCKS = 32
"""Ranges of angle in which a stripe is to stand out to one side."""
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


def grouped(sinogram: Array) -> Array:
    """Return the means over groups of neighbouring angles, column by column: (columns, groups)."""
    count, columns = sinogram.shape
    groups = count // -(-count // GROUPS)
    out = np.zeros((groups, columns), np.float32)
    _group(sinogram, np.linspace(0, count, groups + 1).astype(np.int64), out)
    return np.ascontiguousarray(out.T)


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
            _compare(self.lines, kind, columns, side.value, side.error, side.share)
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
        _compare(compared.lines, width, likely, value, error, share)
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
            plateau = _run_location(lines, int(first), int(last)) * np.sign(one)
            if 0.6 * size < plateau < 1.6 * size:
                score = min(abs(one) / left.error[first], abs(other) / right.error[last])
                found.append(Candidate(int(first), int(last), float(score), 0.5 * (one + other), True))
    return found


def _group_loop(sinogram: Array, edges: NDArray[np.int64], out: Array) -> None:
    for group in range(len(edges) - 1):
        line = out[group]
        for row in range(edges[group], edges[group + 1]):
            for column in range(len(line)):
                line[column] += sinogram[row, column]
        share = np.float32(1.0 / (edges[group + 1] - edges[group]))
        for column in range(len(line)):
            line[column] *= share


def _select_loop(values: Array, count: int) -> float:
    """Return the median; the values are put into another order."""
    low, high, middle = 0, count - 1, count // 2
    while low < high:
        pivot = values[(low + high) // 2]
        i, j = low, high
        while i <= j:
            while values[i] < pivot:
                i += 1
            while values[j] > pivot:
                j -= 1
            if i <= j:
                values[i], values[j] = values[j], values[i]
                i += 1
                j -= 1
        if middle <= j:
            high = j
        elif middle >= i:
            low = i
        else:
            break
    return float(values[middle])


_select = compiled(_select_loop, nogil=True)


def _residual_loop(lines: Array, first: int, last: int, kind: int, out: Array) -> bool:
    """Fill in what a run is above its neighbours at every angle; return if it has enough of them."""
    columns, count = lines.shape
    if kind <= 0:
        side = -1 if kind < 0 else 1
        here = first if kind < 0 else last
        deepest = 0
        while deepest < 3 and 0 <= here + 2 * side * (deepest + 1) < columns:
            deepest += 1
        if deepest == 0:
            return False
        line = lines[here]
        a, b = lines[here + side], lines[here + 2 * side]
        if deepest < 3:
            for k in range(count):
                out[k] = line[k] - 2 * a[k] + b[k]
            return True
        c, d, e = lines[here + 4 * side], lines[here + 3 * side], lines[here + 6 * side]
        for k in range(count):
            x, y, z = 2 * a[k] - b[k], 2 * b[k] - c[k], 2 * d[k] - e[k]
            out[k] = line[k] - max(min(x, y), min(max(x, y), z))
        return True
    if first < 1 or last > columns - 2:
        return False
    width = last - first + 1
    step = (width + 1) // 2
    near = 0.5 * (width + 1)
    far = near + step
    share = np.float32(0)
    if first - 1 - step >= 0 and last + 1 + step < columns:
        share = np.float32((near * near - (width * width - 1) / 12.0) / (far * far - near * near))
    else:
        step = 0
    a, b, c, d = lines[first - 1], lines[last + 1], lines[first - 1 - step], lines[last + 1 + step]
    part, half = np.float32(1.0 / width), np.float32(0.5)
    for k in range(count):
        out[k] = lines[first, k]
    for column in range(first + 1, last + 1):
        for k in range(count):
            out[k] += lines[column, k]
    for k in range(count):
        out[k] = part * out[k] - half * ((1 + share) * (a[k] + b[k]) - share * (c[k] + d[k]))
    return True


_residual = compiled(_residual_loop, nogil=True)


def _location_loop(values: Array, work: Array) -> tuple[float, float]:
    """Return Tukey's biweight location and the scale, 1.4826 times the median absolute deviation."""
    count = len(values)
    for k in range(count):
        work[k] = values[k]
    middle = _select(work, count)
    for k in range(count):
        work[k] = abs(values[k] - np.float32(middle))
    scale = 1.4826 * _select(work, count)
    if scale <= 0:
        return middle, 0.0
    share = np.float32(1 / (4 * scale))
    for _ in range(4):
        above, total, centre = np.float32(0), np.float32(0), np.float32(middle)
        for k in range(count):
            apart = values[k] - centre
            u = apart * share
            w = max(np.float32(1) - u * u, np.float32(0))
            w *= w
            above += w * apart
            total += w
        middle += float(above) / float(total) if total > 0 else 0.0
    return middle, scale


_location = compiled(_location_loop, nogil=True, fastmath={"reassoc", "contract"})


def _compare_loop(lines: Array, kind: int, chosen: NDArray[np.int64], value: Float, error: Float, share: Float) -> None:
    count = lines.shape[1]
    blocks = min(count, BLOCKS)
    values, work = np.empty(count, np.float32), np.empty(count, np.float32)
    for column in chosen:
        if not _residual(lines, column, column + max(kind, 1) - 1, kind, values):
            continue
        middle, scale = _location(values, work)
        clip = 3 * scale
        sums, squares, products, before = 0.0, 0.0, 0.0, 0.0
        same = 0
        for block in range(blocks):
            mean = 0.0
            for k in range(block * count // blocks, (block + 1) * count // blocks):
                apart = min(max(values[k] - middle, -clip), clip)
                mean += middle + apart
                squares += apart * apart
                products += apart * before
                before = apart
            if mean * middle > 0:
                same += 1
        sums = max(min(products / squares if squares > 0 else 0.0, 0.9), 0.0)  # neighbouring angles are alike
        value[column] = middle
        error[column] = 1.1 * scale * np.sqrt((1 + sums) / (1 - sums) / count)
        share[column] = same / blocks


def _run_location(lines: Array, first: int, last: int) -> float:
    """Return by how much the mean of a run stands out; 0 where it has no neighbours."""
    values = np.empty(lines.shape[1], np.float32)
    return float(_location(values, np.empty_like(values))[0]) if _residual(lines, first, last, 1, values) else 0.0


def sides(lines: Array, stripe: Candidate) -> tuple[Array, Array]:
    """Return the step at the left and at the right end of a stripe at every angle, seen from outside and inside."""
    steps = []
    for column, kind in ((stripe.first, -1), (stripe.last, 0)):
        outer = stripe.first - 1 if kind < 0 else stripe.last + 1
        one, other = np.zeros((2, lines.shape[1]), np.float32)
        _residual(lines, column, column, kind, one)
        _residual(lines, outer, outer, -1 - kind, other)
        steps.append(0.5 * (one - other))
    return steps[0], steps[1]


_group = compiled(_group_loop, nogil=True)
_compare = compiled(_compare_loop, nogil=True)
