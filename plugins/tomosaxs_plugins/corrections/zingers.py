"""Zingers: values far above (or below) those around them. Plain functions on plain arrays.

A stray X-ray or a cosmic ray that hits the camera itself leaves a few pixels of one frame much too bright. Such a value
stands out from nearly all of its neighbours, which edges, thin lines and fringes do not: every pixel of a line has two
neighbours on the line. So a value is replaced only where it exceeds all of its neighbours but `size` - 1, each by the
limit, and then by the median of those that it exceeds. With `size` 4 in a window of 3 x 3 that is found which exceeds
the median of the window, as is usual; a smaller `size` is stricter.

Nearly all values fail that test, which needs no sorting; only those that pass it pay for a median.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import pairwise
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from tomosaxs_plugins.compiled import compiled, read_only
from tomosaxs_plugins.reconstruction.parallel import thread_count

Array = NDArray[np.float32]
Outliers = Literal["bright", "dark", "both"]

_BAND = 32  # rows looked at together: their copies stay in the cache


def window_reach(size: int) -> int:
    """Return how far the window reaches to each side: 1 (3 x 3) up to 4 pixels, 2 (5 x 5) up to 12."""
    return 1 if size <= 4 else 2


def replace_zingers(
    images: NDArray[Any],
    limit: float,
    *,
    relative: float = 0.0,
    size: int = 2,
    outliers: Outliers = "bright",
    dark: Array | None = None,
    span: Array | None = None,
    threads: int | None = None,
) -> tuple[Array, NDArray[np.intp]]:
    """Replace isolated outliers by the median of their neighbourhood.

    Parameters
    ----------
    images : (n, rows, columns) array
        Frames or sinograms, of any type.
    limit : float
        Excess over its neighbours at which a value is an outlier, in the units of the data, or, where `span` is given,
        as a part of it.
    relative : float
        The excess must also be above this part of the neighbour's own size.
    size : int
        Most pixels of an outlier, 1 to 12: so many less one of its neighbours may be as high.
    outliers : {"bright", "dark", "both"}
        Which are looked for.
    dark, span : (1 or n, 1 or rows, columns) float32 arrays, optional
        Dark, and flat minus dark, of the same pixels: what is compared is (image - dark) / span, so that the fixed
        structure of beam and camera is not taken for an outlier. Where the span is not positive a pixel is left alone.
    threads : int, optional
        Number of threads; by default as `thread_count` says.

    Returns
    -------
    images : (n, rows, columns) float32 array
        A copy; at the edges the window ends. NaN stays, and counts as a neighbour that is not exceeded.
    number : (n,) int array
        How many values of every image were replaced.

    Raises
    ------
    ValueError
        When `size` is out of range.
    """
    if not 1 <= size <= 12:
        raise ValueError(f"an outlier has 1 to 12 pixels, not {size}")
    stack = read_only(np.ascontiguousarray(images))
    count, rows, columns = stack.shape
    black = np.zeros((1, 1, columns), np.float32) if dark is None else np.ascontiguousarray(dark, dtype=np.float32)
    full = np.ones((1, 1, columns), np.float32) if span is None else np.array(span, dtype=np.float32, order="C")
    full[~(full > 0)] = np.nan
    out = np.empty(stack.shape, np.float32)
    reach = window_reach(size)
    workers = thread_count(threads)
    pieces = 1 if count >= 2 * workers else min(workers, -(-rows // _BAND))
    edges = np.linspace(0, rows, pieces + 1).astype(int)
    tasks = [(n, int(a), int(b)) for n in range(count) for a, b in pairwise(edges)]

    def work(task: tuple[int, int, int]) -> int:
        n, first, last = task
        arrays = (stack[n], read_only(black[min(n, len(black) - 1)]), full[min(n, len(full) - 1)], out[n])
        found: int = _replace_rows(
            *arrays, first, last, np.float32(limit), np.float32(relative), size, reach,
            outliers != "dark", outliers != "bright",
        )  # fmt: skip
        return found

    if workers == 1 or len(tasks) == 1:
        found = list(map(work, tasks))
    else:
        with ThreadPoolExecutor(workers) as pool:
            found = list(pool.map(work, tasks))
    return out, np.array(found, dtype=np.intp).reshape(count, pieces).sum(axis=1)


@partial(compiled, nogil=True, error_model="numpy")
def _median(values: Any, number: int) -> Any:
    """Return the median of the first values, which are sorted in place."""
    for i in range(1, number):
        one = values[i]
        k = i
        while k > 0 and values[k - 1] > one:
            values[k] = values[k - 1]
            k -= 1
        values[k] = one
    half = number // 2
    if number % 2:
        return values[half]
    return np.float32(0.5) * (values[half - 1] + values[half])


@partial(compiled, nogil=True, error_model="numpy")
def _count_exceeded(middle: Any, limits: Any, number: Any, reach: int) -> None:
    """Count, for every column, how many of the neighbours' limits its value exceeds."""
    columns = number.shape[0]
    if reach == 1:
        above, beside, below = limits[0], limits[1], limits[2]
        for x in range(columns):
            value = middle[x + 1]
            found = np.int32(value > above[x]) + np.int32(value > above[x + 1]) + np.int32(value > above[x + 2])
            found += np.int32(value > beside[x]) + np.int32(value > beside[x + 2])
            found += np.int32(value > below[x]) + np.int32(value > below[x + 1]) + np.int32(value > below[x + 2])
            number[x] = found
        return
    number[:] = 0
    for dy in range(2 * reach + 1):
        row = limits[dy]
        for dx in range(2 * reach + 1):
            if dy != reach or dx != reach:
                for x in range(columns):
                    number[x] += np.int32(middle[x + reach] > row[x + dx])


