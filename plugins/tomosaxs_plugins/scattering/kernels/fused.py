"""The chain of corrections of one measurement in one pass over every frame: reading memory is what it costs."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tomosaxs_plugins.compiled import compiled
from tomosaxs_plugins.scattering.kernels.dead_time import arrived_counts
from tomosaxs_plugins.scattering.kernels.scaling import Floats, floating
from tomosaxs_plugins.scattering.kernels.self_absorption import longer_path

_SMALL_RATE = 2e-3
"""Up to this m D four terms of the series for the dead time leave 2e-10."""
_THIN = 0.05
"""Up to this a three terms for the self absorption leave 1e-8."""
_PIECE = 1 << 18
"""Pixels that are done for all frames before the next ones: long runs for the memory, maps that stay in the cache."""


@dataclass(frozen=True)
class PixelFactors:
    """What belongs to the pixels and is the same for all frames, ready for the pass; see `pixel_factors`."""

    inverse: Floats
    dark: Floats
    longer: Floats


def pixel_factors(divisor: ArrayLike, dark: ArrayLike, two_theta: ArrayLike, dtype: Any = np.float32) -> PixelFactors:
    """Prepare what belongs to the pixels.

    Parameters
    ----------
    divisor : (rows, columns) array
        Product of sensitivity, efficiency, solid angle and polarisation, as far as these are corrected.
    dark : array broadcastable to `divisor`
        Dark counts in a second of exposure.
    two_theta : array broadcastable to `divisor`
        Scattering angle, deg; 0 leaves self absorption out.
    dtype : float32 or float64
        That of the results.
    """
    flat = np.asarray(divisor, dtype=np.float64)
    inverse = 1 / np.where(np.isfinite(flat) & (flat > 0), flat, np.nan)
    maps = (inverse, np.asarray(dark, dtype=np.float64), longer_path(two_theta))
    return PixelFactors(*(np.ascontiguousarray(np.broadcast_to(each, flat.shape), dtype=dtype) for each in maps))


def correct_frames(
    frames: ArrayLike,
    pixels: PixelFactors,
    *,
    count_time: ArrayLike,
    incident: ArrayLike,
    transmission: ArrayLike,
    thickness: ArrayLike = 1.0,
    dead_time: float = 0.0,
) -> Floats:
    """Return corrected frames, as the corrections one after the other give them to 1e-6 or better.

    In the order of B. R. Pauw et al. (2017), 10.1107/S1600576717015096: dead time, dark counts, exposure, flux and
    transmission, self absorption, factors of the pixels, thickness.

    Parameters
    ----------
    frames : (n, rows, columns) array
        Raw counts. In integers, negative values and the largest value of the type become NaN.
    pixels : PixelFactors
        Of `pixel_factors`.
    count_time, incident, transmission, thickness : number or (n,) array
        s, counts of the monitor, 0 to 1, m.
    dead_time : float
        s.

    Returns
    -------
    (n, rows, columns) array
        float64 for float64 frames, else float32.
    """
    given = _contiguous(frames)
    known = _of_frames(len(given), count_time, incident, transmission, thickness, dead_time)
    out = np.empty((len(given), pixels.inverse.size), dtype=_kind(given))
    _all_frames(given.reshape(out.shape), *_flat(pixels), known, _flag(given), out)
    return out.reshape(given.shape)


def frame_uncertainties(
    frames: ArrayLike,
    pixels: PixelFactors,
    sigma: ArrayLike | None = None,
    *,
    count_time: ArrayLike,
    incident: ArrayLike,
    transmission: ArrayLike,
    thickness: ArrayLike = 1.0,
    dead_time: float = 0.0,
) -> Floats:
    """Return the standard uncertainties of what `correct_frames` returns, from those of the counts.

    Parameters
    ----------
    sigma : (n, rows, columns) array, optional
        Of the counts; by default their square root (Poisson).
    frames, pixels, count_time, incident, transmission, thickness, dead_time
        As for `correct_frames`; taken as known exactly.
    """
    given = _contiguous(frames)
    known = _of_frames(len(given), count_time, incident, transmission, thickness, dead_time)
    out = np.empty((len(given), pixels.inverse.size), dtype=_kind(given))
    inverse, _, longer = _flat(pixels)
    counted = sigma is None
    spread = given if sigma is None else np.ascontiguousarray(sigma, dtype=out.dtype)
    _all_uncertainties(given.reshape(out.shape), spread.reshape(out.shape), counted, inverse, longer, known,
                       _flag(given), out)  # fmt: skip
    return out.reshape(given.shape)


def _contiguous(frames: ArrayLike) -> NDArray[Any]:
    given = np.ascontiguousarray(frames)
    return given if given.dtype.kind in "iu" else floating(given)


def _kind(given: NDArray[Any]) -> Any:
    return np.float64 if given.dtype == np.float64 else np.float32


def _flag(given: NDArray[Any]) -> Any:
    """Return the largest value of integers, which means a pixel without a value; floats have none (0).

    It is of the frames' own type: comparing in a wider one would halve the speed.
    """
    return given.dtype.type(np.iinfo(given.dtype).max if given.dtype.kind in "iu" else 0)


def _flat(pixels: PixelFactors) -> tuple[Floats, Floats, Floats]:
    return pixels.inverse.reshape(-1), pixels.dark.reshape(-1), pixels.longer.reshape(-1)


def _of_frames(
    count: int,
    count_time: ArrayLike,
    incident: ArrayLike,
    transmission: ArrayLike,
    thickness: ArrayLike,
    dead_time: float,
) -> NDArray[np.float64]:
    """Return (n, 4): factor, optical depth, dead time over exposure, exposure; NaN where a number is unusable."""
    time, flux, part, path = (
        np.broadcast_to(np.asarray(each, dtype=np.float64).reshape(-1), count)
        for each in (count_time, incident, transmission, thickness)
    )
    good = (time > 0) & (flux > 0) & (part > 0) & (path > 0)
    scale = np.divide(1.0, np.where(good, time * flux * part * path, np.nan))
    depth = -np.log(np.where(good, part, 1.0))
    share = np.where(good, dead_time / np.where(good, time, 1.0), 0.0)
    return np.stack([scale, depth, share, time], axis=1)


def _simple(
    raw: NDArray[Any],
    inverse: NDArray[Any],
    dark: NDArray[Any],
    longer: NDArray[Any],
    known: tuple[float, float, float, float],
    flag: Any,
    out: NDArray[Any],
) -> int:
    """Correct one piece by series, without branches, so that many pixels are done at once.

    Returns how many pixels counted more than the series allow.
    """
    factor, path, blind, seconds = known
    high = 0
    for pixel in range(raw.size):
        m = np.float64(raw[pixel])
        z = m * blind
        high += 1 if z > _SMALL_RATE else 0
        n = m * (1.0 + z * (1.0 + z * (1.5 + z * (8.0 / 3.0))))
        a = path * longer[pixel]
        undone = 1.0 + a * (0.5 + a * (1.0 / 12.0))
        value = (n - dark[pixel] * seconds) * (factor * inverse[pixel]) * undone
        if flag > 0:  # only integers have one
            value = np.nan if (raw[pixel] < 0) | (raw[pixel] == flag) else value
        out[pixel] = value
    return high


def _exact(
    raw: NDArray[Any],
    inverse: NDArray[Any],
    dark: NDArray[Any],
    longer: NDArray[Any],
    known: tuple[float, float, float, float],
    flag: Any,
    thin: bool,
    out: NDArray[Any],
) -> None:
    """Correct those pixels of a piece once more that need the functions themselves."""
    factor, path, blind, seconds = known
    for pixel in range(raw.size):
        m = np.float64(raw[pixel])
        if (thin and not m * blind > _SMALL_RATE) or (flag > 0 and (m < 0 or m == flag)):
            continue
        a = path * longer[pixel]
        undone = 1.0 if a == 0.0 else -a / math.expm1(-a)
        n = arrived_counts(m, blind)
        out[pixel] = (n - dark[pixel] * seconds) * (factor * inverse[pixel]) * undone


def _pieces(
    frames: NDArray[Any],
    inverse: NDArray[Any],
    dark: NDArray[Any],
    longer: NDArray[Any],
    known: NDArray[np.float64],
    flag: Any,
    out: NDArray[Any],
) -> None:
    """Go through the frames piece by piece, so that what belongs to the pixels stays in the cache."""
    for low in range(0, frames.shape[1], _PIECE):
        high = min(low + _PIECE, frames.shape[1])
        angle = longer[low:high]
        top = 0.0
        for pixel in range(angle.size):
            if not angle[pixel] <= top:
                top = angle[pixel]
        for number in range(frames.shape[0]):
            one = (known[number, 0], known[number, 1], known[number, 2], known[number, 3])
            raw, done = frames[number, low:high], out[number, low:high]
            thin = abs(one[1]) * top < _THIN
            many = simple(raw, inverse[low:high], dark[low:high], angle, one, flag, done)
            if many > 0 or not thin:
                exact(raw, inverse[low:high], dark[low:high], angle, one, flag, thin, done)


def _uncertainties(
    frames: NDArray[Any],
    sigma: NDArray[Any],
    counted: bool,
    inverse: NDArray[Any],
    longer: NDArray[Any],
    known: NDArray[np.float64],
    flag: Any,
    out: NDArray[Any],
) -> None:
    """Multiply uncertainties by the derivative of the chain."""
    for number in range(frames.shape[0]):
        factor, path, blind = known[number, 0], known[number, 1], known[number, 2]
        for pixel in range(frames.shape[1]):
            m = np.float64(frames[number, pixel])
            z = m * blind
            slope = 1.0 + z * (2.0 + z * (4.5 + z * (32.0 / 3.0)))
            if z > _SMALL_RATE:
                n = arrived_counts(m, blind) * blind
                slope = math.exp(n) / (1.0 - n)
            a = path * longer[pixel]
            undone = 1.0 + a * (0.5 + a * (1.0 / 12.0))
            if not abs(a) < _THIN:
                undone = -a / math.expm1(-a)
            spread = math.sqrt(m) if counted else np.float64(sigma[number, pixel])
            value = spread * slope * (factor * inverse[pixel]) * undone
            if flag > 0:
                value = np.nan if (frames[number, pixel] < 0) | (frames[number, pixel] == flag) else value
            out[number, pixel] = value


simple = compiled(_simple, nogil=True)
exact = compiled(_exact, nogil=True)
_all_frames = compiled(_pieces, nogil=True)
_all_uncertainties = compiled(_uncertainties, nogil=True, error_model="numpy")
