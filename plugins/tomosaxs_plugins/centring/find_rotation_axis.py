"""Find the rotation axis of a scan, with its uncertainty and the confidence in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray

from tomosaxs import Dataset, Estimate, InputError, Param, Scan, Sinograms, Stop, estimator
from tomosaxs_plugins.centring.consensus import STOP, AxisEstimate, combine
from tomosaxs_plugins.centring.row import RowEstimate, row_estimate

_VIEWS = 900  # of a candidate's picture
_SHEET = 256  # px: candidates are compared on the middle of a slice of at most this width


def _columns(dataset: Dataset) -> str:
    return "x" if "x" in dataset.names else "detector_x"


def _sliced(dataset: Dataset) -> str:
    """Return the axis along which rows are chosen: the one across the rotation, else the first other."""
    others = [name for name in dataset.names if name not in ("rotation_angle", _columns(dataset))]
    preferred = [name for name in others if name in ("detector_y", "y")]
    return (preferred or others or [""])[0]


def _select(data: Dataset, *, rows: int, value: float | None, **rest: Any) -> Mapping[str, Any]:
    """Spread `rows` evenly, keeping away from the first and last rows, where scans are often shaded."""
    name = _sliced(data)
    if not name:
        return {}
    size = data.axis(name).size
    count = 1 if value is not None else min(rows, size)
    chosen = {name: np.unique(((np.arange(count) + 0.5) * size / count).astype(np.intp))}
    for other in data.axes:  # a stack of curves: the axis is the same for all of them, look at the middle
        if other.name not in ("rotation_angle", _columns(data), name):
            chosen[other.name] = np.array([other.size // 2], dtype=np.intp)
    return chosen


def _check(data: Dataset, *, search: tuple[float, float] | None, value: float | None, **rest: Any) -> None:
    columns, angles = data.axis(_columns(data)), data.axis("rotation_angle")
    first, last = int(columns.index[0]), int(columns.index[-1])
    if angles.values is None:
        raise InputError("the rotation angles are not known; give them in the input")
    if search is not None and not first <= search[0] < search[1] <= last:
        raise InputError(f"search {list(search)} must be two increasing columns within {first} to {last}")
    if value is not None and not first <= value <= last:
        raise InputError(f"value {value:g} lies outside the columns {first} to {last}")


@estimator(select=_select, check=_check, tile=1, gives=("tilt_deg",), cite=("10.1364/OE.22.019078",))
@dataclass
class FindRotationAxis:
    """Find the rotation axis from several rows by several methods, with uncertainty and confidence.

    Every row is judged by itself: correlation of opposite projections row by row (any angles, 180 or 360 degrees),
    Vo's Fourier method, and the sharpness of a small reconstruction. A robust line through the rows gives the axis
    (at the middle of the rows looked at), the tilt and an uncertainty. The confidence speaks of the evidence:
    signal against noise, agreement of the methods and of the rows, rivals. Candidates are compared by shifting
    in Fourier space, because linear interpolation makes false optima.

    The axis of a full turn may lie anywhere: where the sample reaches beyond the edge near it (an extended field, half
    acquisition), only the overlap of opposite projections is compared, and a message says so. ``${axis.tilt_deg}`` is
    the inclination of the axis.

    The value is the 0-based pixel centre on the full, unbinned detector row, whatever the crop. When the confidence
    is below `minimum_confidence` the run stops, unless `on_low_confidence` is ``warn``, and a picture
    shows slices for the candidate axes with the line that chooses each. Given a `value`, nothing is searched.

    Notes
    -----
    N. T. Vo et al., Reliable method for calculating the center of rotation in parallel-beam tomography
    (10.1364/OE.22.019078).
    """

    method: Annotated[
        Literal["auto", "correlation", "vo", "metric", "overlap"],
        Param("auto: all methods and their agreement; or one alone; overlap: axis anywhere in a full turn"),
    ] = "auto"
    rows: Annotated[int, Param("rows to look at, spread over the height", ge=1, le=4096)] = 10
    search: Annotated[
        tuple[float, float] | None, Param("limits for the axis; default the middle 60 %, all of a full turn", unit="px")
    ] = None
    value: Annotated[float | None, Param("the axis itself, where it is known", unit="px")] = None
    on_low_confidence: Annotated[Literal["stop", "warn"], Param("what happens below minimum_confidence")] = "stop"
    minimum_confidence: Annotated[float, Param("confidence that is asked for", ge=0, le=1)] = STOP
    found: list[NDArray[np.float64]] = field(init=False, default_factory=list)
    geometry: list[float] = field(init=False, default_factory=list)
    middle: NDArray[np.float32] | None = field(init=False, default=None)
    angles: NDArray[np.float64] | None = field(init=False, default=None)

    def known(self) -> Estimate | None:
        """Return the value that is given, if one is."""
        return None if self.value is None else Estimate(self.value, "px", 0.0, 1.0, ("given, not searched",))

    def update(self, data: Sinograms, scan: Scan) -> None:
        """Judge each sinogram of a tile; keep the middle one for the picture."""
        columns = scan.axis(_columns(scan.dataset))
        step = columns.pitch
        self.geometry = [float(columns.centres[0]), step]
        positions = scan.positions
        everything = scan.axis(scan.sliced[0]).index if scan.sliced else positions
        limits = self.search
        if limits is not None:
            limits = ((limits[0] - self.geometry[0]) / step, (limits[1] - self.geometry[0]) / step)
        for sinogram, row in zip(data, positions, strict=True):
            if self.value is None:
                estimate = row_estimate(sinogram, scan.angles, float(row), method=self.method, search=limits)
                self.found.append(estimate.to_array())
            if row == everything[len(everything) // 2]:
                self.middle = np.asarray(sinogram, dtype=np.float32)
                self.angles = scan.angles

    def combine(self, other: FindRotationAxis) -> None:
        """Append what another tile found."""
        self.found.extend(other.found)
        self.geometry = self.geometry or other.geometry
        if other.middle is not None:
            self.middle, self.angles = other.middle, other.angles

    def result(self) -> Estimate:
        """Bring the rows together.

        Raises
        ------
        Stop
            When the confidence is too low and `on_low_confidence` is ``stop``.
        """
        given = self.known()
        if given is not None:
            return given
        found = combine([RowEstimate.from_array(row) for row in self.found], method=self.method)
        first, step = self.geometry
        axis = first + step * found.axis
        candidates = [(first + step * place, score) for place, score in found.candidates]
        low = not found.confidence >= self.minimum_confidence
        sheet = self._sheet(candidates[:12] if low else candidates[:6], extended=found.extended)
        pictures = {"candidate_axes": sheet} if sheet is not None else {}
        if low and (self.on_low_confidence == "stop" or not np.isfinite(axis)):
            raise Stop(self._plea(found, axis, candidates), dict(pictures))
        messages = found.messages
        if low:
            messages = (f"low confidence {found.confidence:.2f}: look at the candidate axes", *messages)
        details = {
            "row_indices": found.row_indices,
            "row_axes": first + step * found.row_axes,
            "row_uncertainties": step * found.row_sigmas,
            "row_weights": found.row_weights,
            "tilt_deg": found.tilt,
            "tilt_uncertainty_deg": found.tilt_uncertainty,
            "row_centre": found.row_centre,
            "candidates": np.array(candidates),
        }
        return Estimate(axis, "px", step * found.uncertainty, found.confidence, messages, details, pictures)

    def _plea(self, found: AxisEstimate, axis: float, candidates: list[tuple[float, float]]) -> str:
        """Return why the run stops and how to go on."""
        known = np.isfinite(axis)
        lines = [
            f"the rotation axis is not certain: {axis:.2f} px with confidence {found.confidence:.3g} "
            f"(asked for: {self.minimum_confidence:g})"
            if known
            else "the rotation axis was not found",
            *(f"  {message}" for message in found.messages),
            "look at candidate_axes.png and choose, for instance with one of:",
            *(f"  --set {{step}}.value={place:.2f}" for place, _ in candidates[:8] if np.isfinite(place)),
            *(["or go on with the best guess:  --set {step}.on_low_confidence=warn"] if known else []),
        ]
        return "\n".join(lines)

    def _sheet(self, candidates: list[tuple[float, float]], *, extended: bool) -> NDArray[np.uint8] | None:
        """Return slices of the middle row for the candidate axes, labelled."""
        if self.middle is None or self.angles is None or len(self.angles) < 2:
            return None
        from tomosaxs import contact_sheet
        from tomosaxs_plugins.reconstruction.extended import extend, extended_range, full_turn_factor
        from tomosaxs_plugins.reconstruction.gridding import gridding
        from tomosaxs_plugins.volume.parts import for_each

        first, step = self.geometry
        sinogram = np.nan_to_num(self.middle, nan=0.0, posinf=0.0, neginf=0.0)
        width = sinogram.shape[1]
        angles = self.angles
        places = [place for place, _ in sorted(candidates) if 0 <= (place - first) / step <= width - 1]  # no NaN
        if not extended and angles[-1] - angles[0] < 200.0:  # the middle of a slice does not show more views
            apart = max(1, len(angles) // _VIEWS)
            sinogram, angles = sinogram[::apart], angles[::apart]
        images: list[NDArray[np.float32]] = [np.zeros((0, 0), np.float32)] * len(places)

        def one(number: int) -> None:
            column = (places[number] - first) / step
            wide = sinogram[None]
            if extended:
                wide = extend(wide, column) * full_turn_factor(angles)[:, None]
                column -= extended_range(width, column)[0]
            size = min(wide.shape[2], _SHEET)
            images[number] = gridding(wide, angles, column, padding="edge", size=size, threads=1)[0]

        for_each(one, list(range(len(places))))
        labelled = [(f"{place:.2f} px", image) for place, image in zip(places, images, strict=True)]
        return contact_sheet(labelled, columns=3) if labelled else None
