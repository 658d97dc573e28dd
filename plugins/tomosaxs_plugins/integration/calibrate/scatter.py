"""How far points lie off their rings beyond what counting explains: scatter, modules, shape of rings; plain numpy.

Modules of a detector sit a few tenths of a pixel off their nominal places, which moves all points on one module
together. Such displacements are taken as random numbers of one unknown size, estimated from the points themselves by
restricted maximum likelihood (Patterson and Thompson 1971, doi:10.1093/biomet/58.3.545).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import chdtri

Floats = NDArray[np.float64]
_WORTH = 8.0
"""Gain in twice the log-likelihood from which displacements of modules are believed (chance: about 0.3 %)."""

_LEAST = 1e-3  # px, the smallest standard deviation that is looked for


@dataclass(frozen=True, eq=False)
class Linear:
    """The solution of a least-squares problem, and what is estimated beside it.

    Attributes
    ----------
    step : (p,) array
        By which the free numbers should change.
    covariance : (p, p) array
    total : float
        Standard deviation, px, of all that counting does not explain; it sets the weights.
    scatter, displacement : float
        Its parts, px: of single points and of modules.
    correlation : float
        Of neighbouring points of a ring, once displacements are taken off.
    """

    step: Floats
    covariance: Floats
    total: float
    scatter: float
    displacement: float
    correlation: float


@dataclass(frozen=True, eq=False)
class Problem:
    """rest + slopes step + modules displacements + rings shifts = noise.

    Attributes
    ----------
    rest : (n,) array
        Distances from the rings, px.
    slopes : (n, p) array
        By how much they change with the free numbers.
    sigma : (n,) array
        From counting, px.
    modules : (n, 2 modules) array
        How a displacement moves each point across its ring; no columns where there are no modules.
    rings : (n, rings) array
        One at the ring of a point.
    azimuth : (n,) array
        rad
    shape : float
        Standard deviation, px, by which the peak of a whole ring may lie off its true place (see `shape_of_rings`).
    """

    rest: Floats
    slopes: Floats
    sigma: Floats
    modules: Floats
    rings: Floats
    azimuth: Floats
    shape: float

    def normal(self, scatter: float, displacement: float) -> tuple[Floats, Floats, Floats, Floats]:
        """Return design, its normal matrix with what is known of the random columns, right side, and widths."""
        width = np.hypot(self.sigma, scatter)
        columns, known = [self.slopes], [np.zeros(self.slopes.shape[1])]
        for part, spread in ((self.modules, displacement), (self.rings, self.shape)):
            if spread > 0 and part.shape[1]:
                columns.append(part)
                known.append(np.full(part.shape[1], 1 / spread**2))
        design = np.concatenate(columns, axis=1)
        weighted = design / width[:, None]
        matrix = weighted.T @ weighted + np.diag(np.concatenate(known))
        return design, matrix, weighted.T @ (self.rest / width), width

    def cost(self, scatter: float, displacement: float) -> float:
        """Return minus twice the restricted log-likelihood, up to a constant."""
        _, matrix, vector, width = self.normal(scatter, displacement)
        size = np.sqrt(np.diag(matrix))
        sign, volume = np.linalg.slogdet(matrix / size[:, None] / size)
        if sign <= 0:
            return 1e300
        volume += 2 * float(np.sum(np.log(size)))
        explained = float(vector @ (np.linalg.solve(matrix / size[:, None] / size, vector / size) / size))
        prior = self.modules.shape[1] * np.log(displacement**2) if displacement > 0 else 0.0
        return float(2 * np.sum(np.log(width)) + prior + volume + np.sum((self.rest / width) ** 2) - explained)


def solve(problem: Problem, *, together: bool) -> Linear:
    """Solve by weighted least squares.

    With `together` the uncertainties allow for all that moves points together, which takes a while.

    The weights know of single points only: a solution that leaned on modules sitting still apart from one shift would
    believe too much of them. Displacements, shapes of rings and alike neighbours enter the covariance.
    """
    alone = replace(problem, modules=problem.modules[:, :0], rings=problem.rings[:, :0], shape=0.0)
    total = _scatter(alone)
    _, matrix, vector, width = alone.normal(total, 0.0)
    inverse = _inverse(matrix)
    step = -inverse @ vector
    weights = inverse @ (problem.slopes / width[:, None] ** 2).T
    if not together:
        return Linear(step, inverse, total, total, 0.0, 0.0)
    scatter, displacement = _parts(problem, total)
    design, full, side, _ = problem.normal(scatter, displacement)
    left = problem.rest - design @ (_inverse(full) @ side)
    alike = correlation(left, problem.rings.argmax(axis=1), problem.azimuth)
    # as if every run of alike neighbours were one point
    noise = (problem.sigma**2 + scatter**2) * (1 + alike) / (1 - min(alike, 0.95))
    covariance = (weights * noise) @ weights.T
    for part, spread in ((problem.modules, displacement), (problem.rings, problem.shape)):
        moved = weights @ part * spread
        covariance = covariance + moved @ moved.T
    if total == 0:
        # counts may be less noisy than they look (gain, averaging); more noise would be in the scatter
        rest = problem.rest + problem.slopes @ step
        covariance = covariance * min(float(np.sum((rest / width) ** 2)) / max(len(rest) - len(step), 1), 1.0)
    return Linear(step, covariance, total, scatter, displacement, alike)


def _scatter(problem: Problem) -> float:
    found = float(_best(lambda values: problem.cost(values[0], 0.0), 1)[0])
    return 0.0 if found < 2 * _LEAST else found  # the lower end of the search: counting explains all


def _parts(problem: Problem, total: float) -> tuple[float, float]:
    """Return scatter of single points and displacement of modules, 0 where that is not believed."""
    scatter = _scatter(problem) if problem.shape > 0 else total
    if problem.modules.shape[1]:
        both = _best(lambda values: problem.cost(values[0], values[1]), 2)
        if problem.cost(scatter, 0.0) - problem.cost(float(both[0]), float(both[1])) > _WORTH:
            return float(both[0]), float(both[1])
    return scatter, 0.0


def _best(cost: object, numbers: int) -> Floats:
    """Minimise over the logarithms of one or two standard deviations, from 0.001 to 30 px."""
    assert callable(cost)
    grid = np.log([_LEAST, 0.03, 0.1, 0.3, 1.0, 3.0])
    starts = [np.array(each) for each in np.stack(np.meshgrid(*[grid] * numbers), axis=-1).reshape(-1, numbers)]
    start = min(starts, key=lambda each: float(cost(np.exp(each))))
    bounds = [(np.log(_LEAST), np.log(30.0))] * numbers
    found = minimize(
        lambda each: cost(np.exp(np.clip(each, np.log(_LEAST), np.log(30.0)))), start, method="Nelder-Mead",
        bounds=bounds, options={"xatol": 0.01, "fatol": 0.01, "maxiter": 80},
    )  # fmt: skip
    return np.asarray(np.exp(found.x))


def _inverse(matrix: Floats) -> Floats:
    size = np.sqrt(np.maximum(np.diag(matrix), 1e-300))
    return np.asarray(np.linalg.pinv(matrix / size[:, None] / size, rcond=1e-13, hermitian=True) / size[:, None] / size)


def shape_of_rings(usual: dict[int, float], narrow: dict[int, float], ring: dict[int, int]) -> float:
    """Return by how much (px, root mean square over rings) peaks move when only their tops are looked at.

    Peaks that are not symmetrical have no one place, and what moves them moves a whole ring. 0 where chance
    explains the differences (at 1 %).

    Parameters
    ----------
    usual, narrow : mapping of a sector's key to a place across the ring in px
        Fitted in the usual window and in a narrow one.
    ring : mapping of a sector's key to the number of its ring
    """
    moved: dict[int, list[float]] = {}
    for key in usual.keys() & narrow.keys():
        moved.setdefault(ring[key], []).append(narrow[key] - usual[key])
    means, errors = [], []
    for differences in moved.values():
        if len(differences) >= 5:
            values = np.asarray(differences)
            means.append(float(np.median(values)))
            # of a median; sectors are independent
            errors.append(1.2533 * 1.4826 * float(np.median(np.abs(values - np.median(values)))) / np.sqrt(len(values)))
    if not means:
        return 0.0
    mean, error = np.asarray(means), np.maximum(errors, 1e-6)
    if float(np.sum((mean / error) ** 2)) < float(chdtri(len(mean), 0.01)):
        return 0.0
    return float(np.sqrt(np.mean(np.maximum(mean**2 - error**2, 0))))


def correlation(rest: Floats, ring: NDArray[np.intp], azimuth: Floats) -> float:
    """Return the correlation of neighbouring points on the same ring; 0 where chance explains it.

    A distorted detector, or rings that are no circles, bend the residuals slowly: neighbours then tell the same
    story twice, and uncertainties that count them as two are too small.
    """
    order = np.lexsort((azimuth, ring))
    same = ring[order][1:] == ring[order][:-1]
    first, second = rest[order][:-1][same], rest[order][1:][same]
    if len(first) < 20:
        return 0.0
    spread = float(np.mean(rest**2))
    found = float(np.mean(first * second)) / spread if spread > 0 else 0.0
    return found if found > 3.0 / np.sqrt(len(first)) else 0.0
