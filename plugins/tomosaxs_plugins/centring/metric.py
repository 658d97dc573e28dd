"""Rotation axis from the quality of quick, coarse reconstructions, one for each candidate.

Independent of the seam between opposite frames: all angles count. Each candidate's sinogram is moved by
Fourier phases, so that its axis always falls on the same place between two pixels: then the interpolation
of the backprojection is the same for all candidates and cannot prefer one. Metrics of this kind:
T. Donath, F. Beckmann, A. Schreyer, doi 10.1364/JOSAA.23.001048.
"""

from __future__ import annotations

from functools import partial

import numpy as np
from numpy.typing import NDArray

from tomosaxs_plugins.compiled import compiled

Floats = NDArray[np.float64]

MAX_COLUMNS = 160
MAX_ANGLES = 180
FULL_TURN = 270.0  # degrees; beyond this the weights are those of a full turn


def metric_axis(
    values: Floats,
    angles: Floats,
    candidates: Floats,
    *,
    metric: str = "auto",
    columns: int = MAX_COLUMNS,
    frames: int = MAX_ANGLES,
) -> tuple[float, float, Floats]:
    """Return (axis, uncertainty, score of each candidate), px; best is highest.

    Parameters
    ----------
    values : (angles, columns) float64
        Attenuation without background (see `clean_row`).
    angles : (angles,) float64
        Degrees, ascending.
    candidates : (n,) float64
        Evenly spaced axes to be tried, px; n >= 3.
    metric : {'auto', 'absolute', 'negativity', 'variance', 'entropy'}
        What is asked of a good slice: small sum of absolute values, little below zero, large
        variance, small entropy of its histogram. 'auto' is 'variance' for a full turn (a wrong axis
        blurs) and 'negativity' for half a turn (a wrong axis gives dark streaks).
    columns, frames : int
        The sinogram is reduced to at most this size before it is reconstructed.

    Returns
    -------
    axis is NaN, uncertainty infinite, where the best candidate is the first or the last one.
    """
    filtered, omega, small, weights, kept = _prepare(values, angles, columns, frames)
    factor = values.shape[1] / small
    if metric == "auto":
        metric = "variance" if np.ptp(angles) > FULL_TURN else "negativity"
    theta = np.deg2rad(kept)
    moved = np.empty((len(filtered), small, candidates.size))
    for i, candidate in enumerate(candidates):
        shift = (candidate + 0.5) / factor - 0.5 - (small - 1) / 2.0
        moved[:, :, i] = np.fft.irfft(filtered * np.exp(1j * omega * shift), axis=1)[:, :small]
    images = _backproject(moved, np.cos(theta), np.sin(theta), weights)
    score = np.array([_score(images[:, :, i], metric) for i in range(candidates.size)])
    best = int(np.argmax(score))
    if best in (0, candidates.size - 1):
        return float("nan"), float("inf"), score
    y0, y1, y2 = score[best - 1 : best + 2]
    step = float(candidates[1] - candidates[0])
    bend = y0 - 2.0 * y1 + y2
    offset = 0.5 * (y0 - y2) / bend if bend < 0.0 else 0.0
    share = 0.02 if np.ptp(angles) > FULL_TURN else 0.05  # of a coarse pixel: measured on phantoms
    return float(candidates[best] + offset * step), share * (1.0 + factor), score


def metric_search(values: Floats, angles: Floats, search: tuple[float, float]) -> tuple[float, float, float]:
    """Return (axis, uncertainty, prominence): coarse to fine within the limits `search` (px).

    The prominence is the height of the peak of the coarse curve over the curve's median, in units of
    the curve's roughness: above 300 for a clear sample, below 60 for noise.
    """
    low, high = search
    axis, sigma, prominence = 0.5 * (low + high), float("inf"), 0.0
    for columns, frames, reach in ((64, 90, 0.5 * (high - low)), (128, 120, 0.0), (256, 240, 0.0)):
        step = 0.5 * max(1.0, values.shape[1] / columns)
        reach = max(reach, 5.0 * step)
        candidates = axis + np.arange(-np.ceil(reach / step), np.ceil(reach / step) + 1) * step
        axis, sigma, score = metric_axis(values, angles, candidates, columns=columns, frames=frames)
        if not np.isfinite(axis):
            break
        if columns == 64:
            prominence = _prominence(score)
    return axis, sigma, prominence


