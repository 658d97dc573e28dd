"""Means over bins of azimuth and q, and smearing in q, as one small matrix per axis. Plain functions on plain arrays.

A bin's value is the mean of the intensity over the bin. It is computed from few points, at the nodes of Gauss-Legendre
quadrature: on a smooth function n of them are worth about 2 n points at equal distances. In q the detector smears the
intensity too: the mean over bin b of what a Gaussian of standard deviation s makes of I is the integral of I(q) K(q)
with K(q) = (Phi((end - q) / s) - Phi((begin - q) / s)) / width. The line is cut into panels at the edges of the bins, I
is taken as the polynomial through the nodes of each panel, and K times that polynomial is integrated: so the accuracy
depends on how smooth I is within a panel (its radial width against that of a bin), whatever the smearing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from tomosaxs_plugins.fibres.problem import Bins

Floats = NDArray[np.float64]

_REACH = 6.0  # standard deviations that smearing looks beyond a bin: what lies farther is 1e-9 of everything
_SAME = 1e-6  # edges closer than this part of a bin's width are one edge
_FINE = 24  # nodes of the quadrature that integrates kernel times polynomial over a part of a panel


@dataclass(frozen=True, eq=False)
class Averaging:
    """Points at which the intensity is evaluated, and how bins are made of them.

    Parameters
    ----------
    q : (n_fine,) float array
        Points in q in nm^-1, ascending and above 0.
    weights : (n_q, n_fine) float array
        Share of every point in every bin.
    first, stop : (n_q,) int arrays
        Outside these points a bin's shares are zero.
    chi : (n_chi, chi_samples) float array
        Points in azimuth in rad.
    chi_weights : (chi_samples,) float array
        Their shares, which sum to 1.
    """

    q: Floats
    weights: Floats
    first: NDArray[np.intp]
    stop: NDArray[np.intp]
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
        Points in q reach six standard deviations of the smearing beyond the bins, but not below zero.

    Raises
    ------
    ValueError
        When a width, a wavelength or a number of samples is not positive, or q goes below zero.
    """
    _check(bins)
    nodes, shares = np.polynomial.legendre.leggauss(bins.chi_samples)
    chi = np.deg2rad(np.asarray(bins.chi_deg, float)[:, None] + 0.5 * bins.chi_width_deg * nodes)
    centres = np.asarray(bins.q, float)
    begin, end = centres - 0.5 * bins.q_width, centres + 0.5 * bins.q_width
    edges = _panels(begin, end, bins.q_width, _REACH * bins.smearing)
    places, base = np.polynomial.legendre.leggauss(bins.q_samples)
    half = 0.5 * np.diff(edges)
    fine = (0.5 * (edges[:-1] + edges[1:]) + places[:, None] * half).T
    weights = np.zeros((centres.size, half.size, bins.q_samples))
    for panel in range(half.size):
        low, high = edges[panel], edges[panel + 1]
        for one in np.flatnonzero((end + _REACH * bins.smearing > low) & (begin - _REACH * bins.smearing < high)):
            weights[one, panel] = _shares((low, high), (begin[one], end[one]), bins.smearing, places, base) / (
                end[one] - begin[one]
            )
    flat = weights.reshape(centres.size, -1)
    used = np.flatnonzero(np.any(flat != 0, axis=0))
    flat = np.ascontiguousarray(flat[:, used])
    lit = flat != 0
    first = np.argmax(lit, axis=1)
    stop = lit.shape[1] - np.argmax(lit[:, ::-1], axis=1)
    return Averaging(fine.ravel()[used].copy(), flat, first, stop, chi, 0.5 * shares)


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


def _shares(
    panel: tuple[float, float], bin_: tuple[float, float], smearing: float, places: Floats, base: Floats
) -> Floats:
    """Return the integrals over a panel of the kernel times the polynomials that are 1 at one node and 0 at others."""
    low, high = panel
    if smearing == 0:
        inside = bin_[0] < 0.5 * (low + high) < bin_[1]
        return 0.5 * (high - low) * base * inside
    parts = math.ceil((high - low) / smearing)
    x, w = np.polynomial.legendre.leggauss(_FINE)
    cuts = np.linspace(-1, 1, parts + 1)
    x = (0.5 * (cuts[:-1] + cuts[1:])[:, None] + x / parts).ravel()
    q = 0.5 * (low + high) + 0.5 * (high - low) * x
    kernel = _below((bin_[1] - q) / smearing) - _below((bin_[0] - q) / smearing)
    vander = np.polynomial.legendre.legvander(places, places.size - 1)
    basis = np.polynomial.legendre.legvander(x, places.size - 1) @ np.linalg.inv(vander)
    integral: Floats = (np.tile(w, parts) / parts * kernel * 0.5 * (high - low)) @ basis
    return integral


def _below(x: Floats) -> Floats:
    """Return the cumulative normal distribution."""
    return np.array([0.5 * math.erfc(-value / math.sqrt(2)) for value in x])
