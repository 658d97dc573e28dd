"""Rotation angles of scans that lie in a file each: given, or read from every file."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tomosaxs import InputError
from tomosaxs_plugins.loaders.angles import AngleChoice, explicit_angles, to_degrees
from tomosaxs_plugins.loaders.hdf5 import is_number, numbers, units_of
from tomosaxs_plugins.loaders.links import dataset_at
from tomosaxs_plugins.loaders.scans.layout import Detector
from tomosaxs_plugins.loaders.scans.stages import Stage

Floats = NDArray[np.float64]
Given = "Path | Sequence[float] | Mapping[str, float] | None"

_STILL = 0.1
"""A rotation stage that trembles by less, in degrees, stands still."""
CURE = "give angles: [one angle in degrees a file], or {start: A, stop: B}, or angle_path: PATH inside every file"


def stands_still(stage: Stage) -> bool:
    """Return whether a rotation stage only trembles."""
    if stage.name != "rotation_angle":
        return False
    known = stage.values[np.isfinite(stage.values)]
    return len(known) == 0 or float(np.ptp(known)) <= (np.radians(_STILL) if stage.units.startswith("rad") else _STILL)


def angles_of(detector: Detector, stages: Sequence[Stage], path: str, units: str) -> dict[str, float]:
    """Return the rotation angles in degrees at which a file may have been taken, by path, the likeliest first.

    Raises
    ------
    InputError
        When `path` does not exist or holds no single angle.
    """
    if path:
        dataset = dataset_at(detector.file, path, "angle_path")
        if not is_number(dataset) or dataset.size == 0:
            raise InputError(f"{detector.file.path}: {dataset.name} holds no angle", parameter="angle_path")
        stage = Stage("rotation_angle", str(dataset.name), numbers(dataset), units_of(dataset))
        if not stands_still(stage):
            raise InputError(
                f"{detector.file.path}: {stage.path} runs from {np.nanmin(stage.values):g} to "
                f"{np.nanmax(stage.values):g}: it is no angle of the whole file",
                parameter="angle_path",
            )
        stages = [stage]
    found: dict[str, float] = {}
    for stage in stages:
        known = stage.values[np.isfinite(stage.values)].ravel()
        if stage.name == "rotation_angle" and stands_still(stage) and len(known):
            bare = units == "auto" and not stage.units  # one angle cannot tell degrees from radians
            degrees, _ = to_degrees(known, "deg" if bare else stage.units, units, f"{detector.file.path}: {stage.path}")
            found[stage.path] = float(np.median(degrees))
    return found


def common_angles(every: Sequence[Mapping[str, float] | None]) -> tuple[Floats, str]:
    """Return the angle of every file (NaN where it says none), and the path that they were taken from.

    Of several paths the first is taken that says another angle in every file.
    """
    known = [each for each in every if each is not None]
    paths = [path for path in known[0] if all(path in each for each in known)]
    paths.sort(key=lambda path: len({round(each[path], 4) for each in known}) < len(known))
    if not paths:
        angles = [float("nan") if not each else next(iter(each.values())) for each in every]
        return np.array(angles), next((next(iter(each)) for each in known if each), "")
    return np.array([float("nan") if each is None else each[paths[0]] for each in every]), paths[0]


def given_angles(given: Path | Sequence[float] | Mapping[str, float], count: int, units: str) -> Floats:
    """Return the angles that the list gives, in degrees; `count` of them where it gives first and last.

    Raises
    ------
    InputError
        When they cannot be read.
    """
    if isinstance(given, (Path, Mapping)):
        if isinstance(given, Mapping) and "count" in given:
            count = int(given["count"])
        return explicit_angles(AngleChoice("", given, units), count).values
    values = np.asarray(list(given), dtype=np.float64)
    if len(values) == 0 or not np.all(np.isfinite(values)):
        raise InputError(f"angles: {list(given)} must be finite numbers", parameter="angles")
    return values * (180.0 / np.pi if units == "rad" else 1.0)


def settle(own: Floats, wanted: Floats | None, names: Sequence[str]) -> tuple[Floats, list[int | None], list[str]]:
    """Return one angle a scan, which file each is (None: there is no file for it), and messages.

    Parameters
    ----------
    own : (files,) array
        What the files say, NaN where nothing or where they cannot be read.
    wanted : array or None
        What the list says.
    names : sequence of str
        Names of the files.

    Raises
    ------
    InputError
        When angles are missing, do not fit the files, or occur twice.
    """
    if wanted is not None and len(wanted) == len(own):
        return wanted, list(range(len(own))), _differences(own, wanted, names)
    if wanted is not None:
        return _matched(own, wanted, names)
    unknown = np.flatnonzero(~np.isfinite(own)).tolist()
    said = []
    if len(unknown):
        own = _interpolated(own, names)
        said = [
            f"WARNING: {names[n]} says no rotation angle: {own[n]:.6g} deg lies between those of its neighbours"
            for n in unknown
        ]
    _all_different(own, names)
    return own, list(range(len(own))), said


def _differences(own: Floats, wanted: Floats, names: Sequence[str]) -> list[str]:
    off = np.abs(own - wanted)
    return [
        f"WARNING: {names[n]} says {own[n]:.6g} deg, the list gives {wanted[n]:.6g} deg, which is taken"
        for n in np.flatnonzero(off > _STILL).tolist()
    ]


def _matched(own: Floats, wanted: Floats, names: Sequence[str]) -> tuple[Floats, list[int | None], list[str]]:
    """Find the file of every angle of the list; there may be angles without one."""
    text = f"{len(wanted)} angles are given for {len(own)} files"
    if len(own) > len(wanted):
        raise InputError(text, parameter="angles")
    if not np.all(np.isfinite(own)):
        silent = names[int(np.flatnonzero(~np.isfinite(own))[0])]
        raise InputError(
            f"{text}, and {silent} does not say at which angle it was taken: name all files in path: (with "
            "allow_missing: true for those that do not exist)",
            parameter="angles",
        )
    step = float(np.min(np.diff(np.sort(wanted)))) if len(wanted) > 1 else 1.0
    chosen: list[int | None] = [None] * len(wanted)
    for number, angle in enumerate(own):
        place = int(np.argmin(np.abs(wanted - angle)))
        if abs(wanted[place] - angle) > 0.25 * step or chosen[place] is not None:
            raise InputError(f"{text}, and none of them is {angle:.6g} deg ({names[number]})", parameter="angles")
        chosen[place] = number
    missing = [f"{wanted[n]:.6g}" for n, each in enumerate(chosen) if each is None]
    return wanted, chosen, [f"WARNING: {text}: there is none for {', '.join(missing)} deg"]


def _interpolated(own: Floats, names: Sequence[str]) -> Floats:
    """Put in angles that are not known where the others follow each other in equal steps."""
    known = np.flatnonzero(np.isfinite(own))
    if len(known) == 0:
        raise InputError(f"{names[0]} and the other files say no rotation angle: {CURE}", parameter="angles")
    if len(known) > 2:
        slope, start = np.polyfit(known, own[known], 1)
        made = start + slope * np.arange(len(own))
        if slope != 0 and np.max(np.abs(made - own)[known]) < 0.1 * abs(slope):
            return np.where(np.isfinite(own), own, made)
    silent = ", ".join(names[n] for n in np.flatnonzero(~np.isfinite(own)).tolist())
    raise InputError(f"no rotation angle is known of {silent}: {CURE}", parameter="angles")


def _all_different(values: Floats, names: Sequence[str]) -> None:
    order = np.argsort(values, kind="stable")
    for a, b in itertools.pairwise(order.tolist()):
        if values[b] - values[a] < 1e-6:
            raise InputError(
                f"{names[a]} and {names[b]} say the same rotation angle, {values[a]:.6g} deg: {CURE}",
                parameter="angles",
            )
