"""Which fibres every beam path of a scan crosses: compressed rows, padded arrays, and the paths of one slice.

Plain numpy, no framework. Files are in `beam_path_file`, companions of a dataset in `beam_path_source`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tomosaxs_plugins.fibres.problem import BeamPaths, Floats

Integers = NDArray[np.int64]
NOBODY = -1
"""Stands for no fibre where arrays are padded."""
PADDED = ("beam_path_fibre", "beam_path_weight", "beam_path_alpha", "beam_path_beta")
"""Names of the padded arrays."""


@dataclass(frozen=True, eq=False)
class BeamPathTable:
    """The beam paths of a whole scan in compressed rows.

    Path (r, y, x) is row number ``(r n_slices + y) n_beams + x``; its entries are ``offsets[row]`` to
    ``offsets[row + 1]``. One fibre may have several entries in a row.

    Parameters
    ----------
    shape : (n_rotations, n_slices, n_beams)
        Of the scan.
    rotation_deg : (n_rotations,) float array
        Rotations of the sample in degrees.
    offsets : (n_rotations * n_slices * n_beams + 1,) int array
        First entry of every row.
    fibre : (n_entries,) int array
        Number of the fibre in the whole sample, not negative.
    weight : (n_entries,) float array
        Share of the beam that it sees; not negative.
    alpha_deg, beta_deg : (n_entries,) float arrays
        Its direction as the beam meets it, at that rotation of the sample, in degrees.
    x_mm : (n_rotations, n_beams) float array, optional
        Positions of the beam.
    y_mm : (n_slices,) float array, optional
        Heights of the slices.

    Raises
    ------
    ValueError
        When lengths do not fit or numbers are impossible; the message names which.
    """

    shape: tuple[int, int, int]
    rotation_deg: Floats
    offsets: Integers
    fibre: Integers
    weight: Floats
    alpha_deg: Floats
    beta_deg: Floats
    x_mm: Floats | None = None
    y_mm: Floats | None = None

    def __post_init__(self) -> None:
        fault = _fault(self)
        if fault:
            raise ValueError(fault)

    def taken(self, rotations: NDArray[np.intp], slices: NDArray[np.intp], beams: NDArray[np.intp]) -> BeamPathTable:
        """Return the part of some rotations, slices and beams, in the order of the indices."""
        rows = np.arange(len(self.offsets) - 1).reshape(self.shape)[np.ix_(rotations, slices, beams)].ravel()
        counts = np.diff(self.offsets)[rows]
        offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        entries = np.repeat(self.offsets[rows] - offsets[:-1], counts) + np.arange(offsets[-1])
        fibre, weight = self.fibre[entries], self.weight[entries]
        alpha, beta = self.alpha_deg[entries], self.beta_deg[entries]
        shape = len(rotations), len(slices), len(beams)
        x = None if self.x_mm is None else self.x_mm[np.ix_(rotations, beams)]
        y = None if self.y_mm is None else self.y_mm[slices]
        return BeamPathTable(shape, self.rotation_deg[rotations], offsets, fibre, weight, alpha, beta, x, y)


def _fault(table: BeamPathTable) -> str:
    """Return what is wrong with a table; empty where nothing is."""
    rows, entries = int(np.prod(table.shape)), len(table.fibre)
    lengths = (
        ("rotations", table.rotation_deg.shape, (table.shape[0],)),
        ("offsets", table.offsets.shape, (rows + 1,)),
        ("weight", table.weight.shape, (entries,)),
        ("alpha", table.alpha_deg.shape, (entries,)),
        ("beta", table.beta_deg.shape, (entries,)),
        ("x_mm", None if table.x_mm is None else table.x_mm.shape, (table.shape[0], table.shape[2])),
        ("y_mm", None if table.y_mm is None else table.y_mm.shape, (table.shape[1],)),
    )
    for name, given, wanted in lengths:
        if given is not None and given != wanted:
            scan = f"{table.shape[0]} rotations, {table.shape[1]} slices, {table.shape[2]} beams and {entries} entries"
            return f"{name} has the shape {given}, but {scan} need {wanted}"
    if not np.all(np.isfinite(table.rotation_deg)):
        return "a rotation is missing (not a finite number)"
    steps = np.diff(table.offsets)
    if table.offsets[0] != 0 or table.offsets[-1] != entries or np.any(steps < 0):
        return f"offsets must rise from 0 to {entries}, the number of entries; they run from {table.offsets[0]} to " + (
            f"{table.offsets[-1]}" + (" and fall in between" if np.any(steps < 0) else "")
        )
    checks = (
        ("weight", ~np.isfinite(table.weight), "not a finite number"),
        ("weight", table.weight < 0, "negative"),
        ("alpha", ~np.isfinite(table.alpha_deg), "not a finite number"),
        ("beta", ~np.isfinite(table.beta_deg), "not a finite number"),
        ("fibre_id", table.fibre < 0, "negative"),
    )
    for name, wrong, text in checks:
        if np.any(wrong):
            entry = int(np.flatnonzero(wrong)[0])
            row = int(np.searchsorted(table.offsets, entry, "right")) - 1
            r, y, x = (int(n) for n in np.unravel_index(row, table.shape))
            return (
                f"{name} is {text} in {int(np.count_nonzero(wrong))} of {entries} entries, first in entry {entry}: "
                f"fibre {int(table.fibre[entry])}, rotation {table.rotation_deg[r]:g} deg, slice {y}, beam {x}"
            )
    return ""


@dataclass(frozen=True, eq=False)
class SlicePaths:
    """The beam paths of one slice as a solver takes them.

    Parameters
    ----------
    paths : BeamPaths
        Paths with at least one fibre, in the order of rotations, then positions.
    spread_deg : (n_fibres,) float array
        Root mean square angle between the entries of a fibre and its mean direction, in degrees.
    notes : dict of str to int
        What is to be said, with counts for ``{count}`` in the text.
    """

    paths: BeamPaths
    spread_deg: Floats
    notes: dict[str, int] = field(default_factory=dict)


def paths_of_slice(table: BeamPathTable, number: int) -> SlicePaths:
    """Return the beam paths of one slice.

    Entries of one fibre in one path are added. The direction of a fibre is the axis that all of its entries in the
    slice agree with best, weighted, in the sample's frame; n and -n are the same. Entries of weight zero are left out;
    a fibre that has no others is seen by no path.

    Parameters
    ----------
    table : BeamPathTable
        Of the scan.
    number : int
        Of the slice.
    """
    rotations, _, beams = table.shape
    one = table.taken(np.arange(rotations), np.array([number]), np.arange(beams))
    identifiers, fibre = np.unique(one.fibre, return_inverse=True)
    row = np.repeat(np.arange(rotations * beams), np.diff(one.offsets))
    notes: dict[str, int] = {}
    lit = one.weight > 0
    _count(notes, "entries of beam paths with weight zero are left out: {count}", np.count_nonzero(~lit))
    key = row[lit] * max(1, len(identifiers)) + fibre[lit]
    pairs, place = np.unique(key, return_inverse=True)
    weight = np.bincount(place, one.weight[lit], len(pairs)).astype(np.float64)
    twice = len(key) - len(pairs)
    _count(notes, "fibres listed more than once in a beam path: their weights are added ({count} entries)", twice)
    pair_row, pair_fibre = np.divmod(pairs, max(1, len(identifiers)))
    used, counts = np.unique(pair_row, return_counts=True)
    unseen = len(identifiers) - len(np.unique(pair_fibre))
    _count(notes, "fibres that no beam path sees: {count}", unseen)
    rotation = row // beams
    beta = one.beta_deg - one.rotation_deg[rotation]
    alpha, beta, spread = mean_directions(one.alpha_deg, beta, one.weight, fibre, len(identifiers))
    paths = BeamPaths(
        rotation_deg=one.rotation_deg,
        path_rotation=(used // beams).astype(np.intp),
        path_position=(used % beams).astype(np.intp),
        offsets=np.concatenate([[0], np.cumsum(counts)]).astype(np.intp),
        fibre=pair_fibre.astype(np.intp),
        weight=weight,
        identifiers=identifiers.astype(np.int64),
        alpha_deg=alpha,
        beta_deg=beta,
    )
    return SlicePaths(paths, spread, notes)


def _count(notes: dict[str, int], text: str, count: int | np.integer) -> None:
    if count:
        notes[text] = int(count)


def mean_directions(
    alpha_deg: Floats, beta_deg: Floats, weight: Floats, group: NDArray[np.intp], count: int
) -> tuple[Floats, Floats, Floats]:
    """Return alpha, beta and spread in degrees of the mean axes of groups of directions.

    The mean axis is the principal eigenvector of the weighted sum of n n^T; it points to the side of the first
    member. Where all weights of a group are zero its members count the same.

    Parameters
    ----------
    alpha_deg, beta_deg, weight : (n,) float arrays
        Directions and how much they count.
    group : (n,) int array
        Group of each, 0 to `count` - 1; every group has a member.
    count : int
        Number of groups.

    Returns
    -------
    alpha, beta, spread : (count,) float arrays
        Alpha 0 to 180, beta 0 to 360 (0 where alpha leaves it open), and the root mean square angle to the mean axis.
    """
    a, b = np.radians(alpha_deg), np.radians(beta_deg)
    axis = np.stack([np.sin(a) * np.sin(b), np.cos(a), np.sin(a) * np.cos(b)], axis=1)
    total = np.bincount(group, weight, count)
    share = np.where(total[group] > 0, weight, 1.0)
    first = np.full(count, len(group))
    np.minimum.at(first, group, np.arange(len(group)))
    matrix = np.empty((count, 3, 3))
    for i in range(3):
        for j in range(3):
            matrix[:, i, j] = np.bincount(group, share * axis[:, i] * axis[:, j], count)
    mean = np.linalg.eigh(matrix)[1][:, :, 2]
    mean *= np.where(np.sum(mean * axis[first], axis=1) < 0, -1.0, 1.0)[:, None]
    apart = np.linalg.norm(np.cross(axis, mean[group]), axis=1)
    square = np.bincount(group, share * np.arcsin(np.minimum(apart, 1.0)) ** 2, count) / np.bincount(
        group, share, count
    )
    alpha = np.degrees(np.arctan2(np.hypot(mean[:, 0], mean[:, 2]), mean[:, 1]))
    beta = np.degrees(np.arctan2(mean[:, 0], mean[:, 2])) % 360
    upright = np.hypot(mean[:, 0], mean[:, 2]) < 1e-12
    return alpha, np.where(upright, 0.0, beta), np.degrees(np.sqrt(square))


def padded(table: BeamPathTable) -> dict[str, NDArray[Any]]:
    """Return a table as arrays (slice, rotation, beam, entry), filled up with -1 and NaN.

    Returns
    -------
    dict
        ``beam_path_fibre`` int64, -1 where there is none; ``beam_path_weight``, ``beam_path_alpha`` and
        ``beam_path_beta`` float64, NaN there.
    """
    counts = np.diff(table.offsets)
    width = max(1, int(counts.max(initial=0)))
    row = np.repeat(np.arange(len(counts)), counts)
    place = np.arange(len(table.fibre)) - table.offsets[row]
    made: dict[str, NDArray[Any]] = {}
    columns = (table.fibre, table.weight, table.alpha_deg, table.beta_deg)
    for name, column in zip(PADDED, columns, strict=True):
        whole = np.full((len(counts), width), NOBODY if name == PADDED[0] else np.nan, dtype=column.dtype)
        whole[row, place] = column
        made[name] = np.ascontiguousarray(whole.reshape(*table.shape, width).swapaxes(0, 1))
    return made


def from_padded(arrays: Mapping[str, NDArray[Any]], rotation_deg: Floats) -> BeamPathTable:
    """Return the table of padded arrays (slice, rotation, beam, entry), as `padded` makes them.

    Raises
    ------
    ValueError
        When an array is missing, has another shape, or holds impossible numbers.
    """
    missing = [name for name in PADDED if name not in arrays]
    if missing:
        raise ValueError(f"{', '.join(missing)} missing; there are {', '.join(arrays) or 'none'}")
    whole = [np.asarray(arrays[name]) for name in PADDED]
    shapes = {each.shape for each in whole}
    if len(shapes) != 1 or whole[0].ndim != 4:
        raise ValueError(f"{', '.join(PADDED)} need one shape (slice, rotation, beam, entry), not {sorted(shapes)}")
    fibre = whole[0].swapaxes(0, 1)
    there = fibre != NOBODY
    slices, rotations, beams, _width = whole[0].shape
    offsets = np.concatenate([[0], np.cumsum(there.reshape(-1, fibre.shape[-1]).sum(axis=1))]).astype(np.int64)
    floats = [np.asarray(each.swapaxes(0, 1)[there], dtype=np.float64) for each in whole[1:]]
    return BeamPathTable(
        (rotations, slices, beams),
        np.asarray(rotation_deg, dtype=np.float64),
        offsets,
        np.asarray(fibre[there], dtype=np.int64),
        floats[0],
        floats[1],
        floats[2],
    )


def table_of(
    slices: list[BeamPaths], beams: int, x_mm: Floats | None = None, y_mm: Floats | None = None
) -> BeamPathTable:
    """Return the table of a scan from the beam paths of its slices, which share their rotations."""
    rotation = slices[0].rotation_deg
    shape = len(rotation), len(slices), beams
    counts = np.zeros(shape, dtype=np.int64)
    for number, one in enumerate(slices):
        counts[one.path_rotation, number, one.path_position] = np.diff(one.offsets)
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    columns = np.empty((3, offsets[-1]))
    fibre = np.empty(offsets[-1], dtype=np.int64)
    start = offsets[:-1].reshape(shape)
    for number, one in enumerate(slices):
        path = np.repeat(np.arange(len(one.path_rotation)), np.diff(one.offsets))
        r, x = one.path_rotation[path], one.path_position[path]
        entry = start[r, number, x] + np.arange(len(one.fibre)) - one.offsets[path]
        fibre[entry] = one.identifiers[one.fibre]
        columns[:, entry] = one.weight, one.alpha_deg[one.fibre], (one.beta_deg[one.fibre] + rotation[r]) % 360
    weight, alpha, beta = columns
    return BeamPathTable(shape, rotation, offsets, fibre, weight, alpha, beta, x_mm, y_mm)
