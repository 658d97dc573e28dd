"""Plugin `azimuthal_integrate`: one diffraction pattern in, one curve out."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, cast

import numpy as np

from tomosaxs import (
    Axis,
    AzimuthalProfiles,
    Dataset,
    DiffractionPatterns,
    InputError,
    Output,
    Param,
    Scan,
    Uncertain,
    backends,
    did_you_mean,
    plugin,
)
from tomosaxs_plugins.integration.backends import IntegrationBackend, IntegrationSettings
from tomosaxs_plugins.integration.frame_geometry import geometry_of
from tomosaxs_plugins.integration.frames import FrameParameters
from tomosaxs_plugins.integration.geometry import DetectorGeometry
from tomosaxs_plugins.integration.look_at_frames import look_at_frames
from tomosaxs_plugins.integration.per_frame import BadFrames, check_error_model, divisors, resolved_error_model
from tomosaxs_plugins.integration.radial import RADIAL, RadialUnit, bin_centres, full_range
from tomosaxs_plugins.reconstruction.parallel import thread_count

_PREFERRED = ("tomosaxs", "pyfai")
_AT_WORK = 8  # frames of a thread at a time


def radial_range(
    geometry: DetectorGeometry, shape: tuple[int, int], unit: str, wanted: tuple[float, float] | None
) -> tuple[float, float]:
    """Return the outer edges of the bins.

    Raises
    ------
    InputError
        When the range is empty or outside of what the frames cover.
    """
    try:
        low, high = full_range(geometry, shape, unit)
    except ValueError as error:
        raise InputError(str(error)) from None
    if wanted is None:
        return low, high
    if not 0 <= wanted[0] < wanted[1]:
        raise InputError(f"range: expected 0 <= low < high, got {list(wanted)}")
    if wanted[0] >= high or wanted[1] <= low:
        raise InputError(f"range {list(wanted)} holds no pixel: the frames cover {low:.6g} to {high:.6g} ({unit})")
    return float(wanted[0]), float(wanted[1])


def _choose(name: str) -> str:
    known = backends("azimuthal_integrate")
    if name == "auto":
        usable = [each for each in _PREFERRED if each in known and not known[each].missing()]
        usable += [each for each, entry in known.items() if each not in usable and not entry.missing()]
        if not usable:
            reasons = "; ".join(f"{each}: {entry.missing()}" for each, entry in known.items())
            raise InputError(f"no backend of azimuthal_integrate can be used: {reasons or 'none is registered'}")
        return usable[0]
    if name not in known:
        raise InputError(
            f"backend {name!r} of azimuthal_integrate does not exist{did_you_mean(name, known)}", parameter="backend"
        )
    if known[name].missing():
        raise InputError(f"backend {name!r} of azimuthal_integrate: {known[name].missing()}", parameter="backend")
    return name


def _shape(
    dataset: Dataset,
    *,
    calibration: Any,
    crop_offset: Any,
    bins: int,
    unit: str,
    range: Any,
    error_model: str,
    **_: Any,
) -> Output:
    geometry, _offset, _detector = geometry_of(dataset, calibration, crop_offset)
    low, high = radial_range(geometry, geometry.shape or (0, 0), unit, range)
    kind = RADIAL[unit]
    axis = Axis(kind.axis, bins, bin_centres(low, high, bins), kind.units)
    known = resolved_error_model(error_model, dataset) != "none"
    return Output((axis,), dtype="float32", label="intensity", units="", uncertainty=known)


def _check(dataset: Dataset, **parameters: Any) -> dict[str, Any]:
    backend = _choose(parameters["backend"])
    step = AzimuthalIntegrate(**{**parameters, "backend": backend})
    step.check_frames(dataset)
    step.settings(dataset)
    if backend == "pyfai":
        for name, value in (("splitting", "subpixel"), ("average", "mean_of_ratios")):
            if parameters[name] == value:
                raise InputError(f"backend pyfai has no {name}: {value}; take backend: tomosaxs", parameter=name)
    return {"backend": backend, "error_model": resolved_error_model(parameters["error_model"], dataset)}


def _memory(slices: int, dataset: Dataset, *, bins: int = 1000, error_model: str = "auto", **_: Any) -> float:
    rows, columns = dataset.axis("detector_y").size, dataset.axis("detector_x").size
    # a float copy of each frame, and once: corner positions and tables, which grow with the bins of a pixel
    bins_of_a_pixel = 2 + 1.5 * bins / float(np.hypot(rows, columns))
    a_pixel = slices * (dataset.dtype.itemsize + 9) + 140 + 60 * bins_of_a_pixel
    if resolved_error_model(error_model, dataset) not in ("none", "poisson", "azimuthal"):
        a_pixel += min(slices, _AT_WORK * thread_count()) * 2 * 8  # variances of the frames at work
    return float(rows * columns * a_pixel)


@plugin(
    name="azimuthal_integrate",
    shape=_shape,
    check=_check,
    look=look_at_frames,
    memory=_memory,
    cite="10.1107/S1600576715004306",
    uncertainty=True,
    nan=True,
)
@dataclass
class AzimuthalIntegrate(FrameParameters):
    """Integrate every diffraction pattern over the azimuth: intensity against q, 2 theta, radius or d.

    Intensity is the sum of the counts of a bin, less dark counts, over the sum of the weights of its pixels (area
    inside the bin times flat field, absorption by the sensor, polarisation, solid angle), in counts a pixel, divided
    by what `normalise` lists; NaN where a bin has no usable pixel. All of this happens in one pass over the counts.
    Bins are equal and known before anything is read; without `range` they reach from the smallest to the largest
    value at the frames' pixel corners (of d, to ten times the smallest: towards the beam d has no end).

    With an error model the curves carry standard uncertainties: ``poisson`` (variance of a pixel: its counts),
    ``azimuthal`` (from the spread in a bin), ``data`` (those the frames carry), or the variance as an expression of
    the counts I, for instance ``I / 0.8 + 25``. Dark counts add the variance of their own by the same rule (not with
    ``data``; ``azimuthal`` sees it anyway); it is that of a mean of as many dark frames as the file holds. A pixel that
    several bins share makes them vary together: take splitting ``no`` where bins must be independent.

    A frame that was not measured, has no usable pixel or no usable value to normalise by becomes NaN; the others go
    on, and log and report count the bad ones and name the first few; so they do with frames that have clearly more
    negative, saturated or not finite pixels than the others.

    Without `calibration` the geometry is the one the scan's own file states, for a detector square to the
    beam. A crop of the loader is taken into account; `crop_offset` is for frames that were already cropped
    when they were stored.

    Azimuths count from the direction of increasing columns, counter-clockwise in a picture with row 0 at
    the top.
    """

    backend: Annotated[str, Param("implementation; auto takes the first that is installed")] = "auto"
    bins: Annotated[int, Param("number of bins", ge=1, le=1_000_000)] = 1000
    unit: Annotated[RadialUnit, Param("radial coordinate and its unit")] = "q_nm^-1"
    range: Annotated[tuple[float, float] | None, Param("outer edges of the first and last bin, in `unit`")] = None
    azimuth_range: Annotated[
        tuple[float, float] | None, Param("sector of pixel centres to use; may cross 180", unit="deg")
    ] = None
    splitting: Annotated[
        Literal["full", "bbox", "no", "subpixel"],
        Param("how a pixel is shared among bins: by area, by extent, not at all, by centres of its sub-pixels"),
    ] = "full"
    oversampling: Annotated[int, Param("sub-pixels along an edge of a pixel, for splitting subpixel", ge=1, le=64)] = 3
    average: Annotated[
        Literal["ratio_of_sums", "mean_of_ratios"],
        Param("corrected pixels weigh by what they can count (lower noise), or all the same (as saxsdog does)"),
    ] = "ratio_of_sums"
    error_model: Annotated[
        str,
        Param("none, poisson, azimuthal, data, or variance as an expression of the counts I; auto: data or none"),
    ] = "auto"

    _engine: IntegrationBackend | None = field(default=None, init=False, repr=False)
    _bad: BadFrames = field(default_factory=BadFrames, init=False, repr=False)

    def settings(self, dataset: Dataset) -> IntegrationSettings:
        """Return what the backend is told, or raise an `InputError` that says what does not fit."""
        frames = self.frames(dataset, self.azimuth_range)
        low, high = radial_range(frames.geometry, frames.shape, self.unit, self.range)
        errors = resolved_error_model(self.error_model, dataset)
        check_error_model(errors, dataset)
        return IntegrationSettings(
            frames, self.bins, low, high, self.unit, self.splitting, errors, self.oversampling, self.average
        )

    def setup(self, dataset: Dataset) -> None:
        """Prepare the backend; called once, before the first block."""
        settings = self.settings(dataset)
        engine: IntegrationBackend = backends("azimuthal_integrate")[_choose(self.backend)].load()()
        engine.setup(settings)
        self._engine = engine

    def with_uncertainty(
        self, data: DiffractionPatterns, scan: Scan
    ) -> tuple[AzimuthalProfiles, AzimuthalProfiles | None]:
        """Return curves and their standard uncertainties (None without an error model), (n, bins) each."""
        if self._engine is None:
            self.setup(scan.dataset)
        assert self._engine is not None
        self.tell_mask(scan)
        from_data = resolved_error_model(self.error_model, scan.dataset) == "data"
        given = (data, scan.uncertainty) if from_data else (data,)
        counting = getattr(self._engine, "integrate_and_count", None)  # not every library tells
        curves, sigmas, unusable = counting(*given) if counting else (*self._engine.integrate(*given), None)
        factor = 1.0 / divisors(scan, self.normalise, self._bad)
        factor[self._bad.missing(scan)] = np.nan
        self._bad.without_curve(scan, curves)
        self._bad.with_fewer_pixels(scan, curves, unusable)
        curves = (curves * factor[:, None]).astype(curves.dtype)
        return curves, None if sigmas is None else (sigmas * factor[:, None]).astype(curves.dtype)

    def __call__(self, data: DiffractionPatterns, scan: Scan) -> AzimuthalProfiles:
        """Return curves (n, bins) of frames (n, rows, columns); with an error model as `Uncertain`."""
        curves, sigmas = self.with_uncertainty(data, scan)
        return curves if sigmas is None else cast(AzimuthalProfiles, Uncertain(curves, sigmas))
