"""Plugin `solid_angle`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from tomosaxs import Dataset, DiffractionPatterns, InputFile, Output, Param, Scan, plugin
from tomosaxs_plugins.integration.calibration_given import DESCRIPTION as CALIBRATION
from tomosaxs_plugins.scattering.angles import PixelAngles
from tomosaxs_plugins.scattering.kernels.solid_angle import divide_by_solid_angle
from tomosaxs_plugins.scattering.per_point import finished, like, usable, variance


def _check(data: Dataset, *, absolute: bool, calibration: Any, crop_offset: Any) -> None:
    PixelAngles(data, calibration, crop_offset)


def _shape(data: Dataset, *, absolute: bool, **_: Any) -> Output:
    units = f"{data.units or '1'}/sr" if absolute else None
    return like(data, core=True, units=units, corrected=("solid angle",))


@plugin(
    name="solid_angle",
    shape=_shape,
    check=_check,
    memory=4.0,
    cite=("10.1107/S1600576717015096", "10.1088/0953-8984/25/38/383201"),
    uncertainty=True,
)
@dataclass
class SolidAngle:
    """Divide by the solid angle of the pixels, relative to a pixel at the foot of the detector normal.

    That is cos^3 of the angle between ray and normal. With `absolute` it is the solid angle itself, in sr.
    """

    absolute: Annotated[bool, Param("divide by the solid angle in sr")] = False
    calibration: Annotated[
        InputFile | dict[str, Any] | None, Param(CALIBRATION + "; null: the scan's own geometry")
    ] = None
    crop_offset: Annotated[
        tuple[int, int] | None, Param("detector row and column where stored frames begin", unit="px", ge=0)
    ] = None

    _known: tuple[NDArray[np.float64], float] | None = field(default=None, init=False, repr=False)

    def setup(self, dataset: Dataset) -> None:
        """Find the angles of the pixels."""
        angles = PixelAngles(dataset, self.calibration, self.crop_offset)
        geometry = angles.geometry
        normal = geometry.pixel1 * geometry.pixel2 / geometry.distance**2 if self.absolute else 1.0
        self._known = angles.cosine, normal

    def __call__(self, data: DiffractionPatterns, scan: Scan) -> DiffractionPatterns:
        """Return corrected frames (n, rows, columns)."""
        if self._known is None:
            self.setup(scan.dataset)
        assert self._known is not None
        return finished(divide_by_solid_angle(usable(data), *self._known, variance(scan)))
