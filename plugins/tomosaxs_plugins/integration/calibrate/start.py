"""A first geometry from the image alone: centre from the rings' normals, distance from their radii; plain numpy."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from tomosaxs_plugins.integration.calibrate.ridges import Ridges

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]
_TOLERANCE = np.radians(3.0)
"""By how much a ring's normal may miss the centre: tilts of up to 20 degrees turn it by about this much."""


@dataclass(frozen=True, eq=False)
class Rings:
    """Radii (px) of the rings seen around a centre, inner first; how many points each has; their widths."""

    centre: tuple[float, float]
    radii: Floats
    points: Floats
    widths: Floats


@dataclass(frozen=True)
class Distance:
    """A sample-detector distance in px and how well the rings agree with it, 0 to 1."""

    pixels: float
    score: float
    matched: int
    seen: int
    expected: int


def find_centre(
    ridges: Ridges,
    shape: tuple[int, int],
    near: tuple[float, float] | None = None,
    reach: float | None = None,
) -> tuple[tuple[float, float], float]:
    """Return the point (row, column) where most normals meet, and the share of them that do.

    Parameters
    ----------
    ridges : Ridges
    shape : (rows, columns)
        The centre may lie outside, by up to one and a half times this.
    near, reach : optional
        Look no further than `reach` pixels from `near`.
    """
    generator = np.random.default_rng(1)
    number = len(ridges)
    points = np.stack([ridges.rows, ridges.columns], axis=1)
    normals = np.stack([ridges.normal_rows, ridges.normal_columns], axis=1)
    one, two = generator.integers(0, number, (2, 20000))
    cross = normals[one, 0] * normals[two, 1] - normals[one, 1] * normals[two, 0]
    steep = np.abs(cross) > 0.17
    one, two, cross = one[steep], two[steep], cross[steep]
    way = points[two] - points[one]
    along = (way[:, 0] * normals[two, 1] - way[:, 1] * normals[two, 0]) / cross
    meet = points[one] + along[:, None] * normals[one]
    size = np.asarray(shape, dtype=np.float64)
    inside = np.all((meet > -1.5 * size) & (meet < 2.5 * size), axis=1)
    if near is not None and reach is not None:
        inside &= np.hypot(*(meet - np.asarray(near)).T) < reach
    candidates = meet[inside][:500]
    if near is not None:
        candidates = np.concatenate([np.asarray(near, dtype=np.float64)[None], candidates])
    if len(candidates) == 0:
        return (float(size[0] / 2), float(size[1] / 2)), 0.0
    voters = generator.choice(number, min(number, 800), replace=False)
    votes = _votes(candidates, points[voters], normals[voters])
    best = candidates[votes.argmax()]
    for tolerance in (2.0, 1.0, 0.7, 0.5):
        best = _meeting_point(best, points, normals, tolerance * _TOLERANCE)
    share = float(_votes(best[None], points, normals)[0] / number)
    return (float(best[0]), float(best[1])), share


def _votes(candidates: Floats, points: Floats, normals: Floats) -> Floats:
    way = points[None] - candidates[:, None]
    miss = np.abs(way[..., 0] * normals[:, 1] - way[..., 1] * normals[:, 0]) / np.maximum(
        np.hypot(way[..., 0], way[..., 1]), 1.0
    )
    return np.asarray(np.exp(-0.5 * (miss / _TOLERANCE) ** 2).sum(axis=1))


def _meeting_point(start: Floats, points: Floats, normals: Floats, tolerance: float) -> Floats:
    """Return the point nearest to all normals that pass `start` closely, weighted as angles."""
    centre = start
    across = np.stack([normals[:, 1], -normals[:, 0]], axis=1)
    for _ in range(5):
        way = points - centre
        length = np.maximum(np.hypot(way[:, 0], way[:, 1]), 5.0)
        miss = np.einsum("nk,nk->n", way, across) / length
        weight = np.exp(-0.5 * (miss / tolerance) ** 2) / length**2
        matrix = np.einsum("n,ni,nj->ij", weight, across, across)
        if not np.linalg.cond(matrix) < 1e8:
            return centre
        centre = np.linalg.solve(matrix, np.einsum("n,ni,nj,nj->i", weight, across, across, points))
    return np.asarray(centre)


def towards(ridges: Ridges, centre: tuple[float, float], tolerance: float = 3.0) -> NDArray[np.bool_]:
    """Return which ridges have a normal that passes the centre (within `tolerance` times the usual one)."""
    down, right = ridges.rows - centre[0], ridges.columns - centre[1]
    miss = np.abs(down * ridges.normal_columns - right * ridges.normal_rows) / np.maximum(np.hypot(down, right), 1.0)
    return np.asarray(miss < tolerance * _TOLERANCE)


def visible_share(mask: Mask, centre: tuple[float, float], largest: float) -> Floats:
    """Return, for radii 0, 1, 2 ... px, the share of the full circle that falls on good pixels."""
    rows = np.arange(mask.shape[0])[:, None] + 0.5 - centre[0]
    columns = np.arange(mask.shape[1])[None, :] + 0.5 - centre[1]
    radius = np.hypot(rows, columns)[~mask]
    size = int(largest) + 2
    number = np.bincount(radius[radius < size].astype(np.intp), minlength=size)[:size]
    return np.minimum(number / (2 * np.pi * (np.arange(size) + 0.5)), 1.0)


