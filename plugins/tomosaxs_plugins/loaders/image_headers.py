"""Numbers from the headers of images: exposure times, counters, motor positions."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tomosaxs import InputError, Selection, did_you_mean
from tomosaxs_plugins.reconstruction.parallel import thread_count

_NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")
_LISTS = {"counter_mne": "counter_pos", "motor_mne": "motor_pos"}


def flat_header(header: Mapping[str, Any]) -> dict[str, str]:
    """Return every entry of a header by name, those that are packed into text or lists too.

    Dectris writes lines ``# Exposure_time 0.095 s`` into one entry of CBF and TIFF headers; SPEC writes the names of
    counters and motors of EDF headers into one entry and their values into another.
    """
    found: dict[str, str] = {}
    for name, value in header.items():
        text = value.decode("latin-1") if isinstance(value, bytes) else str(value)
        found[str(name)] = text.strip()
        for line in re.findall(r"^\s*#\s*(.+?)\s*$", text, flags=re.MULTILINE):
            words = re.split(r"[\s:=]+", line, maxsplit=1)
            if len(words) == 2:
                found.setdefault(words[0], words[1].strip())
    for names, values in _LISTS.items():
        for name, value in zip(found.get(names, "").split(), found.get(values, "").split(), strict=False):
            found.setdefault(name, value)
    return found


def number_in(text: str) -> tuple[float, str]:
    """Return the number at the beginning of an entry and its units; NaN where there is none."""
    match = _NUMBER.match(text.strip())
    if match is None:
        return float("nan"), ""
    rest = text.strip()[match.end() :].strip()
    return float(match.group()), rest if re.fullmatch(r"[A-Za-zµ%/^\d*-]{1,12}", rest) else ""


def entry_of(header: Mapping[str, str], key: str, where: str) -> tuple[float, str]:
    """Return the number and the units of a header's entry.

    Raises
    ------
    InputError
        When there is no such entry, or it is no number.
    """
    if key not in header:
        numbers = [name for name, text in header.items() if np.isfinite(number_in(text)[0])]
        listed = ", ".join(numbers[:30]) or "none"
        raise InputError(
            f"{where}: its header has no entry {key!r}{did_you_mean(key, list(header))}; its numbers are {listed}"
        )
    value, units = number_in(header[key])
    if not np.isfinite(value):
        raise InputError(f"{where}: the entry {key!r} of its header is no number: {header[key][:60]!r}")
    return value, units


@dataclass(frozen=True, eq=False)
class HeaderReader:
    """One number a frame, from the header of its image; NaN where a file cannot be read or has no such entry.

    Parameters
    ----------
    files : sequence of Path
    where : (\\*grid, 2) int array
        File and frame in it of every point; -1 where there is none.
    key : str
    """

    files: Sequence[Path]
    where: NDArray[np.intp]
    key: str

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the grid."""
        return tuple(int(n) for n in self.where.shape[:-1])

    @property
    def dtype(self) -> np.dtype[Any]:
        """float64."""
        return np.dtype(np.float64)

    def read(self, selection: tuple[Selection, ...]) -> NDArray[np.float64]:
        """Return the numbers of some points; each file is opened for them."""
        wanted = self.where
        for axis, each in enumerate(selection):
            wanted = wanted[(slice(None),) * axis + (each,)]
        flat = wanted.reshape(-1, 2)
        with ThreadPoolExecutor(thread_count()) as pool:
            values = list(pool.map(self._one, flat.tolist()))
        return np.array(values, dtype=np.float64).reshape(wanted.shape[:-1])

    def _one(self, place: Sequence[int]) -> float:
        import fabio

        file, frame = place
        if file < 0:
            return float("nan")
        try:
            with fabio.open(str(self.files[file])) as image:
                header = image.getframe(frame).header if frame else image.header
                return number_in(flat_header(header).get(self.key, ""))[0]
        except Exception:  # noqa: BLE001 - fabio's readers fail in any way on a damaged file; its frame is reported
            return float("nan")
