"""Smooth background under the streaks of a beam path: functions of q alone, eliminated path by path."""

from __future__ import annotations

import numpy as np

from tomosaxs_plugins.fibres.problem import Floats


def exponential_family(q: Floats, terms: int) -> Floats:
    """Return the functions of q that best stand for a exp(-q / b) + c whatever a, b and c.

    The first is the constant; the others are the leading principal functions of exponentials whose decay b lies
    between a fifth and five times the range of q, so that sums of a few stand for any of them.

    Parameters
    ----------
    q : (n_q,) float array
        Centres of the bins.
    terms : int
        Functions wanted, the constant included.

    Returns
    -------
    (terms, n_q) float array
        Orthogonal, with a mean square of 1.
    """
    span = q[-1] - q[0] if len(q) > 1 else 1.0
    x = (q - q.mean()) / span
    decays = np.geomspace(0.2, 5.0, 25)
    family = np.exp(-x / decays[:, None])
    family -= family.mean(axis=1, keepdims=True)
    family /= np.sqrt((family**2).mean(axis=1, keepdims=True))
    _, strength, functions = np.linalg.svd(family, full_matrices=False)
    kept = functions[: min(terms - 1, int((strength > 1e-6 * strength[0]).sum()))]
    return np.concatenate([np.ones((1, len(q))), kept * np.sqrt(len(q))])


class Background:
    """Background of every beam path, ``coefficients @ basis``, with the coefficients eliminated from the fit.

    Parameters
    ----------
    basis : (n_terms, n_q) float array
        Functions of q; none for no background.
    """

    def __init__(self, basis: Floats) -> None:
        self.basis = basis
        self._inverse: Floats = np.empty((0, 0, 0))

    def weigh(self, precision: Floats) -> None:
        """Prepare for `precision` (n_paths, n_chi, n_q) of the data."""
        if not len(self.basis):
            return
        per_q = precision.sum(axis=1)
        matrix = np.einsum("iq,pq,jq->pij", self.basis, per_q, self.basis)
        size = np.trace(matrix, axis1=1, axis2=2)
        matrix += (1e-10 * size + (size == 0))[:, None, None] * np.eye(len(self.basis))
        self._inverse = np.linalg.inv(matrix)

    def coefficients(self, weighted: Floats) -> Floats:
        """Return (n_paths, n_terms) by least squares, of data already times their precision."""
        if not len(self.basis):
            return np.zeros((len(weighted), 0))
        along = np.einsum("pq,iq->pi", weighted.sum(axis=1), self.basis)
        return np.asarray(np.einsum("pij,pj->pi", self._inverse, along))

    def curve(self, coefficients: Floats) -> Floats:
        """Return (n_paths, 1, n_q), to be added to every row of azimuth."""
        return np.asarray(np.einsum("pi,iq->pq", coefficients, self.basis))[:, None, :]

    def remove(self, weighted: Floats, precision: Floats) -> Floats:
        """Return `weighted` (in place) without the part that a background explains, times precision."""
        if len(self.basis):
            weighted -= precision * self.curve(self.coefficients(weighted))
        return weighted
