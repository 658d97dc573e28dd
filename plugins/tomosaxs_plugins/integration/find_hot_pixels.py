"""Estimator `find_hot_pixels`: pixels that do not measure, from a selection of frames."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray

from tomosaxs import Dataset, DiffractionPatterns, Estimate, InputError, InputFile, Param, Scan, estimator
from tomosaxs_plugins.integration import masks
from tomosaxs_plugins.integration.calibration_given import DESCRIPTION as CALIBRATION
from tomosaxs_plugins.integration.frame_geometry import geometry_of, mask_of
from tomosaxs_plugins.integration.geometry import DetectorGeometry
from tomosaxs_plugins.integration.hot_pixels import PixelFaults, find_faults

_CORE = ("detector_y", "detector_x")
_TOO_MANY = 0.01
_JOINS = {"total": np.add, "seen": np.add, "low": np.minimum, "high": np.maximum}


def _select(data: Dataset, *, frames: int, **rest: Any) -> Mapping[str, Any]:
    """Spread about `frames` positions evenly over the axes of the scan."""
    axes = sorted((axis for axis in data.axes if axis.name not in _CORE), key=lambda axis: axis.size)
    chosen: dict[str, Any] = {}
    wanted = float(frames)
    for number, axis in enumerate(axes):
        # short axes first: what they cannot give, the longer ones take over
        count = min(axis.size, max(1, round(wanted ** (1 / (len(axes) - number)))))
        chosen[axis.name] = np.unique(((np.arange(count) + 0.5) * axis.size / count).astype(np.intp))
        wanted /= count
    return chosen


def _check(data: Dataset, **parameters: Any) -> None:
    FindHotPixels(**parameters).prepare(data)


def _memory(slices: int, dataset: Dataset, **_: Any) -> float:
    pixels = dataset.axis("detector_y").size * dataset.axis("detector_x").size
    return float(pixels * (slices * (dataset.dtype.itemsize + 8) + 160))


@estimator(select=_select, check=_check, tile=32, memory=_memory, cite="10.1107/S1600576724011038")
@dataclass
class FindHotPixels:
    """Find hot, dead and constant pixels by sigma clipping of the mean frame, ring by ring.

    The value is a mask of the frames, True where a pixel is not to be used: give it to an integrating step as
    ``hot_pixels: ${hot}``, where ``hot`` is this step's name. Pixels at one scattering angle measure the same but
    for counting noise and texture; one that lies `sigma` standard deviations off its ring is at fault, and one that
    gives the same value in all frames although its ring varies. `ring_width` is the width of a ring. Masked pixels are
    not looked at: mask the beamstop's shadow, its arm above all.
    """

    calibration: Annotated[InputFile | dict[str, Any] | None, Param(CALIBRATION)] = None
    crop_offset: Annotated[
        tuple[int, int] | None, Param("detector row and column where stored frames begin", unit="px", ge=0)
    ] = None
    mask: Annotated[InputFile | list[InputFile] | None, Param("mask file or files of pixels not to look at")] = None
    mask_marks: Annotated[Literal["masked", "used"], Param("what a non-zero pixel of a mask file is")] = "masked"
    mask_gaps: Annotated[
        bool, Param("of integer frames, do not use negative values and the largest value of the type")
    ] = True
    frames: Annotated[int, Param("frames to look at, spread over the scan", ge=1, le=100_000)] = 64
    sigma: Annotated[float, Param("standard deviations off its ring at which a pixel is at fault", ge=3, le=100)] = 6.0
    ring_width: Annotated[float, Param("width of a ring", unit="px", gt=0, le=100)] = 1.0

    number: int = field(init=False, default=0)
    sums: dict[str, NDArray[Any]] = field(init=False, default_factory=dict)
    counts: bool = field(init=False, default=True)
    geometry: dict[str, Any] = field(init=False, default_factory=dict)
    masked: NDArray[np.bool_] | None = field(init=False, default=None)

    def prepare(self, dataset: Dataset) -> None:
        """Find geometry and mask.

        Raises
        ------
        InputError
            When there is no geometry, or a mask does not fit.
        """
        geometry, offset, detector = geometry_of(dataset, self.calibration, self.crop_offset)
        self.masked = mask_of(dataset, geometry, offset, detector, self.mask, None, self.mask_marks).mask
        if self.masked.all():
            raise InputError("every pixel of the frames is masked", parameter="mask")
        names = ("distance", "poni1", "poni2", "rot1", "rot2", "rot3", "pixel1", "pixel2")
        self.geometry = {name: float(getattr(geometry, name)) for name in names}

    def update(self, data: DiffractionPatterns, scan: Scan) -> None:
        """Add the frames of a tile: sum, number, smallest and largest value of every pixel."""
        self.prepare(scan.dataset)
        self.counts = bool(np.issubdtype(data.dtype, np.integer))
        for frame in data:
            self._add(masks.unusable_to_nan(frame[None], gaps=self.mask_gaps)[0])

    def _add(self, frame: NDArray[Any]) -> None:
        usable = np.isfinite(frame)
        values = np.where(usable, frame, 0).astype(np.float64)
        low, high = np.where(usable, values, np.inf), np.where(usable, values, -np.inf)
        self._join({"total": values, "seen": usable.astype(np.uint32), "low": low, "high": high}, 1)

    def _join(self, other: Mapping[str, NDArray[Any]], number: int) -> None:
        self.number += number
        if not self.sums:
            self.sums = dict(other)
            return
        for name, join in _JOINS.items():
            self.sums[name] = join(self.sums[name], other[name])

    def combine(self, other: FindHotPixels) -> None:
        """Add what another tile found."""
        self._join(other.sums, other.number)

    def result(self) -> Estimate:
        """Clip the mean frame ring by ring."""
        masked, seen = np.asarray(self.masked, dtype=np.bool_), self.sums["seen"]
        mean = np.where(seen > 0, self.sums["total"] / np.maximum(seen, 1), np.nan)
        faults = find_faults(
            mean, seen, self.sums["low"], self.sums["high"], DetectorGeometry(**self.geometry), masked,
            sigma=self.sigma, width=self.ring_width, counts=self.counts,
        )  # fmt: skip
        return Estimate(
            faults.mask,
            messages=_messages(faults, masked, self.number),
            details={"hot": int(faults.hot.sum()), "cold": int(faults.cold.sum()),
                     "constant": int(faults.constant.sum()), "unseen": int(faults.unseen.sum()),
                     "frames": self.number, "mean_frame": mean.astype(np.float32)},
            pictures={"hot_pixels": _picture(mean, faults, masked)},
        )  # fmt: skip


def _messages(faults: PixelFaults, masked: NDArray[np.bool_], number: int) -> tuple[str, ...]:
    looked = int(np.count_nonzero(~masked))
    parts = {"hot": faults.hot, "cold": faults.cold, "constant": faults.constant, "never usable": faults.unseen}
    told = ", ".join(f"{np.count_nonzero(part)} {name}" for name, part in parts.items())
    texts = [f"{told} of {looked} pixels that are not masked, in {number} frames"]
    clipped = int(np.count_nonzero(faults.hot | faults.cold))
    if clipped > _TOO_MANY * looked:
        texts.append(
            f"{clipped / looked:.1%} of the pixels lie off their rings: is a shadow not masked, or are the rings "
            "spotty? look at the picture before you use this mask"
        )
    return tuple(texts)


def _picture(mean: NDArray[np.float64], faults: PixelFaults, masked: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Return the mean frame in grey, masked pixels blue, faulty ones red."""
    shown = np.sqrt(np.clip(np.nan_to_num(mean), 0.0, None))
    good = ~(masked | faults.mask)
    top = float(np.percentile(shown[good], 99.5)) if good.any() else 1.0
    grey = np.clip(shown / max(top, 1e-12) * 255, 0, 255).astype(np.uint8)
    made = np.repeat(grey[:, :, None], 3, axis=2)
    made[masked] = (40, 60, 110)
    made[faults.mask] = (230, 50, 40)
    return made
