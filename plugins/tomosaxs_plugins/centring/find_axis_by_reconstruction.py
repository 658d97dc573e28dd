"""Find the rotation axis by the quality of slices, many candidate axes in one reconstruction."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray

from tomosaxs import Dataset, Estimate, InputError, Param, Scan, Sinograms, Stop, contact_sheet, estimator
from tomosaxs_plugins.centring.opposite import is_full_turn
from tomosaxs_plugins.centring.sharpness import METRICS, candidate_slices, peak, prominence, score_slices

Floats = NDArray[np.float64]

FINE = 9  # fine candidates on either side of the best one
SHEET = 160  # px of the middle of each slice that the picture shows
OVERLAP = 0.9  # of the distance to the nearer edge: of a full turn, the disc that every projection sees
CLEAR = 10.0  # prominence of the best candidate at which confidence is one half
DISAGREE = 1.0  # px


def _columns(data: Dataset) -> str:
    return "x" if "x" in data.names else "detector_x"


def _select(data: Dataset, *, row: int | None, **rest: Any) -> Mapping[str, Any]:
    """Take one row, the middle one by default."""
    chosen: dict[str, Any] = {}
    for axis in data.axes:
        if axis.name not in ("rotation_angle", _columns(data)):
            first = axis.name in ("detector_y", "y") and row is not None
            place = int(np.flatnonzero(axis.index == row)[0]) if first else axis.size // 2
            chosen[axis.name] = np.array([place], dtype=np.intp)
    return chosen


def _check(data: Dataset, *, row: int | None, guess: float | None, candidates: int, **rest: Any) -> None:
    columns = data.axis(_columns(data))
    if data.axis("rotation_angle").values is None:
        raise InputError("the rotation angles are not known; give them in the input")
    first, last = float(columns.centres[0]), float(columns.centres[-1])
    if guess is not None and not first <= guess <= last:
        raise InputError(f"guess {guess:g} lies outside the columns {first:g} to {last:g}", parameter="guess")
    for axis in data.axes:
        if axis.name in ("detector_y", "y") and row is not None and row not in axis.index:
            raise InputError(f"there is no row {row}: there are {axis.index[0]} to {axis.index[-1]}", parameter="row")


@estimator(select=_select, check=_check, cite=("10.1364/JOSAA.23.001048",))
def find_axis_by_reconstruction(
    data: Sinograms,
    scan: Scan,
    *,
    guess: Annotated[float | None, Param("middle of the candidates; default that of the detector", unit="px")] = None,
    candidates: Annotated[int, Param("candidate axes", ge=5, le=400)] = 40,
    step: Annotated[float, Param("distance of candidates", unit="px", gt=0)] = 1.0,
    fine_step: Annotated[float, Param("distance of the fine candidates", unit="px", gt=0)] = 0.25,
    metric: Annotated[
        Literal["auto", "std", "edges", "entropy", "negativity"],
        Param("what the best slice has most of; auto: std for a full turn, entropy for half a turn"),
    ] = "auto",
    row: Annotated[int | None, Param("row of the full detector; default the middle one", ge=0)] = None,
    size: Annotated[int, Param("width of the part of the slice that is compared", unit="px", ge=16)] = 512,
) -> Estimate:
    """Find the rotation axis by reconstructing one row for forty candidates and choosing the best slice.

    The candidates lie `step` apart about `guess`; then finer ones about the best, and a parabola through these. All
    slices of a pass are one batch of the same row. Another way to look than ``find_rotation_axis``, for scans where
    opposite projections do not tell enough; a guess within ``candidates * step / 2`` is needed, for instance
    ``${axis}``. All metrics are kept with the result, and a message says where those that suit the scan disagree. Of
    a full turn only the disc is compared that every projection sees: an extended field needs an overlap of at least a
    fifth of the width.

    The value is the 0-based pixel centre on the full, unbinned detector row, whatever the crop.

    Raises
    ------
    Stop
        When the best candidate is the first or the last: look at the picture, and give another `guess`.

    Notes
    -----
    T. Donath, F. Beckmann, A. Schreyer, Automated determination of the center of rotation in tomography data
    (10.1364/JOSAA.23.001048).
    """
    columns = scan.axis(_columns(scan.dataset))
    first, pitch = float(columns.centres[0]), columns.pitch
    sinogram, angles = _usable(np.asarray(data[0], dtype=np.float32)), scan.angles
    middle = (columns.size - 1) / 2 if guess is None else (guess - first) / pitch
    full = is_full_turn(np.sort(angles))
    chosen = metric if metric != "auto" else ("std" if full else "entropy")

    coarse = _around(middle, step / pitch, candidates, columns.size)
    width = _width(size, middle, columns.size, full)
    slices = candidate_slices(sinogram, angles, coarse, width)
    scores = score_slices(slices)
    sheet = _sheet(slices, first + pitch * coarse)
    start = peak(coarse, scores[chosen])
    if not np.isfinite(start):
        best = first + pitch * float(coarse[int(np.argmax(scores[chosen]))])
        raise Stop(
            f"the best of {len(coarse)} candidates for the rotation axis, {best:.2f} px, is the first or the last one: "
            "look at candidate_axes.png and give another guess, for instance\n"
            f"  --set {{step}}.guess={best:.2f}",
            {"candidate_axes": sheet},
        )
    fine = _around(round(start * pitch / fine_step) * fine_step / pitch, fine_step / pitch, 2 * FINE + 1, columns.size)
    fine_scores = score_slices(candidate_slices(sinogram, angles, fine, width))
    axis = peak(fine, fine_scores[chosen], FINE // 2)
    others = {name: first + pitch * peak(coarse, scores[name]) for name in ("edges", "std" if full else "entropy")}
    value = first + pitch * (axis if np.isfinite(axis) else start)
    clear = prominence(scores[chosen])
    details: dict[str, Any] = {
        "candidates": first + pitch * coarse,
        "fine_candidates": first + pitch * fine,
        **{f"scores_{name}": scores[name] for name in METRICS},
        **{f"fine_scores_{name}": fine_scores[name] for name in METRICS},
    }
    return Estimate(
        value,
        "px",
        fine_step if np.isfinite(axis) else step,
        float(clear / (clear + CLEAR)),
        _messages(others, chosen, value),
        details,
        {"candidate_axes": sheet},
    )


def _usable(sinogram: NDArray[np.float32]) -> NDArray[np.float32]:
    bad = ~np.isfinite(sinogram)
    if bad.mean() > 0.2:
        raise InputError(f"{100 * bad.mean():.0f} % of the row is missing (NaN or infinite)")
    return np.where(bad, np.float32(0.0), sinogram)


def _around(middle: float, step: float, count: int, columns: int) -> Floats:
    """Return evenly spaced candidates on the detector; where it ends there are fewer."""
    places = middle + step * (np.arange(count) - count // 2)
    return np.asarray(places[(places >= 2) & (places <= columns - 3)])


def _width(size: int, middle: float, columns: int, full: bool) -> int:
    """Return the width that is compared: of a full turn no more than what all projections see."""
    nearer = min(middle, columns - 1 - middle)
    return max(16, min(size, int(2 * OVERLAP * nearer) if full else columns))


def _messages(others: Mapping[str, float], chosen: str, value: float) -> tuple[str, ...]:
    told = [f"{name} {place:.2f} px" for name, place in others.items() if abs(place - value) > DISAGREE]
    return (f"metrics disagree: {chosen} {value:.2f} px, {', '.join(told)}",) if told else ()


def _sheet(slices: NDArray[np.float32], places: Floats) -> NDArray[np.uint8]:
    cut = max(0, (slices.shape[1] - SHEET) // 2)
    inner = slices[:, cut : slices.shape[1] - cut, cut : slices.shape[1] - cut]
    return contact_sheet([(f"{place:.2f} px", image) for place, image in zip(places, inner, strict=True)], columns=8)
