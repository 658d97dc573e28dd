"""The diffraction of a fibre on the Ewald sphere: intensity, means over bins and their derivatives.

Plain functions on plain arrays. The streak itself is in `streak`, points and shares of bins in `averaging`, the loops
over bins in `binned`.
"""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tomosaxs_plugins.compiled import compiled
from tomosaxs_plugins.fibres.binned import fill, plan
from tomosaxs_plugins.fibres.problem import Bins
from tomosaxs_plugins.fibres.streak import streak, streak_derivatives
from tomosaxs_plugins.reconstruction.parallel import thread_count

Floats = NDArray[np.float64]
Window = NDArray[np.intp]

TOLERANCE = 1e-8
"""Part of a streak's height below which its transverse Gaussian is taken as zero, unless asked otherwise."""


@partial(compiled, nogil=True, error_model="numpy", fastmath={"contract"})
def point(q: float, u: float, q0: float, wa: float, wmu: float, delta: float) -> float:
    """Return the intensity of a streak of height 1 at a point.

    Parameters
    ----------
    q, u : float
        Length of Q and its component along the fibre in nm^-1; |u| <= q.
    q0, wa : float
        Meridional position and radial width in nm^-1.
    wmu : float
        Angular width in rad.
    delta : float
        Shape, above 0 up to 1.
    """
    width = q0 * math.tan(wmu)
    return streak(q, u, q0, q0 / delta, 0.5 / (width * width), 1.0 / (wa * wa)) if q > 0 else 0.0


@partial(compiled, nogil=True, error_model="numpy", fastmath={"contract"})
def point_derivatives(
    q: float, u: float, q0: float, wa: float, wmu: float, delta: float
) -> tuple[float, float, float, float, float, float]:
    """Return the intensity of a streak of height 1 at a point, and its derivatives.

    They are with respect to q0, log wa, log wmu, logit delta and u, at fixed height; those with respect to alpha and
    beta follow from that of u = Q.n.
    """
    if not q > 0:
        return 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    tangent = math.tan(wmu)
    width = q0 * tangent
    turn = wmu * (1.0 + tangent * tangent) / tangent
    return streak_derivatives(q, u, q0, q0 / delta, 0.5 / (width * width), 1.0 / (wa * wa), 1.0 - delta, turn)


@partial(compiled, nogil=True, error_model="numpy")
def _points(arrays: Any, out: Any) -> None:
    q, u, q0, wa, wmu, delta = arrays
    for k in range(q.size):
        out[k] = point(q[k], u[k], q0[k], wa[k], wmu[k], delta[k])


def intensity(
    q: ArrayLike,
    chi_deg: ArrayLike,
    *,
    alpha_deg: ArrayLike,
    beta_deg: ArrayLike,
    q0: ArrayLike,
    wa: ArrayLike,
    wmu: ArrayLike,
    delta: ArrayLike,
    amplitude: ArrayLike = 1.0,
    wavelength_nm: float,
) -> Floats:
    """Return the intensity that fibres diffract to points of a detector.

    All arrays are broadcast against each other: ``q[:, None]`` with parameters of n fibres gives (n_q, n).

    Parameters
    ----------
    q : float array
        Scattering vector in nm^-1; at 0 the intensity is 0.
    chi_deg : float array
        Azimuth in degrees, counter-clockwise from the direction of increasing columns.
    alpha_deg, beta_deg : float array
        Direction of the fibre in degrees: from the vertical, and about it from the beam, rotation of the sample added.
    q0, wa : float array
        Meridional position and radial width (half at half maximum of a Lorentzian) in nm^-1.
    wmu : float array
        Angular width in rad.
    delta : float array
        Shape of the streak, above 0 (flat) up to 1 (part of a sphere).
    amplitude : float array
        Amplitude; the height of the streak is amplitude / (2 pi wa q0 tan wmu).
    wavelength_nm : float
        Wavelength in nm.

    Returns
    -------
    float array
        Of the shape that all arrays are broadcast to.

    Raises
    ------
    ValueError
        When a parameter is outside what the model allows, or q is beyond what the wavelength reaches.
    """
    given = {"q0": q0, "wa": wa, "wmu": wmu, "delta": delta}
    check_parameters(**{name: np.asarray(value, float) for name, value in given.items()})
    arrays = [np.asarray(x, float) for x in (q, chi_deg, alpha_deg, beta_deg, q0, wa, wmu, delta, amplitude)]
    shape = np.broadcast_shapes(*(array.shape for array in arrays))
    length, chi, alpha, beta = arrays[0], *(np.deg2rad(angle) for angle in arrays[1:4])
    if np.any(np.abs(length) > 4 * np.pi / wavelength_nm) or np.any(length < 0):
        raise ValueError(f"q must be from 0 to 4 pi / wavelength = {4 * np.pi / wavelength_nm:g} nm^-1")
    out_of_plane = length * wavelength_nm / (4 * np.pi)  # sine of half the scattering angle
    across = np.sqrt(1 - out_of_plane**2)
    u = length * (
        across * (np.cos(chi) * (np.sin(alpha) * np.sin(beta)) + np.sin(chi) * np.cos(alpha))
        + out_of_plane * (np.sin(alpha) * np.cos(beta))
    )
    flat = [np.ascontiguousarray(np.broadcast_to(array, shape)).reshape(-1) for array in (length, u, *arrays[4:8])]
    out = np.empty(flat[0].size)
    _points(tuple(flat), out)
    height = arrays[8] / (2 * np.pi * arrays[5] * arrays[4] * np.tan(arrays[6]))
    return np.asarray(out.reshape(shape) * height)


