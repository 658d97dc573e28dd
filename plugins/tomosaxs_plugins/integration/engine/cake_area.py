"""How a pixel is shared among the bins of a cake: cells of the plane of radial coordinate and azimuth.

Along the radius shares are those of `pixel_area`. A line of equal azimuth is a straight ray from the point where the
beam meets a flat detector, so that azimuths cut a pixel into polygons, exactly; of every polygon, the area between
lines of equal radial coordinate is taken, which are as good as straight over a small cell. Each radial share is then
divided among azimuths in whole numbers: summed over azimuths, a cake is the curve, to the last bit.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tomosaxs_plugins.integration.engine.pixel_area import FULL, pixel_shares, radial_value
from tomosaxs_plugins.integration.engine.vector import compiled

_CURVED = 3e-4  # sagitta of a line of equal coordinate, in pixels, above which a pixel is divided into cells
_MOST_CELLS = 32  # along an edge; only the pixels around the beam get there
_CORNERS = 16  # room for a polygon: a square clipped by a wedge has at most six


@compiled
def azimuth_value(place: Any, down: float, right: float) -> float:
    """Return the azimuth (deg, -180 to 180) of a point `down` rows and `right` columns of where the beam falls."""
    first = down * place[3] + right * place[6]
    second = down * place[4] + right * place[7]
    return float(np.degrees(np.arctan2(-first, second)))


@compiled
def clip(x: Any, y: Any, number: int, a: float, b: float, c: float, new_x: Any, new_y: Any) -> int:
    """Write the part of a convex polygon where ``a x + b y <= c`` into `new_x`, `new_y`; return its corners."""
    count = 0
    for k in range(number):
        following = k + 1 if k + 1 < number else 0
        here, there = a * x[k] + b * y[k] - c, a * x[following] + b * y[following] - c
        if here <= 0:
            new_x[count], new_y[count] = x[k], y[k]
            count += 1
        if (here < 0 < there) or (there < 0 < here):
            t = here / (here - there)
            new_x[count], new_y[count] = x[k] + t * (x[following] - x[k]), y[k] + t * (y[following] - y[k])
            count += 1
    return count


@compiled
def area(x: Any, y: Any, number: int) -> float:
    """Return the area of a polygon."""
    total = 0.0
    for k in range(1, number - 1):  # triangles from the first corner: no differences of large products
        total += (x[k] - x[0]) * (y[k + 1] - y[0]) - (x[k + 1] - x[0]) * (y[k] - y[0])
    return abs(total) / 2


@compiled
def _sector_of(value: float, bins: int, turn: float) -> tuple[int, int]:
    """Return sector and turn of an azimuth in sectors; sector `bins` is the gap that is left of a circle."""
    turns = int(np.floor(value / turn))
    sector = min(max(int(np.floor(value - turns * turn)), 0), bins)
    if sector == bins and turn == bins:
        return 0, turns + 1
    return sector, turns


@compiled
def _end_of(sector: int, turns: int, bins: int, turn: float) -> float:
    """Return where a sector ends."""
    return turns * turn + (turn if sector == bins else sector + 1.0)


@compiled
def _following(sector: int, turns: int, bins: int, turn: float) -> tuple[int, int]:
    """Return the sector after this one, and its turn."""
    if sector + 1 < bins or (sector + 1 == bins and turn > bins):
        return sector + 1, turns
    return 0, turns + 1


@compiled
def _span(
    place: Any, top: float, left: float, height: float, width: float, low: float, scale: float, turn: float
) -> tuple[float, float]:
    """Return the azimuths, in sectors, between which a rectangle lies; positions count from where the beam falls."""
    centre = (azimuth_value(place, top + height / 2, left + width / 2) - low) * scale
    first = last = centre
    for k in range(4):
        down, right = top + (k // 2) * height, left + (k % 2) * width
        if abs(down) + abs(right) < 1e-9:
            continue  # the beam itself has no azimuth
        off = (azimuth_value(place, down, right) - low) * scale - centre
        off -= turn * np.rint(off / turn)  # a rectangle without the beam inside spans less than half a turn
        first, last = min(first, centre + off), max(last, centre + off)
    return first, last


@compiled
def _place_in(labels: Any, sector: int) -> int:
    """Return where a sector stands, or -1."""
    for piece in range(labels.size):
        if labels[piece] == sector:
            return piece
    return -1


@compiled
def _cut_cell(
    place: Any, top: float, left: float, height: float, width: float, beam: Any, radial: Any, azimuthal: Any,
    edges: Any, first_bin: int, number: int, labels: Any, polygons: Any, below: Any,
) -> None:  # fmt: skip
    """Add the area of a cell's pieces below every radial edge; rows of `below` are the sectors of `labels`."""
    origin, radial_scale = radial
    low, scale, bins, turn = azimuthal
    row, column = top + beam[0], left + beam[1]
    t00 = (radial_value(place, row, column) - origin) * radial_scale
    t01 = (radial_value(place, row, column + width) - origin) * radial_scale
    t10 = (radial_value(place, row + height, column) - origin) * radial_scale
    t11 = (radial_value(place, row + height, column + width) - origin) * radial_scale
    centre = (radial_value(place, row + height / 2, column + width / 2) - origin) * radial_scale
    mean = ((t00 + t01 + t10 + t11) / 4 + 2 * centre) / 3
    along, across = (t10 + t11 - t00 - t01) / 2, (t01 + t11 - t00 - t10) / 2
    first, last = _span(place, top, left, height, width, low, scale, turn)
    rest, kept, other, strip = polygons[0], polygons[1], polygons[2], polygons[3]
    rest[0, 0], rest[0, 1], rest[0, 2], rest[0, 3] = -0.5, -0.5, 0.5, 0.5
    rest[1, 0], rest[1, 1], rest[1, 2], rest[1, 3] = -0.5, 0.5, 0.5, -0.5
    corners, whole = 4, height * width
    sector, turns = _sector_of(first, bins, turn)
    piece = _place_in(labels, sector)
    if piece < 0:  # a rounding error below the pixel's first sector
        sector, turns = _sector_of(first + 1e-9, bins, turn)
        piece = max(0, _place_in(labels, sector))
    while True:
        end = _end_of(sector, turns, bins, turn)
        if end < last:
            edge = 0 if sector == bins else sector + 1
            a = edges[0, edge] * place[3] + edges[1, edge] * place[4]
            b = edges[0, edge] * place[6] + edges[1, edge] * place[7]
            c = -a * (top + height / 2) - b * (left + width / 2)
            count = clip(rest[0], rest[1], corners, -a * height, -b * width, -c, kept[0], kept[1])
            left_over = clip(rest[0], rest[1], corners, a * height, b * width, c, other[0], other[1])
        else:
            count, left_over = corners, 0
            for k in range(corners):
                kept[0, k], kept[1, k] = rest[0, k], rest[1, k]
        if count > 2:
            for k in range(number + 1):
                corners_below = clip(kept[0], kept[1], count, along, across, first_bin + k - mean, strip[0], strip[1])
                if corners_below > 2:
                    below[piece, k] += area(strip[0], strip[1], corners_below) * whole
        if left_over < 3:
            return
        corners = left_over
        for k in range(corners):
            rest[0, k], rest[1, k] = other[0, k], other[1, k]
        sector, turns = _following(sector, turns, bins, turn)
        piece = piece + 1 if piece + 1 < labels.size else 0  # where the pixel holds the beam, sectors go round
        if labels[piece] != sector:
            return  # a sliver by rounding


