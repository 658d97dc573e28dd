"""Means over bins of azimuth and q, and smearing in q, as one small matrix per axis. Plain functions on plain arrays.

A bin's value is the mean of the intensity over the bin. It is computed from few points, at the nodes of Gauss-Legendre
quadrature: on a smooth function n of them are worth about 2 n points at equal distances. In q the detector smears the
intensity too: the mean over bin b of what a Gaussian of standard deviation s makes of I is the integral of I(q) K(q)
with K(q) = (Phi((end - q) / s) - Phi((begin - q) / s)) / width. The line is cut into panels at the edges of the bins, I
is taken as the polynomial through the nodes of each panel, and K times that polynomial is integrated: so the accuracy
depends on how smooth I is within a panel (its radial width against that of a bin), whatever the smearing.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from tomosaxs_plugins.fibres.problem import Bins

Floats = NDArray[np.float64]

_REACH = 5.0  # standard deviations that smearing looks beyond a bin: what lies farther is 6e-7 of everything
_SAME = 1e-6  # edges closer than this part of a bin's width are one edge
_NODES = 12  # of the quadrature of kernel times polynomial, over no more than one standard deviation


@dataclass(frozen=True, eq=False)
class Averaging:
    """Points at which the intensity is evaluated, and how bins are made of them.

    Parameters
    ----------
    q : (n_fine,) float array
        Points in q in nm^-1, ascending and above 0.
    weights : (n_q, n_fine) float array
        Share of every point in every bin.
    bands : (n_q, 2) int array
        First and one past the last point that has a share in a bin.
    chi : (n_chi, chi_samples) float array
        Points in azimuth in rad.
    chi_weights : (chi_samples,) float array
        Their shares, which sum to 1.
    """

    q: Floats
    weights: Floats
    bands: NDArray[np.intp]
    chi: Floats
    chi_weights: Floats


def averaging(bins: Bins) -> Averaging:
    """Return the points and shares for some bins.

    Parameters
    ----------
    bins : Bins
        Bins along azimuth and q, in any order; bins of q may have gaps between them.

    Returns
    -------
    Averaging
        Points in q reach five standard deviations of the smearing beyond the bins, but not below zero.

    Raises
    ------
    ValueError
        When a width, a wavelength or a number of samples is not positive, or q goes below zero.
    """
    _check(bins)
    nodes, shares = _gauss(bins.chi_samples)
    chi = np.deg2rad(np.asarray(bins.chi_deg, float)[:, None] + 0.5 * bins.chi_width_deg * nodes)
    centres = np.asarray(bins.q, float)
    begin, end = centres - 0.5 * bins.q_width, centres + 0.5 * bins.q_width
    edges = _panels(begin, end, bins.q_width, _REACH * bins.smearing)
    places, base = _gauss(bins.q_samples)
    half = 0.5 * np.diff(edges)
    fine = (0.5 * (edges[:-1] + edges[1:]) + places[:, None] * half).T
    polynomials: Floats = np.asarray(np.linalg.inv(np.polynomial.legendre.legvander(places, places.size - 1)), float)
    weights = np.zeros((centres.size, half.size, bins.q_samples))
    reach = _REACH * bins.smearing
    for panel, (low, high) in enumerate(pairwise(edges)):
        whole = 0.5 * (high - low) * base
        for one in np.flatnonzero((end + reach > low) & (begin - reach < high)):
            weights[one, panel] = _below(end[one], low, high, bins.smearing, polynomials, whole)
            weights[one, panel] -= _below(begin[one], low, high, bins.smearing, polynomials, whole)
    flat = weights.reshape(centres.size, -1) / (end - begin)[:, None]
    used = np.flatnonzero(np.any(flat != 0, axis=0))
    flat = np.ascontiguousarray(flat[:, used])
    lit = flat != 0
    bands = np.stack([np.argmax(lit, axis=1), used.size - np.argmax(lit[:, ::-1], axis=1)], axis=1)
    return Averaging(fine.ravel()[used].copy(), flat, bands, chi, 0.5 * shares)


@functools.lru_cache(maxsize=16)
def _gauss(count: int) -> tuple[Floats, Floats]:
    """Return nodes between -1 and 1 and weights, which sum to 2, of Gauss-Legendre quadrature."""
    nodes, weights = np.polynomial.legendre.leggauss(count)
    return np.asarray(nodes, float), np.asarray(weights, float)


def _check(bins: Bins) -> None:
    sizes = {
        "chi_width_deg": bins.chi_width_deg, "q_width": bins.q_width, "wavelength_nm": bins.wavelength_nm,
        "chi_samples": bins.chi_samples, "q_samples": bins.q_samples,
    }  # fmt: skip
    for name, value in sizes.items():
        if not value > 0 or not math.isfinite(value):
            raise ValueError(f"{name} of bins must be above 0, not {value}")
    if not bins.smearing >= 0 or not math.isfinite(bins.smearing):
        raise ValueError(f"smearing must be 0 or above, not {bins.smearing}")
    q = np.asarray(bins.q, float)
    if q.size == 0 or not np.all(q - 0.5 * bins.q_width >= -1e-9 * bins.q_width):
        raise ValueError("bins of q must lie above 0, and there must be one")
    if not np.max(q) + 0.5 * bins.q_width + _REACH * bins.smearing < 4 * math.pi / bins.wavelength_nm:
        raise ValueError(
            f"q up to {np.max(q):g} nm^-1 cannot be reached with a wavelength of {bins.wavelength_nm:g} nm"
        )


def _panels(begin: Floats, end: Floats, width: float, reach: float) -> Floats:
    """Return where panels begin and end: at edges of bins, and not longer than a bin."""
    edges = np.unique(np.concatenate([begin, end]))
    edges = edges[np.concatenate([[True], np.diff(edges) > _SAME * width])]
    count = math.ceil(reach / width)
    if count:
        below = edges[0] - width * np.arange(count, 0, -1)
        edges = np.concatenate([below, edges, edges[-1] + width * np.arange(1, count + 1)])
    parts = [np.linspace(low, high, max(math.ceil((high - low) / width - _SAME), 1) + 1)[:-1]
             for low, high in pairwise(edges)]  # fmt: skip
    every = np.append(np.concatenate(parts), edges[-1])
    return np.unique(np.maximum(every, 0.0))


def _below(edge: float, low: float, high: float, smearing: float, polynomials: Floats, whole: Floats) -> Floats:
    """Return what the nodes of a panel give to everything below an edge that a Gaussian blurs.

    These are the integrals of Phi((edge - q) / smearing) times the polynomials that are 1 at one node and 0 at others.
    """
    if edge + _REACH * smearing <= low + 1e-9 * (high - low):
        return np.zeros_like(whole)
    if edge - _REACH * smearing >= high - 1e-9 * (high - low):
        return whole
    steps = edge + smearing * np.arange(-_REACH, _REACH + 0.5)
    cuts = np.concatenate([[low], steps[(steps > low) & (steps < high)], [high]])
    x, w = _gauss(_NODES)
    half = 0.5 * np.diff(cuts)[:, None]
    q = (0.5 * (cuts[:-1] + cuts[1:])[:, None] + half * x).ravel()
    normal = [0.5 * math.erfc((value - edge) / (math.sqrt(2) * smearing)) for value in q]
    place = (2 * q - low - high) / (high - low)
    values = np.polynomial.legendre.legvander(place, whole.size - 1) @ polynomials
    integral: Floats = ((half * w).ravel() * normal) @ values
    return integral
