"""Beam-path tables out of nested grids: lists of fibres in the cells [rotation][slice][depth][beam]."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tomosaxs_plugins.fibres.beam_paths import BeamPathTable
from tomosaxs_plugins.fibres.problem import Floats

MARKERS = (100000, 500)
"""Stand in a cell for the wall of the sample's tube."""
BEYOND = 100
"""The wall's own number among fibres is this much above the largest of them."""
Direction = tuple[float, float]


@dataclass(frozen=True, eq=False)
class Converted:
    """A table, and what happened on the way.

    Parameters
    ----------
    table : BeamPathTable
        Of all rotations, slices and beams.
    counts : dict of str to int
        What was found, by what it is.
    """

    table: BeamPathTable
    counts: dict[str, int]


def from_grids(
    alpha: Any,
    beta: Any,
    fibre: Any,
    weight: Any,
    rotation_deg: Floats,
    *,
    fold_alpha: bool = True,
    x_mm: Floats | None = None,
    y_mm: Floats | None = None,
) -> Converted:
    """Return the beam-path table of nested grids.

    A beam path is a column of cells of one depth grid. Its fibres and weights are the pairs [weight, number] of the
    cells of `weight`; the direction of each is that of the same number in the same cell, else in the same column, in
    the same slice, or in the same slice at the first rotation.

    Parameters
    ----------
    alpha, beta, fibre : nested lists [rotation][slice][depth][beam]
        Cells are lists of degrees, of degrees, and of numbers of fibres, in the same order; 0 where there is nothing.
    weight : nested lists [rotation][slice][depth][beam]
        Cells are lists of pairs [weight, number of the fibre].
    rotation_deg : (n_rotations,) float array
        Rotations of the sample in degrees.
    fold_alpha : bool
        `alpha` is the angle that tracing gives, 0 to 180 degrees with the horizontal at 0: 90 more, or 270 less it from
        90 on, is the angle from the vertical. Else it is that already.
    x_mm : (n_beams,) float array, optional
        Positions of the beam.
    y_mm : (n_slices,) float array, optional
        Heights of the slices.

    Raises
    ------
    ValueError
        When grids do not fit each other or a cell makes no sense; the message says where.
    """
    shapes = {name: _shape(grid, name) for name, grid in (
        ("alpha", alpha), ("beta", beta), ("fibres", fibre), ("weights", weight),
    )}  # fmt: skip
    if len({(shape[0], shape[1], shape[3]) for shape in shapes.values()}) != 1:
        text = ", ".join(f"{name} {' x '.join(map(str, shape))}" for name, shape in shapes.items())
        raise ValueError(f"the grids do not fit each other (rotations x slices x depths x beams): {text}")
    rotations, slices, _depths, beams = shapes["weights"]
    if len(rotation_deg) != rotations:
        raise ValueError(f"{len(rotation_deg)} angles are given for {rotations} rotations")
    entries: list[list[tuple[int, float, float, float]]] = [[] for _ in range(rotations * slices * beams)]
    counts: dict[str, int] = {}
    for y in range(slices):
        first: dict[int, Direction] = {}
        for r in range(rotations):
            place = f"rotation {r}, slice {y}"
            cells = _directions(alpha[r][y], beta[r][y], fibre[r][y], place, counts)
            column = _merged(cells, lambda key: key[1])
            everywhere = _merged(cells, lambda key: 0).get(0, {})
            first = first or everywhere
            wall = max(first, default=-1) + BEYOND
            for x in range(beams):
                found = _path(weight[r][y], x, cells, (column.get(x, {}), everywhere, first), wall, place, counts)
                entries[(r * slices + y) * beams + x] = [
                    (number, w, _folded(a) if fold_alpha else a, (b + float(rotation_deg[r])) % 360)
                    for number, w, a, b in found
                ]
    flat = [each for row in entries for each in row]
    columns = np.array([each[1:] for each in flat], dtype=np.float64).reshape(-1, 3)
    table = BeamPathTable(
        (rotations, slices, beams),
        np.asarray(rotation_deg, dtype=np.float64),
        np.concatenate([[0], np.cumsum([len(row) for row in entries])]).astype(np.int64),
        np.array([each[0] for each in flat], dtype=np.int64),
        columns[:, 0].copy(),
        columns[:, 1].copy(),
        columns[:, 2].copy(),
        None if x_mm is None else np.tile(np.asarray(x_mm, dtype=np.float64), (rotations, 1)),
        y_mm,
    )
    return Converted(table, counts)


