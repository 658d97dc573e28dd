"""Numbers that go with every frame or point: given in the list, or measured and brought along by the data."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from tomosaxs import Dataset, InputError, Output, Quantity, Scan, Uncertain, convert, did_you_mean

Floats = NDArray[np.float64]


def check_values(
    dataset: Dataset, parameter: str, value: float | str | None, units: str = "", *, zero: bool = False
) -> None:
    """Refuse a companion that is missing, in other units or without one usable value; None is not known yet.

    Parameters
    ----------
    parameter : str
        Whose value it is, for the message.
    value : float or str
        A number in `units`, or the name of a companion or a metadata quantity of the data.
    zero : bool
        Whether 0 is a usable value.

    Raises
    ------
    InputError
        Naming the parameter and what there is.
    """
    if not isinstance(value, str):
        return
    companion = dataset.auxiliaries.get(value)
    if companion is None:
        _quantity(dataset, parameter, value, units)
        return
    foreign = [axis for axis in companion.axes if axis not in dataset.names]
    if foreign:
        axes = ", ".join(companion.axes)
        raise InputError(f"{value!r} has the axes {axes}: it is not one value a frame or point", parameter=parameter)
    factor = _factor(companion.units, units, parameter, value)
    whole = np.asarray(companion.reader.read((slice(None),) * len(companion.axes)), dtype=np.float64) * factor
    if not np.any(np.isfinite(whole) & ((whole >= 0) if zero else (whole > 0))):
        raise InputError(
            f"{value!r} has no value that could be used, all are zero, negative or NaN", parameter=parameter
        )


def values_of(scan: Scan, value: float | str, units: str = "") -> Floats:
    """Return the numbers of a block in `units`, broadcastable to it; see `check_values`."""
    if not isinstance(value, str):
        return np.asarray(value, dtype=np.float64)
    if value not in scan:
        return np.asarray(_quantity(scan.dataset, "", value, units), dtype=np.float64)
    factor = _factor(scan.dataset.auxiliaries[value].units, units, "", value)
    return np.asarray(scan.get(value), dtype=np.float64) * factor


def positive(scan: Scan, value: float | str, units: str = "") -> Floats:
    """Return the numbers of a block, NaN where they are not positive; that is told to the user."""
    found = values_of(scan, value, units)
    usable = np.isfinite(found) & (found > 0)
    if not usable.all():
        scan.note(f"values become NaN where {value!r} is zero, negative or not a number")
    return np.where(usable, found, np.nan)


def _quantity(dataset: Dataset, parameter: str, name: str, units: str) -> float:
    found = dataset.metadata.get(name)
    if not isinstance(found, Quantity):
        known = [*dataset.auxiliaries, *(key for key, each in dataset.metadata.items() if isinstance(each, Quantity))]
        wanted = f" (in {units})" if units else ""
        raise InputError(
            f"the data came without {name!r}{did_you_mean(name, known)}; give a number{wanted}", parameter=parameter
        )
    return found.value * _factor(found.units, units, parameter, name)


def _factor(given: str, wanted: str, parameter: str, name: str) -> float:
    if not (given and wanted):  # without units: taken to be in those that are wanted
        return 1.0
    try:
        return convert(1.0, given, wanted)
    except InputError as error:
        raise InputError(f"{name!r}: {error}", parameter=parameter) from None


CORRECTED = "corrected_for"
"""Metadata of frames: the corrections that were made, so that none is made twice unnoticed."""


def like(
    dataset: Dataset,
    *others: Dataset,
    core: bool = False,
    label: str | None = None,
    units: str | None = None,
    corrected: tuple[str, ...] = (),
) -> Output:
    """Return the output of a correction: the axes of the input, float64 where that is, else float32.

    It has uncertainties where one of the inputs has. `corrected` are the names of the corrections.
    """
    axes = (dataset.axis("detector_y"), dataset.axis("detector_x")) if core else ()
    dtype = "float64" if dataset.dtype == np.float64 else "float32"
    label, units = dataset.label if label is None else label, dataset.units if units is None else units
    sigma = any(each.uncertainty for each in (dataset, *others))
    known = {CORRECTED: ", ".join([*corrections_of(dataset), *corrected])} if corrected else {}
    return Output(axes, dtype, label, units, uncertainty=sigma, metadata=known)


def corrections_of(dataset: Dataset) -> list[str]:
    """Return the names of the corrections that earlier steps made."""
    found = dataset.metadata.get(CORRECTED, "")
    return [name for name in found.split(", ") if name] if isinstance(found, str) else []


def variance(scan: Scan, number: int = 0) -> NDArray[Any] | None:
    """Return the variance of an input of the step, in float64; None where its uncertainties are not known."""
    sigma = scan.uncertainties[number] if number < len(scan.uncertainties) else None
    return None if sigma is None else np.square(sigma, dtype=np.float64)


def finished(corrected: tuple[NDArray[Any], NDArray[Any] | None]) -> NDArray[Any]:
    """Return values, with their standard uncertainties where a correction gave variances."""
    values, spread = corrected
    return values if spread is None else uncertain(values, np.sqrt(spread).astype(values.dtype))


def uncertain(values: NDArray[Any], sigma: NDArray[Any]) -> NDArray[Any]:
    """Return `Uncertain` values as what a pattern-typed plugin is declared to return."""
    return cast("NDArray[Any]", Uncertain(values, sigma))


def usable(data: NDArray[Any]) -> NDArray[Any]:
    """Return a block as floating numbers: float64 stays, all else becomes float32.

    In frames of integers, negative values and the largest value of the type are how detectors flag gaps and dead
    pixels; after the first correction no later step could tell, so they become NaN here.
    """
    if data.dtype.kind == "f":
        return data if data.dtype == np.float64 else np.asarray(data, dtype=np.float32)
    out = np.asarray(data, dtype=np.float32)
    if data.dtype.kind in "iu":
        flagged = data == np.iinfo(data.dtype).max
        if data.dtype.kind == "i":
            flagged |= data < 0
        out[flagged] = np.nan
    return out
