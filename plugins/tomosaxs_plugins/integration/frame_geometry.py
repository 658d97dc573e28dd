"""Geometry and mask of the frames of a dataset, crops of loader and detector taken into account."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from tomosaxs import Dataset, InputError
from tomosaxs_plugins.integration import masks
from tomosaxs_plugins.integration.calibration import from_metadata, pixel_of_metadata, read_calibration
from tomosaxs_plugins.integration.geometry import DetectorGeometry


def _frame(dataset: Dataset, crop_offset: tuple[int, int] | None) -> tuple[tuple[int, int], tuple[int, int]]:
    """Return shape of the frames and the detector pixel at which they begin."""
    shape, offset = [], []
    for number, name in enumerate(("detector_y", "detector_x")):
        axis = dataset.axis(name)
        if axis.size > 1 and not np.all(np.diff(axis.index) == 1):
            raise InputError(f"axis {name} is cropped with a step: azimuthal integration needs adjoining pixels")
        shape.append(axis.size)
        offset.append(int(axis.index[0]) + (crop_offset[number] if crop_offset else 0))
    return (shape[0], shape[1]), (offset[0], offset[1])


def geometry_of(
    dataset: Dataset, calibration: Any, crop_offset: tuple[int, int] | None
) -> tuple[DetectorGeometry, tuple[int, int], tuple[int, int] | None]:
    """Return the geometry of the frames, the detector pixel they begin at, and the detector's shape.

    Raises
    ------
    InputError
        When no geometry is known, or the frames do not fit into the calibrated detector.
    """
    shape, offset = _frame(dataset, crop_offset)
    stored = dataset.axis("detector_y").full_size, dataset.axis("detector_x").full_size
    if calibration is None:
        whole = from_metadata(dataset)
        if crop_offset is not None:  # the scan does not say how large the whole detector is
            whole = replace(whole, shape=None)
    else:
        whole = read_calibration(calibration, stored if crop_offset is None else None, pixel_of_metadata(dataset))
    detector = whole.shape
    if detector is not None:
        if crop_offset is None and stored != detector:
            raise InputError(
                f"calibration {calibration} is of a detector of {detector[0]} x {detector[1]} pixels, the data have "
                f"frames of {stored[0]} x {stored[1]}; where these are a crop, say at which row and column it "
                "begins: crop_offset: [row, column]"
            )
        if any(o < 0 or o + s > d for o, s, d in zip(offset, shape, detector, strict=True)):
            raise InputError(
                f"frames of {shape[0]} x {shape[1]} pixels that begin at {list(offset)} do not fit into the "
                f"calibrated detector of {detector[0]} x {detector[1]} pixels"
            )
    return whole.cropped(offset, shape), offset, detector


def mask_of(
    dataset: Dataset,
    geometry: DetectorGeometry,
    offset: tuple[int, int],
    detector: tuple[int, int] | None,
    files: Path | Sequence[Path] | None,
    azimuths: tuple[float, float] | None,
    marks: Literal["masked", "used"] = "masked",
    hot_pixels: Path | NDArray[Any] | None = None,
) -> masks.CombinedMask:
    """Return the pixels that the data's own mask, mask files, hot pixels or a sector of azimuths (deg) leave out.

    Raises
    ------
    InputError
        When a file, the hot pixels or the sector makes no sense.
    """
    shape = geometry.shape or (0, 0)
    found = masks.CombinedMask.none(shape)
    companion = dataset.auxiliaries.get("mask")
    if companion is not None and set(companion.axes) == {"detector_y", "detector_x"}:
        values = companion.reader.read((slice(None), slice(None)))
        found = found.joined("the data's own", (values if companion.axes[0] == "detector_y" else values.T) != 0)
    fitting = [each for each in (shape, detector) if each is not None]
    for path in [files] if isinstance(files, Path) else files or []:
        try:
            part = masks.fit_mask(masks.read_mask(path, marks, fitting), shape, offset, detector)
        except (ValueError, OSError) as error:
            raise InputError(f"mask {path}: {error}", parameter="mask") from None
        found = found.joined(path.name, part)
    if hot_pixels is not None:
        try:
            hot = masks.read_mask(hot_pixels) if isinstance(hot_pixels, Path) else _pixels(hot_pixels)
            found = found.joined("hot pixels", masks.fit_mask(hot, shape, offset, detector))
        except (ValueError, OSError) as error:
            raise InputError(f"hot_pixels: {error}", parameter="hot_pixels") from None
    if azimuths is not None:
        first, last = azimuths
        if not first < last <= first + 360:
            raise InputError(f"azimuth_range: expected low < high <= low + 360, got {[first, last]}")
        found = found.joined("outside of the sector", masks.azimuth_mask(geometry, shape, first, last))
    return found


def _pixels(values: NDArray[Any]) -> NDArray[np.bool_]:
    """Return an array of an earlier step as a mask."""
    if values.ndim != 2:
        raise ValueError(f"a mask has two dimensions, this one has shape {values.shape}")
    return np.asarray(values != 0, dtype=np.bool_)
