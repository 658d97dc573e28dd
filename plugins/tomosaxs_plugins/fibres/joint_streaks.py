"""Streaks of all sights for given parameters of the fibres, kept as rows of bins, and the products a fit needs."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tomosaxs_plugins.fibres import joint_kernels as kernels
from tomosaxs_plugins.fibres.binned import Plan, plan
from tomosaxs_plugins.fibres.joint_sights import Sights, Workers
from tomosaxs_plugins.fibres.problem import Bins, Floats

HEIGHT, Q0, WA, WMU, DELTA, ALPHA, BETA = range(7)
"""Columns of the parameters as the fit has them: height, q0, log wa, log wmu, logit delta, alpha, beta (rad)."""


def directions(parameters: Floats, sights: Sights, rotation_deg: Floats) -> tuple[Floats, Floats]:
    """Return axes of the fibres of all sights, (n_sights, 3), and their derivatives by alpha and beta, (n, 2, 3)."""
    alpha = parameters[sights.fibre, ALPHA]
    beta = parameters[sights.fibre, BETA] + np.radians(rotation_deg)[sights.rotation]
    sa, ca, sb, cb = np.sin(alpha), np.cos(alpha), np.sin(beta), np.cos(beta)
    axis = np.stack([sa * sb, ca, sa * cb], axis=1)
    turns = np.stack([np.stack([ca * sb, -sa, ca * cb], axis=1), np.stack([sa * cb, 0 * sa, -sa * sb], axis=1)], axis=1)
    return axis, turns


def shapes(parameters: Floats) -> Floats:
    """Return q0, wa, wmu and delta of (n, 7) parameters."""
    return np.stack(
        [
            parameters[:, Q0],
            np.exp(parameters[:, WA]),
            np.exp(parameters[:, WMU]),
            1 / (1 + np.exp(-parameters[:, DELTA])),
        ],
        axis=1,
    )


class Streaks:
    """Streaks of all sights at unit height, with derivatives, for one set of parameters.

    Parameters
    ----------
    parameters : (n_fibres, 7) float array
        As `HEIGHT` ... `BETA` have them.
    sights, bins, rotation_deg
        What is seen, and where.
    terms : int
        1 for the streak alone, 5 with the derivatives by the shape, 7 with those by the direction too.
    folded : bool
        Bins are means over azimuths half a turn apart.
    least : float
        Rows of azimuth where a streak stays below this share of its peak are left out.
    crew : Workers
        Threads.
    of_bins : Plan, optional
        What `binned.plan` makes of the bins, where it is a part of them.
    """

    def __init__(
        self,
        parameters: Floats,
        sights: Sights,
        bins: Bins,
        rotation_deg: Floats,
        terms: int,
        folded: bool,
        least: float,
        crew: Workers,
        of_bins: Plan | None = None,
    ) -> None:
        self.sights, self.crew, self.terms = sights, crew, terms
        points, weights, bands, cosines, sines, shares = plan(bins) if of_bins is None else of_bins
        self.n_paths, self.n_chi, self.n_q = len(sights.offsets) - 1, len(bins.chi_deg), len(bands)
        axis, turns = directions(parameters, sights, rotation_deg)
        shape = shapes(parameters)
        count = len(sights.fibre)
        lit = np.zeros((count, self.n_chi), np.bool_)
        if folded:
            cosines, sines = np.concatenate([cosines, -cosines], axis=1), np.concatenate([sines, -sines], axis=1)
            shares = np.tile(shares / 2, 2)
        given = sights.fibre, axis, shape, points, cosines, sines, least
        crew.each(lambda low, high: kernels.light_rows(low, high, *given, lit), count)
        self.first = np.concatenate([[0], np.cumsum(lit.sum(axis=1))]).astype(np.int64)
        self.row_chi = np.nonzero(lit)[1].astype(np.int64)
        self.cost = np.diff(self.first)
        self.values = np.empty((len(self.row_chi), terms, self.n_q), np.float32)
        where = sights.fibre, axis, turns, shape, points, weights, bands, cosines, sines, shares
        rest = self.first, self.row_chi, self.values
        crew.each(lambda low, high: kernels.fill_rows(low, high, *where, *rest), count, self.cost)
        weigh = np.bincount(
            np.repeat(np.arange(self.n_paths), np.diff(sights.offsets)), self.cost[sights.sight], self.n_paths
        )
        self._path_cost = weigh.astype(np.int64)
        self._rows = np.empty((len(self.row_chi), self.n_q), np.float32)

    def forward(self, factor: Floats) -> Floats:
        """Return (n_paths, n_chi, n_q): the sum over fibres of `factor` (n_fibres, n_terms or fewer) times terms."""
        s = self.sights
        values = self.values[:, : factor.shape[1]]
        mine = s.fibre, self.first, values, factor, self._rows
        self.crew.each(lambda low, high: kernels.combine(low, high, *mine), len(s.fibre), self.cost)
        out = np.empty((self.n_paths, self.n_chi, self.n_q))
        rest = s.offsets, s.sight, s.weight, self.first, self.row_chi, self._rows, out
        self.crew.each(lambda low, high: kernels.add_up(low, high, *rest), self.n_paths, self._path_cost)
        return out

    def backward(self, data: Floats) -> Floats:
        """Return (n_fibres, n_terms): the terms times `data` (n_paths, n_chi, n_q), summed over bins and paths."""
        return self.per_fibre(self.backward_of_sights(data))

    def backward_of_sights(self, data: Floats) -> Floats:
        """Return (n_sights, n_terms): the same for single sights."""
        s = self.sights
        out = np.empty((len(s.fibre), self.terms))
        rest = s.first, s.path, s.path_weight, self.first, self.row_chi, self.values, data, out
        self.crew.each(lambda low, high: kernels.project(low, high, *rest), len(s.fibre), self.cost)
        return out

    def curvature_of_sights(self, precision: Floats) -> Floats:
        """Return (n_sights, n_terms, n_terms): products of the terms with each other, weighted by `precision`."""
        s = self.sights
        out = np.empty((len(s.fibre), self.terms, self.terms))
        rest = s.first, s.path, s.path_weight, self.first, self.row_chi, self.values, precision, out
        self.crew.each(lambda low, high: kernels.curvature(low, high, *rest), len(s.fibre), self.cost)
        return out

    def per_fibre(self, of_sights: NDArray[Any]) -> NDArray[Any]:
        """Return sums over the sights of every fibre, in the order of the rotations."""
        out = np.zeros((self.sights.n_fibres, *of_sights.shape[1:]))
        starts = np.flatnonzero(np.diff(self.sights.fibre, prepend=-1))
        if len(starts):
            out[self.sights.fibre[starts]] = np.add.reduceat(of_sights, starts, axis=0)
        return out