@compiled
def _cells(corners: Any, centre: float) -> int:
    """Return into how many cells along an edge a pixel is to be divided."""
    t00, t01, t10, t11 = corners[0], corners[1], corners[2], corners[3]
    bend = abs((t00 + t01 + t10 + t11) / 4 - centre)
    steepest = max(abs(t10 + t11 - t00 - t01), abs(t01 + t11 - t00 - t10)) / 2
    if bend <= _CURVED * steepest:
        return 1
    return min(_MOST_CELLS, int(np.ceil(np.sqrt(bend / (_CURVED * steepest))))) if steepest > 0 else _MOST_CELLS


@compiled
def _divide_shares(shares: Any, number: int, below: Any, pieces: int, parts: Any) -> None:
    """Divide whole radial shares among pieces in proportion to their areas: whole numbers that add up."""
    for k in range(number):
        total = 0.0
        for piece in range(pieces):
            total += max(0.0, below[piece, k + 1] - below[piece, k])
        before, cumulated = 0, 0.0
        for piece in range(pieces):
            cumulated += max(0.0, below[piece, k + 1] - below[piece, k])
            until = int(np.rint(shares[k] * (cumulated / total))) if total > 0 else 0
            if piece == pieces - 1:
                until = shares[k]
            parts[piece, k] = until - before
            before = until


