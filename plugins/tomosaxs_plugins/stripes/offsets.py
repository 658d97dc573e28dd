"""What a stripe adds to its columns, found over all angles and taken away: what passes through the columns stays.

A pixel that answers wrongly adds an offset that changes slowly with time, or follows the attenuation behind it. At
every angle a striped column is compared with the cubic through its nearest neighbours without a stripe, a wide stripe
at its two ends. A constant, a straight line and a parabola over the angles and the level beside the stripe are fitted
to the difference, without the angles at which something passes (Tukey's biweight), and only those that are significant.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from tomosaxs_plugins.stripes.compare import grouped, sides
from tomosaxs_plugins.stripes.detect import NARROW, Comparisons, angular_windows, stripes_of
from tomosaxs_plugins.stripes.mirror import Candidate

Array = NDArray[np.float32]
Float = NDArray[np.float64]

ROUNDS = 3
"""How often stripes are looked for: some show when stronger ones beside them are gone."""
SIGNIFICANT = 4.0
"""Standard errors from which a function of the angle counts."""
ITERATIONS = 4
"""Of the weights of a fit."""


def without_stripes(sinogram: Array, widest: int, threshold: float, part: float = 0.6) -> Array:
    """Return a sinogram without the offsets of its stripes; itself where none is seen.

    Parameters
    ----------
    sinogram : (angles, columns) float32 array
        Finite; transmission or attenuation.
    widest : int
        Width of the widest stripe that is looked for, px.
    threshold : float
        Standard errors by which a stripe stands out, above 0.
    part : float
        Part of the angles over which a stripe must show, 0.5..1.
    """
    out: Array = sinogram.copy()
    found = list(rounds(grouped(sinogram), out, widest, threshold, part))
    return out if found else sinogram


def stripe_weights(sinogram: Array, widest: int, threshold: float, part: float = 0.6) -> Array:
    """Return how far every column is to be corrected: 0 where no stripe is seen, 1 where one is.

    Parameters
    ----------
    sinogram : (angles, columns) float32 array
        Without NaN.
    widest : int
        Width of the widest stripe that is looked for, px.
    threshold : float
        Standard errors by which a stripe stands out. 0: every column has the weight 1.
    part : float
        Part of the angles over which a stripe must show, 0..1.

    Returns
    -------
    (columns,) float32 array
    """
    columns = sinogram.shape[1]
    if threshold <= 0:
        return np.ones(columns, np.float32)
    weights = np.zeros(columns, np.float32)
    lines = grouped(sinogram)
    for low, high in angular_windows(lines.shape[1], part):
        window = lines[:, low:high].copy()
        for found in rounds(window, None, widest, threshold, part if part >= 0.5 else 0.75):
            for stripe in found:
                weights[stripe.first : stripe.last + 1] = 1.0
    return weights


def rounds(lines: Array, out: Array | None, widest: int, threshold: float, part: float) -> Iterator[list[Candidate]]:
    """Look for stripes and take them away, until none is seen any more; yield those of each round.

    Parameters
    ----------
    lines : (columns, groups) float32 array
        Is changed.
    out : (angles, columns) float32 array, optional
        The sinogram of which `lines` are the groups; is changed.
    """
    compared = Comparisons(lines)
    for number in range(ROUNDS):
        found = stripes_of(compared, widest, threshold, part)
        if not found:
            return
        striped = np.zeros(len(lines), bool)
        for stripe in found:
            striped[stripe.first : stripe.last + 1] = True
        for stripe in found:
            _take_away(out, lines, stripe, striped)
        yield found
        if number < ROUNDS - 1:
            compared.changed(found)


def _take_away(out: Array | None, lines: Array, stripe: Candidate, striped: NDArray[np.bool_]) -> None:
    """Take the offset of one stripe from a sinogram and from its groups of angles."""
    width = stripe.last - stripe.first + 1
    beside = neighbours(stripe, striped)
    if not beside:
        return
    near = [column for column in beside if column < stripe.first][-1:] + [c for c in beside if c > stripe.last][:1]
    level = lines[near].mean(axis=0, dtype=np.float64)
    whole = level if out is None else out[:, near].mean(axis=1, dtype=np.float64)
    columns = np.arange(stripe.first, stripe.last + 1)
    if width <= NARROW:
        apart = [lines[c] - interpolation(beside, int(c)) @ lines[beside].astype(np.float64) for c in columns]
        shares = np.eye(width)
    else:
        apart = [*sides(lines, stripe)]
        shares = np.stack([1 - np.linspace(0, 1, width), np.linspace(0, 1, width)])
    change, everywhere = np.zeros((width, len(level))), np.zeros((width, len(whole)))
    for difference, share in zip(apart, shares, strict=True):
        grouped_offset, offset = fitted(difference, level, whole)
        change += share[:, None] * grouped_offset
        everywhere += share[:, None] * offset
    lines[columns] -= change.astype(np.float32)
    if out is not None:
        out[:, columns] -= everywhere.T.astype(np.float32)


def neighbours(stripe: Candidate, striped: NDArray[np.bool_]) -> list[int]:
    """Return up to two columns without a stripe on each side, near and a little farther."""
    step = (stripe.last - stripe.first + 2) // 2
    found: list[int] = []
    for start, side in ((stripe.first, -1), (stripe.last, 1)):
        column, last = start + side, None
        while 0 <= column < len(striped) and abs(column - start) <= 4 * step + 8:
            if not striped[column] and (last is None or abs(column - last) >= step):
                found.append(column)
                if last is not None:
                    break
                last = column
            column += side
    return sorted(found)


def interpolation(places: list[int], here: int) -> Float:
    """Return the factors of the values at some places in the polynomial through them (Lagrange's), at another place."""
    return np.array([np.prod([(here - q) / (p - q) for q in places if q != p]) for p in places], dtype=np.float64)


def fitted(difference: NDArray[np.floating], level: Float, whole: Float) -> tuple[Float, Float]:
    """Return the offset of a column at the groups of angles and at every angle.

    Parameters
    ----------
    difference : (groups,) array
        What the column is above its neighbours.
    level, whole : (groups,) and (angles,) float64 arrays
        What the neighbours show, in groups and at every angle.
    """
    middle, spread = float(level.mean()), float(level.std())
    scale = 1 / spread if spread > 1e-6 * (abs(middle) + 1e-30) else 0.0
    turn, whole_turn = (np.linspace(-1, 1, len(each)) for each in (level, whole))

    def functions(time: Float, height: Float) -> Float:
        return np.stack([np.ones_like(time), time, time**2 - 1 / 3, (height - middle) * scale])

    given = functions(turn, level)
    used = [0, 1, 2, 3] if scale else [0, 1, 2]
    y = np.asarray(difference, dtype=np.float64)
    while True:
        found, error = _robust(given[used], y)
        ratio = np.abs(found[1:]) / np.maximum(error[1:], 1e-30)
        if len(used) == 1 or ratio.min() >= SIGNIFICANT:
            break
        if ratio.min() < 0.5 * SIGNIFICANT:  # the hopeless ones at once, then one by one
            used = [0] + [each for each, much in zip(used[1:], ratio, strict=True) if much >= 0.5 * SIGNIFICANT]
        else:
            del used[1 + int(np.argmin(ratio))]
    return found @ given[used], found @ functions(whole_turn, whole)[used]


def _robust(given: Float, y: Float) -> tuple[Float, Float]:
    """Return factors of functions and their standard errors, by iterated weights."""
    fit = np.full(len(y), _median(y))
    tiny = 1e-9 * np.eye(len(given))
    for _ in range(ITERATIONS):
        apart = y - fit
        scale = max(1.4826 * _median(np.abs(apart)), 1e-12)
        weights = np.maximum(1 - np.square(apart / (4.5 * scale)), 0) ** 2
        weighted = given * weights
        inverse = np.linalg.inv(weighted @ given.T + tiny)
        found = inverse @ (weighted @ y)
        fit = found @ given
    left = np.clip(y - fit, -3 * scale, 3 * scale)
    alike = float(np.clip(np.sum(left[1:] * left[:-1]) / max(float(np.sum(left**2)), 1e-30), 0, 0.9))
    return found, scale * np.sqrt(np.diag(inverse) * (1 + alike) / (1 - alike))


def _median(values: Float) -> float:
    middle = len(values) // 2
    return float(np.partition(values, middle)[middle])
