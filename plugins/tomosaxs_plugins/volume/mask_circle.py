"""Step `mask_circle`: one value outside a circle about the rotation axis."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np

from tomosaxs import Dataset, InputError, Output, Param, Scan, VolumeSlices, plugin
from tomosaxs_plugins.volume.circle import inside_circle


def _check(data: Dataset, *, value: float, **_: Any) -> None:
    if data.dtype.kind in "iu":
        known = np.iinfo(data.dtype)
        if not (value == int(value) if np.isfinite(value) else False) or not known.min <= value <= known.max:
            raise InputError(
                f"value {value:g} does not fit the volume's integers, {known.min} to {known.max}", parameter="value"
            )


def _shape(data: Dataset, **_: Any) -> Output:
    return Output((data.axis("y"), data.axis("x")), str(data.dtype), data.label, data.units)


@plugin(shape=_shape, check=_check, memory=1.0, nan=True)
def mask_circle(
    data: VolumeSlices,
    scan: Scan,
    *,
    radius: Annotated[float, Param("radius as a fraction of half the width; 1 touches the edges", gt=0, le=2)] = 1.0,
    value: Annotated[float, Param("what the pixels outside become; .nan is allowed for floats")] = 0.0,
) -> VolumeSlices:
    """Set everything outside a circle about the rotation axis to one value.

    Outside the circle that touches the edges, some projections miss the object: what is reconstructed there is wrong.
    The circle lies about the rotation axis, which is the middle of the uncropped slice, also after crop_volume.

    Parameters
    ----------
    data : (n, y, x) array
        Slices; their type is kept.

    Returns
    -------
    (n, y, x) array
        Values inside are untouched.
    """
    inside = inside_circle(scan.axis("y"), scan.axis("x"), radius)
    return np.where(inside, data, data.dtype.type(value))
