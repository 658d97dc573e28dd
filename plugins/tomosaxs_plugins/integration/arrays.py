"""Azimuthal integration of plain arrays, for notebooks and scripts: no lists, no framework."""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tomosaxs_plugins.integration.engine.apply import integrate as integrate_frames
from tomosaxs_plugins.integration.engine.errors import DarkCounts, ErrorModel, error_model
from tomosaxs_plugins.integration.engine.factors import pixel_factors, sensor_factors
from tomosaxs_plugins.integration.engine.lookup import Lookup, build_lookup
from tomosaxs_plugins.integration.geometry import DetectorGeometry
from tomosaxs_plugins.integration.masks import azimuth_mask
from tomosaxs_plugins.integration.radial import RADIAL, bin_centres, full_range
from tomosaxs_plugins.reconstruction.parallel import thread_count
from tomosaxs_plugins.scattering.images import average

_KEPT = 4  # tables of so many different calls stay in memory; those of a million pixels take 40 MB


class Curve(NamedTuple):
    """What `integrate` returns.

    Parameters
    ----------
    q : (bins,) float64 array
        Centres of the bins, in the unit that was asked for.
    intensity : (bins,) or (n, bins) float64 array
        NaN where a bin has no usable pixel.
    sigma : array like `intensity`, or None
        Standard uncertainty; None with the error model ``none``.
    """

    q: NDArray[np.float64]
    intensity: NDArray[np.float64]
    sigma: NDArray[np.float64] | None


def integrate(
    geometry: DetectorGeometry,
    image: ArrayLike,
    *,
    bins: int = 1000,
    range: tuple[float, float] | None = None,
    unit: str = "q_nm^-1",
    mask: ArrayLike | None = None,
    mask_below: float | None = None,
    mask_above: float | None = None,
    mask_gaps: bool = True,
    azimuth_range: tuple[float, float] | None = None,
    dark: ArrayLike | None = None,
    dark_scale: float = 1.0,
    flat: ArrayLike | None = None,
    sensor_thickness: float | None = None,
    sensor_attenuation: float | None = None,
    polarization: float | None = None,
    polarization_angle: float = 0.0,
    solid_angle: bool = True,
    normalise: ArrayLike | None = None,
    error_model: str = "poisson",
    uncertainties: ArrayLike | None = None,
    splitting: Literal["full", "bbox", "no", "subpixel"] = "full",
    oversampling: int = 3,
    average: Literal["ratio_of_sums", "mean_of_ratios"] = "ratio_of_sums",
    threads: int | None = None,
) -> Curve:
    """Integrate one image or a stack of them over the azimuth.

    Everything means what it means in the step `azimuthal_integrate`, except that arrays stand for files, and that the
    error model is ``poisson`` by default. The tables for a geometry, a mask, bins and corrections are worked out once
    and kept: the next call with the same ones only sums up.

    Parameters
    ----------
    image : (rows, columns) or (n, rows, columns) array
        Counts. Values that are not finite, and of integers negative ones and the largest of the type, are not used.
    bins, range, unit
        Number of equal bins, their outer edges, and a key of `RADIAL`.
    mask : (rows, columns) array, optional
        Non-zero where a pixel is not to be used.
    azimuth_range : (low, high), optional
        Sector of azimuths, deg.
    dark : (rows, columns) or (k, rows, columns) array, optional
        Counts without scattered photons; of several frames the mean.
    flat : (rows, columns) array, optional
        Sensitivity of the pixels, taken as it is.
    normalise : float or (n,) array, optional
        What to divide the curves by, for instance a monitor times the transmission.
    error_model : str
        ``none``, ``poisson``, ``azimuthal``, ``data`` (with `uncertainties`), or the variance as an expression of the
        counts ``I``.
    uncertainties : array like `image`, optional
        Standard uncertainties of the counts.
    threads : int, optional
        The result does not depend on it.

    Raises
    ------
    ValueError
        When shapes or parameters do not fit.
    """
    frames = np.asarray(image)
    single = frames.ndim == 2
    frames = frames[None] if single else frames
    shape = frames.shape[1:] if frames.ndim == 3 else ()
    if len(shape) != 2 or (geometry.shape is not None and shape != geometry.shape):
        wanted = "(rows, columns)" if geometry.shape is None else f"{geometry.shape}, the detector's"
        raise ValueError(f"image of shape {np.shape(image)}: expected {wanted}, or a stack of such images")
    lookup, model, low, high = _tables(
        geometry, (int(shape[0]), int(shape[1])), bins=bins, range=range, unit=unit, mask=mask,
        azimuth_range=azimuth_range, dark=dark, dark_scale=dark_scale, flat=flat, sensor_thickness=sensor_thickness,
        sensor_attenuation=sensor_attenuation, polarization=polarization, polarization_angle=polarization_angle,
        solid_angle=solid_angle, error_model=error_model, splitting=splitting, oversampling=oversampling,
        average=average,
    )  # fmt: skip
    sigma = None if uncertainties is None else np.asarray(uncertainties).reshape(frames.shape)
    curves, sigmas = integrate_frames(
        lookup, frames, errors=model, uncertainties=sigma, below=mask_below, above=mask_above, gaps=mask_gaps,
        threads=thread_count() if threads is None else threads,
    )  # fmt: skip
    if normalise is not None:
        divisor = np.broadcast_to(np.asarray(normalise, dtype=np.float64), (len(frames),))[:, None]
        divisor = np.where(np.isfinite(divisor) & (divisor > 0), divisor, np.nan)
        curves, sigmas = curves / divisor, None if sigmas is None else sigmas / divisor
    if single:
        curves, sigmas = curves[0], None if sigmas is None else sigmas[0]
    return Curve(bin_centres(low, high, bins), curves, sigmas)


