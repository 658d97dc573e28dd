"""What all ways of reconstructing share: checks of the input, and the circle inside a slice."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray


def check_sinograms(
    sinograms: NDArray[np.float32], angles_deg: ArrayLike, centre_px: float | NDArray[np.float64]
) -> NDArray[np.float32]:
    """Check that sinograms, angles and rotation axis belong together.

    Parameters
    ----------
    sinograms : ndarray, shape (slices, angles, columns)
        Attenuation.
    angles_deg : array_like, shape (angles,)
        Angles in degrees.
    centre_px : float or ndarray, shape (slices,)
        Rotation axis, in pixel centres counted from 0; perhaps one for every slice.

    Returns
    -------
    ndarray, shape (slices, angles, columns), float32, contiguous
        The sinograms, copied only where that is needed.

    Raises
    ------
    ValueError
        If shapes do not fit together, or the axis is not on the detector.
    """
    stack = np.ascontiguousarray(sinograms, dtype=np.float32)
    if stack.ndim != 3 or 0 in stack.shape[1:]:
        raise ValueError(f"sinograms must have the shape (slices, angles, columns), not {np.shape(sinograms)}")
    number = np.size(angles_deg)
    if number != stack.shape[1]:
        raise ValueError(f"there are {number} angles but {stack.shape[1]} projections in each sinogram")
    width = stack.shape[2]
    if np.ndim(centre_px) and np.shape(centre_px) != stack.shape[:1]:
        raise ValueError(f"there are {np.size(centre_px)} rotation axes for {len(stack)} slices")
    if not np.all((np.asarray(centre_px) >= -0.5) & (np.asarray(centre_px) <= width - 0.5)):
        raise ValueError(f"the rotation axis ({centre_px}) is not on the detector, whose columns are 0 to {width - 1}")
    return stack


def inside_circle(size: int, ratio: float) -> NDArray[np.bool_]:
    """Return where a slice is inside a circle around the rotation axis.

    Parameters
    ----------
    size : int
        Rows and columns of the slice.
    ratio : float
        Diameter of the circle, relative to the size.

    Returns
    -------
    ndarray, shape (size, size), bool
        True where the centre of a pixel is inside.

    Raises
    ------
    ValueError
        If the ratio is not positive.
    """
    if not ratio > 0:
        raise ValueError(f"the circle must have a positive diameter, not {ratio} times the size")
    distance = np.arange(size) - 0.5 * (size - 1)
    return np.asarray(distance[:, np.newaxis] ** 2 + distance**2 <= (0.5 * ratio * size) ** 2)


def mask_outside(
    volume: NDArray[np.float32],
    ratio: float | None,
    size: int | None = None,
    region: tuple[int, int, int, int] | None = None,
) -> NDArray[np.float32]:
    """Set everything outside a circle around the rotation axis to zero, in place.

    Parameters
    ----------
    volume : ndarray, shape (slices, size, size)
        Slices.
    ratio : float or None
        Diameter of the circle, relative to the size; None leaves the volume as it is.
    size : int, optional
        Rows and columns of the whole slices; default those of the volume.
    region : (top, bottom, left, right), optional
        Which part of the whole slices the volume is.

    Returns
    -------
    ndarray
        The volume.

    Raises
    ------
    ValueError
        If the ratio is not positive.
    """
    if ratio is not None:
        inside = inside_circle(volume.shape[-1] if size is None else size, ratio)
        if region is not None:
            inside = inside[region[0] : region[1], region[2] : region[3]]
        first = np.argmax(inside, axis=1)
        behind = first + np.count_nonzero(inside, axis=1)  # a circle meets a row in one piece
        for row, (begin, end) in enumerate(zip(first.tolist(), behind.tolist(), strict=True)):
            volume[:, row, :begin] = 0.0
            volume[:, row, end:] = 0.0
    return volume
