"""Plugin `radial_band`: intensity against azimuth in a band of q, less the background beside it."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import Annotated, Any, Literal, cast

import numpy as np

from tomosaxs import AzimuthalProfiles, Dataset, DiffractionPatterns, InputError, Output, Param, Scan, plugin
from tomosaxs_plugins.integration.azimuthal_integrate import radial_range
from tomosaxs_plugins.integration.cake_steps import azimuth_axis, finished
from tomosaxs_plugins.integration.engine.errors import ErrorModel, error_model
from tomosaxs_plugins.integration.frames import FrameParameters
from tomosaxs_plugins.integration.look_at_frames import look_at_frames
from tomosaxs_plugins.integration.per_frame import BadFrames, check_error_model, resolved_error_model
from tomosaxs_plugins.integration.radial import RADIAL, RadialUnit
from tomosaxs_plugins.reconstruction.parallel import thread_count

_AT_WORK = 8  # frames of a thread at a time


def _shape(
    dataset: Dataset,
    *,
    azimuth_bins: int,
    azimuth_range: Any,
    fold: bool,
    measure: str,
    unit: str,
    error_model: str,
    **_: Any,
) -> Output:
    known = resolved_error_model(error_model, dataset) != "none"
    axis = azimuth_axis(azimuth_bins, azimuth_range, fold)[0]
    label, units = ("intensity", "") if measure == "mean" else ("integral of intensity", RADIAL[unit].units)
    return Output((axis,), dtype="float32", label=label, units=units, uncertainty=known)


def _check(dataset: Dataset, **parameters: Any) -> dict[str, Any]:
    step = RadialBand(**parameters)
    step.check_frames(dataset)
    step.check_bands(dataset)
    return {"error_model": resolved_error_model(parameters["error_model"], dataset)}


def _memory(slices: int, dataset: Dataset, *, azimuth_bins: int = 360, error_model: str = "auto", **_: Any) -> float:
    rows, columns = dataset.axis("detector_y").size, dataset.axis("detector_x").size
    # a copy of each frame, its profile; once, shares in three bands, coordinates and factors
    a_pixel = slices * dataset.dtype.itemsize + 300
    if resolved_error_model(error_model, dataset) not in ("none", "poisson"):
        a_pixel += min(slices, _AT_WORK * thread_count()) * 2 * 8
    return float(rows * columns * a_pixel + azimuth_bins * (slices * 16 + 120 * thread_count()))


@plugin(
    name="radial_band",
    shape=_shape,
    check=_check,
    look=look_at_frames,
    memory=_memory,
    uncertainty=True,
    nan=True,
)
@dataclass
class RadialBand(FrameParameters):
    """Integrate a band of q over q, sector by sector, less the background beside it: I(chi), for orientation.

    In every sector of the azimuth the mean intensity of the band (counts a pixel, corrected as in
    `azimuthal_integrate`) less that of the background: with two background bands a straight line through both, each
    at the mean coordinate of its own usable pixels, so that whatever is linear in q vanishes exactly, whichever
    pixels a mask takes; with one, or with `background_model` ``mean``, the mean of their pixels. Pixels are shared
    among bands and sectors by their exact areas. NaN where a sector has no usable pixel, or none in a band that the
    background needs.

    `measure` ``integral`` multiplies by the width of the band: the area under the peak.

    Uncertainties are those of the whole difference, background included, also where bands touch. Error models:
    ``poisson``, ``data``, or the variance as an expression of the counts I. Azimuths and `fold`: as in `cake`; masks,
    corrections, normalisation and bad frames: as in `azimuthal_integrate`.
    """

    band: Annotated[tuple[float, float], Param("from .. to, in `unit`")] = field(kw_only=True)
    background: Annotated[
        list[tuple[float, float]] | None, Param("one or two bands beside it, whose intensity is subtracted")
    ] = None
    background_model: Annotated[
        Literal["line", "mean"], Param("straight line through two background bands, or the mean of all their pixels")
    ] = "line"
    measure: Annotated[Literal["mean", "integral"], Param("mean over the band, or that times its width")] = "mean"
    unit: Annotated[RadialUnit, Param("radial coordinate and its unit")] = "q_nm^-1"
    azimuth_bins: Annotated[int, Param("number of sectors", ge=1, le=100_000)] = 360
    azimuth_range: Annotated[
        tuple[float, float] | None, Param("outer edges of the first and last sector; may cross 180", unit="deg")
    ] = None
    fold: Annotated[bool, Param("take opposite azimuths together; `azimuth_range` then is 0 to 180 by default")] = False
    splitting: Annotated[
        Literal["full", "no", "subpixel"],
        Param("how a pixel is shared: by area, not at all, by centres of its sub-pixels"),
    ] = "full"
    oversampling: Annotated[int, Param("sub-pixels along an edge of a pixel, for splitting subpixel", ge=1, le=64)] = 3
    error_model: Annotated[
        str, Param("none, poisson, data, or variance as an expression of the counts I; auto: data or none")
    ] = "auto"

    _lookup: Any = field(default=None, init=False, repr=False)
    _errors: ErrorModel = field(default_factory=ErrorModel, init=False, repr=False)
    _limits: dict[str, Any] = field(default_factory=dict, init=False, repr=False)
    _bad: BadFrames = field(default_factory=BadFrames, init=False, repr=False)

    def check_bands(self, dataset: Dataset) -> None:
        """Raise an `InputError` where bands, background or error model make no sense."""
        beside = self.background or []
        if len(beside) > 2:
            raise InputError(f"background: one or two bands are expected, got {len(beside)}", parameter="background")
        azimuth_axis(self.azimuth_bins, self.azimuth_range, self.fold)
        frames = self.frames(dataset)
        for name, each in [("band", self.band), *(("background", each) for each in beside)]:
            try:
                radial_range(frames.geometry, frames.shape, self.unit, each)
            except InputError as error:
                raise InputError(str(error).replace("range", name, 1), parameter=name) from None
        ordered = sorted([self.band, *beside])
        for first, second in pairwise(ordered):
            if first[1] > second[0]:
                raise InputError(f"{list(first)} and {list(second)} overlap", parameter="background")
        errors = resolved_error_model(self.error_model, dataset)
        if errors == "azimuthal":
            raise InputError(
                "error_model azimuthal: the spread in a band is that of the peak in it; take poisson",
                parameter="error_model",
            )
        check_error_model(errors, dataset)

    def setup(self, dataset: Dataset) -> None:
        """Work out the tables; called once, before the first block."""
        from tomosaxs_plugins.integration.engine.cake_band import build_band_lookup

        self.check_bands(dataset)
        frames = self.frames(dataset)
        beside = [*(self.background or []), None, None]
        model = "none" if not self.background else "linear" if self.background[1:] else "mean"
        if model == "linear" and self.background_model == "mean":
            model = "mean"
        _axis, first, last = azimuth_axis(self.azimuth_bins, self.azimuth_range, self.fold)
        self._errors = error_model(resolved_error_model(self.error_model, dataset))
        self._limits = {"below": frames.below, "above": frames.above, "gaps": frames.gaps}
        self._lookup = build_band_lookup(
            frames.geometry, frames.mask, self.unit, self.band, (self.azimuth_bins, first, last), below=beside[0],
            above=beside[1], background=model, splitting=self.splitting, oversampling=self.oversampling,
            fold=self.fold, pixel_norm=frames.factors(), dark=None if frames.dark is None else frames.dark.counts,
            dark_variance=self._errors.pixel_variance(frames.shape, frames.dark), threads=thread_count(),
        )  # fmt: skip

    def __call__(self, data: DiffractionPatterns, scan: Scan) -> AzimuthalProfiles:
        """Return profiles (n, sectors) of frames (n, rows, columns); with an error model as `Uncertain`."""
        from tomosaxs_plugins.integration.engine.cake_band import integrate_band

        if self._lookup is None:
            self.setup(scan.dataset)
        self.tell_mask(scan)
        from_data = resolved_error_model(self.error_model, scan.dataset) == "data"
        profiles, sigmas = integrate_band(
            self._lookup, data, errors=self._errors, uncertainties=scan.uncertainty if from_data else None,
            threads=thread_count(), **self._limits,
        )  # fmt: skip
        if self.measure == "integral":
            width = self.band[1] - self.band[0]
            profiles, sigmas = profiles * width, None if sigmas is None else sigmas * width
        values = np.asarray(profiles, dtype=np.float32)
        return cast(AzimuthalProfiles, finished(scan, self.normalise, self._bad, values, sigmas))
