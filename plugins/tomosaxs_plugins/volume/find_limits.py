"""Estimators `find_limits` and `histogram`: grey-value limits and the distribution of a volume's values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from tomosaxs import Dataset, Estimate, InputError, Param, Scan, VolumeSlices, estimator
from tomosaxs_plugins.volume.circle import inside_circle
from tomosaxs_plugins.volume.selection import spread
from tomosaxs_plugins.volume.statistics import Tally, tally

_TILE = 16
_SHOWN = 256


def _select(data: Dataset, *, every: int, **_: Any) -> Mapping[str, Any]:
    heights = [name for name in data.names if name not in ("y", "x")]
    return {heights[-1]: spread(data.axis(heights[-1]).size, every)} if heights and every > 1 else {}


def _check(data: Dataset, *, percentiles: tuple[float, float] = (0.0, 100.0), **_: Any) -> None:
    if not percentiles[0] < percentiles[1]:
        raise InputError(f"percentiles: expected low < high, got {list(percentiles)}", parameter="percentiles")


_GIVES = ("low", "high", "minimum", "maximum", "mean", "standard_deviation")


@dataclass
class _Distribution:
    """What both estimators add up tile by tile."""

    keys: NDArray[np.int64] = field(init=False, default_factory=lambda: np.empty(0, np.int64))
    counts: NDArray[np.int64] = field(init=False, default_factory=lambda: np.empty(0, np.int64))
    moments: NDArray[np.float64] = field(init=False, default_factory=lambda: np.zeros(6))
    units: str = field(init=False, default="")

    def _update(self, data: Any, scan: Scan, circle: float | None) -> None:
        inside = None if circle is None else inside_circle(scan.axis("y"), scan.axis("x"), circle)
        found = tally(data, inside)
        self.keys, self.counts, self.moments = found.keys, found.counts, found.moments
        self.units = scan.dataset.units

    def _combine(self, other: _Distribution) -> None:
        both = self._tally().added(other._tally())
        self.keys, self.counts, self.moments = both.keys, both.counts, both.moments

    def _tally(self) -> Tally:
        return Tally(self.keys, self.counts, self.moments)

    def _described(self, bins: int, low: float, high: float) -> dict[str, Any]:
        """Return numbers, and a histogram from `low` to `high`."""
        found = self._tally()
        edges = np.linspace(low, high, bins + 1)
        return {
            "minimum": float(found.moments[2]),
            "maximum": float(found.moments[3]),
            "mean": found.mean,
            "standard_deviation": found.deviation,
            "values": found.finite,
            "not_finite": int(found.moments[1]),
            "histogram_positions": 0.5 * (edges[1:] + edges[:-1]),
            "histogram_counts": found.histogram(edges),
        }

    def _refuse_nothing(self) -> None:
        if not self.moments[0]:
            raise InputError("the volume holds no finite value")


@estimator(select=_select, check=_check, tile=_TILE, memory=1.5, gives=_GIVES)
@dataclass
class FindLimits(_Distribution):
    """Find the grey-value limits of a volume: two percentiles of its values, for `rescale`.

    The value is [low, high]: ``limits: ${limits}``. Percentiles come from a histogram whose bins are 0.1 % of their
    value wide, so that no range is needed beforehand and a few wild values change nothing. Every tenth slice is looked
    at (at least eight): the steps before run on those alone, ahead of the main pass, and the volume of floats need
    never be stored. Values that are not finite do not count.
    """

    percentiles: Annotated[tuple[float, float], Param("that become the limits", unit="%", ge=0, le=100)] = (0.1, 99.9)
    every: Annotated[int, Param("look at every so many slices; 1: at all", ge=1)] = 10
    circle: Annotated[float | None, Param("look inside this fraction of the width only", gt=0, le=2)] = None

    def update(self, data: VolumeSlices, scan: Scan) -> None:
        """Count the values of a tile."""
        self._update(data, scan, self.circle)

    def combine(self, other: FindLimits) -> None:
        """Add up the counts of another tile."""
        self._combine(other)

    def result(self) -> Estimate:
        """Return the limits.

        Raises
        ------
        InputError
            When there is no finite value.
        """
        self._refuse_nothing()
        low, high = (float(limit) for limit in self._tally().percentiles(self.percentiles))
        messages = [f"{self.percentiles[0]:g} % lie below {low:.6g}, {self.percentiles[1]:g} % below {high:.6g}"]
        if not low < high:
            high = low + (abs(low) * 1e-3 or 1.0)
            messages.append("all values are the same: the limits are set apart")
        room = 0.25 * (high - low)
        details = {"low": low, "high": high, **self._described(_SHOWN, low - room, high + room)}
        return Estimate([low, high], self.units, messages=tuple(messages), details=details)


@estimator(select=_select, check=_check, tile=_TILE, memory=1.5, gives=_GIVES)
@dataclass
class Histogram(_Distribution):
    """Count how often each grey value occurs in a volume.

    The histogram stands in the result (estimates/NAME/details) and as a chart in the report; the value is the range
    that it covers. Values that are not finite do not count.
    """

    bins: Annotated[int, Param("number of bins", ge=2, le=65536)] = 256
    limits: Annotated[tuple[float, float] | None, Param("range; default from the least to the largest value")] = None
    every: Annotated[int, Param("look at every so many slices; 1: at all", ge=1)] = 1
    circle: Annotated[float | None, Param("look inside this fraction of the width only", gt=0, le=2)] = None

    def update(self, data: VolumeSlices, scan: Scan) -> None:
        """Count the values of a tile."""
        self._update(data, scan, self.circle)

    def combine(self, other: Histogram) -> None:
        """Add up the counts of another tile."""
        self._combine(other)

    def result(self) -> Estimate:
        """Return the histogram.

        Raises
        ------
        InputError
            When there is no finite value, or the limits are not low < high.
        """
        self._refuse_nothing()
        low, high = self.limits or (float(self.moments[2]), float(self.moments[3]))
        if self.limits is not None and not low < high:
            raise InputError(f"limits: expected two numbers, low < high, got {list(self.limits)}", parameter="limits")
        if not low < high:
            low, high = low - 0.5, high + 0.5
        details = {"low": low, "high": high, **self._described(self.bins, low, high)}
        message = f"mean {details['mean']:.6g}, standard deviation {details['standard_deviation']:.3g} {self.units}"
        return Estimate([low, high], self.units, messages=(message.strip(),), details=details)
