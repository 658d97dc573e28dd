"""Loops over fibres, azimuths and q that fill bins with the intensity of streaks. Plain functions on plain arrays.

A fibre's bins depend on nothing but its own parameters: any division of fibres among threads gives the same numbers.
"""

from __future__ import annotations

import functools
import math
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tomosaxs_plugins.compiled import compiled
from tomosaxs_plugins.fibres.averaging import averaging
from tomosaxs_plugins.fibres.problem import Bins
from tomosaxs_plugins.fibres.streak import exponent, streak, streak_derivatives

Floats = NDArray[np.float64]
Plan = tuple[Floats, Floats, NDArray[np.intp], Floats, Floats, Floats]

STRIDE = 4104
"""Where the sums of a row of points begin in one array of 7 * STRIDE: intensity at 0, its six derivatives at multiples.

A compiler that knows this number sees that the sums do not overlap, and works on several points at once. It is no power
of two: places so far apart would share places in the cache. No row has more points (`plan` sees to it).
"""


@functools.lru_cache(maxsize=16)
def plan(bins: Bins) -> Plan:
    """Return points and shares of bins as `fill` takes them; made once for every object.

    Returns
    -------
    points : (3, n_fine) float array
        |Q|, and the lengths of its components across and along the beam, in nm^-1.
    weights : (n_q, n_fine) float array
        Share of every point in every bin.
    bands : (n_q, 2) int array
        First and one past the last point of every bin.
    cosines, sines : (n_chi, chi_samples) float arrays
        Of the azimuths.
    shares : (chi_samples,) float array
        Of the azimuths in a bin.

    Raises
    ------
    ValueError
        When the bins need more points in q than the loops have room for, or as `averaging` says.
    """
    made = averaging(bins)
    if made.q.size > STRIDE:
        raise ValueError(f"{made.q.size} points in q are too many: at most {STRIDE}; take fewer samples or wider bins")
    out_of_plane = made.q * bins.wavelength_nm / (4 * np.pi)
    points = np.stack([made.q, made.q * np.sqrt(1 - out_of_plane**2), made.q * out_of_plane])
    cosines, sines = np.cos(made.chi), np.sin(made.chi)
    return points, made.weights, made.bands, cosines, sines, made.chi_weights


@partial(compiled, nogil=True, error_model="numpy", fastmath={"contract"})
def row(points: Any, m: float, nz: float, constants: Any, share: float, sums: Any) -> None:
    """Add the intensity along one azimuth to the sums of its points, (n_fine,) or longer.

    `m` and `nz` are the components of the fibre's direction along the azimuth and along the beam; `constants` are q0,
    R = q0 / delta, 1 / (2 E^2), 1 / wa^2, 1 - delta and d log E / d log wmu, as of `streak.streak_derivatives`.
    """
    q, in_plane, beam = points[0], points[1], points[2]
    q0, radius, steep, narrow = constants[0], constants[1], constants[2], constants[3]
    for j in range(q.size):
        sums[j] += share * streak(q[j], in_plane[j] * m + beam[j] * nz, q0, radius, steep, narrow)


@partial(compiled, nogil=True, error_model="numpy", fastmath={"contract"})
def row_derivatives(
    points: Any, m: float, nz: float, m_a: float, nz_a: float, m_b: float, nz_b: float, constants: Any, share: float,
    sums: Any,
) -> None:  # fmt: skip
    """Add intensity and derivatives along one azimuth to the seven sums of its points, (7 * STRIDE,).

    `m_a`, `nz_a`, `m_b` and `nz_b` are the derivatives of `m` and `nz` with respect to alpha and beta; the rest as of
    `row`.
    """
    q, in_plane, beam = points[0], points[1], points[2]
    q0, radius, steep, narrow = constants[0], constants[1], constants[2], constants[3]
    rest, turn = constants[4], constants[5]
    for j in range(q.size):
        value, by_q0, by_wa, by_wmu, by_delta, by_u = streak_derivatives(
            q[j], in_plane[j] * m + beam[j] * nz, q0, radius, steep, narrow, rest, turn
        )
        sums[j] += share * value
        sums[STRIDE + j] += share * by_q0
        sums[2 * STRIDE + j] += share * by_wa
        sums[3 * STRIDE + j] += share * by_wmu
        sums[4 * STRIDE + j] += share * by_delta
        sums[5 * STRIDE + j] += share * by_u * (in_plane[j] * m_a + beam[j] * nz_a)
        sums[6 * STRIDE + j] += share * by_u * (in_plane[j] * m_b + beam[j] * nz_b)