_cache: OrderedDict[bytes, tuple[Lookup, ErrorModel, float, float]] = OrderedDict()
_lock = threading.Lock()


def _tables(
    geometry: DetectorGeometry, shape: tuple[int, int], **given: Any
) -> tuple[Lookup, ErrorModel, float, float]:
    """Return tables, error model and outer edges, those of an earlier call where nothing differs."""
    key = hashlib.blake2b(repr((geometry, shape)).encode())
    for name, value in given.items():
        key.update(f"{name}=".encode())
        if name in ("mask", "dark", "flat") and value is not None:
            array = np.ascontiguousarray(value)
            key.update(repr((array.shape, array.dtype.str)).encode())
            key.update(array.view(np.uint8).data if array.size else b"")
        else:
            key.update(repr(value).encode())
    name_of_this = key.digest()
    with _lock:
        if name_of_this in _cache:
            _cache.move_to_end(name_of_this)
            return _cache[name_of_this]
    made = _new_tables(geometry, shape, **given)
    with _lock:
        _cache[name_of_this] = made
        while len(_cache) > _KEPT:
            _cache.popitem(last=False)
    return made


def _new_tables(
    geometry: DetectorGeometry,
    shape: tuple[int, int],
    *,
    bins: int,
    range: tuple[float, float] | None,
    unit: str,
    mask: ArrayLike | None,
    azimuth_range: tuple[float, float] | None,
    dark: ArrayLike | None,
    dark_scale: float,
    flat: ArrayLike | None,
    sensor_thickness: float | None,
    sensor_attenuation: float | None,
    polarization: float | None,
    polarization_angle: float,
    solid_angle: bool,
    error_model: str,
    splitting: str,
    oversampling: int,
    average: str,
) -> tuple[Lookup, ErrorModel, float, float]:
    if unit not in RADIAL:
        raise ValueError(f"unit {unit!r} is not one of {', '.join(RADIAL)}")
    low, high = full_range(geometry, shape, unit) if range is None else (float(range[0]), float(range[1]))
    model = _error_model(error_model)
    masked = np.zeros(shape, dtype=np.bool_) if mask is None else _of_shape(mask, shape, "mask") != 0
    if azimuth_range is not None:
        masked = masked | azimuth_mask(geometry, shape, *azimuth_range)
    efficiency = None if flat is None else np.asarray(_of_shape(flat, shape, "flat"), dtype=np.float64)
    if (sensor_thickness is None) != (sensor_attenuation is None):
        raise ValueError("sensor_thickness and sensor_attenuation go together")
    if sensor_thickness is not None and sensor_attenuation is not None:
        absorbed = sensor_factors(geometry, shape, sensor_thickness, sensor_attenuation)
        efficiency = absorbed if efficiency is None else efficiency * absorbed
    counts = None
    if dark is not None:
        measured, number = _average(dark, shape)
        masked = masked | ~np.isfinite(measured)
        counts = DarkCounts(np.where(masked, 0.0, measured), np.maximum(number, 1), dark_scale)
    if masked.all():
        raise ValueError("every pixel is masked")
    lookup = build_lookup(
        geometry, masked, bins, low, high, unit, splitting=splitting, oversampling=oversampling,
        pixel_norm=pixel_factors(geometry, shape, solid_angle, polarization, polarization_angle, efficiency),
        mean_of_ratios=average == "mean_of_ratios", dark=None if counts is None else counts.counts,
        dark_variance=model.pixel_variance(shape, counts), threads=thread_count(),
    )  # fmt: skip
    return lookup, model, low, high


_error_model = error_model  # names of parameters hide the functions
_mean = average


def _average(dark: ArrayLike, shape: tuple[int, int]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    frames = np.asarray(dark)
    if frames.ndim < 2 or frames.shape[-2:] != shape:
        raise ValueError(f"dark of shape {frames.shape}: the image has {shape}")
    return _mean(frames)


def _of_shape(values: ArrayLike, shape: tuple[int, int], name: str) -> NDArray[Any]:
    found = np.asarray(values)
    if found.shape != shape:
        raise ValueError(f"{name} of shape {found.shape}: the image has {shape}")
    return found
