"""Arithmetic in lists: what it makes, and that nothing else can be written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from numpy.testing import assert_allclose
from numpy.typing import NDArray

import tomosaxs
from tomosaxs import InputError, ListError
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
    made = run_plugin("calculate", [FRAMES, FRAMES], {"expression": "data * monitor - 0.25 * input1"})
    assert isinstance(made, list)
    assert_allclose(made[0], DATA * MONITOR - 0.25 * DATA, rtol=1e-5)


def test_any_number_of_datasets_by_name(tmp_path: Path) -> None:
    """As a list names them; the same names in another order are another result, also with --resume."""
    for number, name in enumerate(("sample", "liquid", "empty")):
        with h5py.File(tmp_path / f"{name}.h5", "w") as file:
            file["data"] = np.full((3, 4), 10.0**number)
    files = {name: name for name in ("sample", "liquid", "empty")}
    listing = tmp_path / "list.yml"

    def result(on: str) -> float:
        inputs = "".join(
            f"  {name}:\n    plugin: array\n    path: {file}.h5\n    dataset: data\n    axes: [y, x]\n"
            for name, file in files.items()
        )
        step = f"  - plugin: calculate\n    on: {on}\n    to: net\n    expression: sample - 2 * liquid + 3 * empty\n"
        listing.write_text(f"input:\n{inputs}steps:\n{step}")
        data = tomosaxs.run(listing, output=tmp_path / "out", resume=True, log=lambda text: None).data
        assert np.all(data == data.flat[0])
        return float(data.flat[0])

    assert result("[sample, liquid, empty]") == 1 - 20 + 300
    files = {"sample": "sample", "liquid": "empty", "empty": "liquid"}
    assert result("[sample, empty, liquid]") == 1 - 200 + 30  # the same files in the same order, named otherwise
    listing.write_text(listing.read_text().replace("2 * liquid", "2 * liqid"))
    with pytest.raises(ListError, match=r"calculate.*expression.*there is no 'liqid'.*did you mean 'liquid'"):
        tomosaxs.plan(listing)


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
    with pytest.raises(InputError, match=r"there is no 'monitr'.*known are data, input0, monitor"):
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
