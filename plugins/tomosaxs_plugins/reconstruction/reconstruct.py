"""Reconstruction of slices, by whichever library the list names."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tomosaxs import (
    Axis,
    Dataset,
    InputError,
    Output,
    Param,
    Scan,
    Sinograms,
    Source,
    VolumeSlices,
    backends,
    did_you_mean,
    plugin,
)
from tomosaxs import convert as convert_units
from tomosaxs_plugins.reconstruction.angles import coverage_warning
from tomosaxs_plugins.reconstruction.excluded import kept_angles
from tomosaxs_plugins.reconstruction.extended import full_turn_factor
from tomosaxs_plugins.reconstruction.extended_axes import FULL_TURN, MERGED, columns_of, half_slice_warning
from tomosaxs_plugins.reconstruction.iteration import ITERATIONS, History
from tomosaxs_plugins.reconstruction.iteration_options import axes_of_rows, refuse_options, same_axis, tell_course
from tomosaxs_plugins.reconstruction.parallel import thread_count
from tomosaxs_plugins.reconstruction.slice_axes import region_of, slice_axes
from tomosaxs_plugins.reconstruction.start_angles import same_start
from tomosaxs_plugins.reconstruction.work import filtered_memory, iteration_memory, reconstruction_work

Filter = Literal["ramp", "shepp-logan", "cosine", "hann", "hamming", "parzen"]


def pixel_size(data: Dataset) -> float | None:
    """Return the distance of neighbouring columns in metres, or None where it is not known."""
    axis = columns_of(data)
    if axis.values is not None and axis.size > 1 and axis.units not in ("", "px"):
        step = abs(float(axis.values[-1] - axis.values[0])) / (axis.size - 1)
        return convert_units(step, axis.units, "m") if step > 0 else None
    found = data.quantity("pixel_size_x")
    if found is None or axis.name != "detector_x":
        return None
    return convert_units(found.value, found.units, "m") * axis.pitch


def _check(data: Dataset, **parameters: Any) -> dict[str, Any]:
    """Make ``auto`` concrete and refuse what the chosen backend cannot do."""
    columns, angles = columns_of(data), data.axis("rotation_angle")
    if angles.values is None:
        raise InputError("the rotation angles are not known; give them in the input")
    if angles.size < 2:
        raise InputError(f"{angles.size} projection is too few to reconstruct from")
    _refuse_merged(data, parameters["exclude"])
    kept_angles(angles, parameters["exclude"])
    if len(np.unique(np.diff(columns.index))) > 1:
        raise InputError(f"the crop of {columns.name} leaves columns out in between: take a range with one step")
    region_of(parameters["roi"], parameters["size"] or columns.size)
    _axis_in(columns, parameters["centre"])  # None where it is still to be found
    algorithm, asked = parameters["algorithm"], parameters["backend"]
    known = backends("reconstruct")
    if asked != "auto":
        if asked not in known:
            raise InputError(f"no backend {asked!r}{did_you_mean(asked, [*known, 'auto'])}", parameter="backend")
        chosen = known[asked].load()
        reason = chosen.missing()
        if reason:
            raise InputError(f"backend {asked}: {reason}", parameter="backend")
        if algorithm not in chosen.algorithms:
            raise InputError(
                f"backend {asked} has no algorithm {algorithm!r}{did_you_mean(algorithm, chosen.algorithms)}"
            )
        _refuse_iterations(asked, algorithm, parameters["iterations"])
        refuse_options(asked, algorithm, parameters)
        _refuse_weighted(data, asked, algorithm, parameters["padding"])
        return {"algorithm": _meant(asked, algorithm)}
    name = _automatic(algorithm)
    _refuse_iterations(name, algorithm, parameters["iterations"])
    refuse_options(name, algorithm, parameters)
    _refuse_weighted(data, name, algorithm, parameters["padding"])
    return {"backend": name, "algorithm": _meant(name, algorithm)}


def _meant(name: str, algorithm: str) -> str:
    """Return the method that a backend takes for an algorithm that leaves it the choice."""
    return str(dict(getattr(backends("reconstruct")[name].load(), "means", ())).get(algorithm, algorithm))


def _refuse_weighted(data: Dataset, name: str, algorithm: str, padding: str) -> None:
    """Refuse for weighted sinograms of an extended field what needs true line integrals."""
    if FULL_TURN not in data.metadata:
        return
    if algorithm not in (*backends("reconstruct")[name].load().filtered, "backproject"):
        raise InputError(
            f"algorithm {algorithm} needs true line integrals, which the weighted sinograms of extend_field are not: "
            "use convert_360_to_180 in its place",
            parameter="algorithm",
        )
    if padding == "cylinder":
        raise InputError(
            "the weighted sinograms of extend_field show no cylinder to go on with: use convert_360_to_180 in its "
            "place",
            parameter="padding",
        )


def _refuse_merged(data: Dataset, exclude: ArrayLike | None) -> None:
    """Refuse to leave projections out of sinograms that hold each of them merged with others."""
    if MERGED in data.metadata and exclude is not None and np.size(exclude):
        raise InputError(
            "convert_360_to_180 merged opposite projections, which cannot be left out after it: use extend_field in "
            "its place, or exclude: of the input",
            parameter="exclude",
        )


def _refuse_iterations(name: str, algorithm: str, iterations: int | None) -> None:
    """Refuse a number of iterations for an algorithm that has none."""
    if iterations is not None and algorithm in (*backends("reconstruct")[name].load().filtered, "backproject"):
        raise InputError(
            f"algorithm {algorithm} of backend {name} has no iterations: leave them out, or choose another algorithm",
            parameter="iterations",
        )


def _automatic(algorithm: str) -> str:
    """Return tomosaxs unless a GPU is found, or the first installed backend that has the algorithm."""
    usable, reasons = [], []
    known: set[str] = set()
    entries = backends("reconstruct")
    for name in sorted(entries, key=lambda word: (word != "tomosaxs", word)):
        reason = entries[name].missing()
        if reason:
            reasons.append(f"{name}: {reason}")
            continue
        found = entries[name].load()
        reason = found.missing()
        known.update(() if reason else found.algorithms)
        if reason:
            reasons.append(f"{name}: {reason}")
        elif algorithm in found.algorithms:
            usable.append((name, found))
    if not usable:
        raise InputError(
            f"no installed backend has the algorithm {algorithm!r}; they have {', '.join(sorted(known))}"
            + "".join(f"; {reason}" for reason in reasons),
            parameter="algorithm",
        )
    return next((name for name, found in usable if found.has_gpu()), usable[0][0])


def _shape(data: Dataset, *, size: int | None, roi: dict[str, tuple[int, int]] | None, **rest: Any) -> Output:
    pixel = pixel_size(data)
    per = "m" if pixel is not None else "px"
    axes = slice_axes(size or columns_of(data).size, roi, pixel)
    return Output(axes, "float32", data.label, f"{data.units or 1}/{per}")


def _memory(
    slices: int, data: Dataset, *, size: int | None, roi: dict[str, tuple[int, int]] | None, padding: str,
    backend: str, algorithm: str, initial: str, exclude: Any, **rest: Any,
) -> float:  # fmt: skip
    """Copies of what goes in and comes out, and what every thread works in; for other libraries, one of both."""
    width, angles = columns_of(data).size, data.axis("rotation_angle").size
    count = size or width
    top, bottom, left, right = region_of(roi, count) or (0, count, 0, count)
    area = float((bottom - top) * (right - left))
    wide = 3 * width if padding == "cylinder" else 0
    copies = width if FULL_TURN in data.metadata else 0
    whole = slices * 4.0 * (area + (width + wide + copies) * angles)
    if algorithm in ITERATIONS:
        volumes = (area < count * count) + (initial == "fbp")  # whole slices, and those to begin with
        return whole + slices * 4.0 * volumes * count**2 + iteration_memory(wide or width, angles, count)
    if backend not in ("tomosaxs", "auto"):
        return whole + 64.0 * area + 12000.0 * (width + wide)
    changed = width if exclude is None else 2 * width
    copied = slices * 4.0 * angles * ((changed if wide or copies or exclude is not None else 0) + wide + copies)
    return copied + filtered_memory(wide or width, count, slices, algorithm, thread_count())


def _cost(
    slices: int, data: Dataset, *, backend: str, algorithm: str, iterations: int | None, size: int | None,
    roi: dict[str, tuple[int, int]] | None, **rest: Any,
) -> float:  # fmt: skip
    width, angles = columns_of(data).size, data.axis("rotation_angle").size
    count = size or width
    top, bottom, left, right = region_of(roi, count) or (0, count, 0, count)
    known = backends("reconstruct").get(backend)
    plain = known is None or algorithm in (*known.load().filtered, "backproject")
    return reconstruction_work(
        slices, angles, width, count, float((bottom - top) * (right - left)), backend=backend, algorithm=algorithm,
        iterations=0 if plain else iterations or ITERATIONS.get(algorithm, 100),
    )  # fmt: skip


def _look(data: Dataset, source: Source | None, **_: Any) -> Iterator[str]:
    if data.label == "transmission" or (data.label != "attenuation" and "flats" in data.auxiliaries):
        yield "the logarithm was not taken, so the slices are no attenuation: put minus_log before it"


@plugin(shape=_shape, check=_check, look=_look, memory=_memory, cost=_cost, cite=("10.1137/1.9780898719277",))
def reconstruct(
    data: Sinograms,
    scan: Scan,
    *,
    centre: Annotated[
        float | None, Param("rotation axis on the full, unbinned detector row, 0-based", unit="px")
    ] = None,
    backend: Annotated[str, Param("auto, or the library that reconstructs")] = "auto",
    algorithm: Annotated[
        str, Param("fbp, backproject, gridding, sirt, cgls, fista_tv, gridrec ... as the backend has")
    ] = "fbp",
    filter: Annotated[Filter, Param("filter of the filtered algorithms")] = "ramp",
    padding: Annotated[
        Literal["zero", "edge", "cylinder"],
        Param("what lies beside the detector: nothing, the edge values, or the rest of a wide sample"),
    ] = "edge",
    iterations: Annotated[
        int | None, Param("of the iterative algorithms; own: 200, of cgls 20", ge=1, le=10000)
    ] = None,
    nonnegative: Annotated[bool, Param("no value below zero, in sirt and fista_tv")] = False,
    regularisation: Annotated[
        float | None,
        Param("of fista_tv: weight of the total variation, in mean attenuations of the slice; default 0.003", ge=0),
    ] = None,
    tolerance: Annotated[
        float, Param("iterations end when one lowers the cost by less than this share of it, or not at all", ge=0, lt=1)
    ] = 0.0,
    initial: Annotated[Literal["zero", "fbp"], Param("what iterations begin with")] = "zero",
    size: Annotated[int | None, Param("width of the slices; default the detector's", unit="px", ge=1)] = None,
    mask: Annotated[float | None, Param("set to zero outside this fraction of the width", gt=0, le=1.5)] = None,
    tilt: Annotated[
        float,
        Param("small tilt of the axis, positive where its column grows with the row: ${axis.tilt_deg}", unit="deg"),
    ] = 0.0,
    angle_offset: Annotated[float, Param("turns the slices, counter-clockwise with y down", unit="deg")] = 0.0,
    roi: Annotated[
        dict[str, tuple[int, int]] | None,
        Param("part of the slices, x: [begin, end] and y: [begin, end], the end excluded", unit="px"),
    ] = None,
    exclude: Annotated[
        list[int] | NDArray[Any] | None,
        Param("numbers of projections of the whole scan, from 0, to leave out: ${obscured} of find_obscured_angles"),
    ] = None,
) -> VolumeSlices:
    """Reconstruct slices from sinograms with the backend that the list names.

    Slices are square, of the detector's width, the rotation axis at pixel (N - 1) / 2, and hold the attenuation
    coefficient in 1/m where the pixel size is known, else in 1/px. Every backend gives the same grid, orientation
    and units: detector column ``centre + x cos(angle) + y sin(angle)`` sees the pixel x columns and y rows from
    the axis. ``fbp`` always means filtered, by the method that the backend takes for it (tomosaxs: ``gridding``), which
    plan and result name; ``auto`` is tomosaxs unless a GPU is found.
    Sinograms of anything else (a band of scattering curves) give that quantity per length. Projections in `exclude`
    have no weight: the slices are those of a scan without them. Sinograms of ``extend_field`` count a full turn once.

    For samples wider than the detector ``padding: cylinder`` continues every projection as that of an elliptic cylinder
    (local tomography): values inside the field of view come within 1 % of the truth where ``edge`` leaves a slope and
    an offset of tens of per cent. The part `roi` of the slices equals that part of whole slices bit for bit; the
    filtered algorithms of the backend tomosaxs work out nothing else.

    ``sirt``, ``cgls`` and ``fista_tv`` solve every slice by itself; residuals and iterations stand in the report. With
    a `tilt` the `centre` is that of the middle row, and tan(tilt) px further for every row below; this mixes no rows,
    so that it serves small tilts (else a message says so, and ``correct_tilt`` turns the projections).

    Parameters
    ----------
    data : (n, angles, columns) array
        Line integrals of the attenuation (after minus_log).

    Returns
    -------
    (n, size, size) float32 array
        Attenuation coefficient.

    Raises
    ------
    InputError
        When the sinograms hold NaN or infinity, or the axis lies off the detector.

    Notes
    -----
    A. C. Kak and M. Slaney, Principles of computerized tomographic imaging (10.1137/1.9780898719277).
    """
    columns = columns_of(scan.dataset)
    axis = _axis_in(columns, centre)
    axes = axes_of_rows(scan, axis, tilt, columns.size, columns.pitch)
    _refuse_merged(scan.dataset, exclude)
    kept, angles = kept_angles(scan.axis("rotation_angle"), exclude), scan.angles
    if kept is not None:
        data, angles = data[:, kept], angles[kept]
    _refuse_nan(data, scan)
    period = 360.0 if FULL_TURN in scan.metadata else 180.0
    for text in (coverage_warning(angles, period), half_slice_warning(angles, axis, columns.size, period)):
        if text:
            scan.note(text)
    sinograms = np.asarray(data, dtype=np.float32)
    if period == 360.0:  # backends weight directions of half a turn
        sinograms = sinograms * full_turn_factor(angles)[:, None]
    count = size or columns.size
    if padding == "cylinder":
        from tomosaxs_plugins.reconstruction.local import continue_as_cylinder, margin

        sinograms, padding = continue_as_cylinder(sinograms), "zero"
        axes = axes + margin(columns.size)
    chosen = backends("reconstruct")[backend if backend != "auto" else _automatic(algorithm)].load()
    region = region_of(roi, count)
    inside = region is not None and "region" in getattr(chosen, "known_options", ())
    known = getattr(chosen, "known_options", ())
    histories: list[History] = []
    iterative: dict[str, Any] = {}
    if algorithm not in (*chosen.filtered, "backproject") and "histories" in known:
        iterative = {"nonnegative": nonnegative, "tolerance": tolerance, "initial": initial, "histories": histories}
        iterative |= {} if regularisation is None else {"regularisation": regularisation}
    parts: list[NDArray[np.float32]] = [
        chosen.reconstruct(
            np.ascontiguousarray(sinograms[slices]),
            angles + start - angle_offset,
            place,
            algorithm=algorithm,
            filter=filter,
            padding=padding,
            iterations=iterations,
            size=count,
            mask_ratio=mask,
            **({"region": region} if inside else {}),
            **iterative,
        )
        for run, start in same_start(scan, len(sinograms))
        for slices, place in same_axis(run, axes, algorithm in getattr(chosen, "several_axes", ()))
    ]
    if histories:
        tell_course(scan, algorithm, histories, iterations)
    volume = parts[0] if len(parts) == 1 else np.concatenate(parts)
    if region is not None and not inside:
        volume = np.ascontiguousarray(volume[:, region[0] : region[1], region[2] : region[3]])
    pixel = pixel_size(scan.dataset)
    if pixel is not None:
        np.multiply(volume, np.float32(1.0 / pixel), out=volume)
    return volume


def _axis_in(columns: Axis, centre: float | None) -> float:
    """Return the rotation axis counted in the columns that are reconstructed; their middle where none is given."""
    axis = (columns.size - 1) / 2 if centre is None else (centre - float(columns.centres[0])) / columns.pitch
    if not 0 <= axis <= columns.size - 1:
        first, last = int(columns.index[0]), int(columns.index[-1])
        raise InputError(
            f"centre {centre} lies outside the columns {first} to {last} that are reconstructed", parameter="centre"
        )
    return axis


def _refuse_nan(data: Sinograms, scan: Scan) -> None:
    if data.size == 0 or np.isfinite(np.sum(data, dtype=np.float64)):
        return
    bad = ~np.isfinite(data)
    rows = np.flatnonzero(bad.any(axis=(1, 2)))
    raise InputError(
        f"{int(bad.sum())} values of the sinograms are NaN or infinite, first in row {int(scan.positions[rows[0]])}: "
        "one of them would spread over its whole slice; correct or crop them before this step"
    )
