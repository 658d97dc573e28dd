"""Comparisons of columns with their neighbours at every angle, and what they come to over the angles."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tomosaxs_plugins.compiled import compiled
from tomosaxs_plugins.selection import select_middle
from tomosaxs_plugins.stripes.mirror import Candidate

Array = NDArray[np.float32]
Float = NDArray[np.float64]

GROUPS = 128
"""Groups of neighbouring angles that are compared with each other, at most."""
BLOCKS = 32
"""Ranges of angle in which a stripe is to stand out to one side."""


def grouped(sinogram: Array) -> Array:
    """Return the means over groups of neighbouring angles, column by column: (columns, groups)."""
    count, columns = sinogram.shape
    groups = count // -(-count // GROUPS)
    out = np.zeros((groups, columns), np.float32)
    _group(sinogram, np.linspace(0, count, groups + 1).astype(np.int64), out)
    return np.ascontiguousarray(out.T)


def _group_loop(sinogram: Array, edges: NDArray[np.int64], out: Array) -> None:
    for group in range(len(edges) - 1):
        line = out[group]
        for row in range(edges[group], edges[group + 1]):
            for column in range(len(line)):
                line[column] += sinogram[row, column]
        share = np.float32(1.0 / (edges[group + 1] - edges[group]))
        for column in range(len(line)):
            line[column] *= share


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
    middle = float(select_middle(work, count))
    for k in range(count):
        work[k] = abs(values[k] - np.float32(middle))
    scale = 1.4826 * float(select_middle(work, count))
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


def run_location(lines: Array, first: int, last: int) -> float:
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
compare = compiled(_compare_loop, nogil=True)
