"""What was measured along one beam path, and what the reconstructed fibres make of it; no framework."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from tomosaxs_plugins.fibres.joint_background import exponential_family
from tomosaxs_plugins.fibres.model import bin_means
from tomosaxs_plugins.fibres.problem import BeamPaths, Bins, Floats

PARAMETERS = ("alpha", "beta", "q0", "wa", "wmu", "delta", "height")
"""Columns of a table that the model needs; angles in degrees."""
_TERMS = 4


@dataclass(frozen=True, eq=False)
class PathFit:
    """One beam path, bin by bin: (n_chi, n_q) arrays.

    Parameters
    ----------
    measured, sigma : arrays
        Intensity and its standard uncertainty; NaN where a mask hides the bin.
    own : array
        What the fibre in question diffracts.
    fibres : array
        What all fibres with known parameters diffract.
    background : array
        A smooth function of q, fitted to what the fibres leave.
    """

    measured: Floats
    sigma: Floats
    own: Floats
    fibres: Floats
    background: Floats


def streaks(bins: Bins, parameters: Floats, rotation_deg: float) -> Floats:
    """Return (n, n_chi, n_q) means over bins of fibres at a rotation of the sample, 0 where parameters are not known.

    Parameters
    ----------
    bins : Bins
        Bins of the data.
    parameters : (n, 7) float array
        Columns of `PARAMETERS`.
    rotation_deg : float
        Rotation of the sample; adds to beta.
    """
    made = np.zeros((len(parameters), len(bins.chi_deg), len(bins.q)))
    known = np.isfinite(parameters).all(axis=1)
    alpha, beta, q0, wa, wmu, delta, height = parameters[known].T
    if known.any():
        values, _ = bin_means(bins, np.radians(alpha), np.radians(beta + rotation_deg), q0, wa, wmu, delta)
        made[known] = height[:, None, None] * values
    return made


def clearest_path(paths: BeamPaths, bins: Bins, parameters: Floats, fibre: int) -> int | None:
    """Return the beam path in which a fibre is brightest.

    None where no path sees it or its parameters are not known.
    """
    entries = np.flatnonzero(paths.fibre == fibre)
    if not len(entries) or not np.isfinite(parameters[fibre]).all():
        return None
    own = np.searchsorted(paths.offsets, entries, "right") - 1
    peak = np.array([streaks(bins, parameters[[fibre]], r).max() for r in paths.rotation_deg])
    signal = paths.weight[entries] * peak[paths.path_rotation[own]]
    return int(own[np.argmax(signal)])


def path_fit(
    paths: BeamPaths,
    bins: Bins,
    parameters: Floats,
    path: int,
    fibre: int,
    data: tuple[Floats, Floats],
    *,
    folded: bool = False,
) -> PathFit:
    """Return what was measured along a path and the model of it.

    Parameters
    ----------
    paths : BeamPaths
        Of the slice.
    bins : Bins
        Bins of the data.
    parameters : (n_fibres, 7) float array
        Columns of `PARAMETERS`, NaN where they are not known.
    path, fibre : int
        Which path, and the fibre whose part is asked for.
    data : two (n_chi, n_q) float arrays
        Intensities and standard uncertainties.
    folded : bool
        Whether azimuths half a turn apart were taken together.
    """
    here = slice(paths.offsets[path], paths.offsets[path + 1])
    members, weight = paths.fibre[here], paths.weight[here]
    rotation = float(paths.rotation_deg[paths.path_rotation[path]])
    parts = weight[:, None, None] * streaks(bins, parameters[members], rotation)
    if folded:
        opposite = replace(bins, chi_deg=bins.chi_deg + 180.0)
        parts = (parts + weight[:, None, None] * streaks(opposite, parameters[members], rotation)) / 2
    total = parts.sum(axis=0)
    measured, sigma = data
    return PathFit(
        measured, sigma, parts[members == fibre].sum(axis=0), total, _background(bins, measured - total, sigma)
    )


def _background(bins: Bins, rest: Floats, sigma: Floats) -> Floats:
    """Return the smooth function of q, the same at all azimuths, that fits best what is left."""
    basis = exponential_family(bins.q, _TERMS)
    usable = np.isfinite(rest) & np.isfinite(sigma) & (sigma > 0)
    weight = np.where(usable, 1 / np.where(usable, sigma, 1.0), 0.0)
    rows = (weight[..., None] * basis.T).reshape(-1, len(basis))
    found = np.linalg.lstsq(rows, (weight * np.where(usable, rest, 0.0)).ravel(), rcond=1e-8)[0]
    return np.broadcast_to(found @ basis, rest.shape)


def means(fit: PathFit, axis: int, kept: NDArray[np.bool_]) -> tuple[Floats, Floats, Floats, Floats, Floats]:
    """Return measured, sigma, fitted, own and background as means over the kept bins of one axis.

    Masked bins are left out of all five alike, so that they stay comparable.
    """
    usable = np.isfinite(fit.measured) & np.isfinite(fit.sigma)
    usable &= kept[:, None] if axis == 0 else kept
    count = usable.sum(axis=axis)

    def mean(values: Floats) -> Floats:
        total = np.where(usable, values, 0.0).sum(axis=axis)
        return np.asarray(np.where(count > 0, total / np.maximum(count, 1), np.nan))

    variance = np.where(usable, fit.sigma, 0.0) ** 2
    sigma = np.where(count > 0, np.sqrt(variance.sum(axis=axis)) / np.maximum(count, 1), np.nan)
    whole = fit.fibres + fit.background
    return mean(fit.measured), np.asarray(sigma), mean(whole), mean(fit.own), mean(fit.background)
