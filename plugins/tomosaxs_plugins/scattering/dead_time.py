"""Plugin `dead_time`."""

from __future__ import annotations

from typing import Annotated, Any

from tomosaxs import Dataset, Output, Param, Pointwise, Scan, plugin
from tomosaxs_plugins.scattering.kernels.dead_time import undo_dead_time
from tomosaxs_plugins.scattering.per_point import check_values, finished, like, positive, usable, variance


def _check(data: Dataset, *, count_time: float | str | None, **_: Any) -> None:
    check_values(data, "count_time", count_time, "s")


def _shape(data: Dataset, **_: Any) -> Output:
    return like(data, corrected=("dead time",))


@plugin(
    shape=_shape,
    check=_check,
    memory=6.0,
    cite=("10.1107/S1600576717015096", "10.1088/0953-8984/25/38/383201"),
    uncertainty=True,
    nan=True,
)
def dead_time(
    data: Pointwise,
    scan: Scan,
    *,
    dead_time: Annotated[
        float, Param("a photon makes the detector blind for so long (free times before and after, added)", "s", ge=0)
    ],
    count_time: Annotated[float | str, Param("exposure, or a companion that holds it", "s", gt=0)] = "count_time",
) -> Pointwise:
    """Restore the counts that a detector misses while it is blind after a photon.

    Of a paralysable detector: m = n exp(-n D), with m recorded counts, n arrived ones, and D the dead time over the
    exposure. Counts higher than any rate can give (m D > 1/e) become NaN. It comes first: the data must be raw counts.
    """
    return finished(undo_dead_time(usable(data), positive(scan, count_time, "s"), dead_time, variance(scan)))
