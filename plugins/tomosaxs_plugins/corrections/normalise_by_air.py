"""Plugin `normalise_by_air`: the beam of every projection, from what lies beside the sample."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from tomosaxs import Dataset, InputError, Output, Param, Rows, Scan, Source, plugin
from tomosaxs_plugins.corrections.moved_frames import REFERENCES


def air_line(rows: NDArray[Any], left: int, right: int) -> NDArray[np.float32]:
    """Return the level of the air across every row: the straight line through the means of both margins.

    Parameters
    ----------
    rows : (..., columns) array
        Rows of the detector.
    left, right : int
        Columns of the margins; with 0 on one side the level is that of the other.

    Returns
    -------
    (..., columns) float32 array, or (..., 1) where one margin is 0
    """
    columns = rows.shape[-1]
    # copies with their own layout: sums in the same order however the block lies in memory
    ends = [np.ascontiguousarray(rows[..., :left], dtype=np.float64)] if left else []
    ends += [np.ascontiguousarray(rows[..., columns - right :], dtype=np.float64)] if right else []
    levels = [end.mean(axis=-1, keepdims=True) for end in ends]
    if len(levels) == 1:
        return np.asarray(levels[0], dtype=np.float32)
    first, last = (left - 1) / 2, columns - 1 - (right - 1) / 2
    part = (np.arange(columns) - first) / (last - first)
    return np.asarray(levels[0] + part * (levels[1] - levels[0]), dtype=np.float32)


def _check(data: Dataset, *, left: int, right: int, **_: Any) -> None:
    across = data.axis("detector_x" if "detector_x" in data.names else "x")
    if left + right == 0:
        raise InputError("give at least one margin: left and right are both 0")
    if left + right >= across.size:
        raise InputError(f"the margins of {left} and {right} columns leave nothing of {across.size}")


def _shape(data: Dataset, **_: Any) -> Output:
    kept = data.label == "attenuation"
    return Output(
        (), "float32", data.label if kept else "transmission", data.units if kept else "", drop=REFERENCES
    )  # fmt: skip


def _look(data: Dataset, source: Source | None, **_: Any) -> list[str]:
    if "flats" in data.auxiliaries:
        return ["the flats and darks of the data cannot be used after this step: put it after dark_flat_correction"]
    return []


@plugin(shape=_shape, check=_check, look=_look, memory=4.0)
def normalise_by_air(
    data: Rows,
    scan: Scan,
    *,
    left: Annotated[int, Param("columns at the left edge that the sample never covers", unit="px", ge=0)] = 10,
    right: Annotated[int, Param("columns at the right edge that the sample never covers", unit="px", ge=0)] = 10,
    minimum: Annotated[
        float, Param("a row whose air has less transmission than this stays as it is", gt=0, lt=1)
    ] = 0.1,
) -> Rows:
    """Normalise every row of every projection by the air on both sides of the sample.

    The beam flickers and drifts between the flats; the pixels beside the sample see it in every projection. The
    line between the means of the left and the right margin is made 1 in transmission (the row is divided by it), or 0
    in attenuation (it is subtracted). The sample must not reach into the margins at any angle. Wide margins keep
    the noise down: that of their mean is laid on the whole row.

    Parameters
    ----------
    data : (n, ...) array
        Transmission, attenuation, or counts without flats, which become a transmission.

    Returns
    -------
    (n, ...) float32 array

    Raises
    ------
    InputError
        When there is no margin, or nothing between the margins.
    """
    along = 1 + next(number for number, name in enumerate(scan.core) if name in ("detector_x", "x"))
    values = np.moveaxis(np.asarray(data, dtype=np.float32), along, -1)
    air = air_line(values, left, right)
    if scan.dataset.label == "attenuation":
        return np.moveaxis(values - air, -1, along)
    dark = ~(air.min(axis=-1, keepdims=True) >= minimum)
    if dark.any():
        counts = dark.reshape(len(dark), -1).sum(axis=1)
        scan.note("{count} rows have no air in their margins and were left as they are", counts)
        air = np.where(dark, np.float32(1), air)
    return np.moveaxis(values / air, -1, along)
