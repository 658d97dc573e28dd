"""What every method of fibre reconstruction returns for one slice."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tomosaxs_plugins.fibres.problem import FibreTable, Floats


@dataclass(frozen=True, eq=False)
class Outcome:
    """Parameters of the fibres of one slice, their uncertainties and what is to be known of how they came about.

    Rows are the fibres of the beam-path table, in its order; the columns of a written table are made of it.

    Parameters
    ----------
    values : FibreTable
        Parameters of every fibre; of a fibre that was not fitted, NaN where nothing is known.
    sd : FibreTable
        Standard uncertainty of each of `values`, in the same units (alpha and beta in degrees); NaN where there is
        none, 0 where the parameter was held.
    height, height_sd : (n_fibres,) float arrays
        Intensity at the peak of the streak, and its standard uncertainty.
    flags : (n_fibres,) int array
        Codes of `fibres.columns.FLAGS`.
    groups : (n_fibres,) int array
        The same number for fibres that could only be determined together; a fibre alone has its own index.
    reduced_chi_squared : (n_fibres,) float array
        Of the bins that the fibre lights; NaN where there are none.
    n_paths : (n_fibres,) int array
        Beam paths that see the fibre.
    reasons : tuple of str
        One text per fibre, empty where there is nothing to say: what rejected it, which parameter is at a bound ...
    backgrounds : (n_paths, n_terms) float array, optional
        Coefficients of the background of every path, where the method has one per path.
    iterations : int
        Iterations of the solver (sweeps over the beam paths of the sequential method).
    cost : float
        Sum of squared weighted residuals at the end, over all bins in use.
    counts : dict of str to int
        What was counted on the way, by name (rejections by rule, fibres by phase ...).
    details : dict, optional
        More of one method (blocks of the covariance, convergence), by name.
    """

    values: FibreTable
    sd: FibreTable
    height: Floats
    height_sd: Floats
    flags: NDArray[np.int64]
    groups: NDArray[np.int64]
    reduced_chi_squared: Floats
    n_paths: NDArray[np.int64]
    reasons: tuple[str, ...]
    backgrounds: Floats | None
    iterations: int
    cost: float
    counts: dict[str, int]
    details: dict[str, Any] | None = None
