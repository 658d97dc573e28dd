"""Plugin `cake`: one diffraction pattern in, its intensity against azimuth and radius out."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

from tomosaxs import (
    Axis,
    Dataset,
    DiffractionPatterns,
    InputError,
    Output,
    Param,
    Scan,
    backends,
    custom_pattern,
    plugin,
)
from tomosaxs_plugins.integration.azimuthal_integrate import radial_range
from tomosaxs_plugins.integration.backends.cakes import CakeBackend, CakeSettings
from tomosaxs_plugins.integration.backends.pyfai_cake import refusal
from tomosaxs_plugins.integration.cake_steps import azimuth_axis, choose_backend, finished
from tomosaxs_plugins.integration.frame_geometry import geometry_of
from tomosaxs_plugins.integration.frames import FrameParameters
from tomosaxs_plugins.integration.look_at_frames import look_at_frames
from tomosaxs_plugins.integration.per_frame import BadFrames, check_error_model, resolved_error_model
from tomosaxs_plugins.integration.radial import RADIAL, RadialUnit, bin_centres
from tomosaxs_plugins.reconstruction.parallel import thread_count

Cakes: TypeAlias = Annotated[NDArray[Any], custom_pattern("Cakes", "azimuth", "q")]
"""(n, azimuth, q), or another radial axis in the place of q."""

_AT_WORK = 8  # frames of a thread at a time


def _shape(
    dataset: Dataset,
    *,
    calibration: Any,
    crop_offset: Any,
    bins: int,
    unit: str,
    range: Any,
    azimuth_bins: int,
    azimuth_range: Any,
    fold: bool,
    error_model: str,
    **_: Any,
) -> Output:
    geometry, _offset, _detector = geometry_of(dataset, calibration, crop_offset)
    low, high = radial_range(geometry, geometry.shape or (0, 0), unit, range)
    kind = RADIAL[unit]
    radial = Axis(kind.axis, bins, bin_centres(low, high, bins), kind.units)
    known = resolved_error_model(error_model, dataset) != "none"
    axes = azimuth_axis(azimuth_bins, azimuth_range, fold)[0], radial
    return Output(axes, dtype="float32", label="intensity", units="", uncertainty=known)


def _check(dataset: Dataset, **parameters: Any) -> dict[str, Any]:
    backend = choose_backend("cake", parameters["backend"])
    step = Cake(**{**parameters, "backend": backend})
    step.check_frames(dataset)
    settings = step.settings(dataset)
    reason = refusal(settings) if backend == "pyfai" else ""
    if reason:
        raise InputError(
            f"backend pyfai has no {reason}; take backend: tomosaxs", parameter=reason.split(":")[0].split()[0]
        )
    return {"backend": backend, "error_model": resolved_error_model(parameters["error_model"], dataset)}


def _memory(
    slices: int, dataset: Dataset, *, bins: int = 1000, azimuth_bins: int = 360, error_model: str = "auto", **_: Any
) -> float:
    rows, columns = dataset.axis("detector_y").size, dataset.axis("detector_x").size
    errors = resolved_error_model(error_model, dataset)
    cells = bins * azimuth_bins
    # a copy of each frame, its cake and uncertainty; once, tables of the shares, which grow with the bins of a pixel
    a_pixel = slices * dataset.dtype.itemsize + 150 + 120 * bins / float(np.hypot(rows, columns))
    a_cell = slices * (4 if errors == "none" else 8) * 2 + 60.0
    threads = min(thread_count(), -(-slices // _AT_WORK))
    a_cell += threads * _AT_WORK * 8 * 4  # signal, variance, and what unusable values take away
    if errors not in ("none", "poisson", "azimuthal"):
        a_pixel += threads * _AT_WORK * 2 * 8  # variances of the frames at work
    return float(rows * columns * a_pixel + cells * a_cell)


@plugin(
    name="cake",
    shape=_shape,
    check=_check,
    look=look_at_frames,
    memory=_memory,
    cite="10.1107/S1600576715004306",
    uncertainty=True,
    nan=True,
)
@dataclass
class Cake(FrameParameters):
    """Regroup every diffraction pattern into a cake: intensity against azimuth and q, 2 theta, radius or d.

    A cell is an interval of the azimuth by one of the radial coordinate. Its intensity is the sum of its counts, less
    dark counts, over the sum of the weights of its pixels (area inside the cell times flat field, absorption by the
    sensor, polarisation, solid angle), in counts a pixel, divided by what `normalise` lists; NaN where a cell has no
    usable pixel. By default pixels are shared by their exact areas, in the pixel around the beam and across +-180
    degrees too: with weights, a cake adds up over the azimuths to the curve of `azimuthal_integrate`.

    Azimuths count from the direction of increasing columns, counter-clockwise in a picture with row 0 at the top; the
    sectors fill `azimuth_range` evenly, by default -180 to 180 degrees. `fold` takes opposite azimuths together: a
    small-angle pattern is the same on both sides, and gaps of one side are filled from the other.

    Corrections, masks, error models and bad frames: as in `azimuthal_integrate`.
    """

    backend: Annotated[str, Param("implementation; auto takes the first that is installed")] = "auto"
    bins: Annotated[int, Param("number of radial bins", ge=1, le=100_000)] = 1000
    unit: Annotated[RadialUnit, Param("radial coordinate and its unit")] = "q_nm^-1"
    range: Annotated[tuple[float, float] | None, Param("outer edges of the first and last bin, in `unit`")] = None
    azimuth_bins: Annotated[int, Param("number of sectors", ge=1, le=100_000)] = 360
    azimuth_range: Annotated[
        tuple[float, float] | None, Param("outer edges of the first and last sector; may cross 180", unit="deg")
    ] = None
    fold: Annotated[bool, Param("take opposite azimuths together; `azimuth_range` then is 0 to 180 by default")] = False
    splitting: Annotated[
        Literal["full", "no", "subpixel"],
        Param("how a pixel is shared among cells: by area, not at all, by centres of its sub-pixels"),
    ] = "full"
    oversampling: Annotated[int, Param("sub-pixels along an edge of a pixel, for splitting subpixel", ge=1, le=64)] = 3
    average: Annotated[
        Literal["ratio_of_sums", "mean_of_ratios"],
        Param("corrected pixels weigh by what they can count (lower noise), or all the same"),
    ] = "ratio_of_sums"
    error_model: Annotated[
        str,
        Param("none, poisson, azimuthal, data, or variance as an expression of the counts I; auto: data or none"),
    ] = "auto"

    _engine: CakeBackend | None = field(default=None, init=False, repr=False)
    _bad: BadFrames = field(default_factory=BadFrames, init=False, repr=False)

    def settings(self, dataset: Dataset) -> CakeSettings:
        """Return what the backend is told, or raise an `InputError` that says what does not fit."""
        frames = self.frames(dataset)
        low, high = radial_range(frames.geometry, frames.shape, self.unit, self.range)
        _axis, first, last = azimuth_axis(self.azimuth_bins, self.azimuth_range, self.fold)
        errors = resolved_error_model(self.error_model, dataset)
        check_error_model(errors, dataset)
        return CakeSettings(
            frames, self.bins, low, high, self.unit, self.splitting, errors, self.oversampling, self.average,
            self.azimuth_bins, first, last, self.fold,
        )  # fmt: skip

    def setup(self, dataset: Dataset) -> None:
        """Prepare the backend; called once, before the first block."""
        settings = self.settings(dataset)
        engine: CakeBackend = backends("cake")[choose_backend("cake", self.backend)].load()()
        engine.setup(settings)
        self._engine = engine

    def __call__(self, data: DiffractionPatterns, scan: Scan) -> Cakes:
        """Return cakes (n, sectors, bins) of frames (n, rows, columns); with an error model as `Uncertain`."""
        if self._engine is None:
            self.setup(scan.dataset)
        assert self._engine is not None
        self.tell_mask(scan)
        from_data = resolved_error_model(self.error_model, scan.dataset) == "data"
        cakes, sigmas = self._engine.integrate(*((data, scan.uncertainty) if from_data else (data,)))
        return cast(Cakes, finished(scan, self.normalise, self._bad, cakes, sigmas))
