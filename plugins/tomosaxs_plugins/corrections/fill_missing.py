"""Plugin `fill_missing`: points of sinograms that were not measured."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from tomosaxs import InputError, Param, Scan, Sinograms, plugin


def fill_sinogram(sinogram: NDArray[Any], angles: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return a sinogram whose missing values (NaN) are interpolated.

    Parameters
    ----------
    sinogram : (angles, columns) array
    angles : (angles,) float64 array
        Rotation angles, deg, in any order.

    Returns
    -------
    (angles, columns) float32 array
        Within a row, linear between the nearest values left and right, and the nearest value beyond the ends; a row
        without any value is linear between the nearest angles that have values, or that of the nearest angle. All NaN
        where nothing was measured.
    """
    out = np.array(sinogram, dtype=np.float32)
    known = np.isfinite(out)
    columns = np.arange(out.shape[1])
    for row in np.flatnonzero(known.any(axis=1) & ~known.all(axis=1)):
        out[row] = np.interp(columns, columns[known[row]], out[row][known[row]])
    there = np.flatnonzero(known.any(axis=1))
    if there.size == 0:
        return np.full_like(out, np.nan)
    there = there[np.argsort(angles[there], kind="stable")]
    for row in np.flatnonzero(~known.any(axis=1)):
        after = int(np.searchsorted(angles[there], angles[row]))
        low, high = there[max(after - 1, 0)], there[min(after, there.size - 1)]
        span = angles[high] - angles[low]
        part = (angles[row] - angles[low]) / span if span > 0 else 0.0
        out[row] = (1 - part) * out[low] + part * out[high]
    return out


@plugin(memory=3.0)
def fill_missing(
    data: Sinograms,
    scan: Scan,
    *,
    most: Annotated[float, Param("refuse a sinogram of which a larger part is missing", ge=0, le=1)] = 0.5,
) -> Sinograms:
    """Interpolate points of sinograms that were not measured (NaN), so that they can be reconstructed.

    Along the row first; where a whole angle is missing, between the angles beside it. What is measured stays as it
    is, and the report counts what was filled.
    """
    out = np.empty(data.shape, dtype=np.float32)
    angles = scan.angles
    filled = np.zeros(len(data), dtype=np.intp)
    for number, sinogram in enumerate(data):
        missing = int(np.count_nonzero(~np.isfinite(sinogram)))
        if missing > most * sinogram.size:
            raise InputError(
                f"of sinogram {int(scan.index[number])}, {missing} of {sinogram.size} points are missing, more than "
                f"most: {most:g} allows; crop it away, or allow more"
            )
        out[number] = fill_sinogram(sinogram, angles) if missing else sinogram
        filled[number] = missing
    if filled.any():
        scan.note("{count} points that were not measured are interpolated", filled)
    return out
