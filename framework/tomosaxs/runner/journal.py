"""Journal of a section: which slices are finished, so that a run that was cut short goes on inside the section.

Every rank appends a line to a file of its own once the bytes of a block have been handed to the file system. A line
is written with one call and carries a checksum, so a run may be killed at any moment: a torn line is ignored. Lines
name ranges of slices, not blocks or ranks: a later run may use other blocks and other ranks.

What lies behind the lines is told by identities. Whatever is made anew (the file of a dataset, the folder of a
saving step) gets another one, and lines that speak of another identity are void.

A killed process loses nothing that it has handed over; a machine that goes down loses what had not reached the disk.
So lines count only while the machine that wrote them has not been started again since, except those before a line
that says that the disk had everything (`tomosaxs.runner.disk_writes`).
"""

from __future__ import annotations

import json
import os
import shutil
import threading
import uuid
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from tomosaxs.blocks import share
from tomosaxs.codec import decode, encode
from tomosaxs.plan import Pass
from tomosaxs.plan.keys import digest
from tomosaxs.runner.told import Told, add_told

Range: TypeAlias = "tuple[int, int]"
"""Slices [low, high)."""
_IDENTITY, _HEAD, _KEPT = "identity", "head.json", "kept"


def journal_key(one: Pass) -> str:
    """Return the key of a section's journal: equal only where the same slices are made into the same files."""
    made = [node.key for node in one.stores]
    steps = [step.key for step in one.steps]
    sliced = [list(one.sliced[node]) for node in one.stores]
    return digest(["journal", list(one.sizes), made, steps, sliced])


def identity(folder: Path) -> str:
    """Return the identity of what lies in a folder, empty where there is none."""
    file = folder / _IDENTITY
    return file.read_text() if file.is_file() else ""


def forget_identity(folder: Path) -> None:
    """Say, before it is touched, that what lies in a folder is not what it was."""
    (folder / _IDENTITY).unlink(missing_ok=True)


def new_identity(folder: Path) -> str:
    """Give what lies in a folder, made anew, an identity."""
    made = uuid.uuid4().hex
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / f"{_IDENTITY}.part"
    part.write_text(made)
    part.replace(folder / _IDENTITY)
    return made


