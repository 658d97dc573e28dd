"""Plugin `remove_zingers_across_frames`: values that only one frame has."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray

from tomosaxs import Dataset, InputError, Param, Projections, plugin
from tomosaxs_plugins.corrections.open_beam import check_threshold
from tomosaxs_plugins.corrections.remove_zingers import Absolute, Which
from tomosaxs_plugins.corrections.zingers_in_time import replace_zingers_in_time


def _check(data: Dataset, *, absolute: float | None, **_: Any) -> None:
    check_threshold(data, absolute)
    angles = data.axis("rotation_angle").values
    if angles is not None and not (np.all(np.diff(angles) >= 0) or np.all(np.diff(angles) <= 0)):
        raise InputError(
            "the angles do not go one way: neighbouring frames show the sample from different sides and cannot be "
            "compared; use remove_zingers"
        )


@plugin(check=_check, halo={"rotation_angle": "frames"}, memory=2.5)
@dataclass
class RemoveZingersAcrossFrames:
    """Replace what only one frame has by the median of the same pixel in the frames beside it.

    Zingers of any size go, and anything else that lasts one frame (two with `frames` 5); one that stays in the
    same pixel longer is left. Where the sample moves quickly, far from the axis or with few angles, sharp details
    change by more than the threshold from frame to frame and would be clipped: take a higher `threshold`, or
    `remove_zingers`. With `threshold` 0 and outliers ``both`` it is the moving median of the frames, which smooths
    the noise of neighbouring projections together. All values within the threshold stay as they are.

    Parameters
    ----------
    data : (n, rows, columns) array
        Projections in the order of their angles, of any type.

    Returns
    -------
    (n, rows, columns) float32 array

    Raises
    ------
    InputError
        When the angles go back and forth, or the open beam is not known and `absolute` is not given.
    """

    threshold: Annotated[
        float,
        Param("excess over the median, as a part of the open beam: 1 in transmission, flat less dark in counts", ge=0),
    ] = 0.15
    absolute: Absolute = None
    frames: Annotated[Literal[3, 5], Param("frames of which the median is taken")] = 3
    outliers: Which = "bright"
    limit: NDArray[np.float32] = field(init=False, default_factory=lambda: np.zeros(1, np.float32))

    def setup(self, dataset: Dataset) -> None:
        """Work out the threshold of every pixel in the units of the data."""
        if self.absolute is not None:
            self.limit = np.full((1, 1), self.absolute, np.float32)
        elif dataset.label == "transmission":
            self.limit = np.full((1, 1), self.threshold, np.float32)
        else:
            span = _mean(dataset, "flats")
            if "darks" in dataset.auxiliaries:
                span -= _mean(dataset, "darks")
            self.limit = np.where(span > 0, np.float32(self.threshold) * span, np.float32(np.inf))

    def __call__(self, data: Projections) -> Projections:
        """Correct a block of frames; the first and last are there for their neighbours' sake."""
        return replace_zingers_in_time(data, self.limit, window=self.frames, outliers=self.outliers)


def _mean(dataset: Dataset, name: str) -> NDArray[np.float32]:
    """Return the mean of flats or darks, (rows, columns)."""
    companion = dataset.auxiliaries[name]
    whole = companion.reader.read(tuple(slice(None) for _ in companion.axes))
    kept = [companion.axes.index(axis) for axis in ("detector_y", "detector_x", "y", "x") if axis in companion.axes]
    order = [number for number in range(whole.ndim) if number not in kept] + kept
    turned = np.transpose(whole, order).reshape(-1, *(whole.shape[number] for number in kept))
    return np.asarray(turned.mean(axis=0, dtype=np.float32))
