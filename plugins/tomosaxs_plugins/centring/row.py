"""Estimate the rotation axis from one row alone: all methods, each with its uncertainty."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tomosaxs_plugins.centring.correlation import correlate_opposite
from tomosaxs_plugins.centring.metric import metric_axis, metric_search
from tomosaxs_plugins.centring.opposite import is_full_turn, opposite_pairs
from tomosaxs_plugins.centring.rows import EDGE_FRACTION, CleanRow, UnusableRowError, clean_row
from tomosaxs_plugins.centring.smooth import gaussian
from tomosaxs_plugins.centring.vo import half_turn, wedge_axis

Floats = NDArray[np.float64]

METHODS = ("auto", "correlation", "vo", "metric", "overlap")
SEARCH = (0.2, 0.8)  # of the width: where the axis of a full-field scan may be
WHOLE = (0.03, 0.97)  # of the width: where that of a full turn may be
ASIDE = 0.1  # of the width: an axis further than this from the middle may be that of an extended field
CUT_OFF = 0.15  # of the contrast: signal at the edge near the axis that tells of a sample beyond it
SURE = 10.0  # evidence for an extended field, also relative to that for an axis in the middle, that settles it
OVERLAP_PAIRS = 720  # a narrow overlap needs every pair there is
METRIC_NOISE = 60.0  # prominence of the peak that a metric finds in noise
SEAM_IS_A_STEP = 0.8  # steps between the end frames, beyond which nothing speaks for opposite ends
SEAM_FRAMES = 7  # frames at either end of a half turn that tell whether its ends are opposite
REASONS = (
    "",
    "too many values are missing (NaN or infinite)",
    "the row is constant",
    "the row is too small or its angles do not fit",
    "the angles neither hold opposite frames nor cover half a turn",
)


@dataclass(frozen=True)
class MethodEstimate:
    """What one method says of one row.

    Attributes
    ----------
    axis, sigma : float
        Rotation axis (px) and its standard deviation; NaN and infinity where there is none.
    evidence : float
        Log-likelihood gain over noise, less the price of the search; 0 is no evidence.
    rival, rival_axis : float
        Evidence of the best other position relative to the main one, and that position (px).
    """

    axis: float = float("nan")
    sigma: float = float("inf")
    evidence: float = 0.0
    rival: float = 0.0
    rival_axis: float = float("nan")


@dataclass(frozen=True)
class RowEstimate:
    """What all methods say of one row; independent of every other row.

    Attributes
    ----------
    row : float
        Index of the row.
    columns : float
        Width of the row, px.
    contrast, noise : float
        Standard deviations of the signal and of the noise of one pixel (attenuation).
    repaired : float
        Fraction of missing values that were interpolated.
    reason : int
        Index into `REASONS`; 0 is a good row.
    full_turn : bool
        The angles go all around.
    seam : float
        Measured angle between the end frames of a half turn and exactly opposite ones, in steps: about 1
        where the stored angles are right, about 0 where the frames are opposite although the angles
        differ from it by a step. NaN where this question does not arise.
    cut_off : bool
        The sample reaches beyond the edge that is near the axis of `overlap`.
    correlation, vo, metric : MethodEstimate
        The methods, angles as stored.
    overlap : MethodEstimate
        Of a full turn: the correlation over the whole width, where it finds the axis away from the middle.
    correlation_ends, vo_ends : MethodEstimate
        The same, with the first and the last frame taken as opposite.
    """

    row: float
    columns: float = 0.0
    contrast: float = 0.0
    noise: float = 0.0
    repaired: float = 0.0
    reason: int = 0
    full_turn: bool = False
    seam: float = float("nan")
    cut_off: bool = False
    correlation: MethodEstimate = MethodEstimate()
    vo: MethodEstimate = MethodEstimate()
    metric: MethodEstimate = MethodEstimate()
    correlation_ends: MethodEstimate = MethodEstimate()
    vo_ends: MethodEstimate = MethodEstimate()
    overlap: MethodEstimate = MethodEstimate()

    @property
    def outside(self) -> float:
        """Evidence for the axis of `overlap`, relative to that of the axis in the middle."""
        return self.overlap.evidence / max(self.correlation.evidence, 1e-300)

    @property
    def outside_axis(self) -> float:
        """Axis of `overlap`, px."""
        return self.overlap.axis

    def to_array(self) -> Floats:
        """Return all values as one flat float64 array of `ROW_SIZE` numbers."""
        values: list[float] = []
        for name in _SCALARS:
            values.append(float(getattr(self, name)))
        for name in _ESTIMATES:
            estimate = getattr(self, name)
            values += [float(getattr(estimate, f.name)) for f in fields(MethodEstimate)]
        return np.array(values, dtype=np.float64)

    @classmethod
    def from_array(cls, values: Floats) -> RowEstimate:
        """Rebuild what `to_array` made.

        Raises
        ------
        ValueError
            The array has another length than `ROW_SIZE`.
        """
        if values.shape != (ROW_SIZE,):
            raise ValueError(f"an estimate of a row has {ROW_SIZE} numbers, not shape {values.shape}")
        content: dict[str, Any] = {name: float(v) for name, v in zip(_SCALARS, values, strict=False)}
        content["reason"] = int(content["reason"])
        content["full_turn"] = bool(content["full_turn"])
        content["cut_off"] = bool(content["cut_off"])
        size, start = len(fields(MethodEstimate)), len(_SCALARS)
        for i, name in enumerate(_ESTIMATES):
            part = values[start + i * size : start + (i + 1) * size]
            content[name] = MethodEstimate(*(float(v) for v in part))
        return cls(**content)


_ESTIMATES = ("correlation", "vo", "metric", "correlation_ends", "vo_ends", "overlap")
_SCALARS = tuple(f.name for f in fields(RowEstimate) if f.name not in _ESTIMATES)
ROW_SIZE = len(_SCALARS) + len(_ESTIMATES) * len(fields(MethodEstimate))


def row_estimate(
    sinogram: NDArray[np.floating],
    angles_deg: NDArray[np.floating],
    row: float = 0.0,
    *,
    method: str = "auto",
    search: tuple[float, float] | None = None,
) -> RowEstimate:
    """Estimate the axis from one sinogram.

    Parameters
    ----------
    sinogram : (angles, columns) array
        Attenuation (after the logarithm).
    angles_deg : (angles,) array
        Degrees, any order, any spacing.
    row : float
        Index of the row, handed through.
    method : {'auto', 'correlation', 'vo', 'metric', 'overlap'}
        'auto' runs all; a name runs that one alone. 'overlap' is the correlation of a full turn over the whole width.
    search : (float, float), optional
        Limits for the axis, px; by default the middle 60 % of the width, for a full turn also nearly all of it.

    Returns
    -------
    RowEstimate
        A row that cannot be used has a `reason` and no estimates; nothing is raised for bad data.

    Raises
    ------
    ValueError
        Unknown method.
    """
    if method not in METHODS:
        raise ValueError(f"unknown method {method!r}: one of {', '.join(METHODS)}")
    try:
        clean = clean_row(sinogram, angles_deg)
    except UnusableRowError as problem:
        return RowEstimate(row=row, reason=_reason_of(str(problem)))
    columns = clean.values.shape[1]
    limits = search if search is not None else (SEARCH[0] * (columns - 1), SEARCH[1] * (columns - 1))
    content: dict[str, Any] = {}
    seam = _seam(clean)
    if method in ("auto", "correlation"):
        content |= _correlate(clean, limits)
    if method in ("auto", "correlation", "overlap"):
        content |= _overlap(clean, search)
    if method == "vo" or (method == "auto" and not _is_extended(content)):
        content |= _vo(clean, limits, seam)
    if method == "metric":
        axis, sigma, prominence = metric_search(clean.values, clean.angles, limits)
        evidence = min(50.0, 0.5 * (prominence / METRIC_NOISE) ** 2) if np.isfinite(axis) else 0.0
        content["metric"] = MethodEstimate(axis, sigma, evidence)
    elif method == "auto" and content and not _is_extended(content):
        content["metric"] = _check_by_metric(clean, content)
    reason = 0 if content else 4
    return RowEstimate(
        row=row,
        columns=float(columns),
        contrast=clean.contrast,
        noise=clean.noise,
        repaired=clean.repaired,
        reason=reason,
        full_turn=is_full_turn(clean.angles),
        seam=seam,
        **content,
    )


def _reason_of(text: str) -> int:
    if "missing" in text:
        return 1
    return 2 if "constant" in text else 3


def _correlate(clean: CleanRow, limits: tuple[float, float]) -> dict[str, Any]:
    content: dict[str, Any] = {}
    for name, trust in (("correlation", True), ("correlation_ends", False)):
        pairs = opposite_pairs(clean.angles, trust=trust)
        if pairs.count == 0:
            continue
        found = correlate_opposite(clean.plain, pairs, search=limits)
        content[name] = MethodEstimate(found.axis, found.sigma, found.evidence, found.rival, found.rival_axis)
    return content


def _overlap(clean: CleanRow, search: tuple[float, float] | None) -> dict[str, Any]:
    """Look for an axis away from the middle, where opposite frames of a full turn share a part of the field only."""
    if not is_full_turn(clean.angles):
        return {}
    last = clean.plain.shape[1] - 1
    limits = search if search is not None else (WHOLE[0] * last, WHOLE[1] * last)
    pairs = opposite_pairs(clean.angles)
    if pairs.count == 0:
        return {}
    # what stands still (rings) is alike in all frames, mirrored or not: only its broad part may be the sample's
    mean = clean.plain.mean(axis=0)
    still = mean - gaussian(mean, max(4.0, EDGE_FRACTION * (last + 1)))
    found = correlate_opposite(clean.plain - still, pairs, search=limits, max_pairs=OVERLAP_PAIRS)
    if not abs(found.axis - 0.5 * last) > ASIDE * last:
        return {}
    estimate = MethodEstimate(found.axis, found.sigma, found.evidence, found.rival, found.rival_axis)
    return {"overlap": estimate, "cut_off": _cut_off(clean, found.axis)}


def _is_extended(content: dict[str, Any]) -> bool:
    """Tell whether this row by itself is sure of an extended field: the other methods would see half a sample."""
    central = content.get("correlation", MethodEstimate()).evidence
    return bool(content.get("cut_off")) and content["overlap"].evidence > max(SURE * central, SURE)


def _cut_off(clean: CleanRow, axis: float) -> bool:
    """Tell whether the edge near the axis sees more of the sample than the other one does."""
    n = clean.plain.shape[1]
    strip = max(2, round(EDGE_FRACTION * n))
    left, right = clean.plain[:, :strip].mean(axis=1), clean.plain[:, -strip:].mean(axis=1)
    near, far = (left, right) if axis < 0.5 * (n - 1) else (right, left)
    signal = float(np.sqrt(np.mean((near - far) ** 2)))
    return signal > CUT_OFF * float(np.std(clean.plain))


def _vo(clean: CleanRow, limits: tuple[float, float], seam: float) -> dict[str, Any]:
    content: dict[str, Any] = {}
    frames = half_turn(clean.values, clean.angles)
    if frames is not None:
        found = wedge_axis(frames, search=limits, noise=clean.noise)
        content["vo"] = MethodEstimate(found.axis, found.sigma, found.evidence)
    if opposite_pairs(clean.angles, trust=False).count and not seam > SEAM_IS_A_STEP:
        # First and last frame opposite: the last one repeats the first and is left out.
        found = wedge_axis(clean.values[:-1], search=limits, noise=clean.noise)
        content["vo_ends"] = MethodEstimate(found.axis, found.sigma, found.evidence)
    return content


def _check_by_metric(clean: CleanRow, content: dict[str, Any]) -> MethodEstimate:
    """Look at small reconstructions near what the other methods found."""
    found = [e for e in content.values() if isinstance(e, MethodEstimate) and np.isfinite(e.sigma)]
    if not found:
        return MethodEstimate()
    start = min(found, key=lambda e: e.sigma).axis
    step = 0.75 * max(1.0, clean.values.shape[1] / 128)
    axis, sigma, _ = metric_axis(
        clean.values, clean.angles, start + step * np.arange(-4.0, 5.0), columns=128, frames=120
    )
    return MethodEstimate(axis, sigma, _contrast_evidence(clean) if np.isfinite(axis) else 0.0)


def _contrast_evidence(clean: CleanRow) -> float:
    """Return the evidence that there is a sample at all, from its contrast over the noise."""
    ratio = clean.contrast / max(clean.noise, 1e-300)
    return float(min(50.0, 0.5 * clean.angles.size * min(ratio, 1e3) ** 4))


def _seam(clean: CleanRow) -> float:
    """Measure how far, in steps, the end frames of a half turn are from being opposite.

    Frames near one end tell how unlikeness grows with their distance in angle; frame i from one end and
    k - i from the other should be as unlike (mirrored) as frames at k + seam steps from each other.
    """
    v = clean.values
    if opposite_pairs(clean.angles, trust=False).count == 0 or v.shape[0] < 4 * SEAM_FRAMES:
        return float("nan")
    size = 2 * v.shape[1]
    start = np.fft.rfft(v[:SEAM_FRAMES], size)
    end = np.fft.rfft(v[-SEAM_FRAMES:][::-1], size)
    along = [
        float(np.mean([_unlikeness(e[i], e[i + d]) for e in (start, end) for i in range(SEAM_FRAMES - d)]))
        for d in range(1, SEAM_FRAMES)
    ]
    along.insert(0, (4.0 * along[0] - along[1]) / 3.0)  # two frames at the same angle: their noise only
    reach = SEAM_FRAMES - 2
    across = [float(np.mean([_unlikeness(start[i], np.conj(end[k - i])) for i in range(k + 1)])) for k in range(reach)]
    steps = np.arange(len(along))
    shifts = np.arange(0.0, 1.51, 0.05)
    misfit = [float(((np.interp(np.arange(reach) + m, steps, along) - across) ** 2).sum()) for m in shifts]
    rise = float(np.mean(np.array(along[1 : reach + 1]) - np.array(along[:reach])))
    # Scatter of a sum of squared differences of noise, over the pairs that are averaged.
    doubt = float(np.sqrt(8.0 * v.shape[1] / (reach + 1))) * clean.noise**2
    if doubt > 0.15 * rise:
        return float("nan")
    return float(shifts[int(np.argmin(misfit))])


def _unlikeness(one: NDArray[np.complex128], other: NDArray[np.complex128]) -> float:
    """Return the sum of squared differences of two frames, at the best of all shifts (1/8 px steps)."""
    fine = 16 * (one.size - 1)
    likeness = float(np.fft.irfft(one * np.conj(other), fine).max()) * 8.0
    energy = sum(float(np.fft.irfft(f * np.conj(f), 2 * (one.size - 1))[0]) for f in (one, other))
    return energy - 2.0 * likeness
