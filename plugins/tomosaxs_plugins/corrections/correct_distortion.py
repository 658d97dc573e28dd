"""Plugin `correct_distortion`: straight lines that a lens has bent."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from tomosaxs import Dataset, InputError, InputFile, Param, Projections, Scan, plugin
from tomosaxs_plugins.corrections.distortion import Distortion, read_distortion
from tomosaxs_plugins.corrections.moved_frames import even_axis, frame_axes, moved, warn_of_references, working_memory
from tomosaxs_plugins.corrections.resampling import Interpolation, resample

_BEYOND = 0.5  # px: up to here the value at the edge is as good


def _check(data: Dataset, **parameters: Any) -> None:
    CorrectDistortion(**parameters).setup(data)


@plugin(check=_check, shape=moved, look=warn_of_references, memory=working_memory, cite="10.1364/OE.23.032859")
@dataclass
class CorrectDistortion:
    """Correct the radial distortion of the camera's lens with coefficients calibrated by discorpy.

    Give the `file` that discorpy wrote (Savu and httomo read the same), or centre and coefficients of the backward
    model: the pixel at radius r from the centre is taken from the radius r (k0 + k1 r + k2 r^2 ...). All are in
    pixels of the full, unbinned frame, whatever the crop and binning of the data. Beyond the frame its edge goes on.

    It belongs after flat correction, since flats and darks are distorted alike, and after the removal of zingers;
    before tilt and phase are corrected. Coefficients [1] leave the frames as they are, bit for bit.

    Parameters
    ----------
    data : (n, rows, columns) array
        Projections in transmission (or any quantity that is even in a pixel).

    Returns
    -------
    (n, rows, columns) float32 array

    Raises
    ------
    InputError
        When neither or both of file and coefficients are given, or the file is not of that kind.

    Notes
    -----
    N. T. Vo, R. C. Atwood, M. Drakopoulos, Radial lens distortion correction with sub-pixel accuracy for X-ray
    micro-tomography (10.1364/OE.23.032859).
    """

    file: Annotated[InputFile | None, Param("coefficients as discorpy writes them, text or JSON")] = None
    coefficients: Annotated[list[float] | None, Param("k0, k1, k2 ... of the backward model")] = None
    xcenter: Annotated[float | None, Param("centre of distortion, column of the full frame", unit="px")] = None
    ycenter: Annotated[float | None, Param("centre of distortion, row of the full frame", unit="px")] = None
    interpolation: Annotated[Interpolation, Param("cubic B-splines, or linear: faster, blurs a little")] = "cubic"
    lens: Distortion | None = field(init=False, default=None)
    rows: tuple[float, float] = field(init=False, default=(0.0, 1.0))
    columns: tuple[float, float] = field(init=False, default=(0.0, 1.0))
    count: int = field(init=False, default=0)
    lacking: float = field(init=False, default=0.0)

    def setup(self, dataset: Dataset) -> None:
        """Read the coefficients and see how the frames lie in the full frame."""
        self.lens = self._lens()
        down, across = (dataset.axis(name) for name in frame_axes(dataset))
        self.rows, self.columns, self.count = even_axis(down), even_axis(across), across.size
        edges = [self._positions(row, row + 1) for row in (0, down.size - 1)]
        lacking = []  # by how much the corrected frame looks beyond the crop, where the camera saw something
        for axis, places in ((down, [y for y, _ in edges]), (across, [x for _, x in edges])):
            low, high = min(float(p.min()) for p in places), max(float(p.max()) for p in places)
            first, last = (axis.index[0] > 0), (axis.index[-1] + axis.binning < axis.full_size)
            lacking += [-low if first else 0.0, high - (axis.size - 1) if last else 0.0]
        self.lacking = max(lacking)

    def _lens(self) -> Distortion:
        given = (self.coefficients, self.xcenter, self.ycenter)
        if self.file is not None:
            if any(value is not None for value in given):
                raise InputError("give either a file or coefficients with xcenter and ycenter, not both")
            return read_distortion(self.file)
        if self.coefficients is None or self.xcenter is None or self.ycenter is None:
            raise InputError("give a file of coefficients, or coefficients with xcenter and ycenter")
        if not self.coefficients:
            raise InputError("at least k0 is needed; [1] is a camera without distortion", parameter="coefficients")
        return Distortion(self.xcenter, self.ycenter, tuple(self.coefficients))

    def _positions(self, first: int, last: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return rows and columns of the data from which corrected rows are taken."""
        assert self.lens is not None
        (top, down), (left, across) = self.rows, self.columns
        rows, columns = np.arange(first, last, dtype=np.float64), np.arange(self.count, dtype=np.float64)
        y, x = self.lens.positions(top + down * rows, left + across * columns)
        return (y - top) / down, (x - left) / across

    def __call__(self, data: Projections, scan: Scan) -> Projections:
        """Correct a block of frames."""
        if self.lens is None:
            self.setup(scan.dataset)
        if self.lens is not None and self.lens.none:
            return np.asarray(data, dtype=np.float32)
        if self.lacking > _BEYOND:
            scan.note(
                f"the crop lacks up to {self.lacking:.1f} px of what the corrected edge shows: the outermost rows or "
                "columns repeat its edge; crop that much wider"
            )
        return resample(data, self._positions, self.interpolation)
