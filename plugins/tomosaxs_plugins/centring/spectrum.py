"""Find the peak of a correlation that is given by its spectrum, to a fraction of a pixel.

All seam and pair methods of this package end in the same form: the similarity of the data with
their own mirror image about a column c is S(t) = Re sum_w H(w) exp(i w t) with t = 2 c. It is
known for every real t, because shifting by Fourier phases is exact for sampled band-limited data;
linear interpolation would smooth the data at half-integer shifts and so make false optima there.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Complexes = NDArray[np.complex128]

STEP = 0.125  # step of the scan around the coarse peak, in t


def frequencies(length: int) -> Floats:
    """Return the angular frequencies (rad/px) of a real transform of `length` samples."""
    return np.asarray(2.0 * np.pi * np.fft.rfftfreq(length), dtype=np.float64)


def high_pass(omega: Floats, columns: int) -> Floats:
    """Return the weight that removes what varies over more than about a quarter of the row."""
    cut = 2.0 * np.pi * 4.0 / columns / 2.0
    return np.asarray(1.0 - np.exp(-0.5 * (omega / cut) ** 2), dtype=np.float64)


def signal_weight(power: Floats) -> Floats:
    """Return a Wiener weight S/(S+N) from a mean power spectrum of frames.

    The noise floor N is the median of the upper quarter of the spectrum. Without this
    weight the product of noise with noise at high frequencies would dominate the error.
    """
    size = power.size
    floor = float(np.median(power[3 * size // 4 :]))
    width = max(3, size // 40)
    kernel = np.hanning(width + 2)[1:-1]
    smooth = np.convolve(np.pad(power, width // 2, mode="edge"), kernel / kernel.sum(), mode="same")
    smooth = smooth[width // 2 : width // 2 + size]
    signal = np.maximum(smooth - floor, 1e-3 * smooth)
    return np.asarray(signal / np.maximum(signal + floor, 1e-300), dtype=np.float64)


def evaluate(spectrum: Complexes, omega: Floats, t: Floats) -> Floats:
    """Return S(t) = Re sum H exp(i w t) for the positions t (any shape (n,))."""
    phase = np.exp(1j * np.outer(t, omega))
    return np.asarray((phase * spectrum).real.sum(axis=1), dtype=np.float64)


def evaluate_evenly(spectrum: Complexes, omega: Floats, first: float, count: int) -> Floats:
    """Return `evaluate` at `count` positions 1 apart, by one transform.

    The frequencies are the lowest ones of a real transform of some length, without a gap (see `frequencies`).
    """
    length = max(2 * omega.size, round(2.0 * np.pi / float(omega[1])))
    terms = np.zeros(length, dtype=np.complex128)
    terms[: omega.size] = spectrum * np.exp(1j * omega * first)
    score = (np.fft.ifft(terms) * length).real
    return np.asarray(np.resize(score, count), dtype=np.float64)  # it repeats


def refine_peak(spectrum: Complexes, omega: Floats, start: float, reach: float = 1.5) -> tuple[float, float]:
    """Return (t, curvature) of the highest maximum of S within `reach` of `start`.

    `curvature` is -S''(t), positive at a maximum; 0 says that the maximum lies on the border.
    """
    t = start + np.arange(-reach, reach + STEP / 2, STEP)
    score = evaluate(spectrum, omega, t)
    best = int(np.argmax(score))
    if best in (0, t.size - 1):
        return float(t[best]), 0.0
    position = float(t[best])
    for _ in range(8):
        terms = spectrum * np.exp(1j * omega * position)
        slope = -float((omega * terms.imag).sum())
        curvature = float((omega**2 * terms.real).sum())
        if curvature <= 0.0:
            return float(t[best]), 0.0
        step = slope / curvature
        position += float(np.clip(step, -STEP, STEP))
        if abs(step) < 1e-9:
            break
    return position, curvature
