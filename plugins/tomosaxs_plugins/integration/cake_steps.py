"""What the steps share whose results have an axis of azimuths: the axis, the choice of backend, the end of a block."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tomosaxs import Axis, InputError, Scan, Uncertain, backends, did_you_mean
from tomosaxs_plugins.integration.per_frame import BadFrames, divisors
from tomosaxs_plugins.integration.radial import bin_centres

_PREFERRED = ("tomosaxs", "pyfai")


def azimuth_axis(sectors: int, wanted: tuple[float, float] | None, fold: bool) -> tuple[Axis, float, float]:
    """Return the axis of sectors and its outer edges in degrees; by default the whole circle, half of it if folded.

    Raises
    ------
    InputError
        When the range makes no sense.
    """
    whole = 180.0 if fold else 360.0
    first, last = ((0.0, 180.0) if fold else (-180.0, 180.0)) if wanted is None else wanted
    if not (np.isfinite(first) and np.isfinite(last) and first < last <= first + whole):
        raise InputError(f"azimuth_range: expected low < high <= low + {whole:g}, got {[first, last]}")
    return Axis("azimuth", sectors, bin_centres(first, last, sectors), "deg"), float(first), float(last)


def choose_backend(plugin: str, name: str) -> str:
    """Return the name of the backend to use; ``auto`` is the first that is installed.

    Raises
    ------
    InputError
        When it does not exist or lacks a package.
    """
    known = backends(plugin)
    if name == "auto":
        order = [*(each for each in _PREFERRED if each in known), *(each for each in known if each not in _PREFERRED)]
        for each in order:
            if not known[each].missing():
                return each
        reasons = "; ".join(f"{each}: {known[each].missing()}" for each in order)
        raise InputError(f"no backend of {plugin} can be used: {reasons or 'none is registered'}")
    if name not in known:
        raise InputError(f"backend {name!r} of {plugin} does not exist{did_you_mean(name, known)}", parameter="backend")
    if known[name].missing():
        raise InputError(f"backend {name!r} of {plugin}: {known[name].missing()}", parameter="backend")
    return name


def finished(
    scan: Scan, normalise: Any, bad: BadFrames, values: NDArray[Any], sigmas: NDArray[Any] | None
) -> NDArray[Any] | Uncertain:
    """Divide results (n, ...) by what frames are normalised by, note bad frames; with uncertainties as `Uncertain`."""
    factor = 1.0 / divisors(scan, normalise, bad)
    factor[bad.missing(scan)] = np.nan
    bad.without_curve(scan, values)
    factor = factor.reshape(-1, *(1,) * (values.ndim - 1)).astype(np.float32)
    if sigmas is None:
        return np.asarray(values * factor, dtype=np.float32)
    return Uncertain(np.asarray(values * factor, dtype=np.float32), np.asarray(sigmas * factor, dtype=np.float32))
