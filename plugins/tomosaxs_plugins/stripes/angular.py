"""Corrections that are smooth along the angles: a few functions of the angle, each with a profile over the columns.

A stripe changes little from one angle to the next. What a sinogram holds of slow functions of the angle (polynomials,
cosines) is one profile for each function; the stripes are what is rough in these profiles. Only the profiles are
filtered, which are a thousand times smaller than the sinogram.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from tomosaxs_plugins.compiled import compiled
from tomosaxs_plugins.stripes.ranks import bridged

Array = NDArray[np.float32]
Float = NDArray[np.float64]


def polynomials(angles: int, order: int) -> Float:
    """Return orthonormal polynomials over the rows of a sinogram, (order + 1, angles)."""
    powers = np.polynomial.legendre.legvander(np.linspace(-1, 1, angles), min(order, angles - 1))
    return np.ascontiguousarray(np.linalg.qr(powers)[0].T)


def cosines(angles: int, highest: int) -> Float:
    """Return orthonormal cosines of 0 .. highest half periods over the rows, (highest + 1, angles)."""
    rows = (np.arange(angles) + 0.5) * (math.pi / angles)
    waves = np.cos(np.arange(min(highest, angles - 1) + 1)[:, None] * rows)
    return np.asarray(waves / np.sqrt(np.sum(waves**2, axis=1, keepdims=True)))


def profiles(sinogram: Array, basis: Float) -> Float:
    """Return what a sinogram holds of every function, (functions, columns)."""
    out = np.zeros((len(basis), sinogram.shape[1]))
    _project(sinogram, basis, out)
    return out


def added(sinogram: Array, basis: Float, change: Float) -> Array:
    """Return the sinogram with a change of its profiles; itself where there is none.

    Parameters
    ----------
    sinogram : (angles, columns) float32 array
    basis : (functions, angles) float64 array
    change : (functions, columns) float64 array
    """
    chosen = np.flatnonzero(np.any(change != 0, axis=0))
    if not chosen.size:
        return sinogram
    out: Array = sinogram.copy()
    _expand(out, basis.astype(np.float32), np.ascontiguousarray(change[:, chosen], dtype=np.float32), chosen)
    return out


def smoothed(rough: Float, weights: Array, sigma: float) -> Float:
    """Return profiles without stripes: straight lines over the striped columns, or smooth where all are striped.

    Parameters
    ----------
    rough : (functions, columns) float64 array
    weights : (columns,) float32 array
        Above 0 in striped columns.
    sigma : float
        Standard deviation of the Gaussian that smooths where all columns are striped, px.
    """
    chosen = np.flatnonzero(weights > 0)
    if chosen.size == len(weights):
        return np.asarray(gaussian_filter1d(rough, sigma, axis=1, mode="nearest"))
    left, right, share = bridged(chosen, len(weights))
    out: Float = rough.copy()
    out[:, chosen] = rough[:, left] * (1 - share) + rough[:, right] * share
    return out


def without_details(rough: Float, vanishing: int, levels: int) -> Float:
    """Return profiles without their wavelet details: the coarse part after `levels` steps of Daubechies' wavelets.

    Parameters
    ----------
    rough : (functions, columns) float64 array
    vanishing : int
        Vanishing moments of the wavelet (4 for ``db4``).
    levels : int
        Details up to 2^levels px are taken away.
    """
    low = daubechies(vanishing)
    columns, step = rough.shape[1], 2**levels
    reach = len(low) * step
    total = -(-(columns + 2 * reach) // step) * step
    part = np.pad(rough, ((0, 0), (reach, total - columns - reach)), mode="symmetric")
    for _ in range(levels):
        part = sum(tap * np.roll(part, -place, axis=1)[:, ::2] for place, tap in enumerate(low))
    for _ in range(levels):
        wide = np.zeros((part.shape[0], 2 * part.shape[1]))
        wide[:, ::2] = part
        part = sum(tap * np.roll(wide, place, axis=1) for place, tap in enumerate(low))
    return np.asarray(part[:, reach : reach + columns])


def daubechies(vanishing: int) -> Float:
    """Return the low-pass filter of Daubechies' wavelet with so many vanishing moments, (2 vanishing,).

    The roots inside the unit circle of Daubechies' polynomial (10.1002/cpa.3160410705), with as many zeros at -1;
    the sum is sqrt(2).
    """
    polynomial = [float(math.comb(vanishing - 1 + k, k)) for k in range(vanishing)]
    taps = np.ones(1)
    for root in np.roots(polynomial[::-1]) if vanishing > 1 else []:
        middle = 1 - 2 * root
        inner = middle + np.sqrt(middle * middle - 1 + 0j)
        inner = inner if abs(inner) < 1 else 1 / inner
        taps = np.convolve(taps, [1, -inner])
    for _ in range(vanishing):
        taps = np.convolve(taps, [1, 1])
    real = np.real(taps)
    return np.asarray(real * (math.sqrt(2) / real.sum()), dtype=np.float64)


def _project_loop(sinogram: Array, basis: Float, out: Float) -> None:
    for row in range(sinogram.shape[0]):
        line = sinogram[row]
        for number in range(basis.shape[0]):
            factor, sums = basis[number, row], out[number]
            for column in range(len(line)):
                sums[column] += factor * line[column]


def _expand_loop(out: Array, basis: Array, change: Array, chosen: NDArray[np.int64]) -> None:
    sums = np.empty(change.shape[1], np.float32)
    for row in range(out.shape[0]):
        sums[:] = 0
        for number in range(basis.shape[0]):
            factor, profile = basis[number, row], change[number]
            for place in range(len(sums)):
                sums[place] += factor * profile[place]
        for place in range(len(sums)):
            out[row, chosen[place]] += sums[place]


_project = compiled(_project_loop, nogil=True)
_expand = compiled(_expand_loop, nogil=True)
