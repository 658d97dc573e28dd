"""Tables that say, pixel by pixel in the order of the frame, which bins a pixel belongs to and by how much."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tomosaxs_plugins.integration.engine.pixel_area import (
    AREA_UNIT,
    NARROW,
    NO,
    SPLITTING,
    SUBPIXEL,
    place_of,
    share_pixels,
    share_rows,
)
from tomosaxs_plugins.integration.engine.vector import LANES
from tomosaxs_plugins.integration.geometry import DetectorGeometry

_BAND = 32  # rows worked out by one thread at a time


@dataclass(frozen=True, eq=False)
class Lookup:
    """Shares of pixels in bins.

    Most pixels stand in groups of eight neighbours, each with `width` consecutive bins; pixels of more bins, and those
    at the end of a frame that fill no group, stand apart.

    Parameters
    ----------
    bins : int
        Number of bins.
    width : int
        Bins of a pixel in a group.
    groups : (g,) int64 array
        First pixel of each group, as an index into the flat frame.
    keep : (g,) uint8 array
        Bit k is set where pixel k of the group is used.
    first : (8 g,) int32 array
        First bin of each pixel of the groups.
    weights : (8 g * width,) array
        Weight of each pixel in its bins; float32 where weights are whole numbers, else float64.
    apart, apart_first, apart_starts, apart_weights : arrays
        The other pixels: flat index, first bin, where the weights begin (one more than pixels), weights.
    pixel_norm : (pixels,) float64 array
        What a pixel's weight counts in the normalisation: polarisation, solid angle and the like.
    norm : (bins,) float64 array
        Sum of the weights of a bin, each times its pixel's `pixel_norm`.
    entries : (bins,) int64 array
        Number of pixels that take part in a bin.
    area : (bins,) float64 array
        Area of a bin in pixels.
    dark, dark_variance : (pixels,) float64 arrays, or of size 0
        Counts of a pixel without scattered photons, and `ErrorModel.pixel_variance`.
    dark_sum, dark_variance_sum : (bins,) float64 arrays
        Their weighted sums in every bin (weights squared for the variance), zeros without.
    """

    bins: int
    width: int
    groups: NDArray[np.int64]
    keep: NDArray[np.uint8]
    first: NDArray[np.int32]
    weights: NDArray[np.float32] | NDArray[np.float64]
    apart: NDArray[np.int64]
    apart_first: NDArray[np.int32]
    apart_starts: NDArray[np.int64]
    apart_weights: NDArray[np.float32] | NDArray[np.float64]
    pixel_norm: NDArray[np.float64]
    norm: NDArray[np.float64]
    entries: NDArray[np.int64]
    area: NDArray[np.float64]
    dark: NDArray[np.float64]
    dark_variance: NDArray[np.float64]
    dark_sum: NDArray[np.float64]
    dark_variance_sum: NDArray[np.float64]


def build_lookup(
    geometry: DetectorGeometry,
    mask: NDArray[np.bool_],
    bins: int,
    low: float,
    high: float,
    unit: str,
    *,
    splitting: str = "full",
    oversampling: int = 3,
    pixel_norm: NDArray[np.float64] | None = None,
    mean_of_ratios: bool = False,
    dark: NDArray[np.float64] | None = None,
    dark_variance: NDArray[np.float64] | None = None,
    threads: int = 1,
) -> Lookup:
    """Work out the tables.

    Parameters
    ----------
    geometry : DetectorGeometry
        Of the frames.
    mask : (rows, columns) bool array
        True where a pixel is never used.
    bins, low, high, unit
        Number of equal bins, their outer edges, and the radial unit.
    splitting : {"full", "bbox", "no", "subpixel"}
        How a pixel is shared: by area, by extent, by its centre, by the centres of its sub-pixels.
    oversampling : int
        Sub-pixels along an edge of a pixel.
    pixel_norm : (rows, columns) float64 array, optional
        Factor by which a pixel's counts are reduced; ones by default.
    mean_of_ratios : bool
        Divide each pixel's counts by its factor and average, rather than sum both and divide (which weighs pixels by
        what they can count).
    dark, dark_variance : (rows, columns) float64 arrays, optional
        Counts to subtract from every pixel, and `ErrorModel.pixel_variance`.
    threads : int
        The result does not depend on it.

    Raises
    ------
    ValueError
        When an argument makes no sense, or q is asked for without a wavelength.
    """
    if bins < 1 or not low < high:
        raise ValueError(f"at least one bin between low < high is needed, not {bins} between {low} and {high}")
    if splitting not in SPLITTING:
        raise ValueError(f"splitting {splitting!r} is not one of {', '.join(SPLITTING)}")
    if oversampling < 1:
        raise ValueError(f"oversampling is {oversampling}: at least 1 is needed")
    shape = mask.shape
    factors = np.ones(shape) if pixel_norm is None else np.asarray(pixel_norm, dtype=np.float64)
    if factors.shape != shape:
        raise ValueError(f"factors of {factors.shape} pixels do not fit a mask of {shape}")
    usable = ~mask & np.isfinite(factors) & (factors > 0)
    constants = [_constant(each, usable) for each in (dark, dark_variance)]
    side = oversampling if splitting == "subpixel" else 1
    beam = geometry.beam_centre
    kind = SUBPIXEL if SPLITTING[splitting] == NO else SPLITTING[splitting]
    fixed = float(low), bins / (high - low), bins, kind, side, float(beam[0]), float(beam[1])
    place = place_of(geometry, unit)
    first, number = np.zeros(shape, dtype=np.int32), np.zeros(shape, dtype=np.int32)
    narrow = np.zeros((*shape, NARROW), dtype=np.float32)

    def rows(begin: int) -> None:
        share_rows(place, usable, begin, min(shape[0], begin + _BAND), *fixed, first, number, narrow)

    with ThreadPoolExecutor(max(1, threads)) as pool:
        for _ in pool.map(rows, range(0, shape[0], _BAND)):
            pass
    flat_number = number.ravel()
    width = _width(flat_number)
    whole = mask.size // LANES * LANES
    grouped = (flat_number > 0) & (flat_number <= width)
    grouped[whole:] = False
    taken = np.flatnonzero(grouped[:whole].reshape(-1, LANES).any(axis=1))
    members = grouped[:whole].reshape(-1, LANES)[taken]
    weights = narrow.reshape(-1, NARROW)[:whole].reshape(-1, LANES, NARROW)[taken][..., :width] * members[..., None]
    group_first = np.where(members, first.ravel()[:whole].reshape(-1, LANES)[taken], 0).astype(np.int32)
    apart = np.flatnonzero((flat_number > 0) & ~grouped)
    starts = np.concatenate([[0], np.cumsum(flat_number[apart], dtype=np.int64)])
    apart_weights = np.empty(starts[-1], dtype=np.float32)
    share_pixels(place, apart, shape[1], *fixed, starts, apart_weights)
    one = float(AREA_UNIT if splitting in ("full", "bbox") else side * side)
    return _finished(
        bins, width, taken.astype(np.int64) * LANES, members, group_first, weights,
        apart.astype(np.int64), first.ravel()[apart], starts, apart_weights, factors.ravel(), one, mean_of_ratios,
        constants[0], constants[1],
    )  # fmt: skip


def _constant(values: NDArray[np.float64] | None, usable: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the flat values of pixels, or nothing; a usable pixel without a value is a fault of the caller."""
    if values is None:
        return np.zeros(0)
    given = np.asarray(values, dtype=np.float64)
    if given.shape != usable.shape or not np.all(np.isfinite(given[usable])):
        raise ValueError(f"dark counts of {given.shape} pixels must be finite in all usable pixels of {usable.shape}")
    return np.ascontiguousarray(np.where(usable, given, 0.0).ravel())


