"""From estimates of single rows to one rotation axis with tilt, uncertainty and confidence.

Confidence speaks of the evidence, not of the number of rows: is there a signal, do methods that look at
different things agree, do the rows agree, is there a rival. One clear row is enough.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tomosaxs_plugins.centring.line import Line, robust_line
from tomosaxs_plugins.centring.row import METHODS, REASONS, MethodEstimate, RowEstimate

Floats = NDArray[np.float64]

STOP = 0.5  # confidence below this should stop a run
EVIDENCE_HALF = 4.0  # log-likelihood at which evidence counts one half; pure noise reaches about this
CLEAR = 50.0  # evidence beyond this makes nothing clearer
AGREE_SIGMAS, AGREE_PX = 3.0, 0.3  # methods agree within this many sigmas plus this many px
SEAM_LIMIT = 0.35  # end frames nearer to opposite than this (in steps) are taken as opposite
FAINT = 0.1  # of the strongest row's contrast: such a row counts one half
ROWS_PX = 1.0  # a row further than this (and 3 sigmas) from the line contradicts it


@dataclass(frozen=True)
class AxisEstimate:
    """Rotation axis of a scan.

    Attributes
    ----------
    axis, uncertainty : float
        Column of the axis in row `row_centre`, 0-based pixel centres, and its standard deviation, px.
    tilt, tilt_uncertainty : float
        Inclination against the detector's columns, degrees: axis(row) = axis + tan(tilt) (row - row_centre).
        Zero with infinite uncertainty where the rows are too few to tell.
    row_centre : float
        Weighted mean of the row indices.
    confidence : float
        0 to 1; below `STOP` the axis should be looked at before it is used.
    row_axes, row_sigmas, row_indices, row_weights : (n,) float64
        Estimates of the rows, px (NaN where a row gave none), and their weights in the fit (0..1).
    method : str
        Method that was asked for.
    messages : tuple of str
        What lowered the confidence, and other things worth knowing.
    candidates : tuple of (axis, score)
        Positions worth a look, best first; score is the share (0..1) of the evidence within half a pixel.
    extended : bool
        A full turn whose sample reaches beyond the edge near the axis.
    """

    axis: float
    uncertainty: float
    tilt: float
    tilt_uncertainty: float
    row_centre: float
    confidence: float
    row_axes: Floats
    row_sigmas: Floats
    row_indices: Floats
    row_weights: Floats
    method: str
    messages: tuple[str, ...]
    candidates: tuple[tuple[float, float], ...]
    extended: bool = False

    def at(self, row: float) -> float:
        """Return the axis (px) in the given row."""
        return self.axis + float(np.tan(np.deg2rad(self.tilt))) * (row - self.row_centre)


@dataclass(frozen=True)
class _Vote:
    """One row, its methods brought together."""

    row: float
    axis: float
    sigma: float
    evidence: float
    agreement: float  # 1: all methods agree; 0.5: the evidence is split evenly
    witnesses: int


def combine(rows: Sequence[RowEstimate], *, method: str = "auto") -> AxisEstimate:
    """Bring the estimates of rows together, in the order given.

    Parameters
    ----------
    rows : sequence of RowEstimate
        At least one.
    method : {'auto', 'correlation', 'vo', 'metric', 'overlap'}
        Which of the estimates to use; 'auto' uses all that agree.

    Raises
    ------
    ValueError
        No rows, or an unknown method.
    """
    if not rows:
        raise ValueError("no rows to find a rotation axis from")
    if method not in METHODS:
        raise ValueError(f"unknown method {method!r}: one of {', '.join(METHODS)}")
    messages: list[str] = []
    ends = _ends_are_opposite(rows, messages)
    aside, extended = _extended_field(rows, method)
    witnesses = [_witnesses(row, method, ends, aside, extended) for row in rows]
    strongest = max(row.contrast for row in rows)
    votes = [_vote(row, found, strongest) for row, found in zip(rows, witnesses, strict=True)]
    _tell_rejected(rows, messages)
    line = _fit(votes)
    if line is None:
        messages.append("no row gave a rotation axis")
        return _nothing(rows, method, messages)
    confidence = _confidence(rows, votes, witnesses, line, messages)
    uncertainty = float(np.hypot(line.sigma, _systematic(witnesses, line, votes)))
    if uncertainty > 0.5:
        messages.append(f"the axis is uncertain by {uncertainty:.2g} px")
    confidence /= 1.0 + uncertainty**2
    if extended:
        messages.append(_tell_extended(rows, line.value))
    return AxisEstimate(
        axis=line.value,
        uncertainty=uncertainty,
        tilt=float(np.rad2deg(np.arctan(line.slope))),
        tilt_uncertainty=float(np.rad2deg(line.slope_sigma)),
        row_centre=line.centre,
        confidence=float(np.clip(confidence, 0.0, 1.0)),
        row_axes=np.array([v.axis for v in votes]),
        row_sigmas=np.array([v.sigma for v in votes]),
        row_indices=np.array([v.row for v in votes]),
        row_weights=line.weights,
        method=method,
        messages=tuple(messages),
        candidates=_candidates(rows, witnesses, line, uncertainty),
        extended=extended,
    )


def _ends_are_opposite(rows: Sequence[RowEstimate], messages: list[str]) -> bool:
    """Decide for the whole scan whether its end frames are opposite although the angles deny it."""
    known = [
        (r.seam, min(max(r.correlation_ends.evidence, r.vo_ends.evidence), CLEAR)) for r in rows if np.isfinite(r.seam)
    ]
    weight = np.array([w for _, w in known])
    if weight.sum() <= EVIDENCE_HALF:
        return False
    seam = float((np.array([s for s, _ in known]) * weight).sum() / weight.sum())
    if seam < SEAM_LIMIT:
        messages.append("first and last frame are opposite although their angles are a step from 180 degrees")
    return seam < SEAM_LIMIT


def _extended_field(rows: Sequence[RowEstimate], method: str) -> tuple[bool, bool]:
    """Decide for the whole scan whether the axis of a full turn lies away from the middle, and the sample beyond it.

    Returns
    -------
    (bool, bool)
        The axis of `RowEstimate.overlap` is the one to use; the sample reaches beyond the edge near it, so that only
        the overlap speaks of the axis: other methods look at a sinogram of which half the sample is missing.
    """
    if method not in ("auto", "correlation", "overlap"):
        return False, False
    central = sum(row.correlation.evidence for row in rows)
    overlap = np.array([row.overlap.evidence for row in rows])
    if overlap.max() <= EVIDENCE_HALF or overlap.sum() < 0.99 * central:
        return False, False
    cut = np.array([row.cut_off for row in rows], dtype=bool)
    return True, bool(overlap[cut].sum() > 0.5 * overlap.sum())


def _tell_extended(rows: Sequence[RowEstimate], axis: float) -> str:
    columns = max(row.columns for row in rows)
    side = "first" if axis < 0.5 * (columns - 1) else "last"
    return (
        f"extended field: a full turn with the axis near the {side} column, the sample goes on beyond it; put "
        "extend_field (or convert_360_to_180) between this step and reconstruct"
    )


def _witnesses(row: RowEstimate, method: str, ends: bool, aside: bool, extended: bool) -> dict[str, MethodEstimate]:
    all_of_them = {
        "correlation": row.correlation_ends if ends else row.overlap if aside else row.correlation,
        "vo": row.vo_ends if ends else row.vo,
        "metric": row.metric,
        "overlap": row.overlap,
    }
    chosen = {"auto": ("correlation",) if extended else ("correlation", "vo", "metric")}.get(method, (method,))
    wanted = {name: all_of_them[name] for name in chosen}
    return {k: v for k, v in wanted.items() if np.isfinite(v.axis) and np.isfinite(v.sigma)}


def _vote(row: RowEstimate, found: dict[str, MethodEstimate], strongest: float) -> _Vote:
    """Bring the methods of one row together: the largest group that agrees, weighted by precision.

    Rows with much less contrast than the strongest one (empty, with drifts of the beam only) hardly count.
    """
    if not found:
        return _Vote(row.row, float("nan"), float("inf"), 0.0, 0.0, 0)
    estimates = list(found.values())
    axes = np.array([e.axis for e in estimates])
    sigmas = np.array([e.sigma for e in estimates])
    evidence = np.array([min(e.evidence, CLEAR) for e in estimates])
    tolerance = AGREE_SIGMAS * np.hypot(sigmas[:, None], sigmas[None, :]) + AGREE_PX
    agree = np.abs(axes[:, None] - axes[None, :]) <= tolerance
    # Groups around each method; the more evidence the better, precision decides between equals.
    support = (agree * (evidence + 1e-3)).sum(axis=1)
    leader = int(np.lexsort((sigmas, -np.round(support, 6)))[0])
    inside = agree[leader]
    weight = np.where(inside, 1.0 / sigmas**2, 0.0)
    axis = float((weight * axes).sum() / weight.sum())
    scatter = float(np.sqrt((weight * (axes - axis) ** 2).sum() / weight.sum()))
    sigma = float(np.hypot(1.0 / np.sqrt(weight.sum()), scatter if inside.sum() > 1 else 0.0))
    # The metric was started at another method's axis: it confirms, but its contrast proves no position.
    independent = [min(e.evidence, CLEAR) for k, e in found.items() if k != "metric" or len(found) == 1]
    of_leaders = [v for v, ok in zip(evidence, inside, strict=True) if ok]
    presence = row.contrast**2 / max(row.contrast**2 + (FAINT * strongest) ** 2, 1e-300)
    total = float(min(max(independent, default=0.0), max(of_leaders)) * presence)
    agreement = float((evidence * inside).sum() / evidence.sum()) if evidence.sum() > 0 else 0.0
    return _Vote(row.row, axis, sigma, total, agreement, len(found))


def _fit(votes: Sequence[_Vote]) -> Line | None:
    return robust_line(
        np.array([v.row for v in votes]),
        np.array([v.axis for v in votes]),
        np.array([v.sigma for v in votes]),
        np.array([v.evidence / (v.evidence + EVIDENCE_HALF) for v in votes]),
    )


def _confidence(
    rows: Sequence[RowEstimate],
    votes: Sequence[_Vote],
    witnesses: Sequence[dict[str, MethodEstimate]],
    line: Line,
    messages: list[str],
) -> float:
    """Return signal x agreement of methods x agreement of rows x lack of rivals x completeness."""
    evidence = np.array([v.evidence for v in votes])
    if evidence.sum() <= 0.0:
        messages.append("nothing in the rows stands out of the noise")
        return 0.0
    distance = np.array([abs(v.axis - line.at(v.row)) for v in votes])
    limit = np.array([max(ROWS_PX, AGREE_SIGMAS * min(v.sigma, 1.0)) for v in votes])
    with_line = np.where(distance <= limit, evidence, 0.0).sum()
    against = evidence.sum() - with_line
    clear = max(0.0, float(with_line - against))
    signal = clear**2 / (clear**2 + EVIDENCE_HALF**2)
    if signal < 0.8:
        messages.append("the signal hardly stands out of the noise")
    same = float(with_line / evidence.sum())
    if same < 0.8:
        messages.append(f"rows contradict each other: {100 * same:.0f} % of the evidence is for this axis")
    methods = float((np.array([v.agreement for v in votes]) * evidence).sum() / evidence.sum())
    if methods < 0.9:
        messages.append("methods disagree: " + _told(witnesses, evidence))
    rival = _rivalry(rows, votes, witnesses, evidence)
    if rival > 0.85:
        messages.append("another position is almost as good (a periodic or very smooth sample?)")
    repaired = float((np.array([r.repaired for r in rows]) * evidence).sum() / evidence.sum())
    if repaired > 0.0:
        messages.append(f"{100 * repaired:.2g} % of the values were missing and have been interpolated")
    ambiguity = 1.0 - np.clip((rival - 0.7) / 0.3, 0.0, 1.0) * 0.7
    return float(signal * same**2 * methods * ambiguity * (1.0 - 2.0 * repaired))


def _told(witnesses: Sequence[dict[str, MethodEstimate]], evidence: Floats) -> str:
    found = witnesses[int(np.argmax(evidence))]
    return ", ".join(f"{name} {e.axis:.2f} px" for name, e in found.items())


def _rivalry(
    rows: Sequence[RowEstimate],
    votes: Sequence[_Vote],
    witnesses: Sequence[dict[str, MethodEstimate]],
    evidence: Floats,
) -> float:
    """Return how near the correlation's second peak comes to its first, where nothing else settles it."""
    values = []
    for row, vote, found in zip(rows, votes, witnesses, strict=True):
        e = found.get("correlation")
        settled = "vo" in found and vote.agreement > 0.9 and row.vo.evidence > 2.0 * EVIDENCE_HALF
        values.append(0.0 if e is None or settled else e.rival)
    return float((np.array(values) * evidence).sum() / evidence.sum())


