"""Plugin `self_absorption`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from tomosaxs import Dataset, DiffractionPatterns, InputFile, Output, Param, Scan, plugin
from tomosaxs_plugins.integration.calibration_given import DESCRIPTION as CALIBRATION
from tomosaxs_plugins.scattering.angles import PixelAngles
from tomosaxs_plugins.scattering.kernels.self_absorption import undo_self_absorption
from tomosaxs_plugins.scattering.per_point import finished, like, usable, variance
from tomosaxs_plugins.scattering.transmissions import check_transmission, transmission_of


def _check(
    data: Dataset, *, calibration: Any, crop_offset: Any, transmission: Any, transmitted: Any, incident: Any,
    empty_beam: Any,
) -> None:  # fmt: skip
    PixelAngles(data, calibration, crop_offset)
    check_transmission(data, transmission, transmitted, incident, empty_beam)


def _shape(data: Dataset, **_: Any) -> Output:
    return like(data, core=True, corrected=("self absorption",))


@plugin(
    name="self_absorption",
    shape=_shape,
    check=_check,
    memory=6.0,
    cite=("10.1107/S1600576717015096", "10.1088/0953-8984/25/38/383201"),
    uncertainty=True,
)
@dataclass
class SelfAbsorption:
    """Undo that rays scattered to large angles travel farther through the sample than the direct beam.

    For a plate square to the beam, on data already divided by the transmission T (step flux_and_transmission): they
    are divided by (1 - exp(-a)) / a with a = -ln T (1 / cos 2 theta - 1).
    """

    calibration: Annotated[
        InputFile | dict[str, Any] | None, Param(CALIBRATION + "; null: the scan's own geometry")
    ] = None
    crop_offset: Annotated[
        tuple[int, int] | None, Param("detector row and column where stored frames begin", unit="px", ge=0)
    ] = None
    transmission: Annotated[float | str, Param("transmission of the sample, or a companion that holds it", gt=0)] = (
        "transmission"
    )
    transmitted: Annotated[
        str | None, Param("companion that counts the beam after the sample; then transmission is not used")
    ] = None
    incident: Annotated[float | str, Param("companion that counts it before; used with transmitted", gt=0)] = "monitor"
    empty_beam: Annotated[
        float | None, Param("transmitted over incident counts without a sample; needed with transmitted", gt=0)
    ] = None

    _two_theta: NDArray[np.float64] | None = field(default=None, init=False, repr=False)

    def setup(self, dataset: Dataset) -> None:
        """Find the angles of the pixels."""
        self._two_theta = PixelAngles(dataset, self.calibration, self.crop_offset).two_theta

    def __call__(self, data: DiffractionPatterns, scan: Scan) -> DiffractionPatterns:
        """Return corrected frames (n, rows, columns)."""
        if self._two_theta is None:
            self.setup(scan.dataset)
        assert self._two_theta is not None
        part = transmission_of(scan, self.transmission, self.transmitted, self.incident, self.empty_beam)
        frames = usable(data)
        spread = variance(scan)
        out = np.empty_like(frames, order="C")
        out_spread = None if spread is None else np.empty_like(spread)
        parts = np.broadcast_to(part.reshape(-1), len(frames))
        for number, frame in enumerate(frames):  # frame by frame: temporaries stay in cache
            of_frame = None if spread is None else spread[number]
            out[number], made = undo_self_absorption(frame, parts[number], self._two_theta, of_frame)
            if out_spread is not None:
                out_spread[number] = made
        return finished((out, out_spread))
