"""Where to start: the same fit to data blurred along q, in which streaks are wider than their q0 differ.

Fibres that share beam paths can hold each other's q0: streaks narrower than the differences of q0 do not see how to get
past each other, and the fit ends in a place where chi squared is larger than need be. Blurred streaks overlap all that
they may be moved past, the fit is nearly a linear one, and there are no such places. The blur is then taken back.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from tomosaxs_plugins.fibres.joint_fit import Fit
from tomosaxs_plugins.fibres.joint_options import JointOptions
from tomosaxs_plugins.fibres.joint_sights import Workers
from tomosaxs_plugins.fibres.joint_solver import first_heights, solve
from tomosaxs_plugins.fibres.joint_streaks import Q0
from tomosaxs_plugins.fibres.problem import BeamPaths, Bins, FibreTable, Floats, Library

BLURS = (2.5, 1.25)
"""Standard deviations of the blur, in units of the radial half width to start from."""
HELD = (0.012, 0.1, 0.18, 0.3)
"""Standard deviations of q0 (relative), log wa, log wmu and logit delta about the start while data are blurred."""
ROUNDS, ENOUGH = 12, 0.3
LEAST_COVERED = 0.98
"""Share of the blur of a bin that must lie in usable bins."""


def blurred(library: Library, bins: Bins, sd: float, counts: bool = True) -> tuple[Library, Bins]:
    """Return the library blurred by a Gaussian of standard deviation `sd` in nm^-1, in wider bins, and these bins.

    Fewer points make a bin, which will do where the blur is wide. Bins are joined as long as they are not wider than
    `sd`. A bin is usable where the blur is covered by usable ones. With `counts`, bins that counted nothing bring no
    variance: the least that they are given would tell of counts where there are none.
    """
    times = max(1, min(int(sd / bins.q_width + 1e-6), len(bins.q) // 4))
    count = len(bins.q) // times
    q = bins.q[: count * times].reshape(count, times).mean(axis=1)
    kernel = np.exp(-0.5 * ((q[:, None, None] + _within(bins, times)[:, None] - bins.q) / sd) ** 2).mean(axis=1)
    kernel *= bins.q_width / (sd * np.sqrt(2 * np.pi))
    usable = library.usable & np.isfinite(library.values) & np.isfinite(library.sigma) & (library.sigma > 0)
    covered = usable @ kernel.T
    good = covered > LEAST_COVERED
    share = np.where(good, covered, 1.0)
    values = np.where(usable, library.values, 0.0) @ kernel.T / share
    telling = usable & (library.values > 0) if counts else usable
    sigma = np.sqrt(np.where(telling, library.sigma, 0.0) ** 2 @ (kernel**2).T) / share
    least = 1e-3 * float(np.sqrt((sigma[good] ** 2).mean())) if good.any() else 1.0
    values, sigma = np.where(sigma > least, values, 0.0), np.maximum(sigma, least)
    wider = replace(
        bins,
        q=q,
        q_width=times * bins.q_width,
        chi_samples=2,
        q_samples=2 * times,
        smearing=float(np.hypot(bins.smearing, sd)),
    )
    return Library(np.where(good, values, np.nan), np.where(good, sigma, np.nan), good), wider


def _within(bins: Bins, times: int) -> Floats:
    """Return places of the bins that are joined, from the middle of the wider bin."""
    return np.asarray((np.arange(times) - (times - 1) / 2) * bins.q_width)


def coarse_start(
    library: Library, paths: BeamPaths, bins: Bins, start: FibreTable, options: JointOptions, crew: Workers
) -> Floats:
    """Return parameters of all fibres to start from, (n_fibres, 7).

    Parameters
    ----------
    library, paths, bins, start, options, crew
        As of `joint_fit.Fit`.
    """
    parameters = None
    whole = int(library.usable.sum()) // len(bins.q)
    for blur in BLURS:
        data, wider = blurred(library, bins, blur * float(np.median(start.wa)), options.weights != "given")
        if data.usable.sum() >= 0.3 * whole * len(wider.q):
            parameters = _held(Fit(data, paths, wider, start, options, crew), parameters)
    if parameters is None:  # the window in q is too narrow for a blur
        parameters = _held(Fit(library, paths, bins, start, options, crew), None)
    return parameters


def _held(fit: Fit, parameters: Floats | None) -> Floats:
    """Return parameters after some iterations with shapes held near the start."""
    held = np.array([np.inf, HELD[0] * float(np.median(fit.start[:, Q0])), *HELD[1:]]) ** -2.0
    fit.prior = fit.prior.copy()
    fit.prior[: len(held)] = np.maximum(fit.prior[: len(held)], held)
    return solve(fit, first_heights(fit) if parameters is None else parameters, ROUNDS, ENOUGH).state.parameters
