"""Plugin `azimuthal_library`: every frame of a scan to intensity against azimuth and q, for fibre reconstruction."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, fields, replace
from typing import Annotated, Any, Literal, cast

import numpy as np
from numpy.typing import NDArray

from tomosaxs import (
    Dataset,
    DiffractionPatterns,
    InputError,
    Output,
    Param,
    Quantity,
    Scan,
    Source,
    Uncertain,
    plugin,
)
from tomosaxs_plugins.integration.cake import Cake, Cakes
from tomosaxs_plugins.integration.cake import _memory as _memory_of_cakes
from tomosaxs_plugins.integration.cake import _shape as _shape_of_cakes
from tomosaxs_plugins.integration.cake_steps import choose_backend
from tomosaxs_plugins.integration.frame_geometry import geometry_of
from tomosaxs_plugins.integration.look_at_frames import look_at_frames
from tomosaxs_plugins.integration.per_frame import divisors

Pair = tuple[float, float]
_SPREAD = ("azimuthal", "none")  # error models that do not come from counts


def _counted(error_model: str, dataset: Dataset) -> str:
    """Return the error model; ``auto`` is ``data`` where the data carry uncertainties, else ``poisson``."""
    if error_model != "auto":
        return error_model
    return "data" if dataset.uncertainty else "poisson"


def _shape(dataset: Dataset, *, error_model: str, **parameters: Any) -> Output:
    output = _shape_of_cakes(dataset, error_model=_counted(error_model, dataset), **parameters)
    azimuth, q = output.axes
    assert azimuth.values is not None
    assert q.values is not None
    widths = {
        "azimuth_bin_width": Quantity(_width(azimuth.values, parameters["azimuth_range"], 180.0), "deg"),
        "q_bin_width": Quantity(_width(q.values, parameters["range"], 0.0), "nm^-1"),
    }
    wavelength = geometry_of(dataset, parameters["calibration"], parameters["crop_offset"])[0].wavelength
    known: dict[str, Quantity | str] = {**widths, "azimuths_folded": str(bool(parameters["fold"])).lower()}
    known["background_subtracted"] = str(parameters["background"])
    if wavelength is not None:
        known["wavelength"] = Quantity(1e9 * wavelength, "nm")
    return replace(output, metadata=known)


def _width(centres: NDArray[Any], edges: Pair | None, whole: float) -> float:
    if len(centres) > 1:
        return float((centres[-1] - centres[0]) / (len(centres) - 1))
    return float(edges[1] - edges[0]) if edges is not None else whole


def _check(dataset: Dataset, **parameters: Any) -> dict[str, Any]:
    backend = choose_backend("cake", parameters["backend"])
    errors = _counted(parameters["error_model"], dataset)
    step = AzimuthalLibrary(**{**parameters, "backend": backend, "error_model": errors})
    step.check_frames(dataset)
    step.settings(dataset)
    step.check_background(dataset)
    return {"backend": backend, "error_model": errors}


def _look(dataset: Dataset, source: Source | None, **parameters: Any) -> Iterator[str]:
    parameters.pop("background")  # a word here; to others the bands
    yield from look_at_frames(dataset, source, **parameters)
    from tomosaxs_plugins.fibres.hidden_bins import hidden_shares

    own = {each.name for each in fields(AzimuthalLibrary) if each.init}
    errors = _counted(parameters["error_model"], dataset)
    given = {name: value for name, value in parameters.items() if name in own and name != "error_model"}
    _, beyond = hidden_shares(AzimuthalLibrary(**given, error_model=errors).settings(dataset))
    cut, gone = int(((beyond > 0.0) & (beyond < 1.0)).sum()), int((beyond >= 1.0).sum())
    if cut or gone:
        yield (
            f"the detector ends inside the range: of {beyond.size} bins {cut} lie in part beyond its edge, {gone} "
            f"wholly; those with more than {parameters['hidden']:.3g} of their area hidden are left out (hidden)"
        )


def _memory(slices: int, dataset: Dataset, *, error_model: str = "auto", **parameters: Any) -> float:
    errors = _counted(error_model, dataset)
    bins, sectors = parameters.get("bins", 36), parameters.get("azimuth_bins", 36)
    made = _memory_of_cakes(slices, dataset, bins=bins, azimuth_bins=sectors, error_model=errors)
    # float64 copies while the background is taken off, and two frames to find what one count is
    rows, columns = dataset.axis("detector_y").size, dataset.axis("detector_x").size
    return float(made + 60.0 * slices * bins * sectors + 24.0 * rows * columns)


@plugin(
    name="azimuthal_library",
    shape=_shape,
    check=_check,
    look=_look,
    memory=_memory,
    cite="10.1107/S1600576715004306",
    uncertainty=True,
    nan=True,
)
@dataclass
class AzimuthalLibrary(Cake):
    """Integrate every frame into bins of azimuth and q around one order of the fibres, with standard uncertainties.

    A `cake` with what fibre reconstruction wants by default: 36 azimuths of 5 degrees over half a turn, 36 bins of q
    over 0.24 to 0.33 nm^-1 (the third order of collagen), and Poisson uncertainties, or those of the data where they
    carry some. A mask stays a mask: bins without a usable pixel are NaN, nothing is filled in. So are those of which
    more than the share `hidden` is masked or lies beyond the detector's edge: the mean of a narrow streak over what is
    left is not its mean over the bin, and the solver would take the difference for something of the fibres. With
    ``hidden: 1`` a bin is the mean over whatever is left of it, as integration has it elsewhere. A pixel that has no
    usable value in one frame alone is left out of the mean there.

    Azimuths count counter-clockwise from the direction of increasing columns in a picture with row 0 at the top; a
    fibre that lies in the plane of the detector has its streak where it points. `fold` takes azimuths half a turn
    apart (Friedel pairs) together: less noise, and gaps of one side filled from the other, but the two sides differ
    a little because the Ewald sphere is curved (about 1 % of a streak on its slopes at 14 keV).

    A bin with fewer counts than one gets the uncertainty of one count, not 0: the intensity of one count is known
    from the areas of the pixels. With uncertainties of the data it is taken from the frame's own ratio of variance to
    intensity.

    `background`: ``none`` leaves it to the solver, which fits one for each beam path and knows best what is streak;
    ``side_bands`` subtracts, azimuth by azimuth, the average of the means over two bands of q (the tails of a
    Lorentzian reach into them, so that streaks lose some of their height; all bins of one azimuth share the error of
    the background, which single uncertainties cannot say); ``exponential`` subtracts a exp(-q / b) + c, one for each
    frame, fitted to the bins outside `streak` at all azimuths together (a background that depends on the azimuth
    stays in part). Uncertainties are those of the difference.
    """

    bins: Annotated[int, Param("number of bins of q", ge=1, le=100_000)] = 36
    unit: Annotated[Literal["q_nm^-1"], Param("radial coordinate and its unit")] = "q_nm^-1"
    range: Annotated[Pair | None, Param("outer edges of the first and last bin", unit="nm^-1")] = (0.24, 0.33)
    azimuth_bins: Annotated[int, Param("number of azimuths", ge=1, le=100_000)] = 36
    azimuth_range: Annotated[
        Pair | None, Param("outer edges of the first and last azimuth; may cross 180", unit="deg")
    ] = (0.0, 180.0)
    fold: Annotated[bool, Param("take azimuths half a turn apart together (Friedel pairs)")] = False
    error_model: Annotated[
        str,
        Param("none, poisson, azimuthal, data, or variance as an expression of the counts I; auto: data or poisson"),
    ] = "auto"
    hidden: Annotated[
        float, Param("share of a bin that mask and detector's edge may take; of more, it is left out", ge=0, le=1)
    ] = 0.05
    background: Annotated[
        Literal["none", "side_bands", "exponential"], Param("what is subtracted; none leaves it to the solver")
    ] = "none"
    side_bands: Annotated[tuple[Pair, Pair], Param("the two bands; whole bins inside them count", unit="nm^-1")] = (
        (0.2425, 0.2625),
        (0.3025, 0.3225),
    )
    streak: Annotated[Pair, Param("bins outside of this are background, for `exponential`", unit="nm^-1")] = (
        0.2625,
        0.3025,
    )
    decay: Annotated[Pair, Param("bounds of b in a exp(-q / b) + c", unit="nm^-1")] = (0.01, 0.3)

    _one: NDArray[np.float64] | None = field(default=None, init=False, repr=False)
    _q: tuple[NDArray[np.float64], float] | None = field(default=None, init=False, repr=False)
    _partly: NDArray[np.bool_] | None = field(default=None, init=False, repr=False)

    def check_background(self, dataset: Dataset) -> None:
        """Raise an `InputError` where the background cannot be had from these bins."""
        if self.background == "none":
            return
        q, width = self._bins(dataset)
        if self.background == "side_bands":
            from tomosaxs_plugins.fibres.library_background import bins_within

            for band in self.side_bands:
                if not bins_within(q, width, band).any():
                    raise InputError(
                        f"side_bands: no bin lies wholly in {list(band)}; bins are {width:.4g} wide, from "
                        f"{q[0] - width / 2:.6g} to {q[-1] + width / 2:.6g}",
                        parameter="side_bands",
                    )
            return
        low, high = self.decay
        if not 0 < low < high:
            raise InputError(f"decay: expected 0 < low < high, got {list(self.decay)}", parameter="decay")
        left = int(self._beside(q, width).sum())
        if left < 4:
            raise InputError(
                f"streak {list(self.streak)} leaves {left} of {len(q)} bins for the background; at least 4 are needed",
                parameter="streak",
            )

    def _bins(self, dataset: Dataset) -> tuple[NDArray[np.float64], float]:
        """Return centres and width of the bins of q."""
        settings = self.settings(dataset)
        width = (settings.high - settings.low) / settings.bins
        return np.asarray(settings.low + width * (np.arange(settings.bins) + 0.5), dtype=np.float64), width

    def _beside(self, q: NDArray[np.float64], width: float) -> NDArray[np.bool_]:
        low, high = self.streak
        slack = 1e-6 * width
        return np.asarray((q + width / 2 <= low + slack) | (q - width / 2 >= high - slack))

    def setup(self, dataset: Dataset) -> None:
        """Prepare the tables, and work out what one count is in every bin; called once, before the first block."""
        self.error_model = _counted(self.error_model, dataset)
        super().setup(dataset)
        self._q = self._bins(dataset)
        self._one = self._intensity_of_one_count(dataset)
        if self.hidden < 1:
            from tomosaxs_plugins.fibres.hidden_bins import partly_hidden

            self._partly = partly_hidden(self.settings(dataset), self.hidden)

    def _intensity_of_one_count(self, dataset: Dataset) -> NDArray[np.float64] | None:
        """Return (azimuths, bins): variance over intensity of counts, found with two even frames; None if unknown."""
        if self.error_model in _SPREAD:
            return None
        assert self._engine is not None
        frames = self.frames(dataset)
        low = 0.0 if frames.below is None else max(float(frames.below), 0.0)
        high = low + 1.0 if frames.above is None else float(frames.above)
        if not 0 <= low < high:
            return None
        even = np.empty((2, *frames.shape), dtype=np.float32)
        even[0], even[1] = low, high
        given = (even, np.sqrt(even)) if self.error_model == "data" else (even,)
        values, sigmas = self._engine.integrate(*given)
        if sigmas is None:
            return None
        with np.errstate(invalid="ignore", divide="ignore"):
            squares = sigmas.astype(np.float64) ** 2
            one = (squares[1] - squares[0]) / (values[1].astype(np.float64) - values[0])
        return np.where(one > 0, one, np.nan)

    def __call__(self, data: DiffractionPatterns, scan: Scan) -> Cakes:
        """Return profiles (n, azimuths, bins) of frames (n, rows, columns); with an error model as `Uncertain`."""
        if self._engine is None:
            self.setup(scan.dataset)
        found: Any = self._whole_bins(super().__call__(data, scan))
        if not isinstance(found, Uncertain):
            return cast(Cakes, found if self.background == "none" else self._less_background(scan, found, None, None))
        values, sigma = found
        one = self._scale(scan, values, sigma)
        if one is not None:
            sigma = np.where(np.isfinite(values) & np.isfinite(one), np.maximum(sigma, one), sigma)
        if self.background != "none":
            values, sigma = self._less_background(scan, values, sigma, one)
        return cast(Cakes, Uncertain(np.asarray(values, np.float32), np.asarray(sigma, np.float32)))

    def _whole_bins(self, found: Any) -> Any:
        """Return profiles with NaN in bins that are seen in part only."""
        if self._partly is None or not self._partly.any():
            return found
        several = found if isinstance(found, Uncertain) else (found,)
        kept = [np.where(self._partly, np.float32(np.nan), each) for each in several]
        return Uncertain(*kept) if isinstance(found, Uncertain) else kept[0]

    def _scale(self, scan: Scan, values: NDArray[np.float32], sigma: NDArray[np.float32]) -> NDArray[np.float64] | None:
        """Return (n, azimuths, bins) the intensity of one count, NaN where it is not known."""
        if self._one is None:
            return None
        if self.error_model == "data":
            usable = np.isfinite(values) & np.isfinite(sigma) & np.isfinite(self._one)
            top = np.where(usable, sigma.astype(np.float64) ** 2, 0.0).sum(axis=(1, 2))
            bottom = np.where(usable, values.astype(np.float64) * np.where(usable, self._one, 0.0), 0.0).sum(
                axis=(1, 2)
            )
            known = (top > 0) & (bottom > 0)
            ratio = np.divide(top, bottom, out=np.full_like(top, np.nan), where=known)
        else:
            with np.errstate(invalid="ignore", divide="ignore"):
                ratio = 1.0 / divisors(scan, self.normalise)
        return np.asarray(ratio[:, None, None] * self._one)

    def _less_background(
        self, scan: Scan, values: NDArray[Any], sigma: NDArray[Any] | None, one: NDArray[np.float64] | None
    ) -> Any:
        """Return values, and where there are some uncertainties, less the background."""
        from tomosaxs_plugins.fibres import library_background as background

        assert self._q is not None
        q, width = self._q
        wide = np.asarray(values, dtype=np.float64)
        spread = np.where(np.isfinite(wide), 1.0, np.nan) if sigma is None else np.asarray(sigma, dtype=np.float64)
        if self.background == "side_bands":
            below, above = (background.bins_within(q, width, band) for band in self.side_bands)
            less, error = background.subtract_side_bands(wide, spread, below, above, q)
            lost = (np.isfinite(wide).any(axis=2) & ~np.isfinite(less).any(axis=2)).sum(axis=1)
            if lost.any():
                scan.note("{count} azimuths of frames give NaN: a side band has no usable bin", lost)
        else:
            scale = np.full_like(wide, np.nan) if one is None else one
            found = background.subtract_exponential(wide, spread, scale, q, self._beside(q, width), self.decay)
            less, error = found.values, found.sigma
            if found.at_bound.any():
                scan.note("{count} frames: the decay of their background ended at a bound", found.at_bound)
            empty = np.isfinite(wide).any(axis=(1, 2)) & np.isnan(found.parameters[:, 0])
            if empty.any():
                scan.note("{count} frames give NaN: too few bins are left to fit their background", empty)
        return np.asarray(less, dtype=np.float32) if sigma is None else (less, error)
