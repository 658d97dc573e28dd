"""Streaks as the sequential method needs them: profiles along azimuth, made once, and single windows."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tomosaxs_plugins.fibres.binned import fill, plan
from tomosaxs_plugins.fibres.model import bin_means
from tomosaxs_plugins.fibres.problem import BeamPaths, Bins, Floats

fill_bins: Any = fill
LIMIT = 18.5
"""Exponent beyond which a streak is not computed: exp(-18.5) = 1e-8."""


def profiles(
    bins: Bins,
    paths: BeamPaths,
    fibres: NDArray[np.intp],
    shapes: Floats,
    streak: NDArray[np.bool_],
    threads: int | None,
) -> Floats:
    """Return the mean over the streak's q against azimuth, for height 1.

    They depend on fibre and rotation, not on the beam position: one set serves all paths.

    Parameters
    ----------
    bins : Bins
        Of the library.
    paths : BeamPaths
        Gives rotations and directions.
    fibres : (n,) int array
        Which fibres.
    shapes : (n, 4) float array
        q0, wa, wmu and delta of these.
    streak : (n_q,) bool array
        Bins of q to average over.
    threads : int, optional
        By default as many as the process may use.

    Returns
    -------
    (n_rotations, n, n_chi) float array
        Profiles.
    """
    out = np.zeros((len(paths.rotation_deg), len(fibres), len(bins.chi_deg)))
    alpha, beta = np.radians(paths.alpha_deg[fibres]), paths.beta_deg[fibres]
    for r, rotation in enumerate(paths.rotation_deg):
        means, _ = bin_means(bins, alpha, np.radians(beta + rotation), *shapes.T, threads=threads)
        out[r] = means[:, :, streak].mean(axis=2)
    return out


def peak_azimuths(paths: BeamPaths) -> Floats:
    """Return (n_rotations, n_fibres) azimuths in degrees, 0 to 180, of the middle of every streak."""
    alpha = np.radians(paths.alpha_deg)
    beta = np.radians(paths.beta_deg + paths.rotation_deg[:, None])
    return np.asarray(np.degrees(np.arctan2(np.cos(alpha), np.sin(alpha) * np.sin(beta))) % 180.0)


def rows_of(bins: Bins, rows: NDArray[np.intp]) -> Any:
    """Return what `fill` takes for some azimuths of the bins alone."""
    points, weights, bands, cosines, sines, shares = plan(bins)
    return points, weights, bands, np.ascontiguousarray(cosines[rows]), np.ascontiguousarray(sines[rows]), shares


def unit_streaks(angles: Floats, shapes: Floats, made: Any, n_q: int) -> Floats:
    """Return streaks (n, n_rows, n_q) of height 1 from directions in rad (n, 2) and q0, wa, wmu, delta (n, 4)."""
    out = np.zeros((len(shapes), len(made[3]), n_q))
    fibres = np.ascontiguousarray(np.concatenate([angles, shapes], axis=1))
    none, window = np.zeros((0, 6, *out.shape[1:])), np.zeros((len(out), 2), np.intp)
    fill_bins(fibres, 0, len(fibres), *made, LIMIT, out, none, window)
    return out


def fibres_of(x: Floats, angles: Floats) -> Floats:
    """Return alpha, beta, q0, wa, wmu, delta (n, 6) from the unknowns of a fit (n, 5) and directions in rad (n, 2)."""
    delta = 1 / (1 + np.exp(-x[:, 3]))
    return np.stack([angles[:, 0], angles[:, 1], x[:, 0], np.exp(x[:, 1]), np.exp(x[:, 2]), delta], axis=1)


def streaks_of(x: Floats, angles: Floats, made: Any, n_q: int) -> Floats:
    """Return streaks (n, n_rows, n_q) from the unknowns of a fit (n, 5)."""
    return np.exp(x[:, 4])[:, None, None] * unit_streaks(angles, fibres_of(x, angles)[:, 2:], made, n_q)


def logit(delta: Floats) -> Floats:
    """Return log(delta / (1 - delta))."""
    return np.asarray(np.log(delta / (1 - delta)))
