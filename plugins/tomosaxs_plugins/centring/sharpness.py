"""Slices of one row for many candidate axes in one batch, and how good they are.

Each candidate's sinogram is moved by Fourier phases until its axis lies in the middle, so that all share one geometry:
the batch is one reconstruction of as many slices, and the interpolation is the same for all. Metrics: the standard
deviation of a slice (a wrong axis of a full turn blurs), the mean squared gradient (edges), the entropy of the
histogram (a wrong axis of half a turn adds arcs, which spread the values), the negative values. Metrics of this kind:
T. Donath, F. Beckmann, A. Schreyer, doi 10.1364/JOSAA.23.001048.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import scipy.fft
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from tomosaxs_plugins.reconstruction.backprojection import filtered_backprojection

Floats = NDArray[np.float64]
Images = NDArray[np.float32]

METRICS = ("std", "edges", "entropy", "negativity")
BATCH = 16  # slices that are reconstructed side by side
SMOOTH = 1.0  # px: gradients of noise would hide those of edges
BINS = 256


def candidate_slices(sinogram: Images, angles: Floats, candidates: Floats, size: int) -> Images:
    """Return the middle of the slice for every candidate axis.

    Parameters
    ----------
    sinogram : (angles, columns) float32 array
        Attenuation.
    angles : (angles,) array
        Degrees, any order and range.
    candidates : (n,) array
        Rotation axes, 0-based columns.
    size : int
        Width of the slices, px.

    Returns
    -------
    (n, size, size) float32 array
        Attenuation per pixel.
    """
    columns = sinogram.shape[1]
    reach = int(np.ceil(np.maximum(candidates, columns - 1 - candidates).max()))
    length = 2 * int(scipy.fft.next_fast_len((columns + 2 * reach + 2) // 2, real=True))
    padded = np.empty((len(sinogram), length), dtype=np.float32)
    padded[:, :columns] = sinogram
    beyond = length - columns
    padded[:, columns : columns + beyond // 2] = sinogram[:, -1:]
    padded[:, columns + beyond // 2 :] = sinogram[:, :1]
    spectrum = scipy.fft.rfft(padded, axis=1)
    frequency = scipy.fft.rfftfreq(length)
    slices = np.empty((len(candidates), size, size), dtype=np.float32)
    for start in range(0, len(candidates), BATCH):
        batch = candidates[start : start + BATCH]
        moved = np.empty((len(batch), len(sinogram), 2 * reach + 1), dtype=np.float32)
        for one, place in zip(batch, moved, strict=True):
            phase = np.exp(-2j * np.pi * frequency * (reach - one)).astype(np.complex64)
            place[...] = scipy.fft.irfft(spectrum * phase, n=length, axis=1)[:, : 2 * reach + 1]
        slices[start : start + BATCH] = filtered_backprojection(moved, angles, reach, padding="edge", size=size)
    return slices


def score_slices(slices: Images, metrics: Sequence[str] = METRICS) -> dict[str, Floats]:
    """Return for each metric one score a slice; the best is the highest.

    Parameters
    ----------
    slices : (n, size, size) array
        Compared within the disc that touches the edges.
    metrics : sequence of str
        Of `METRICS`.
    """
    size = slices.shape[1]
    distance = np.arange(size) - (size - 1) / 2
    disc = distance[:, None] ** 2 + distance**2 <= (0.48 * size) ** 2
    low, high = np.percentile(slices[len(slices) // 2][disc], [0.1, 99.9])
    scores = {name: np.empty(len(slices)) for name in metrics}
    for number, image in enumerate(slices):
        pixels = image[disc].astype(np.float64)
        for name in metrics:
            scores[name][number] = _score(name, image, pixels, disc, (float(low), float(high)))
    return scores


def _score(name: str, image: Images, pixels: Floats, disc: NDArray[np.bool_], limits: tuple[float, float]) -> float:
    if name == "std":
        return float(pixels.std())
    if name == "edges":
        along_y, along_x = np.gradient(gaussian_filter(image, SMOOTH))
        return float((along_y[disc] ** 2 + along_x[disc] ** 2).mean())
    if name == "negativity":
        return -float((np.minimum(pixels, 0.0) ** 2).mean())
    counts = np.histogram(np.clip(pixels, *limits), bins=BINS, range=limits)[0]
    share = counts[counts > 0] / pixels.size
    return float((share * np.log(share)).sum())


def peak(candidates: Floats, scores: Floats, reach: int = 1) -> float:
    """Return where the parabola nearest to the best of evenly spaced candidates and its neighbours is highest.

    Up to `reach` neighbours on either side count. NaN where the best candidate is the first or the last.
    """
    best = int(np.argmax(scores))
    reach = min(reach, best, len(candidates) - 1 - best)
    if reach == 0:
        return float("nan")
    place = np.arange(-reach, reach + 1.0)
    near = scores[best - reach : best + reach + 1]
    # least squares in orthogonal polynomials of evenly spaced places
    square = place**2 - (place**2).mean()
    bend, slope = (square @ near) / (square @ square), (place @ near) / (place @ place)
    offset = float(np.clip(-0.5 * slope / bend, -reach, reach)) if bend < 0.0 else 0.0
    return float(candidates[best] + offset * (candidates[1] - candidates[0]))


def prominence(scores: Floats) -> float:
    """Return the height of the best score over the median, in units of the curve's roughness."""
    second = scores[2:] - 2.0 * scores[1:-1] + scores[:-2]
    rough = 1.4826 * float(np.median(np.abs(second))) / np.sqrt(6.0)
    return float((scores.max() - np.median(scores)) / max(rough, 1e-300))
