"""Plugin `calculate_two`."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np

from tomosaxs import Dataset, Output, Param, Pointwise, Scan, plugin
from tomosaxs_plugins.scattering.background_subtraction import check_alike
from tomosaxs_plugins.scattering.calculate import check_expression, companions_of
from tomosaxs_plugins.scattering.expressions import evaluate, names_in, spread
from tomosaxs_plugins.scattering.per_point import uncertain


def _check(first: Dataset, second: Dataset, *, expression: str | None, **_: Any) -> None:
    check_alike(first, second, "second dataset")
    if expression is not None:
        check_expression(expression, ["first", "second", *companions_of(first)])


def _shape(first: Dataset, second: Dataset, *, label: str | None, units: str | None, **_: Any) -> Output:
    wide = np.float64 in (first.dtype, second.dtype)
    name = first.label if label is None else label
    sure = not (first.uncertainty or second.uncertainty)
    return Output((), "float64" if wide else "float32", name, "" if units is None else units, uncertainty=not sure)


@plugin(shape=_shape, check=_check, memory=8.0, uncertainty=True)
def calculate_two(
    first: Pointwise,
    second: Pointwise,
    scan: Scan,
    *,
    expression: Annotated[str, Param("arithmetic on first, second and companions, for instance first - 0.8 * second")],
    label: Annotated[str | None, Param("what the result is; null: what the first data are")] = None,
    units: Annotated[str | None, Param("units of the result")] = None,
) -> Pointwise:
    """Calculate value by value with an expression of two datasets and the companions of the first.

    The datasets are called `first` and `second`, in the order of `on:`. What may be written is what calculate knows.
    """
    wide = np.float64 in (first.dtype, second.dtype)
    dtype = np.float64 if wide else np.float32
    own = {"first": np.asarray(first, dtype=dtype), "second": np.asarray(second, dtype=dtype)}
    values: dict[str, Any] = {
        name: np.asarray(scan.get(name), dtype=np.float64) for name in names_in(expression) if name not in own
    }
    answer = np.array(np.broadcast_to(evaluate(expression, {**values, **own}), first.shape), dtype=dtype)
    known = {name: each for name, each in zip(own, scan.uncertainties, strict=False) if each is not None}
    if not known:
        return answer
    sigma = spread(expression, {**values, **own}, {name: known[name] for name in names_in(expression) if name in known})
    return uncertain(answer, np.array(np.broadcast_to(sigma, first.shape), dtype=dtype))
