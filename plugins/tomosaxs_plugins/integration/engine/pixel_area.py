"""How a pixel is shared among radial bins: by its exact area, by its extent, by sub-pixels, or not at all.

The lines of equal radial coordinate cut a pixel into strips; the share of a bin is the area of the strip between its
edges. Over a small cell the coordinate is as good as linear, so that the area below an edge is the cumulative
distribution of a sum of two uniform variables, a trapezoid: a closed form. What a cell's curvature changes of the mean
is taken into account, and a pixel near the beam, where lines of equal coordinate bend within it, is divided into as
many cells as this takes.

Coordinates here are in units of the bin width from the first edge on: bin k reaches from k to k + 1. Shares are whole
numbers of a unit, and those of a pixel add up to it: sums of integer counts are then exact in float64.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tomosaxs_plugins.integration.engine.vector import compiled
from tomosaxs_plugins.integration.geometry import DetectorGeometry
from tomosaxs_plugins.integration.radial import RADIAL, RADIUS, SPACING, TWO_THETA, scale_of

AREA_UNIT = 1 << 20
"""Shares by area are whole numbers of this fraction of a pixel: one millionth."""

FULL, BBOX, NO, SUBPIXEL = 0, 1, 2, 3
SPLITTING = {"full": FULL, "bbox": BBOX, "no": NO, "subpixel": SUBPIXEL}

NARROW = 4
"""Bins of a pixel that fit into the table; wider pixels are worked out apart."""

_INFINITE = 1e12  # in place of 1 / sin(theta) at the beam: sums of it stay finite
_CURVED = 3e-4  # sagitta of a line of equal coordinate, in pixels, above which a pixel is divided into cells
_MOST_CELLS = 32  # along an edge; only the pixels around the beam get there


def place_of(geometry: DetectorGeometry, unit: str) -> NDArray[np.float64]:
    """Return the numbers that turn a row and a column (edge coordinates) into a radial coordinate.

    Laboratory positions of the origin, of a step along rows and of one along columns (three numbers each), kind of
    coordinate (see `radial`) and its scale.

    Raises
    ------
    ValueError
        When q is asked for and the wavelength is not known.
    """
    turn = geometry.rotation
    origin = -turn[:, 0] * geometry.poni1 - turn[:, 1] * geometry.poni2 + turn[:, 2] * geometry.distance
    kind, scale = RADIAL[unit].kind, scale_of(geometry, unit)
    steps = turn[:, 0] * geometry.pixel1, turn[:, 1] * geometry.pixel2
    return np.concatenate([origin, *steps, [kind, scale]])


@compiled
def radial_value(place: Any, row: float, column: float) -> float:
    """Return the radial coordinate of a point; no differences of nearly equal numbers near the beam."""
    x = place[0] + row * place[3] + column * place[6]
    y = place[1] + row * place[4] + column * place[7]
    z = place[2] + row * place[5] + column * place[8]
    off = np.sqrt(x * x + y * y)
    if place[9] == RADIUS:
        return float(place[10] * off)
    if place[9] == TWO_THETA:
        return float(place[10] * np.arctan2(off, z))
    length = np.sqrt(off * off + z * z)
    root = np.sqrt(2 * length * (length + z))
    if place[9] == SPACING:
        return float(place[10] * min(root / off, _INFINITE))
    return float(place[10] * off / root)


@compiled
def area_below(z: float, along: float, across: float) -> float:
    """Return the part of a unit square where ``along * u + across * v < z``, for u, v from -1/2 to 1/2."""
    a, b = abs(along), abs(across)
    if a < b:
        a, b = b, a
    outer, inner = (a + b) / 2, (a - b) / 2
    if z <= -outer:
        return 0.0
    if z >= outer:
        return 1.0
    if z < -inner:
        return (z + outer) ** 2 / (2 * a * b)
    if z > inner:
        return 1 - (outer - z) ** 2 / (2 * a * b)
    return 0.5 + z / a


@compiled
def _add_cell(
    below: Any, edges: int, first: int, t00: float, t01: float, t10: float, t11: float, centre: float
) -> None:
    """Add the area below every edge of a cell with these values at its corners and centre."""
    mean = ((t00 + t01 + t10 + t11) / 4 + 2 * centre) / 3  # Simpson's rule: exact to third order
    along = (t10 + t11 - t00 - t01) / 2
    across = (t01 + t11 - t00 - t10) / 2
    for k in range(edges):
        below[k] += area_below(first + k - mean, along, across)


@compiled
def _areas(
    place: Any,
    row: int,
    column: int,
    origin: float,
    scale: float,
    beam: bool,
    corners: Any,
    bins: int,
    below: Any,
    shares: Any,
) -> tuple[int, int]:
    """Fill in the shares by area of a pixel; return the first bin and the number of bins."""
    t00, t01, t10, t11 = corners[0], corners[1], corners[2], corners[3]
    centre = (radial_value(place, row + 0.5, column + 0.5) - origin) * scale
    bend = abs((t00 + t01 + t10 + t11) / 4 - centre)
    low = min(min(t00, t01), min(t10, t11)) - 2 * bend  # an edge, or the beam inside, may be nearer than the corners
    high = max(max(t00, t01), max(t10, t11))
    first, last = max(0, int(np.floor(low))), min(bins - 1, int(np.floor(high)))
    if high < 0 or low >= bins or last < first:
        return 0, 0
    edges = last - first + 2
    steepest = max(abs(t10 + t11 - t00 - t01), abs(t01 + t11 - t00 - t10)) / 2
    cells = 1
    if beam:
        cells = _MOST_CELLS
    elif bend > _CURVED * steepest:
        cells = min(_MOST_CELLS, int(np.ceil(np.sqrt(bend / (_CURVED * steepest))))) if steepest > 0 else _MOST_CELLS
    below[:edges] = 0.0
    if cells == 1:
        _add_cell(below, edges, first, t00, t01, t10, t11, centre)
    else:
        for i in range(cells):
            for j in range(cells):
                top, left, side = row + i / cells, column + j / cells, 1 / cells
                _add_cell(
                    below, edges, first,
                    (radial_value(place, top, left) - origin) * scale,
                    (radial_value(place, top, left + side) - origin) * scale,
                    (radial_value(place, top + side, left) - origin) * scale,
                    (radial_value(place, top + side, left + side) - origin) * scale,
                    (radial_value(place, top + side / 2, left + side / 2) - origin) * scale,
                )  # fmt: skip
    return first, _whole_shares(below, edges, 1.0 / (cells * cells), low >= first, high <= last + 1, shares)


@compiled
def _extent(centre: float, corners: Any, bins: int, below: Any, shares: Any) -> tuple[int, int]:
    """Fill in the shares of a pixel as if it were spread evenly over its extent; return first bin and number."""
    half = 0.0
    for k in range(4):
        half = max(half, abs(corners[k] - centre))
    low, high = centre - half, centre + half
    first, last = max(0, int(np.floor(low))), min(bins - 1, int(np.floor(high)))
    if high < 0 or low >= bins or last < first:
        return 0, 0
    edges = last - first + 2
    for k in range(edges):
        below[k] = min(1.0, max(0.0, (first + k - low) / (high - low)))
    return first, _whole_shares(below, edges, 1.0, low >= first, high <= last + 1, shares)


@compiled
def _whole_shares(below: Any, edges: int, factor: float, begins: bool, ends: bool, shares: Any) -> int:
    """Turn areas below edges into whole shares between them; `begins`, `ends`: the pixel lies within that edge."""
    before = 0 if begins else int(np.rint(below[0] * factor * AREA_UNIT))
    for k in range(1, edges):
        until = int(np.rint(below[k] * factor * AREA_UNIT))
        if k == edges - 1 and ends:
            until = AREA_UNIT
        shares[k - 1] = until - before
        before = until
    return edges - 1


@compiled
def _subpixels(
    place: Any, row: int, column: int, origin: float, scale: float, side: int, bins: int, shares: Any
) -> tuple[int, int]:
    """Count the centres of side x side sub-pixels in every bin; return the first bin and the number of bins."""
    first, last = bins, -1
    for k in range(side * side):
        value = radial_value(place, row + (k // side + 0.5) / side, column + (k % side + 0.5) / side)
        at = int(np.floor((value - origin) * scale))
        first, last = min(first, at), max(last, at)
    first, last = max(first, 0), min(last, bins - 1)
    if last < first:
        return 0, 0
    shares[: last - first + 1] = 0
    for k in range(side * side):
        value = radial_value(place, row + (k // side + 0.5) / side, column + (k % side + 0.5) / side)
        at = int(np.floor((value - origin) * scale))
        if first <= at <= last:
            shares[at - first] += 1
    return first, last - first + 1


@compiled
def pixel_shares(
    place: Any,
    row: int,
    column: int,
    origin: float,
    scale: float,
    bins: int,
    splitting: int,
    side: int,
    beam_row: float,
    beam_column: float,
    corners: Any,
    below: Any,
    shares: Any,
) -> tuple[int, int]:
    """Work out the shares of one pixel.

    Parameters
    ----------
    place : ndarray, shape (11,)
        See `place_of`.
    origin, scale : float
        First edge of the bins, and bins per unit of the radial coordinate.
    splitting, side : int
        One of `SPLITTING`; sub-pixels along an edge.
    beam_row, beam_column : float
        Where the beam meets the detector.
    corners : ndarray, shape (4,)
        Coordinates at the corners, in bins (not used by `NO` and `SUBPIXEL`).
    below : ndarray, shape (bins + 1,)
        Scratch.
    shares : ndarray, shape (bins,), int64
        Filled in: whole shares from the first bin on.

    Returns
    -------
    first, number : int
        First bin, and how many; no bins where the pixel lies outside of the range. First and last share are not zero.
    """
    if splitting == FULL:
        beam = row <= beam_row <= row + 1 and column <= beam_column <= column + 1
        first, number = _areas(place, row, column, origin, scale, beam, corners, bins, below, shares)
    elif splitting == BBOX:
        centre = (radial_value(place, row + 0.5, column + 0.5) - origin) * scale
        first, number = _extent(centre, corners, bins, below, shares)
    else:
        first, number = _subpixels(place, row, column, origin, scale, side, bins, shares)
    skipped = 0
    while number > 0 and shares[skipped + number - 1] == 0:
        number -= 1
    while number > 0 and shares[skipped] == 0:
        skipped += 1
        number -= 1
    if skipped:
        for k in range(number):
            shares[k] = shares[skipped + k]
    return first + skipped, number


@compiled
def share_rows(
    place: Any,
    usable: Any,
    first_row: int,
    last_row: int,
    origin: float,
    scale: float,
    bins: int,
    splitting: int,
    side: int,
    beam_row: float,
    beam_column: float,
    first: Any,
    number: Any,
    narrow: Any,
) -> None:
    """Work out the pixels of some rows: first bin, number of bins, and the shares where there are at most `NARROW`.

    `usable` (rows, columns) bool says which pixels to look at; `first` and `number` (rows, columns) int32 and `narrow`
    (rows, columns, NARROW) float32 are filled in, the latter with zeros behind the last share.
    """
    columns = usable.shape[1]
    below, shares, corners = np.empty(bins + 1), np.empty(bins, dtype=np.int64), np.zeros(4)
    needs_corners = splitting <= BBOX
    for row in range(first_row, last_row):
        known = -1  # the column whose left corners are in place
        for column in range(columns):
            number[row, column] = 0
            if not usable[row, column]:
                continue
            if needs_corners:
                if known != column:
                    corners[1] = (radial_value(place, row, column) - origin) * scale
                    corners[3] = (radial_value(place, row + 1, column) - origin) * scale
                corners[0], corners[2] = corners[1], corners[3]
                corners[1] = (radial_value(place, row, column + 1) - origin) * scale
                corners[3] = (radial_value(place, row + 1, column + 1) - origin) * scale
                known = column + 1
            found, count = pixel_shares(
                place, row, column, origin, scale, bins, splitting, side, beam_row, beam_column, corners, below, shares
            )
            first[row, column], number[row, column] = found, count
            for k in range(NARROW):
                narrow[row, column, k] = shares[k] if k < count <= NARROW else 0


@compiled
def share_pixels(
    place: Any,
    pixels: Any,
    columns: int,
    origin: float,
    scale: float,
    bins: int,
    splitting: int,
    side: int,
    beam_row: float,
    beam_column: float,
    starts: Any,
    weights: Any,
) -> None:
    """Work out single pixels (flat indices): fill in `weights` from each one's place in `starts` on."""
    below, shares, corners = np.empty(bins + 1), np.empty(bins, dtype=np.int64), np.zeros(4)
    for number in range(pixels.size):
        row, column = pixels[number] // columns, pixels[number] % columns
        for k in range(4):
            corners[k] = (radial_value(place, row + k // 2, column + k % 2) - origin) * scale
        _, count = pixel_shares(
            place, row, column, origin, scale, bins, splitting, side, beam_row, beam_column, corners, below, shares
        )
        for k in range(count):
            weights[starts[number] + k] = shares[k]
