"""Where the rings of a standard cross the detector: one point a sector, to a fraction of a pixel; plain numpy."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from tomosaxs_plugins.integration.calibrate.model import pixels_per_radian, place
from tomosaxs_plugins.integration.calibrate.peaks import Peaks, first_guess, fit_peaks, too_bright
from tomosaxs_plugins.integration.geometry import DetectorGeometry

Floats = NDArray[np.float64]
Integers = NDArray[np.intp]
Mask = NDArray[np.bool_]
ARC = 15.0
"""Length of a sector along its ring, px."""
_SECTORS = 180


@dataclass(frozen=True, eq=False)
class RingPoints:
    """Points on rings.

    Attributes
    ----------
    ring : (n,) array
        0-based number of the standard's ring.
    rows, columns : (n,) arrays
        Edge coordinates, px.
    sigma : (n,) array
        Standard uncertainty across the ring from counting, px.
    azimuth : (n,) array
        rad
    width, height : (n,) arrays
        Of the Gaussian, px and counts.
    module : (n,) array
        Number of the module of the detector, -1 where it is too small to count.
    key : (n,) array
        Names the sector: equal keys are the same sector in images of the same size and mask.
    """

    ring: Integers
    rows: Floats
    columns: Floats
    sigma: Floats
    azimuth: Floats
    width: Floats
    height: Floats
    module: Integers
    key: Integers

    def __len__(self) -> int:
        return len(self.ring)


def windows(geometry: DetectorGeometry, two_theta: Floats, widths: dict[int, float], largest: float) -> Floats:
    """Return half the width of the window across every ring, px; 0 where a neighbour is too near to be told apart.

    Parameters
    ----------
    two_theta : (rings,) array
        rad
    widths : mapping of int to float
        Widths (standard deviations, px) of rings where they are known.
    largest : float
        px
    """
    scale = geometry.beam_distance / np.sqrt(geometry.pixel1 * geometry.pixel2)
    radius = scale * np.tan(np.minimum(two_theta, np.radians(89)))
    gap = np.full(len(radius), np.inf)
    gap[1:] = np.diff(radius)
    gap[:-1] = np.minimum(gap[:-1], np.diff(radius))
    gap = np.minimum(gap, radius)
    usual = float(np.median(list(widths.values()))) if widths else None
    result = np.zeros(len(radius))
    for number in range(len(radius)):
        width = widths.get(number, usual)
        wanted = largest if width is None else min(max(3.5 * width + 2, 5.0), largest)
        half = min(wanted, 0.5 * gap[number] if width is None else gap[number] - 3.2 * width)
        result[number] = half if half >= (4.0 if width is None else max(2.2 * width, 3.0)) else 0.0
    return result


def find_modules(mask: Mask) -> Integers:
    """Return (rows, columns) numbers of the parts into which gaps and mask cut the detector; -1 where masked.

    Parts of less than a thousandth of the detector are no modules: they get -1 too.
    """
    label, number = ndimage.label(~mask)
    size = np.bincount(label.ravel(), minlength=number + 1)
    large = size > max(1e-3 * mask.size, 200)
    large[0] = False
    return np.asarray(np.where(large, np.arange(number + 1), -1)[label], dtype=np.intp)


def find_points(
    image: Floats, mask: Mask, modules: Integers, geometry: DetectorGeometry, two_theta: Floats, half: Floats
) -> RingPoints:
    """Fit the peak across each ring in sectors of about `ARC` pixels, and return the points that are certain.

    A sector that crosses from one module to another is two.

    Pixels take part with their own scattering angle, so nothing is interpolated and gaps do no harm.

    Parameters
    ----------
    image : (rows, columns) array
        Counts.
    mask : (rows, columns) array
        True: do not use.
    modules : (rows, columns) array
        As from `find_modules`.
    two_theta : (rings,) array
        rad
    half : (rings,) array
        Half the window across a ring, px; rings with 0 are left out.
    """
    good_rows, good_columns = np.nonzero(~mask)
    rows = np.asarray(good_rows + 0.5, dtype=np.float64)
    columns = np.asarray(good_columns + 0.5, dtype=np.float64)
    angle = geometry.two_theta(rows, columns)
    found = []
    for number in np.nonzero(half > 0)[0]:
        part = _pixels_of_ring(geometry, rows, columns, angle, float(two_theta[number]), float(half[number]))
        if part is not None:
            found.append((int(number), *part))
    if not found:
        return _nothing()
    chosen, sector, x, chi, scale = (np.concatenate([part[k] for part in found]) for k in range(1, 6))
    ring = np.concatenate([np.full(len(part[1]), part[0], dtype=np.intp) for part in found])
    module = modules[good_rows[chosen], good_columns[chosen]]
    several = int(modules.max()) + 2
    key = (ring * _SECTORS + sector) * several + module + 1
    names, group, size = np.unique(key, return_inverse=True, return_counts=True)
    # groups of too few pixels are taken out before the fit
    enough = size >= 25
    if not enough.any():
        return _nothing()
    kept = enough[group]
    group = (np.cumsum(enough) - 1)[group[kept]].astype(np.intp)
    x, chi, scale, chosen = x[kept], chi[kept], scale[kept], chosen[kept]
    counts = image[good_rows[chosen], good_columns[chosen]]
    cool = ~too_bright(group, counts, int(enough.sum()))
    group, x, chi, scale, counts = group[cool], x[cool], chi[cool], scale[cool], counts[cool]
    number_of = names[enough] // several // _SECTORS
    module_of = names[enough] % several - 1
    total = int(enough.sum())
    window = half[number_of]
    scale_of = np.bincount(group, weights=scale, minlength=total) / np.bincount(group, minlength=total)
    start = first_guess(group, x, counts, total, window, 1.0)
    peaks = fit_peaks(group, x, counts, total, start)
    certain = _certain(peaks, group, x, total, window)
    # the point lies at the mean azimuth of the pixels that made the peak
    on_peak = np.abs(x - peaks.position[group]) < 1.5 * peaks.width[group]
    weight = np.bincount(group, weights=on_peak, minlength=total)
    azimuth = np.bincount(group, weights=on_peak * chi, minlength=total) / np.maximum(weight, 1)
    at = two_theta[number_of] + peaks.position / scale_of
    point_rows, point_columns = place(geometry, at, azimuth)
    certain &= np.isfinite(point_rows) & np.isfinite(point_columns)
    return RingPoints(
        number_of[certain].astype(np.intp),
        point_rows[certain],
        point_columns[certain],
        peaks.sigma[certain],
        np.angle(np.exp(1j * azimuth[certain])),
        peaks.width[certain],
        peaks.height[certain],
        module_of[certain].astype(np.intp),
        names[enough][certain].astype(np.intp),
    )


def _pixels_of_ring(
    geometry: DetectorGeometry, rows: Floats, columns: Floats, angle: Floats, two_theta: float, half: float
) -> tuple[Integers, Integers, Floats, Floats, Floats] | None:
    """Return pixels near a ring, their sector, distance across the ring (px), azimuth, and px per rad of its sector."""
    around = np.linspace(-np.pi, np.pi, 361)[:-1]
    ring_rows, ring_columns = place(geometry, two_theta, around)
    finite = np.isfinite(ring_rows)
    if finite.sum() < 4:
        return None
    scale = pixels_per_radian(geometry, ring_rows[finite], ring_columns[finite])
    chosen = np.nonzero(np.abs(angle - two_theta) < half / scale.min())[0]
    if len(chosen) < 25:
        return None
    radius = float(np.median(np.hypot(ring_rows[finite] - geometry.beam_centre[0],
                                      ring_columns[finite] - geometry.beam_centre[1])))  # fmt: skip
    sectors = int(np.clip(round(2 * np.pi * radius / ARC), 12, _SECTORS))
    chi = geometry.azimuth(rows[chosen], columns[chosen])
    middle = (np.arange(sectors) + 0.5) / sectors * 2 * np.pi - np.pi
    sector_scale = pixels_per_radian(geometry, *place(geometry, two_theta, middle))
    sector_scale = np.where(np.isfinite(sector_scale), sector_scale, float(np.median(scale)))
    sector = np.minimum(((chi + np.pi) / (2 * np.pi) * sectors).astype(np.intp), sectors - 1)
    x = (angle[chosen] - two_theta) * sector_scale[sector]
    near = np.abs(x) <= half
    return chosen[near], sector[near], x[near], chi[near], sector_scale[sector[near]]


def _certain(peaks: Peaks, group: Integers, x: Floats, total: int, window: Floats) -> Mask:
    """Return which peaks stand out, lie inside their window and have good pixels on both sides."""
    away = (x - peaks.position[group]) / peaks.width[group]

    def number(these: Mask) -> Floats:
        return np.asarray(np.bincount(group, weights=these, minlength=total), dtype=np.float64)

    covered = (number(np.abs(away) < 1) >= 6) & (number(away < -1) >= 4) & (number(away > 1) >= 4)
    # and the top itself: pixels on both flanks
    covered &= (number((away > 0) & (away < 1.2)) >= 3) & (number((away < 0) & (away > -1.2)) >= 3)
    with np.errstate(invalid="ignore", divide="ignore"):
        stands_out = peaks.height / peaks.height_sigma > 6
    inside = (np.abs(peaks.position) < window - 0.7 * peaks.width) & (peaks.width < 0.6 * window) & (peaks.width > 0.3)
    sharp = np.isfinite(peaks.sigma) & (peaks.sigma < 0.5 * peaks.width) & (peaks.sigma > 0)
    return np.asarray(covered & stands_out & inside & sharp)


def _nothing() -> RingPoints:
    none = np.zeros(0)
    whole = np.zeros(0, dtype=np.intp)
    return RingPoints(whole, none, none, none, none, none, none, whole, whole)
