"""Inner loops of the simulation of fibre diffraction, for many points of q at every azimuth.

The decrease away from the fibre's meridian hardly changes with q. It is worked out on a coarse grid and interpolated;
the radial profile, a Lorentzian narrower than a bin, at every point.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tomosaxs_plugins.compiled import compiled

_NEGLIGIBLE = 30.0  # exponents beyond which exp(-x) is below 1e-13


def _meridional(q: float, cosine: float, q0: float, radius: float, steepness: float) -> float:
    """Return exp(-(R theta)^2 / 2 (q0 tan wmu)^2), what is left away from the fibre's meridian.

    `steepness` is R^2 / 2 (q0 tan wmu)^2.
    """
    across_squared = q * q * max(1 - cosine * cosine, 0.0)
    height = abs(q * cosine) - q0 + radius
    if steepness * across_squared > _NEGLIGIBLE * (across_squared + height * height):  # sin theta < theta
        return 0.0
    theta = math.atan2(math.sqrt(across_squared), height)
    exponent = steepness * theta * theta
    return math.exp(-exponent) if exponent < _NEGLIGIBLE else 0.0


meridional = compiled(_meridional, nogil=True, error_model="numpy")


def _radial(q: float, cosine: float, q0: float, wa: float, radius: float) -> float:
    """Return 1 / (1 + ((D - R) / wa)^2), the profile across the sphere of radius R that carries the streak."""
    along = abs(q * cosine)
    across_squared = q * q * (1 - cosine * cosine)
    height = along - q0 + radius
    distance = math.sqrt(height * height + across_squared)
    # distance - radius without cancellation where the radius is large
    beyond = ((along - q0) * (height + radius) + across_squared) / ((distance + radius) * wa)
    return 1 / (1 + beyond * beyond)


radial = compiled(_radial, nogil=True, error_model="numpy")


def _line(
    q: Any, sine: Any, cosine: Any, coarse: Any, place: Any, between: Any, in_plane: float, along_beam: float,
    wavelength: float, fibre: Any, share: float, glow: Any, line: Any,
) -> None:  # fmt: skip
    """Add to `line` the intensity at every q, times `share`, at the azimuth with the part `in_plane` of the axis."""
    radius = fibre[0] / fibre[3]
    half = fibre[0] * math.tan(fibre[2])
    steepness = radius * radius / (2 * half * half)
    peak = share * fibre[4] / (2 * math.pi * fibre[1] * half)
    lit = 0.0
    for n in range(len(coarse)):
        s = coarse[n] * wavelength / (4 * math.pi)
        glow[n] = peak * meridional(
            coarse[n], math.sqrt(1 - s * s) * in_plane + s * along_beam, fibre[0], radius, steepness
        )
        lit = max(lit, glow[n])
    if lit == 0.0:
        return
    for n in range(len(q)):
        k = place[n]
        x = between[n]  # -1 to 1 between the first and the third of three coarse points
        here = glow[k] * x * (x - 1) / 2 + glow[k + 1] * (1 - x * x) + glow[k + 2] * x * (x + 1) / 2
        line[n] += here * radial(q[n], cosine[n] * in_plane + sine[n] * along_beam, fibre[0], fibre[1], radius)


line_at = compiled(_line, nogil=True, error_model="numpy")


def _means_of_fibres(
    axis: Any, fibres: Any, q: Any, first: Any, share: Any, chi: Any, chi_share: Any, coarse: Any, wavelength: float,
    out: Any,
) -> None:  # fmt: skip
    """Fill `out` (n_fibres, n_chi, n_q) with means over bins.

    `axis` (n_fibres, 3) are directions, `fibres` (n_fibres, 5) q0, wa, wmu, delta and amplitude; `q` are points,
    `share` (n_q, m) is what the m points from `first` on count in every bin; `chi` (n_chi, k) in rad counts as
    `chi_share` (k,); `coarse` is an even grid of q that covers the points.
    """
    sine = q * (wavelength / (4 * math.pi))
    cosine = np.sqrt(1 - sine * sine)
    step = coarse[1] - coarse[0]
    place = np.empty(len(q), np.int64)
    between = np.empty(len(q))
    for n in range(len(q)):
        place[n] = min(max(int((q[n] - coarse[0]) / (2 * step)) * 2, 0), len(coarse) - 3)
        between[n] = (q[n] - coarse[place[n] + 1]) / step
    line = np.empty(len(q))
    glow = np.empty(len(coarse))
    for f in range(len(fibres)):
        for c in range(len(chi)):
            line[:] = 0.0
            for k in range(chi.shape[1]):
                in_plane = math.cos(chi[c, k]) * axis[f, 0] + math.sin(chi[c, k]) * axis[f, 1]
                line_at(
                    q, sine, cosine, coarse, place, between, in_plane, axis[f, 2], wavelength, fibres[f],
                    chi_share[k], glow, line,
                )  # fmt: skip
            for j in range(share.shape[0]):
                total = 0.0
                for m in range(share.shape[1]):
                    total += share[j, m] * line[first[j] + m]
                out[f, c, j] = total


means_of_fibres = compiled(_means_of_fibres, nogil=True)


def _add_paths(single: Any, fibre: Any, weight: Any, out: Any) -> None:
    """Add to `out` (n_chi, n_q) the intensities of the fibres of one path, in their order."""
    for entry in range(len(fibre)):
        for c in range(out.shape[0]):
            for j in range(out.shape[1]):
                out[c, j] += weight[entry] * single[fibre[entry], c, j]


add_paths = compiled(_add_paths, nogil=True)