@partial(compiled, nogil=True, error_model="numpy", fastmath={"contract"})
def is_dark(points: Any, m: float, nz: float, constants: Any, limit: float) -> bool:
    """Return whether the transverse Gaussian is below exp(-limit) along one azimuth, judged at three points."""
    q, in_plane, beam = points[0], points[1], points[2]
    q0, radius, steep = constants[0], constants[1], constants[2]
    for j in (0, q.size // 2, q.size - 1):
        if exponent(q[j], in_plane[j] * m + beam[j] * nz, q0, radius, steep) <= limit:
            return False
    return True


@partial(compiled, nogil=True, error_model="numpy", fastmath={"contract", "reassoc"})
def bins_of(sums: Any, weights: Any, bands: Any, values: Any) -> None:
    """Write the means of one azimuth over the bins of q."""
    for i in range(values.size):
        total = 0.0
        for j in range(bands[i, 0], bands[i, 1]):
            total += weights[i, j] * sums[j]
        values[i] = total


@partial(compiled, nogil=True, error_model="numpy", fastmath={"contract", "reassoc"})
def bins_of_all(sums: Any, weights: Any, bands: Any, values: Any, slopes: Any) -> None:
    """Write the means of one azimuth and of its derivatives over the bins of q."""
    for i in range(values.size):
        t0 = t1 = t2 = t3 = t4 = t5 = t6 = 0.0
        for j in range(bands[i, 0], bands[i, 1]):
            w = weights[i, j]
            t0 += w * sums[j]
            t1 += w * sums[STRIDE + j]
            t2 += w * sums[2 * STRIDE + j]
            t3 += w * sums[3 * STRIDE + j]
            t4 += w * sums[4 * STRIDE + j]
            t5 += w * sums[5 * STRIDE + j]
            t6 += w * sums[6 * STRIDE + j]
        values[i] = t0
        slopes[0, i], slopes[1, i], slopes[2, i] = t1, t2, t3
        slopes[3, i], slopes[4, i], slopes[5, i] = t4, t5, t6


@partial(compiled, nogil=True, error_model="numpy")
def fill(
    fibres: Any, low: int, high: int, points: Any, weights: Any, bands: Any, cosines: Any, sines: Any, shares: Any,
    limit: float, values: Any, slopes: Any, window: Any,
) -> None:  # fmt: skip
    """Write the bins of fibres `low` to `high`, as `model.bin_means_and_derivatives` returns them.

    `fibres` holds alpha, beta, q0, wa, wmu, delta of every fibre in a row, and `slopes` may be of no fibre: then no
    derivatives are made.
    """
    derivatives = slopes.shape[0] > 0
    sums = np.empty(7 * STRIDE)
    constants = np.empty(6)
    for f in range(low, high):
        alpha, beta, q0, wa, wmu, delta = fibres[f]
        tangent = math.tan(wmu)
        constants[0], constants[1] = q0, q0 / delta
        constants[2], constants[3] = 0.5 / (q0 * tangent) ** 2, 1.0 / (wa * wa)
        constants[4], constants[5] = 1.0 - delta, wmu * (1.0 + tangent * tangent) / tangent
        sa, ca, sb, cb = math.sin(alpha), math.cos(alpha), math.sin(beta), math.cos(beta)
        first, stop = cosines.shape[0], 0
        for c in range(cosines.shape[0]):
            lit = False
            for k in range(shares.size):
                x, y = cosines[c, k], sines[c, k]
                m, nz = x * sa * sb + y * ca, sa * cb
                if limit < math.inf and is_dark(points, m, nz, constants, limit):
                    continue
                if not lit:
                    for j in range(7 if derivatives else 1):
                        sums[j * STRIDE : j * STRIDE + points.shape[1]] = 0.0
                    lit = True
                if derivatives:
                    m_a, nz_a = x * ca * sb - y * sa, ca * cb
                    row_derivatives(points, m, nz, m_a, nz_a, x * sa * cb, -sa * sb, constants, shares[k], sums)
                else:
                    row(points, m, nz, constants, shares[k], sums)
            if not lit:
                continue
            first, stop = min(first, c), c + 1
            if derivatives:
                bins_of_all(sums, weights, bands, values[f, c], slopes[f, :, c])
            else:
                bins_of(sums, weights, bands, values[f, c])
        if stop > 0:
            window[f, 0], window[f, 1] = first, stop
