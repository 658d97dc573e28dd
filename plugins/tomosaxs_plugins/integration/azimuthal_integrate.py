"""Plugin `azimuthal_integrate`: one diffraction pattern in, one curve out."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray

from tomosaxs import (
    Axis,
    AzimuthalProfiles,
    Dataset,
    DiffractionPatterns,
    InputError,
    InputFile,
    Output,
    Param,
    Scan,
    backends,
    did_you_mean,
    plugin,
)
from tomosaxs_plugins.corrections.normalise_by_monitor import divide_by_monitor, read_whole
from tomosaxs_plugins.integration import masks
from tomosaxs_plugins.integration.backends import IntegrationBackend, IntegrationSettings
from tomosaxs_plugins.integration.calibration import from_metadata, read_calibration
from tomosaxs_plugins.integration.geometry import DetectorGeometry
from tomosaxs_plugins.integration.radial import RADIAL, RadialUnit, bin_centres, full_range

_PREFERRED = ("tomosaxs", "pyfai")


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
        whole = read_calibration(calibration, stored if crop_offset is None else None)
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
    dataset: Dataset, *, calibration: Any, crop_offset: Any, bins: int, unit: str, range: Any, **_: Any
) -> Output:
    geometry, _offset, _detector = geometry_of(dataset, calibration, crop_offset)
    low, high = radial_range(geometry, geometry.shape or (0, 0), unit, range)
    kind = RADIAL[unit]
    axis = Axis(kind.axis, bins, bin_centres(low, high, bins), kind.units)
    return Output((axis,), dtype="float32", label="intensity", units="")


def _check(dataset: Dataset, **parameters: Any) -> dict[str, Any]:
    backend = _choose(parameters["backend"])
    AzimuthalIntegrate(**{**parameters, "backend": backend}).settings(dataset)
    if backend == "pyfai":
        for name, value in (("splitting", "subpixel"), ("average", "mean_of_ratios")):
            if parameters[name] == value:
                raise InputError(f"backend pyfai has no {name}: {value}; take backend: tomosaxs", parameter=name)
    below, above = parameters["mask_below"], parameters["mask_above"]
    if below is not None and above is not None and not below < above:
        raise InputError(f"mask_below ({below:g}) must be smaller than mask_above ({above:g})")
    if parameters["normalise"] is not None:
        read_whole(dataset, parameters["normalise"])
    return {"backend": backend}


def _memory(slices: int, dataset: Dataset, *, bins: int = 1000, **_: Any) -> float:
    rows, columns = dataset.axis("detector_y").size, dataset.axis("detector_x").size
    # a float copy of each frame, and once: corner positions and tables, which grow with the bins of a pixel
    bins_of_a_pixel = 2 + 1.5 * bins / float(np.hypot(rows, columns))
    return float(rows * columns * (slices * (dataset.dtype.itemsize + 9) + 80 + 60 * bins_of_a_pixel))


@plugin(
    name="azimuthal_integrate",
    shape=_shape,
    check=_check,
    memory=_memory,
    cite="10.1107/S1600576715004306",
)
@dataclass
class AzimuthalIntegrate:
    """Integrate every diffraction pattern over the azimuth: intensity against q, 2 theta or radius.

    Intensity is the sum of the counts of a bin over the sum of the weights of its pixels (area inside the bin,
    polarisation, solid angle), in counts a pixel; NaN where a bin has no usable pixel. Bins are equal and
    known before anything is read; without `range` they reach from the smallest to the largest value at the
    frames' pixel corners.

    Without `calibration` the geometry is the one the scan's own file states, for a detector square to the
    beam. A crop of the loader is taken into account; `crop_offset` is for frames that were already cropped
    when they were stored.

    Azimuths count from the direction of increasing columns, counter-clockwise in a picture with row 0 at
    the top.
    """

    calibration: Annotated[InputFile | None, Param("pyFAI .poni, or NeXus file with an NXdetector (DAWN)")] = None
    backend: Annotated[str, Param("implementation; auto takes the first that is installed")] = "auto"
    bins: Annotated[int, Param("number of bins", ge=1, le=1_000_000)] = 1000
    unit: Annotated[RadialUnit, Param("radial coordinate and its unit")] = "q_nm^-1"
    range: Annotated[tuple[float, float] | None, Param("outer edges of the first and last bin, in `unit`")] = None
    azimuth_range: Annotated[
        tuple[float, float] | None, Param("sector of pixel centres to use; may cross 180", unit="deg")
    ] = None
    mask: Annotated[InputFile | None, Param("mask file (.npy, .msk, EDF, TIFF, NeXus); non-zero is masked")] = None
    mask_below: Annotated[float | None, Param("do not use values below this, frame by frame")] = None
    mask_above: Annotated[float | None, Param("do not use values above this, frame by frame")] = None
    mask_gaps: Annotated[
        bool, Param("of integer frames, do not use negative values and the largest value of the type")
    ] = True
    crop_offset: Annotated[
        tuple[int, int] | None, Param("detector row and column where stored frames begin", unit="px", ge=0)
    ] = None
    polarization: Annotated[
        float | None, Param("degree of linear polarisation along rows of the picture; null: none", ge=-1, le=1)
    ] = None
    solid_angle: Annotated[bool, Param("correct for the solid angle of a pixel")] = True
    splitting: Annotated[
        Literal["full", "bbox", "no", "subpixel"],
        Param("how a pixel is shared among bins: by area, by extent, not at all, by centres of its sub-pixels"),
    ] = "full"
    oversampling: Annotated[int, Param("sub-pixels along an edge of a pixel, for splitting subpixel", ge=1, le=64)] = 3
    average: Annotated[
        Literal["ratio_of_sums", "mean_of_ratios"],
        Param("corrected pixels weigh by what they can count (lower noise), or all the same (as saxsdog does)"),
    ] = "ratio_of_sums"
    error_model: Annotated[Literal["none", "poisson", "azimuthal"], Param("how uncertainties are found")] = "none"
    normalise: Annotated[str | None, Param("divide by this companion of the data, for instance monitor")] = None

    _engine: IntegrationBackend | None = field(default=None, init=False, repr=False)

    def settings(self, dataset: Dataset) -> IntegrationSettings:
        """Return what the backend is told, or raise an `InputError` that says what does not fit."""
        geometry, offset, detector = geometry_of(dataset, self.calibration, self.crop_offset)
        shape = geometry.shape or (0, 0)
        low, high = radial_range(geometry, shape, self.unit, self.range)
        mask = self._mask(dataset, geometry, offset, detector)
        if mask.all():
            raise InputError("every pixel of the frames is masked")
        return IntegrationSettings(
            geometry, shape, self.bins, low, high, self.unit, mask, self.polarization,
            self.solid_angle, self.splitting, self.error_model, self.oversampling, self.average,
            self.mask_below, self.mask_above, self.mask_gaps,
        )  # fmt: skip

    def _mask(
        self,
        dataset: Dataset,
        geometry: DetectorGeometry,
        offset: tuple[int, int],
        detector: tuple[int, int] | None,
    ) -> NDArray[np.bool_]:
        shape = geometry.shape or (0, 0)
        mask = np.zeros(shape, dtype=np.bool_)
        companion = dataset.auxiliaries.get("mask")
        if companion is not None and set(companion.axes) == {"detector_y", "detector_x"}:
            values = companion.reader.read((slice(None), slice(None)))
            mask |= (values if companion.axes[0] == "detector_y" else values.T) != 0
        if self.mask is not None:
            try:
                mask |= masks.fit_mask(masks.read_mask(self.mask), shape, offset, detector)
            except (ValueError, OSError) as error:
                raise InputError(f"mask {self.mask}: {error}") from None
        if self.azimuth_range is not None:
            first, last = self.azimuth_range
            if not first < last <= first + 360:
                raise InputError(f"azimuth_range: expected low < high <= low + 360, got {[first, last]}")
            mask |= masks.azimuth_mask(geometry, shape, first, last)
        return mask

    def setup(self, dataset: Dataset) -> None:
        """Prepare the backend; called once, before the first block."""
        settings = self.settings(dataset)
        engine: IntegrationBackend = backends("azimuthal_integrate")[_choose(self.backend)].load()()
        engine.setup(settings)
        self._engine = engine

    def with_uncertainty(
        self, data: DiffractionPatterns, scan: Scan
    ) -> tuple[AzimuthalProfiles, AzimuthalProfiles | None]:
        """Return curves and their standard uncertainties (None with `error_model` none), (n, bins) each."""
        if self._engine is None:
            self.setup(scan.dataset)
        assert self._engine is not None
        curves, sigmas = self._engine.integrate(data)
        if self.normalise is None:
            return curves, sigmas
        monitor = scan.get(self.normalise).reshape(-1, 1)
        return (
            divide_by_monitor(curves, monitor),
            None if sigmas is None else divide_by_monitor(sigmas, monitor),
        )

    def __call__(self, data: DiffractionPatterns, scan: Scan) -> AzimuthalProfiles:
        """Return curves (n, bins) of frames (n, rows, columns)."""
        return self.with_uncertainty(data, scan)[0]
