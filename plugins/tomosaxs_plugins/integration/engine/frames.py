"""Everything about diffraction frames that does not change from one to the next; plain numpy, no framework."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tomosaxs_plugins.integration.engine.errors import DarkCounts
from tomosaxs_plugins.integration.engine.factors import pixel_factors
from tomosaxs_plugins.integration.geometry import DetectorGeometry


@dataclass(frozen=True, eq=False)
class Frames:
    """What does not change from frame to frame.

    Parameters
    ----------
    geometry : DetectorGeometry
        Of the frames as they arrive: crops are taken into account.
    shape : (rows, columns)
        Of a frame.
    mask : (rows, columns) bool array
        True where a pixel is never used: mask file, the data's own mask, sector, and pixels without a usable
        sensitivity or dark value.
    solid_angle, polarization, polarization_angle
        See `pixel_factors`.
    efficiency : (rows, columns) float64 array or None
        Sensitivity of the pixels (flat field and absorption by the sensor); None: ones.
    dark : DarkCounts or None
        Counts that come without scattered photons.
    below, above : float or None
        Values under or over these are not used in their frame.
    gaps : bool
        Of integer frames, neither are negative values and the largest value of the type.
    """

    geometry: DetectorGeometry
    shape: tuple[int, int]
    mask: NDArray[np.bool_]
    solid_angle: bool = False
    polarization: float | None = None
    polarization_angle: float = 0.0
    efficiency: NDArray[np.float64] | None = None
    dark: DarkCounts | None = None
    below: float | None = None
    above: float | None = None
    gaps: bool = True

    def factors(self) -> NDArray[np.float64]:
        """Return (rows, columns) factors by which counts are reduced, all corrections multiplied; 1 without any."""
        return pixel_factors(
            self.geometry, self.shape, self.solid_angle, self.polarization, self.polarization_angle, self.efficiency
        )
