"""The problem of a few fibres of a fit, all others and the backgrounds held."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from tomosaxs_plugins.fibres.joint_background import Background
from tomosaxs_plugins.fibres.joint_fit import Fit
from tomosaxs_plugins.fibres.joint_sights import Integers, Sights, Workers
from tomosaxs_plugins.fibres.joint_solver import Solution
from tomosaxs_plugins.fibres.problem import Floats


class Part(Fit):
    """A few fibres of a fit, with the beam paths that see them; all others and the backgrounds held."""

    chosen_paths: Integers
    left: Floats
    """Residual (n_paths, n_chi, n_q) where the fibres are now."""

    def forward_of(self, parameters: Floats) -> Floats:
        """Return (n_paths, n_chi, n_q) the intensity of the fibres."""
        return self.state(parameters, terms=1).sum


def subset(fit: Fit, solution: Solution, members: Integers, least_weight: float = 0.0) -> Part:
    """Return the problem of some fibres, for residuals with everything else as it is.

    Parameters
    ----------
    fit, solution
        Of all fibres.
    members : (n,) int array
        Indices of the fibres, ascending.
    least_weight : float
        Beam paths in which none of the fibres has so much weight are left out: they tell little.
    """
    sights = fit.sights
    mine = np.flatnonzero(np.isin(sights.fibre, members))
    entries = np.concatenate([np.arange(sights.first[s], sights.first[s + 1]) for s in mine])
    counts = np.diff(sights.first)[mine]
    own = np.repeat(np.arange(len(mine)), counts)
    if least_weight:
        most = np.zeros(len(sights.offsets) - 1)
        np.maximum.at(most, sights.path[entries], sights.path_weight[entries])
        told = most[sights.path[entries]] >= least_weight
        entries, own = entries[told], own[told]
        counts = np.bincount(own, minlength=len(mine))
    paths, path = np.unique(sights.path[entries], return_inverse=True)
    weight = sights.path_weight[entries]
    order = np.lexsort((own, path))
    offsets = np.concatenate([[0], np.cumsum(np.bincount(path, minlength=len(paths)))]).astype(np.int64)
    first = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    part = Part.__new__(Part)
    part.__dict__.update(fit.__dict__)
    part.sights = Sights(
        len(members), np.searchsorted(members, sights.fibre[mine]), sights.rotation[mine], first,
        path.astype(np.int64), weight, offsets, own[order].astype(np.int64), weight[order],
    )  # fmt: skip
    part.chosen_paths, part.crew = paths, Workers(None, 1)
    part.usable, part.gain = fit.usable[paths], fit.gain[paths]
    part.given = solution.precision[paths]
    part.options = replace(fit.options, weights="given")
    part.background = Background(np.empty((0, len(fit.bins.q))))
    part.start = fit.start[members]
    part.left = solution.residual[paths]
    part.data = part.left + part.forward_of(solution.state.parameters[members])
    return part