def check_parameters(*, q0: Floats, wa: Floats, wmu: Floats, delta: Floats) -> None:
    """Raise a ValueError that names the first parameter outside what the model allows."""
    allowed = {
        "q0": (q0, 0.0, math.inf, "above 0 nm^-1"),
        "wa": (wa, 0.0, math.inf, "above 0 nm^-1"),
        "wmu": (wmu, 0.0, 0.5 * math.pi, "between 0 and pi / 2 rad"),
        "delta": (delta, 0.0, np.nextafter(1.0, 2.0), "above 0 and at most 1"),
    }
    for name, (values, low, high, text) in allowed.items():
        wrong = ~((values > low) & (values < high))
        if np.any(wrong):
            raise ValueError(f"{name} must be {text}, not {values[wrong].flat[0]:g}")


def bin_means(
    bins: Bins,
    alpha: Floats,
    beta: Floats,
    q0: Floats,
    wa: Floats,
    wmu: Floats,
    delta: Floats,
    *,
    dtype: type[np.float32] | type[np.float64] = np.float64,
    tolerance: float = TOLERANCE,
    threads: int | None = None,
) -> tuple[NDArray[Any], Window]:
    """Return what fibres of height 1 diffract into bins.

    Parameters
    ----------
    bins : Bins
        The bins, their samples and the smearing.
    alpha, beta : (n,) float arrays
        Direction in rad; the rotation of the sample is in beta.
    q0, wa, wmu, delta : (n,) float arrays
        Parameters of the streaks.
    dtype : type
        Of what is returned; the computation is in float64.
    tolerance : float
        Azimuths at which the transverse Gaussian is below this part of the height everywhere are taken as zero; with
        0 none is.
    threads : int, optional
        Number of threads; by default as `thread_count` says. The result does not depend on it.

    Returns
    -------
    values : (n, n_chi, n_q) array
        Means over the bins for height 1.
    window : (n, 2) int array
        First and one past the last bin of azimuth that is not zero; twice 0 for a fibre that lights none.
    """
    values, _, window = _all(bins, alpha, beta, q0, wa, wmu, delta, False, dtype, tolerance, threads)
    return values, window


def bin_means_and_derivatives(
    bins: Bins,
    alpha: Floats,
    beta: Floats,
    q0: Floats,
    wa: Floats,
    wmu: Floats,
    delta: Floats,
    *,
    dtype: type[np.float32] | type[np.float64] = np.float64,
    tolerance: float = TOLERANCE,
    threads: int | None = None,
) -> tuple[NDArray[Any], NDArray[Any], Window]:
    """Return what fibres of height 1 diffract into bins, and its derivatives at fixed height.

    Parameters are those of `bin_means`.

    Returns
    -------
    values : (n, n_chi, n_q) array
        Means over the bins for height 1.
    derivatives : (n, 6, n_chi, n_q) array
        With respect to q0, log wa, log wmu, logit delta, alpha and beta (rad).
    window : (n, 2) int array
        First and one past the last bin of azimuth that is not zero; twice 0 for a fibre that lights none.
    """
    return _all(bins, alpha, beta, q0, wa, wmu, delta, True, dtype, tolerance, threads)


def _all(
    bins: Bins, alpha: Floats, beta: Floats, q0: Floats, wa: Floats, wmu: Floats, delta: Floats,
    derivatives: bool, dtype: type, tolerance: float, threads: int | None,
) -> tuple[NDArray[Any], NDArray[Any], Window]:  # fmt: skip
    fibres = np.ascontiguousarray(np.stack(np.broadcast_arrays(alpha, beta, q0, wa, wmu, delta)).T, float)
    check_parameters(q0=fibres[:, 2], wa=fibres[:, 3], wmu=fibres[:, 4], delta=fibres[:, 5])
    if not np.all(np.isfinite(fibres)):
        raise ValueError("alpha and beta must be finite")
    made = plan(bins)
    n, shape = len(fibres), (len(bins.chi_deg), len(bins.q))
    values: NDArray[Any] = np.zeros((n, *shape), dtype)
    slopes: NDArray[Any] = np.zeros((n if derivatives else 0, 6, *shape), dtype)
    window = np.zeros((n, 2), np.intp)
    limit = -math.log(tolerance) if tolerance > 0 else math.inf
    count = min(thread_count(threads), max(n, 1))
    if count == 1:
        fill(fibres, 0, n, *made, limit, values, slopes, window)
        return values, slopes, window
    edges = np.linspace(0, n, min(4 * count, n) + 1).astype(int)
    with ThreadPoolExecutor(count) as pool:
        work = [pool.submit(fill, fibres, int(low), int(high), *made, limit, values, slopes, window)
                for low, high in pairwise(edges)]  # fmt: skip
        for one in work:
            one.result()
    return values, slopes, window
