"""Plugin `reconstruct_fibres`: intensity of all beam paths of a slice in, parameters of all its fibres out."""

from __future__ import annotations

from dataclasses import replace
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
from tomosaxs_plugins.fibres.outcome import Outcome
from tomosaxs_plugins.fibres.patterns import FibreRows, FibreSlices
from tomosaxs_plugins.fibres.problem import BeamPaths, Bins, FibreTable, Library
from tomosaxs_plugins.fibres.sequential_options import SequentialOptions
from tomosaxs_plugins.fibres.sequential_parameters import (
    Detection,
    NeighbourFactor,
    Rules,
    Scale,
    WindowWidth,
    options_of,
)

Q0 = 6 * np.pi / 66.8
_LIT = 0.35  # share of bins that a streak lights, of sights and azimuths: what is kept of it in memory


def _shape(dataset: Dataset, *, beam_paths: Path | None, **_: Any) -> Output:
    return table_output(dataset, table_of_dataset(dataset, beam_paths))


def _check(dataset: Dataset, **parameters: Any) -> None:
    check_beam_paths(dataset, parameters["beam_paths"])
    bins = bins_of(dataset, parameters["smearing"])
    if not dataset.uncertainty:
        raise InputError(
            "the data carry no uncertainties, which weights need: make them by azimuthal_library with an error_model"
        )
    low, high = bins.q[0] - bins.q_width / 2, bins.q[-1] + bins.q_width / 2
    q0 = parameters["q0"]
    if not low < q0 < high:
        raise InputError(f"q0 {q0:g} nm^-1 lies outside of the bins, {low:g} to {high:g} nm^-1", parameter="q0")
    if parameters["method"] == "sequential" and is_folded(dataset):
        raise InputError(
            "method sequential takes azimuths as they are; these were taken together half a turn apart: "
            "leave out `fold` of azimuthal_library, or take method: joint",
            parameter="method",
        )
    if parameters["method"] == "sequential" and parameters["weights"] == "robust":
        raise InputError(
            "method sequential has no robust weights: take poisson or given, or method: joint", parameter="weights"
        )


def _memory(
    slices: int, dataset: Dataset, *, beam_paths: Path | None = None, refine_angles: bool = True, **_: Any
) -> float:
    fibres = most_fibres(dataset, table_of_dataset(dataset, beam_paths))
    bins = dataset.axis("azimuth").size * dataset.axis("q").size
    rotations = dataset.axis("rotation_angle").size
    paths = rotations * dataset.axis("x").size
    terms = 7 if refine_angles else 5
    unknowns = min(fibres * terms, 8200)
    streaks = _LIT * rotations * fibres * bins * (2 * terms + 1) * 4
    block = slices * paths * bins * dataset.dtype.itemsize * 2
    overlaps = 3 * fibres**2 * 8
    return float(block + paths * bins * 8 * 14 + streaks + overlaps + 2.2 * unknowns**2 * 8 + (32 << 20))


def _cost(slices: int, dataset: Dataset, *, beam_paths: Path | None = None, **_: Any) -> float:
    fibres = most_fibres(dataset, table_of_dataset(dataset, beam_paths))
    return float(slices) * fibres**2


