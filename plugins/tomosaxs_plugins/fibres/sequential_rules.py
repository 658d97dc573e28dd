"""Rules of the sequential method: what rejects a fibre, in the order in which they are asked."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from tomosaxs_plugins.fibres.problem import Floats
from tomosaxs_plugins.fibres.sequential_options import Q0_MARGIN, WA_GATE, Phase, SequentialOptions
from tomosaxs_plugins.fibres.sequential_sectors import Fit, Sectors

RULES: Final[dict[str, str]] = {
    "no bins": "no two usable bins of azimuth in any window",
    "weak": "too weak beside the noise in every window",
    "hidden": "other unsolved fibres too strong in every window",
    "sectors": "fewer than two sectors left where solved fibres are not much stronger",
    "data signal": "the data show no peak above the noise in two sectors",
    "convergence": "the fit did not converge",
    "fitted signal": "the fitted streak does not rise above the noise",
    "bound": "q0, wa, wmu or the amplitude ended near a bound",
    "undetermined": "wa, wmu or the height is less certain than a factor of e, or q0 than half its range",
    "diameter": "the diameter is not plausible",
    "misfit": "data and fit differ too much",
    "partner": "the fibre fitted together with it was rejected",
}
"""Name and text of every rule; a fibre that is never accepted is counted under the one it came farthest with."""

_PUBLISHED = {"range": 5e7, "range relaxed": 3.5e6, "detection": 3.5e6, "negative": -3e8}
"""Absolute thresholds of the published method, in intensities of its beamtime."""


def detection_floor(noise: Floats, options: SequentialOptions) -> Floats:
    """Return the signal (n_chi,) that can be detected, from its standard uncertainty `noise`."""
    if options.scale is not None:
        return np.full(noise.shape, _PUBLISHED["detection"] / options.scale)
    return np.asarray(options.detection * noise)


def data_rule(sectors: Sectors, below: Floats, centre: float, phase: Phase, options: SequentialOptions) -> str:
    """Return the rule that rejects the data of a window before a fit; empty where none does.

    Parameters
    ----------
    sectors : Sectors
        Data and what is known.
    below : (n_rows, n_q) float array
        Background.
    centre : float
        q of the streak in nm^-1.
    phase : Phase
        Gives the ratio of signal to noise.
    options : SequentialOptions
        Gives the half width of the streak.
    """
    inside = sectors.usable & (np.abs(sectors.q - centre) <= options.half_streak)
    left = np.where(inside, sectors.data - below - sectors.solved.sum(axis=0), -np.inf)
    top = np.max(left / np.sqrt(np.where(inside, sectors.variance, 1.0)), axis=1, initial=-np.inf)
    if np.count_nonzero(top >= phase.signal) < 2:
        return "data signal"
    if options.scale is not None:
        half = sectors.data[:, : len(sectors.q) // 2] - below[:, : len(sectors.q) // 2]
        low = np.min(half[sectors.usable[:, : half.shape[1]]], initial=0.0) * options.scale
        if low < _PUBLISHED["negative"] or np.sort(left.max(axis=1))[-2] * options.scale < _PUBLISHED["range"]:
            return "data signal"
    return ""


def fit_rule(fit: Fit, target: int, q: Floats, phase: Phase, options: SequentialOptions) -> str:
    """Return the rule that rejects one target of a fit; empty where it is accepted.

    Parameters
    ----------
    fit : Fit
        The fit.
    target : int
        Which of its targets.
    q : (n_q,) float array
        In nm^-1.
    phase : Phase
        What is accepted in it.
    options : SequentialOptions
        Of the method.
    """
    if not fit.converged:
        return "convergence"
    streak = fit.streaks[target]
    if options.scale is None:
        too_weak = np.max(streak / fit.sigma) < phase.signal
    else:
        least = _PUBLISHED["range" if phase.misfit < 0.4 else "range relaxed"]
        too_weak = np.ptp(streak) * options.scale < least
    if too_weak:
        return "fitted signal"
    q0, wa, wmu = fit.x[target, 0], np.exp(fit.x[target, 1]), np.exp(fit.x[target, 2])
    low, high = phase.q0_bounds(options.order)
    if not (low + Q0_MARGIN < q0 < high - Q0_MARGIN and WA_GATE[0] < wa < WA_GATE[1]):
        return "bound"
    if fit.height_at_bound[target] or not phase.wmu_gate[0] < wmu < phase.wmu_gate[1]:
        return "bound"
    sd = np.sqrt(np.diag(fit.covariance[target]))  # not a number where the data leave a combination open
    if options.determined and not (max(sd[1], sd[2], sd[4]) <= 1.0 and sd[0] <= (high - low) / 2):
        return "undetermined"
    if not phase.diameter[0] <= 2.857 / (q0 * np.tan(wmu)) + 10 <= phase.diameter[1]:
        return "diameter"
    if not misfit(fit, q, options) <= phase.misfit:
        return "misfit"
    return ""


def misfit(fit: Fit, q: Floats, options: SequentialOptions) -> float:
    """Return the root mean square of the residual about the streaks, beyond the noise, as a share of their peak.

    Taken where |q - q0| is at most three widths of a target (its own or that of a bin, whichever is larger), in all
    sectors together, or with `best_sector` in the one where it is least, noise included, as published.
    """
    near: NDArray[np.bool_] = np.zeros(q.shape, np.bool_)
    for x in fit.x:
        near |= np.abs(q - x[0]) <= 3 * max(np.exp(x[1]), float(np.diff(q).mean()))
    used = np.isfinite(fit.sigma) & near
    count = np.maximum(used.sum(axis=1), 1)
    peak = np.maximum(fit.streaks.sum(axis=0).max(axis=1), 1e-300)
    squares = np.sum(np.where(used, fit.residual, 0.0) ** 2, axis=1) / count
    noise = np.sum(np.where(used, fit.sigma, 0.0) ** 2, axis=1) / count
    if options.best_sector:
        return float(np.min(np.sqrt(squares) / peak))
    return float(np.sqrt(max(np.sum(squares - noise), 0.0) / np.sum(peak**2)))
