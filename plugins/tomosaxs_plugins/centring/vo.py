"""Rotation axis from half a turn by the Fourier method of N. T. Vo et al., doi 10.1364/OE.22.019078.

The two-dimensional spectrum of a sinogram over a full turn is empty inside a double wedge: a sample of
radius R has angular harmonics |k| > R |w| only by way of a seam. A full turn is made from the half turn and
its mirror image about a candidate axis; the candidate with least energy in the wedge is the axis.

The spectrum of the composed sinogram is A(w, k) + exp(-i w t) B(w, k), with t twice the axis, A from the half
turn, B from its mirror image about column 0. Its energy in the wedge is then a constant plus
2 Re sum conj(A) B exp(-i w t): a correlation. So one Fourier transform serves all candidates (where the
original makes one per candidate), and a candidate may lie anywhere between the pixels.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tomosaxs_plugins.centring.opposite import angular_step
from tomosaxs_plugins.centring.spectrum import (
    evaluate_evenly,
    frequencies,
    high_pass,
    refine_peak,
    signal_weight,
)
from tomosaxs_plugins.reconstruction.parallel import thread_count
from tomosaxs_plugins.volume.parts import for_each

Floats = NDArray[np.float64]
Complexes = NDArray[np.complex128]

WEDGE_MARGIN = 3  # harmonics left out beyond R |w|: the spectrum decays over a few of them
COARSE_STEP = 0.5  # px: twice the axis goes in steps of 1 (see `evaluate_evenly`)
SIGMA_FLOOR = 0.02  # px
COARSE_ANGLES = 0.01  # px of uncertainty for each squared px that the edge travels in an angular step


@dataclass(frozen=True)
class Wedge:
    """Axis and its standard deviation (px; NaN and infinity where there is none), and the evidence.

    The evidence is the log-likelihood gain over white noise, less the price of having searched.
    """

    axis: float
    sigma: float
    evidence: float


def half_turn(values: Floats, angles: Floats, *, start: float | None = None) -> Floats | None:
    """Return frames evenly spaced over [start, start + 180) degrees, or None where the scan lacks them.

    Frames are used as they are where they are evenly spaced already, otherwise interpolated in angle.

    Parameters
    ----------
    values : (angles, columns) float64
    angles : (angles,) float64
        Ascending, degrees.
    start : float, optional
        First angle; the first of the scan if not given.
    """
    step = angular_step(angles)
    first = float(angles[0]) if start is None else start
    if step <= 0.0 or first + 180.0 - angles[-1] > 1.5 * step:
        return None
    count = max(4, round(180.0 / step))
    wanted = first + 180.0 * np.arange(count) / count
    right = np.clip(np.searchsorted(angles, wanted, side="left"), 1, angles.size - 1)
    left = right - 1
    gap = angles[right] - angles[left]
    if (gap > 3.5 * max(step, 180.0 / count)).any():
        return None
    share = np.clip((wanted - angles[left]) / np.where(gap > 0, gap, 1.0), -0.5, 1.5)[:, None]
    share = np.where(np.abs(share - np.round(share)) < 0.02, np.round(share), share)
    if ((share == 0.0) | (share == 1.0)).all():
        return np.asarray(values[np.where(share[:, 0] == 0.0, left, right)])
    return np.asarray((1.0 - share) * values[left] + share * values[right], dtype=np.float64)


def wedge_axis(frames: Floats, *, search: tuple[float, float], noise: float = 0.0) -> Wedge:
    """Find the axis from half a turn of evenly spaced frames.

    Parameters
    ----------
    frames : (angles, columns) float64
        Half a turn without its end point (see `half_turn`), background removed (see `clean_row`).
    search : (float, float)
        Limits of the coarse search, px.
    noise : float
        Standard deviation of a pixel; what the evidence is measured against.
    """
    spectrum, weights, omega = wedge_spectrum(frames)
    low, high = search
    candidates = np.arange(low, high + COARSE_STEP / 2, COARSE_STEP)
    score = evaluate_evenly(spectrum, omega, 2.0 * low, candidates.size)
    t, curvature = refine_peak(spectrum, omega, 2.0 * float(candidates[np.argmax(score)]), reach=3.0)
    if curvature <= 0.0 or not low <= t / 2.0 <= high:
        return Wedge(float("nan"), float("inf"), 0.0)
    # Scatter of the slope at the maximum over the frequencies; twofold padding correlates neighbours.
    slope = omega * (spectrum * np.exp(1j * omega * t)).imag
    sigma_t = float(np.sqrt(2.0 * (slope**2).sum()) / curvature)
    scatter = _noise_scatter(weights, frames, noise)
    height = float(score.max()) / scatter if scatter > 0.0 else 30.0
    evidence = max(0.0, 0.5 * min(height, 30.0) ** 2 - float(np.log(candidates.size)))
    # Few angles: the edge of the sample moves by `travel` px a step, and the wedge is not resolved.
    travel = 0.5 * frames.shape[1] * np.pi / frames.shape[0]
    sigma = float(np.hypot(np.hypot(sigma_t / 2.0, SIGMA_FLOOR), COARSE_ANGLES * travel**2))
    return Wedge(t / 2.0, sigma, evidence if height > 0 else 0.0)


def wedge_spectrum(frames: Floats) -> tuple[Complexes, Floats, Floats]:
    """Return the correlation spectrum, the weights of its terms (one row per harmonic), its frequencies (rad/px).

    The spectrum is H(w) of `spectrum.evaluate`; its real part at t = 2 c is larger the less energy the wedge holds for
    the axis c.
    """
    count, n = frames.shape
    size = 2 * n
    omega = frequencies(size)
    radius = n / 2.0
    used = max(4, int(np.searchsorted(omega, (count - WEDGE_MARGIN) / radius)))
    taper = _edge_taper(n)
    transformed = _transformed(frames * taper, lambda part: np.fft.rfft(part, size), 0)
    power = (np.abs(transformed) ** 2).mean(axis=0)
    weight = (high_pass(omega, n) ** 2 * signal_weight(power))[:used]
    along = _transformed(transformed[:, :used], lambda part: np.fft.fft(part, 2 * count, axis=0), 1)
    k = np.arange(1, count)
    sign = np.where(k % 2 == 0, -2.0, 2.0)[:, None]
    inside = k[:, None] > radius * omega[:used] + WEDGE_MARGIN
    kept = np.where(inside, weight, 0.0)
    products = along[1:count]
    products *= along[:count:-1]
    spectrum: Complexes = np.einsum("kw,kw->w", products, sign * kept)
    return spectrum, kept, omega[:used]


def _transformed(values: NDArray[Any], transform: Callable[[NDArray[Any]], Complexes], lines: int) -> Complexes:
    """Return the transform of all lines, which lie side by side along dimension `lines`; several threads share them."""
    parts = np.array_split(values, thread_count(), axis=lines)
    return np.concatenate(for_each(transform, parts), axis=lines)


def _noise_scatter(weights: Floats, frames: Floats, noise: float) -> float:
    """Return the standard deviation that the score would have for white noise alone.

    Each product of two independent coefficients of variance count * columns * noise^2 has that
    standard deviation, its real part 1/sqrt(2) of it; padding correlates 2 x 2 neighbours.
    """
    count, n = frames.shape
    return float(np.sqrt(4.0 * 0.5 * (weights**2).sum()) * 2.0 * count * n * noise**2)


def _edge_taper(n: int) -> Floats:
    flank = max(2.0, 0.03 * n)
    u = np.arange(n)
    ramp = np.clip((np.minimum(u, n - 1 - u) + 0.5) / flank, 0.0, 1.0)
    return np.asarray(0.5 - 0.5 * np.cos(np.pi * ramp), dtype=np.float64)