@plugin(
    shape=_shape,
    check=_check,
    memory=_memory,
    cost=_cost,
    cite="10.1021/acsnano.7b00563",
    uncertainty=True,
    nan=True,
)
def reconstruct_fibres(
    data: FibreSlices,
    scan: Scan,
    *,
    method: Annotated[
        Literal["joint", "sequential"], Param("all fibres of a slice together, or one after the other as published")
    ] = "joint",
    beam_paths: Annotated[
        InputFile | None, Param("NeXus file with the beam-path table, where the data do not bring it along")
    ] = None,
    q0: Annotated[float, Param("meridional position of the streaks to start from", unit="nm^-1", gt=0)] = Q0,
    wa: Annotated[float, Param("radial half width to start from", unit="nm^-1", gt=0)] = 0.002,
    wmu: Annotated[float, Param("angular width to start from", unit="rad", gt=0, lt=1.57)] = 0.2,
    delta: Annotated[float, Param("shape to start from, between flat (0) and spherical (1)", gt=0, lt=1)] = 0.5,
    refine_angles: Annotated[bool, Param("refine the direction of every fibre too, for method joint")] = True,
    angle_uncertainty: Annotated[
        float, Param("standard uncertainty of the given directions", unit="deg", gt=0, le=45)
    ] = 3.0,
    background: Annotated[
        Literal["exponential", "constant", "none"], Param("under the streaks of every beam path, fitted along")
    ] = "exponential",
    background_terms: Annotated[
        int, Param("functions of q that stand for an exponential background, the constant included", ge=2, le=8)
    ] = 4,
    weights: Annotated[
        Literal["poisson", "robust", "given"],
        Param("of counting, from the fit; the same, outliers weighted down; the uncertainties of the data"),
    ] = "poisson",
    smearing: Annotated[
        float, Param("standard deviation of the resolution in q (pixel and beam)", unit="nm^-1", ge=0)
    ] = 0.0,
    azimuth_samples: Annotated[int, Param("points along azimuth whose mean is a bin", ge=1, le=32)] = 3,
    q_samples: Annotated[int, Param("points along q whose mean is a bin", ge=1, le=32)] = 4,
    max_iterations: Annotated[int, Param("most iterations of the joint fit", ge=1, le=1000)] = 40,
    tolerance: Annotated[
        float, Param("iterations end when no fibre moves by more of its uncertainty", gt=0, le=1)
    ] = 0.01,
    leave_one_out: Annotated[bool, Param("look at what leaving out each angle would change")] = True,
    rules: Rules = "mended",
    scale: Scale = None,
    window: WindowWidth = 10.0,
    detection: Detection = 5.0,
    neighbour_factor: NeighbourFactor = 10.0,
) -> FibreRows:
    """Reconstruct all fibres of a slice: D-period, widths and shape of the streak, amplitude, and their uncertainties.

    `method` ``joint`` fits every fibre of a slice at once, to every bin of every beam path at all angles, with
    the background of every path: least squares with weights from the fitted expectation. Uncertainties are those of
    the inverse normal matrix of all of it. Fibres that the data cannot tell apart are fitted as one object and share
    a group. ``sequential`` is the published strategy: fibres are fitted one after the other where they happen to
    dominate, by the `rules` mended here or as published; directions are held, and `max_iterations`, `tolerance` and
    `angle_uncertainty` play no part. Neither needs `estimate_amplitudes` before it: ``joint`` begins with a linear fit
    of all heights, ``sequential`` with that estimate, made here with the same q0, wa, wmu, delta and background.

    A row for every fibre, with a flag where it is not to be trusted: seen by no path; not determined; one of a group;
    badly described; a parameter at its bound; no usable data; not converged; inconsistent when one angle is left out.
    """
    bins = replace(bins_of(scan.dataset, smearing), chi_samples=azimuth_samples, q_samples=q_samples)
    table = table_of_dataset(scan.dataset, beam_paths)
    count = most_fibres(scan.dataset, table)
    sigma = np.ones_like(data) if scan.uncertainty is None else scan.uncertainty
    subtracted = scan.dataset.metadata.get("background_subtracted", "none") != "none"
    given = "given" if subtracted and weights == "poisson" else weights
    out = []
    for number, found in enumerate(slices_of_block(scan, table)):
        own = np.zeros(len(scan.index), dtype=np.intp)
        own[number] = 1
        for text, times in found.notes.items():
            scan.note(text, own * times)
        if not len(found.paths.identifiers):
            out.append(padded_rows(np.zeros((0, 21)), count))
            continue
        library = library_of(data[number], sigma[number], found.paths)
        many = len(found.paths.identifiers)
        start = FibreTable(
            np.full(many, q0), np.full(many, wa), np.full(many, wmu), np.full(many, delta), np.ones(many),
            found.paths.alpha_deg, found.paths.beta_deg,
        )  # fmt: skip
        if method == "joint":
            outcome = _joint(
                library, found.paths, bins, start, weights=given, background=background,
                background_terms=background_terms, refine_angles=refine_angles, angle_sd_deg=angle_uncertainty,
                tolerance=tolerance, max_iterations=max_iterations, leave_one_out=leave_one_out,
                folded=is_folded(scan.dataset),
            )  # fmt: skip
        else:
            chosen = options_of(
                rules, scale, window, detection, neighbour_factor, weights="given" if given == "given" else "poisson"
            )
            outcome = _sequential(library, found.paths, bins, start, background, chosen)
        for flag in np.unique(outcome.flags[outcome.flags > 0]):
            scan.note(f"fibres not solved, {FLAGS[int(flag)]}: {{count}}", own * int((outcome.flags == flag).sum()))
        for text, times in outcome.counts.items():
            if text.startswith("fibres rejected by ") and times:
                scan.remark(f"{text}: {{count}}", own * times)
        scan.remark("fibres solved: {count}", own * int((outcome.flags == 0).sum()))
        out.append(padded_rows(rows_of_outcome(outcome, found.paths), count))
    return np.stack(out)


def _joint(library: Library, paths: BeamPaths, bins: Bins, start: FibreTable, **options: Any) -> Outcome:
    from tomosaxs_plugins.fibres.joint import solve_joint
    from tomosaxs_plugins.fibres.joint_options import JointOptions

    return solve_joint(library, paths, bins, start, JointOptions(**options))


def _sequential(
    library: Library, paths: BeamPaths, bins: Bins, start: FibreTable, background: Any, chosen: SequentialOptions
) -> Outcome:
    from tomosaxs_plugins.fibres.amplitudes import AmplitudeOptions, estimate_amplitudes
    from tomosaxs_plugins.fibres.sequential import solve_sequential

    options = AmplitudeOptions(
        q0=float(start.q0[0]), wa=float(start.wa[0]), wmu=float(start.wmu[0]), delta=float(start.delta[0]),
        background=background, reweight=0 if chosen.weights == "given" else 2,
    )  # fmt: skip
    first = estimate_amplitudes(library, paths, bins, options)
    return solve_sequential(library, paths, bins, replace(start, amplitude=first.values.amplitude), chosen)
