"""What stands for values that were not measured."""

from __future__ import annotations

from typing import Any

import numpy as np


def fill_value(dtype: np.dtype[Any]) -> Any:
    """Return what stands for a value that is not there: NaN, -1, or the largest value of an unsigned type.

    In frames of counts these are what detectors write into gaps and dead pixels; integration leaves them out.
    """
    if dtype.kind == "f":
        return np.nan
    return -1 if dtype.kind == "i" else np.iinfo(dtype).max if dtype.kind == "u" else 0
