"""Charts and numbers of what an estimator keeps beside its value."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tomosaxs.plugin import Estimate
from tomosaxs.report.slices import with_units
from tomosaxs.report.svg import line_chart, number_text

_PLACES = ("indices", "index", "positions", "rows")


def details_of(estimate: Estimate) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """Return (chart, caption) of every series and (name, text) of everything else.

    Series whose names share their beginning, ``row_axes`` and ``row_indices``, are drawn against the one
    that ends in ``indices``, ``positions`` or ``rows``; a table of two columns is drawn second against first.
    """
    arrays: dict[str, NDArray[Any]] = {}
    numbers: list[tuple[str, str]] = []
    for name, value in estimate.details.items():
        array = _as_series(value)
        if array is None:
            numbers.append((name.replace("_", " "), _short(value)))
        else:
            arrays[name] = array
    charts = []
    for name, array in arrays.items():
        if name.endswith(_PLACES):
            continue
        x, x_label = _against(name, array, arrays)
        y = array if array.ndim == 1 else array[:, 1]
        level = _level(estimate, y)
        same = level is not None
        label = with_units(name, estimate.units if same else "")
        chart = line_chart([(name, x, y)], (x_label, label), points=True, level=level, size=(430, 200))
        caption = name.replace("_", " ") + (f"; the line is the value of the estimate, {level:.6g}" if same else "")
        charts.append((chart, caption))
    return charts, numbers


def curves_of(kept: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return (chart, caption) of every series of floats that a step kept, against its entries from 0."""
    found = []
    for name, value in kept.items():
        array = np.asarray(value)
        if array.dtype.kind == "f" and array.ndim == 1 and 1 < len(array) <= 5000:
            title = name.replace("_", " ")
            low = bool((array > 0).all()) and float(array.max()) > 10 * float(array.min())
            chart = line_chart(
                [(name, np.arange(float(len(array))), array)], ("entry", title), log=low, size=(430, 200)
            )
            found.append((chart, f"{title}: {array[0]:.4g} at first, {array[-1]:.4g} in the end"))
    return found


def _as_series(value: Any) -> NDArray[Any] | None:
    if isinstance(value, (str, Mapping)) or value is None:
        return None
    try:
        array = np.asarray(value)
    except ValueError:
        return None
    table = array.ndim == 2 and array.shape[1] == 2
    usable = array.dtype.kind in "iuf" and (array.ndim == 1 or table) and 1 < len(array) <= 5000
    return array if usable else None


def _against(name: str, array: NDArray[Any], arrays: Mapping[str, NDArray[Any]]) -> tuple[NDArray[Any], str]:
    if array.ndim == 2:
        return array[:, 0], "first column"
    first = name.split("_", maxsplit=1)[0]
    for other, places in arrays.items():
        if other.endswith(_PLACES) and other.startswith(first) and places.shape == array.shape:
            return places, other.replace("_", " ")
    return np.arange(len(array)), "entry"


def _level(estimate: Estimate, y: NDArray[Any]) -> float | None:
    """Return the estimate's value where it lies among the values of a series: then they are comparable."""
    if isinstance(estimate.value, (int, float, np.number)) and np.isfinite(y).any():
        low, high = float(np.nanmin(y)), float(np.nanmax(y))
        room = 0.5 * (high - low)
        if low - room <= float(estimate.value) <= high + room:
            return float(estimate.value)
    return None


def _short(value: Any) -> str:
    if isinstance(value, (int, float, np.number)) and not isinstance(value, bool):
        return number_text(float(value))
    if isinstance(value, np.ndarray) and value.ndim:
        return f"array of {' × '.join(map(str, value.shape))}"
    if value is None:
        return "not known"
    if isinstance(value, (list, tuple)) and all(isinstance(item, str) for item in value):
        return ", ".join(value)
    return str(value)
