"""Plugin `background_subtraction`."""

from __future__ import annotations

from typing import Annotated, Any

from tomosaxs import Dataset, InputError, Output, Param, Pointwise, Scan, plugin
from tomosaxs_plugins.scattering.kernels.background_subtraction import subtract_background
from tomosaxs_plugins.scattering.per_point import check_values, finished, like, usable, values_of, variance


def check_alike(first: Dataset, second: Dataset, what: str) -> None:
    """Refuse two datasets that do not have a value for each other's.

    Raises
    ------
    InputError
        With both shapes.
    """
    sizes = [", ".join(f"{axis.name} {axis.size}" for axis in each.axes) for each in (first, second)]
    if sizes[0] != sizes[1]:
        raise InputError(
            f"the {what} ({sizes[1]}) must have the axes of the data ({sizes[0]}); one frame for all points is "
            "subtracted by background_frame"
        )


def _check(data: Dataset, background: Dataset, *, scale: float | str | None) -> None:
    check_alike(data, background, "background")
    check_values(data, "scale", scale, zero=True)


def _shape(data: Dataset, background: Dataset, **_: Any) -> Output:
    return like(data, background)


@plugin(shape=_shape, check=_check, memory=6.0, cite="10.1107/S1600576717015096", uncertainty=True)
def background_subtraction(
    data: Pointwise,
    background: Pointwise,
    scan: Scan,
    *,
    scale: Annotated[float | str, Param("factor of the background, or a companion of the data that holds it")] = 1.0,
) -> Pointwise:
    """Subtract a background that was measured at the same points, corrected like the data.

    Both must be over their own flux and transmission before; then `scale` is 1. The first dataset of `on:` is the
    sample, the second the background.
    """
    spreads = variance(scan), variance(scan, 1)
    return finished(subtract_background(usable(data), usable(background), values_of(scan, scale), *spreads))
