"""Plugin `curve_band`: one number a curve, the intensity in a band."""

from __future__ import annotations

from typing import Annotated, Any, Literal, cast

import numpy as np
from numpy.typing import NDArray

from tomosaxs import AzimuthalProfiles, Dataset, InputError, Output, Param, Pointwise, Scan, Uncertain, plugin
from tomosaxs_plugins.integration.band import band_values, band_weights

Measure = Literal["mean", "integral", "invariant"]


def _weights(dataset: Dataset, band: Any, background: Any, measure: str) -> NDArray[np.float64]:
    axis = dataset.axes[-1]
    if axis.values is None:
        raise InputError(f"the axis {axis.name} has no coordinates to find a band in")
    bands = [band] if background is None else [band, *background]
    for name, (low, high) in zip(["band", *["background"] * 2], bands, strict=False):
        if not low < high:
            raise InputError(f"{name}: expected low < high, got {[low, high]}", parameter=name)
        if not np.any((axis.values >= low) & (axis.values <= high)):
            first, last = float(axis.values[0]), float(axis.values[-1])
            raise InputError(
                f"{name} {[low, high]} holds no bin: {axis.name} runs from {first:.6g} to {last:.6g} {axis.units}",
                parameter=name,
            )
    if measure == "invariant" and axis.name != "q":
        raise InputError(f"the invariant needs curves over q, these are over {axis.name}", parameter="measure")
    return band_weights(axis.values, band, tuple(background) if background else (), measure)


def _check(dataset: Dataset, *, band: Any, background: Any, measure: Any) -> None:
    if band is not None and measure is not None:
        _weights(dataset, band, background, measure)


def _shape(dataset: Dataset, *, measure: str | None, **_: Any) -> Output:
    axis = dataset.axes[-1]
    power = {"mean": 0, "integral": 1, "invariant": 3}[measure or "mean"]
    units = dataset.units if not power else f"{dataset.units or '1'} ({axis.units})^{power}"
    label = {"mean": dataset.label, "integral": f"integral of {dataset.label}", "invariant": "invariant"}
    return Output((), "float32", label[measure or "mean"], units, uncertainty=dataset.uncertainty)


@plugin(shape=_shape, check=_check, memory=3.0, uncertainty=True, nan=True)
def curve_band(
    data: AzimuthalProfiles,
    scan: Scan,
    *,
    band: Annotated[tuple[float, float], Param("from .. to, in the units of the curves' axis; bin centres count")],
    background: Annotated[
        list[tuple[float, float]] | None,
        Param("one or two bands beside it: their mean, or the straight line through both, is subtracted"),
    ] = None,
    measure: Annotated[
        Measure, Param("mean over the bins, integral over the axis, or the invariant: the integral of I q^2 over q")
    ] = "mean",
) -> Pointwise:
    """Reduce every curve to the intensity in a band: a map, or of a tomographic scan a sinogram.

    Bins without a value (NaN) are left out; a curve without any value in the band (or in a background band) gives
    NaN. With two background bands the straight line through their centres is taken off, which leaves a peak alone.
    """
    table = _weights(scan.dataset, band, background, measure)
    values, sigma = band_values(data, table, scan.uncertainty, sums=measure != "mean")
    if sigma is None:
        return values
    return cast("NDArray[Any]", Uncertain(values, sigma))
