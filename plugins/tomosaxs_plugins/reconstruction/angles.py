"""Angular weights: how much of half a turn every projection stands for.

For parallel rays a view and its opposite carry the same information, so that directions count modulo 180 degrees.
Each direction owns the angles nearer to it than to any other; views of the same direction share its part equally.
Scans of 180 and 360 degrees, a repeated last frame, uneven steps and any order are then one and the same case.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

_SAME_DIRECTION = 0.01  # of the mean step: closer views are one direction
_GAP = 4.0  # times the median step, and
_SMALLEST_GAP = 3.0  # degrees: wider steps between directions are reported


def angular_weights(angles_deg: ArrayLike, period: float = 180.0) -> NDArray[np.float64]:
    """Return the weight of every projection in the integral over half a turn.

    Parameters
    ----------
    angles_deg : array_like, shape (angles,)
        Angles in degrees, in any order, of any range.
    period : float
        Degrees after which a view sees the same: 180 of parallel rays, 360 where a view and its opposite complement
        each other (an extended field).

    Returns
    -------
    ndarray, shape (angles,)
        Weights in radians; they are positive and sum to pi, to 2 pi for a period of 360 degrees.

    Raises
    ------
    ValueError
        If there are no angles, or some are not finite.
    """
    directions, members, counts = _directions(angles_deg, period)
    gaps = _gaps(directions, period)  # from each direction to the next
    cells = 0.5 * (gaps + np.roll(gaps, 1))
    return np.asarray(np.deg2rad(cells / counts)[members])


def coverage_warning(angles_deg: ArrayLike, period: float = 180.0) -> str | None:
    """Say in words which directions were not measured.

    Parameters
    ----------
    angles_deg : array_like, shape (angles,)
        Angles in degrees.
    period : float
        Degrees after which a view sees the same, as for `angular_weights`.

    Returns
    -------
    str or None
        A message if some step between neighbouring directions is much wider than the others, else None.

    Raises
    ------
    ValueError
        If there are no angles, or some are not finite.
    """
    directions, _, _ = _directions(angles_deg, period)
    if len(directions) < 2:
        return "all projections have the same direction: nothing can be reconstructed from them"
    gaps = _gaps(directions, period)
    wide = gaps > max(_GAP * float(np.median(gaps)), _SMALLEST_GAP)
    if not wide.any():
        return None
    missing = ", ".join(
        f"{start:.6g} to {start + gap:.6g}" for start, gap in zip(directions[wide], gaps[wide], strict=True)
    )
    return (
        f"no projections between {missing} degrees (modulo {period:g}; the usual step is {np.median(gaps):.4g} "
        "degrees): edges that lie along these directions will be missing or smeared"
    )


def _directions(angles_deg: ArrayLike, period: float) -> tuple[NDArray[np.float64], NDArray[np.intp], NDArray[np.intp]]:
    """Return the distinct directions in [0, period), which of them each angle has, and how many share each."""
    angles = np.asarray(angles_deg, dtype=np.float64).ravel()
    if angles.size == 0:
        raise ValueError("there are no angles")
    if not np.isfinite(angles).all():
        raise ValueError(f"{np.count_nonzero(~np.isfinite(angles))} of {angles.size} angles are not finite")
    folded = np.mod(angles, period)
    tolerance = _SAME_DIRECTION * 180.0 / angles.size
    order = np.argsort(folded, kind="stable")
    ordered = folded[order]
    new = np.concatenate([[True], np.diff(ordered) > tolerance])
    group = np.cumsum(new) - 1
    directions = ordered[new]
    # the last group may go on across the period, where directions begin again
    if len(directions) > 1 and directions[0] + period - ordered[-1] <= tolerance:
        group[group == group[-1]] = 0
        directions = directions[:-1]
    members = np.empty(angles.size, dtype=np.intp)
    members[order] = group
    return directions, members, np.bincount(members, minlength=len(directions))


def _gaps(directions: NDArray[np.float64], period: float) -> NDArray[np.float64]:
    """Return the step in degrees from each direction to the next, around the period."""
    return np.diff(np.append(directions, directions[0] + period))
