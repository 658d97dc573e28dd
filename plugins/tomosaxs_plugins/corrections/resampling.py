"""Values of frames between their pixels: linear, or with cubic B-splines. Plain functions on plain arrays.

Linear interpolation is quick and damps fine detail, by an amount that changes with the fraction of a pixel: half way
between pixels, a period of four pixels is left with 71 % of its contrast and white noise with a quarter of its
variance, which draws a pattern over the frame. The interpolating cubic B-spline keeps 97 % there. It needs a recursive
filter first (M. Unser et al., IEEE Trans. Signal Process. 41, 834, 1993, 10.1109/78.193221) and then reads 4 x 4 values
a pixel. Frames go on as their mirror image (about the outermost pixel centres); positions beyond them take the value
at the edge.

Every frame is treated by itself, in the same order whatever the threads.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from tomosaxs_plugins.compiled import compiled, read_only
from tomosaxs_plugins.reconstruction.parallel import thread_count

Array = NDArray[np.float32]
Positions = Callable[[int, int], tuple[NDArray[np.float64], NDArray[np.float64]]]
Interpolation = Literal["linear", "cubic"]

_BAND = 16  # rows whose positions are worked out at a time, for all frames of a block
_POLE = np.sqrt(3.0) - 2.0  # of the cubic B-spline's inverse filter
_REACH = 14  # pixels after which its memory is below single precision: 0.268**14 = 1e-8


def resample(
    frames: NDArray[Any], positions: Positions, interpolation: Interpolation = "cubic", threads: int | None = None
) -> Array:
    """Return frames sampled at other places.

    Parameters
    ----------
    frames : (n, rows, columns) array
        Of any type.
    positions : callable
        ``positions(first, last)`` returns rows and columns, two (last - first, columns) float64 arrays: where in a
        frame the pixels of the output rows first .. last - 1 are taken from.
    interpolation : {"cubic", "linear"}
        How.
    threads : int, optional
        Number of threads; by default as `thread_count` says.

    Returns
    -------
    (n, rows, columns) float32 array
    """
    stack = read_only(np.ascontiguousarray(frames, dtype=np.float32))
    count, rows, columns = stack.shape
    out = np.empty_like(stack)
    workers = thread_count(threads)
    cubic = interpolation == "cubic"
    source = np.empty((count, rows + 3, columns + 3), np.float32) if cubic else stack
    if cubic:
        _each(lambda number: _spline_coefficients(stack[number], source[number]), range(count), workers)

    def fill(first: int) -> None:
        last = min(first + _BAND, rows)
        y, x = positions(first, last)
        np.clip(y, 0, rows - 1, out=y)
        np.clip(x, 0, columns - 1, out=x)
        (_cubic if cubic else _linear)(source, y, x, out, first)

    _each(fill, range(0, rows, _BAND), workers)
    return out


def _each(function: Callable[[int], None], numbers: range, workers: int) -> None:
    if workers == 1 or len(numbers) == 1:
        for number in numbers:
            function(number)
        return
    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(function, numbers))


@partial(compiled, nogil=True, error_model="numpy")
def _mirror(place: int, size: int) -> int:
    """Return a place inside an axis that goes on as its mirror image."""
    if size == 1:
        return 0
    place = abs(place) % (2 * size - 2)
    return min(place, 2 * size - 2 - place)


@partial(compiled, nogil=True, error_model="numpy", fastmath={"contract"})
def _filter_line(line: Any) -> None:
    """Turn the values of a line into the coefficients of its cubic B-spline, in place, but for the factor 6."""
    size = line.shape[0]
    if size == 1:
        return
    pole = np.float32(_POLE)
    start = np.float32(0)
    for k in range(_REACH, -1, -1):
        start = start * pole + line[_mirror(k, size)]
    line[0] = start
    for k in range(1, size):
        line[k] += pole * line[k - 1]
    line[size - 1] = pole / (pole * pole - np.float32(1)) * (line[size - 1] + pole * line[size - 2])
    for k in range(size - 2, -1, -1):
        line[k] = pole * (line[k + 1] - line[k])


@partial(compiled, nogil=True, error_model="numpy", fastmath={"contract"})
def _spline_coefficients(frame: Any, out: Any) -> None:
    """Write the coefficients of the cubic B-spline through a frame, with one more before and two more behind."""
    rows, columns = frame.shape
    pole, six = np.float32(_POLE), np.float32(6)
    inside = out[1 : rows + 1, 1 : columns + 1]
    for row in range(rows):
        for x in range(columns):
            inside[row, x] = frame[row, x] * (six if columns > 1 else np.float32(1))
        _filter_line(inside[row])
    if rows > 1:
        start = np.zeros(columns, np.float32)
        for k in range(_REACH, -1, -1):
            line = inside[_mirror(k, rows)]
            for x in range(columns):
                start[x] = start[x] * pole + line[x]
        for x in range(columns):
            inside[0, x] = start[x]
        for row in range(1, rows):
            for x in range(columns):
                inside[row, x] += pole * inside[row - 1, x]
        end = pole / (pole * pole - np.float32(1))
        for x in range(columns):
            inside[rows - 1, x] = six * end * (inside[rows - 1, x] + pole * inside[rows - 2, x])
        for row in range(rows - 2, -1, -1):
            for x in range(columns):
                inside[row, x] = pole * (inside[row + 1, x] - six * inside[row, x])
    for row in range(rows):
        for k in (-1, columns, columns + 1):
            out[row + 1, k + 1] = inside[row, _mirror(k, columns)]
    for k in (-1, rows, rows + 1):
        at = 1 + _mirror(k, rows)
        for x in range(out.shape[1]):
            out[k + 1, x] = out[at, x]


@partial(compiled, nogil=True, error_model="numpy")
def _linear(frames: Any, y: Any, x: Any, out: Any, first: int) -> None:
    """Interpolate some output rows of all frames linearly."""
    count, rows, columns = frames.shape
    for k in range(count):
        frame = frames[k]
        for i in range(y.shape[0]):
            for j in range(columns):
                top, left = int(y[i, j]), int(x[i, j])
                top, left = min(top, max(rows - 2, 0)), min(left, max(columns - 2, 0))
                down, right = np.float32(y[i, j] - top), np.float32(x[i, j] - left)
                bottom, beyond = min(top + 1, rows - 1), min(left + 1, columns - 1)
                upper = frame[top, left] + right * (frame[top, beyond] - frame[top, left])
                lower = frame[bottom, left] + right * (frame[bottom, beyond] - frame[bottom, left])
                out[k, first + i, j] = upper + down * (lower - upper)


@partial(compiled, nogil=True, error_model="numpy", fastmath={"contract"})
def _weights(part: Any) -> Any:
    """Return the values of the four cubic B-splines around a place; they sum to 1."""
    one, sixth = np.float32(1), np.float32(1.0 / 6.0)
    rest = one - part
    w0 = sixth * rest * rest * rest
    w3 = sixth * part * part * part
    w1 = np.float32(2.0 / 3.0) - np.float32(0.5) * part * part * (np.float32(2) - part)
    return w0, w1, one - w0 - w1 - w3, w3


@partial(compiled, nogil=True, error_model="numpy", fastmath={"contract"})
def _cubic(coefficients: Any, y: Any, x: Any, out: Any, first: int) -> None:
    """Evaluate the cubic B-splines of all frames at some output rows."""
    count, _, stride = coefficients.shape
    for k in range(count):
        values = coefficients[k].reshape(-1)
        for i in range(y.shape[0]):
            for j in range(y.shape[1]):
                top, left = np.int32(y[i, j]), np.int32(x[i, j])
                a0, a1, a2, a3 = _weights(np.float32(y[i, j] - top))
                b0, b1, b2, b3 = _weights(np.float32(x[i, j] - left))
                p = np.int64(top) * stride + left
                q, r = p + stride, p + 2 * stride
                s = r + stride
                value = a0 * (b0 * values[p] + b1 * values[p + 1] + b2 * values[p + 2] + b3 * values[p + 3])
                value += a1 * (b0 * values[q] + b1 * values[q + 1] + b2 * values[q + 2] + b3 * values[q + 3])
                value += a2 * (b0 * values[r] + b1 * values[r + 1] + b2 * values[r + 2] + b3 * values[r + 3])
                value += a3 * (b0 * values[s] + b1 * values[s + 1] + b2 * values[s + 2] + b3 * values[s + 3])
                out[k, first + i, j] = value
