"""The circle about the rotation axis that every projection sees whole. Plain functions on plain arrays."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tomosaxs import Axis


def inside_circle(y: Axis, x: Axis, radius: float) -> NDArray[np.bool_]:
    """Return which pixels of a slice lie inside a circle about the rotation axis.

    The rotation axis is the middle of the full, uncropped and unbinned axes, so that the circle is the same pixels
    of the object whatever a crop has left of the slice.

    Parameters
    ----------
    y, x : Axis
        Axes of a slice.
    radius : float
        As a fraction of half the smaller full width; 1 touches the edges of the slice.

    Returns
    -------
    (y, x) bool array
        A pixel is inside where its centre is.
    """
    down, across = _from_axis(y), _from_axis(x)
    limit = radius * min(y.full_size, x.full_size) / 2
    inside: NDArray[np.bool_] = down[:, np.newaxis] ** 2 + across**2 <= limit**2
    return inside


def _from_axis(axis: Axis) -> NDArray[np.float64]:
    distances: NDArray[np.float64] = axis.centres - (axis.full_size - 1) / 2
    return distances
