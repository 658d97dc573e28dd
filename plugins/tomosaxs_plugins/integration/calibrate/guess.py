"""The geometry with which refinement begins: from the image, narrowed by what is known; no framework."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from tomosaxs_plugins.integration.calibrate.fit import ring_angles, rough_fit
from tomosaxs_plugins.integration.calibrate.model import geometry_of, parameters, pixels_per_radian
from tomosaxs_plugins.integration.calibrate.ridges import SCALES, Ridges, find_ridges, shrink
from tomosaxs_plugins.integration.calibrate.standards import Standard, built_in, find_standard
from tomosaxs_plugins.integration.calibrate.start import (
    Distance,
    Rings,
    find_centre,
    find_distance,
    find_rings,
    visible_share,
)
from tomosaxs_plugins.integration.geometry import DetectorGeometry

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]
_LARGEST = 1300  # px; larger images are looked at in squares of pixels for the first guess
_GOOD = 0.45  # score below which rings are not taken to be those of the standard
_ROUGH = 0.3  # share by which a distance given as a start may be off


class CalibrationError(ValueError):
    """No geometry was found; the message says what was seen and what would help."""


@dataclass(frozen=True, eq=False)
class Guess:
    """A first geometry, what the image showed (in words), and remarks."""

    geometry: DetectorGeometry
    told: str
    notes: tuple[str, ...]
    ridges: Ridges
    factor: int
    suggestions: tuple[str, ...]

    def largest_angle(self, geometry: DetectorGeometry) -> float:
        """Return 2 theta (rad) up to which bright curves are seen, but for the outermost hundredth."""
        at = geometry.two_theta(self.ridges.rows * self.factor, self.ridges.columns * self.factor)
        return float(np.percentile(at, 99))

    def others(self) -> str:
        """Return which built-in standards would fit what is seen, in words."""
        return f"; they would fit {' or '.join(self.suggestions)}" if self.suggestions else ""


@dataclass(frozen=True, eq=False)
class _View:
    """The image as one scale of smoothing shows it."""

    ridges: Ridges
    rings: Rings
    share: Floats
    distances: list[Distance]
    agree: float


def first_geometry(
    image: Floats,
    mask: Mask,
    standard: Standard,
    spacings: Floats,
    pixel: tuple[float, float],
    wavelength: float,
    start: DetectorGeometry | None,
    distance: float | None,
    beam_centre: tuple[float, float] | None,
    fixed: Sequence[str],
) -> Guess:
    """Return a geometry near enough for its rings to be recognised in the image.

    Raises
    ------
    CalibrationError
        When there are no rings, or not those of the standard.
    """
    small, small_mask, factor = shrink(image, mask, _LARGEST)
    unit = float(np.sqrt(pixel[0] * pixel[1])) * factor
    if start is not None:
        beam_centre = start.beam_centre if beam_centre is None else beam_centre
        distance = start.beam_distance if distance is None else distance
    near = None if beam_centre is None else (beam_centre[0] / factor, beam_centre[1] / factor)
    limits = None
    if distance is not None:
        spread = 1.002 if "distance" in fixed else 1 + _ROUGH
        limits = distance / unit / spread, distance / unit * spread
    reach = 2.0 if "centre" in fixed else 0.12 * max(small.shape)
    angles = ring_angles(spacings, wavelength)
    views = [_look(small, small_mask, scale, angles, near, reach, limits) for scale in SCALES]
    views = [view for view in views if len(view.ridges) >= 20]
    if not views:
        raise CalibrationError(
            "no rings are found: nothing in the image stands out of its noise as a bright curve. Is this the image of "
            "a standard, and was it exposed long enough? Does the mask hide the rings?"
        )
    best = max(views, key=lambda view: view.distances[0].score * view.agree if view.distances else 0.0)
    told = _told(best, factor)
    tilted = start is not None and np.degrees(np.arccos(min(start.rotation[2, 2], 1.0))) > 12
    score = best.distances[0].score if best.distances else 0.0
    if score < _GOOD and not tilted:
        raise CalibrationError(_not_these(best, standard, spacings, wavelength, told, limits, unit))
    like = DetectorGeometry.from_beam((0.0, 0.0), 1.0, np.eye(3), pixel, wavelength, (image.shape[0], image.shape[1]))
    starts = []
    for found in [None] if tilted else best.distances[:3]:
        values = parameters_with(start, wavelength) if start is not None else np.zeros(6)
        if found is not None:
            values[:3] = best.rings.centre[0] * factor, best.rings.centre[1] * factor, found.pixels * unit
        if beam_centre is not None and (found is None or "centre" in fixed):
            values[:2] = beam_centre
        if distance is not None and (found is None or "distance" in fixed):
            values[2] = distance
        values[5] = wavelength
        starts.append(geometry_of(values, like))
    candidates = [_with_ridges(each, best.ridges, factor, spacings, fixed) for each in starts]
    shares = [_explained(each, best.ridges, factor, spacings) for each in candidates]
    first = int(np.argmax(shares))
    rough = _follow(candidates[first], starts[first], best.ridges, factor, spacings, fixed)
    rivals = [share for share, each in zip(shares, candidates, strict=True)
            if abs(each.beam_distance / rough.beam_distance - 1) > 0.05]  # fmt: skip
    unsure = bool(rivals) and max(rivals) > 0.85 * max(shares)
    others = _others(best, spacings, wavelength, limits, unit)
    return Guess(rough, told, tuple(_remarks(rough, distance, unsure)), best.ridges, factor, others)


def parameters_with(geometry: DetectorGeometry, wavelength: float) -> Floats:
    """Return a geometry's six numbers with the wavelength replaced."""
    turned = geometry.rotation[2]
    row, column = geometry.beam_centre
    return np.array([row, column, geometry.beam_distance, turned[0], turned[1], wavelength])


