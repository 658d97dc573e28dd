"""The geometry under which points lie on their rings, with uncertainties; plain numpy and scipy."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares

from tomosaxs_plugins.integration.calibrate.model import NAMES, geometry_of, parameters, pixels_per_radian
from tomosaxs_plugins.integration.calibrate.scatter import Problem, solve
from tomosaxs_plugins.integration.geometry import DetectorGeometry

Floats = NDArray[np.float64]
Integers = NDArray[np.intp]
Mask = NDArray[np.bool_]
OUTLIER = 4.0
"""Standard deviations beyond which a point is left out."""
SINGULAR = 1e6
"""Ratio of singular values from which the points do not determine what is refined."""
_SCALE = np.array([1.0, 1.0, 1e-3, 1e-3, 1e-3, 1e-13])
"""Sizes of steps in the six numbers that move rings about equally: px, px, m, 1, 1, m."""


@dataclass(frozen=True, eq=False)
class GeometryFit:
    """What a fit found.

    Attributes
    ----------
    geometry : DetectorGeometry
    covariance : (6, 6) array
        Of the numbers in `NAMES`; zero where one was held fixed.
    residuals : (n,) array
        Distance of every point from its ring in px, positive outside.
    used : (n,) array
        False: left out as an outlier.
    scatter, displacement, shape : float
        Standard deviations in px: of single points beyond what counting explains, of whole modules from their places,
        of whole rings whose peaks are not symmetrical.
    correlation : float
        Of neighbouring points of a ring; the covariance allows for it.
    undetermined : float
        Ratio of the largest to the smallest singular value of the scaled problem.
    """

    geometry: DetectorGeometry
    covariance: Floats
    residuals: Floats
    used: Mask
    scatter: float
    displacement: float
    shape: float
    correlation: float
    undetermined: float


class _Distances:
    """Distances of points from their rings, px, as a function of scaled changes of the free numbers."""

    def __init__(self, start: DetectorGeometry, rows: Floats, columns: Floats, spacings: Floats, free: Mask) -> None:
        self.start, self.rows, self.columns, self.spacings = start, rows, columns, spacings
        self.values = parameters(start)
        self.wanted = np.nonzero(free)[0]
        self.scale = pixels_per_radian(start, rows, columns)

    def full(self, trial: Floats) -> Floats:
        values = self.values.copy()
        values[self.wanted] += trial * _SCALE[self.wanted]
        # a step may run wild on the way to the solution; it ends far inside of this
        values[[2, 5]] = np.clip(values[[2, 5]], 0.1 * self.values[[2, 5]], 10 * self.values[[2, 5]])
        return np.asarray(values, dtype=np.float64)

    def __call__(self, trial: Floats) -> Floats:
        values = self.full(trial)
        geometry = geometry_of(values, self.start)
        off = geometry.two_theta(self.rows, self.columns) - ring_angles(self.spacings, values[5])
        return np.asarray(off * self.scale)

    def slopes(self, trial: Floats) -> Floats:
        size = 1e-3
        units = np.eye(len(self.wanted))
        columns = [(self(trial + size * e) - self(trial - size * e)) / (2 * size) for e in units]
        return np.asarray(np.stack(columns, axis=1), dtype=np.float64)

    def across(self) -> Floats:
        """Return (n, 2): how a step of one pixel along rows and columns moves a point across its ring."""
        size = 0.05
        down = self.start.two_theta(self.rows + size, self.columns) - self.start.two_theta(
            self.rows - size, self.columns
        )
        right = self.start.two_theta(self.rows, self.columns + size) - self.start.two_theta(
            self.rows, self.columns - size
        )
        return np.stack([down, right], axis=1) * (self.scale / (2 * size))[:, None]


def ring_angles(spacings: Floats, wavelength: float) -> Floats:
    """Return 2 theta in rad for spacings in Angstrom and a wavelength in m; NaN where nothing reflects."""
    with np.errstate(invalid="ignore"):
        return np.asarray(2 * np.arcsin(wavelength * 1e10 / (2 * spacings)), dtype=np.float64)


def rough_fit(
    start: DetectorGeometry, rows: Floats, columns: Floats, spacings: Floats, width: float, free: Mask
) -> DetectorGeometry:
    """Fit the free ones of the six numbers to points of which many may be wrong (Cauchy weights).

    Parameters
    ----------
    rows, columns, spacings : (n,) arrays
        Edge coordinates in px, and the spacing in Angstrom of the ring that a point is taken to belong to.
    width : float
        Distance from the ring, px, at which a point begins to lose weight.
    free : (6,) array of bool
        In the order of `NAMES`.
    """
    distances = _Distances(start, rows, columns, spacings, free)
    found = least_squares(
        distances,
        np.zeros(len(distances.wanted)),
        jac=distances.slopes,
        loss="cauchy",
        f_scale=width,
        x_scale="jac",
        max_nfev=40,
    )
    return geometry_of(distances.full(found.x), start)


def fit_geometry(
    start: DetectorGeometry,
    points: tuple[Floats, Floats],
    spacings: Floats,
    sigma: Floats,
    free: Mask,
    *,
    ring: Integers,
    azimuth: Floats,
    module: Integers | None = None,
    shape: float = 0.0,
    rounds: int = 8,
) -> GeometryFit:
    """Fit the free ones of the six numbers to points on rings by least squares of their distances in px.

    A point weighs by counting and by a scatter common to all. The uncertainties also allow for what moves points
    together: displaced modules of the detector, the shape of rings (see `scatter`). Points beyond four standard
    deviations are left out.

    Parameters
    ----------
    points : (rows, columns)
        Edge coordinates, px.
    spacings, sigma : (n,) arrays
        Angstrom, of the ring that a point belongs to; px, from counting.
    free : (6,) array of bool
        In the order of `NAMES`.
    ring, azimuth : (n,) arrays
        To find neighbours.
    module : (n,) array, optional
        Number of the module that a point is on.
    shape : float
        Standard deviation, px, by which whole rings may lie off their places (see `scatter.shape_of_rings`).

    Raises
    ------
    ValueError
        When there are fewer good points than free numbers, or the points do not determine them.
    """
    rows, columns = points
    numbers = int(free.sum())
    if len(rows) <= numbers:
        raise ValueError(f"{len(rows)} points are too few for {numbers} numbers")
    geometry = rough_fit(start, rows, columns, spacings, max(2.0 * float(np.median(sigma)), 0.3), free)
    used = np.ones(len(rows), dtype=bool)
    displaced = _displaced(module, len(rows))
    rings = np.asarray(ring[:, None] == np.unique(ring), dtype=np.float64)
    for turn in range(rounds):
        distances = _Distances(geometry, rows, columns, spacings, free)
        nothing = np.zeros(numbers)
        rest, slopes = distances(nothing), distances.slopes(nothing)
        moves = (displaced[:, :, None] * distances.across()[:, None, :]).reshape(len(rows), -1)
        if turn == 0:
            used = _agreeing(rest, sigma, np.inf)
        if used.sum() <= numbers:
            raise ValueError(f"only {int(used.sum())} of {len(rows)} points agree with each other")
        problem = Problem(rest[used], slopes[used], sigma[used], moves[used], rings[used], azimuth[used], shape)
        found = solve(problem, together=False)
        geometry = geometry_of(distances.full(found.step), start)
        again = _agreeing(rest + slopes @ found.step, sigma, found.total)
        if turn > 0 and np.array_equal(again, used) and _small(found.step, found.covariance):
            break
        used = again
    found = solve(problem, together=True)
    singular = np.linalg.svd(slopes[used] / np.hypot(sigma, found.total)[used, None], compute_uv=False)
    ratio = float(singular[0] / singular[-1]) if singular[-1] > 0 else float("inf")
    if ratio > SINGULAR:
        raise ValueError("the rings seen do not determine all the numbers that are refined")
    covariance = np.zeros((len(NAMES), len(NAMES)))
    wanted = distances.wanted
    covariance[np.ix_(wanted, wanted)] = found.covariance * _SCALE[wanted][:, None] * _SCALE[wanted]
    final = _Distances(geometry, rows, columns, spacings, free)
    return GeometryFit(
        geometry,
        covariance,
        final(np.zeros(numbers)),
        used,
        found.scatter,
        found.displacement,
        shape,
        found.correlation,
        ratio,
    )


def _agreeing(rest: Floats, sigma: Floats, total: float) -> Mask:
    """Return which points are no outliers; the median tells how far points lie where some belong elsewhere."""
    usual = min(total, 1.4826 * float(np.median(np.abs(rest))))
    return np.asarray(np.abs(rest) < OUTLIER * np.hypot(sigma, usual))


def _small(step: Floats, covariance: Floats) -> bool:
    return bool(np.all(np.abs(step) < 0.01 * np.sqrt(np.maximum(np.diag(covariance), 1e-300))))


def _displaced(module: Integers | None, number: int) -> Floats:
    """Return (n, modules) with one at a point's module; no columns where there are fewer than three."""
    if module is None:
        return np.zeros((number, 0))
    names, size = np.unique(module[module >= 0], return_counts=True)
    names = names[size >= 5]
    if len(names) < 3:
        return np.zeros((number, 0))
    return np.asarray(module[:, None] == names, dtype=np.float64)
