"""Azimuthal integration by pyFAI (doi:10.1107/S1600576715004306), imported only when it is used."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tomosaxs_plugins.integration.backends import IntegrationSettings
from tomosaxs_plugins.integration.engine.errors import ErrorModel, error_model
from tomosaxs_plugins.integration.engine.frames import Frames
from tomosaxs_plugins.integration.masks import unusable_to_nan

_UNITS = {"2theta_deg": "2th_deg", "2theta_rad": "2th_rad", "radius_mm": "r_mm"}  # all others have the same name


@contextmanager
def _without_advice() -> Iterator[None]:
    """Keep pyFAI's advice off the terminal; errors stay."""
    logger = logging.getLogger("pyFAI")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


def _integrator(settings: IntegrationSettings) -> Any:
    """Return a pyFAI integrator for the geometry."""
    with _without_advice():
        import pyFAI

        pyFAI.use_opencl = False  # a GPU would need another kind of reproducibility; asked for by nobody yet
        from pyFAI.detectors import Detector
        from pyFAI.integrator.azimuthal import AzimuthalIntegrator
    geometry = settings.frames.geometry
    detector = Detector(geometry.pixel1, geometry.pixel2, max_shape=settings.frames.shape, orientation=3)
    return AzimuthalIntegrator(
        dist=geometry.distance, poni1=geometry.poni1, poni2=geometry.poni2,
        rot1=geometry.rot1, rot2=geometry.rot2, rot3=geometry.rot3,
        detector=detector, wavelength=geometry.wavelength,
    )  # fmt: skip


class PyFAIBackend:
    """pyFAI's sparse-matrix integrator: compiled code on the CPU, equal bits for any number of threads.

    Every bin is one sum over its row of the matrix, done by one thread in a fixed order. pyFAI turns counts
    into 32-bit floats first: integers above 2**24 are rounded.
    """

    def __init__(self) -> None:
        self._settings: IntegrationSettings | None = None
        self._integrator: Any = None
        self._mask: NDArray[np.int8] | None = None
        self._errors = ErrorModel()
        self._constant: NDArray[np.float64] | None = None
        self._corrections: dict[str, Any] = {}

    def setup(self, settings: IntegrationSettings) -> None:
        """Prepare; the matrix itself is built with the first frame.

        Raises
        ------
        ValueError
            For splitting by sub-pixels and the mean of ratios, which pyFAI does not have.
        """
        if settings.splitting == "subpixel" or settings.average != "ratio_of_sums":
            raise ValueError("pyFAI has neither splitting by sub-pixels nor the mean of ratios")
        self._settings = settings
        self._integrator = _integrator(settings)
        given = settings.frames
        self._mask = given.mask.astype(np.int8)
        self._errors = error_model(settings.error_model)
        self._constant = self._errors.pixel_variance(given.shape, given.dark)
        self._corrections = {
            "dark": None if given.dark is None else given.dark.counts,
            "flat": given.efficiency,
            "correctSolidAngle": given.solid_angle,
            "polarization_factor": _polarization(given),
        }

    def integrate(
        self, frames: NDArray[Any], uncertainties: NDArray[Any] | None = None
    ) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:
        """Return curves (n, bins) and their standard uncertainties, of frames (n, rows, columns)."""
        settings = self._settings
        if settings is None:
            raise RuntimeError("setup has to be called before integrate")
        curves = np.full((len(frames), settings.bins), np.nan, dtype=np.float32)
        sigmas = None if settings.error_model == "none" else curves.copy()
        given = settings.frames
        for number, frame in enumerate(unusable_to_nan(frames, given.below, given.above, given.gaps)):
            # compiled code that refuses read-only memory: a block may be part of a memory map
            image = np.require(frame, requirements=("C", "W"))
            with _without_advice():
                found = self._one(image, settings, None if uncertainties is None else uncertainties[number])
            used = np.asarray(found.sum_normalization) > 0
            curves[number, used] = np.asarray(found.intensity)[used]
            if sigmas is not None:
                sigmas[number, used] = np.asarray(found.sigma)[used]
        return curves, sigmas

    def _one(self, frame: NDArray[Any], settings: IntegrationSettings, sigma: NDArray[Any] | None) -> Any:
        variance, model = self._variance(frame, sigma)
        return self._integrator.integrate1d(
            frame,
            settings.bins,
            unit=_UNITS.get(settings.unit, settings.unit),
            radial_range=(settings.low, settings.high),
            mask=self._mask,
            variance=variance,
            error_model=model,
            method=(settings.splitting, "csr", "cython"),
            **self._corrections,
        )

    def _variance(self, frame: NDArray[Any], sigma: NDArray[Any] | None) -> tuple[Any, str | None]:
        """Return variances of the pixels, or None, and the name of pyFAI's error model, or None."""
        kind, variance = self._errors.kind, None
        if kind == "given":
            made = self._errors.variance
            variance = np.square(sigma, dtype=np.float64) if made is None else made(frame)  # type: ignore[arg-type]
            variance = variance if self._constant is None else variance + self._constant
        elif kind == "counts" and (self._constant is not None or self._errors.slope != 1):
            counts = frame if self._constant is None else frame + self._constant
            variance = self._errors.slope * counts
        return variance, {"none": None, "azimuthal": "azimuthal"}.get(kind, "poisson" if variance is None else None)


def _polarization(frames: Frames) -> Any:
    """Return degree of polarisation and its direction.

    pyFAI counts azimuths clockwise and adds the direction to them (rad), so that it has the sign of ours.
    """
    if frames.polarization is None or frames.polarization_angle == 0:
        return frames.polarization
    from pyFAI.containers import PolarizationDescription

    return PolarizationDescription(frames.polarization, np.radians(frames.polarization_angle))
