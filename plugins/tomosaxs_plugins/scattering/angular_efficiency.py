"""Plugin `angular_efficiency`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from tomosaxs import Dataset, DiffractionPatterns, InputError, InputFile, Output, Param, Scan, plugin
from tomosaxs_plugins.integration.calibration_given import DESCRIPTION as CALIBRATION
from tomosaxs_plugins.scattering.angles import PixelAngles
from tomosaxs_plugins.scattering.kernels.angular_efficiency import divide_by_efficiency
from tomosaxs_plugins.scattering.per_point import finished, like, usable, variance

LOWEST_EFFICIENCY = 2e-3
"""Of a sensor that somebody would use; below it the coefficient is hardly in 1/m."""


def check_sensor(attenuation: float | None, thickness: float | None) -> None:
    """Refuse a sensor that would absorb next to nothing.

    Raises
    ------
    InputError
        When the numbers are most likely in other units.
    """
    if attenuation is None or thickness is None:
        return
    efficiency = -np.expm1(-attenuation * thickness)
    if efficiency < LOWEST_EFFICIENCY:
        raise InputError(
            f"a sensor of {thickness:g} m with {attenuation:g} 1/m absorbs only {100 * efficiency:.2g} % of the "
            "photons: are both in m? Silicon has about 2960 1/m at 14 keV",
            parameter="attenuation",
        )


def _check(data: Dataset, *, attenuation: Any, thickness: Any, calibration: Any, crop_offset: Any) -> None:
    check_sensor(attenuation, thickness)
    PixelAngles(data, calibration, crop_offset)


def _shape(data: Dataset, **_: Any) -> Output:
    return like(data, core=True, corrected=("angular efficiency",))


@plugin(
    name="angular_efficiency",
    shape=_shape,
    check=_check,
    memory=4.0,
    cite="10.1107/S1600576717015096",
    uncertainty=True,
)
@dataclass
class AngularEfficiency:
    """Divide by the part of the photons that the sensor absorbs, which grows with the angle of incidence.

    1 - exp(-mu t / cos alpha), alpha the angle between ray and detector normal, mu the attenuation coefficient of the
    sensor's material at the photon energy (silicon at 14 keV: about 2960 1/m) and t its thickness.
    """

    attenuation: Annotated[float, Param("attenuation coefficient of the sensor at the photon energy", "1/m", gt=0)]
    thickness: Annotated[float, Param("thickness of the sensor", "m", gt=0)]
    calibration: Annotated[
        InputFile | dict[str, Any] | None, Param(CALIBRATION + "; null: the scan's own geometry")
    ] = None
    crop_offset: Annotated[
        tuple[int, int] | None, Param("detector row and column where stored frames begin", unit="px", ge=0)
    ] = None

    _cosine: NDArray[np.float64] | None = field(default=None, init=False, repr=False)

    def setup(self, dataset: Dataset) -> None:
        """Find the angles of the pixels."""
        self._cosine = PixelAngles(dataset, self.calibration, self.crop_offset).cosine

    def __call__(self, data: DiffractionPatterns, scan: Scan) -> DiffractionPatterns:
        """Return corrected frames (n, rows, columns)."""
        if self._cosine is None:
            self.setup(scan.dataset)
        assert self._cosine is not None
        corrected = divide_by_efficiency(usable(data), self._cosine, self.attenuation, self.thickness, variance(scan))
        return finished(corrected)
