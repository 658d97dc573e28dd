"""The D-period of collagen from the position of one of its orders, and its strain; plain numpy, no framework."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


class Measured(NamedTuple):
    """Values and their standard uncertainties."""

    values: Floats
    sd: Floats


def d_period(q0: Floats, q0_sd: Floats, order: int) -> Measured:
    """Return the D-period 2 pi order / q0.

    Parameters
    ----------
    q0, q0_sd : (n,) float arrays
        Position of the streak and its standard uncertainty in nm^-1.
    order : int
        Which meridional order of the D-period the streak is.

    Returns
    -------
    Measured
        In nm; NaN where q0 is not a positive number.
    """
    usable = np.isfinite(q0) & (q0 > 0)
    at = np.where(usable, q0, np.nan)
    period = 2 * np.pi * order / at
    return Measured(period, period * np.abs(q0_sd) / at)


def median(measured: Measured, solved: NDArray[np.bool_]) -> tuple[float, float]:
    """Return the median over solved fibres and its standard uncertainty, that of the measurement alone.

    How much fibres differ does not make the median of these fibres uncertain; the errors of their values do. The median
    of n values with normal errors has sqrt(pi / 2) times the error of their mean (Kendall and Stuart, The Advanced
    Theory of Statistics, vol. 1, 10.11); an upper limit where the values differ by more than their errors.
    """
    values, sd = measured.values[solved], measured.sd[solved]
    known = np.isfinite(values)
    if not known.any():
        return math.nan, math.nan
    errors = sd[known & np.isfinite(sd)]
    mean_square = float(np.mean(errors**2)) if errors.size else math.nan
    return float(np.median(values[known])), math.sqrt(math.pi / 2 * mean_square / int(known.sum()))


def strain(measured: Measured, reference: float, reference_sd: float = 0.0) -> Measured:
    """Return (D - reference) / reference with first-order propagation of both uncertainties.

    The uncertainty of the reference is common to all values: it does not blur differences between them.
    """
    ratio = measured.values / reference
    sd = np.hypot(measured.sd / reference, ratio * reference_sd / reference)
    return Measured(ratio - 1.0, sd)
