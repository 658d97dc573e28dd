"""Backend ``tomosaxs``: this package's own azimuthal integration."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tomosaxs_plugins.integration.backends import IntegrationSettings
from tomosaxs_plugins.integration.engine.apply import integrate
from tomosaxs_plugins.integration.engine.errors import ErrorModel, error_model
from tomosaxs_plugins.integration.engine.lookup import Lookup, build_lookup
from tomosaxs_plugins.reconstruction.parallel import thread_count


class OwnBackend:
    """Exact pixel areas, eight frames at a time, sums in 64-bit floats; frames are shared among threads.

    A curve is bit-identical for any block and any number of threads. Without correction factors, sums of integer
    counts are exact. Corrections and Poisson uncertainties cost next to nothing: factors go into the normalisation,
    dark counts are subtracted from the sums of the bins.
    """

    def __init__(self) -> None:
        self._settings: IntegrationSettings | None = None
        self._lookup: Lookup | None = None
        self._errors = ErrorModel()

    def setup(self, settings: IntegrationSettings) -> None:
        """Work out the tables of pixels and bins."""
        frames = settings.frames
        self._settings = settings
        self._errors = error_model(settings.error_model)
        self._lookup = build_lookup(
            frames.geometry, frames.mask, settings.bins, settings.low, settings.high, settings.unit,
            splitting=settings.splitting, oversampling=settings.oversampling, pixel_norm=frames.factors(),
            mean_of_ratios=settings.average == "mean_of_ratios",
            dark=None if frames.dark is None else frames.dark.counts,
            dark_variance=self._errors.pixel_variance(frames.shape, frames.dark), threads=thread_count(),
        )  # fmt: skip

    def integrate(
        self, frames: NDArray[Any], uncertainties: NDArray[Any] | None = None
    ) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:
        """Return curves (n, bins) and their standard uncertainties, of frames (n, rows, columns)."""
        return self.integrate_and_count(frames, uncertainties)[:2]

    def integrate_and_count(
        self, frames: NDArray[Any], uncertainties: NDArray[Any] | None = None
    ) -> tuple[NDArray[np.float32], NDArray[np.float32] | None, NDArray[np.int64]]:
        """Return what `integrate` does, and (n,) how many shares of pixels in bins unusable values cost."""
        settings, lookup = self._settings, self._lookup
        if settings is None or lookup is None:
            raise RuntimeError("setup has to be called before integrate")
        given = settings.frames
        unusable = np.zeros(len(frames), dtype=np.int64)
        curves, sigmas = integrate(
            lookup, frames, errors=self._errors, uncertainties=uncertainties, below=given.below, above=given.above,
            gaps=given.gaps, threads=thread_count(), dtype=np.float32, unusable=unusable,
        )  # fmt: skip
        return curves, sigmas, unusable
