"""Plugin `calculate`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from tomosaxs import Dataset, InputError, Output, Param, Pointwise, Scan, did_you_mean, plugin
from tomosaxs_plugins.scattering.background_subtraction import check_alike
from tomosaxs_plugins.scattering.expressions import evaluate, names_in, spread, unknown
from tomosaxs_plugins.scattering.per_point import uncertain


def companions_of(data: Dataset) -> list[str]:
    """Return the companions that have a value for every frame, point or pixel."""
    return [name for name, each in data.auxiliaries.items() if set(each.axes) <= set(data.names)]


def check_expression(expression: str, known: list[str]) -> None:
    """Refuse an expression that is not arithmetic or uses other names.

    Raises
    ------
    InputError
        Naming what there is.
    """
    try:
        missing = unknown(names_in(expression), known)
    except ValueError as error:
        raise InputError(str(error), parameter="expression") from None
    if missing:
        guess = did_you_mean(missing[0], known)
        raise InputError(f"there is no {missing[0]!r}{guess}; known are {', '.join(known)}", parameter="expression")
    try:
        evaluate(expression, {name: np.ones(1) for name in known})
    except ValueError as error:
        raise InputError(str(error), parameter="expression") from None


def _names(datasets: Sequence[Dataset]) -> list[str]:
    """Return what an expression may name: ``data``, the datasets by their names, the companions of the first."""
    return list(dict.fromkeys(["data", *(each.name for each in datasets if each.name), *companions_of(datasets[0])]))


def _check(*data: Dataset, expression: str | None, **_: Any) -> None:
    for other in data[1:]:
        check_alike(data[0], other, f"dataset {other.name}")
    if expression is not None:
        check_expression(expression, _names(data))


def _shape(*data: Dataset, label: str | None, units: str | None, **_: Any) -> Output:
    dtype = "float64" if any(each.dtype == np.float64 for each in data) else "float32"
    name = data[0].label if label is None else label
    sigma = any(each.uncertainty for each in data)
    return Output((), dtype, name, "" if units is None else units, uncertainty=sigma)


@plugin(shape=_shape, check=_check, memory=8.0, uncertainty=True, nan=True)
def calculate(
    *data: Pointwise,
    scan: Scan,
    expression: Annotated[str, Param("arithmetic on datasets and companions, for instance (data - 3) / monitor")],
    label: Annotated[str | None, Param("what the result is; null: what the first dataset is")] = None,
    units: Annotated[str | None, Param("units of the result")] = None,
) -> Pointwise:
    """Calculate value by value with an expression of datasets and what goes with them.

    The datasets of `on:` have their names in the list, the first one is also `data`; the companions of the first
    (monitor, mask ...) have their own names. Numbers, + - * / ** %, one comparison at a time, & | ^ ~,
    where(condition, a, b), abs, sqrt, exp, log, log10, sin, cos and their like, and pi, nan, inf are known; nothing
    else is, and nothing of it is run as a program. Integers count as floating numbers. Uncertainties of the datasets,
    as independent of each other, are carried through the expression; companions count as known exactly.
    """
    dtype = np.float64 if any(each.dtype == np.float64 for each in data) else np.float32
    blocks = [np.asarray(each, dtype=dtype) for each in data]
    own = {**dict(zip(scan.names, blocks, strict=False)), "data": blocks[0]}
    companions = [name for name in names_in(expression) if name not in own]
    values = {**own, **{name: np.asarray(scan.get(name), dtype=np.float64) for name in companions}}
    answer = np.array(np.broadcast_to(evaluate(expression, values), data[0].shape), dtype=dtype)
    if not any(each is not None for each in scan.uncertainties):
        return answer
    groups: list[tuple[list[str], NDArray[Any]]] = []
    for number, sigma in enumerate(scan.uncertainties):
        if sigma is not None:  # the first one is the same values under both of its names
            groups.append(([*scan.names[number : number + 1], *(["data"] if number == 0 else [])], sigma))
    total = spread(expression, values, groups)
    return uncertain(answer, np.array(np.broadcast_to(total, data[0].shape), dtype=dtype))
