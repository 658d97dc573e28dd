"""What one fit of the sequential method is given, and what comes of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tomosaxs_plugins.fibres.problem import Floats


@dataclass(frozen=True, eq=False)
class Sectors:
    """What one fit is given.

    Parameters
    ----------
    q : (n_q,) float array
        In nm^-1.
    plan : tuple
        Of the model, for these sectors alone.
    data, variance : (n_rows, n_q) float arrays
        Intensity, and its variance as stated.
    usable : (n_rows, n_q) bool array
        Bins that hold data.
    gain : (n_rows, n_q) float array
        Intensity of one count.
    targets : (n, 5) float array
        Start: q0, log wa, log wmu, logit delta, logarithm of the height in this path.
    angles : (n, 2) float array
        Directions of the targets in rad, rotation included.
    solved : (m, n_rows, n_q) float array
        Streaks of the fibres solved before.
    unsolved : (n_rows, n_q) float array
        Sum of the estimated streaks of all others, targets included.
    neglected : (n_rows, n_q) float array
        The same without the targets: what the model of the fit leaves out.
    typical : (n,) float array
        Mean height of all fibres, times the weight of each target in this path.
    """

    q: Floats
    plan: Any
    data: Floats
    variance: Floats
    usable: NDArray[np.bool_]
    gain: Floats
    targets: Floats
    angles: Floats
    solved: Floats
    unsolved: Floats
    neglected: Floats
    typical: Floats


@dataclass(frozen=True, eq=False)
class Fit:
    """What came of one fit; unknowns as in `Sectors.targets`.

    Parameters
    ----------
    x : (n, 5) float array
        Fitted unknowns.
    covariance : (n, 5, 5) float array
        Of each target's unknowns, enlarged by the reduced chi squared where that is above 1.
    converged : bool
        Whether the fit ended before its most evaluations.
    chi_squared, freedom : float, int
        Sum of squared weighted residuals, and degrees of freedom.
    streaks : (n, n_rows, n_q) float array
        Fitted streaks of the targets.
    residual : (n_rows, n_q) float array
        Data less all that was fitted; 0 where there are none.
    sigma : (n_rows, n_q) float array
        Standard uncertainties used; infinite where there are no data.
    height_at_bound : (n,) bool array
        Targets whose height ended at a bound.
    """

    x: Floats
    covariance: Floats
    converged: bool
    chi_squared: float
    freedom: int
    streaks: Floats
    residual: Floats
    sigma: Floats
    height_at_bound: NDArray[np.bool_]
