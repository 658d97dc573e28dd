"""Plugins for wide stripes, dead and fluctuating columns, and all kinds at once (Vo 2018, algorithms 4 to 6)."""

from __future__ import annotations

from typing import Annotated

from tomosaxs import Param, Sinograms, plugin
from tomosaxs_plugins.stripes.batch import Array, each_sinogram
from tomosaxs_plugins.stripes.dead import dead_columns, interpolated
from tomosaxs_plugins.stripes.detect import NARROW, stripe_weights
from tomosaxs_plugins.stripes.ranks import levelled
from tomosaxs_plugins.stripes.rules import Part, Threshold, Widest, check_windows

DOI = "10.1364/OE.26.028396"


@plugin(check=check_windows, memory=6.0, cite=DOI)
def remove_large_stripes(
    data: Sinograms,
    *,
    size: Annotated[int, Param("window of the median, more than twice as wide as a stripe", unit="px", ge=3)] = 51,
    threshold: Threshold = 4.0,
    widest: Widest = 16,
    part: Part = 0.6,
) -> Sinograms:
    """Remove wide stripes: columns of up to `widest` px that stand out together.

    They are looked for by their width, and levelled by medians over wide windows of columns sorted by value. Columns
    without a stripe pass unchanged.

    Parameters
    ----------
    data : (n, angles, columns) array
        Sinograms, of transmission or attenuation.

    Returns
    -------
    (n, angles, columns) float32 array
        In the units of `data`.

    Raises
    ------
    InputError
        Where the window is even or wider than the sinogram.

    Notes
    -----
    N. T. Vo, R. C. Atwood, M. Drakopoulos (2018), 10.1364/OE.26.028396, algorithm 5, with another detection.
    """
    return each_sinogram(data, lambda one: levelled(one, stripe_weights(one, widest, threshold, part), size))


@plugin(check=check_windows, memory=4.0, cite=DOI)
def remove_dead_stripes(
    data: Sinograms,
    *,
    ratio: Annotated[float, Param("how many times more or less than its neighbours a column changes", gt=1)] = 3.0,
    widen: Annotated[int, Param("columns on both sides that are replaced too", unit="px", ge=0)] = 1,
    part: Part = 0.6,
) -> Sinograms:
    """Replace columns that do not respond, or that fluctuate, by the straight line between their neighbours.

    Such a column changes from angle to angle less, or more, than its neighbours by the factor `ratio`.

    Parameters
    ----------
    data : (n, angles, columns) array
        Sinograms, of transmission or attenuation.

    Returns
    -------
    (n, angles, columns) float32 array
        In the units of `data`.

    Notes
    -----
    N. T. Vo, R. C. Atwood, M. Drakopoulos (2018), 10.1364/OE.26.028396, algorithm 6, with another detection.
    """
    return each_sinogram(data, lambda one: interpolated(one, dead_columns(one, ratio, part), widen))


@plugin(check=check_windows, memory=8.0, cite=DOI)
def remove_all_stripes(
    data: Sinograms,
    *,
    threshold: Threshold = 4.0,
    ratio: Annotated[float, Param("dead: how many times more or less a column changes", gt=1)] = 3.0,
    large_size: Annotated[int, Param("window of the median for wide stripes", unit="px", ge=3)] = 51,
    small_size: Annotated[int, Param("window of the median for narrow stripes", unit="px", ge=3)] = 21,
    widest: Widest = 16,
    part: Part = 0.6,
) -> Sinograms:
    """Remove stripes of all kinds: dead and fluctuating columns, then narrow stripes, then wide ones.

    `remove_dead_stripes`, `remove_stripes_by_sorting`, `remove_large_stripes` and `remove_stripes_by_sorting` again, on
    each sinogram.
    Columns without a stripe pass unchanged.

    Parameters
    ----------
    data : (n, angles, columns) array
        Sinograms, of transmission or attenuation.

    Returns
    -------
    (n, angles, columns) float32 array
        In the units of `data`.

    Raises
    ------
    InputError
        Where a window is even or wider than the sinogram.

    Notes
    -----
    N. T. Vo, R. C. Atwood, M. Drakopoulos (2018), 10.1364/OE.26.028396, section 3.
    """

    def one(sinogram: Array) -> Array:
        alive = interpolated(sinogram, dead_columns(sinogram, ratio, part), 1)
        narrow = levelled(alive, stripe_weights(alive, min(NARROW, widest), threshold, part), small_size)
        if widest <= NARROW:
            return narrow
        wide = levelled(narrow, stripe_weights(narrow, widest, threshold, part), large_size)
        return levelled(wide, stripe_weights(wide, NARROW, threshold, part), small_size)

    return each_sinogram(data, one)