def _prominence(score: Floats) -> float:
    second = score[2:] - 2.0 * score[1:-1] + score[:-2]
    rough = 1.4826 * float(np.median(np.abs(second))) / np.sqrt(6.0)
    return float((score.max() - np.median(score)) / max(rough, 1e-300))


def _prepare(
    values: Floats, angles: Floats, columns: int, frames: int
) -> tuple[NDArray[np.complex128], Floats, int, Floats, Floats]:
    """Return filtered spectra, their frequencies, the reduced width, weights and angles of the frames."""
    n = values.shape[1]
    every = max(1, int(np.ceil(values.shape[0] / frames)))
    kept = angles[::every]
    spectrum = np.fft.rfft(values[::every], 2 * n, axis=1)
    small = min(n, columns)
    used = spectrum[:, : small + 1] * (small / n)  # cropping the spectrum is an exact low-pass and resampling
    factor = n / small
    omega = 2.0 * np.pi * np.fft.rfftfreq(2 * small)
    # Resampling keeps pixel 0 at 0; half-pixel bookkeeping: column u becomes (u + 0.5) / factor - 0.5.
    used = used * np.exp(-1j * omega * (0.5 / factor - 0.5))
    ramp = omega * (0.5 + 0.5 * np.cos(omega))  # Hann: noise would hide the metric's extremum
    return np.asarray(used * ramp), np.asarray(omega), small, _angle_weights(kept), kept


def _angle_weights(angles: Floats) -> Floats:
    """Return the share of each frame in the half turn, by the gaps to its neighbours."""
    turn = 360.0 if np.ptp(angles) > FULL_TURN else 180.0
    wrapped = np.mod(angles, turn)
    order = np.argsort(wrapped, kind="stable")
    ahead = np.diff(np.concatenate([wrapped[order], wrapped[order][:1] + turn]))
    share = np.empty(angles.size)
    share[order] = 0.5 * (ahead + np.roll(ahead, 1))
    return np.asarray(share / turn, dtype=np.float64)


@partial(compiled, nogil=True, error_model="numpy")
def _backproject(sinograms: Floats, cosine: Floats, sine: Floats, weights: Floats) -> Floats:
    """Backproject (angles, columns, candidates) onto the inscribed disc; the axis is in the middle of the row."""
    count, n, many = sinograms.shape
    middle = (n - 1) / 2.0
    images = np.zeros((n, n, many))
    for iy in range(n):
        y = iy - middle
        half = np.sqrt(max(0.0, middle * middle - y * y))
        low, high = int(np.ceil(middle - half)), int(np.floor(middle + half))
        for k in range(count):
            s = middle + y * sine[k] + (low - middle) * cosine[k]
            for ix in range(low, high + 1):
                i = min(max(int(s), 0), n - 2)
                right = weights[k] * (s - i)
                left = weights[k] - right
                for c in range(many):
                    images[iy, ix, c] += left * sinograms[k, i, c] + right * sinograms[k, i + 1, c]
                s += cosine[k]
    return images


def _score(image: Floats, metric: str) -> float:
    n = image.shape[0]
    u = np.arange(n) - (n - 1) / 2.0
    inside = u[:, None] ** 2 + u[None, :] ** 2 < ((n - 1) / 2.0) ** 2
    pixels = image[inside]
    if metric == "absolute":
        return -float(np.abs(pixels).sum())
    if metric == "negativity":
        return -float((np.minimum(pixels, 0.0) ** 2).sum())
    if metric == "variance":
        return float(pixels.var())
    if metric == "entropy":
        low, high = np.percentile(pixels, [0.1, 99.9])
        counts = np.histogram(pixels, bins=256, range=(low, high))[0]
        share = counts[counts > 0] / counts.sum()
        return float((share * np.log(share)).sum())
    raise ValueError(f"unknown metric {metric!r}: absolute, negativity, variance or entropy")
