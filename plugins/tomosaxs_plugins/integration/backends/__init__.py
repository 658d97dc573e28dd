"""Backends of `azimuthal_integrate`: what each has to offer.

A backend is a class without constructor arguments that fulfils `IntegrationBackend`. It is registered with
``BackendEntry(name=..., plugin="azimuthal_integrate", target="module:class", ...)`` and then chosen by its
name. `setup` is called once; `integrate` then as often as there are blocks, with the promise that the curve
of a frame does not depend on the other frames of the block.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from tomosaxs_plugins.integration.engine.frames import Frames


@dataclass(frozen=True, eq=False)
class IntegrationSettings:
    """Everything that does not change from frame to frame.

    Parameters
    ----------
    frames : Frames
        Geometry, shape, mask, corrections and limits of the frames as they arrive.
    bins : int
        Number of equal bins.
    low, high : float
        Outer edges of the first and the last bin, in `unit`.
    unit : str
        A key of `tomosaxs_plugins.integration.radial.RADIAL`.
    splitting : str
        How a pixel is shared among bins: ``full`` (by its area), ``bbox`` (by its extent), ``no``, ``subpixel``
        (by the centres of its sub-pixels).
    error_model : str
        ``none``, ``poisson`` (variance = counts), ``azimuthal`` (variance from the spread in a bin), ``data``
        (uncertainties come with the frames), or the variance as an expression of the counts ``I``.
    oversampling : int
        Sub-pixels along an edge of a pixel, for ``subpixel``.
    average : str
        ``ratio_of_sums`` (pixels weigh by what they can count) or ``mean_of_ratios`` (they weigh the same).
    """

    frames: Frames
    bins: int
    low: float
    high: float
    unit: str
    splitting: Literal["full", "bbox", "no", "subpixel"] = "full"
    error_model: str = "none"
    oversampling: int = 3
    average: Literal["ratio_of_sums", "mean_of_ratios"] = "ratio_of_sums"


class IntegrationBackend(Protocol):
    """What `azimuthal_integrate` asks of an implementation."""

    def setup(self, settings: IntegrationSettings) -> None:
        """Prepare; called once, before the first frame."""

    def integrate(
        self, frames: NDArray[Any], uncertainties: NDArray[Any] | None = None
    ) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:
        """Return curves (n, bins) and their standard uncertainties, of frames (n, rows, columns).

        `uncertainties` (n, rows, columns) come with the error model ``data`` only.

        Intensity is the sum of counts less dark counts over the sum of weights (area times the factors of
        the frames), NaN in a bin without any usable pixel. A pixel that is not finite in a frame, or that the
        frames' `below`, `above` and `gaps` leave out, is not used in it. The uncertainty is None without an
        error model.
        """
