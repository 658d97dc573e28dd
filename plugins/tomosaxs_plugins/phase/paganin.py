"""Phase retrieval from one distance for a homogeneous sample, after Paganin: plain functions on plain arrays.

The transmission T of a homogeneous sample and the intensity I some way behind it are bound by a diffusion-like
equation, (1 - (L / 2 pi)^2 laplacian) T = I. In Fourier space T is I / (1 + L^2 f^2), f in cycles per length, with

    L^2 = pi wavelength distance delta / beta

D. Paganin et al., J. Microsc. 206 (2002) 33 (10.1046/j.1365-2818.2002.01010.x), equation 10.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from tomosaxs_plugins.phase.cosine import CosineFilter, Padding, fast_size

PLANCK_TIMES_C = 1.239841984e-9
"""keV m (CODATA 2018, exact: 10.1103/RevModPhys.93.025010)."""


def wavelength(energy: float) -> float:
    """Return the wavelength in metres of photons of `energy` keV."""
    return PLANCK_TIMES_C / energy


def paganin_length(delta_beta: float, energy: float, distance: float) -> float:
    """Return the length L in metres.

    Parameters
    ----------
    delta_beta : float
        Ratio of refractive index decrement and absorption index.
    energy : float
        Photon energy in keV.
    distance : float
        From sample to detector in metres (over the magnification where the beam diverges).
    """
    return math.sqrt(math.pi * wavelength(energy) * distance * delta_beta)


def reach(length: float, sigma: float = 0.0) -> int:
    """Return the distance in pixels within which neighbours count, to a thousandth.

    The kernel of the filter falls as the Bessel function K0(2 pi r / L): by a thousand over L ln(1000) / (2 pi).

    Parameters
    ----------
    length, sigma : float
        L and the standard deviation of the unsharp mask, both in pixels.
    """
    return math.ceil(max(length * math.log(1000.0) / (2.0 * math.pi), 3.0 * sigma))


def response(
    frequency: NDArray[np.floating], other: NDArray[np.floating], length: tuple[float, float],
    sigma: tuple[float, float] = (0.0, 0.0), coefficient: float = 0.0,
) -> NDArray[np.float64]:  # fmt: skip
    """Return what Fourier coefficients are multiplied by.

    Parameters
    ----------
    frequency, other : arrays, broadcastable to each other
        Frequencies along rows' and columns' numbers in cycles per pixel.
    length, sigma : (along rows' numbers, along columns' numbers)
        L and the unsharp mask's standard deviation in pixels of either direction.
    coefficient : float
        Weight c of the unsharp mask, (1 + c) T - c (Gaussian * T).
    """
    made = 1.0 / (1.0 + np.square(length[0] * frequency) + np.square(length[1] * other))
    if coefficient:
        squared = np.square(sigma[0] * frequency) + np.square(sigma[1] * other)
        made *= 1.0 + coefficient - coefficient * np.exp(-2.0 * np.pi**2 * squared)
    return np.asarray(made)


@lru_cache(maxsize=2)
def paganin_filter(
    shape: tuple[int, int], length: tuple[float, float], sigma: tuple[float, float] = (0.0, 0.0),
    coefficient: float = 0.0, padding: Padding = "reflect",
) -> CosineFilter:  # fmt: skip
    """Return the filter for frames of (rows, columns); the last two that were asked for are kept.

    Parameters
    ----------
    padding : str
        ``reflect``: beyond its edges a frame goes on as its mirror image; ``edge``: as its outermost pixels.
    """
    used = sigma if coefficient else (0.0, 0.0)
    margins = [reach(each, blur) for each, blur in zip(length, used, strict=True)]
    sizes = [fast_size(size) for size in shape]
    if padding == "edge" or tuple(sizes) != shape:
        sizes = [fast_size(size + 2 * margin) for size, margin in zip(shape, margins, strict=True)]
        before = ((sizes[0] - shape[0]) // 2, (sizes[1] - shape[1]) // 2)
    else:
        before = (0, 0)
    along = [np.arange(size) / (2.0 * size) for size in sizes]
    values = np.empty((sizes[1], sizes[0]), np.float32)
    for first in range(0, sizes[1], 256):  # no float64 array of the whole size
        values[first : first + 256] = response(
            along[0][None, :], along[1][first : first + 256, None], length, sigma, coefficient
        ) / (4.0 * sizes[0] * sizes[1])
    values.flags.writeable = False
    return CosineFilter(shape, before, padding, values)
