"""Which frames look through the sample from opposite sides, judged by their angles alone."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

EXACT = 0.02  # of an angular step: nearer than this counts as exactly opposite


@dataclass(frozen=True)
class OppositePairs:
    """Weighted pairs of frames: frame `first` against sum over its entries of weight * frame `second`.

    Attributes
    ----------
    first, second : (n,) int
        Indices of frames.
    weight : (n,) float
        Weights; those of the entries with the same `first` add up to 1.
    mismatch : float
        Largest distance (degrees) between a wanted opposite angle and the nearest frame.
    extrapolated : bool
        The opposite angle lies outside the scan, so frames were extrapolated to it.
    """

    first: Integers
    second: Integers
    weight: Floats
    mismatch: float
    extrapolated: bool

    def nearest(self) -> OppositePairs:
        """Return the pairs with only the heaviest partner of each frame: no interpolation."""
        keep = [
            int(where[np.argmax(self.weight[where])])
            for where in (np.flatnonzero(self.first == i) for i in np.unique(self.first))
        ]
        weight = np.ones(len(keep))
        return OppositePairs(self.first[keep], self.second[keep], weight, self.mismatch, self.extrapolated)

    @property
    def count(self) -> int:
        """Number of frames that have an opposite one."""
        return int(np.unique(self.first).size)


def angular_step(angles: Floats) -> float:
    """Return the typical step (degrees) between neighbours of angles sorted ascending."""
    steps = np.diff(np.unique(np.round(angles, 9)))
    return float(np.median(steps)) if steps.size else 0.0


def is_full_turn(angles: Floats) -> bool:
    """Tell whether the angles (sorted) go all around, leaving no gap beyond two and a half steps."""
    turn = np.sort(np.mod(angles, 360.0))
    step = max(angular_step(angles), 1e-6)
    gaps = np.diff(np.concatenate([turn, turn[:1] + 360.0]))
    return bool(np.ptp(angles) > 300.0 and gaps.max() < max(2.5 * step, 15.0))


def opposite_pairs(angles: Floats, *, trust: bool = True) -> OppositePairs:
    """Find for each frame the opposite one, interpolating between its two neighbours in angle.

    Parameters
    ----------
    angles : (n,) float64
        Degrees, ascending, not wrapped.
    trust : bool
        False takes the first and the last frame of a half turn as exactly opposite although their
        angles differ from 180 degrees by up to one and a half steps (a scan that was written with
        one step too few in its list of angles).

    Returns
    -------
    OppositePairs
        Empty where nothing comes within one and a half steps of being opposite.
    """
    return _pairs_of(np.asarray(angles, dtype=np.float64).tobytes(), trust)


@lru_cache(maxsize=32)
def _pairs_of(sequence: bytes, trust: bool) -> OppositePairs:
    """Return the pairs of a sequence of angles; all rows of a scan have the same."""
    angles = np.frombuffer(sequence, dtype=np.float64)
    step = angular_step(angles)
    if not trust:
        return _ends_as_pair(angles, step)
    entries: list[tuple[int, int, float]] = []
    worst = 0.0
    order = np.argsort(np.mod(angles, 360.0), kind="stable")
    turn = np.mod(angles, 360.0)[order]
    answers = [_opposite_of(float(angle), turn, order, step) for angle in angles]
    # Extrapolation multiplies the noise: only where the scan has nothing better.
    extrapolated = not any(found and not outside for found, _, outside in answers)
    for i, (found, distance, outside) in enumerate(answers):
        if found and outside == extrapolated:
            entries += [(i, j, w) for j, w in found]
            worst = max(worst, distance)
    return _pack(entries, worst, extrapolated and bool(entries))


def _opposite_of(
    angle: float, turn: Floats, order: Integers, step: float
) -> tuple[list[tuple[int, float]], float, bool]:
    """Return ((frame, weight) ..., distance to the nearest frame, whether it is an extrapolation)."""
    n = turn.size
    relative = np.mod(turn - (angle + 180.0) + 180.0, 360.0) - 180.0
    right_of = int(np.argmin(np.where(relative >= 0.0, relative, np.inf)))
    left_of = int(np.argmax(np.where(relative < 0.0, relative, -np.inf)))
    right, left = float(relative[right_of]), float(-relative[left_of])
    if right < 0.0:
        right = np.inf
    if left < 0.0:
        left = np.inf
    nearest = min(right, left)
    if nearest <= EXACT * step:
        return [(int(order[right_of if right <= left else left_of]), 1.0)], nearest, False
    if right + left <= 2.5 * step:
        share = left / (right + left)
        return [(int(order[left_of]), 1.0 - share), (int(order[right_of]), share)], nearest, False
    if nearest > 1.5 * step:
        return [], nearest, False
    # One side only: continue the line through the two nearest frames of that side.
    near = right_of if right <= left else left_of
    far = (near + 1) % n if right <= left else (near - 1) % n
    gap = abs(float(relative[far])) - nearest
    if not 0.0 < gap <= 2.5 * step:
        return [], nearest, False
    ratio = nearest / gap
    return [(int(order[near]), 1.0 + ratio), (int(order[far]), -ratio)], nearest, True


def _ends_as_pair(angles: Floats, step: float) -> OppositePairs:
    short = 180.0 - float(np.ptp(angles))
    if not 0.5 * step < abs(short) <= 1.5 * step:
        return _pack([], 0.0, False)
    last = angles.size - 1
    return _pack([(0, last, 1.0), (last, 0, 1.0)], 0.0, False)


def _pack(entries: list[tuple[int, int, float]], worst: float, extrapolated: bool) -> OppositePairs:
    return OppositePairs(
        np.array([e[0] for e in entries], dtype=np.int64),
        np.array([e[1] for e in entries], dtype=np.int64),
        np.array([e[2] for e in entries], dtype=np.float64),
        worst,
        extrapolated,
    )
