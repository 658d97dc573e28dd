"""Zingers by comparison with the frames before and after: plain functions on plain arrays."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tomosaxs_plugins.compiled import compiled, read_only
from tomosaxs_plugins.corrections.zingers import Array, Outliers
from tomosaxs_plugins.reconstruction.parallel import thread_count

FRAMES = (3, 5)
"""How many frames a median may be taken of."""


def replace_zingers_in_time(
    frames: NDArray[Any],
    limit: Array | float,
    *,
    window: int = 3,
    outliers: Outliers = "bright",
    threads: int | None = None,
) -> Array:
    """Replace values that stand out from the same pixel in the frames before and after.

    Parameters
    ----------
    frames : (n, rows, columns) array
        In the order in which neighbours are alike, of any type.
    limit : (rows, columns) float32 array or float
        Excess over the median of the window at which a value is replaced by it, in the units of the data.
    window : {3, 5}
        Number of frames; beyond the first and last frame the series goes on as its mirror image.
    outliers : {"bright", "dark", "both"}
        Which are looked for. ``both`` with a limit of 0 is the plain moving median.
    threads : int, optional
        Number of threads; by default as `thread_count` says.

    Returns
    -------
    (n, rows, columns) float32 array
        NaN stays.

    Raises
    ------
    ValueError
        When the window is neither 3 nor 5.
    """
    if window not in FRAMES:
        raise ValueError(f"the median is taken of 3 or 5 frames, not {window}")
    stack = read_only(np.ascontiguousarray(frames))
    rows, columns = stack.shape[1:]
    limits = np.ascontiguousarray(np.broadcast_to(np.asarray(limit, dtype=np.float32), (rows, columns)))
    out = np.empty(stack.shape, np.float32)
    workers = min(thread_count(threads), rows)
    edges = np.linspace(0, rows, workers + 1).astype(int)

    def work(part: tuple[int, int]) -> None:
        _replace(stack, limits, out, *part, window == 5, outliers != "dark", outliers != "bright")

    parts = [(int(a), int(b)) for a, b in pairwise(edges)]
    if workers <= 1:
        work((0, rows))
        return out
    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(work, parts))
    return out


@partial(compiled, nogil=True, error_model="numpy")
def _fold(place: int, size: int) -> int:
    """Return a place inside the series; beyond its ends the series goes on backwards."""
    if place < 0:
        place = -place
    if place >= size:
        place = 2 * (size - 1) - place
    return min(max(place, 0), size - 1)


@partial(compiled, nogil=True, error_model="numpy")
def _median_of_three(a: Any, b: Any, c: Any) -> Any:
    return max(min(a, b), min(max(a, b), c))


@partial(compiled, nogil=True, error_model="numpy")
def _median_of_five(a: Any, b: Any, c: Any, d: Any, e: Any) -> Any:
    """Of two pairs, drop the smaller minimum and the larger maximum; the median of the three left is that of all."""
    low = max(min(a, b), min(c, d))
    high = min(max(a, b), max(c, d))
    return _median_of_three(low, high, e)


@partial(compiled, nogil=True, error_model="numpy")
def _replace(frames: Any, limits: Any, out: Any, first: int, last: int, five: bool, bright: bool, low: bool) -> None:
    """Correct some rows of all frames; the five frames that are needed at a time stay in the cache."""
    count, _, columns = frames.shape
    wide = np.float32(np.inf)
    for row in range(first, last):
        for k in range(count):
            now = frames[k, row]
            before, after = frames[_fold(k - 1, count), row], frames[_fold(k + 1, count), row]
            early, late = frames[_fold(k - 2, count), row], frames[_fold(k + 2, count), row]
            for x in range(columns):
                value, a, b = np.float32(now[x]), np.float32(before[x]), np.float32(after[x])
                if five:
                    middle = _median_of_five(np.float32(early[x]), a, b, np.float32(late[x]), value)
                else:
                    middle = _median_of_three(a, b, value)
                above = limits[row, x] if bright else wide
                below = limits[row, x] if low else wide
                wrong = value > middle + above or value < middle - below
                out[k, row, x] = middle if wrong else value