def _systematic(witnesses: Sequence[dict[str, MethodEstimate]], line: Line, votes: Sequence[_Vote]) -> float:
    """Return what the methods differ by in the mean over the rows: rows do not average that away."""
    means = []
    for name in ("correlation", "vo", "metric", "overlap"):
        pairs = [
            (found[name].axis - line.at(vote.row), weight / found[name].sigma ** 2)
            for found, vote, weight in zip(witnesses, votes, line.weights, strict=True)
            if name in found and weight > 0.0
        ]
        total = sum(w for _, w in pairs)
        if total > 0.0:
            means.append((sum(d * w for d, w in pairs) / total, total))
    if len(means) < 2:
        return 0.02
    difference = np.array([m for m, _ in means])
    weight = np.array([w for _, w in means])
    return float(np.sqrt((weight * difference**2).sum() / weight.sum() / (len(means) - 1)))


def _tell_rejected(rows: Sequence[RowEstimate], messages: list[str]) -> None:
    for code in sorted({r.reason for r in rows if r.reason}):
        count = sum(r.reason == code for r in rows)
        messages.append(f"{count} of {len(rows)} rows not used: {REASONS[code]}")


def _candidates(
    rows: Sequence[RowEstimate],
    witnesses: Sequence[dict[str, MethodEstimate]],
    line: Line,
    uncertainty: float,
) -> tuple[tuple[float, float], ...]:
    """Return positions for a contact sheet: the axis, what single methods say, rivals, neighbours."""
    seen: list[tuple[float, float]] = []
    for row, found in zip(rows, witnesses, strict=True):
        lean = line.at(row.row) - line.value
        for e in found.values():
            seen.append((e.axis - lean, min(e.evidence, CLEAR)))
            if np.isfinite(e.rival_axis) and e.rival > 0.3:
                seen.append((e.rival_axis - lean, e.rival * min(e.evidence, CLEAR)))
    total = max(sum(w for _, w in seen), 1e-12)
    step = max(0.5, uncertainty)
    wanted = [line.value, *(a for a, _ in sorted(seen, key=lambda s: -s[1]))]
    wanted += [line.value + k * step for k in (-1, 1, -2, 2, -4, 4)]
    chosen: list[float] = []
    for axis in wanted:
        if np.isfinite(axis) and all(abs(axis - c) >= 0.45 for c in chosen) and len(chosen) < 12:
            chosen.append(float(axis))
    scored = [(c, float(sum(w for a, w in seen if abs(a - c) <= 0.5) / total)) for c in chosen]
    return (scored[0], *sorted(scored[1:], key=lambda s: -s[1]))


def _nothing(rows: Sequence[RowEstimate], method: str, messages: list[str]) -> AxisEstimate:
    nan = np.full(len(rows), np.nan)
    columns = max((r.columns for r in rows), default=0.0)
    middle = (columns - 1) / 2.0 if columns else float("nan")
    index = np.array([r.row for r in rows])
    return AxisEstimate(
        float("nan"), float("inf"), 0.0, float("inf"), float(index.mean()), 0.0,
        nan, np.full(len(rows), np.inf), index, np.zeros(len(rows)), method, tuple(messages),
        ((middle, 0.0),) if columns else (),
    )  # fmt: skip
