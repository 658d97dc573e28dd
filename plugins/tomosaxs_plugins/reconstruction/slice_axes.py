"""The axes of slices, and parts of them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from tomosaxs import Axis, InputError, did_you_mean


def region_of(roi: Mapping[str, tuple[int, int]] | None, size: int) -> tuple[int, int, int, int] | None:
    """Return top, bottom, left and right of a part of a slice, the second and the last one excluded.

    Parameters
    ----------
    roi : mapping of "x" and "y" to (begin, end), or None
        An axis that is not named is whole.
    size : int
        Rows and columns of the whole slice.

    Returns
    -------
    (int, int, int, int) or None
        None where there is no `roi`.

    Raises
    ------
    InputError
        When the part lies outside, is empty, or names another axis.
    """
    if roi is None:
        return None
    unknown = [name for name in roi if name not in ("x", "y")]
    if unknown:
        raise InputError(f"a slice has no axis {unknown[0]!r}{did_you_mean(unknown[0], ['x', 'y'])}", parameter="roi")
    for name, (begin, end) in roi.items():
        if not 0 <= begin < end <= size:
            raise InputError(
                f"{name}: [{begin}, {end}] must be two increasing numbers within 0 to {size}, the end excluded",
                parameter="roi",
            )
    return (*roi.get("y", (0, size)), *roi.get("x", (0, size)))


def slice_axes(size: int, roi: Mapping[str, tuple[int, int]] | None, pixel: float | None) -> tuple[Axis, Axis]:
    """Return the axes y and x, with distances from the rotation axis in m where the pixel size is known, else in px."""
    grid = np.arange(size) - (size - 1) / 2
    values, units = (grid * pixel, "m") if pixel is not None else (grid, "px")
    top, bottom, left, right = region_of(roi, size) or (0, size, 0, size)
    y, x = (Axis(name, size, values, units) for name in ("y", "x"))
    return y.select(slice(top, bottom)), x.select(slice(left, right))
