"""Projections that a reconstruction leaves out."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tomosaxs import Axis, InputError


def kept_angles(angles: Axis, exclude: ArrayLike | None) -> NDArray[np.intp] | None:
    """Return which entries of the axis of rotation angles are used.

    A projection that is left out has no weight, and its neighbours stand for its angle too: the same as if it had
    never been taken.

    Parameters
    ----------
    angles : Axis
        The projections there are; `Axis.index` holds their numbers in the whole scan.
    exclude : (n,) integers or None
        Numbers of projections of the whole scan, from 0, in any order; those that a crop took away are gone already.

    Returns
    -------
    (m,) int array or None
        Places along the axis, increasing; None where nothing is left out.

    Raises
    ------
    InputError
        When there is no projection of such a number, or fewer than two are left.
    """
    numbers: NDArray[Any] = np.asarray([] if exclude is None else exclude).ravel()
    if numbers.size == 0:
        return None
    if numbers.dtype.kind not in "iu":
        raise InputError(f"numbers of projections are integers, not {numbers.dtype}", parameter="exclude")
    low, high = min(0, int(angles.index.min())), max(angles.full_size - 1, int(angles.index.max()))
    wrong = numbers[(numbers < low) | (numbers > high)]
    if wrong.size:
        raise InputError(f"there is no projection {int(wrong[0])}: the scan has {low} to {high}", parameter="exclude")
    kept = np.flatnonzero(~np.isin(angles.index, numbers))
    if len(kept) < 2:
        raise InputError(f"{len(kept)} of {angles.size} projections are left: too few", parameter="exclude")
    return None if len(kept) == angles.size else kept