@compiled
def _trimmed(shares: Any, number: int) -> tuple[int, int]:
    """Return how many zeros shares begin with, and how many shares there are from there to the last that is not 0."""
    begin, end = 0, number
    while end > 0 and shares[end - 1] == 0:
        end -= 1
    while begin < end and shares[begin] == 0:
        begin += 1
    return begin, end - begin


@compiled
def _grown(table: Any, size: int) -> Any:
    """Return the table with room for at least `size` columns."""
    if size <= table.shape[1]:
        return table
    larger = np.empty((table.shape[0], max(size, 2 * table.shape[1])), dtype=table.dtype)
    for row in range(table.shape[0]):
        for column in range(table.shape[1]):
            larger[row, column] = table[row, column]
    return larger


@compiled
def _grown_line(line: Any, size: int) -> Any:
    """Return the line with room for at least `size` entries."""
    if size <= line.size:
        return line
    larger = np.empty(max(size, 2 * line.size), dtype=line.dtype)
    for k in range(line.size):
        larger[k] = line[k]
    return larger


@compiled
def _sectors_of(place: Any, top: float, left: float, azimuthal: Any, labels: Any) -> int:
    """Fill in the sectors that a pixel reaches; return their number. The pixel around the beam reaches all."""
    low, scale, bins, turn = azimuthal
    if -1 <= top <= 0 and -1 <= left <= 0:
        number = bins + 1 if turn > bins else bins
        for k in range(number):
            labels[k] = k
        return int(number)
    first, last = _span(place, top, left, 1.0, 1.0, low, scale, turn)
    sector, turns = _sector_of(first, bins, turn)
    labels[0] = sector
    number = 1
    while _end_of(sector, turns, bins, turn) < last and number < labels.size:
        sector, turns = _following(sector, turns, bins, turn)
        labels[number] = sector
        number += 1
    return number


@compiled
def _cut_rectangle(
    place: Any, top: float, left: float, height: float, width: float, cells: int, beam: Any, radial: Any,
    azimuthal: Any, edges: Any, first_bin: int, number: int, labels: Any, polygons: Any, below: Any,
) -> None:  # fmt: skip
    """Add the areas of a rectangle, divided into cells x cells."""
    high, wide = height / cells, width / cells
    for i in range(cells):
        for j in range(cells):
            _cut_cell(
                place, top + i * high, left + j * wide, high, wide, beam, radial, azimuthal, edges, first_bin,
                number, labels, polygons, below,
            )  # fmt: skip


@compiled
def _cut_pixel(
    place: Any, top: float, left: float, corners: Any, beam: Any, radial: Any, azimuthal: Any, edges: Any,
    first_bin: int, number: int, labels: Any, polygons: Any, below: Any,
) -> None:  # fmt: skip
    """Fill in the areas of a pixel's pieces below every radial edge."""
    below[: labels.size, : number + 1] = 0.0
    if not (-1 <= top <= 0 and -1 <= left <= 0):
        centre = (radial_value(place, top + beam[0] + 0.5, left + beam[1] + 0.5) - radial[0]) * radial[1]
        _cut_rectangle(
            place, top, left, 1.0, 1.0, _cells(corners, centre), beam, radial, azimuthal, edges, first_bin, number,
            labels, polygons, below,
        )  # fmt: skip
        return
    for quarter in range(4):  # four rectangles that meet in the beam
        lower, right = quarter // 2 == 1, quarter % 2 == 1
        height, width = 1 + top if lower else -top, 1 + left if right else -left
        if height > 0 and width > 0:
            _cut_rectangle(
                place, 0.0 if lower else top, 0.0 if right else left, height, width, _MOST_CELLS // 2, beam, radial,
                azimuthal, edges, first_bin, number, labels, polygons, below,
            )  # fmt: skip


