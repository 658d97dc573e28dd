"""What is round about the rotation axis shows in two columns of a sinogram, opposite of each other."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import median_filter

from tomosaxs_plugins.compiled import compiled

Array = NDArray[np.float32]
Float = NDArray[np.float64]

SLACK = 2
"""By how much the two sides of something round may differ in their distance from the axis, px."""
WIDE = 4
"""Columns from which a stripe has an inside, less one."""
STEADY = 0.75
"""Part of the angles in which what is round stands out to one side, at least."""
CLEAR = 20.0
"""Standard errors beyond which one stripe is as clear as another."""
CHANCE = (-71, -59, -47, -37, 37, 47, 59, 71)
"""Shifts of the axis that tell how many pairs there are by chance, px."""


class Candidate(NamedTuple):
    """Neighbouring columns, first and last included, that stand out.

    By how many standard errors, by how much, if as sharply on the left as on the right, and if by the same in all
    comparisons, as no wall does.
    """

    first: int
    last: int
    score: float
    value: float
    sharp: bool
    even: bool = False


class Comparison(NamedTuple):
    """Location, standard error and part of the angles of one comparison, for every column."""

    value: Float
    error: Float
    share: Float


def unpaired(found: list[Candidate], left: Comparison, right: Comparison, twice: int) -> list[Candidate]:
    """Return those of the stripes that are no pair about the rotation axis.

    Parameters
    ----------
    found : list of Candidate
    left, right : Comparison
        Of every column with those on its left and on its right.
    twice : int
        Sum of the places of two columns opposite of each other.
    """
    clear = np.array([min(each.score, CLEAR) ** 2 for each in found])

    def pairs(place: int) -> float:
        return float(clear[[_has_partner(each, found, place) for each in found]].sum())

    chance = float(np.median([pairs(twice + shift) for shift in CHANCE]))
    round_sample = pairs(twice) > max(0.3 * float(clear.sum()), 2 * chance)  # more than by chance
    kept = []
    for each in found:
        on_axis = abs(each.first + each.last - twice) <= SLACK + each.last - each.first
        mirrored = _mirror_image(each, left, right, twice) or _has_partner(each, found, twice) or on_axis
        single = each.sharp and not round_sample and each.last - each.first < 2
        if single or each.even or not mirrored:
            kept.append(each)
    return kept


def _mirror_image(one: Candidate, left: Comparison, right: Comparison, twice: int) -> bool:
    """Return if a step like one of its own is where the mirror image has it; if both are, for a wide stripe.

    Beside a wide stripe there are other steps by chance: those of the lines that are drawn through it.
    """
    sign = np.sign(one.value)
    steps = []
    for here, there, place in (
        (left.value[one.first], right, twice - one.first),
        (right.value[one.last], left, twice - one.last),
    ):
        around = slice(max(place - SLACK, 0), max(place + SLACK + 1, 0))
        alike = (there.value[around] * sign > 0.3 * abs(here)) & (there.share[around] >= STEADY)
        steps.append(bool(alike.any()))
    return all(steps) if one.last - one.first >= WIDE else any(steps)


def _has_partner(one: Candidate, found: list[Candidate], twice: int) -> bool:
    """Return if another stripe of the same sign, and at least 0.2 times as strong, is opposite of the axis."""
    first, last = twice - one.last - SLACK, twice - one.first + SLACK
    return any(
        other.first <= last and first <= other.last and other.value * one.value > 0.2 * one.value**2 for other in found
    )


def twice_the_axis(lines: Array, found: list[Candidate]) -> int | None:
    """Return the sum of the places of two columns opposite of each other; None where no symmetry is found.

    Rows half a turn apart are mirror images: the first and the last of half a turn, the first and the middle one of a
    whole turn.

    Parameters
    ----------
    lines : (columns, angles) float32 array
    found : list of Candidate
        Straight lines take the place of these.
    """
    columns, count = lines.shape
    middle = count // 2
    good = np.ones(columns, bool)
    for each in found:
        good[each.first : each.last + 1] = False
    if good.sum() < 9:
        return None
    where = np.arange(columns)
    rows = (lines[:, 0], lines[:, -1], lines[:, middle])
    first, last, half = (
        median_filter(np.interp(where, where[good], each[good].astype(np.float64)), 5, mode="reflect") for each in rows
    )
    apart, twice = min(_mirrored(first, last), _mirrored(first, half))
    return twice if apart < 0.05 else None


def _mirrored_loop(one: Float, other: Float) -> tuple[float, int]:
    """Return the least mean square of the difference over the variance, and twice the axis there."""
    columns = len(one)
    best, where = np.inf, 0
    for twice in range(columns // 2, 2 * (columns - 1) - columns // 2 + 1):
        low, high = max(0, twice - columns + 1), min(columns, twice + 1)
        apart, total, squares = 0.0, 0.0, 0.0
        for column in range(low, high):
            here = one[column]
            apart += (here - other[twice - column]) ** 2
            total += here
            squares += here * here
        spread = squares - total * total / (high - low)
        if apart < best * spread:
            best, where = apart / spread, twice
    return best, where


_mirrored = compiled(_mirrored_loop, nogil=True, fastmath={"reassoc", "contract"})
