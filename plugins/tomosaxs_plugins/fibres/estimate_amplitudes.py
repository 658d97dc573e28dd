"""Plugin `estimate_amplitudes`: intensity of all beam paths of a slice in, amplitudes of its fibres out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np

from tomosaxs import Dataset, InputError, InputFile, Output, Param, Scan, plugin
from tomosaxs_plugins.fibres.beam_path_source import check_beam_paths, slices_of_block, table_of_dataset
from tomosaxs_plugins.fibres.columns import FLAGS
from tomosaxs_plugins.fibres.fibre_slices import (
    bins_of,
    is_folded,
    library_of,
    most_fibres,
    padded_rows,
    rows_of_outcome,
    table_output,
)
from tomosaxs_plugins.fibres.patterns import FibreRows, FibreSlices

Q0 = 6 * np.pi / 66.8
SPECTRUM = "singular_values_of_middle_slice"
"""Name under which the singular values of the middle slice are kept."""


def _shape(dataset: Dataset, *, beam_paths: Path | None, **_: Any) -> Output:
    return table_output(dataset, table_of_dataset(dataset, beam_paths))


def _check(dataset: Dataset, **parameters: Any) -> None:
    check_beam_paths(dataset, parameters["beam_paths"])
    bins = bins_of(dataset, parameters["smearing"])
    original = parameters["method"] == "original"
    if not original and not dataset.uncertainty:
        raise InputError(
            "the data carry no uncertainties, which weights need: make them by azimuthal_library with an error_model, "
            "or take method: original"
        )
    low, high = bins.q[0] - bins.q_width / 2, bins.q[-1] + bins.q_width / 2
    q0 = parameters["q0"]
    if not low < q0 < high:
        raise InputError(f"q0 {q0:g} nm^-1 lies outside of the bins, {low:g} to {high:g} nm^-1", parameter="q0")
    given = parameters["regularisation"]
    if isinstance(given, str) and given not in ("none", "discrepancy"):
        raise InputError(
            f"regularisation: got {given!r}; none, discrepancy or a number exist", parameter="regularisation"
        )
    if not isinstance(given, str) and not (np.isfinite(given) and given >= 0):
        raise InputError(f"regularisation: {given!r} is not a number from 0 on", parameter="regularisation")
    if original:
        from tomosaxs_plugins.fibres.amplitudes_original import _bands

        try:
            _bands(bins, _original(parameters))
        except ValueError as error:
            raise InputError(f"window: {error}", parameter="window") from None


def _memory(slices: int, dataset: Dataset, *, beam_paths: Path | None = None, **_: Any) -> float:
    fibres = most_fibres(dataset, table_of_dataset(dataset, beam_paths))
    bins = dataset.axis("azimuth").size * dataset.axis("q").size
    paths = dataset.axis("rotation_angle").size * dataset.axis("x").size
    streaks = 3 * fibres * bins * 8 + (24 << 20)  # of one rotation, and the table that they come from
    block = slices * paths * bins * dataset.dtype.itemsize * 2
    return float(block + paths * bins * 8 * 8 + streaks + 5 * fibres**2 * 8)


def _cost(slices: int, dataset: Dataset, *, beam_paths: Path | None = None, **_: Any) -> float:
    fibres = most_fibres(dataset, table_of_dataset(dataset, beam_paths))
    return float(slices) * fibres**2


def _original(parameters: dict[str, Any]) -> Any:
    from tomosaxs_plugins.fibres.amplitudes_original import OriginalOptions

    names = ("q0", "wa", "wmu", "delta", "window", "together", "side_bands", "faults")
    return OriginalOptions(**{name: parameters[name] for name in names})


@plugin(
    shape=_shape,
    check=_check,
    memory=_memory,
    cost=_cost,
    cite="10.1021/acsnano.7b00563",
    uncertainty=True,
    nan=True,
)
def estimate_amplitudes(
    data: FibreSlices,
    scan: Scan,
    *,
    beam_paths: Annotated[
        InputFile | None, Param("NeXus file with the beam-path table, where the data do not bring it along")
    ] = None,
    method: Annotated[
        Literal["weighted", "original"], Param("weighted by the uncertainties, or as the published pipeline does it")
    ] = "weighted",
    q0: Annotated[float, Param("meridional position of all streaks", unit="nm^-1", gt=0)] = Q0,
    wa: Annotated[float, Param("radial half width of all streaks", unit="nm^-1", gt=0)] = 0.002,
    wmu: Annotated[float, Param("angular width of all streaks", unit="rad", gt=0, lt=1.57)] = 0.2,
    delta: Annotated[float, Param("shape of all streaks, from flat (0) to spherical (1)", gt=0, le=1)] = 0.5,
    window: Annotated[
        float, Param("bins within this of q0 are taken together; 0: each for itself", unit="nm^-1", ge=0)
    ] = 0.02,
    smearing: Annotated[
        float, Param("standard deviation of the resolution in q (pixel and beam)", unit="nm^-1", ge=0)
    ] = 0.0,
    background: Annotated[
        Literal["none", "constant", "exponential"], Param("what every beam path has besides, fitted along")
    ] = "exponential",
    decay: Annotated[float, Param("b of the background a exp(-q / b) + c", unit="nm^-1", gt=0)] = 0.05,
    reweight: Annotated[
        int, Param("fits again with variances of expected counts; 0 where something was subtracted", ge=0, le=20)
    ] = 2,
    regularisation: Annotated[
        str | float, Param("none, discrepancy (as the noise allows), or the weight: 1 / (relative spread)^2")
    ] = "none",
    truncate: Annotated[
        float | None, Param("leave out singular values below this part of the largest", gt=0, lt=1)
    ] = None,
    spectrum: Annotated[bool, Param("keep the singular values of the middle slice with the result")] = True,
    together: Annotated[int, Param("azimuths that are averaged, for method original", ge=1, le=360)] = 1,
    side_bands: Annotated[
        bool, Param("subtract bands beside the window of data and model alike, for method original")
    ] = False,
    faults: Annotated[bool, Param("with the known faults of the published program, for method original")] = False,
) -> FibreRows:
    """Estimate the amplitudes of all fibres of a slice: non-negative least squares over all paths, angles and azimuths.

    Every fibre's streak is computed with the same q0, wa, wmu and delta and its own direction; heights (and with them
    amplitudes) are the only unknowns, besides a background for every beam path. Bins of q within `window` of q0 are
    taken together, so that the fit depends little on the q0 and wa of each fibre. The scatter of wmu from fibre to
    fibre stays in the amplitudes, and with real spreads (15 %) it dominates them. They are for a first look, or for
    samples of equal fibres; `reconstruct_fibres` reads the library, not this table, and finds its start itself.

    Weights are those of the uncertainties; `reweight` then takes the variances of counting from the expected
    intensities, as those from few counts draw the fit down. It is left out where a background was subtracted before.

    Uncertainties come from the normal matrix of the fibres that are not at zero, times the root of the reduced chi
    squared of the fibre's own data where this is above 1. Flags: 0 solved; 1 seen by no beam path; 2 the uncertainty
    exceeds the mean height; 3 the streaks of several fibres cannot be told apart (they get one height); 5 held at
    zero; 6 no usable data. Shape parameters are given as assumed, with uncertainty 0.

    `method` ``original`` fits the I(chi) of all paths with equal weights, as the published pipeline does, without its
    factor of two and with the same band of q for data and model; `faults` brings them back, for comparison.
    """
    from tomosaxs_plugins.fibres.amplitudes import AmplitudeOptions
    from tomosaxs_plugins.fibres.amplitudes import estimate_amplitudes as weighted
    from tomosaxs_plugins.fibres.amplitudes_original import OriginalOptions, estimate_original

    bins = bins_of(scan.dataset, smearing)
    table = table_of_dataset(scan.dataset, beam_paths)
    subtracted = scan.dataset.metadata.get("background_subtracted", "none") != "none"
    options = AmplitudeOptions(
        q0, wa, wmu, delta, window, background, decay, 0 if subtracted else reweight, regularisation, truncate,
        is_folded(scan.dataset),
    )  # fmt: skip
    old = OriginalOptions(q0, wa, wmu, delta, window, together, True, side_bands, faults)
    count = most_fibres(scan.dataset, table)
    total = int(np.prod([scan.axis(name).size for name in scan.sliced]))
    sigma = np.ones_like(data) if scan.uncertainty is None else scan.uncertainty
    out = []
    for number, found in enumerate(slices_of_block(scan, table)):
        own = np.zeros(len(scan.index), dtype=np.intp)
        own[number] = 1
        for text, times in found.notes.items():
            scan.note(text, own * times)
        library = library_of(data[number], sigma[number], found.paths)
        kept = spectrum and int(scan.index[number]) == total // 2
        if not len(found.paths.identifiers):
            out.append(padded_rows(np.zeros((0, 21)), count))
            continue
        if method == "original":
            outcome = estimate_original(library, found.paths, bins, old, spectrum=kept)
        else:
            outcome = weighted(library, found.paths, bins, options, spectrum=kept)
        for flag in np.unique(outcome.flags[outcome.flags > 0]):
            scan.note(f"fibres not solved, {FLAGS[int(flag)]}: {{count}}", own * int((outcome.flags == flag).sum()))
        if kept and outcome.details is not None:
            scan.keep(SPECTRUM, np.asarray(outcome.details["singular_values"]))
        out.append(padded_rows(rows_of_outcome(outcome, found.paths), count))
    return np.stack(out)
