"""A fit of one fibre's streak to intensity against q in sectors. Plain functions on plain arrays.

It serves where a fibre is alone in its sectors; `solve_joint` and the sequential method are for slices.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tomosaxs_plugins.fibres.binned import STRIDE
from tomosaxs_plugins.fibres.single_kernels import FREE
from tomosaxs_plugins.fibres.single_starts import fit_from_starts, weights_of

Floats = NDArray[np.float64]

NAMES = ("log_height", "q0", "log_wa", "log_wmu", "logit_delta")
"""The parameters of the fit, in the order of its covariance."""

_GOOD = 2.0  # reduced chi squared above which other starts are tried
# changes of the start: a wide streak is found from farther away, and flat and spherical ones look alike from afar
_STARTS = np.array([
    [0.0, 0.0, 0.0, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0, 1.5], [0.0, 0.0, 1.0, 0.0, -1.5],
    [0.0, 0.0, 0.5, 0.5, 0.0], [0.0, 0.0, 0.5, -0.5, 0.0],
])  # fmt: skip

_NONE = np.empty((0, 0))
_LOW = np.array([-math.inf, 1e-3, math.log(1e-6), math.log(1e-3), -9.0])
_HIGH = np.array([math.inf, math.inf, math.log(1.0), math.log(1.5), 9.0])


@dataclass(frozen=True, eq=False)
class SingleFit:
    """Result of a fit of one streak.

    Parameters
    ----------
    height, q0, wa, wmu, delta, amplitude : float
        Parameters; q0 and wa in nm^-1, wmu in rad.
    sd : dict of str to float
        Standard uncertainties under the same names.
    covariance : (5, 5) float array
        Of log height, q0, log wa, log wmu and logit delta.
    chi_squared : float
        Sum of squares, in units of the uncertainty of the data.
    degrees_of_freedom : int
        Data less parameters.
    evaluations : int
        How often the model and its derivatives were computed, from all starts.
    converged : bool
        Whether the fit ended by itself and not at a bound.
    """

    height: float
    q0: float
    wa: float
    wmu: float
    delta: float
    amplitude: float
    sd: dict[str, float]
    covariance: Floats
    chi_squared: float
    degrees_of_freedom: int
    evaluations: int
    converged: bool


def fit_single(
    q: Floats,
    chi_deg: Floats,
    values: Floats,
    *,
    alpha_deg: float,
    beta_deg: float,
    wavelength_nm: float,
    start: tuple[float, float, float, float],
    sigma: Floats | None = None,
    evaluations: int = 40,
    tolerance: float = 1e-8,
) -> SingleFit:
    """Fit height, q0, wa, wmu and delta of one streak.

    Parameters
    ----------
    q : (n_q,) float array
        Scattering vectors in nm^-1, above 0.
    chi_deg : (n_sectors, n_chi) float array
        Azimuths in degrees whose mean a sector is.
    values : (n_sectors, n_q) float array
        Intensity, without background; NaN is not used.
    alpha_deg, beta_deg : float
        Direction of the fibre in degrees, rotation of the sample included.
    wavelength_nm : float
        Wavelength in nm.
    start : (float, float, float, float)
        q0, wa, wmu and delta to begin with; the height begins where it fits best.
    sigma : (n_sectors, n_q) float array, optional
        Standard uncertainty of the values. Without it all are equal, and found from the residual.
    evaluations : int
        Most evaluations of the model from one start. Where a fit does not converge, ends at a bound or, with `sigma`,
        does not describe the data, five more starts around the first are tried.
    tolerance : float
        The fit ends when a step promises to lower chi squared by less than this part.

    Returns
    -------
    SingleFit
        Uncertainties are NaN where the data do not determine all parameters, and of those at a bound.

    Raises
    ------
    ValueError
        When shapes do not go together, there are too few data, or the start is outside what the model allows.
    """
    data = np.ascontiguousarray(values, float)
    chi = np.atleast_2d(np.asarray(chi_deg, float)) * (math.pi / 180)
    length = np.ascontiguousarray(q, float)
    spread = _NONE if sigma is None else np.ascontiguousarray(sigma, float)
    if data.shape != (len(chi), length.size) or (sigma is not None and spread.shape != data.shape):
        raise ValueError(f"values must be (sectors, q) = {(len(chi), length.size)}, as sigma, not {data.shape}")
    if not (0 < length.size <= STRIDE and length.min() > 0 and length.max() < 4 * math.pi / wavelength_nm):
        raise ValueError(f"q must be at most {STRIDE} values between 0 and 4 pi / wavelength")
    weights = weights_of(data, spread)
    freedom = int(np.count_nonzero(weights)) - FREE
    if freedom <= 0:
        raise ValueError(f"{freedom + FREE} usable values do not determine {FREE} parameters")
    best, covariance = np.empty(FREE), np.empty((FREE, FREE))
    good = math.inf if sigma is None else _GOOD * freedom
    cost, count, ended = fit_from_starts(
        length, chi, math.radians(alpha_deg), math.radians(beta_deg), wavelength_nm, data, weights, _start(start),
        _STARTS, _LOW, _HIGH, evaluations, tolerance, good, best, covariance,
    )  # fmt: skip
    if sigma is None:
        covariance *= cost / freedom
    return _result(best, covariance, cost, freedom, count, ended)


def _start(start: tuple[float, float, float, float]) -> Floats:
    q0, wa, wmu, delta = start
    if not (q0 > 0 and wa > 0 and 0 < wmu < 1.5 and 0 < delta < 1):
        raise ValueError(f"a start must have q0, wa > 0, 0 < wmu < 1.5 rad and 0 < delta < 1, not {start}")
    return np.array([0.0, q0, math.log(wa), math.log(wmu), math.log(delta / (1 - delta))])


def _result(x: Floats, covariance: Floats, cost: float, freedom: int, count: int, good: bool) -> SingleFit:
    log_height, q0, log_wa, log_wmu, logit = (float(value) for value in x)
    height, wa, wmu, delta = math.exp(log_height), math.exp(log_wa), math.exp(log_wmu), 1 / (1 + math.exp(-logit))
    sd = [math.sqrt(value) for value in covariance.diagonal().tolist()]
    slope = np.array([1.0, 1 / q0, 1.0, 2 * wmu / math.sin(2 * wmu)])  # of log amplitude
    variance = float(slope @ covariance[:4, :4] @ slope)
    amplitude = height * 2 * math.pi * wa * q0 * math.tan(wmu)
    spread = {
        "height": height * sd[0], "q0": sd[1], "wa": wa * sd[2], "wmu": wmu * sd[3],
        "delta": delta * (1 - delta) * sd[4], "amplitude": amplitude * math.sqrt(variance),
    }  # fmt: skip
    return SingleFit(height, q0, wa, wmu, delta, amplitude, spread, covariance, cost, freedom, count, good)
