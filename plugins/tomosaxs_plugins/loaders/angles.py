"""Rotation angles: where files keep them, their units, explicit ones, several scans in one sequence."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from tomosaxs import InputError, convert
from tomosaxs_plugins.loaders.hdf5 import OpenFile, is_number, numbers, open_file, units_of
from tomosaxs_plugins.loaders.links import Found, dataset_at, walk
from tomosaxs_plugins.loaders.series_cut import begins_by_number

NAMES = (
    "rotation_angle", "rotation_angles", "theta", "gts_theta_value", "gts_theta", "ss1_rot", "ss1_theta",
    "tomo_theta", "angles", "angle", "theta_value", "rot",
)  # fmt: skip
"""Last path names under which beamlines keep rotation angles, the most common first."""
CURE = (
    "give angles_path: PATH inside the file, angles: FILE (text, .npy or HDF5), or angles: {start: A, stop: B} "
    "with the first and the last angle in degrees"
)
_FULL_TURN = 2.1 * math.pi


@dataclass(frozen=True)
class AngleChoice:
    """What the list says of the angles."""

    path: str = ""
    given: Path | Mapping[str, float] | None = None
    units: str = "auto"
    per: Mapping[str, float] | None = None
    """``series:`` by numbers of projections; angles may then be given for one tomogram."""


@dataclass(frozen=True, eq=False)
class Angles:
    """One angle in degrees a projection, and where they come from."""

    values: NDArray[np.float64]
    source: str
    messages: tuple[str, ...] = ()
    file: Path | None = None


def to_degrees(
    values: NDArray[np.float64], units: str, wanted: str, where: str
) -> tuple[NDArray[np.float64], list[str]]:
    """Return angles in degrees.

    Parameters
    ----------
    values : array
    units : str
        Units that the file states, or an empty string.
    wanted : str
        ``deg`` or ``rad`` to overrule the file, ``auto`` to believe it.
    where : str
        File and path, for messages.

    Raises
    ------
    InputError
        When no units are stated and the values fit within one turn in radians.
    """
    if wanted != "auto":
        return values * convert(1.0, wanted, "deg"), [f"angles taken as {wanted} (angle_units)"]
    try:
        factor = convert(1.0, units, "deg") if units else math.nan
    except InputError:
        factor = math.nan
    largest = float(np.max(np.abs(values)))
    if math.isnan(factor):
        stated = f"unknown units {units!r}" if units else "no units"
        if largest <= _FULL_TURN:
            raise InputError(
                f"{where} has {stated} and values of {values.min():g} to {values.max():g}, which may be radians "
                "or degrees: give angle_units: rad or angle_units: deg"
            )
        return values, [f"{where} has {stated}: taken as degrees, since values reach {largest:g}"]
    span = float(np.ptp(values))
    if factor == 1.0 and any(abs(span - n * math.pi) < 0.03 for n in (1, 2)):
        return values, [f"{where} states {units!r} but spans {span:.4g}, like radians: if so give angle_units: rad"]
    return values * factor, []


def explicit_angles(choice: AngleChoice, projections: int, places: NDArray[np.intp] | None = None) -> Angles:
    """Return angles that the list gives: a file, or first and last angle.

    Parameters
    ----------
    choice : AngleChoice
    projections : int
        Number of projections.
    places : (projections,) int array or None
        Number of every projection in the complete scan, where some are missing.

    Raises
    ------
    InputError
        When they do not fit the number of projections or cannot be read.
    """
    if isinstance(choice.given, Path):
        return _from_file(choice.given, choice, projections, places)
    given = dict(choice.given or {})
    wrong = sorted(set(given) - {"start", "stop", "count"})
    if wrong or not {"start", "stop"} <= set(given):
        raise InputError(
            f"angles: {given} must give start and stop (first and last angle) and may give count"
            + (f"; unknown: {', '.join(wrong)}" if wrong else "")
        )
    complete = projections if places is None else int(places[-1]) + 1
    wanted = int(choice.per["projections"]) if choice.per else complete
    count = given.get("count", wanted)
    if count != wanted:
        raise InputError(f"angles: count is {count:g}, the {_what(choice, complete)}")
    factor = convert(1.0, "deg" if choice.units == "auto" else choice.units, "deg")
    values = _spread(np.linspace(float(given["start"]), float(given["stop"]), wanted) * factor, choice, complete)
    each = " for every tomogram" if choice.per else ""
    source = f"given: {given['start']:g} to {given['stop']:g}, both included{each}"
    return Angles(values if places is None else values[places], source)


def _what(choice: AngleChoice, projections: int) -> str:
    if choice.per:
        return f"tomograms have {int(choice.per['projections'])} projections each, the stream {projections}"
    return f"scan has {projections} projections"


def _spread(values: NDArray[np.float64], choice: AngleChoice, projections: int) -> NDArray[np.float64]:
    """Return angles of every projection where they are given for one tomogram; NaN between tomograms."""
    if len(values) == projections or not choice.per:
        return values
    made = np.full(projections, np.nan)
    for begin in begins_by_number(choice.per, projections, "angles"):
        made[begin : begin + len(values)] = values
    return made


def _from_file(path: Path, choice: AngleChoice, projections: int, places: NDArray[np.intp] | None) -> Angles:
    units = ""
    where = str(path)
    if path.suffix in (".h5", ".nxs", ".hdf5", ".hdf", ".nx"):
        file = open_file(path)
        dataset = dataset_at(file, choice.path, "angles_path") if choice.path else _only_angles(file)
        values, units, where = numbers(dataset).ravel(), units_of(dataset), f"{path}: {dataset.name}"
    else:
        try:
            if path.suffix == ".npy":
                values = np.asarray(np.load(path, allow_pickle=False), dtype=np.float64).ravel()
            else:
                text = path.read_text(encoding="utf-8").replace(",", " ").replace(";", " ")
                values = np.loadtxt(text.splitlines(), dtype=np.float64, ndmin=1).ravel()
        except (OSError, ValueError) as error:
            raise InputError(f"angles: {path} cannot be read as one number a line or as .npy: {error}") from None
    complete = 0 if places is None else int(places[-1]) + 1
    allowed = {projections, complete} | ({int(choice.per["projections"])} if choice.per else set())
    if len(values) not in allowed:
        raise InputError(f"{where} has {len(values)} angles, the {_what(choice, projections)}")
    _must_vary(values, where)
    degrees, messages = to_degrees(values, units, choice.units, where)
    if places is not None and len(degrees) == complete != projections:
        degrees = degrees[places]
    return Angles(_spread(degrees, choice, projections), where, tuple(messages), path)


def _only_angles(file: OpenFile) -> h5py.Dataset:
    for _, dataset in walk(file.handle).named(*NAMES):
        return dataset
    raise InputError(f"{file.path} has no dataset of a known name ({', '.join(NAMES)}): give angles_path: PATH in it")


def _must_vary(values: NDArray[np.float64], where: str) -> None:
    fault = _fault(values)
    if fault:
        raise InputError(f"{where} {fault}: these are no rotation angles; {CURE}")


def _fault(values: NDArray[np.float64]) -> str:
    if not np.all(np.isfinite(values)):
        return f"has {np.count_nonzero(~np.isfinite(values))} values that are no numbers"
    if len(values) > 1 and np.ptp(values) == 0:
        return "holds zeros only" if values[0] == 0 else f"holds {values[0]:g} throughout"
    return ""


def find_angles(
    file: OpenFile, found: Found, frames: int, projections: NDArray[np.intp], choice: AngleChoice
) -> Angles:
    """Return the angle of every projection.

    Parameters
    ----------
    file : OpenFile
    found : Found
        Contents of the scan's entry.
    frames : int
        Frames of the stack, flats and darks included.
    projections : int array
        Which of them are projections.
    choice : AngleChoice
        What the list says.

    Raises
    ------
    InputError
        When there are none, they are all equal, their number fits neither the frames nor the
        projections, or their units are unknown; the message lists what the file has.
    """
    if choice.given is not None:
        return explicit_angles(choice, len(projections))
    if choice.path:
        dataset = dataset_at(file, choice.path, "angles_path")
        fault = _size_fault(dataset, frames, len(projections))
        if fault:
            raise InputError(f"{file.path}: {dataset.name} {fault}")
        return _taken(file, dataset, frames, projections, choice)
    return _searched(file, found, frames, projections, choice)


def _size_fault(dataset: h5py.Dataset, frames: int, projections: int) -> str:
    if not is_number(dataset) or dataset.size not in (frames, projections):
        size = f"{dataset.size} values" if is_number(dataset) else "no numbers"
        return f"has {size} for {frames} frames of which {projections} are projections"
    return ""


def _taken(
    file: OpenFile, dataset: h5py.Dataset, frames: int, projections: NDArray[np.intp], choice: AngleChoice
) -> Angles:
    where = f"{file.path}: {dataset.name}"
    values = numbers(dataset).ravel()
    if len(values) == frames:
        values = values[projections]
    _must_vary(values, where)
    degrees, messages = to_degrees(values, units_of(dataset), choice.units, where)
    return Angles(degrees, dataset.name, tuple(messages))


def _searched(file: OpenFile, found: Found, frames: int, projections: NDArray[np.intp], choice: AngleChoice) -> Angles:
    reasons: list[str] = []
    named = sorted(found.named(*NAMES), key=lambda pair: ("/sample/" not in pair[0], "/data/" not in pair[0]))
    for path, dataset in named:
        fault = _size_fault(dataset, frames, len(projections))
        if not fault:
            values = numbers(dataset).ravel()
            fault = _fault(values[projections] if len(values) == frames else values)
        if not fault:
            angles = _taken(file, dataset, frames, projections, choice)
            passed = tuple(f"{reason}; {path} is taken instead" for reason in reasons)
            return Angles(angles.values, angles.source, (*passed, *angles.messages))
        reasons.append(f"{path} {fault}")
    reasons += [str(link) for link in found.broken if link.path.rsplit("/", 1)[1] in NAMES]
    others = _others(found, frames, projections)
    stated = [path for path in others if _is_angle(units_of(found.datasets[path]))]
    if len(stated) == 1:
        angles = _taken(file, found.datasets[stated[0]], frames, projections, choice)
        note = f"{stated[0]} is the only dataset of the right length with units of an angle"
        return Angles(angles.values, angles.source, (*reasons, note, *angles.messages))
    text = "; ".join(reasons) if reasons else "no dataset of a known name"
    hint = f". Datasets that have the right length: {', '.join(stated or others)}" if others else ""
    raise InputError(f"{file.path}: no rotation angles: {text}; {CURE}{hint}")


def _others(found: Found, frames: int, projections: NDArray[np.intp]) -> list[str]:
    kept: list[str] = []
    seen: list[h5py.Dataset] = []
    for path, dataset in found.datasets.items():
        if "image_key" in path or dataset in seen or _size_fault(dataset, frames, len(projections)):
            continue
        values = numbers(dataset).ravel()
        if not _fault(values[projections] if len(values) == frames else values):
            kept.append(path)
            seen.append(dataset)
    return kept


def _is_angle(units: str) -> bool:
    try:
        convert(1.0, units, "deg")
    except InputError:
        return False
    return True


def find_scans(angles: NDArray[np.float64]) -> tuple[list[slice], int]:
    """Split a sequence that runs over the same angles again and again.

    An interlaced scan also starts again, but between the angles it had: it stays one scan.

    Parameters
    ----------
    angles : (n,) array
        Degrees, in the order of measurement.

    Returns
    -------
    scans : list of slice
        Complete scans; one slice of everything where the sequence does not repeat.
    incomplete : int
        Projections that belong to scans which were broken off.
    """
    whole = [slice(0, len(angles), 1)]
    steps = np.diff(angles)
    if len(angles) < 4 or np.median(steps) == 0:
        return whole, 0
    step = float(np.median(steps))
    back = np.flatnonzero(steps * np.sign(step) < -0.5 * np.ptp(angles)) + 1
    bounds = np.array([0, *back, len(angles)])
    lengths = np.diff(bounds)
    within = np.delete(steps, back - 1) * np.sign(step)
    if len(lengths) < 2 or np.any(within < -0.5 * abs(step)):
        return whole, 0
    size = int(np.bincount(lengths).argmax()) if len(lengths) > 2 else int(lengths.max())
    begins = bounds[:-1][lengths == size]
    if size < 3:
        return whole, 0
    first = angles[begins[0] : begins[0] + size]
    # Of n interlaced scans one is at least half a step off; repeated ones agree as exactly as the stage stops.
    tolerance = 0.25 * float(np.min(np.abs(np.diff(first))))
    for begin, length in zip(bounds[:-1], lengths, strict=True):
        common = min(int(length), size)
        if np.max(np.abs(angles[begin : begin + common] - first[:common])) > tolerance:
            return whole, 0
    return [slice(int(b), int(b) + size, 1) for b in begins], len(angles) - size * len(begins)