def find_rings(ridges: Ridges, centre: tuple[float, float], share: Floats) -> Rings:
    """Return the radii at which ridge points crowd, as parts of the circle that can be seen there."""
    good = towards(ridges, centre)
    radius = np.hypot(ridges.rows - centre[0], ridges.columns - centre[1])[good]
    size = len(share)
    radius = radius[(radius > 3) & (radius < size - 1)]
    number = np.bincount(radius.astype(np.intp), minlength=size)[:size].astype(np.float64)
    blur = max(1.5, 0.7 * ridges.scale)
    crowd = ndimage.gaussian_filter1d(number, blur, mode="constant")
    possible = ndimage.gaussian_filter1d(share * 2 * np.pi * (np.arange(size) + 0.5), blur, mode="constant")
    with np.errstate(divide="ignore", invalid="ignore"):
        density = np.where(possible > 3, crowd / possible, 0.0)
    peak = ndimage.maximum_filter1d(density, int(2 * blur) * 2 + 1)
    level = max(0.25 * float(np.percentile(peak[peak > 0], 75)), 0.01) if (peak > 0).any() else 1.0
    tops = np.nonzero((density == peak) & (density > level) & (crowd > 1.0))[0]
    radii: list[float] = []
    points: list[float] = []
    widths: list[float] = []
    for top in tops:
        near = radius[np.abs(radius - top - 0.5) < 3 * blur]
        if len(near) < 8:
            continue
        middle = float(np.median(near))
        if radii and middle - radii[-1] < 2 * blur:
            continue
        radii.append(middle)
        points.append(float(len(near)))
        widths.append(float(1.4826 * np.median(np.abs(near - middle))) + 0.5)
    return Rings(centre, np.asarray(radii), np.asarray(points), np.asarray(widths))


def find_distance(
    rings: Rings,
    two_theta: Floats,
    share: Floats,
    limits: tuple[float, float] | None = None,
) -> list[Distance]:
    """Try every pair of a seen ring and a ring of the standard; return the best distances, best first.

    A distance is good when the rings seen lie where the standard has some, and those of the standard that
    could be seen are there.

    Parameters
    ----------
    rings : Rings
    two_theta : (n,) array
        Of the standard's rings, rad, smallest first.
    share : array
        As from `visible_share`.
    limits : (smallest, largest), optional
        Of the distance, px.
    """
    forward = two_theta[two_theta < np.radians(85)]
    tangents = np.tan(forward)
    if len(rings.radii) == 0 or len(tangents) == 0:
        return []
    pairs = (rings.radii[:, None] / tangents[None, :30]).ravel()
    if limits is not None:
        pairs = np.append(pairs[(pairs >= limits[0]) & (pairs <= limits[1])], np.sqrt(limits[0] * limits[1]))
    found: list[Distance] = []
    for pixels in np.unique(np.round(pairs, 3)):
        found.append(_judge(float(pixels), rings, tangents, share))
    found.sort(key=lambda each: -each.score)
    distinct: list[Distance] = []
    for each in found:
        if all(abs(each.pixels / other.pixels - 1) > 0.03 for other in distinct):
            distinct.append(each)
        if len(distinct) == 5:
            break
    return distinct


def _judge(pixels: float, rings: Rings, tangents: Floats, share: Floats) -> Distance:
    theory = pixels * tangents
    reach = rings.radii[-1] * 1.03
    theory = theory[(theory < reach) & (theory > 3)]
    if len(theory) == 0:
        return Distance(pixels, 0.0, 0, len(rings.radii), 0)
    tolerance = np.maximum(0.012 * rings.radii, 1.5) + rings.widths
    # where the standard's rings crowd, any radius would be near one: ask for more there
    gaps = np.diff(theory, prepend=0.0) if len(theory) > 1 else theory
    nearest = np.abs(rings.radii[:, None] - theory).argmin(axis=1)
    tolerance = np.minimum(tolerance, 0.25 * gaps[nearest])
    off = np.abs(rings.radii - theory[nearest]) / np.maximum(tolerance, 0.3)
    good = off < 1
    visible = share[np.clip(theory.astype(np.intp), 0, len(share) - 1)] > 0.03
    expected = np.nonzero(visible)[0]
    if len(expected) == 0 or not good.any():
        return Distance(pixels, 0.0, 0, len(rings.radii), len(expected))
    met = set(nearest[good])
    recall = sum(1 for each in expected if each in met) / len(expected)
    # a ring counts by the part of what can be seen of it that is there, whatever its radius
    arc = 2 * np.pi * rings.radii * share[np.clip(rings.radii.astype(np.intp), 0, len(share) - 1)]
    dense = rings.points / np.maximum(arc, 10.0)
    weight = np.sqrt(np.clip(dense / dense.max(), 0.02, 1.0))
    precision = float((weight * good * (1 - 0.5 * off**2)).sum() / weight.sum())
    return Distance(pixels, precision * recall, len(met), len(rings.radii), len(expected))