def _width(number: NDArray[np.int32]) -> int:
    """Return how many bins a pixel of a group gets: what costs least, when a pixel apart costs four times as much."""
    counts = np.bincount(np.minimum(number, NARROW + 1), minlength=NARROW + 2)
    total = np.arange(NARROW + 2) * counts
    costs = [width * counts[1 : width + 1].sum() + 4 * total[width + 1 :].sum() for width in range(1, NARROW + 1)]
    return int(np.argmin(costs)) + 1


def _finished(
    bins: int,
    width: int,
    groups: NDArray[np.int64],
    members: NDArray[np.bool_],
    first: NDArray[np.int32],
    weights: NDArray[np.float32],
    apart: NDArray[np.int64],
    apart_first: NDArray[np.int32],
    starts: NDArray[np.int64],
    apart_weights: NDArray[np.float32],
    factors: NDArray[np.float64],
    one: float,
    mean_of_ratios: bool,
    dark: NDArray[np.float64],
    dark_variance: NDArray[np.float64],
) -> Lookup:
    """Add up the normalisation, and turn the tables into what the loops read."""
    in_groups = (groups[:, None] + np.arange(LANES)).ravel()
    pixels = np.concatenate([np.repeat(in_groups, width), np.repeat(apart, np.diff(starts))])
    here = np.concatenate(
        [
            (first.ravel()[:, None] + np.arange(width)).ravel(),
            np.repeat(apart_first, np.diff(starts)) + np.arange(starts[-1]) - np.repeat(starts[:-1], np.diff(starts)),
        ]
    )
    shares = np.concatenate([weights.ravel(), apart_weights]).astype(np.float64)
    used = shares > 0
    final = shares
    if mean_of_ratios:
        final = np.where(used, shares / np.where(factors > 0, factors, 1.0)[pixels], 0.0)
    norm = np.bincount(here[used], weights=(final * factors[pixels])[used], minlength=bins)
    kind = np.float64 if mean_of_ratios else np.float32
    table = final.astype(kind)
    cut = weights.size

    def summed(values: NDArray[np.float64], times: NDArray[np.float64]) -> NDArray[np.float64]:
        if values.size == 0:
            return np.zeros(bins)
        return np.bincount(here[used], weights=(times * values[pixels])[used], minlength=bins).astype(np.float64)

    return Lookup(
        bins=bins, width=width, groups=groups, keep=np.packbits(members, axis=1, bitorder="little").ravel(),
        first=first.ravel(), weights=table[:cut], apart=apart, apart_first=np.asarray(apart_first, dtype=np.int32),
        apart_starts=starts, apart_weights=table[cut:], pixel_norm=factors,
        norm=norm.astype(np.float64), entries=np.bincount(here[used], minlength=bins),
        area=np.bincount(here[used], weights=shares[used], minlength=bins) / one,
        dark=dark, dark_variance=dark_variance,
        dark_sum=summed(dark, final), dark_variance_sum=summed(dark_variance, final * final),
    )  # fmt: skip
