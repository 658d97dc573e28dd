"""Multiplication of images by a function of frequency, through cosine transforms: real, float32, nearly no padding.

A cosine transform of the second kind sees an image that goes on as its own mirror image on all sides, without end.
Frames whose surroundings are meant to be like that need no padding at all; where the edges are meant to go on as they
are, a margin of half the reach of the filter is enough, because what is mirrored begins twice as far away.

J. Makhoul, A fast cosine transform in one and two dimensions (10.1109/TASSP.1980.1163351).
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from tomosaxs_plugins.compiled import compiled

Array = NDArray[np.float32]
Padding = Literal["reflect", "edge"]
_STRIP = 16  # columns transformed together: they and their results stay in the cache


def fast_size(least: int) -> int:
    """Return the next length, at least `least`, that transforms are fast for."""
    return int(fft.next_fast_len(least, real=True))


@dataclass(frozen=True, eq=False)
class CosineFilter:
    """A filter for frames of one shape.

    Parameters
    ----------
    shape : (rows, columns)
        Of the frames.
    before : (above, left)
        Width of the margin before the frame; what lies behind it follows from the size of `response`.
    padding : str
        How the margin is filled: ``reflect`` or ``edge``.
    response : (columns + margin, rows + margin) float32 array
        What the coefficients are multiplied by, transposed, divided by four times its number of entries.
    """

    shape: tuple[int, int]
    before: tuple[int, int]
    padding: Padding
    response: Array

    @property
    def padded(self) -> tuple[int, int]:
        """Rows and columns that are transformed."""
        return self.response.shape[1], self.response.shape[0]

    @property
    def workspace(self) -> int:
        """Bytes that one thread needs."""
        return 4 * self.response.size

    def __call__(self, frames: NDArray[Any], threads: int = 1) -> Array:
        """Return filtered (n, rows, columns) frames, each treated by itself.

        Raises
        ------
        ValueError
            When the frames have another shape.
        """
        if frames.shape[1:] != self.shape:
            raise ValueError(f"the filter is for frames of {self.shape}, given {frames.shape[1:]}")
        out = np.empty(frames.shape, np.float32)
        if threads == 1 or len(frames) == 1:
            for frame, made in zip(frames, out, strict=True):
                self._one(frame, made)
            return out
        with ThreadPoolExecutor(min(threads, len(frames))) as pool:
            list(pool.map(self._one, frames, out))
        return out

    def _one(self, frame: NDArray[Any], made: Array) -> None:
        """Filter one frame. Its mean is taken away before, so that rounding is relative to the contrast."""
        mean = np.float32(frame.mean(dtype=np.float64))
        (above, left), (rows, columns) = self.before, self.shape
        padded = np.empty(self.padded, np.float32)
        inner = padded[above : above + rows, left : left + columns]
        np.subtract(frame, mean, out=inner, casting="unsafe")
        _fill_margin(padded, self.before, self.shape, self.padding)
        across = fft.dct(padded, axis=1, overwrite_x=True, workers=1)
        strip = np.empty((_STRIP, self.padded[0]), np.float32)
        for first in range(0, self.padded[1], _STRIP):
            part = strip[: min(_STRIP, self.padded[1] - first)]
            _gather(across, first, part)
            coefficients = fft.dct(part, axis=1, overwrite_x=True, workers=1)
            coefficients *= self.response[first : first + len(part)]
            _scatter(fft.idct(coefficients, axis=1, norm="forward", overwrite_x=True, workers=1), first, across)
        back = fft.idct(across, axis=1, norm="forward", overwrite_x=True, workers=1)
        np.add(back[above : above + rows, left : left + columns], mean, out=made)


def _fill_margin(padded: Array, before: tuple[int, int], shape: tuple[int, int], padding: Padding) -> None:
    """Fill the margin of each side, columns first, then whole rows."""
    if padded.shape == shape:
        return
    rows = slice(before[0], before[0] + shape[0])
    columns = _sources(padded.shape[1], before[1], shape[1], padding)
    outside = np.flatnonzero((np.arange(len(columns)) < before[1]) | (np.arange(len(columns)) >= before[1] + shape[1]))
    padded[rows, outside] = padded[rows, before[1] + columns[outside]]
    for row, source in enumerate(_sources(padded.shape[0], before[0], shape[0], padding)):
        if before[0] + source != row:
            padded[row] = padded[before[0] + source]


def _sources(size: int, before: int, inner: int, padding: Padding) -> NDArray[np.intp]:
    """Return which entry of the frame each of `size` entries is a copy of."""
    places = np.arange(size) - before
    if padding == "edge":
        return np.clip(places, 0, inner - 1)
    places %= 2 * inner
    return np.where(places < inner, places, 2 * inner - 1 - places)


def _gather_python(image: Array, first: int, strip: Array) -> None:
    for row in range(image.shape[0]):
        for column in range(strip.shape[0]):
            strip[column, row] = image[row, first + column]


def _scatter_python(strip: Array, first: int, image: Array) -> None:
    for row in range(image.shape[0]):
        for column in range(strip.shape[0]):
            image[row, first + column] = strip[column, row]


_gather = compiled(_gather_python, nogil=True)
_scatter = compiled(_scatter_python, nogil=True)
