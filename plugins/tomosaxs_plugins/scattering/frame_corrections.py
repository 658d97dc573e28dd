"""Plugin `frame_corrections`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any

import numpy as np

from tomosaxs import Dataset, DiffractionPatterns, InputError, InputFile, Output, Param, Scan, plugin
from tomosaxs_plugins.integration.calibration_given import DESCRIPTION as CALIBRATION
from tomosaxs_plugins.scattering.angles import PixelAngles
from tomosaxs_plugins.scattering.angular_efficiency import check_sensor
from tomosaxs_plugins.scattering.flat_field import sensitivity_for
from tomosaxs_plugins.scattering.kernels.angular_efficiency import sensor_efficiency
from tomosaxs_plugins.scattering.kernels.fused import (
    PixelFactors,
    correct_frames,
    frame_uncertainties,
    pixel_factors,
)
from tomosaxs_plugins.scattering.kernels.polarisation import polarisation_factor
from tomosaxs_plugins.scattering.kernels.solid_angle import relative_solid_angle
from tomosaxs_plugins.scattering.per_point import check_values, like, positive, uncertain


def _check(data: Dataset, **given: Any) -> None:
    for name, units in (("count_time", "s"), ("incident", ""), ("transmission", ""), ("thickness", "m")):
        check_values(data, name, given[name], units)
    attenuation, sensor = given["sensor_attenuation"], given["sensor_thickness"]
    if (attenuation is None) != (sensor is None):
        raise InputError("sensor_attenuation and sensor_thickness go together", parameter="sensor_thickness")
    check_sensor(attenuation, sensor)
    if given["flat"] is not None:
        sensitivity_for(data, given["flat"], "median")
    PixelAngles(data, given["calibration"], given["crop_offset"])


def _shape(data: Dataset, *, thickness: Any, **given: Any) -> Output:
    made = {
        "dead time": given["dead_time"],
        "dark current": given["dark_rate"],
        "flat field": given["flat"],
        "angular efficiency": given["sensor_thickness"],
        "solid angle": given["solid_angle"],
        "polarisation": given["horizontal"] is not None,
    }
    corrected = ("flux", "transmission", "self absorption", *(name for name, done in made.items() if done))
    return like(data, core=True, label="intensity", units="" if thickness == 1.0 else "1/m", corrected=corrected)


@plugin(
    name="frame_corrections",
    shape=_shape,
    check=_check,
    memory=3.0,
    cite="10.1107/S1600576717015096",
    uncertainty=True,
    nan=True,
)
@dataclass
class FrameCorrections:
    """Correct frames in one pass: dead time, dark counts, exposure, flux, self absorption, pixels, thickness.

    The same as the steps dead_time, dark_current (a rate), frame_time, flux_and_transmission, self_absorption,
    flat_field, angular_efficiency, solid_angle, polarisation and thickness one after the other, to 1e-6, but every
    frame is read and written once. Corrections whose parameter is left out are not made; self absorption always is
    (at transmission 1 it does nothing).
    """

    incident: Annotated[float | str, Param("flux before the sample, or a companion that counts it", gt=0)] = "monitor"
    transmission: Annotated[float | str, Param("transmission of the sample, or a companion that holds it", gt=0)] = (
        "transmission"
    )
    count_time: Annotated[float | str, Param("exposure, or a companion that holds it", "s", gt=0)] = "count_time"
    thickness: Annotated[float | str, Param("path in the sample, or a companion; 1 leaves it out", "m", gt=0)] = 1.0
    dead_time: Annotated[float, Param("a photon makes the detector blind for so long", "s", ge=0)] = 0.0
    dark_rate: Annotated[float, Param("dark counts of a pixel a second", "counts/s", ge=0)] = 0.0
    flat: Annotated[InputFile | None, Param("image of even illumination, taken over its median")] = None
    sensor_attenuation: Annotated[float | None, Param("attenuation coefficient of the sensor", "1/m", gt=0)] = None
    sensor_thickness: Annotated[float | None, Param("thickness of the sensor", "m", gt=0)] = None
    solid_angle: Annotated[bool, Param("divide by the relative solid angle of the pixels")] = False
    horizontal: Annotated[
        float | None, Param("part of the intensity that is polarised along rows; null: no correction", ge=0, le=1)
    ] = None
    calibration: Annotated[
        InputFile | dict[str, Any] | None, Param(CALIBRATION + "; null: the scan's own geometry")
    ] = None
    crop_offset: Annotated[
        tuple[int, int] | None, Param("detector row and column where stored frames begin", unit="px", ge=0)
    ] = None

    _pixels: PixelFactors | None = field(default=None, init=False, repr=False)

    def setup(self, dataset: Dataset) -> None:
        """Find what belongs to the pixels."""
        angles = PixelAngles(dataset, self.calibration, self.crop_offset)
        two_theta = angles.two_theta
        divisor = np.ones_like(two_theta)
        if self.flat is not None:
            divisor *= sensitivity_for(dataset, self.flat, "median")
        if self.sensor_attenuation is not None and self.sensor_thickness is not None:
            divisor *= sensor_efficiency(angles.cosine, self.sensor_attenuation, self.sensor_thickness)
        if self.solid_angle:
            divisor *= relative_solid_angle(angles.cosine)
        if self.horizontal is not None:
            divisor *= polarisation_factor(two_theta, angles.azimuth, self.horizontal)
        dtype = np.float64 if dataset.dtype == np.float64 else np.float32
        self._pixels = pixel_factors(divisor, self.dark_rate, two_theta, dtype)

    def __call__(self, data: DiffractionPatterns, scan: Scan) -> DiffractionPatterns:
        """Return corrected frames (n, rows, columns)."""
        if self._pixels is None:
            self.setup(scan.dataset)
        assert self._pixels is not None
        known: dict[str, Any] = {
            "count_time": positive(scan, self.count_time, "s"),
            "incident": positive(scan, self.incident),
            "transmission": positive(scan, self.transmission),
            "thickness": positive(scan, self.thickness, "m"),
            "dead_time": self.dead_time,
        }
        values = correct_frames(data, self._pixels, **known)
        sigma = scan.uncertainty
        if sigma is None:
            return values
        return uncertain(values, frame_uncertainties(data, self._pixels, sigma, **known))
