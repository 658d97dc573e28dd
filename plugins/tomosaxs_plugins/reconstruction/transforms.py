"""Fourier transforms of many series side by side: every number is a vector, one lane for each series.

The series may be those of eight slices, or of eight rows of one slice. Lanes never mix, so that no values have to be
moved within a vector, and what a series becomes does not depend on the others. The passes are those of a Stockham
transform (see C. Van Loan, Computational Frameworks for the Fast Fourier Transform, DOI 10.1137/1.9781611970999,
section 1.7): they sort the values on the way and need a second buffer.

A complex number takes sixteen float32 values of a flat buffer: eight real parts, then eight imaginary parts.
"""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tomosaxs_plugins.compiled import compiled
from tomosaxs_plugins.reconstruction.passes import pass_of_2, pass_of_3, pass_of_4, pass_of_5

FACTORS = (4, 5, 3, 2)
"""Lengths are products of these."""


class Transform(NamedTuple):
    """What all transforms of one length share.

    Parameters
    ----------
    length : int
        Complex numbers of a series.
    factors : ndarray, shape (passes,), int64
        Whose product is the length.
    turns : ndarray, float32
        Twiddle factors of all passes, one after the other.
    """

    length: int
    factors: NDArray[np.int64]
    turns: NDArray[np.float32]


def circle(half: int) -> NDArray[np.float32]:
    """Return what takes the spectra of two series apart that were transformed as real and imaginary part of one.

    Parameters
    ----------
    half : int
        Length of that one.

    Returns
    -------
    ndarray, shape (2 * half + 2,)
        By turns cosine and sine of ``pi k / half``.
    """
    angle = np.pi * np.arange(half + 1) / half
    return np.stack([np.cos(angle), np.sin(angle)], axis=-1).ravel().astype(np.float32)


def good_length(least: int, multiple: int) -> int:
    """Return the smallest length with no prime factor above five that is a multiple of another such number.

    Parameters
    ----------
    least, multiple : int
        Lower limit, and what the length must be divisible by.

    Returns
    -------
    int
    """
    length = multiple * max(1, -(-least // multiple))
    while not _factors(length):
        length += multiple
    return length


def transform_of(length: int) -> Transform:
    """Prepare forward transforms.

    Parameters
    ----------
    length : int
        A product of 2, 3 and 5.

    Returns
    -------
    Transform

    Raises
    ------
    ValueError
        If the length has another prime factor.
    """
    factors = _factors(length)
    if not factors:
        raise ValueError(f"{length} has a prime factor above 5")
    turns, left = [], length
    for factor in factors:
        place, leg = np.arange(left // factor)[:, np.newaxis], np.arange(1, factor)
        turn = np.exp(-2j * np.pi * place * leg / left)
        turns.append(np.stack([turn.real, turn.imag], axis=-1).ravel())
        left //= factor
    return Transform(length, np.array(factors, dtype=np.int64), np.concatenate(turns).astype(np.float32))


def _factors(length: int) -> list[int]:
    """Return the factors of a length, fours first; an empty list where there are others."""
    found = []
    for factor in FACTORS:
        while length % factor == 0:
            found.append(factor)
            length //= factor
    return (found or [1]) if length == 1 else []


@partial(compiled, nogil=True, error_model="numpy")
def transform(source: Any, source_at: int, work: Any, plan: Any, half: bool) -> int:
    """Transform eight series: ``sum over n of value[n] exp(-2 pi i k n / length)``.

    Parameters
    ----------
    source : ndarray, float32, flat
        The series begin at `source_at`; they are not changed.
    source_at : int
    work : ndarray, shape (32 * length,) or longer, float32
        Two buffers; the source may be neither.
    plan : Transform
    half : bool
        Whether the second half of the series is zero, whatever the source holds there; the first factor must be 4.

    Returns
    -------
    int
        Where in `work` the result begins.
    """
    # typed: numba would compile the passes once more for literals that are no more after the first turn
    stride, left, turn, target = np.int64(1), plan.length, np.int64(0), np.int64(0)
    for number in range(len(plan.factors)):
        factor = plan.factors[number]
        values, begin = source, source_at
        if number > 0:
            values, begin = work, target
            target = 16 * plan.length - target
        legs = left // factor
        if factor == 4:
            pass_of_4(values, begin, work, target, legs, stride, plan.turns, turn, half and number == 0)
        elif factor == 5:
            pass_of_5(values, begin, work, target, legs, stride, plan.turns, turn)
        elif factor == 3:
            pass_of_3(values, begin, work, target, legs, stride, plan.turns, turn)
        elif factor == 2:
            pass_of_2(values, begin, work, target, legs, stride, plan.turns, turn)
        else:
            for place in range(16):
                work[target + place] = values[begin + place]
        turn += 2 * (factor - 1) * legs
        left = legs
        stride *= factor
    return int(target)
