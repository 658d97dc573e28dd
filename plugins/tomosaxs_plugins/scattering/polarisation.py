"""Plugin `polarisation`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from tomosaxs import Dataset, DiffractionPatterns, InputFile, Output, Param, Scan, plugin
from tomosaxs_plugins.integration.calibration_given import DESCRIPTION as CALIBRATION
from tomosaxs_plugins.scattering.angles import PixelAngles
from tomosaxs_plugins.scattering.kernels.polarisation import divide_by_polarisation
from tomosaxs_plugins.scattering.per_point import finished, like, usable, variance


def _check(data: Dataset, *, horizontal: Any, calibration: Any, crop_offset: Any) -> None:
    PixelAngles(data, calibration, crop_offset)


def _shape(data: Dataset, **_: Any) -> Output:
    return like(data, core=True, corrected=("polarisation",))


@plugin(
    name="polarisation",
    shape=_shape,
    check=_check,
    memory=4.0,
    cite=("10.1107/S1600576717015096", "10.1088/0953-8984/25/38/383201"),
    uncertainty=True,
)
@dataclass
class Polarisation:
    """Divide by how a polarised beam prefers directions.

    The factor is h (1 - cos^2 chi sin^2 2theta) + (1 - h) (1 - sin^2 chi sin^2 2theta), chi from the rows of the
    frames, which must lie horizontally. Do not correct for it again in azimuthal_integrate, whose `polarization` is
    2 h - 1.
    """

    horizontal: Annotated[
        float, Param("part of the intensity that is polarised along rows: 1 fully, 0.5 unpolarised", ge=0, le=1)
    ] = 0.95
    calibration: Annotated[
        InputFile | dict[str, Any] | None, Param(CALIBRATION + "; null: the scan's own geometry")
    ] = None
    crop_offset: Annotated[
        tuple[int, int] | None, Param("detector row and column where stored frames begin", unit="px", ge=0)
    ] = None

    _angles: tuple[NDArray[np.float64], NDArray[np.float64]] | None = field(default=None, init=False, repr=False)

    def setup(self, dataset: Dataset) -> None:
        """Find the angles of the pixels."""
        angles = PixelAngles(dataset, self.calibration, self.crop_offset)
        self._angles = angles.two_theta, angles.azimuth

    def __call__(self, data: DiffractionPatterns, scan: Scan) -> DiffractionPatterns:
        """Return corrected frames (n, rows, columns)."""
        if self._angles is None:
            self.setup(scan.dataset)
        assert self._angles is not None
        return finished(divide_by_polarisation(usable(data), *self._angles, self.horizontal, variance(scan)))
