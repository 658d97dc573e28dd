"""Plugin `poisson_uncertainty`."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any

import numpy as np

from tomosaxs import Dataset, Output, Param, Pointwise, Scan, plugin
from tomosaxs_plugins.scattering.per_point import like, uncertain, usable


def _shape(data: Dataset, **_: Any) -> Output:
    return replace(like(data), uncertainty=True)


@plugin(shape=_shape, memory=3.0, cite="10.1088/0953-8984/25/38/383201", uncertainty=True, nan=True)
def poisson_uncertainty(
    data: Pointwise,
    scan: Scan,
    *,
    gain: Annotated[float, Param("counts that one photon gives", "counts", gt=0)] = 1.0,
    offset: Annotated[float, Param("counts without any photon (the camera's pedestal)", "counts", ge=0)] = 0.0,
    readout_noise: Annotated[float, Param("standard deviation of the counts without any photon", "counts", ge=0)] = 0.0,
) -> Pointwise:
    """Give raw counts the standard uncertainties of counting, which the corrections carry on.

    They are the root of gain (counts - offset) + readout_noise^2. It comes before all corrections. Photon-counting
    detectors have gain 1 and nothing else. The values are not changed; a dark current is subtracted by dark_current.
    """
    counts = usable(data)
    photons = np.maximum(np.asarray(counts, dtype=np.float64) - offset, 0.0)
    return uncertain(counts, np.sqrt(gain * photons + readout_noise**2).astype(counts.dtype))
