"""Rotation axis from frames half a turn apart: one is the mirror image of the other about the axis.

With a the row of one frame and b that of the opposite one, b(u) = a(2 c - u), so that the convolution
of a with b has its maximum at t = 2 c. Correlated row by row, over all opposite pairs of the scan.
The normalisation by the energy inside the overlap is in the spirit of the masked correlation of
D. Padfield, doi 10.1109/TIP.2011.2181402.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tomosaxs_plugins.centring.opposite import OppositePairs
from tomosaxs_plugins.centring.smooth import gaussian
from tomosaxs_plugins.centring.spectrum import frequencies, high_pass, refine_peak, signal_weight

Floats = NDArray[np.float64]
Complexes = NDArray[np.complex128]

MIN_OVERLAP = 0.08  # of the width: less overlap than this is no evidence
SIGMA_FLOOR = 0.01  # px; interpolation and pixel response are not known better
FEW_PAIRS = 2.0  # with one pair few frequencies carry the peak: their scatter shows half of the true error
MIN_SMOOTH, SMOOTH_FRACTION = 1.5, 0.01  # px, of the width: smoothing of the derivatives
MAX_PAIRS = 180  # more pairs than this add time, not accuracy, where opposite frames share most of the field


@dataclass(frozen=True)
class Correlation:
    """Result of the correlation of one row.

    Attributes
    ----------
    axis, sigma : float
        Rotation axis and its standard deviation, px (NaN where there is no peak).
    evidence : float
        Log-likelihood gain of the peak over no correlation, less the price of having searched.
    rival, rival_axis : float
        Height of the best other peak relative to the main one, 0..1, in evidence; and where it is.
    similarity : float
        Normalised correlation of opposite frames at the axis, -1..1.
    positions, scores : (n,) float64
        The coarse curve: axis candidates (px, half-pixel steps) and normalised correlation.
    """

    axis: float
    sigma: float
    evidence: float
    rival: float
    rival_axis: float
    similarity: float
    positions: Floats
    scores: Floats


def correlate_opposite(
    values: Floats,
    pairs: OppositePairs,
    *,
    search: tuple[float, float] | None = None,
    max_pairs: int = MAX_PAIRS,
) -> Correlation:
    """Find the axis of one clean sinogram from its opposite pairs.

    Parameters
    ----------
    values : (angles, columns) float64
        Attenuation, repaired but with its background (`CleanRow.plain`): taking that out here keeps to the
        overlap, which is symmetric about the axis; frames in the order that `pairs` refers to.
    pairs : OppositePairs
        What is opposite to what; must not be empty.
    search : (float, float), optional
        Limits for the axis in px; everything with enough overlap if not given.
    max_pairs : int
        Pairs that are looked at, evenly chosen, where there are more.

    Raises
    ------
    ValueError
        There are no pairs.
    """
    if pairs.count == 0:
        raise ValueError("no frame of this scan has an opposite one")
    n = values.shape[1]
    first, groups = _selected(pairs, max_pairs)
    a = values[first]
    b = _partners(values, pairs, groups, first.size)
    # Extrapolated partners are noisy: they are for the fine position, not for finding the peak.
    near = _partners(values, pairs.nearest(), np.arange(first.size), first.size) if pairs.extrapolated else b
    positions, scores, samples = _coarse_curve(a, near)
    gain = _gain(scores, samples)
    allowed = _allowed(positions, n, search)
    best = int(np.argmax(np.where(allowed, gain, -np.inf)))
    if not allowed[best] or gain[best] <= 0.0:
        return Correlation(np.nan, np.inf, 0.0, 1.0, np.nan, 0.0, positions, scores)
    peak = _main_peak(gain, best, scores)
    rival, rival_axis = _best_of(gain, allowed & ~peak, gain[best], positions)
    axis, sigma = float(positions[best]), float("inf")
    for _ in range(2):  # the window depends on the axis
        refined, sigma = _refine(a, b, axis)
        if not np.isfinite(sigma):
            break
        axis = refined
    price = np.log(max(2.0, float(samples.max()) / max(1, first.size)))
    evidence = max(0.0, float(gain[best]) - price)
    similarity = float(scores[best])
    return Correlation(axis, sigma, evidence, rival, rival_axis, similarity, positions, scores)


def _selected(pairs: OppositePairs, most: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the frames to use, at most so many, evenly chosen, and the group of each entry (-1: none)."""
    first = np.unique(pairs.first)
    if first.size > 2 * most:
        first = first[: (first.size + 1) // 2]  # the second half has the same pairs, seen from behind
    first = first[:: max(1, int(np.ceil(first.size / most)))]
    groups = np.full(pairs.first.size, -1, dtype=np.int64)
    for group, frame in enumerate(first):
        groups[pairs.first == frame] = group
    return first, groups


def _partners(values: Floats, pairs: OppositePairs, groups: NDArray[np.int64], count: int) -> Floats:
    partners = np.zeros((count, values.shape[1]))
    for group, second, weight in zip(groups, pairs.second, pairs.weight, strict=True):
        if group >= 0:
            partners[group] += weight * values[second]
    return partners


def _coarse_curve(a: Floats, b: Floats) -> tuple[Floats, Floats, Floats]:
    """Return candidate axes (half-pixel steps), normalised correlation, independent samples.

    Smoothed derivatives are compared, not values: they know no pedestal and no slope, also where the sample is
    wider than the detector, and their peak is narrow. The derivative of a mirror image has the other sign.
    """
    n = a.shape[1]
    size = 2 * n
    smooth = max(MIN_SMOOTH, SMOOTH_FRACTION * n)
    a, b = (gaussian(frames, smooth, slope=True) for frames in (a, b))
    spectrum_a, spectrum_b = np.fft.rfft(a, size), np.fft.rfft(b, size)
    product = -np.fft.irfft((spectrum_a * spectrum_b).sum(axis=0), size)[: 2 * n - 1]
    energy_a, energy_b = (a**2).sum(axis=0), (b**2).sum(axis=0)
    t = np.arange(2 * n - 1)
    low, high = np.maximum(0, t - (n - 1)), np.minimum(n - 1, t)
    sums = [np.concatenate([[0.0], np.cumsum(e)]) for e in (energy_a, energy_b)]
    inside = [s[high + 1] - s[low] for s in sums]
    # Little energy in a small overlap must not make a chance likeness look perfect.
    total = max(float(np.sqrt(energy_a.sum() * energy_b.sum())), 1e-300)
    common = np.sqrt(inside[0] * inside[1])
    scores = np.clip(product / np.maximum(common, 0.02 * total), -1.0, 1.0)
    power = (np.abs(spectrum_a) ** 2).sum(axis=0)
    independent = power.sum() ** 2 / max(float((power**2).sum()), 1e-300) / size * n  # of n at most
    samples = a.shape[0] * independent * common / total  # only energy in the overlap can testify
    return t / 2.0, scores, samples


def _allowed(positions: Floats, n: int, search: tuple[float, float] | None) -> NDArray[np.bool_]:
    half = MIN_OVERLAP * n / 2
    low, high = search if search is not None else (half, n - 1 - half)
    inside: NDArray[np.bool_] = (positions >= low) & (positions <= high)
    return inside


def _gain(scores: Floats, samples: Floats) -> Floats:
    """Return the log-likelihood gain over uncorrelated data; negative correlation counts for nothing."""
    clipped = np.clip(scores, 0.0, 1.0 - 1e-9)
    return np.asarray(-0.5 * samples * np.log1p(-(clipped**2)), dtype=np.float64)


def _main_peak(gain: Floats, best: int, scores: Floats) -> NDArray[np.bool_]:
    """Return True for the positions that go downhill from the best one without a break."""
    left, right = best, best
    while left > 0 and scores[left - 1] > 0 and gain[left - 1] <= gain[left]:
        left -= 1
    while right < gain.size - 1 and scores[right + 1] > 0 and gain[right + 1] <= gain[right]:
        right += 1
    index = np.arange(gain.size)
    return np.asarray((index >= left) & (index <= right))


def _best_of(gain: Floats, where: NDArray[np.bool_], main: float, positions: Floats) -> tuple[float, float]:
    """Return the highest gain among `where`, relative to the main one, and its position."""
    if not where.any():
        return 0.0, float("nan")
    best = int(np.argmax(np.where(where, gain, -np.inf)))
    return float(max(gain[best], 0.0) / main), float(positions[best])


def _refine(a: Floats, b: Floats, axis: float) -> tuple[float, float]:
    """Return the axis near `axis` and its standard deviation (infinite where there is no maximum)."""
    n = a.shape[1]
    window = _window(n, axis)
    size = 2 * n
    omega = frequencies(size)
    spectrum_a = np.fft.rfft(_windowed(a, window, axis), size)
    spectrum_b = np.fft.rfft(_windowed(b, window, axis), size)
    power = (np.abs(spectrum_a) ** 2 + np.abs(spectrum_b) ** 2).mean(axis=0)
    weight = high_pass(omega, n) ** 2 * signal_weight(power)
    pairs = weight * spectrum_a * spectrum_b
    t, curvature = refine_peak(pairs.sum(axis=0), omega, 2.0 * axis)
    if curvature <= 0.0:
        return axis, float("inf")
    # Scatter of the slope at the maximum: what does not cancel in a perfect match. Twofold zero padding
    # correlates neighbouring frequencies, and each pair may appear from both sides: a factor 2 each.
    slope = omega * (pairs * np.exp(1j * omega * t)).imag
    sigma_t = float(np.sqrt(4.0 * (slope**2).sum()) / curvature)
    inflation = FEW_PAIRS if a.shape[0] <= 2 else 1.0
    return t / 2.0, float(np.hypot(inflation * sigma_t / 2.0, SIGMA_FLOOR))


def _windowed(frames: Floats, window: Floats, axis: float) -> Floats:
    """Return frames less the straight line through the flanks of the window, times the window.

    A line through the edges of the detector would not be symmetric about the axis where the sample is wider
    than the detector.
    """
    distance = np.arange(window.size) - axis
    flanks = window * (1.0 - window)
    left, right = np.where(distance < 0.0, flanks, 0.0), np.where(distance < 0.0, 0.0, flanks)
    total = max(float(left.sum()), 1e-300), max(float(right.sum()), 1e-300)
    levels = (frames * left).sum(axis=1, keepdims=True), (frames * right).sum(axis=1, keepdims=True)
    low, high = levels[0] / total[0], levels[1] / total[1]
    reach = float((distance * right).sum()) / total[1] - float((distance * left).sum()) / total[0]
    line = 0.5 * (low + high) + (high - low) * distance / max(reach, 1.0)
    return np.asarray((frames - line) * window, dtype=np.float64)


def _window(n: int, axis: float) -> Floats:
    """Return a window over the overlap, symmetric about the axis, with cosine flanks."""
    half = min(axis, n - 1 - axis)
    flank = max(2.0, 0.06 * n)
    distance = half - np.abs(np.arange(n) - axis)
    ramp = np.clip((distance + 0.5) / flank, 0.0, 1.0)
    return np.asarray(0.5 - 0.5 * np.cos(np.pi * ramp), dtype=np.float64)
