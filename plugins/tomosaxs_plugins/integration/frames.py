"""What all steps that integrate diffraction frames share: parameters, geometry, masks, factors, dark counts."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray

from tomosaxs import Dataset, InputError, InputFile, Param, Scan
from tomosaxs_plugins.integration.calibration_given import DESCRIPTION as CALIBRATION
from tomosaxs_plugins.integration.engine.frames import Frames
from tomosaxs_plugins.integration.frame_geometry import geometry_of, mask_of
from tomosaxs_plugins.integration.masks import CombinedMask
from tomosaxs_plugins.integration.per_frame import check_divisors
from tomosaxs_plugins.integration.pixel_images import dark_for, flat_for


@dataclass
class FrameParameters:
    """Parameters of every step that integrates frames; the steps' classes derive from this one."""

    calibration: Annotated[InputFile | dict[str, Any] | None, Param(CALIBRATION)] = None
    crop_offset: Annotated[
        tuple[int, int] | None, Param("detector row and column where stored frames begin", unit="px", ge=0)
    ] = None
    mask: Annotated[
        InputFile | list[InputFile] | None,
        Param("mask file or files (.npy, .msk, EDF, TIFF, NeXus), all of them count"),
    ] = None
    mask_marks: Annotated[
        Literal["masked", "used"],
        Param("what a non-zero pixel of a mask file is; FIT2D's and NeXus' pixel_mask say so themselves"),
    ] = "masked"
    hot_pixels: Annotated[
        InputFile | NDArray[Any] | None, Param("more pixels to leave out: ${hot} of a step find_hot_pixels, or a file")
    ] = None
    mask_below: Annotated[float | None, Param("do not use values below this, frame by frame")] = None
    mask_above: Annotated[float | None, Param("do not use values above this, frame by frame")] = None
    mask_gaps: Annotated[
        bool, Param("of integer frames, do not use negative values and the largest value of the type")
    ] = True
    dark: Annotated[InputFile | None, Param("image of counts without scattered photons, subtracted")] = None
    dark_scale: Annotated[float, Param("times this, for instance exposure over the dark image's", ge=0)] = 1.0
    flat: Annotated[InputFile | None, Param("image of even illumination; counts are divided by it")] = None
    flat_scale: Annotated[
        Literal["median", "none"], Param("take the flat over its median over the frames, or as it is")
    ] = "median"
    use_darks_and_flats: Annotated[bool, Param("use the data's own dark and flat frames in the same way")] = False
    sensor_thickness: Annotated[float | None, Param("of the detector's sensor", unit="m", gt=0)] = None
    sensor_attenuation: Annotated[
        float | None, Param("attenuation coefficient of the sensor at the photon energy", unit="1/m", gt=0)
    ] = None
    polarization: Annotated[
        float | None,
        Param("degree of linear polarisation, 2 P - 1 where P is the polarised fraction; null: none", ge=-1, le=1),
    ] = None
    polarization_angle: Annotated[
        float, Param("direction of polarisation, counter-clockwise from the rows of the picture", unit="deg")
    ] = 0.0
    solid_angle: Annotated[bool, Param("correct for the solid angle of a pixel")] = True
    normalise: Annotated[
        str | float | list[str | float] | None,
        Param("divide by these: companions of the data (monitor, transmission) or numbers"),
    ] = None

    _combined: CombinedMask | None = field(default=None, init=False, repr=False)

    def frames(self, dataset: Dataset, azimuths: tuple[float, float] | None = None) -> Frames:
        """Return what the frames of `dataset` need; `azimuths` (deg) is a sector outside of which pixels are masked.

        Raises
        ------
        InputError
            Saying what does not fit.
        """
        geometry, offset, detector = geometry_of(dataset, self.calibration, self.crop_offset)
        shape = geometry.shape or (0, 0)
        efficiency = flat_for(
            dataset, geometry, self.flat, self.flat_scale, self.use_darks_and_flats,
            self.sensor_thickness, self.sensor_attenuation,
        )  # fmt: skip
        dark = dark_for(dataset, self.dark, self.dark_scale, self.use_darks_and_flats)
        combined = mask_of(dataset, geometry, offset, detector, self.mask, azimuths, self.mask_marks, self.hot_pixels)
        if efficiency is not None:
            combined = combined.joined("flat field", ~(np.isfinite(efficiency) & (efficiency > 0)))
        if dark is not None:
            combined = combined.joined("dark image", ~np.isfinite(dark.measured))
        mask = combined.mask
        if efficiency is not None:
            efficiency = np.where(mask, 1.0, efficiency)
        if dark is not None:
            dark = replace(dark, measured=np.where(mask, 0.0, dark.measured))
        if mask.all():
            raise InputError(f"every pixel of the frames is masked: {combined.describe()}")
        self._combined = combined
        return Frames(
            geometry, shape, mask, self.solid_angle, self.polarization, self.polarization_angle,
            efficiency, dark, self.mask_below, self.mask_above, self.mask_gaps,
        )  # fmt: skip

    @property
    def masked_share(self) -> float:
        """Share of the pixels that the last call of `frames` masked."""
        return self._combined.share if self._combined is not None else 0.0

    @property
    def masked_text(self) -> str:
        """How many pixels the last call of `frames` masked, and by what; empty before."""
        return self._combined.describe() if self._combined is not None else ""

    def tell_mask(self, scan: Scan) -> None:
        """Tell in log and report how many pixels are masked, and by what; keep the mask with the result."""
        if self._combined is not None and not scan.kept:
            scan.remark(self.masked_text)
            scan.keep("mask", self._combined.mask)

    def check_frames(self, dataset: Dataset) -> None:
        """Raise an `InputError` where parameters do not fit each other or the data; called before anything runs."""
        below, above = self.mask_below, self.mask_above
        if below is not None and above is not None and not below < above:
            raise InputError(f"mask_below ({below:g}) must be smaller than mask_above ({above:g})")
        check_divisors(dataset, self.normalise)
