"""Rotation angles of scans made of image files: EDF headers, the ESRF's .info file, a text file beside them."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tomosaxs import InputError, did_you_mean
from tomosaxs_plugins.loaders.angles import AngleChoice, Angles, explicit_angles
from tomosaxs_plugins.loaders.esrf_info import ScanInfo
from tomosaxs_plugins.loaders.frame_files import FrameFiles
from tomosaxs_plugins.loaders.frame_places import Misplaced, edf_headers
from tomosaxs_plugins.loaders.image_headers import flat_header, number_in
from tomosaxs_plugins.loaders.image_names import numbers_of
from tomosaxs_plugins.reconstruction.parallel import thread_count

CURE = (
    "give angles: {start: A, stop: B} with the first and the last angle in degrees, angles: FILE (one number a line), "
    "or angles_path: NAME of the motor in EDF headers"
)
_MOTORS = ("rz", "rot", "theta", "omega", "angle", "phi")
_TEXT = re.compile(r"(rotation_?)?(angles?|thetas?).*\.(txt|csv|dat)$", re.IGNORECASE)
_AT_ONCE = 32
"""Files that a thread looks into before it asks for more."""
_HEADER = 1 << 13
"""Bytes in which a header is looked for at first."""
_MOVES = 1e-3  # degrees: a motor that moves less than this over the scan stands still


def find_image_angles(reader: FrameFiles, folder: Path, info: ScanInfo | None, choice: AngleChoice) -> Angles:
    """Return the angle of every image.

    What the list gives comes first; then a motor that turns in the headers of EDF files, the ``.info`` file, and a file
    of angles in the folder.

    Parameters
    ----------
    reader : FrameFiles
        The projections.
    folder : Path
        Where they lie.
    info : ScanInfo or None

    Raises
    ------
    InputError
        When there are none, or several motors turn.
    """
    count = reader.shape[0]
    if choice.given is not None:
        return explicit_angles(choice, count, _gaps(reader))
    if choice.path:
        values = _from_headers(reader, choice.path)
        if not np.isfinite(values).any():
            known = ", ".join(sorted(_header(reader, 0))[:40]) or "none: only EDF files have such headers"
            near = did_you_mean(choice.path, sorted(_header(reader, 0)))
            raise InputError(f"angles_path: headers have no number {choice.path!r}{near}; entries: {known}")
        return _told(reader, values, f"header entry {choice.path}")
    turning = _turning(reader)
    if len(turning) == 1:
        return _told(reader, _from_headers(reader, turning[0]), f"motor {turning[0]} in the headers")
    if len(turning) > 1:
        raise InputError(
            f"{folder}: several motors turn ({', '.join(turning)}): give angles_path: {turning[0]} or another of them"
        )
    if info is not None:
        found = _from_info(reader, info)
        if found is not None:
            return found
    texts = sorted(path for path in folder.iterdir() if _TEXT.match(path.name) and path.is_file())
    if len(texts) == 1:
        return explicit_angles(AngleChoice(given=texts[0], units=choice.units, per=choice.per), count, _gaps(reader))
    files = f": {', '.join(path.name for path in texts)}" if texts else ""
    raise InputError(
        f"{folder}: no rotation angles: no motor turns in EDF headers, no .info file tells ScanRange and TOMO_N, and "
        f"there {'are several files' if texts else 'is no file'} of angles{files}; {CURE}"
    )


def _told(reader: FrameFiles, values: NDArray[np.float64], source: str) -> Angles:
    lost = np.flatnonzero(~np.isfinite(values))
    if len(lost):
        where = reader.files[reader.where[lost[0], 0]]
        raise InputError(
            f"{where}: no angle ({source}), nor in {len(lost) - 1} more: leave them out of the folder, or give angles:"
        )
    if np.ptp(values) == 0 and len(values) > 1:
        raise InputError(
            f"{reader.files[0]}: {source} is {values[0]:g} throughout: these are no rotation angles; {CURE}"
        )
    return Angles(values, source)


def _header(reader: FrameFiles, number: int) -> dict[str, str]:
    """Return the header of one image by name, empty where it is no EDF file."""
    file, frame = reader.where[number].tolist()
    try:
        descriptor = os.open(reader.files[file], os.O_RDONLY)
        try:
            if os.pread(descriptor, 4, 0).lstrip()[:1] != b"{":
                return {}
            headers = list(edf_headers(descriptor, frame + 1))
        finally:
            os.close(descriptor)
    except (OSError, Misplaced):
        return {}
    return flat_header(headers[frame][2]) if frame < len(headers) else {}


def _turning(reader: FrameFiles) -> list[str]:
    """Return the rotation motors that move, as the first, the middle and the last header tell."""
    some = [_header(reader, number) for number in sorted({0, reader.shape[0] // 2, reader.shape[0] - 1})]
    names = [name for name in some[0].get("motor_mne", "").split() if any(word in name.lower() for word in _MOTORS)]
    names += [name for name in some[0] if name.lower() in ("rotation_angle", "angle", "theta", "omega")]
    moving: list[str] = []
    for name in dict.fromkeys(names):
        values = np.array([number_in(header.get(name, ""))[0] for header in some])
        if np.isfinite(values).all() and np.ptp(values) > _MOVES:
            moving.append(name)
    return moving


def _from_headers(reader: FrameFiles, name: str) -> NDArray[np.float64]:
    """Return a number of every header; NaN where there is none. Files are opened by several threads."""
    files: dict[int, list[int]] = {}
    for number, file in enumerate(reader.where[:, 0].tolist()):
        files.setdefault(file, []).append(number)
    values = np.full(reader.shape[0], np.nan)
    listed = list(files)
    quick = _Motor.of(_header(reader, 0), name)

    def work(first: int) -> None:
        for file in listed[first : first + _AT_ONCE]:
            frames = reader.where[files[file], 1].tolist()
            found = _numbers(reader.files[file], name, max(frames) + 1, quick if len(frames) == 1 else None)
            for number, frame in zip(files[file], frames, strict=True):
                values[number] = found[frame] if frame < len(found) else np.nan

    with ThreadPoolExecutor(thread_count()) as pool:
        list(pool.map(work, range(0, len(listed), _AT_ONCE)))
    return values


@dataclass(frozen=True)
class _Motor:
    """Where the position of a motor stands in headers that list the same motors: no need to take them apart."""

    names: bytes
    place: int

    @classmethod
    def of(cls, header: dict[str, str], name: str) -> _Motor | None:
        listed = header.get("motor_mne", "")
        place = listed.split().index(name) if name in listed.split() else -1
        return cls(listed.encode("latin-1"), place) if place >= 0 else None

    def in_header(self, raw: bytes) -> float | None:
        """Return the number, or None where the header has another form."""
        begin = raw.find(b"motor_pos")
        equals, end = raw.find(b"=", begin), raw.find(b";", begin)
        if self.names not in raw or not 0 < begin < equals < end:
            return None
        values = raw[equals + 1 : end].split()
        try:
            return float(values[self.place])
        except (IndexError, ValueError):
            return None


def _numbers(path: Path, name: str, most: int, quick: _Motor | None) -> list[float]:
    try:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            raw = os.pread(descriptor, _HEADER, 0)
            if raw.lstrip()[:1] != b"{":
                return []
            one = quick.in_header(raw) if quick is not None else None
            return [one] if one is not None else [_number(keys, name) for _, _, keys in edf_headers(descriptor, most)]
        finally:
            os.close(descriptor)
    except (OSError, Misplaced):
        return []


def _number(keys: dict[str, str], name: str) -> float:
    for names, positions in (("motor_mne", "motor_pos"), ("counter_mne", "counter_pos")):
        listed = keys.get(names, "").split()
        values = keys.get(positions, "").split()
        if name in listed and listed.index(name) < len(values):
            return number_in(values[listed.index(name)])[0]
    return number_in(keys.get(name.lower(), ""))[0]


def _from_info(reader: FrameFiles, info: ScanInfo) -> Angles | None:
    """Return angles from ScanRange and TOMO_N: image k of the scan at k ScanRange / TOMO_N degrees."""
    span, total = info.number("ScanRange"), info.number("TOMO_N")
    if span is None or total is None or total < 1 or span == 0:
        return None
    numbers = _numbers_of_images(reader)
    return Angles(
        numbers * (span / total),
        f"{info.path.name}: ScanRange {span:g} deg, TOMO_N {total:g}, by the numbers of the files",
    )


def _numbers_of_images(reader: FrameFiles) -> NDArray[np.float64]:
    """Return the number of every image, from 0: that in the names of files that hold one image each."""
    gaps = _gaps(reader)
    return np.arange(reader.shape[0], dtype=np.float64) if gaps is None else gaps.astype(np.float64)


def _gaps(reader: FrameFiles) -> NDArray[np.intp] | None:
    """Return the numbers in the names, from 0, where some are missing; None where they are complete or tell nothing."""
    if len(reader.files) != reader.shape[0]:
        return None
    numbers = numbers_of(reader.files)
    if numbers is None or len(numbers) < 2:
        return None
    places = np.array(numbers, dtype=np.intp)
    steps = np.diff(places)
    step = int(np.bincount(steps[steps < 1 << 20]).argmax()) if np.any(steps < 1 << 20) else 0
    if step < 1 or np.all(steps == step) or np.any((places - places[0]) % step):
        return None
    numbered: NDArray[np.intp] = (places - places[0]) // step
    return numbered


def missing_numbers(files: Sequence[Path]) -> str:
    """Return a warning where numbers are missing in the names of files that hold one image each, else an empty text."""
    numbers = numbers_of(files)
    if numbers is None or len(numbers) < 3:
        return ""
    steps = np.diff(numbers)
    usual = int(np.median(steps))
    holes = [numbers[place] + usual for place in np.flatnonzero(steps > usual)]
    if usual < 1 or not holes or len(holes) * 10 > len(numbers):
        return ""
    shown = ", ".join(map(str, holes[:8])) + (", ..." if len(holes) > 8 else "")
    return f"WARNING: images are missing by their numbers, from {shown}; angles that are reckoned go by the numbers"
