"""Plugins for stripes that change slowly with the angle: polynomials (Vo 2018) and Fourier-wavelets (Muench 2009)."""

from __future__ import annotations

import math
from typing import Annotated

import numpy as np

from tomosaxs import Param, Sinograms, plugin
from tomosaxs_plugins.stripes.angular import added, cosines, polynomials, profiles, smoothed, without_details
from tomosaxs_plugins.stripes.batch import Array, each_sinogram
from tomosaxs_plugins.stripes.offsets import stripe_weights
from tomosaxs_plugins.stripes.rules import Part, Threshold, Widest, check_attenuation


@plugin(check=check_attenuation, memory=3.0, cite="10.1364/OE.26.028396")
def remove_stripes_by_fitting(
    data: Sinograms,
    *,
    order: Annotated[int, Param("order of the polynomials of the angle; 0 is the mean alone", ge=0, le=10)] = 2,
    sigma: Annotated[float, Param("standard deviation of the smoothing over the columns", unit="px", gt=0)] = 5.0,
    threshold: Threshold = 4.0,
    widest: Widest = 4,
    part: Part = 0.6,
) -> Sinograms:
    """Remove stripes that change slowly with the angle: polynomials fitted to the columns, made smooth across them.

    Every column is fitted with a polynomial of the angle. Where a stripe is seen, the fit is moved to the straight line
    between the fits on both sides; with `threshold: 0` all fits are smoothed by a Gaussian. Order 0 levels
    the means of the columns (normalisation).

    Parameters
    ----------
    data : (n, angles, columns) array
        Sinograms of attenuation (after `minus_log`, where a wrong gain adds).

    Returns
    -------
    (n, angles, columns) float32 array
        In the units of `data`.

    Raises
    ------
    InputError
        Where the data are transmissions.

    Notes
    -----
    N. T. Vo, R. C. Atwood, M. Drakopoulos (2018), 10.1364/OE.26.028396, algorithm 1, as a difference instead of a
    ratio, which would divide by zero beside the sample.
    """

    def one(sinogram: Array) -> Array:
        weights = stripe_weights(sinogram, widest, threshold, part)
        if not weights.any():
            return sinogram
        basis = polynomials(len(sinogram), order)
        rough = profiles(sinogram, basis)
        return added(sinogram, basis, (smoothed(rough, weights, sigma) - rough) * weights)

    return each_sinogram(data, one)


@plugin(check=check_attenuation, memory=3.0, cite="10.1364/OE.17.008567")
def remove_stripes_by_wavelets(
    data: Sinograms,
    *,
    levels: Annotated[int, Param("details up to 2^levels px wide are taken for stripes", ge=1, le=8)] = 4,
    sigma: Annotated[float, Param("how much of the slow variation with angle: periods a scan", gt=0, le=50)] = 1.0,
    wavelet: Annotated[int, Param("vanishing moments of Daubechies' wavelet", ge=1, le=12)] = 5,
    threshold: Threshold = 4.0,
    widest: Widest = 4,
    part: Part = 0.6,
) -> Sinograms:
    """Remove stripes by damping what is slow along the angles in the wavelet details across the columns.

    The filter of Muench and others damps the low angular frequencies f of the details with 1 - exp(-f^2 / 2 sigma^2).
    Both transforms are linear, and the wavelets along the angles leave such low frequencies as they are; what
    the filter takes away is therefore found from the few cosines of the angle that are damped, each with one profile
    over the columns. The sinogram is continued by its mirror image at the first and last angle.

    Parameters
    ----------
    data : (n, angles, columns) array
        Sinograms of attenuation (after `minus_log`, where a wrong gain adds).

    Returns
    -------
    (n, angles, columns) float32 array
        In the units of `data`.

    Raises
    ------
    InputError
        Where the data are transmissions.

    Notes
    -----
    B. Muench, P. Trtik, F. Marone, M. Stampanoni (2009), 10.1364/OE.17.008567.
    """

    def one(sinogram: Array) -> Array:
        weights = stripe_weights(sinogram, widest, threshold, part)
        if not weights.any():
            return sinogram
        basis = cosines(len(sinogram), math.ceil(8 * sigma))
        damped = np.exp(-0.5 * np.square(np.arange(len(basis)) / (2 * sigma)))[:, None]
        rough = profiles(sinogram, basis)
        stripes = rough if weights.all() else rough - smoothed(rough, weights, 1.0)  # the sample stays out of it
        return added(sinogram, basis, (without_details(stripes, wavelet, levels) - stripes) * damped * weights)

    return each_sinogram(data, one)
