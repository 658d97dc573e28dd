"""Directions in which the pixels of a dataset's frames look."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tomosaxs import Dataset
from tomosaxs_plugins.integration.frame_geometry import geometry_of
from tomosaxs_plugins.integration.geometry import DetectorGeometry

Floats = NDArray[np.float64]


class PixelAngles:
    """Angles at the centres of the pixels of frames.

    Parameters
    ----------
    dataset : Dataset
        With axes ``detector_y`` and ``detector_x``; crops of the loader are taken into account.
    calibration : Path, mapping or None
        File, or named numbers; None takes the geometry that the scan's own file states.
    crop_offset : (row, column) or None
        Detector pixel at which stored frames begin.

    Raises
    ------
    InputError
        When no geometry is known, or the frames do not fit into the calibrated detector.
    """

    def __init__(
        self, dataset: Dataset, calibration: Path | Mapping[str, Any] | None, crop_offset: tuple[int, int] | None
    ) -> None:
        self.geometry: DetectorGeometry = geometry_of(dataset, calibration, crop_offset)[0]
        rows, columns = self.geometry.shape or (0, 0)
        self._place = np.arange(rows)[:, None] + 0.5, np.arange(columns)[None, :] + 0.5

    @property
    def two_theta(self) -> Floats:
        """(rows, columns) scattering angle, deg."""
        return np.degrees(self.geometry.two_theta(*self._place))

    @property
    def azimuth(self) -> Floats:
        """(rows, columns) azimuth from the direction of increasing columns, deg."""
        return np.degrees(self.geometry.azimuth(*self._place))

    @property
    def cosine(self) -> Floats:
        """(rows, columns) cosine of the angle between ray and detector normal."""
        along1, along2, along3 = self.geometry.positions(*self._place)
        length = np.sqrt(along1 * along1 + along2 * along2 + along3 * along3)
        return np.asarray(self.geometry.distance / length)
