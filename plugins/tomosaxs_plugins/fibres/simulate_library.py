"""Simulated intensity of every beam path against azimuth and q, binned directly: no frames are made.

The means over bins are integrals to 1e-4 or better, not the few points that a solver takes, so that a solver is tried
on data which are not of its own making.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from math import erf, sqrt

import numpy as np
from numpy.typing import NDArray

from tomosaxs_plugins.fibres.lattice import seen_directions
from tomosaxs_plugins.fibres.problem import BeamPaths, Bins, FibreTable, Floats, Library
from tomosaxs_plugins.fibres.simulate_kernel import add_paths, means_of_fibres
from tomosaxs_plugins.reconstruction.parallel import thread_count

_BATCH = 32  # fibres of a thread at a time


@dataclass(frozen=True)
class Background:
    """A smooth background under the streaks of every path, a exp(-q / b) + c.

    Parameters
    ----------
    exponential : float
        a exp(-q / b) in the middle of the range of q, as a share of the largest expected intensity of the streaks.
    constant : float
        c, as the same share.
    decay : float
        b in nm^-1.
    spread : float
        Standard deviation of the logarithm of a and of c, from path to path.
    """

    exponential: float = 0.1
    constant: float = 0.02
    decay: float = 0.05
    spread: float = 0.2


@dataclass(frozen=True, eq=False)
class SimulatedLibrary:
    """What was measured, what the solver is told, and the truth.

    Parameters
    ----------
    library : Library
        Intensities, in the units of the amplitudes, with uncertainties of the counts.
    paths : BeamPaths
        With the directions that the solver is told.
    truth : FibreTable
        True parameters and directions.
    bins : Bins
        As given.
    expected : (n_paths, n_chi, n_q) float array
        Intensities without noise.
    counts : float
        Counts per unit of intensity; infinite without noise.
    background : (n_paths, 2) float array
        True a and c of every path.
    """

    library: Library
    paths: BeamPaths
    truth: FibreTable
    bins: Bins
    expected: Floats
    counts: float
    background: Floats


def standard_bins(
    n_chi: int = 36,
    n_q: int = 36,
    *,
    chi_range: tuple[float, float] = (0.0, 180.0),
    q_range: tuple[float, float] = (0.24, 0.33),
    wavelength_nm: float = 0.08856,
    chi_samples: int = 3,
    q_samples: int = 4,
    smearing: float = 0.0,
) -> Bins:
    """Return even bins between the outer edges `chi_range` in degrees and `q_range` in nm^-1."""
    chi_width, q_width = (chi_range[1] - chi_range[0]) / n_chi, (q_range[1] - q_range[0]) / n_q
    chi = np.asarray(chi_range[0] + chi_width * (np.arange(n_chi) + 0.5), dtype=np.float64)
    q = np.asarray(q_range[0] + q_width * (np.arange(n_q) + 0.5), dtype=np.float64)
    return Bins(chi, chi_width, q, q_width, wavelength_nm, chi_samples, q_samples, smearing)


def exact_bin_means(
    fibres: FibreTable,
    bins: Bins,
    rotation_deg: float = 0.0,
    threads: int | None = None,
    points: tuple[int, int] | None = None,
) -> Floats:
    """Return the mean intensity of every fibre in every bin, at a rotation of the sample and weight 1.

    The mean over a bin of the intensity smeared along q: by Gauss's quadrature, of eight points along q and at least
    four along azimuth, or with smearing on a grid of a twelfth of a bin that reaches beyond the outer bins.
    `chi_samples` and `q_samples` of the bins play no part.

    Parameters
    ----------
    fibres : FibreTable
        Parameters and directions at rotation 0.
    bins : Bins
        Bins, with the smearing of the data.
    rotation_deg : float
        Adds to beta.
    threads : int, optional
        By default as many as the process may use.
    points : (along azimuth, along q), optional
        Other numbers of points of the quadrature, where less will do.

    Returns
    -------
    (n_fibres, n_chi, n_q) float64 array
        Intensities, amplitude included.
    """
    along_chi, along_q = (max(4, int(np.ceil(bins.chi_width_deg))), 8) if points is None else points
    q, first, share = _quadrature_of_q(bins, along_q)
    chi, chi_share = _quadrature_of_chi(bins, along_chi)
    coarse = np.linspace(q.min(), q.max(), 2 * len(bins.q) + 1)
    alpha, beta = np.radians(fibres.alpha_deg), np.radians(fibres.beta_deg + rotation_deg)
    axis = np.stack([np.sin(alpha) * np.sin(beta), np.cos(alpha), np.sin(alpha) * np.cos(beta)], axis=1)
    table = np.stack([fibres.q0, fibres.wa, fibres.wmu, fibres.delta, fibres.amplitude], axis=1)
    out = np.zeros((len(table), len(bins.chi_deg), len(bins.q)))

    def work(begin: int) -> None:
        part = slice(begin, begin + _BATCH)
        means_of_fibres(axis[part], table[part], q, first, share, chi, chi_share, coarse, bins.wavelength_nm, out[part])

    with ThreadPoolExecutor(thread_count(threads)) as pool:
        list(pool.map(work, range(0, len(table), _BATCH)))
    return out


def _quadrature_of_chi(bins: Bins, count: int) -> tuple[Floats, Floats]:
    """Return azimuths in rad, (n_chi, k), and the share of each in the mean of its bin, (k,)."""
    node, weight = np.polynomial.legendre.leggauss(count)
    return np.radians(bins.chi_deg[:, None] + node * bins.chi_width_deg / 2), weight / 2


def _quadrature_of_q(bins: Bins, count: int) -> tuple[Floats, NDArray[np.intp], Floats]:
    """Return points of q, and for every bin the first of its points and the shares of those that follow."""
    if not bins.smearing:
        node, weight = np.polynomial.legendre.leggauss(count)
        q = bins.q[:, None] + node * bins.q_width / 2
        return q.ravel(), count * np.arange(len(bins.q)), np.tile(weight / 2, (len(bins.q), 1))
    step = min(bins.q_width / 12, bins.smearing / 2)
    reach = 6 * bins.smearing + bins.q_width / 2
    low, high = bins.q[0] - reach, bins.q[-1] + reach
    q = low + step * (np.arange(int(np.ceil((high - low) / step))) + 0.5)
    width = int(np.ceil(2 * reach / step)) + 1
    first = np.clip(np.floor((bins.q - reach - low) / step).astype(np.intp), 0, max(0, len(q) - width))
    index = first[:, None] + np.arange(min(width, len(q)))
    # intensity at q' is found in a bin with the probability that a Gaussian about q' gives it
    edges = [(q[index] - bins.q[:, None] + side * bins.q_width / 2) / (sqrt(2) * bins.smearing) for side in (1, -1)]
    upper, lower = (np.vectorize(erf)(each) for each in edges)
    return q, first, (upper - lower) / 2 * step / bins.q_width


def simulate_library(
    fibres: FibreTable,
    paths: BeamPaths,
    bins: Bins | None = None,
    *,
    peak_counts: float | None = None,
    background: Background | None = None,
    angle_error_deg: float = 0.0,
    missing_chi_deg: Sequence[tuple[float, float]] = (),
    missing_paths: Sequence[int] = (),
    seed: int = 0,
    threads: int | None = None,
) -> SimulatedLibrary:
    """Return the intensity of every beam path in every bin, as a detector would count it.

    Parameters
    ----------
    fibres : FibreTable
        True parameters and directions of the fibres, in the order of `paths.identifiers`.
    paths : BeamPaths
        Which fibres every path crosses; its directions are not used.
    bins : Bins, optional
        By default those of `standard_bins`; its smearing is that of the data.
    peak_counts : float, optional
        Expected counts in the fullest bin of a path; Poisson noise follows from it. None: no noise, and a uniform
        uncertainty of 1e-3 of the largest intensity.
    background : Background, optional
        Under the streaks; by default there is none.
    angle_error_deg : float
        Standard deviation of the errors of alpha and beta that the solver is told, in degrees.
    missing_chi_deg : sequence of (low, high)
        Intervals of azimuth in degrees that a mask hides; every bin that they touch.
    missing_paths : sequence of int
        Paths without a frame.
    seed : int
        Of the random numbers.
    threads : int, optional
        By default as many as the process may use; the result does not depend on it.

    Raises
    ------
    ValueError
        When fibres and paths do not fit, or no fibre is seen.
    """
    bins = standard_bins() if bins is None else bins
    if len(fibres.q0) != len(paths.identifiers):
        raise ValueError(f"{len(fibres.q0)} fibres for {len(paths.identifiers)} identifiers of the beam paths")
    expected = _expected(fibres, paths, bins, threads)
    largest = float(expected.max(initial=0.0))
    if not largest > 0:
        raise ValueError("no beam path sees a fibre that diffracts into the bins")
    terms = np.zeros((len(expected), 2))
    if background is not None:
        terms = _background_terms(background, len(expected), largest, bins, seed)
        expected += (terms[:, :1] * np.exp(-bins.q / background.decay) + terms[:, 1:])[:, None, :]
    usable = np.ones(expected.shape, dtype=np.bool_)
    for low, high in missing_chi_deg:
        usable[:, np.abs(bins.chi_deg - (low + high) / 2) < (high - low + bins.chi_width_deg) / 2] = False
    usable[list(missing_paths)] = False
    values, sigma, scale = _measured(expected, peak_counts, seed)
    values[~usable], sigma[~usable] = np.nan, np.nan
    alpha, beta = seen_directions(fibres, angle_error_deg, seed)
    told = replace(paths, alpha_deg=alpha, beta_deg=beta)
    return SimulatedLibrary(Library(values, sigma, usable), told, fibres, bins, expected, scale, terms)


def _expected(fibres: FibreTable, paths: BeamPaths, bins: Bins, threads: int | None) -> Floats:
    """Return the sum over the fibres of every path."""
    expected = np.zeros((len(paths.path_rotation), len(bins.chi_deg), len(bins.q)))
    for number, angle in enumerate(paths.rotation_deg):
        mine = np.flatnonzero(paths.path_rotation == number)
        single = exact_bin_means(fibres, bins, float(angle), threads)

        def work(path: np.intp, single: Floats = single) -> None:
            part = slice(paths.offsets[path], paths.offsets[path + 1])
            add_paths(single, paths.fibre[part], paths.weight[part], expected[path])

        with ThreadPoolExecutor(thread_count(threads)) as pool:
            list(pool.map(work, mine))
    return expected


def _background_terms(background: Background, count: int, largest: float, bins: Bins, seed: int) -> Floats:
    middle = (bins.q[0] + bins.q[-1]) / 2
    level = np.array([background.exponential * np.exp(middle / background.decay), background.constant]) * largest
    vary = np.random.default_rng([seed, 2]).standard_normal((count, 2))
    return np.asarray(level * np.exp(background.spread * vary))


def _measured(expected: Floats, peak_counts: float | None, seed: int) -> tuple[Floats, Floats, float]:
    """Return intensities, their uncertainties and the counts per unit of intensity."""
    if peak_counts is None:
        return expected.copy(), np.full(expected.shape, 1e-3 * expected.max()), float("inf")
    scale = peak_counts / float(expected.max())
    counted = np.random.default_rng([seed, 3]).poisson(expected * scale)
    return counted / scale, np.sqrt(np.maximum(counted, 1)) / scale, scale
