"""The signal beside the sample, for scans without flats."""

from __future__ import annotations

from typing import Annotated

import numpy as np

from tomosaxs import Dataset, Estimate, InputError, Param, Projections, estimator


def _check(data: Dataset, *, columns: int) -> None:
    across = data.axis("detector_x" if "detector_x" in data.names else "x")
    if 2 * columns > across.size:
        raise InputError(f"columns: twice {columns} is more than the {across.size} columns there are")


@estimator(check=_check)
def find_open_beam(
    data: Projections,
    *,
    columns: Annotated[int, Param("columns at each side that the sample never covers", unit="px", ge=1)] = 3,
) -> Estimate:
    """Find the signal of the open beam from the outermost columns on both sides.

    A raster scan has no flats: what is measured beside the sample stands for them. The value is the median over
    all rows and frames; its uncertainty the standard deviation of the frames' medians over the root of their number.
    A sample that reaches the edges is seen by the two sides differing, which lowers the confidence.

    Parameters
    ----------
    data : (n, y, x) array
        Signal, normalised by the monitor where there is one.
    """
    left = np.nanmedian(data[:, :, :columns], axis=(1, 2))
    right = np.nanmedian(data[:, :, -columns:], axis=(1, 2))
    frames = 0.5 * (left + right)
    value = float(np.nanmedian(frames))
    if not (np.isfinite(value) and value > 0):
        raise InputError("the outermost columns hold no positive signal")
    difference = abs(float(np.nanmedian(left) - np.nanmedian(right))) / value
    confidence = float(np.clip(1.0 - 5.0 * difference, 0.0, 1.0))
    messages = ("the two sides differ by more than 5 %: does the sample reach them?",) if difference > 0.05 else ()
    uncertainty = float(np.nanstd(frames) / np.sqrt(len(frames)))
    return Estimate(value, "", uncertainty, confidence, messages, {"relative_difference_of_sides": difference})
