"""What goes with single frames: by what their curves are divided, and which of them have none."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tomosaxs import Dataset, InputError, Scan
from tomosaxs_plugins.integration.engine.errors import error_model
from tomosaxs_plugins.scattering.per_point import check_values, values_of

Floats = NDArray[np.float64]
_NAMED = 5  # frames whose place is told; of the others only the number
_CORE = ("detector_y", "detector_x")
_SOME = 20  # shares of pixels in bins (some ten pixels) that a frame may lack without being named


def divisor_list(normalise: str | float | list[str | float] | None) -> list[str | float]:
    """Return what to divide by as a list, also where one name or number is given."""
    if normalise is None:
        return []
    return list(normalise) if isinstance(normalise, (list, tuple)) else [normalise]


def check_divisors(dataset: Dataset, normalise: str | float | list[str | float] | None) -> None:
    """Refuse a divisor that the data do not have, that is none a frame, or without one usable value.

    Raises
    ------
    InputError
        Naming it.
    """
    for each in divisor_list(normalise):
        if not isinstance(each, str):
            if not (np.isfinite(each) and each > 0):
                raise InputError(f"normalise: {each!r} is not a positive number", parameter="normalise")
            continue
        companion = dataset.auxiliaries.get(each)
        if companion is not None and any(name in _CORE for name in companion.axes):
            raise InputError(f"normalise: {each!r} has a value for every pixel, not one a frame", parameter="normalise")
        check_values(dataset, "normalise", each)


def resolved_error_model(text: str, dataset: Dataset) -> str:
    """Return the error model; ``auto`` is ``data`` where the data carry uncertainties, else ``none``."""
    if text != "auto":
        return text
    return "data" if dataset.uncertainty else "none"


def check_error_model(text: str, dataset: Dataset) -> None:
    """Refuse an error model that does not exist, or that needs uncertainties which the data do not carry.

    Raises
    ------
    InputError
        Saying what there is.
    """
    try:
        error_model(text)
    except ValueError as error:
        raise InputError(str(error), parameter="error_model") from None
    if text == "data" and not dataset.uncertainty:
        raise InputError("error_model data: these data carry no uncertainties; take poisson", parameter="error_model")


def divisors(scan: Scan, normalise: str | float | list[str | float] | None, bad: BadFrames | None = None) -> Floats:
    """Return (n,) what to divide every frame's result by, NaN where a value is zero, negative or not a number."""
    number = len(scan.index)
    product = np.ones(number)
    for each in divisor_list(normalise):
        found = np.broadcast_to(values_of(scan, each).reshape(-1), (number,))
        usable = np.isfinite(found) & (found > 0)
        if bad is not None and not usable.all():
            bad.tell(scan, ~usable & ~bad.missing(scan), f"{each} is zero, negative or not a number")
        product = product * np.where(usable, found, np.nan)
    return product


class BadFrames:
    """Tell which frames get no curve: all are counted, the first few named by their place in the scan."""

    def __init__(self) -> None:
        self._named: dict[str, int] = {}
        self._usual: int | None = None

    def tell(self, scan: Scan, bad: NDArray[np.bool_], reason: str) -> None:
        """Note the frames of this block where `bad` (n,) is True."""
        if not bad.any():
            return
        scan.note(f"{{count}} frames give NaN, the others go on: {reason}", bad)
        self._name(scan, bad, reason)

    def _name(self, scan: Scan, bad: NDArray[np.bool_], reason: str) -> None:
        for at in np.flatnonzero(bad):
            if self._named.get(reason, 0) >= _NAMED:
                return
            self._named[reason] = self._named.get(reason, 0) + 1
            scan.note(f"{reason}: frame at {place(scan, int(at))}")

    def missing(self, scan: Scan) -> NDArray[np.bool_]:
        """Return (n,) True for frames that were not measured, which the data say by a companion `missing`."""
        companion = scan.dataset.auxiliaries.get("missing")
        if companion is None or any(name in _CORE for name in companion.axes):
            return np.zeros(len(scan.index), dtype=np.bool_)
        absent = np.asarray(scan.get("missing")).reshape(-1) != 0
        return np.broadcast_to(absent, (len(scan.index),))

    def without_curve(self, scan: Scan, values: NDArray[Any]) -> None:
        """Note the frames that were not measured, and those of which nothing came out: `values` (n, ...) all NaN."""
        empty = np.isnan(values.reshape(len(values), -1)).all(axis=1)
        absent = self.missing(scan)
        self.tell(scan, absent, "not measured")
        self.tell(scan, empty & ~absent, "no usable pixel")

    def with_fewer_pixels(self, scan: Scan, values: NDArray[Any], unusable: NDArray[np.int64] | None) -> None:
        """Note frames with clearly more unusable values than usual; gaps that no mask hides are the same in all.

        What is usual is the least of the first frames that came, of which some value came out.
        """
        if unusable is None or len(unusable) != len(scan.index):  # a frame tried by itself
            return
        there = np.isfinite(values.reshape(len(values), -1)).any(axis=1) & ~self.missing(scan)
        if self._usual is None:
            self._usual = int(unusable[there].min()) if there.any() else None
        if self._usual is None:
            return
        reason = "more negative, saturated or not finite pixels than usual"
        bad = there & (unusable > self._usual + _SOME)
        if bad.any():
            scan.note(f"{{count}} frames have {reason}: these pixels are left out", bad)
            self._name(scan, bad, reason)


def place(scan: Scan, at: int) -> str:
    """Return in words where a frame of a block lies in the whole scan: index of every scan axis."""
    if not scan.sliced:
        return "the only frame"
    sizes = [scan.axis(name).size for name in scan.sliced]
    numbers = np.unravel_index(int(scan.index[at]), sizes)
    axes = [scan.axis(name) for name in scan.sliced]
    return ", ".join(f"{axis.name} {int(axis.index[number])}" for axis, number in zip(axes, numbers, strict=True))
