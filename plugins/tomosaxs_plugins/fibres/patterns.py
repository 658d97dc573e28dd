"""Patterns of fibre reconstruction: what its steps see of a dataset."""

from __future__ import annotations

from typing import Annotated, Any, TypeAlias

from numpy.typing import NDArray

from tomosaxs import custom_pattern

FibreSlices: TypeAlias = Annotated[NDArray[Any], custom_pattern("FibreSlices", "rotation_angle", "x", "azimuth", "q")]
"""(n, rotation_angle, x, azimuth, q): intensity of every beam path of a slice against azimuth and q."""
FibreRows: TypeAlias = Annotated[NDArray[Any], custom_pattern("FibreRows", "fibre", "quantity")]
"""(n, fibre, quantity): a row for every fibre of a slice, columns as in `columns.COLUMNS`; rows beyond are NaN."""
