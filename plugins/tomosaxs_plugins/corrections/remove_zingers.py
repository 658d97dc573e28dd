"""Plugins `remove_zingers` and `remove_zingers_in_sinograms`: isolated bright values, in frames or in sinograms."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray

from tomosaxs import Dataset, Param, Projections, Scan, Sinograms, Source, plugin
from tomosaxs_plugins.corrections.open_beam import check_threshold, dark_and_span
from tomosaxs_plugins.corrections.zingers import replace_zingers

Threshold = Annotated[
    float,
    Param("excess over the neighbours, as a part of the open beam: 1 in transmission, flat less dark in counts", ge=0),
]
Absolute = Annotated[float | None, Param("the same in the units of the data, instead of threshold", ge=0)]
Relative = Annotated[float, Param("the excess must also be above this part of the neighbours' own value", ge=0)]
Size = Annotated[int, Param("most pixels of a zinger; larger ones stay", unit="px", ge=1, le=12)]
Which = Annotated[Literal["bright", "dark", "both"], Param("which outliers are replaced")]


def _check(data: Dataset, *, absolute: float | None, **_: Any) -> None:
    check_threshold(data, absolute)


def _look(data: Dataset, source: Source | None, *, size: int, **_: Any) -> list[str]:
    """Warn where a crop leaves too few rows to compare with: zingers of several pixels then stay."""
    rows = data.axis("detector_y" if "detector_y" in data.names else "y")
    needed = 3 if size <= 4 else 5
    if rows.size >= needed or rows.full_size < needed:
        return []
    return [
        f"{rows.size} of {rows.full_size} rows: zingers are compared with rows above and below, and some will stay; "
        f"crop {needed} rows or more, or use remove_zingers_in_sinograms"
    ]


@plugin(check=_check, look=_look, memory=3.0)
@dataclass
class RemoveZingers:
    """Replace zingers, isolated bright pixels of a projection, by the median of their neighbourhood.

    A stray X-ray that hits the camera itself leaves a pixel or two far above all around them. A value is replaced
    where it exceeds all of its eight neighbours but `size` - 1 by the threshold, so that edges, corners and lines
    stay; a `size` of 4 is the usual comparison with the median of 3 x 3, above that the window is 5 x 5. All other
    values stay as they are.

    Before or after flat correction: with flats, counts are compared as what flat correction would make of them. A
    `threshold` below five times the noise of the open beam (relative standard deviation) eats into the noise. Do it
    before distortion, tilt or phase are corrected, which smear a zinger.

    Parameters
    ----------
    data : (n, rows, columns) array
        Projections, of any type.

    Returns
    -------
    (n, rows, columns) float32 array

    Raises
    ------
    InputError
        When the data are neither transmission nor counts with flats, and `absolute` is not given.
    """

    threshold: Threshold = 0.1
    absolute: Absolute = None
    relative: Relative = 0.0
    size: Size = 2
    outliers: Which = "bright"
    references: tuple[NDArray[np.float32] | None, NDArray[np.float32] | None] | None = field(init=False, default=None)

    def __call__(self, data: Projections, scan: Scan) -> Projections:
        """Correct a block of frames."""
        if self.references is None:  # the same for all frames
            self.references = (None, None) if self.absolute is not None else dark_and_span(scan)
        dark, span = self.references
        out, number = replace_zingers(
            data, self.threshold if self.absolute is None else self.absolute,
            relative=self.relative, size=self.size, outliers=self.outliers, dark=dark, span=span,
        )  # fmt: skip
        if number.any():
            scan.remark("{count} zingers were replaced", number)
        return out


@plugin(check=_check, memory=3.0)
def remove_zingers_in_sinograms(
    data: Sinograms,
    scan: Scan,
    *,
    threshold: Threshold = 0.1,
    absolute: Absolute = None,
    relative: Relative = 0.0,
    size: Size = 2,
    outliers: Which = "bright",
) -> Sinograms:
    """Replace zingers, values that stand out in a sinogram, by the median of their neighbourhood.

    As `remove_zingers`, with the neighbours at the angles before and after and in the columns left and right: for
    lists that work on sinograms from the start, which then read the data once. Stripes (rings) stay: in a
    column, the neighbours before and after are as bright. The scan must be fine enough that a detail moves by no more
    than its own width from one angle to the next, as it is when it has enough projections to reconstruct from.

    Parameters
    ----------
    data : (n, angles, columns) array
        Sinograms, angles in the order they were taken.

    Returns
    -------
    (n, angles, columns) float32 array

    Raises
    ------
    InputError
        When the data are neither transmission nor counts with flats, and `absolute` is not given.
    """
    dark, span = (None, None) if absolute is not None else dark_and_span(scan)
    out, number = replace_zingers(
        data, threshold if absolute is None else absolute,
        relative=relative, size=size, outliers=outliers, dark=dark, span=span,
    )  # fmt: skip
    if number.any():
        scan.remark("{count} zingers were replaced", number)
    return out
