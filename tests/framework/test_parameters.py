"""Parameters as declared: what hides inside type hints."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Optional

import numpy as np
import pytest
from numpy.typing import NDArray

from tomosaxs.parameters import InputFile, Param, check_value, parameter


@pytest.mark.parametrize(
    "hint",
    [
        Annotated[int | None, Param("rows", unit="px", ge=1)],
        # as get_type_hints of Python 3.10 gives it where the default is None
        Optional[Annotated[int | None, Param("rows", unit="px", ge=1)]],  # noqa: UP045
        Optional[Annotated[int, Param("rows", unit="px", ge=1)]],  # noqa: UP045
    ],
)
def test_description_and_limits_survive_an_implicit_optional(hint: Any) -> None:
    declared = parameter("rows", hint, None)
    assert (declared.param.description, declared.param.unit) == ("rows", "px")
    assert declared.type_name() == "integer | null"
    assert check_value(declared, None) == (None, "")
    assert check_value(declared, 3) == (3, "")
    assert check_value(declared, 0)[1] == "must be >= 1 px, got 0"


def test_a_file_in_an_implicit_optional_stays_a_file() -> None:
    hint = Optional[Annotated[InputFile | dict[str, float] | None, Param("angles")]]  # noqa: UP045
    declared = parameter("angles", hint, None)
    assert declared.is_file
    assert declared.type_name() == "path | mapping | null"
    assert declared.param.description == "angles"


def test_other_hints_are_left_alone() -> None:
    for hint in (int | None, Optional[Literal["a", "b"]], Optional[InputFile]):  # noqa: UP045
        assert parameter("x", hint, None).annotation == hint


def test_an_array_of_an_estimate_is_called_an_array_and_a_fault_is_told_plainly() -> None:
    declared = parameter("mask", Annotated[InputFile | NDArray[Any] | None, Param("pixels")], None)
    assert declared.type_name() == "path | array | null"
    value, fault = check_value(declared, np.ones((2, 3), dtype=bool))
    assert not fault
    assert value.shape == (2, 3)
    assert check_value(declared, 3)[1] == "expected path | array | null, got integer 3"
    listed = parameter("sizes", list[int], None)
    assert check_value(listed, [1, "2"])[1] == "expected list[integer], got list [1, '2'] (at 1)"
