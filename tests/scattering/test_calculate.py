"""Arithmetic in lists: what it makes, and that nothing else can be written."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose
from numpy.typing import NDArray

from tomosaxs import InputError
from tomosaxs.testing import example_source, run_plugin
from tomosaxs_plugins.scattering.expressions import evaluate, names_in

FRAMES = example_source("DiffractionPatterns")
DATA = FRAMES.reader.read((slice(None),) * 5)
MONITOR = FRAMES.dataset.auxiliaries["monitor"].reader.read((slice(None),) * 3)[..., None, None]


def run(expression: str, **parameters: Any) -> NDArray[Any]:
    """Run the step on the example."""
    made = run_plugin("calculate", FRAMES, {"expression": expression, **parameters})
    assert isinstance(made, list)
    return made[0]


def test_data_and_companions() -> None:
    found = run("(data - 3) / monitor")
    assert found.dtype == np.float32
    assert_allclose(found, (DATA - 3) / MONITOR, rtol=1e-6)
    assert np.array_equal(run("where((data > 45) & ~(data > 55), data, nan)"),
                          np.where((DATA > 45) & (DATA <= 55), DATA, np.nan), equal_nan=True)  # fmt: skip
    assert_allclose(run("sqrt(data) + 10**-1 * 2**2 - data % 7"), np.sqrt(DATA) + 0.4 - DATA % 7, rtol=2e-6)
    assert np.array_equal(run("2"), np.full(DATA.shape, 2.0))
    assert np.array_equal(run("data > 50"), DATA > 50)


def test_two_datasets() -> None:
    made = run_plugin("calculate_two", [FRAMES, FRAMES], {"expression": "first * monitor - 0.25 * second"})
    assert isinstance(made, list)
    assert_allclose(made[0], DATA * MONITOR - 0.25 * DATA, rtol=1e-5)


@pytest.mark.parametrize(
    "expression",
    [
        "__import__('os').system('true')", "data.shape", "data.__class__", "data[0]", "(lambda: 1)()", "'text'",
        "[x for x in data]", "(x := 1)", "f'{data}'", "sum(data)", "open(data)", "data if data else 1", "1j * data",
        "sqrt(data, out=data)", "data and monitor", "1 < data < 3", "~data", "sqrt()", "data @ data", "", "data +",
        "import os", "9**9**9**9", "(" * 250 + "data" + ")" * 250, "-" * 1900 + "data", "1 +" * 3000 + "data", "1 / 0",
        "data\x00", "data\n+ 1", "True",
    ],
)  # fmt: skip
def test_anything_but_arithmetic_is_refused_before_the_run(expression: str) -> None:
    with pytest.raises(InputError):
        run(expression)


@pytest.mark.parametrize("expression", ["data.real", "data[0]", "lambda: data", "(data, data)", "data if data else 1"])
def test_the_parser_refuses_by_itself(expression: str) -> None:
    """Without leaning on what numexpr finds."""
    with pytest.raises(ValueError, match="only arithmetic on named values is allowed"):
        names_in(expression)


def test_unknown_names_are_told_with_what_there_is() -> None:
    with pytest.raises(InputError, match=r"there is no 'monitr'.*known are data, monitor"):
        run("data / monitr")
    with pytest.raises(ValueError, match="unknown: b; there are a"):
        evaluate("a + b", {"a": np.ones(2)})


def test_names_of_an_expression_are_not_looked_up_elsewhere() -> None:
    """Whatever variables happen to be around where it is evaluated."""
    secret = np.ones(3)
    assert secret.size == 3
    with pytest.raises(ValueError, match="unknown: secret"):
        evaluate("secret + 1", {"data": np.ones(3)})
    assert names_in("where(data > pi, data, inf) + a * data") == ["data", "a"]
