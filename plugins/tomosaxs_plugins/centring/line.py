"""A straight line through points of which some are wrong."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

MIN_FOR_SLOPE = 5  # usable rows; fewer cannot tell a slope from an outlier
CUT = 4.685  # Tukey's biweight
MIN_SCATTER = 0.02  # px between rows, even where each claims to be better


@dataclass(frozen=True)
class Line:
    """value + slope (x - centre), with standard deviations, and the final weight (0..1) of each point."""

    value: float
    sigma: float
    slope: float
    slope_sigma: float
    centre: float
    weights: Floats

    def at(self, x: float) -> float:
        """Return the value at x."""
        return self.value + self.slope * (x - self.centre)


def robust_line(x: Floats, y: Floats, sigma: Floats, trust: Floats) -> Line | None:
    """Fit a line by iteratively reweighted least squares (Tukey's biweight) from a robust start.

    Parameters
    ----------
    x, y, sigma, trust : (n,) float64
        Points, standard deviations of y, and prior trust 0..1; a point that is not finite or has no
        trust has no vote.

    Returns
    -------
    Line or None
        None where no point has a vote. The slope is 0 with infinite deviation below five points.
    """
    good = np.isfinite(y) & np.isfinite(sigma) & (trust > 0.0)
    if not good.any():
        return None
    prior = np.where(good, trust, 0.0)
    y, sigma = np.where(good, y, 0.0), np.where(good, sigma, 1.0)
    sloped = bool((prior > 0.5).sum() >= MIN_FOR_SLOPE and np.ptp(x[prior > 0.5]) > 0)
    value, slope, centre = _start(x, y, prior / np.maximum(sigma, MIN_SCATTER), good, sloped)
    weights = prior
    scatter = MIN_SCATTER
    for _ in range(30):
        residual = y - value - slope * (x - centre)
        scatter = max(MIN_SCATTER, 1.4826 * _weighted_median(np.abs(residual)[good], prior[good]))
        width = CUT * np.hypot(sigma, scatter)
        robust = np.clip(1.0 - (residual / width) ** 2, 0.0, None) ** 2
        weights = prior * robust
        if weights.sum() <= 0.0:
            weights = prior
        w = weights / (sigma**2 + scatter**2)
        new_centre = float((w * x).sum() / w.sum())
        new_value = float((w * y).sum() / w.sum())
        spread = float((w * (x - new_centre) ** 2).sum())
        new_slope = float((w * (x - new_centre) * y).sum() / spread) if sloped and spread > 0.0 else 0.0
        change = abs(new_value - value - slope * (new_centre - centre)) + abs(new_slope - slope)
        value, slope, centre = new_value, new_slope, new_centre
        if change < 1e-10:
            break
    return _with_errors(x, y, sigma, weights, value, slope, centre, sloped)


def _start(x: Floats, y: Floats, weight: Floats, good: NDArray[np.bool_], sloped: bool) -> tuple[float, float, float]:
    """Return value, slope, centre: weighted median of the slopes between points (Theil and Sen)."""
    centre = float(np.average(x[good], weights=weight[good]))
    slope = 0.0
    if sloped:
        best = np.argsort(-weight, kind="stable")[:100]  # pairs grow with the square
        i, j = np.triu_indices(best.size, 1)
        i, j = best[i], best[j]
        keep = (x[i] != x[j]) & good[i] & good[j]
        i, j = i[keep], j[keep]
        pair = weight[i] * weight[j] * np.abs(x[i] - x[j])
        slope = _weighted_median((y[j] - y[i]) / (x[j] - x[i]), pair)
    return _weighted_median((y - slope * (x - centre))[good], weight[good]), slope, centre


def _weighted_median(values: Floats, weights: Floats) -> float:
    order = np.argsort(values, kind="stable")
    total = np.cumsum(weights[order])
    middle = int(np.searchsorted(total, 0.5 * total[-1]))
    return float(values[order[min(middle, values.size - 1)]])


def _with_errors(
    x: Floats, y: Floats, sigma: Floats, weights: Floats, value: float, slope: float, centre: float, sloped: bool
) -> Line:
    """Attach standard deviations; scatter beyond the claimed deviations inflates them."""
    w = weights / (sigma**2 + MIN_SCATTER**2)
    residual = y - value - slope * (x - centre)
    votes = weights.sum() ** 2 / (weights**2).sum()
    freedom = max(1.0, votes - (2.0 if sloped else 1.0))
    excess = max(1.0, float((w * residual**2).sum() / freedom) if votes > 1.5 else 1.0)
    spread = float((w * (x - centre) ** 2).sum())
    return Line(
        value,
        float(np.sqrt(excess / w.sum())),
        slope,
        float(np.sqrt(excess / spread)) if sloped and spread > 0.0 else float("inf"),
        centre,
        weights,
    )