def _look(
    image: Floats,
    mask: Mask,
    scale: float,
    angles: Floats,
    near: tuple[float, float] | None,
    reach: float,
    limits: tuple[float, float] | None,
) -> _View:
    ridges = find_ridges(image, mask, scale)
    shape = (image.shape[0], image.shape[1])
    empty = Rings((shape[0] / 2, shape[1] / 2), np.zeros(0), np.zeros(0), np.zeros(0))
    if len(ridges) < 20:
        return _View(ridges, empty, np.zeros(1), [], 0.0)
    centre, agree = find_centre(ridges, shape, near, reach if near is not None else None)
    corners = [np.hypot(centre[0] - row, centre[1] - column) for row in (0, shape[0]) for column in (0, shape[1])]
    share = visible_share(mask, centre, max(corners))
    rings = find_rings(ridges, centre, share)
    return _View(ridges, rings, share, find_distance(rings, angles, share, limits), agree)


def _told(view: _View, factor: int) -> str:
    radii = ", ".join(f"{radius * factor:.0f}" for radius in view.rings.radii[:12])
    row, column = (value * factor for value in view.rings.centre)
    if len(view.rings.radii) == 0:
        return f"bright curves are there ({len(view.ridges)} points), but they make no rings around one centre"
    number = len(view.rings.radii)
    seen, radius = ("is one ring", "a radius") if number == 1 else (f"are {number} rings", "radii")
    return (
        f"seen {seen} around row {row:.1f}, column {column:.1f} with {radius} of {radii} px "
        f"({view.agree:.0%} of the bright curves turn around this centre)"
    )


def _not_these(
    view: _View,
    standard: Standard,
    spacings: Floats,
    wavelength: float,
    told: str,
    limits: tuple[float, float] | None,
    unit: float,
) -> str:
    text = f"the rings of {standard.name} are not recognised: {told}"
    if len(view.rings.radii) < 2:
        return text + ". Give a rough --beam-centre and --distance, or a --start"
    others = _others(view, spacings, wavelength, limits, unit)
    if limits is not None:
        low, high = (value * unit * 1e3 for value in limits)
        free = find_distance(view.rings, ring_angles(spacings, wavelength), view.share)
        if free and free[0].score > 0.7:
            return text + (
                f". They would fit at {free[0].pixels * unit * 1e3:.0f} mm, but the distance given allows {low:.0f} to "
                f"{high:.0f} mm only"
            )
    if others:
        return text + f". They would fit {' or '.join(others)}: is the standard right?"
    if view.agree < 0.6:
        return text + ". A detector tilted by more than 20 degrees needs a --start; or check --standard"
    return text + ". Check --standard, --wavelength and --pixel-size, or give a rough --beam-centre and --distance"


def _others(
    view: _View, spacings: Floats, wavelength: float, limits: tuple[float, float] | None, unit: float
) -> tuple[str, ...]:
    """Return built-in standards that fit the rings seen well, with their distance."""
    others = []
    for name in built_in():
        other = find_standard(name)
        if np.array_equal(other.spacings[: len(spacings)], spacings[: len(other.spacings)]):
            continue
        found = find_distance(view.rings, other.two_theta(wavelength), view.share, limits)
        if len(view.rings.radii) > 1 and found and found[0].score > 0.7:
            others.append(f"{name} at {found[0].pixels * unit * 1e3:.0f} mm")
    return tuple(others)


