"""The signature is the declaration: what is read from it, and what is refused with file and line."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import pytest

from tomosaxs import (
    Estimate,
    InputFile,
    Param,
    PluginError,
    Pointwise,
    Projections,
    Scan,
    Sinograms,
    VolumeSlices,
    estimator,
    plugin,
)
from tomosaxs.declaration import spec_of


@plugin(cite="10.1107/S1600577514013939")
def despike(
    data: Projections,
    scan: Scan,
    *,
    size: Annotated[int, Param("window", unit="px", ge=1, le=31)] = 3,
    mode: Literal["median", "mean"] = "median",
    table: Annotated[InputFile | None, Param("a file")] = None,
    limits: tuple[float, float] = (0.0, 1.0),
) -> Projections:
    """Replace isolated bright pixels.

    More text.
    """
    return data + size


def test_everything_is_read_from_the_signature():
    spec = spec_of(despike)
    assert (spec.name, spec.kind, spec.summary) == ("despike", "step", "Replace isolated bright pixels.")
    assert [(name, pattern.name) for name, pattern in spec.inputs] == [("data", "Projections")]
    assert spec.wants_scan == "scan"
    assert spec.cite == ("10.1107/S1600577514013939",)
    assert spec.parameters.names() == ("size", "mode", "table", "limits")
    size, mode, table, limits = spec.parameters
    assert (size.default, size.param.unit, size.param.limits()) == (3, "px", ">= 1, <= 31")
    assert (mode.type_name(), table.is_file, limits.type_name()) == ("median | mean", True, "list[number, number]")
    assert spec.file == Path(__file__)


def test_the_function_stays_a_plain_function():
    assert np.array_equal(despike(np.zeros((1, 2, 2)), None, size=5), np.full((1, 2, 2), 5))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"size": 33}, "must be >= 1, <= 31 px, got 33"),
        ({"size": 3.0}, "expected integer, got number 3.0"),
        ({"size": "3"}, "expected integer, got text '3'"),
        ({"size": True}, "expected integer, got true/false True"),
        ({"siz": 3}, "did you mean 'size'"),
        ({"mode": "medium"}, "did you mean 'median'"),
        ({"limits": [1]}, r"expected list\[number, number\]"),
        ({"limits": ["a", 1]}, r"expected list\[number, number\]"),
    ],
)
def test_wrong_values_are_explained(given, message):
    import re

    _, faults = spec_of(despike).parameters.validate(given)
    assert len(faults) == 1
    assert re.search(message, faults[0].message)


def test_yaml_values_become_python_values():
    values, faults = spec_of(despike).parameters.validate({"limits": [0, 2], "table": "a.csv"})
    assert not faults
    assert values == {"size": 3, "mode": "median", "table": Path("a.csv"), "limits": (0.0, 2.0)}


def test_postponed_values_are_left_out():
    values, faults = spec_of(despike).parameters.validate({"size": "${axis}"}, postponed=frozenset({"size"}))
    assert not faults
    assert "size" not in values


def no_annotation(data, *, size: int = 1) -> Projections:
    """Doc."""


def positional_parameter(data: Projections, size: int) -> Projections:
    """Doc."""


def no_dataset(*, size: int) -> Projections:
    """Doc."""


def several_names(data: Projections, *args: int) -> Projections:
    """Doc."""


def no_docstring(data: Projections) -> Projections:
    return data


def own_key(data: Projections, *, name: str = "") -> Projections:
    """Doc."""
    return data


def not_a_pattern(data: Projections) -> np.ndarray:
    """Doc."""
    return data


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (no_annotation, "needs a type annotation"),
        (positional_parameter, "must have a pattern type"),
        (no_dataset, "takes no dataset"),
        (several_names, "declares every argument by name"),
        (no_docstring, "no docstring"),
        (own_key, "cannot be called 'name': in a list, plugin, name, on, to, save, active are the step's own keys"),
        (not_a_pattern, "must be a pattern type"),
    ],
)
def test_wrong_declarations_name_file_line_and_rule(function, message):
    plugin(function)
    with pytest.raises(PluginError, match=message) as caught:
        spec_of(function)
    assert f"test_plugin.py:{function.__code__.co_firstlineno}" in str(caught.value)


def test_class_plugins_have_fields_as_parameters():
    @plugin
    @dataclass
    class Smooth:
        """Smooth."""

        width: Annotated[float, Param("width", gt=0)] = 1.0

        def __call__(self, data: Sinograms) -> VolumeSlices:
            return data

    spec = spec_of(Smooth, name="smooth")
    assert (spec.name, spec.stateful, spec.parameters.names()) == ("smooth", True, ("width",))


def test_streaming_estimators_keep_state_out_of_the_parameters():
    @estimator
    @dataclass
    class Mean:
        """Mean."""

        power: int = 1
        total: float = field(init=False, default=0.0)

        def update(self, data: Projections) -> None:
            self.total += float(data.sum())

        def combine(self, other: Mean) -> None:
            self.total += other.total

        def result(self) -> Estimate:
            return Estimate(self.total)

    spec = spec_of(Mean)
    assert (spec.kind, spec.streaming, spec.parameters.names()) == ("estimator", True, ("power",))


def test_a_class_that_is_no_dataclass_is_refused():
    @plugin
    class Wrong:
        """Doc."""

        def __call__(self, data: Projections) -> Projections:
            return data

    with pytest.raises(PluginError, match="must be a dataclass"):
        spec_of(Wrong)


def test_any_number_of_datasets() -> None:
    """``*data`` takes one dataset or several; beside it there is no other."""

    @plugin
    def total(*data: Pointwise, scan: Scan) -> Pointwise:
        """Sum."""
        return sum(data)

    spec = spec_of(total)
    assert spec.variadic
    assert [name for name, _ in spec.reading(3).inputs] == ["data"] * 3

    @plugin
    def wrong(first: Pointwise, *others: Pointwise) -> Pointwise:
        """Sum."""
        return first

    with pytest.raises(PluginError, match="there can be no other dataset"):
        spec_of(wrong)
