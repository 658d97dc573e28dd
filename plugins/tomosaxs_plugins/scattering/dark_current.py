"""Plugin `dark_current`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from tomosaxs import Dataset, DiffractionPatterns, InputError, InputFile, Output, Param, Scan, plugin
from tomosaxs_plugins.scattering.detector_images import image_for
from tomosaxs_plugins.scattering.kernels.dark_current import subtract_dark_current
from tomosaxs_plugins.scattering.per_point import check_values, finished, like, positive, usable, values_of, variance


def _check(
    data: Dataset, *, count_time: Any, flux: Any, rate_of_flux: float | None, dark: Any, dark_time: Any, **_: Any
) -> None:
    check_values(data, "count_time", count_time, "s")
    check_values(data, "flux", flux)
    if rate_of_flux and flux is None:
        raise InputError("rate_of_flux needs the flux: a number or a companion", parameter="flux")
    if dark_time is not None and dark is None:
        raise InputError("dark_time is the exposure of a dark frame; none is given", parameter="dark")
    if dark is not None:
        image_for(data, dark, "dark")


def _shape(data: Dataset, **_: Any) -> Output:
    return like(data, core=True, corrected=("dark current",))


@plugin(name="dark_current", shape=_shape, check=_check, memory=6.0, cite="10.1107/S1600576717015096", uncertainty=True)
@dataclass
class DarkCurrent:
    """Subtract counts that come without scattered photons: a dark frame scaled by time, or constants.

    Subtracted are base + rate t + rate_of_flux flux t, t the exposure, and the dark frame times t / dark_time.
    The data must be counts, not yet divided by the time.
    """

    dark: Annotated[InputFile | None, Param("frame taken without beam (.npy, TIFF, NeXus, EDF ...)")] = None
    dark_time: Annotated[float | None, Param("exposure of that frame; null: that of the data", "s", gt=0)] = None
    base: Annotated[float, Param("counts of a pixel in every exposure, however short", "counts", ge=0)] = 0.0
    rate: Annotated[float, Param("counts of a pixel a second", "counts/s", ge=0)] = 0.0
    rate_of_flux: Annotated[float, Param("counts of a pixel for each count of the flux", ge=0)] = 0.0
    flux: Annotated[float | str | None, Param("flux, or a companion that holds it", "counts/s", gt=0)] = None
    count_time: Annotated[float | str, Param("exposure, or a companion that holds it", "s", gt=0)] = "count_time"

    _frame: NDArray[np.float64] | None = field(default=None, init=False, repr=False)

    def setup(self, dataset: Dataset) -> None:
        """Read the dark frame."""
        if self.dark is not None:
            self._frame = image_for(dataset, self.dark, "dark")

    def __call__(self, data: DiffractionPatterns, scan: Scan) -> DiffractionPatterns:
        """Return frames (n, rows, columns) without the dark current."""
        if self.dark is not None and self._frame is None:
            self.setup(scan.dataset)
        corrected = subtract_dark_current(
            usable(data),
            positive(scan, self.count_time, "s"),
            base=self.base,
            rate=self.rate,
            rate_of_flux=self.rate_of_flux,
            flux=0.0 if self.flux is None else values_of(scan, self.flux),
            frame=self._frame,
            frame_time=self.dark_time,
            variance=variance(scan),
        )
        return finished(corrected)
