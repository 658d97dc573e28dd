"""Tables that say which cells of a cake a pixel belongs to, and by how much; see `lookup` for those of a curve."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tomosaxs_plugins.integration.engine.cake_runs import Runs, constant_counts, share_cake, usable_pixels
from tomosaxs_plugins.integration.engine.pixel_area import NARROW
from tomosaxs_plugins.integration.engine.vector import LANES
from tomosaxs_plugins.integration.geometry import DetectorGeometry


@dataclass(frozen=True, eq=False)
class CakeLookup:
    """Shares of pixels in the cells of a cake; only cells that some pixel reaches are numbered.

    Pixels stand in groups of eight neighbours; one run of each has `width` weights in a table, further runs of the
    group follow one by one.

    Parameters
    ----------
    shape : (sectors, bins)
        Of a cake.
    used : (cells,) int64 array
        Flat position in the cake of every numbered cell.
    width : int
        Weights of a run in the table; behind a run's last one there are zeros.
    groups, keep : (g,) int64, (g,) uint8 arrays
        First pixel of each group; bit k is set where pixel k of the group is used.
    first, weights : (8 g,) int32, (8 g * width,) arrays
        First cell and weights of the run in the table; float32 where weights are whole numbers, else float64.
    more : (g + 1,) int64 array
        Where the further runs of each group begin.
    more_slot, more_first, more_starts, more_weights : arrays
        Further runs: pixel of the group, first cell, where the weights begin (one more than runs), weights.
    pixel_norm : (pixels,) float64 array
        What a pixel's weight counts in the normalisation: polarisation, solid angle and the like.
    norm, entries, area : (cells,) float64, int64, float64 arrays
        Sum of weights times `pixel_norm`; number of pixels that take part; area in pixels.
    dark, dark_variance : (pixels,) float64 arrays, or of size 0
        Counts of a pixel without scattered photons, and `ErrorModel.pixel_variance`.
    dark_sum, dark_variance_sum : (cells,) float64 arrays
        Their weighted sums in every cell (weights squared for the variance), zeros without.
    """

    shape: tuple[int, int]
    used: NDArray[np.int64]
    width: int
    groups: NDArray[np.int64]
    keep: NDArray[np.uint8]
    first: NDArray[np.int32]
    weights: NDArray[Any]
    more: NDArray[np.int64]
    more_slot: NDArray[np.int64]
    more_first: NDArray[np.int64]
    more_starts: NDArray[np.int64]
    more_weights: NDArray[Any]
    pixel_norm: NDArray[np.float64]
    norm: NDArray[np.float64]
    entries: NDArray[np.int64]
    area: NDArray[np.float64]
    dark: NDArray[np.float64]
    dark_variance: NDArray[np.float64]
    dark_sum: NDArray[np.float64]
    dark_variance_sum: NDArray[np.float64]


def build_cake_lookup(
    geometry: DetectorGeometry,
    mask: NDArray[np.bool_],
    radial: tuple[int, float, float, str],
    azimuthal: tuple[int, float, float],
    *,
    splitting: str = "full",
    oversampling: int = 3,
    fold: bool = False,
    pixel_norm: NDArray[np.float64] | None = None,
    mean_of_ratios: bool = False,
    dark: NDArray[np.float64] | None = None,
    dark_variance: NDArray[np.float64] | None = None,
    threads: int = 1,
) -> CakeLookup:
    """Work out the tables; see `cake_runs.share_cake` and `lookup.build_lookup` for the parameters.

    Raises
    ------
    ValueError
        When an argument makes no sense, or q is asked for without a wavelength.
    """
    factors, usable = usable_pixels(mask, pixel_norm)
    constants = [constant_counts(each, usable) for each in (dark, dark_variance)]
    runs = share_cake(
        geometry, usable, radial, azimuthal, splitting=splitting, oversampling=oversampling, fold=fold, threads=threads
    )
    shape = azimuthal[0], radial[0]
    cells, pixels = runs.cells(radial[0]), runs.pixels
    reached = np.zeros(shape[0] * shape[1] + 1, dtype=np.bool_)
    reached[cells] = True
    used = np.flatnonzero(reached)
    position = np.cumsum(reached) - 1
    here = position[cells]
    final = runs.shares / factors[pixels] if mean_of_ratios else runs.shares
    count = used.size

    def summed(values: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.bincount(here, weights=values, minlength=count).astype(np.float64)

    dark_counts, variances = constants
    kind = np.float64 if mean_of_ratios else np.float32
    return CakeLookup(
        shape=shape, used=used,
        **_grouped(runs, position[runs.sector * radial[0] + runs.first], final.astype(kind), mask.size),
        pixel_norm=factors, norm=summed(final * factors[pixels]),
        entries=np.bincount(here, weights=runs.shares > 0, minlength=count).astype(np.int64),
        area=summed(runs.shares) / runs.one, dark=dark_counts, dark_variance=variances,
        dark_sum=summed(final * dark_counts[pixels]) if dark_counts.size else np.zeros(count),
        dark_variance_sum=summed(final**2 * variances[pixels]) if variances.size else np.zeros(count),
    )  # fmt: skip


def _grouped(runs: Runs, cell: NDArray[np.int64], weights: NDArray[Any], pixels: int) -> dict[str, Any]:
    """Return the runs in groups of eight pixels: one of each pixel in a table, the others behind it."""
    begin = runs.pixel // LANES * LANES
    begin[begin + LANES > pixels] = max(0, pixels - LANES)  # eight pixels are loaded: not beyond the end
    groups, group = np.unique(begin, return_inverse=True)
    slot = runs.pixel - begin
    number = runs.number
    counts = np.bincount(np.minimum(number, NARROW + 1), minlength=NARROW + 2)
    total = np.arange(NARROW + 2) * counts
    # runs behind the table cost about twice as much
    costs = [each * counts[1 : each + 1].sum() + 2 * total[each + 1 :].sum() for each in range(1, NARROW + 1)]
    width = int(np.argmin(costs)) + 1
    fits = np.flatnonzero(number <= width)
    entry = group * LANES + slot
    _, chosen = np.unique(entry[fits], return_index=True)
    tabled = fits[chosen]
    table = np.zeros((groups.size * LANES, width), dtype=weights.dtype)
    first = np.zeros(groups.size * LANES, dtype=np.int32)
    for k in range(width):
        has = tabled[number[tabled] > k]
        table[entry[has], k] = weights[runs.starts[has] + k]
    first[entry[tabled]] = cell[tabled]
    behind = np.ones(number.size, dtype=np.bool_)
    behind[tabled] = False
    others = np.flatnonzero(behind)
    others = others[np.argsort(group[others], kind="stable")]
    starts = np.concatenate([[0], np.cumsum(number[others])]).astype(np.int64)
    take = np.repeat(runs.starts[others] - starts[:-1], number[others]) + np.arange(starts[-1])
    keep = np.zeros((groups.size, LANES), dtype=np.bool_)
    keep[group, slot] = True
    return {
        "width": width, "groups": groups.astype(np.int64),
        "keep": np.packbits(keep, axis=1, bitorder="little").ravel(), "first": first, "weights": table.ravel(),
        "more": np.searchsorted(group[others], np.arange(groups.size + 1)).astype(np.int64),
        "more_slot": slot[others].astype(np.int64), "more_first": cell[others].astype(np.int64),
        "more_starts": starts, "more_weights": weights[take],
    }  # fmt: skip
