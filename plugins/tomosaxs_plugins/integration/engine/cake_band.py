"""Intensity against azimuth in a band of the radial coordinate, less a background from bands beside it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from tomosaxs_plugins.integration.engine.apply import _prepared, _spreads, usable_values
from tomosaxs_plugins.integration.engine.cake_runs import constant_counts, share_cake, usable_pixels
from tomosaxs_plugins.integration.engine.errors import ErrorModel, error_model
from tomosaxs_plugins.integration.engine.vector import compiled
from tomosaxs_plugins.integration.geometry import DetectorGeometry
from tomosaxs_plugins.integration.radial import radial_coordinate

NO_BACKGROUND, MEAN, LINEAR = 0, 1, 2
BACKGROUNDS = {"none": NO_BACKGROUND, "mean": MEAN, "linear": LINEAR}

_AT_ONCE = 8  # frames whose variances are worked out together
_NOTHING = np.zeros(0)


@dataclass(frozen=True, eq=False)
class BandLookup:
    """Shares of pixels in the band and in those beside it, sector by sector.

    Parameters
    ----------
    sectors : int
        Number of sectors.
    background : int
        One of `BACKGROUNDS`.
    pixel, sector : (e,) int64 arrays
        Flat pixel and sector of every entry, in the order of the pixels.
    weights : (e, 3) float64 array
        Area of the pixel within the sector and: the band, the band below, the band above.
    pixel_norm : (pixels,) float64 array
        What a pixel's area counts in the normalisation: polarisation, solid angle and the like.
    coordinate : (pixels,) float64 array
        Radial coordinate of the pixel centres, from the middle of the band.
    dark, dark_variance : (pixels,) float64 arrays, or of size 0
        Counts of a pixel without scattered photons, and `ErrorModel.pixel_variance`.
    """

    sectors: int
    background: int
    pixel: NDArray[np.int64]
    sector: NDArray[np.int64]
    weights: NDArray[np.float64]
    pixel_norm: NDArray[np.float64]
    coordinate: NDArray[np.float64]
    dark: NDArray[np.float64]
    dark_variance: NDArray[np.float64]


def build_band_lookup(
    geometry: DetectorGeometry,
    mask: NDArray[np.bool_],
    unit: str,
    band: tuple[float, float],
    azimuthal: tuple[int, float, float],
    *,
    below: tuple[float, float] | None = None,
    above: tuple[float, float] | None = None,
    background: str = "none",
    splitting: str = "full",
    oversampling: int = 3,
    fold: bool = False,
    pixel_norm: NDArray[np.float64] | None = None,
    dark: NDArray[np.float64] | None = None,
    dark_variance: NDArray[np.float64] | None = None,
    threads: int = 1,
) -> BandLookup:
    """Work out the tables; see `cake_lookup.build_cake_lookup` for most parameters.

    Parameters
    ----------
    band, below, above : (low, high)
        The band and those beside it, in `unit`.
    background : {"none", "mean", "linear"}
        Not used; mean of the bands beside, all pixels alike; or a straight line through them, which needs both.

    Raises
    ------
    ValueError
        When an argument makes no sense.
    """
    if background not in BACKGROUNDS:
        raise ValueError(f"background {background!r} is not one of {', '.join(BACKGROUNDS)}")
    beside = [each for each in (below, above) if each is not None]
    if len(beside) < BACKGROUNDS[background]:
        raise ValueError(f"background {background} needs {BACKGROUNDS[background]} band(s) beside, not {len(beside)}")
    factors, usable = usable_pixels(mask, pixel_norm)
    keys, columns, shares = [], [], []
    for column, each in enumerate((band, below, above)):
        if each is None or (column and background == "none"):
            continue
        runs = share_cake(
            geometry, usable, (1, each[0], each[1], unit), azimuthal, splitting=splitting, oversampling=oversampling,
            fold=fold, threads=threads,
        )  # fmt: skip
        keys.append(runs.pixel * azimuthal[0] + runs.sector)
        columns.append(np.full(runs.pixel.size, column))
        shares.append(runs.shares / runs.one)
    entries, at = np.unique(np.concatenate(keys), return_inverse=True)
    weights = np.zeros((entries.size, 3))
    np.add.at(weights, (at, np.concatenate(columns)), np.concatenate(shares))
    rows, line = np.arange(mask.shape[0])[:, None] + 0.5, np.arange(mask.shape[1])[None, :] + 0.5
    coordinate = radial_coordinate(geometry, unit, rows, line) - (band[0] + band[1]) / 2
    return BandLookup(
        azimuthal[0], BACKGROUNDS[background], entries // azimuthal[0], entries % azimuthal[0], weights, factors,
        np.where(np.isfinite(coordinate), coordinate, 0.0).ravel(), constant_counts(dark, usable),
        constant_counts(dark_variance, usable),
    )  # fmt: skip


def integrate_band(
    lookup: BandLookup,
    frames: NDArray[Any],
    *,
    errors: ErrorModel | str = "none",
    uncertainties: NDArray[Any] | None = None,
    below: float | None = None,
    above: float | None = None,
    gaps: bool = True,
    threads: int = 1,
    dtype: DTypeLike = np.float64,
) -> tuple[NDArray[Any], NDArray[Any] | None]:
    """Return intensity less background against azimuth.

    Parameters
    ----------
    lookup : BandLookup
        Tables for this geometry, mask and bands.
    frames, errors, uncertainties, below, above, gaps, threads, dtype
        See `apply.integrate`; there is no error model ``azimuthal``.

    Returns
    -------
    profiles, sigmas : (n, sectors) arrays
        Counts a pixel in the band, less those of the background. The line of ``linear`` goes through the mean
        intensities of the bands beside, each at the mean coordinate of the pixels that are used, and is taken at that
        of the band's own: whatever is linear is removed to the last digits. NaN where a band has no usable pixel (for
        ``mean``, where neither band beside has). Uncertainties are those of the whole difference, also where bands
        share pixels. A frame's profile is bit-identical whatever the other frames and the number of threads.

    Raises
    ------
    ValueError
        When the frames do not have the shape or a type that fits, or the error model is unknown.
    """
    model = error_model(errors) if isinstance(errors, str) else errors
    if model.kind == "azimuthal":
        raise ValueError("error model azimuthal: the spread in a band is that of the peak in it; take poisson")
    block = _prepared(frames, lookup.pixel_norm.size)
    spreads = _spreads(model, block, uncertainties)
    number = len(block)
    profiles = np.full((number, lookup.sectors), np.nan, dtype=dtype)
    sigmas = None if model.kind == "none" else profiles.copy()
    low, high = usable_values(block.dtype, below, above, gaps)
    if low > high or number == 0:
        return profiles, sigmas
    limits = block.dtype.type(low), block.dtype.type(high)
    slope = model.slope if model.kind == "counts" else 1.0
    table = lookup.pixel, lookup.sector, lookup.weights

    def some(begin: int) -> None:
        end = min(number, begin + _AT_ONCE)
        made = None if spreads is None else spreads(begin, end).reshape(end - begin, -1)
        for at in range(begin, end):
            flat = block[at].reshape(-1)
            sums = np.zeros((3, lookup.sectors, 3))
            _add_up(flat, *limits, *table, lookup.pixel_norm, lookup.coordinate, lookup.dark, sums)
            factors = np.full((lookup.sectors, 3), np.nan)
            _combine(lookup.background, sums, factors)
            profiles[at] = (sums[0] * factors).sum(axis=1)
            if sigmas is not None:
                spread = _NOTHING if made is None else made[at - begin]
                variance = np.zeros(lookup.sectors)
                _add_variance(flat, *limits, *table, factors, lookup.dark_variance, slope, spread, variance)
                sigmas[at] = np.where(np.isnan(profiles[at]), np.nan, np.sqrt(variance))

    if threads <= 1:
        for begin in range(0, number, _AT_ONCE):
            some(begin)
    else:
        with ThreadPoolExecutor(threads) as pool:
            for _ in pool.map(some, range(0, number, _AT_ONCE)):
                pass
    return profiles, sigmas


@compiled
def _add_up(
    flat: Any, low: Any, high: Any, pixel: Any, sector: Any, weights: Any, norm: Any, coordinate: Any, dark: Any,
    sums: Any,
) -> None:  # fmt: skip
    """Add up, sector by sector and band by band: counts, normalisation, and that times the coordinate."""
    for entry in range(pixel.size):
        at, here = pixel[entry], sector[entry]
        value = flat[at]
        if not low <= value <= high:  # NaN is not
            continue
        counts = np.float64(value)
        if dark.size > 0:
            counts -= dark[at]
        for band in range(3):
            weight = weights[entry, band]
            if weight > 0:
                sums[0, here, band] += weight * counts
                sums[1, here, band] += weight * norm[at]
                sums[2, here, band] += weight * norm[at] * coordinate[at]


@compiled
def _combine(background: int, sums: Any, factors: Any) -> None:
    """Fill in, for every sector, by what the sums of counts are multiplied to give the result; NaN if it has none."""
    for sector in range(factors.shape[0]):
        own, below, above = sums[1, sector, 0], sums[1, sector, 1], sums[1, sector, 2]
        if not own > 0:
            continue
        if background == NO_BACKGROUND:
            factors[sector, 0], factors[sector, 1], factors[sector, 2] = 1 / own, 0.0, 0.0
        elif background == MEAN and below + above > 0:
            factors[sector, 0] = 1 / own
            factors[sector, 1] = factors[sector, 2] = -1 / (below + above)
        elif background == LINEAR and below > 0 and above > 0:
            first, last = sums[2, sector, 1] / below, sums[2, sector, 2] / above
            part = (sums[2, sector, 0] / own - first) / (last - first)
            factors[sector, 0] = 1 / own
            factors[sector, 1], factors[sector, 2] = -(1 - part) / below, -part / above


@compiled
def _add_variance(
    flat: Any, low: Any, high: Any, pixel: Any, sector: Any, weights: Any, factors: Any, constant: Any, slope: float,
    spread: Any, variance: Any,
) -> None:  # fmt: skip
    """Add up the variances of pixels, each times the square of all it does to the result of its sector."""
    for entry in range(pixel.size):
        at, here = pixel[entry], sector[entry]
        value = flat[at]
        if not low <= value <= high:
            continue
        found = np.float64(value)
        if spread.size > 0:
            found = spread[at] if spread[at] >= 0 else np.nan
        if constant.size > 0:
            found += constant[at]
        effect = 0.0
        for band in range(3):
            effect += factors[here, band] * weights[entry, band]
        variance[here] += effect * effect * found * slope