def _with_ridges(
    geometry: DetectorGeometry, ridges: Ridges, factor: int, spacings: Floats, fixed: Sequence[str]
) -> DetectorGeometry:
    """Fit to the ridge points, from the inner rings outwards, so that a tilt does not lead to the wrong ring."""
    rows, columns = ridges.rows * factor, ridges.columns * factor
    angles = ring_angles(spacings, float(geometry.wavelength or 0.0))
    free = np.array([True, True, True, False, False, False])
    free[:2] &= "centre" not in fixed
    free[2] &= "distance" not in fixed
    tolerance = 0.35
    for inner in (2, 3, 4, 6, 9, 14, len(spacings), len(spacings)):
        at = geometry.two_theta(rows, columns)
        nearest = np.abs(at[:, None] - angles[:inner]).argmin(axis=1)
        gaps = _gaps(angles)[nearest]
        off = at - angles[nearest]
        scale = pixels_per_radian(geometry, rows, columns)
        good = np.abs(off) < np.minimum(tolerance * gaps, 40.0 * factor / scale)
        met = len(np.unique(nearest[good]))
        if met >= 2 and inner >= 3 and "tilt" not in fixed:
            free[3:5] = True
        if good.sum() < 4 * free.sum() or not free.any():
            continue
        new = rough_fit(geometry, rows[good], columns[good], spacings[nearest[good]], 1.5 * factor, free)
        if _sane(new, geometry):
            geometry = new
            tolerance = max(0.12, 0.8 * tolerance)
    return geometry


def _follow(
    fitted: DetectorGeometry,
    start: DetectorGeometry,
    ridges: Ridges,
    factor: int,
    spacings: Floats,
    fixed: Sequence[str],
) -> DetectorGeometry:
    """Where many ridge points are not explained, begin again with tilts in all directions."""
    best, share = fitted, _explained(fitted, ridges, factor, spacings)
    if share > 0.6 or "tilt" in fixed:
        return best
    step = max(1, len(ridges) // 800)
    few = replace(ridges, **{name: getattr(ridges, name)[::step] for name in _ARRAYS})
    share += 0.1  # chance is not enough
    for tilt in np.radians([12.0, 22.0]):
        for direction in np.arange(0, 2 * np.pi, np.pi / 4):
            values = parameters(start)
            values[3:5] = np.sin(tilt) * np.sin(direction), np.sin(tilt) * np.cos(direction)
            tried = _with_ridges(geometry_of(values, start), few, factor, spacings, fixed)
            found = _explained(tried, few, factor, spacings)
            if found > share:
                best, share = tried, found
            if found > 0.85:
                break
    return _with_ridges(best, ridges, factor, spacings, fixed)


_ARRAYS = ("rows", "columns", "normal_rows", "normal_columns", "strength")


def _explained(geometry: DetectorGeometry, ridges: Ridges, factor: int, spacings: Floats) -> float:
    """Return the share of ridge points that lie within two pixels (and a sixth of the gap) of a ring."""
    rows, columns = ridges.rows * factor, ridges.columns * factor
    angles = ring_angles(spacings, float(geometry.wavelength or 0.0))
    at = geometry.two_theta(rows, columns)
    nearest = np.abs(at[:, None] - angles).argmin(axis=1)
    near = np.minimum(2.0 * factor / pixels_per_radian(geometry, rows, columns), _gaps(angles)[nearest] / 6)
    return float(np.mean(np.abs(at - angles[nearest]) < near))


def _gaps(angles: Floats) -> Floats:
    gap = np.full(len(angles), np.inf)
    if len(angles) > 1:
        gap[1:] = np.diff(angles)
        gap[:-1] = np.minimum(gap[:-1], np.diff(angles))
    return np.asarray(np.minimum(gap, angles), dtype=np.float64)


def _sane(new: DetectorGeometry, old: DetectorGeometry) -> bool:
    """Return whether a step stayed where the same rings can still be meant."""
    ratio = new.beam_distance / old.beam_distance
    return 0.6 < ratio < 1.6 and new.rotation[2, 2] > 0.5


def _remarks(
    geometry: DetectorGeometry,
    distance: float | None,
    unsure: bool,
) -> list[str]:
    notes = []
    if distance is not None and abs(geometry.beam_distance / distance - 1) > 0.2:
        notes.append(f"the distance found differs from the one given by {geometry.beam_distance / distance - 1:+.0%}")
    if unsure:
        notes.append("another distance would explain the rings nearly as well: give a rough --distance to be sure")
    return notes
