"""Plugin `flat_field`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray

from tomosaxs import Dataset, DiffractionPatterns, InputError, InputFile, Output, Param, Scan, plugin
from tomosaxs_plugins.scattering.detector_images import image_for
from tomosaxs_plugins.scattering.images import relative_sensitivity
from tomosaxs_plugins.scattering.kernels.flat_field import divide_by_flat_field
from tomosaxs_plugins.scattering.per_point import finished, like, usable, variance


def sensitivity_for(dataset: Dataset, flat: Any, scale: str) -> NDArray[np.float64]:
    """Return the sensitivity of the pixels of a dataset's frames.

    Raises
    ------
    InputError
        When the file cannot be used.
    """
    image = image_for(dataset, flat, "flat")
    try:
        return relative_sensitivity(image) if scale == "median" else image
    except ValueError as error:
        raise InputError(f"flat {flat}: {error}", parameter="flat") from None


def _check(data: Dataset, *, flat: Any, scale: str) -> None:
    sensitivity_for(data, flat, scale)


def _shape(data: Dataset, **_: Any) -> Output:
    return like(data, core=True, corrected=("flat field",))


@plugin(
    name="flat_field",
    shape=_shape,
    check=_check,
    memory=4.0,
    cite="10.1107/S1600576717015096",
    uncertainty=True,
    nan=True,
)
@dataclass
class FlatField:
    """Divide by the sensitivity of the pixels: an image taken of even illumination.

    Pixels that it gives zero, a negative value or NaN become NaN. The image must be corrected itself for angles
    (solid angle, polarisation, efficiency) where these are corrected in the data.
    """

    flat: Annotated[InputFile, Param("image of even illumination (.npy, TIFF, NeXus, EDF ...)")]
    scale: Annotated[
        Literal["median", "none"], Param("divide the image by its median over the frames, or take it as it is")
    ] = "median"

    _sensitivity: NDArray[np.float64] | None = field(default=None, init=False, repr=False)

    def setup(self, dataset: Dataset) -> None:
        """Read the image."""
        self._sensitivity = sensitivity_for(dataset, self.flat, self.scale)

    def __call__(self, data: DiffractionPatterns, scan: Scan) -> DiffractionPatterns:
        """Return corrected frames (n, rows, columns)."""
        if self._sensitivity is None:
            self.setup(scan.dataset)
        assert self._sensitivity is not None
        return finished(divide_by_flat_field(usable(data), self._sensitivity, variance(scan)))
