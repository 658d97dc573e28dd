"""Estimator `find_obscured_angles`: projections in which something stands before the sample."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from tomosaxs import Dataset, Estimate, InputError, Param, Scan, Sinograms, Source, estimator

_CLEAR = 10  # per cent of the projections that are taken to be clear


def _select(data: Dataset, *, rows: int, **_: Any) -> Mapping[str, Any]:
    across = "x" if "x" in data.names else "detector_x"
    others = [axis for axis in data.axes if axis.name not in ("rotation_angle", across)]
    height = next((axis for axis in others if axis.name in ("detector_y", "y")), None)
    if height is None:
        return {}
    count = min(rows, height.size)
    return {height.name: np.unique(((np.arange(count) + 0.5) * height.size / count).astype(np.intp))}


def _check(data: Dataset, **_: Any) -> None:
    if data.label == "attenuation":
        raise InputError("the data are attenuation; look for what is obscured in transmission, before minus_log")
    if data.axis("rotation_angle").values is None:
        raise InputError("the rotation angles are not known; give them in the input")


def _look(data: Dataset, source: Source | None, **_: Any) -> Iterable[str]:
    if data.label != "transmission":
        return [f"the data are {data.label}, and the threshold is a transmission: put this after dark_flat_correction"]
    return []


@estimator(select=_select, check=_check, look=_look, tile=16)
@dataclass
class FindObscuredAngles:
    """Find projections that are obscured, for instance by the columns of a press, to leave them out.

    A projection is obscured where the part of its pixels with a transmission below `threshold` exceeds that of the
    clearest tenth of the projections by more than `fraction`, so that dense parts of the sample itself count for
    nothing. `margin` projections on either side go with it, for what only begins to be covered. Give the value to
    ``reconstruct`` as ``exclude: ${obscured}``, where ``obscured`` is this step's name: those angles get no weight.

    The value is the numbers of the projections in the whole scan, from 0. The confidence tells how far the
    projections on both sides keep from the limit.
    """

    threshold: Annotated[float, Param("transmission below which a pixel is covered", gt=0, lt=1)] = 0.05
    fraction: Annotated[float, Param("part of the pixels above which a projection is obscured", gt=0, lt=1)] = 0.1
    margin: Annotated[int, Param("projections on either side to leave out too", ge=0, le=1000)] = 2
    rows: Annotated[int, Param("detector rows to look at, spread over the height", ge=1, le=65536)] = 64
    clear: NDArray[np.int64] = field(init=False, default_factory=lambda: np.zeros(0, np.int64))
    seen: int = field(init=False, default=0)
    numbers: NDArray[np.int64] = field(init=False, default_factory=lambda: np.zeros(0, np.int64))
    angles: NDArray[np.float64] = field(init=False, default_factory=lambda: np.zeros(0))

    def update(self, data: Sinograms, scan: Scan) -> None:
        """Count the clear pixels of each projection in the rows of a tile; what is not a number is not clear."""
        self.clear = np.count_nonzero(data >= self.threshold, axis=(0, 2)).astype(np.int64)
        self.seen = len(data) * data.shape[2]
        self.numbers = scan.axis("rotation_angle").index.astype(np.int64)
        self.angles = scan.angles

    def combine(self, other: FindObscuredAngles) -> None:
        """Add what another tile counted."""
        self.clear = self.clear + other.clear
        self.seen += other.seen

    def result(self) -> Estimate:
        """Choose the obscured projections."""
        covered, angles, numbers = 1.0 - self.clear / self.seen, self.angles, self.numbers
        excess = covered - np.percentile(covered, _CLEAR)
        bad = obscured(excess, angles, self.fraction, 0)
        gap = np.abs(excess - self.fraction).min() / self.fraction
        chosen = obscured(excess, angles, self.fraction, self.margin)
        details = {
            "covered": covered,
            "angles_deg": angles,
            "numbers": numbers,
            "clear_level": float(covered[0] - excess[0]),
        }
        text = f"{np.count_nonzero(bad)} of {len(bad)} projections are obscured"
        if bad.any():
            text += f"; with {self.margin} on either side: {_ranges(angles, chosen)} deg are left out"
        return Estimate(
            numbers[chosen], "", 0.0, float(np.clip(2 * gap, 0, 1)), (text,), details | {"obscured": int(bad.sum())}
        )


def obscured(
    excess: NDArray[np.float64], angles: NDArray[np.float64], fraction: float, margin: int
) -> NDArray[np.bool_]:
    """Return which projections to leave out.

    Parameters
    ----------
    excess : (n,) array
        Covered part of each projection above that of clear ones.
    angles : (n,) array
        Rotation angles, deg, in any order: neighbours are neighbours in angle.
    fraction : float
        Limit of the excess.
    margin : int
        Neighbours on either side that go with an obscured one.

    Returns
    -------
    (n,) bool array
    """
    order = np.argsort(angles, kind="stable")
    bad = np.asarray(excess[order] > fraction)
    grown: NDArray[np.bool_] = bad.copy()
    for step in range(1, margin + 1):
        grown[step:] |= bad[:-step]
        grown[:-step] |= bad[step:]
    out = np.zeros(len(order), dtype=np.bool_)
    out[order] = grown
    return out


def _ranges(angles: NDArray[np.float64], chosen: NDArray[np.bool_]) -> str:
    """Return the chosen angles as ranges, the first few of them."""
    order = np.argsort(angles, kind="stable")
    flags = np.concatenate([[False], chosen[order], [False]])
    edges = np.flatnonzero(flags[1:] != flags[:-1])
    parts = [
        f"{angles[order[a]]:.4g} to {angles[order[b - 1]]:.4g}" for a, b in zip(edges[::2], edges[1::2], strict=True)
    ]
    return ", ".join(parts[:6]) + (f" and {len(parts) - 6} more ranges" if len(parts) > 6 else "")
