"""Plugin `thickness`."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np

from tomosaxs import Dataset, Output, Param, Pointwise, Scan, plugin
from tomosaxs_plugins.scattering.kernels.thickness import divide_by_thickness
from tomosaxs_plugins.scattering.per_point import check_values, finished, like, usable, values_of, variance


def _check(data: Dataset, *, thickness: float | str | None, minimum: float | None) -> None:
    check_values(data, "thickness", thickness, "m")


def _shape(data: Dataset, **_: Any) -> Output:
    return like(data, units=f"{data.units or '1'}/m")


@plugin(shape=_shape, check=_check, memory=4.0, cite="10.1107/S1600576717015096", uncertainty=True, nan=True)
def thickness(
    data: Pointwise,
    scan: Scan,
    *,
    thickness: Annotated[
        float | str, Param("path in the sample, or a companion that holds it", "m", gt=0)
    ] = "thickness",
    minimum: Annotated[float, Param("points with less sample than this become NaN", "m", ge=0)] = 0.0,
) -> Pointwise:
    """Divide by the thickness of the sample: scattering cross section per volume, 1/m.

    Points without sample, or with less than `minimum`, become NaN: there is nothing to divide.
    """
    path = values_of(scan, thickness, "m")
    if np.any(~(path >= minimum) | (path <= 0)):
        scan.note("points where the sample is thinner than the minimum, or missing, become NaN")
    return finished(divide_by_thickness(usable(data), path, minimum, variance(scan)))
