"""What the joint fit can be told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from tomosaxs_plugins.fibres.problem import Floats

Weights: TypeAlias = Literal["poisson", "robust", "given"]
BackgroundModel: TypeAlias = Literal["exponential", "constant", "none"]


@dataclass(frozen=True)
class JointOptions:
    """Settings of the joint fit.

    Parameters
    ----------
    weights : {'poisson', 'robust', 'given'}
        Variances from the fitted expectation; the same with outliers weighted down (Huber); or as measured.
    background : {'exponential', 'constant', 'none'}
        Under the streaks of every path: a smooth function of q (see `joint_background`), a constant, or nothing.
    background_terms : int
        Functions that stand for an exponential background, the constant included.
    refine_angles : bool
        Refine the direction of every fibre, within `angle_sd_deg` of the given one.
    angle_sd_deg : float
        Standard deviation in degrees of the given directions.
    q0_sd, log_wa_sd, log_wmu_sd, logit_delta_sd : float
        What is known beforehand of q0 (relative), log wa, log wmu and logit delta about the start: standard deviations.
    window : float
        Rows of azimuth where a streak stays below this share of its peak are left out.
    tolerance : float
        Iterations end when no fibre moves by more than this many of its standard uncertainties.
    max_iterations : int
        Most iterations.
    huber : float
        Residuals beyond so many standard deviations are weighted down with weights 'robust'.
    folded : bool
        Azimuths half a turn apart were taken together.
    leave_one_out : bool
        Look at what leaving out each angle would change.
    restarts : int
        Most rounds in which fibres that may be in a wrong place are tried from others.
    """

    weights: Weights = "poisson"
    background: BackgroundModel = "exponential"
    background_terms: int = 4
    refine_angles: bool = True
    angle_sd_deg: float = 3.0
    q0_sd: float = 0.05
    log_wa_sd: float = 0.7
    log_wmu_sd: float = 0.7
    logit_delta_sd: float = 1.5
    window: float = 1e-5
    tolerance: float = 0.01
    max_iterations: int = 40
    huber: float = 2.5
    folded: bool = False
    leave_one_out: bool = True
    restarts: int = 6

    def prior_precision(self, q0: float) -> Floats:
        """Return (7,) inverse variances: height (none), q0, log wa, log wmu, logit delta, alpha, beta (rad)."""
        angle = np.radians(self.angle_sd_deg)
        sd = np.array([self.q0_sd * q0, self.log_wa_sd, self.log_wmu_sd, self.logit_delta_sd, angle, angle])
        return np.concatenate([[0.0], sd**-2])
