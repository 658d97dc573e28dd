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

from tomosaxs_plugins.integration.geometry import DetectorGeometry


@dataclass(frozen=True, eq=False)
class IntegrationSettings:
    """Everything that does not change from frame to frame.

    Parameters
    ----------
    geometry : DetectorGeometry
        Of the frames as they arrive (a crop is already taken into account).
    shape : tuple of int
        Rows and columns of a frame.
    bins : int
        Number of equal bins.
    low, high : float
        Outer edges of the first and the last bin, in `unit`.
    unit : str
        A key of `tomosaxs_plugins.integration.radial.RADIAL`.
    mask : (rows, columns) bool array
        True where a pixel is never used.
    polarization : float or None
        Degree of linear polarisation, 1 along the columns' direction, -1 along the rows', 0 unpolarised;
        None: no correction.
    solid_angle : bool
        Divide by the solid angle of a pixel relative to that at normal incidence, cos^3 of the angle of
        incidence.
    splitting : str
        How a pixel is shared among bins: ``full`` (by its area), ``bbox`` (by its extent), ``no``, ``subpixel``
        (by the centres of its sub-pixels).
    error_model : str
        ``none``, ``poisson`` (variance = counts) or ``azimuthal`` (variance from the spread in a bin).
    oversampling : int
        Sub-pixels along an edge of a pixel, for ``subpixel``.
    average : str
        ``ratio_of_sums`` (pixels weigh by what they can count) or ``mean_of_ratios`` (they weigh the same).
    below, above : float or None
        Values under or over these are not used in their frame.
    gaps : bool
        Of integer frames, neither are negative values and the largest value of the type.
    """

    geometry: DetectorGeometry
    shape: tuple[int, int]
    bins: int
    low: float
    high: float
    unit: str
    mask: NDArray[np.bool_]
    polarization: float | None = None
    solid_angle: bool = True
    splitting: Literal["full", "bbox", "no", "subpixel"] = "full"
    error_model: Literal["none", "poisson", "azimuthal"] = "none"
    oversampling: int = 3
    average: Literal["ratio_of_sums", "mean_of_ratios"] = "ratio_of_sums"
    below: float | None = None
    above: float | None = None
    gaps: bool = False


class IntegrationBackend(Protocol):
    """What `azimuthal_integrate` asks of an implementation."""

    def setup(self, settings: IntegrationSettings) -> None:
        """Prepare; called once, before the first frame."""

    def integrate(self, frames: NDArray[Any]) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:
        """Return curves (n, bins) and their standard uncertainties, of frames (n, rows, columns).

        Intensity is the sum of counts over the sum of weights (polarisation, solid angle, area), NaN in
        a bin without any usable pixel. A pixel that is not finite in a frame, or that the settings'
        `below`, `above` and `gaps` leave out, is not used in it. The uncertainty is None without an error
        model.
        """
