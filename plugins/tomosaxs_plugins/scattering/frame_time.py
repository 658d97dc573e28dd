"""Plugin `frame_time`."""

from __future__ import annotations

from typing import Annotated, Any

from tomosaxs import Dataset, Output, Param, Pointwise, Scan, plugin
from tomosaxs_plugins.scattering.kernels.frame_time import divide_by_time
from tomosaxs_plugins.scattering.per_point import check_values, finished, like, positive, usable, variance


def _check(data: Dataset, *, count_time: float | str | None) -> None:
    check_values(data, "count_time", count_time, "s")


def _shape(data: Dataset, **_: Any) -> Output:
    return like(data, units=f"{data.units or '1'}/s")


@plugin(shape=_shape, check=_check, memory=4.0, cite="10.1107/S1600576717015096", uncertainty=True, nan=True)
def frame_time(
    data: Pointwise,
    scan: Scan,
    *,
    count_time: Annotated[float | str, Param("exposure, or a companion that holds it", "s", gt=0)] = "count_time",
) -> Pointwise:
    """Turn counts into counts a second.

    Frames whose exposure is zero or not known become NaN.
    """
    return finished(divide_by_time(usable(data), positive(scan, count_time, "s"), variance(scan)))
