"""Plugin `background_frame`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from tomosaxs import Dataset, DiffractionPatterns, InputFile, Output, Param, Scan, plugin
from tomosaxs_plugins.scattering.detector_images import image_for
from tomosaxs_plugins.scattering.kernels.background_subtraction import subtract_background
from tomosaxs_plugins.scattering.per_point import check_values, finished, like, usable, values_of, variance


def _check(data: Dataset, *, background: Any, scale: Any) -> None:
    image_for(data, background, "background")
    check_values(data, "scale", scale, zero=True)


def _shape(data: Dataset, **_: Any) -> Output:
    return like(data, core=True)


@plugin(
    name="background_frame", shape=_shape, check=_check, memory=6.0, cite="10.1107/S1600576717015096", uncertainty=True
)
@dataclass
class BackgroundFrame:
    """Subtract one background frame from every frame.

    The file holds a frame corrected like the data, for instance result.nxs of a run over the background; several
    frames in it are averaged.
    """

    background: Annotated[InputFile, Param("background frame or frames (.npy, TIFF, NeXus, EDF ...)")]
    scale: Annotated[float | str, Param("factor of the background, or a companion of the data that holds it")] = 1.0

    _frame: NDArray[np.float64] | None = field(default=None, init=False, repr=False)

    def setup(self, dataset: Dataset) -> None:
        """Read the background."""
        self._frame = image_for(dataset, self.background, "background")

    def __call__(self, data: DiffractionPatterns, scan: Scan) -> DiffractionPatterns:
        """Return corrected frames (n, rows, columns)."""
        if self._frame is None:
            self.setup(scan.dataset)
        assert self._frame is not None
        return finished(subtract_background(usable(data), self._frame, values_of(scan, self.scale), variance(scan)))