def _shape(grid: Any, name: str) -> tuple[int, int, int, int]:
    """Return rotations, slices, most depths, and beams; every slice must have the same beams."""
    try:
        beams = {len(row) for rotation in grid for one in rotation for row in one}
        slices = {len(rotation) for rotation in grid}
        depths = max(len(one) for rotation in grid for one in rotation)
    except (TypeError, ValueError):
        raise ValueError(f"{name} is no grid [rotation][slice][depth][beam] of cells") from None
    if len(beams) != 1 or len(slices) != 1:
        raise ValueError(f"{name} has slices with {sorted(beams)} beams and rotations with {sorted(slices)} slices")
    return len(grid), slices.pop(), depths, beams.pop()


def _count(counts: dict[str, int], what: str, number: int = 1) -> None:
    if number:
        counts[what] = counts.get(what, 0) + number


def _folded(alpha: float) -> float:
    return alpha + 90 if alpha < 90 else 270 - alpha


def _cell(grid: Sequence[Any], depth: int, beam: int) -> list[Any] | None:
    """Return the entries of a cell; None where the tube's wall is."""
    value = grid[depth][beam] if depth < len(grid) else 0
    if isinstance(value, list):
        return value
    if value is None or value == 0 or value != value:
        return []
    return None if value in MARKERS else [value]


def _directions(
    alpha: Sequence[Any], beta: Sequence[Any], fibre: Sequence[Any], place: str, counts: dict[str, int]
) -> dict[tuple[int, int], dict[int, Direction]]:
    """Return alpha and beta of the fibres in every cell (depth, beam) of a slice."""
    made: dict[tuple[int, int], dict[int, Direction]] = {}
    for depth in range(len(fibre)):
        for beam in range(len(fibre[depth])):
            numbers, angles, others = (_cell(grid, depth, beam) for grid in (fibre, alpha, beta))
            if numbers is None or angles is None or others is None:
                _count(counts, "cells of the tube's wall")
                continue
            if not len(numbers) == len(angles) == len(others):
                raise ValueError(
                    f"{place}, depth {depth}, beam {beam}: {len(numbers)} numbers of fibres, {len(angles)} alpha and "
                    f"{len(others)} beta"
                )
            where = f"{place}, depth {depth}, beam {beam}"
            for number, a, b in zip(numbers, angles, others, strict=True):
                made.setdefault((depth, beam), {})[_whole(number, where)] = _number(a, where), _number(b, where)
    return made


def _merged(cells: dict[tuple[int, int], dict[int, Direction]], key: Any) -> dict[Any, dict[int, Direction]]:
    """Return directions gathered over cells; the first one of a fibre counts."""
    made: dict[Any, dict[int, Direction]] = {}
    for place, inside in cells.items():
        home = made.setdefault(key(place), {})
        for number, direction in inside.items():
            home.setdefault(number, direction)
    return made


def _path(
    grid: Sequence[Any],
    beam: int,
    cells: dict[tuple[int, int], dict[int, Direction]],
    others: Sequence[dict[int, Direction]],
    wall: int,
    place: str,
    counts: dict[str, int],
) -> list[tuple[int, float, float, float]]:
    """Return (number, weight, alpha, beta) of the entries of one beam path; none where it meets the tube's wall."""
    found: list[tuple[int, float, float, float]] = []
    for depth in range(len(grid)):
        where = f"{place}, depth {depth}, beam {beam}"
        for pair in _cell(grid, depth, beam) or []:
            if not isinstance(pair, list) or len(pair) != 2:
                raise ValueError(f"{where}: {pair!r:.80} is no pair of a weight and the number of a fibre")
            weight, number = _number(pair[0], where), _whole(pair[1], where)
            homes = [cells.get((depth, beam), {}), *others]
            direction = next((home[number] for home in homes if number in home), None)
            if direction is None and number == wall:
                _count(counts, "beam paths along the tube's wall, taken as without fibres")
                return []
            if direction is None:
                raise ValueError(f"{where}: fibre {number} has a weight and no direction in any cell of the slice")
            _count(counts, "entries with the direction of another cell", int(number not in homes[0]))
            found.append((number, weight, *direction))
    return found


def _number(value: Any, where: str) -> float:
    value = value[0] if isinstance(value, list) and len(value) == 1 else value
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ValueError(f"{where}: {value!r:.80} is no number")
    return float(value)


def _whole(value: Any, where: str) -> int:
    number = _number(value, where)
    if number != round(number) or number < 0:
        raise ValueError(f"{where}: {value!r:.80} is no number of a fibre")
    return int(number)
