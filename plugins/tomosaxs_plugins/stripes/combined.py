"""Plugins for wide stripes, dead and fluctuating columns, and all kinds at once (Vo 2018, algorithms 4 to 6)."""

from __future__ import annotations

from typing import Annotated

from tomosaxs import Param, Sinograms, plugin
from tomosaxs_plugins.stripes.batch import Array, each_sinogram
from tomosaxs_plugins.stripes.dead import dead_columns, interpolated
from tomosaxs_plugins.stripes.offsets import stripe_weights, without_stripes
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

    A wide stripe has a sharp step of the same height at both ends, which stays where it is at all angles. What it adds
    is found over the angles and taken away, so that what passes through its columns stays. Columns without a stripe
    pass unchanged, bit for bit. `threshold: 0` levels every column by medians over windows of `size` columns that are
    sorted by value, as published.

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
    N. T. Vo, R. C. Atwood, M. Drakopoulos (2018), 10.1364/OE.26.028396, algorithm 5, with another detection and, but
    for `threshold: 0`, another correction.
    """

    def one(sinogram: Array) -> Array:
        if threshold > 0:
            return without_stripes(sinogram, widest, threshold, part)
        return levelled(sinogram, stripe_weights(sinogram, widest, 0.0), size)

    return each_sinogram(data, one)


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
    """Remove stripes of all kinds: dead and fluctuating columns, narrow and wide stripes, strong and weak ones.

    Dead columns are replaced as in `remove_dead_stripes`. What all others add, narrow or wide, constant, slowly
    changing or following the attenuation, is found over the angles and taken away; then stripes are looked for again.
    Columns without a stripe pass unchanged, bit for bit. `threshold: 0` levels every column by medians over windows of
    `large_size` and `small_size` columns that are sorted by value, as published.

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
    N. T. Vo, R. C. Atwood, M. Drakopoulos (2018), 10.1364/OE.26.028396, section 3, with another detection and, but for
    `threshold: 0`, another correction.
    """

    def one(sinogram: Array) -> Array:
        alive = interpolated(sinogram, dead_columns(sinogram, ratio, part), 1)
        if threshold > 0:
            return without_stripes(alive, widest, threshold, part)
        every = stripe_weights(alive, widest, 0.0)
        return levelled(levelled(alive, every, large_size), every, small_size)

    return each_sinogram(data, one)