@partial(compiled, nogil=True, error_model="numpy")
def _needed(needed: Any, down: int, reach: int, size: int) -> None:
    """Write how many neighbours must be exceeded: all there are but `size` - 1, more than half in any case."""
    columns = needed.shape[0]
    for x in range(columns):
        there = down * (min(x + reach, columns - 1) - max(x - reach, 0) + 1) - 1
        needed[x] = max(there - size + 1, there // 2 + 1)


@partial(compiled, nogil=True, error_model="numpy")
def _load_rows(image: Any, dark: Any, span: Any, values: Any, first: int, reach: int) -> None:
    """Fill the buffer of values with the rows from `first` on, with NaN where the image has ended."""
    rows, columns = image.shape
    values[:, :reach] = np.nan
    values[:, columns + reach :] = np.nan
    for i in range(values.shape[0]):
        row = first + i
        if row < 0 or row >= rows:
            values[i] = np.nan
            continue
        black, full = dark[min(row, dark.shape[0] - 1)], span[min(row, span.shape[0] - 1)]
        for x in range(columns):
            values[i, x + reach] = (np.float32(image[row, x]) - black[x]) / full[x]


@partial(compiled, nogil=True, error_model="numpy")
def _replace_rows(
    image: Any, dark: Any, span: Any, out: Any, first: int, last: int,
    limit: Any, relative: Any, size: int, reach: int, bright: bool, low: bool,
) -> int:  # fmt: skip
    """Write the corrected rows first .. last - 1 of an image, and return how many values were replaced."""
    rows, columns = image.shape
    values = np.empty((_BAND + 2 * reach, columns + 2 * reach), np.float32)
    limits = np.empty_like(values)
    number, needed = np.empty(columns, np.int32), np.empty(columns, np.int32)
    window = np.empty((2 * reach + 1) ** 2, np.float32)
    replaced = before = 0
    for start in range(first, last, _BAND):
        end = min(start + _BAND, last)
        _load_rows(image, dark, span, values, start - reach, reach)
        for row in range(start, end):
            for x in range(columns):
                out[row, x] = image[row, x]
        for side in range(2):
            if not (bright if side == 0 else low):
                continue
            sign = np.float32(1 - 2 * side)
            values *= sign  # dark outliers are bright ones of the negative
            for i in range(values.shape[0]):
                for x in range(columns + 2 * reach):
                    value = values[i, x]
                    limits[i, x] = value + max(limit, relative * abs(value))
            for row in range(start, end):
                i = row - start
                down = min(row + reach, rows - 1) - max(row - reach, 0) + 1
                if down != before:
                    _needed(needed, down, reach, size)
                    before = down
                _count_exceeded(values[i + reach], limits[i : i + 2 * reach + 1], number, reach)
                for x in range(columns):
                    if number[x] >= needed[x]:
                        middle = sign * _middle(values, limits, window, i, x, reach)
                        scale, zero = span[min(row, span.shape[0] - 1), x], dark[min(row, dark.shape[0] - 1), x]
                        out[row, x] = middle * scale + zero
                        replaced += 1
    return replaced


@partial(compiled, nogil=True, error_model="numpy")
def _middle(values: Any, limits: Any, window: Any, i: int, x: int, reach: int) -> Any:
    """Return the median of those in a window that the value in its middle exceeds."""
    value, inside = values[i + reach, x + reach], 0
    for dy in range(2 * reach + 1):
        for dx in range(2 * reach + 1):
            if (dy != reach or dx != reach) and value > limits[i + dy, x + dx]:
                window[inside] = values[i + dy, x + dx]
                inside += 1
    return _median(window, inside)
