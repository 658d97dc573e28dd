"""Levenberg-Marquardt over all fibres of a slice, with normal equations that are applied but never stored."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tomosaxs_plugins.fibres.binned import Plan
from tomosaxs_plugins.fibres.joint_background import Background, exponential_family
from tomosaxs_plugins.fibres.joint_options import JointOptions
from tomosaxs_plugins.fibres.joint_sights import Sights, Workers, sights_of
from tomosaxs_plugins.fibres.joint_streaks import HEIGHT, Q0, WA, Streaks
from tomosaxs_plugins.fibres.joint_weights import gain_of, huber_weights, precision_of
from tomosaxs_plugins.fibres.problem import BeamPaths, Bins, FibreTable, Floats, Library

LIMITS = np.array(
    [
        [0.0, 0.0, np.log(1e-4), np.log(0.01), -np.log(999.0), -np.inf, -np.inf],
        [np.inf, np.inf, np.log(0.05), np.log(1.2), np.log(999.0), np.inf, np.inf],
    ]
)
"""Least and greatest height, q0, log wa, log wmu, logit delta, alpha, beta; q0 is also kept inside the bins."""
LARGEST_STEP = np.array([np.inf, 1.0, 0.5, 0.4, 1.0, np.radians(4.0), np.radians(4.0)])
"""Of one iteration; that of q0 in units of wa."""


@dataclass(eq=False)
class State:
    """Where the fit stands.

    Parameters
    ----------
    parameters : (n_fibres, 7) float array
    streaks : Streaks
        At these parameters.
    sum : (n_paths, n_chi, n_q) float array
        Intensity of all fibres.
    """

    parameters: Floats
    streaks: Streaks
    sum: Floats


class Fit:
    """One slice to be fitted.

    Parameters
    ----------
    library, paths, bins, start, options
        As of `solve_joint`.
    crew : Workers
        Threads.
    """

    plan: Plan | None = None

    def __init__(
        self, library: Library, paths: BeamPaths, bins: Bins, start: FibreTable, options: JointOptions, crew: Workers
    ) -> None:
        self.options, self.crew, self.rotation_deg = options, crew, paths.rotation_deg
        self.usable: NDArray[np.bool_] = (
            library.usable & np.isfinite(library.values) & np.isfinite(library.sigma) & (library.sigma > 0)
        )
        self.data = np.where(self.usable, library.values, 0.0)
        self.sights: Sights = sights_of(paths, np.asarray(np.any(self.usable, axis=(1, 2))))
        self.bins = bins
        self.gain = gain_of(library, self.usable, options.weights == "robust")
        self.given = np.divide(1.0, library.sigma**2, out=np.zeros_like(self.data), where=self.usable)
        functions = {"none": 0, "constant": 1, "exponential": options.background_terms}[options.background]
        self.background = Background(exponential_family(bins.q, max(functions, 1))[:functions])
        self.terms = 7 if options.refine_angles else 5
        self.start = np.stack(
            [
                start.height, start.q0, np.log(start.wa), np.log(start.wmu), np.log(start.delta / (1 - start.delta)),
                np.radians(start.alpha_deg), np.radians(start.beta_deg),
            ],
            axis=1,
        )  # fmt: skip
        self.prior = options.prior_precision(float(np.median(start.q0)))[: self.terms]
        self.limits = LIMITS.copy()
        self.limits[:, Q0] = bins.q[0], bins.q[-1]

    def state(self, parameters: Floats, terms: int | None = None) -> State:
        """Return streaks and their sum at `parameters`."""
        streaks = Streaks(
            parameters,
            self.sights,
            self.bins,
            self.rotation_deg,
            terms or self.terms,
            self.options.folded,
            self.options.window,
            self.crew,
            self.plan,
        )
        return State(parameters, streaks, streaks.forward(parameters[:, :1]))

    def precision(self, expected: Floats) -> Floats:
        """Return weights of the data where `expected` is what is expected."""
        if self.options.weights == "given":
            return self.given
        precision = precision_of(expected, self.gain, self.usable)
        if self.options.weights == "robust":
            precision *= huber_weights(self.data - expected, precision, self.options.huber)
        return precision

    def residual(self, sum_of_fibres: Floats, precision: Floats) -> tuple[Floats, Floats]:
        """Return the residual after the best background for it, and that background (n_paths, n_terms)."""
        residual = self.data - sum_of_fibres
        coefficients = self.background.coefficients(residual * precision)
        residual -= self.background.curve(coefficients)
        residual *= self.usable
        return residual, coefficients

    def cost(self, parameters: Floats, residual: Floats, precision: Floats) -> float:
        """Return chi squared of data and prior."""
        off = (parameters - self.start)[:, : self.terms]
        return float((residual * residual * precision).sum()) + float((off * off * self.prior).sum())

    def scale(self, parameters: Floats) -> Floats:
        """Return (n_fibres, n_terms): what the terms are times for a unit of each unknown (relative height first)."""
        height = parameters[:, HEIGHT]
        seen = height[height > 0]
        least = 1e-4 * float(np.median(seen)) if len(seen) else 1.0
        return np.repeat(np.maximum(height, least)[:, None], self.terms, axis=1)

    def clip(self, old: Floats, step: Floats) -> Floats:
        """Return parameters after a step in the unknowns, no further than is safe."""
        largest = np.tile(LARGEST_STEP[: self.terms], (len(old), 1))
        largest[:, Q0] *= np.exp(old[:, WA])
        step = np.clip(step, -largest, largest)
        new = old.copy()
        new[:, HEIGHT] = np.maximum(old[:, HEIGHT] + step[:, HEIGHT] * self.scale(old)[:, 0], 0.1 * old[:, HEIGHT])
        new[:, Q0 : self.terms] += step[:, Q0:]
        return np.asarray(np.clip(new, self.limits[0], self.limits[1]))


def conjugate_gradients(
    fit: Fit, state: State, precision: Floats, extra: Floats, blocks: Floats, right: Floats, tolerance: float, most: int
) -> tuple[Floats, int]:
    """Solve (J^T W J + extra) x = right for all fibres together, backgrounds eliminated.

    Parameters
    ----------
    fit, state
        What is fitted, and where.
    precision : (n_paths, n_chi, n_q) float array
        W.
    extra : (n_fibres, n_terms) float array
        Of the diagonal: prior and damping.
    blocks : (n_fibres, n_terms, n_terms) float array
        Inverses of the blocks of single fibres: the preconditioner.
    right : (n_fibres, n_terms) float array
    tolerance : float
        Relative decrease of the residual in the norm of the preconditioner.
    most : int
        Most products.

    Returns
    -------
    x : (n_fibres, n_terms) float array
    int
        Products with the matrix.
    """
    scale = fit.scale(state.parameters)[:, : right.shape[1]]
    x = np.zeros_like(right)
    r = right.copy()
    z = np.einsum("fij,fj->fi", blocks, r)
    p = z.copy()
    rho = first = float((r * z).sum())
    for count in range(most):
        if rho <= tolerance**2 * first or rho == 0:
            return x, count
        along = state.streaks.forward(p * scale)
        along *= precision
        fit.background.remove(along, precision)
        q = state.streaks.backward(along) * scale + extra * p
        alpha = rho / float((p * q).sum())
        x += alpha * p
        r -= alpha * q
        z = np.einsum("fij,fj->fi", blocks, r)
        rho, old = float((r * z).sum()), rho
        p = z + rho / old * p
    return x, most


def blocks_of(fit: Fit, state: State, precision: Floats) -> Floats:
    """Return (n_fibres, n_terms, n_terms): curvature of the data in the unknowns of every single fibre."""
    scale = fit.scale(state.parameters)
    blocks = state.streaks.per_fibre(state.streaks.curvature_of_sights(precision))
    return np.asarray(blocks * scale[:, :, None] * scale[:, None, :])
