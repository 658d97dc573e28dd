"""From an image of a standard's rings to a geometry: first guess, points on rings, fit, and again; no framework."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from tomosaxs_plugins.integration.calibrate.fit import GeometryFit, fit_geometry, ring_angles
from tomosaxs_plugins.integration.calibrate.guess import CalibrationError, Guess, first_geometry
from tomosaxs_plugins.integration.calibrate.model import NAMES, parameters, pixels_per_radian, place
from tomosaxs_plugins.integration.calibrate.rings import RingPoints, find_modules, find_points, windows
from tomosaxs_plugins.integration.calibrate.scatter import shape_of_rings
from tomosaxs_plugins.integration.calibrate.standards import Standard
from tomosaxs_plugins.integration.geometry import DetectorGeometry

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]
GROUPS = {"centre": (0, 1), "distance": (2,), "tilt": (3, 4), "wavelength": (5,)}
_ROUNDS = 10
_SETTLED = 0.03  # standard uncertainties by which the last round may move a number


@dataclass(frozen=True, eq=False)
class Calibration:
    """A refined geometry and what it rests on.

    Attributes
    ----------
    geometry : DetectorGeometry
    covariance : (6, 6) array
        Of the numbers `model.NAMES`.
    points : RingPoints
    fit : GeometryFit
        Residuals (px) of the points, which of them were used.
    free : tuple of str
        What was refined: of ``centre``, ``distance``, ``tilt``, ``wavelength``.
    standard : Standard
    seen : tuple of int
        0-based numbers of the rings that have points in use.
    notes : list of str
        What the reader should know.
    """

    geometry: DetectorGeometry
    covariance: Floats
    points: RingPoints
    fit: GeometryFit
    free: tuple[str, ...]
    standard: Standard
    seen: tuple[int, ...]
    notes: list[str] = field(default_factory=list)

    @property
    def tilt_significance(self) -> float:
        """Length of the tilt in standard uncertainties (Mahalanobis); infinite where the tilt was held fixed."""
        if "tilt" not in self.free:
            return float("inf")
        tilt = parameters(self.geometry)[3:5]
        return float(np.sqrt(tilt @ np.linalg.solve(self.covariance[3:5, 3:5], tilt)))


def refine(
    image: NDArray[np.generic],
    standard: Standard,
    pixel: tuple[float, float],
    wavelength: float,
    *,
    mask: Mask | None = None,
    start: DetectorGeometry | None = None,
    distance: float | None = None,
    beam_centre: tuple[float, float] | None = None,
    rings: int | None = None,
    fixed: Sequence[str] = ("wavelength",),
) -> Calibration:
    """Refine beam centre, distance and tilt of a detector from one image of a standard.

    Without any start the centre comes from where the normals of the rings meet, the distance from the ratios
    of their radii; a start (all of it or a part) narrows the search. Then rings are located in sectors, the
    geometry is fitted, and both are repeated until nothing moves.

    Parameters
    ----------
    image : (rows, columns) array
        Counts; values that are not finite are masked.
    standard : Standard
    pixel : (height, width)
        m
    wavelength : float
        m
    mask : (rows, columns) array of bool, optional
        True: do not use.
    start : DetectorGeometry, optional
        A rough geometry; its tilt is believed.
    distance : float, optional
        Rough distance along the beam, m.
    beam_centre : (row, column), optional
        Rough, in px from the outer corner of the first pixel.
    rings : int, optional
        Use only the first so many rings of the standard.
    fixed : sequence of str
        Of ``centre``, ``distance``, ``tilt``, ``wavelength``: not refined.

    Raises
    ------
    CalibrationError
        When no rings are found, or they are not those of the standard, or too few to fit.
    """
    values, masked = _clean(image, mask)
    spacings = _reflecting(standard, wavelength)
    free_names = tuple(name for name in GROUPS if name not in fixed)
    if not free_names:
        raise CalibrationError("everything is held fixed: nothing is left to refine")
    guess = first_geometry(values, masked, standard, spacings, pixel, wavelength, start, distance, beam_centre, fixed)
    return from_guess(values, masked, standard, spacings[:rings], guess, free_names)


def _clean(image: NDArray[np.generic], mask: Mask | None) -> tuple[Floats, Mask]:
    values = np.asarray(image, dtype=np.float64)
    if values.ndim != 2:
        raise CalibrationError(f"an image has two dimensions, this one has shape {values.shape}")
    masked = ~np.isfinite(values)
    if mask is not None:
        if mask.shape != values.shape:
            raise CalibrationError(f"the mask has shape {mask.shape}, the image {values.shape}")
        masked |= mask
    share = float(masked.mean())
    if share > 0.995:
        raise CalibrationError(
            f"{share:.1%} of the pixels are masked: nothing is left to find rings in; is the mask's polarity right "
            "(non-zero means: do not use)?"
        )
    return np.where(masked, 0.0, values), masked


def _reflecting(standard: Standard, wavelength: float) -> Floats:
    spacings = standard.spacings[np.isfinite(ring_angles(standard.spacings, wavelength))]
    if len(spacings) == 0:
        raise CalibrationError(
            f"{standard.name} reflects nothing at {wavelength * 1e10:.4g} Angstrom; its largest spacing is "
            f"{standard.spacings[0]:.4g} Angstrom"
        )
    return spacings


def from_guess(
    image: Floats, mask: Mask, standard: Standard, spacings: Floats, guess: Guess, names: tuple[str, ...]
) -> Calibration:
    """Locate rings and fit the geometry in turn, until nothing moves; `names` says what is refined.

    Raises
    ------
    CalibrationError
        As for `refine`.
    """
    geometry, notes = guess.geometry, list(guess.notes)
    widths: dict[int, float] = {}
    free = np.zeros(len(NAMES), dtype=bool)
    free[[index for name in names for index in GROUPS[name]]] = True
    modules = find_modules(mask)
    fit: GeometryFit | None = None
    for turn in range(_ROUNDS):
        half = windows(geometry, _angles(spacings, geometry), widths, 40.0)
        points = find_points(image, mask, modules, geometry, _angles(spacings, geometry), half)
        if len(points) < 2 * free.sum():
            raise CalibrationError(_too_few(points, standard, guess, int(free.sum())))
        fit = _fit(geometry, points, spacings, free, guess)
        moved = _moved(parameters(geometry), fit, free)
        geometry = fit.geometry
        before = widths
        widths = {int(ring): float(np.median(points.width[points.ring == ring])) for ring in np.unique(points.ring)}
        if turn >= 2 and moved < _SETTLED and before.keys() == widths.keys():
            break
    shape = _shape(image, mask, modules, geometry, spacings, points, widths)
    if shape > 0:
        fit = _fit(geometry, points, spacings, free, guess, shape)
    assert fit is not None
    seen = tuple(int(ring) for ring in np.unique(points.ring[fit.used]))
    result = Calibration(fit.geometry, fit.covariance, points, fit, names, standard, seen, notes)
    largest = guess.largest_angle(fit.geometry)
    expected = _visible(fit.geometry, _angles(spacings, fit.geometry), half, mask, largest)
    return _checked(result, guess, expected)


def _visible(geometry: DetectorGeometry, angles: Floats, half: Floats, mask: Mask, largest: float) -> tuple[int, ...]:
    """Return the rings up to an angle that stand apart from others and cross good pixels for a while."""
    around = np.radians(np.arange(0, 360, 0.5))
    found = []
    for number in np.nonzero((half > 0) & (angles < largest))[0]:
        rows, columns = place(geometry, angles[number], around)
        inside = (rows >= 0) & (rows < mask.shape[0]) & (columns >= 0) & (columns < mask.shape[1])
        good = ~mask[rows[inside].astype(np.intp), columns[inside].astype(np.intp)]
        if good.sum() >= 30:  # 15 degrees
            found.append(int(number))
    return tuple(found)


def _angles(spacings: Floats, geometry: DetectorGeometry) -> Floats:
    return ring_angles(spacings, float(geometry.wavelength or 0.0))


def _fit(
    geometry: DetectorGeometry, points: RingPoints, spacings: Floats, free: Mask, guess: Guess, shape: float = 0.0
) -> GeometryFit:
    try:
        return fit_geometry(
            geometry, (points.rows, points.columns), spacings[points.ring], points.sigma, free,
            ring=points.ring, azimuth=points.azimuth, module=points.module, shape=shape,
        )  # fmt: skip
    except ValueError as error:
        raise CalibrationError(f"{error}; {guess.told}") from None


def _shape(
    image: Floats,
    mask: Mask,
    modules: NDArray[np.intp],
    geometry: DetectorGeometry,
    spacings: Floats,
    points: RingPoints,
    widths: dict[int, float],
) -> float:
    """Return by how much the places of whole rings depend on how much of their flanks is looked at, px."""
    angles = _angles(spacings, geometry)
    half = np.zeros(len(angles))
    for ring, width in widths.items():
        half[ring] = max(2.0 * width, 2.5)
    narrow = find_points(image, mask, modules, geometry, angles, half)

    def places(these: RingPoints) -> dict[int, float]:
        off = geometry.two_theta(these.rows, these.columns) - angles[these.ring]
        across = off * pixels_per_radian(geometry, these.rows, these.columns)
        return dict(zip(these.key.tolist(), across.tolist(), strict=True))

    return shape_of_rings(
        places(points), places(narrow), dict(zip(points.key.tolist(), points.ring.tolist(), strict=True))
    )


def _moved(before: Floats, fit: GeometryFit, free: Mask) -> float:
    sigma = np.sqrt(np.diag(fit.covariance))[free]
    change = np.abs(parameters(fit.geometry) - before)[free]
    return float(np.max(change / np.maximum(sigma, 1e-300)))


def _too_few(points: RingPoints, standard: Standard, guess: Guess, numbers: int) -> str:
    return (
        f"only {len(points)} points on rings of {standard.name} stand out, {2 * numbers} are needed for {numbers} "
        f"numbers; {guess.told}. A longer exposure, a smaller mask, or --fix tilt may help"
    )


def _checked(result: Calibration, guess: Guess, expected: tuple[int, ...]) -> Calibration:
    """Refuse what cannot be right, and say what is weak."""
    met = len(set(expected) & set(result.seen))
    if met < 0.4 * len(expected):
        raise CalibrationError(
            f"of {len(expected)} rings of {result.standard.name} that should be seen only {met} "
            f"{'is' if met == 1 else 'are'} there; {guess.told}{guess.others()}. Is the standard right, and the "
            "wavelength?"
        )
    fit, notes = result.fit, list(result.notes)
    left_out = 1 - float(fit.used.mean())
    width = float(np.median(result.points.width))
    # rings of another substance land somewhere between those of this one: they scatter by a good part of the width
    off = float(np.hypot(fit.scatter, fit.displacement))
    if off > max(0.5 * width, 1.2) or left_out > 0.4:
        raise CalibrationError(
            f"the rings do not fit {result.standard.name}: points lie {off:.2g} px off (rings are {width:.2g} "
            f"px wide), {left_out:.0%} of {len(result.points)} points disagree; {guess.told}. Is the standard right, "
            "and the wavelength? A detector tilted by more than 20 degrees needs a --start"
        )
    if fit.displacement > 0.6:
        notes.append(f"modules {fit.displacement:.2g} px off their places are unusual: is the wavelength right?")
    if len(result.seen) == 1:
        notes.append("only one ring is used: distance and tilt rest on its shape alone, and on its being ring "
                     f"{result.seen[0] + 1}")  # fmt: skip
    if left_out > 0.1:
        notes.append(f"{left_out:.0%} of the points were left out as outliers: look at the picture")
    if "tilt" in result.free and result.tilt_significance < 3.0:
        notes.append("the tilt is not significant: its direction (rotation) is not determined; consider --fix tilt")
    return replace(result, notes=notes)
