"""Estimator `load_estimate`: a value that an earlier run found, for the steps of this one."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import h5py
import numpy as np

from tomosaxs import Dataset, Estimate, InputError, InputFile, Param, Pointwise, did_you_mean, estimator
from tomosaxs_plugins.loaders.hdf5 import open_file, text_of

_PLACE = "/entry/estimates"


def _select(data: Dataset, **_: Any) -> Mapping[str, Any]:
    """Ask for as little as may be: the values of the data are not looked at."""
    return {data.names[0]: [0]}


def _check(data: Dataset, *, path: Path, estimate: str, **_: Any) -> None:
    _read(path, estimate)


@estimator(select=_select, check=_check)
def load_estimate(
    data: Pointwise,
    *,
    path: Annotated[InputFile, Param("result.nxs of the earlier run")],
    estimate: Annotated[str, Param("name of the estimate in the earlier list")] = "axis",
) -> Estimate:
    """Take a value from the result of an earlier run, for instance its rotation axis or its grey-value limits.

    Value, units, uncertainty and confidence are as they were found. So a series of scans is reconstructed with one
    axis, or all volumes of a study get the same limits.

    Raises
    ------
    InputError
        When the file holds no such estimate; the message names those that it holds.
    """
    return _read(path, estimate)


def _read(path: Path, name: str) -> Estimate:
    file = open_file(path)
    found = file.handle.get(_PLACE)
    names = [each for each in found if isinstance(found[each], h5py.Group)] if isinstance(found, h5py.Group) else []
    if name not in names:
        raise InputError(
            f"{path}: no estimate {name!r} under {_PLACE}{did_you_mean(name, names)}", parameter="estimate"
        )
    group = file.handle[f"{_PLACE}/{name}"]
    stored = group["value"]
    value: Any = text_of(stored) if stored.dtype.kind in "OS" else np.asarray(stored[()], dtype=np.float64).tolist()
    numbers = {key: float(group[key][()]) if key in group else float("nan") for key in ("uncertainty", "confidence")}
    units = text_of(stored.attrs.get("units", ""))
    return Estimate(value, units, numbers["uncertainty"], numbers["confidence"], (f"taken from {path}",))
