"""What 1 in transmission is in the units of the data: thresholds mean the same before and after flat correction."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tomosaxs import Dataset, InputError, Scan


def check_threshold(data: Dataset, absolute: float | None) -> None:
    """Refuse a threshold in parts of the open beam where the open beam is not known.

    Raises
    ------
    InputError
        When the data are neither transmission nor counts that come with flats, and `absolute` is not given.
    """
    if absolute is None and data.label != "transmission" and "flats" not in data.auxiliaries:
        raise InputError(
            f"the data are {data.label} and come without flats, so the open beam is not known: give `absolute`, "
            f"the threshold in their own units{f' ({data.units})' if data.units else ''}, or put this step after "
            "dark_flat_correction"
        )


def dark_and_span(scan: Scan) -> tuple[NDArray[np.float32] | None, NDArray[np.float32] | None]:
    """Return the mean dark and the mean flat less the dark, broadcastable to the block; None twice for transmission."""
    if scan.dataset.label == "transmission" or "flats" not in scan:
        return None, None
    flat = scan.get("flats").mean(axis=0, dtype=np.float32)
    dark: NDArray[Any] = np.zeros_like(flat)
    if "darks" in scan:
        dark = np.broadcast_to(scan.get("darks").mean(axis=0, dtype=np.float32), flat.shape)
    return np.ascontiguousarray(dark), np.asarray(flat - dark, dtype=np.float32)
