"""Cakes by pyFAI (doi:10.1107/S1600576715004306), imported only when it is used."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tomosaxs_plugins.integration.backends.cakes import CakeSettings
from tomosaxs_plugins.integration.backends.pyfai import _UNITS, PyFAIBackend, _without_advice
from tomosaxs_plugins.integration.masks import unusable_to_nan


class PyFAICakeBackend:
    """pyFAI's sparse-matrix integrator in two dimensions.

    Pixels that lie across +-180 degrees (or 0, where azimuths are asked for from there) it counts into the sectors on
    both sides only in part, and those across the ends of a range into the last bins. Of splitting by area, its matrix
    (release 2026.9) has chance weights for the first pixel that is used and no numbers for the pixel that the beam
    meets: these two are left out.
    """

    def __init__(self) -> None:
        self._peer = PyFAIBackend()
        self._settings: CakeSettings | None = None
        self._range = 0.0, 0.0

    def setup(self, settings: CakeSettings) -> None:
        """Prepare; the matrix itself is built with the first frame.

        Raises
        ------
        ValueError
            For what pyFAI does not have: see `refusal`.
        """
        reason = refusal(settings)
        if reason:
            raise ValueError(f"pyFAI has no {reason}")
        self._peer.setup(settings)
        self._settings = settings
        first, last = settings.first, settings.last
        self._range = -last, -first  # it counts azimuths clockwise
        if first < -180 or last > 180:
            self._peer._integrator.setChiDiscAtZero()
            self._range = 360 - last, 360 - first
        if settings.splitting == "full":
            self._leave_out_undefined()

    def _leave_out_undefined(self) -> None:
        """Build the matrix and take out the weights that pyFAI leaves undefined."""
        if self._settings is None or self._peer._mask is None:
            raise RuntimeError("setup has to be called first")
        with _without_advice():
            ones = np.ones(self._settings.frames.shape, dtype=np.float32)
            self._one(ones, self._settings, ones)
        for engine in self._peer._integrator.engines.values():
            weights, pixels = np.asarray(engine.engine.data), np.asarray(engine.engine.indices)
            used = pixels[np.isfinite(weights)]
            if used.size:
                weights[pixels == used.min()] = 0.0
            weights[~np.isfinite(weights)] = 0.0

    def integrate(
        self, frames: NDArray[Any], uncertainties: NDArray[Any] | None = None
    ) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:
        """Return cakes (n, sectors, bins) and their standard uncertainties, of frames (n, rows, columns)."""
        settings = self._settings
        if settings is None:
            raise RuntimeError("setup has to be called before integrate")
        cakes = np.full((len(frames), settings.sectors, settings.bins), np.nan, dtype=np.float32)
        sigmas = None if settings.error_model == "none" else cakes.copy()
        given = settings.frames
        for number, frame in enumerate(unusable_to_nan(frames, given.below, given.above, given.gaps)):
            image = np.require(frame, requirements=("C", "W"))
            with _without_advice():
                found = self._one(image, settings, None if uncertainties is None else uncertainties[number])
            used = np.asarray(found.sum_normalization)[::-1] > 0
            cakes[number, used] = np.asarray(found.intensity)[::-1][used]
            if sigmas is not None:
                sigmas[number, used] = np.asarray(found.sigma)[::-1][used]
        return cakes, sigmas

    def _one(self, frame: NDArray[Any], settings: CakeSettings, sigma: NDArray[Any] | None) -> Any:
        variance, model = self._peer._variance(frame, sigma)
        return self._peer._integrator.integrate2d(
            frame,
            settings.bins,
            settings.sectors,
            unit=_UNITS.get(settings.unit, settings.unit),
            radial_range=(settings.low, settings.high),
            azimuth_range=self._range,
            mask=self._peer._mask,
            variance=variance,
            error_model=model,
            method=(settings.splitting, "csr", "cython"),
            **self._peer._corrections,
        )


def refusal(settings: CakeSettings) -> str:
    """Return in words what of the settings pyFAI does not have; empty where it has all."""
    if settings.splitting == "subpixel":
        return "splitting: subpixel"
    if settings.average != "ratio_of_sums":
        return f"average: {settings.average}"
    if settings.fold:
        return "fold: true"
    inside = (settings.first >= -180 and settings.last <= 180) or (settings.first >= 0 and settings.last <= 360)
    return "" if inside else f"azimuth_range {[settings.first, settings.last]} (only parts of -180..180 or of 0..360)"
