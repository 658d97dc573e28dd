"""Division by what a monitor counted before the sample (I0): transmission of an STXM map, comparable curves."""

from __future__ import annotations

from typing import Annotated, Any, Literal, cast

import numpy as np
from numpy.typing import NDArray

from tomosaxs import Dataset, InputError, Output, Param, Pointwise, Scan, Uncertain, did_you_mean, plugin


def divide_by_monitor(data: NDArray[Any], monitor: NDArray[Any], reference: float = 1.0) -> NDArray[np.float32]:
    """Return ``data * reference / monitor``, NaN where the monitor is not a positive number.

    Parameters
    ----------
    data : (n, ...) array
    monitor : array broadcastable to `data`
        Counts of the monitor.
    reference : float
        Monitor count to which the data are scaled.
    """
    counts = np.asarray(monitor, dtype=np.float64)
    usable = np.isfinite(counts) & (counts > 0)
    factor = np.where(usable, reference / np.where(usable, counts, 1.0), np.nan)
    return np.asarray(data * factor, dtype=np.float32)


def read_whole(dataset: Dataset, name: str) -> NDArray[np.float64]:
    """Return every value of the monitor, of the whole (cropped) dataset.

    Raises
    ------
    InputError
        When the data came without it or it has not one positive value.
    """
    companion = dataset.auxiliaries.get(name)
    if companion is None:
        raise InputError(f"the data came without {name!r}{did_you_mean(name, dataset.auxiliaries)}")
    foreign = [axis for axis in companion.axes if axis not in dataset.names]
    if foreign:
        raise InputError(f"{name!r} has the axes {', '.join(companion.axes)}: it is not one value a frame or point")
    whole = np.asarray(companion.reader.read((slice(None),) * len(companion.axes)), dtype=np.float64)
    if not np.any(np.isfinite(whole) & (whole > 0)):
        raise InputError(f"{name!r} has no positive value: nothing can be normalised by it")
    return whole


def reference_count(monitor: NDArray[np.float64], reference: str) -> float:
    """Return the count to scale to: ``mean``, ``max`` or ``first`` of the usable values, ``none`` is 1."""
    usable = monitor[np.isfinite(monitor) & (monitor > 0)]
    if reference == "mean":
        return float(usable.mean())
    if reference == "max":
        return float(usable.max())
    return float(usable[0]) if reference == "first" else 1.0


def _check(dataset: Dataset, *, monitor: str, **_: Any) -> None:
    read_whole(dataset, monitor)


def _shape(dataset: Dataset, *, reference: str, **_: Any) -> Output:
    scaled = reference != "none"
    label, units = (dataset.label, dataset.units) if scaled else ("transmission", "")
    return Output((), label=label, units=units, uncertainty=dataset.uncertainty)


@plugin(check=_check, shape=_shape, uncertainty=True, nan=True)
def normalise_by_monitor(
    data: Pointwise,
    scan: Scan,
    *,
    monitor: Annotated[str, Param("companion of the data that holds the counts")] = "monitor",
    reference: Annotated[
        Literal["none", "mean", "max", "first"], Param("count of the whole scan to which the data are scaled")
    ] = "none",
) -> Pointwise:
    """Divide by the monitor, point by point or frame by frame.

    With reference ``none`` an STXM map becomes the transmission (up to the ratio of the two detectors'
    efficiencies); else the data stay what they are, scaled to the mean, largest or first usable count of
    the whole scan, so that the result does not depend on how the scan is cut into blocks.

    A point where the monitor is zero, negative or not a number was measured without a known dose: it becomes
    NaN, and the others stay usable. A monitor without any positive value is refused before the run.
    """
    count = reference_count(read_whole(scan.dataset, monitor), reference)
    values = divide_by_monitor(data, scan.get(monitor), count)
    if scan.uncertainty is None:
        return values
    return cast("NDArray[Any]", Uncertain(values, divide_by_monitor(scan.uncertainty, scan.get(monitor), count)))
