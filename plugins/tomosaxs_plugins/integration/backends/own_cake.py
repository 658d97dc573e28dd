"""Backend ``tomosaxs`` of `cake`: this package's own."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tomosaxs_plugins.integration.backends.cakes import CakeSettings
from tomosaxs_plugins.integration.engine.cake_apply import make_cakes
from tomosaxs_plugins.integration.engine.cake_lookup import CakeLookup, build_cake_lookup
from tomosaxs_plugins.integration.engine.errors import ErrorModel, error_model
from tomosaxs_plugins.reconstruction.parallel import thread_count


class OwnCakeBackend:
    """Exact areas in radius and azimuth, eight frames at a time, sums in 64-bit floats; frames shared among threads.

    A cake is bit-identical for any block and any number of threads. Summed over the azimuths, it is the curve.
    """

    def __init__(self) -> None:
        self._settings: CakeSettings | None = None
        self._lookup: CakeLookup | None = None
        self._errors = ErrorModel()

    def setup(self, settings: CakeSettings) -> None:
        """Work out the tables of pixels and cells."""
        frames = settings.frames
        self._settings = settings
        self._errors = error_model(settings.error_model)
        self._lookup = build_cake_lookup(
            frames.geometry, frames.mask, (settings.bins, settings.low, settings.high, settings.unit),
            (settings.sectors, settings.first, settings.last), splitting=settings.splitting,
            oversampling=settings.oversampling, fold=settings.fold, pixel_norm=frames.factors(),
            mean_of_ratios=settings.average == "mean_of_ratios",
            dark=None if frames.dark is None else frames.dark.counts,
            dark_variance=self._errors.pixel_variance(frames.shape, frames.dark), threads=thread_count(),
        )  # fmt: skip

    def integrate(
        self, frames: NDArray[Any], uncertainties: NDArray[Any] | None = None
    ) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:
        """Return cakes (n, sectors, bins) and their standard uncertainties, of frames (n, rows, columns)."""
        settings, lookup = self._settings, self._lookup
        if settings is None or lookup is None:
            raise RuntimeError("setup has to be called before integrate")
        given = settings.frames
        return make_cakes(
            lookup, frames, errors=self._errors, uncertainties=uncertainties, below=given.below, above=given.above,
            gaps=given.gaps, threads=thread_count(), dtype=np.float32,
        )  # fmt: skip
