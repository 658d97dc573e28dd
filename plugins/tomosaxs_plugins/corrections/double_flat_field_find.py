"""Find the double flat field: one streamed look at all projections, a detector row at a time."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray

from tomosaxs import Dataset, Estimate, InputError, Param, Scan, Sinograms, estimator
from tomosaxs_plugins.corrections.double_flat_field_kernels import block_of, fixed_pattern, mean_attenuation


def _check(data: Dataset, *, every: int, blocks: int, **_: Any) -> None:
    if not {"detector_y", "detector_x"} <= set(data.names):
        raise InputError("a double flat field is found from frames of a camera, axes detector_y and detector_x")
    used = -(-data.axis("rotation_angle").size // every)
    if used < 2 * blocks:
        raise InputError(f"{used} projections are too few for {blocks} blocks of angles: two for each at least")


def grid(dataset: Dataset, name: str) -> tuple[NDArray[np.intp], int]:
    """Return the places of a dataset's pixels on the full (binned) detector, and how many that has."""
    axis = dataset.axis(name)
    if int(axis.index[0]) < 0:
        raise InputError(f"{name} reaches beyond the detector: the double flat field comes before any stitching")
    return axis.index // axis.binning, -(-axis.full_size // axis.binning)


@estimator(check=_check, tile=4)
@dataclass
class FindDoubleFlatField:
    """Find what the detector itself leaves in all projections: the double flat field.

    The mean attenuation of all projections is smooth, because the sample turns; what a median over a small window
    takes away from it is the pixels' own error, which makes rings. `double_flat_field` takes it out:

        - plugin: find_double_flat_field
          name: dff
        - plugin: double_flat_field
          correction: ${dff}

    A larger window finds wider rings, and more of a sharp mean image that belongs to the sample: keep it small for
    samples with sharp horizontal edges, or raise `threshold`, so that only pixels with a larger error are corrected.
    With `blocks` there is a pattern for each of so many ranges of angles, for detectors whose error changes.

    Put both after dark_flat_correction, before or after minus_log.

    The value is the pattern as an attenuation, (rows, columns) of the full detector, NaN where it was not looked
    at; (blocks, rows, columns) for several blocks.
    """

    filter: Annotated[tuple[int, int], Param("window of the median, rows and columns", unit="px", ge=1, le=501)] = (
        9,
        9,
    )
    sigma: Annotated[
        float | None, Param("smooth with a Gaussian of this standard deviation instead", unit="px", gt=0)
    ] = None
    average: Annotated[
        Literal["log", "mean"], Param("mean of the attenuations, or attenuation of the mean transmission")
    ] = "log"
    every: Annotated[int, Param("take every n-th projection", ge=1)] = 1
    threshold: Annotated[float, Param("pixels whose error in attenuation is smaller are left alone", ge=0)] = 0.0
    homogeneous: Annotated[bool, Param("take away any contrast of the mean, for samples that have none")] = False
    blocks: Annotated[int, Param("ranges of angles with a pattern each", ge=1, le=1000)] = 1
    rows: list[NDArray[np.float64]] = field(init=False, default_factory=list)
    places: list[int] = field(init=False, default_factory=list)
    sizes: list[int] = field(init=False, default_factory=list)
    columns: NDArray[np.intp] | None = field(init=False, default=None)

    def update(self, data: Sinograms, scan: Scan) -> None:
        """Average each row of the detector over the angles, block by block of angles."""
        if scan.sliced != ("detector_y",):
            raise InputError(f"a double flat field is found in one scan, not in many along {', '.join(scan.sliced)}")
        angles = scan.axis("rotation_angle")
        rows, height = grid(scan.dataset, "detector_y")
        self.columns, width = grid(scan.dataset, "detector_x")
        self.sizes = [height, width]
        attenuation = scan.dataset.label == "attenuation"
        own = block_of(angles.index, angles.full_size, self.blocks)
        taken = np.arange(angles.size) % self.every == 0
        made = np.full((len(data), self.blocks, data.shape[2]), np.nan)
        for block in np.unique(own[taken]):
            used = slice(None) if self.blocks == self.every == 1 else taken & (own == block)
            made[:, block] = mean_attenuation(data[:, used], self.average, attenuation)
        self.rows.extend(made)
        self.places.extend(int(place) for place in rows[scan.index])

    def combine(self, other: FindDoubleFlatField) -> None:
        """Append the rows of another tile."""
        self.rows.extend(other.rows)
        self.places.extend(other.places)

    def result(self) -> Estimate:
        """Return the pattern.

        Raises
        ------
        InputError
            When the projections hold NaN or infinity.
        """
        mean = np.stack(self.rows, axis=1)
        seen = [block for block in range(self.blocks) if not np.isnan(mean[block]).all()]
        if not seen or not np.isfinite(mean[seen]).all():
            raise InputError("the projections hold NaN or infinite values; correct them before")
        patterns = {
            block: fixed_pattern(mean[block], self.filter, self.sigma, self.homogeneous, self.threshold)
            for block in seen
        }
        whole = np.full((self.blocks, *self.sizes), np.nan, np.float32)
        where = np.ix_(np.asarray(self.places), np.asarray(self.columns))
        for block in range(self.blocks):  # blocks that a crop of the angles left empty are like the nearest
            whole[block][where] = patterns[min(seen, key=lambda one: abs(one - block))]
        strength = float(np.sqrt(np.mean([np.square(each).mean() for each in patterns.values()])))
        text = f"the detector's own pattern has a standard deviation of {strength:.2g} in attenuation"
        details = {"mean_attenuation": mean[0].astype(np.float32), "standard_deviation": strength}
        return Estimate(whole[0] if self.blocks == 1 else whole, "", messages=(text,), details=details)
