"""Scattering scans: detector frames at the points of a raster, in one NeXus file or one file an angle."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from tomosaxs import InputError, InputFile, Param, Source, loader
from tomosaxs_plugins.loaders.hdf5 import DamagedFile, check_readable, damage_named, open_file
from tomosaxs_plugins.loaders.readers import reader_of
from tomosaxs_plugins.loaders.scans.angles import angles_of, stands_still
from tomosaxs_plugins.loaders.scans.assembly import one_file, stacked
from tomosaxs_plugins.loaders.scans.file import ScanFile, with_coordinates
from tomosaxs_plugins.loaders.scans.layout import Detector, choose_detector, stages_of, stated_axes
from tomosaxs_plugins.loaders.scans.points import place
from tomosaxs_plugins.loaders.scans.values import find_values
from tomosaxs_plugins.loaders.scans.written import written_frames

_SUFFIXES = (".nxs", ".h5", ".hdf5", ".hdf", ".nx")
_PIXELS = ("detector_y", "detector_x")


@dataclass(frozen=True)
class _Choice:
    """What the list says."""

    detector: str
    entry: str
    data_path: str
    axes: tuple[str, ...]
    angle_path: str
    angle_units: str
    positions: str
    companions: dict[str, str]
    channels: dict[str, int]


@loader(absent="allow_missing")
def scattering_scan(
    paths: Sequence[Path],
    *,
    detector: Annotated[
        str, Param("name of the detector (SAXS, WAXS, ...); auto: the only one, or the one called SAXS")
    ] = "auto",
    entry: Annotated[str, Param("HDF5 path of the entry, where several hold frames")] = "",
    data_path: Annotated[str, Param("HDF5 path of the frames, where they are not found")] = "",
    axes: Annotated[list[str], Param("names of all axes in storage order, where the file is wrong")] = [],  # noqa: B006
    along: Annotated[str, Param("axis along which several files lie")] = "rotation_angle",
    angles: Annotated[
        InputFile | list[float] | dict[str, float] | None,
        Param("one rotation angle a file: a list, a file, or {start, stop} of first and last in deg; null: each says"),
    ] = None,
    angle_path: Annotated[str, Param("HDF5 path of the rotation angle in every file, where it is not found")] = "",
    angle_units: Annotated[
        Literal["auto", "deg", "rad"], Param("units of the angles; auto takes what the file states")
    ] = "auto",
    positions: Annotated[
        Literal["auto", "none"], Param("points placed by the stage positions, or as they are stored")
    ] = "auto",
    companions: Annotated[
        dict[str, str], Param("HDF5 paths by name for values that go with the points; 'none' to leave one out")
    ] = {},  # noqa: B006
    monitor_channel: Annotated[int, Param("channel of the incident counter, where it has several", ge=0)] = 5,
    transmitted_channel: Annotated[int, Param("channel of the transmitted counter, where it has several", ge=0)] = 1,
    allow_missing: Annotated[bool, Param("files that are named and do not exist count as not measured")] = False,
) -> Source:
    """Load a scattering scan of any rank: NXsas, NXxrd, I22 and DAWN files, one file or one a rotation angle.

    The dataset has the axes of the scan and behind them (detector_y, detector_x): (y, x) for a map,
    (rotation_angle, y, x) for several maps, (frame) for a series. Points are put where their stages were: rows that
    ran backwards, frames in one row, grids of unequal size. What was not measured (a scan that was broken off, a
    point without a position, a damaged file) is masked: its frame is NaN (-1 or the largest value in integers), and
    the companion ``missing`` is true there.

    With the frames come, where the file has them: ``monitor`` and ``transmitted`` (one value a point),
    ``count_time``, ``thickness``, ``transmission``, the detector's ``mask``, its geometry and the wavelength.
    What was recognised and taken is said in the messages.

    Parameters
    ----------
    paths : sequence of Path
        Files, patterns in lists, or a folder (all its .nxs files, or else all HDF5 files). Several files lie along
        the axis `along`.

    Raises
    ------
    InputError
        The message names file, HDF5 path and what to give. For an unknown layout it lists what the file holds.
    """
    files = _files([Path(paths)] if isinstance(paths, (str, Path)) else [Path(each) for each in paths])
    channels = {"monitor": monitor_channel, "transmitted": transmitted_channel}
    choice = _Choice(
        detector, entry, data_path, tuple(axes), angle_path, angle_units, positions, dict(companions), channels
    )
    scans: list[ScanFile | None] = []
    lost: list[str] = []
    for path in files:
        try:
            scans.append(_read(path, choice))
        except DamagedFile as error:
            if len(files) == 1:
                raise
            scans.append(None)
            lost.append(f"WARNING: all points of a file are missing: {error}")
        except InputError as error:
            if not (allow_missing and not path.exists()):
                raise
            scans.append(None)
            lost.append(f"WARNING: all points of a file are missing: {error}")
    if not any(scans):
        raise InputError(f"no file can be read: {'; '.join(lost)}")
    only = scans[0]
    if len(files) == 1 and only is not None:
        source, used = one_file(only, angles, angle_units)
        if used or angles is None:
            return source
    return stacked(files, scans, lost, along, angles, angle_units)


def _files(paths: Sequence[Path]) -> list[Path]:
    """Return the files, folders replaced by what lies in them in natural order."""
    found: list[Path] = []
    for path in paths:
        if not path.is_dir():
            found.append(path)
            continue
        inside = [each for each in path.iterdir() if each.suffix.lower() in _SUFFIXES and each.name[0] != "."]
        if not inside:
            raise InputError(f"{path} holds no NeXus or HDF5 file ({', '.join(_SUFFIXES)})")
        scans = [each for each in inside if each.suffix.lower() == ".nxs"]  # frames in .h5 beside them are linked
        found += sorted(scans or inside, key=_natural)
    return list(dict.fromkeys(found))


def _natural(path: Path) -> list[tuple[int, int, str]]:
    parts = re.split(r"(\d+)", path.name)
    return [(0, int(part), "") if part.isdecimal() else (1, 0, part) for part in parts if part]


def _read(path: Path, choice: _Choice) -> ScanFile:
    """Return what one file holds; no frame is read."""
    with damage_named(path):
        file = open_file(path)
        detector, said = choose_detector(file, choice.detector, choice.entry, choice.data_path)
        behind = check_readable(detector.data)
        home = Path(detector.data.file.filename)
        behind += [home] if home.resolve() != path.resolve() else []
        stages = stages_of(detector)
        stated, more = stated_axes(detector)
        fixed, core = _fixed(detector, choice.axes)
        moving = [each for each in stages if not stands_still(each)] if choice.positions == "auto" else []
        written = written_frames(detector.data)
        if not written.any():
            raise DamagedFile(f"{path}: no frame of {detector.paths[0]} was ever written")
        placed = place(detector.points, written, moving, stated, fixed=fixed, angle_units=choice.angle_units)
        placed = with_coordinates(placed, detector)
        values, ignored = find_values(detector, choice.companions, choice.channels)
        angles = angles_of(detector, stages, choice.angle_path, choice.angle_units)
        reader = reader_of(file, detector.data, rank=detector.data.ndim, core=2)
    if behind:
        said.append(f"frames lie in {', '.join(map(str, behind))} (linked from {path})")
    said += [*more, *placed.notes, *ignored]
    return ScanFile(path, detector, reader, placed, values, angles, core, said, behind)


def _fixed(detector: Detector, axes: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[str, str]]:
    """Return the names that the list gives to the axes of the scan, and those of the detector."""
    if not axes:
        return (), _PIXELS
    points = len(detector.points)
    ending = axes[points:] or _PIXELS
    if len(set(axes)) != len(axes) or len(axes) not in (points, points + 2) or set(ending) != set(_PIXELS):
        raise InputError(
            f"axes: {list(axes)} must be {points} different names, and behind them detector_y and detector_x: "
            f"{detector.file.path}: {detector.paths[0]} has the shape {detector.data.shape}",
            parameter="axes",
        )
    return (axes[:points] or ("frame",)), (ending[0], ending[1])
