"""Plugin `displaced_volume`."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np

from tomosaxs import Dataset, Output, Param, Pointwise, Scan, plugin
from tomosaxs_plugins.scattering.background_subtraction import check_alike
from tomosaxs_plugins.scattering.kernels.displaced_volume import subtract_dispersant
from tomosaxs_plugins.scattering.per_point import check_values, finished, like, usable, values_of, variance


def _check(data: Dataset, dispersant: Dataset, *, fraction: float | str | None) -> None:
    check_alike(data, dispersant, "dispersant")
    check_values(data, "fraction", fraction, zero=True)


def _shape(data: Dataset, dispersant: Dataset, **_: Any) -> Output:
    return like(data, dispersant)


@plugin(shape=_shape, check=_check, memory=6.0, cite="10.1107/S1600576717015096", uncertainty=True, nan=True)
def displaced_volume(
    data: Pointwise,
    dispersant: Pointwise,
    scan: Scan,
    *,
    fraction: Annotated[
        float | str, Param("part of the dispersant that the sample displaces, or a companion", ge=0, le=1)
    ],
) -> Pointwise:
    """Subtract the scattering of the dispersant that is left in the beam: (1 - fraction) of it.

    Both datasets must have their background subtracted, and must not be divided by the thickness yet. For a solid
    sample the fraction is its path over the inner path of the cell at the same point. The first dataset of `on:` is
    the sample, the second the dispersant alone.
    """
    part = values_of(scan, fraction)
    if not np.all((part >= 0) & (part <= 1)):
        scan.note("points where the displaced fraction is not within 0 to 1 become NaN")
    spreads = variance(scan), variance(scan, 1)
    return finished(subtract_dispersant(usable(data), usable(dispersant), part, *spreads))