def boot() -> str:
    """Return what changes whenever this machine is started again; empty where the system does not tell."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


@dataclass
class Earlier:
    """What the journal of an earlier run tells.

    Parameters
    ----------
    ranges : list of (low, high)
        Finished slices, in order, not overlapping.
    notes, remarks : dict
        What the steps said while they were made.
    kept : dict
        Arrays that the steps kept for the record.
    """

    ranges: list[Range] = field(default_factory=list)
    notes: Told = field(default_factory=dict)
    remarks: Told = field(default_factory=dict)
    kept: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def count(self) -> int:
        """Number of finished slices."""
        return sum(high - low for low, high in self.ranges)

    def missing(self, count: int) -> list[Range]:
        """Return what is not finished of `count` slices."""
        found, reached = [], 0
        for low, high in self.ranges:
            if low > reached:
                found.append((reached, low))
            reached = max(reached, high)
        return found if reached >= count else [*found, (reached, count)]


class Journal:
    """The journal of one section.

    Parameters
    ----------
    folder : Path
        Its own folder.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._handle: int | None = None
        self._lock = threading.Lock()
        self.noted = 0
        """Blocks noted by this rank."""

    def earlier(self, parts: Mapping[str, str], boots: Iterable[str]) -> Earlier | None:
        """Return what is known of the present contents of the files, or None where they are not those meant.

        Parameters
        ----------
        parts : mapping
            Identity of everything that the section writes.
        boots : iterable of str
            `boot` of all machines that the ranks are on.
        """
        try:
            known = json.loads((self.folder / _HEAD).read_text())["parts"]
            kept = self._kept()
        except (OSError, ValueError, KeyError):  # none, or cut off when the machine went down
            return None
        if not all(made and known.get(name) == made for name, made in parts.items()):
            return None
        running = {each for each in boots if each}
        entries = [entry for file in sorted(self.folder.glob("*.lines")) for entry in _entries(file, running)]
        return _combined(entries, kept)

    def begin(self, parts: Mapping[str, str]) -> None:
        """Begin anew; called by one rank when everything is made that the section writes."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True, exist_ok=True)
        part = self.folder / f"{_HEAD}.part"
        part.write_text(json.dumps({"parts": dict(parts)}))
        part.replace(self.folder / _HEAD)

    def open(self, rank: int) -> None:
        """Begin to append, on every rank, after `begin` or `earlier` on one."""
        name = f"{rank:05d}-{uuid.uuid4().hex}.lines"
        self._handle = os.open(self.folder / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o666)
        self._line({"boot": boot()})

    def note(self, low: int, high: int, notes: Told, remarks: Told) -> None:
        """Say that the slices [low, high) are finished, and what the steps said of them."""
        self._line({"slices": [low, high], "notes": notes, "remarks": remarks})

        self.noted += 1

    def note_synced(self, count: int) -> None:
        """Say that the disk has all of the first `count` notes of this rank."""
        self._line({"synced": count})
        with self._lock:
            if self._handle is not None:
                os.fsync(self._handle)

    def _line(self, entry: dict[str, Any]) -> None:
        text = json.dumps(entry, separators=(",", ":"))
        line = f"{zlib.crc32(text.encode()):08x} {text}\n".encode()
        with self._lock:
            if self._handle is None:  # closed meanwhile
                return
            done = os.write(self._handle, line)
        if done < len(line):  # the line does not count
            raise OSError(f"{self.folder}: the journal cannot be written: the disk is full")

    def keep(self, kept: Mapping[str, Mapping[str, Any]]) -> None:
        """Keep the arrays that steps keep for the record; each by the first rank that has it, often a single one."""
        for label, arrays in kept.items():
            for name, array in arrays.items():
                file = self.folder / f"{_KEPT}-{digest([label, name])}.bin"
                if file.exists():
                    continue
                part = self.folder / f"{uuid.uuid4().hex}.part"
                part.write_bytes(encode({label: {name: np.asarray(array)}}).tobytes())
                part.replace(file)

    def _kept(self) -> dict[str, dict[str, Any]]:
        found: dict[str, dict[str, Any]] = {}
        for file in sorted(self.folder.glob(f"{_KEPT}-*.bin")):
            for label, arrays in decode(np.fromfile(file, np.uint8)).items():
                found.setdefault(label, {}).update(arrays)
        return found

    def close(self) -> None:
        """Stop appending."""
        with self._lock:
            if self._handle is not None:
                os.close(self._handle)
                self._handle = None


def _entries(file: Path, running: set[str]) -> list[dict[str, Any]]:
    """Return the entries of a rank that count: all while its machine runs on, else those that the disk has."""
    found: list[dict[str, Any]] = []
    alive, synced = False, 0
    for line in file.read_bytes().split(b"\n")[:-1]:  # the last one ends with a line feed, or is torn
        checksum, _, text = line.partition(b" ")
        if len(checksum) != 8 or checksum != b"%08x" % zlib.crc32(text):
            continue
        entry = json.loads(text)
        if "boot" in entry:
            alive = entry["boot"] in running
        elif "synced" in entry:
            synced = int(entry["synced"])
        else:
            found.append(entry)
    return found if alive else found[:synced]


def _combined(entries: list[dict[str, Any]], kept: dict[str, dict[str, Any]]) -> Earlier:
    found = Earlier(kept=kept)
    reached = 0
    for entry in sorted(entries, key=lambda each: each["slices"]):
        low, high = entry["slices"]
        if low < reached:  # said twice
            continue
        reached = high
        found.ranges.append((low, high))
        add_told(found.notes, entry["notes"])
        add_told(found.remarks, entry["remarks"])
    return found


def blocks_of(missing: Sequence[Range], ranks: int, rank: int, size: int, count: int = 0) -> list[Range]:
    """Return a rank's blocks: its part of the missing slices, in ranges of at most `size`.

    Parameters
    ----------
    count : int
        Where given, a rank keeps to its share of all `count` slices, because it has no other ones at hand.
    """
    if count:
        first, last = share(count, ranks, rank)
        missing = [(max(low, first), min(high, last)) for low, high in missing if low < last and high > first]
        ranks, rank = 1, 0
    low, high = share(sum(end - start for start, end in missing), ranks, rank)
    found: list[Range] = []
    before = 0
    for start, end in missing:
        first, last = max(low - before, 0), min(high - before, end - start)
        for at in range(first, last, max(1, size)):
            found.append((start + at, start + min(at + size, last)))
        before += end - start
    return found