@compiled
def _count_subpixels(
    place: Any, row: int, column: int, side: int, beam: Any, radial: Any, azimuthal: Any, first_bin: int, number: int,
    labels: Any, parts: Any,
) -> None:  # fmt: skip
    """Count the centres of side x side sub-pixels in every sector and bin."""
    low, scale, bins, turn = azimuthal
    parts[: labels.size, :number] = 0
    for k in range(side * side):
        down, right = row + (k // side + 0.5) / side, column + (k % side + 0.5) / side
        at = int(np.floor((radial_value(place, down, right) - radial[0]) * radial[1])) - first_bin
        sector = _sector_of((azimuth_value(place, down - beam[0], right - beam[1]) - low) * scale, bins, turn)[0]
        piece = _place_in(labels, sector)
        if piece >= 0 and 0 <= at < number:
            parts[piece, at] += 1


@compiled
def share_cake_rows(
    place: Any, usable: Any, first_row: int, last_row: int, radial: Any, radial_bins: int, azimuthal: Any, edges: Any,
    splitting: int, side: int, beam: Any,
) -> Any:  # fmt: skip
    """Work out the shares of the pixels of some rows.

    Parameters
    ----------
    place : ndarray, shape (11,)
        See `pixel_area.place_of`.
    usable : (rows, columns) bool array
        Which pixels to look at.
    radial, radial_bins
        First edge and bins per unit of the radial coordinate; number of bins.
    azimuthal : (low, scale, bins, turn)
        First edge (deg), sectors per degree, number of sectors, sectors in 360 degrees (equal to `bins`, exactly,
        where they fill the circle).
    edges : (2, bins + 1) float64 array
        Cosine and sine of the edges.
    splitting, side : int
        ``FULL``, else sub-pixels along an edge whose centres count.
    beam : (row, column)
        Where the beam meets the detector.

    Returns
    -------
    pixel, sector, first, number, weights : arrays
        Runs of consecutive radial bins: flat pixel, sector, first bin, how many; then all their shares.
    """
    columns, bins = usable.shape[1], azimuthal[2]
    table, weights = np.empty((4, 1024), dtype=np.int64), np.empty(4096, dtype=np.float32)
    runs = filled = 0
    scratch, shares = np.empty(radial_bins + 1), np.empty(radial_bins, dtype=np.int64)
    below, parts = np.zeros((4, 16)), np.zeros((4, 16), dtype=np.int64)
    labels, polygons, corners = np.empty(bins + 2, dtype=np.int64), np.empty((4, 2, _CORNERS)), np.zeros(4)
    for row in range(first_row, last_row):
        for column in range(columns):
            if not usable[row, column]:
                continue
            for k in range(4 if splitting == FULL else 0):
                corners[k] = (radial_value(place, row + k // 2, column + k % 2) - radial[0]) * radial[1]
            first, number = pixel_shares(
                place, row, column, radial[0], radial[1], radial_bins, splitting, side, beam[0], beam[1], corners,
                scratch, shares,
            )  # fmt: skip
            if number == 0:
                continue
            top, left = row - beam[0], column - beam[1]
            pieces = _sectors_of(place, top, left, azimuthal, labels)
            here = labels[:pieces]
            if pieces > below.shape[0] or number >= below.shape[1]:
                room = max(pieces, below.shape[0]), max(number + 1, below.shape[1])
                below, parts = np.zeros(room), np.zeros(room, dtype=np.int64)
            if pieces == 1:
                for k in range(number):
                    parts[0, k] = shares[k]
            elif splitting == FULL:
                _cut_pixel(
                    place, top, left, corners, beam, radial, azimuthal, edges, first, number, here, polygons, below
                )
                _divide_shares(shares, number, below, pieces, parts)
            else:
                _count_subpixels(place, row, column, side, beam, radial, azimuthal, first, number, here, parts)
            for piece in range(pieces):
                skipped, count = _trimmed(parts[piece], number)
                if count == 0 or here[piece] == bins:  # the latter is the gap that is left of a circle
                    continue
                table, weights = _grown(table, runs + 1), _grown_line(weights, filled + count)
                table[0, runs], table[1, runs] = row * columns + column, here[piece]
                table[2, runs], table[3, runs] = first + skipped, count
                for k in range(count):
                    weights[filled + k] = parts[piece, skipped + k]
                runs, filled = runs + 1, filled + count
    return table[0, :runs], table[1, :runs], table[2, :runs], table[3, :runs], weights[:filled]
