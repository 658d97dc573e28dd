"""Shares of all pixels in the cells of a plane of radial bins and azimuthal sectors."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tomosaxs_plugins.integration.engine.cake_area import share_cake_rows
from tomosaxs_plugins.integration.engine.pixel_area import AREA_UNIT, FULL, SPLITTING, SUBPIXEL, place_of
from tomosaxs_plugins.integration.geometry import DetectorGeometry

_BAND = 32  # rows worked out by one thread at a time

CAKE_SPLITTING = ("full", "no", "subpixel")
"""How a pixel may be shared: by its area, by its centre, by the centres of its sub-pixels."""


@dataclass(frozen=True, eq=False)
class Runs:
    """Shares of pixels: runs of consecutive radial bins in one sector, in the order of the pixels.

    Parameters
    ----------
    pixel, sector, first, number : (r,) arrays
        Flat pixel, sector, first radial bin and number of bins of every run.
    starts : (r + 1,) int64 array
        Where a run's shares begin in `shares`.
    shares : float64 array
        Whole numbers; `one` is a whole pixel.
    one : float
    """

    pixel: NDArray[np.int64]
    sector: NDArray[np.int64]
    first: NDArray[np.int64]
    number: NDArray[np.int64]
    starts: NDArray[np.int64]
    shares: NDArray[np.float64]
    one: float

    @property
    def pixels(self) -> NDArray[np.int64]:
        """Pixel of every share."""
        return np.repeat(self.pixel, self.number)

    def cells(self, radial_bins: int) -> NDArray[np.int64]:
        """Return the flat cell of every share, when sectors are rows of `radial_bins` bins."""
        begin = self.sector * radial_bins + self.first - self.starts[:-1]
        return np.repeat(begin, self.number) + np.arange(self.shares.size)


def share_cake(
    geometry: DetectorGeometry,
    usable: NDArray[np.bool_],
    radial: tuple[int, float, float, str],
    azimuthal: tuple[int, float, float],
    *,
    splitting: str = "full",
    oversampling: int = 3,
    fold: bool = False,
    threads: int = 1,
) -> Runs:
    """Share pixels among the cells of a cake.

    Parameters
    ----------
    usable : (rows, columns) bool array
        Pixels to look at.
    radial : (bins, low, high, unit)
        Number of equal bins, their outer edges, and the radial unit.
    azimuthal : (sectors, low, high)
        Number of equal sectors and their outer edges in degrees, at most 360 apart (180 with `fold`).
    splitting, oversampling
        One of `CAKE_SPLITTING`: by area, by the pixel's centre, or by the centres of sub-pixels.
    fold : bool
        A point counts at its azimuth and at the opposite one.
    threads : int
        The result does not depend on it.

    Raises
    ------
    ValueError
        When an argument makes no sense, or q is asked for without a wavelength.
    """
    bins, low, high, unit = radial
    sectors, begin, end = azimuthal
    if bins < 1 or not low < high:
        raise ValueError(f"at least one bin between low < high is needed, not {bins} between {low} and {high}")
    whole = 180.0 if fold else 360.0
    if sectors < 1 or not begin < end <= begin + whole:
        raise ValueError(
            f"at least one sector between low < high <= low + {whole:g} is needed, not {sectors} from {begin} to {end}"
        )
    if splitting not in CAKE_SPLITTING:
        raise ValueError(f"splitting {splitting!r} is not one of {', '.join(CAKE_SPLITTING)}")
    if oversampling < 1:
        raise ValueError(f"oversampling is {oversampling}: at least 1 is needed")
    kind = FULL if SPLITTING[splitting] == FULL else SUBPIXEL
    side = oversampling if splitting == "subpixel" else 1
    place = place_of(geometry, unit)
    beam = geometry.beam_centre
    parts = []
    for first_edge in (begin, begin + 180.0) if fold else (begin,):
        edges, scale, turn = sector_edges(sectors, first_edge, first_edge + (end - begin))
        rows = partial(
            _share_rows, place, usable, (float(low), bins / (high - low)), bins,
            (float(first_edge), scale, sectors, turn), edges, kind, side, (float(beam[0]), float(beam[1])),
        )  # fmt: skip
        with ThreadPoolExecutor(max(1, threads)) as pool:
            parts += list(pool.map(rows, range(0, usable.shape[0], _BAND)))
    pixel, sector, first, number, shares = (np.concatenate(each) for each in zip(*parts, strict=True))
    starts = np.concatenate([[0], np.cumsum(number, dtype=np.int64)])
    one = float(AREA_UNIT if splitting == "full" else side * side)
    found = Runs(pixel, sector, first, number, starts, shares.astype(np.float64), one)
    return _in_pixel_order(found) if fold else found


def _share_rows(place: Any, usable: NDArray[np.bool_], *more: Any) -> Any:
    """Work out a band of rows, from the last argument on."""
    *given, top = more
    return share_cake_rows(place, usable, top, min(usable.shape[0], top + _BAND), *given)


def sector_edges(sectors: int, low: float, high: float) -> tuple[NDArray[np.float64], float, float]:
    """Return cosine and sine of the edges, sectors per degree, and sectors in 360 degrees."""
    scale = sectors / (high - low)
    turn = float(sectors) if high - low == 360.0 else 360.0 * scale
    angles = np.radians(low + (high - low) * np.arange(sectors + 1) / sectors)
    return np.stack([np.cos(angles), np.sin(angles)]), scale, turn


def _in_pixel_order(runs: Runs) -> Runs:
    """Return the runs sorted by pixel; those of a pixel keep their order."""
    order = np.argsort(runs.pixel, kind="stable")
    number = runs.number[order]
    starts = np.concatenate([[0], np.cumsum(number)])
    take = np.repeat(runs.starts[:-1][order] - starts[:-1], number) + np.arange(runs.shares.size)
    return Runs(runs.pixel[order], runs.sector[order], runs.first[order], number, starts, runs.shares[take], runs.one)


def usable_pixels(
    mask: NDArray[np.bool_], pixel_norm: NDArray[np.float64] | None
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return flat factors of the pixels and which pixels can be used at all, (rows, columns)."""
    factors = np.ones(mask.shape) if pixel_norm is None else np.asarray(pixel_norm, dtype=np.float64)
    if factors.shape != mask.shape:
        raise ValueError(f"factors of {factors.shape} pixels do not fit a mask of {mask.shape}")
    return factors.ravel(), ~mask & np.isfinite(factors) & (factors > 0)


def constant_counts(values: NDArray[np.float64] | None, usable: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the flat values of pixels, or nothing; a usable pixel without a value is a fault of the caller."""
    if values is None:
        return np.zeros(0)
    given = np.asarray(values, dtype=np.float64)
    if given.shape != usable.shape or not np.all(np.isfinite(given[usable])):
        raise ValueError(f"dark counts of {given.shape} pixels must be finite in all usable pixels of {usable.shape}")
    return np.ascontiguousarray(np.where(usable, given, 0.0).ravel())
