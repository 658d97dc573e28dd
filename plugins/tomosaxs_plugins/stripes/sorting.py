"""Plugins that give striped columns the level of their neighbours, rank by rank (Vo 2018, algorithms 3 and 2)."""

from __future__ import annotations

from typing import Annotated

from tomosaxs import Param, Sinograms, plugin
from tomosaxs_plugins.stripes.batch import each_sinogram
from tomosaxs_plugins.stripes.offsets import stripe_weights
from tomosaxs_plugins.stripes.ranks import levelled
from tomosaxs_plugins.stripes.rules import Part, Threshold, Widest, check_windows

DOI = "10.1364/OE.26.028396"


@plugin(check=check_windows, memory=6.0, cite=DOI)
def remove_stripes_by_sorting(
    data: Sinograms,
    *,
    size: Annotated[int, Param("window of the median, more than twice as wide as a stripe", unit="px", ge=3)] = 21,
    threshold: Threshold = 4.0,
    widest: Widest = 4,
    part: Part = 0.6,
) -> Sinograms:
    """Remove full stripes, narrow to medium, by medians over columns that are sorted by value.

    The values of every column are sorted, which brings what belongs together in neighbouring columns to the same
    rank; a median over neighbours of equal rank takes the stripe away; the values go back to their places. It needs no
    scale: transmission and attenuation give the same. Columns without a stripe pass unchanged, bit for bit.

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
    N. T. Vo, R. C. Atwood, M. Drakopoulos (2018), 10.1364/OE.26.028396, algorithm 3.
    """
    return each_sinogram(data, lambda one: levelled(one, stripe_weights(one, widest, threshold, part), size))


@plugin(check=check_windows, memory=7.0, cite=DOI)
def remove_stripes_by_filtering(
    data: Sinograms,
    *,
    sigma: Annotated[float, Param("what varies faster along the angles is left alone", unit="rows", gt=0)] = 3.0,
    size: Annotated[int, Param("window of the median, more than twice as wide as a stripe", unit="px", ge=3)] = 21,
    sort: Annotated[bool, Param("compare values of equal rank; else of equal angle, for stripes of part of it")] = True,
    threshold: Threshold = 4.0,
    widest: Widest = 4,
    part: Part = 0.6,
) -> Sinograms:
    """Remove stripes from what is slow along the angles; fine detail and noise stay as they are.

    A Gaussian along the angles parts the sinogram into what is slow, where stripes are, and what is fast; the slow one
    is levelled as in `remove_stripes_by_sorting` and the two are added again. `sort: false` with `part: 0.3` removes
    stripes that show over a part of the angles only.

    Parameters
    ----------
    data : (n, angles, columns) array
        Sinograms of attenuation (after `minus_log`).

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
    N. T. Vo, R. C. Atwood, M. Drakopoulos (2018), 10.1364/OE.26.028396, algorithm 2.
    """
    return each_sinogram(
        data, lambda one: levelled(one, stripe_weights(one, widest, threshold, part), size, sigma, sort)
    )
