"""Plugin `calculate`."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np

from tomosaxs import Dataset, InputError, Output, Param, Pointwise, Scan, did_you_mean, plugin
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


def _check(data: Dataset, *, expression: str | None, **_: Any) -> None:
    if expression is not None:
        check_expression(expression, ["data", *companions_of(data)])


def _shape(data: Dataset, *, label: str | None, units: str | None, **_: Any) -> Output:
    dtype = "float64" if data.dtype == np.float64 else "float32"
    name = data.label if label is None else label
    return Output((), dtype, name, "" if units is None else units, uncertainty=data.uncertainty)


@plugin(shape=_shape, check=_check, memory=8.0, uncertainty=True)
def calculate(
    data: Pointwise,
    scan: Scan,
    *,
    expression: Annotated[str, Param("arithmetic on data and its companions, for instance (data - 3) / monitor")],
    label: Annotated[str | None, Param("what the result is; null: what the data are")] = None,
    units: Annotated[str | None, Param("units of the result")] = None,
) -> Pointwise:
    """Calculate value by value with an expression of the data and their companions.

    The dataset is called `data`; its companions (monitor, mask ...) have their own names. Numbers, + - * / ** %, one
    comparison at a time, & | ^ ~, where(condition, a, b), abs, sqrt, exp, log, log10, sin, cos and their like, and
    pi, nan, inf are known; nothing else is, and nothing of it is run as a program. Integers count as floating numbers.
    Uncertainties of the data are carried through the expression; companions count as known exactly.
    """
    names = names_in(expression)
    dtype = np.float64 if data.dtype == np.float64 else np.float32
    values = {name: np.asarray(scan.get(name), dtype=np.float64) for name in names if name != "data"}
    values["data"] = np.asarray(data, dtype=dtype)
    answer = np.array(np.broadcast_to(evaluate(expression, values), data.shape), dtype=dtype)
    if scan.uncertainty is None:
        return answer
    sigma = spread(expression, values, {"data": scan.uncertainty} if "data" in names else {})
    return uncertain(answer, np.array(np.broadcast_to(sigma, data.shape), dtype=dtype))
