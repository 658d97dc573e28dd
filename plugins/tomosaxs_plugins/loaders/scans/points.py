"""Points of a scan put on their grid: snake order, broken off scans, points without position, frames in one row."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from tomosaxs import Axis
from tomosaxs_plugins.loaders.scans.lines import filled, lines_of, nearest, step_of
from tomosaxs_plugins.loaders.scans.stages import Floats, Stage, coordinate, grown, in_order, spread, stage_axis

_WORST = 0.5
"""Largest deviation of a point from its grid line, in steps."""
_FEW = 0.05
"""Part of the points that may lie off the grid and be left out; with more the positions are not believed."""
_PLAIN = 0.02
"""Deviations up to here, in steps, are not worth a message."""


@dataclass(eq=False)
class Placed:
    """Where the frames of one file belong.

    Parameters
    ----------
    axes : tuple of Axis
        Of the grid.
    where : int array of the grid's shape
        Number of the frame, in the order in which they are stored; -1 where there is none.
    notes : list of str
    """

    axes: tuple[Axis, ...]
    where: NDArray[np.int64]
    notes: list[str] = field(default_factory=list)


@dataclass(eq=False)
class _Moving:
    """A stage that moves during the scan: positions of all points (NaN where not known) and planned lines."""

    name: str
    path: str
    units: str
    points: Floats
    lines: Floats | None


def place(
    stored: tuple[int, ...],
    written: NDArray[np.bool_],
    stages: Sequence[Stage],
    stated: Sequence[str] = (),
    *,
    fixed: Sequence[str] = (),
    angle_units: str = "auto",
) -> Placed:
    """Return grid and frames of a scan.

    Parameters
    ----------
    stored : tuple of int
        Shape in which the frames are stored.
    written : bool array of that shape
        Which of them exist.
    stages : sequence of Stage
        Positions, the best first; empty to number the points.
    stated : sequence of str
        Names of the stored axes as far as the file says them, else empty texts.
    fixed : sequence of str
        Names of the stored axes where the list gives them: nothing is put in another order then.

    Raises
    ------
    InputError
        When an angle has no units and may be in radians.
    """
    if not stored:
        stored, written = (1,), written.reshape(1)
    if fixed:
        stages = [each for each in stages if each.name in fixed]
        stated = fixed
    moving_or_not = [each for each in stages if each.values.size > 1]
    shape = stored if fixed else grown(stored, moving_or_not)
    frames = _frames(stored, shape, written)
    notes: list[str] = []
    moving = _moving(moving_or_not, stored, shape, frames, tuple(stated), notes)
    scan = _Scan(shape, frames, moving, tuple(stated) if len(stated) == len(shape) else (), notes, angle_units)
    return scan.numbered(fixed) if fixed else scan.placed()


def _frames(stored: tuple[int, ...], shape: tuple[int, ...], written: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return the number of the frame of every planned point, -1 where there is none."""
    numbers = np.where(written, np.arange(math.prod(stored)).reshape(stored), -1).astype(np.int64)
    frames = np.full(shape, -1, dtype=np.int64)
    if len(stored) == len(shape):
        frames[tuple(slice(n) for n in stored)] = numbers
    else:
        frames.reshape(-1)[: stored[0]] = numbers
    return frames


def _moving(
    stages: Sequence[Stage],
    stored: tuple[int, ...],
    shape: tuple[int, ...],
    frames: NDArray[np.int64],
    stated: tuple[str, ...],
    notes: list[str],
) -> dict[str, _Moving]:
    """Return the stages that move, by name: measured positions before planned ones."""
    found: dict[str, _Moving] = {}
    measured: list[tuple[str, Floats]] = []
    for stage in sorted(stages, key=lambda each: each.demand):
        points = spread(stage, stored, shape, stated)
        if points is None:
            notes.append(f"{stage.path} {stage.values.shape} does not fit the {stored} frames and is not used")
            continue
        one_a_line = stage.values.ndim == 1 and (len(shape) > 1) and len(stage.values) in shape
        if not one_a_line:
            points = np.where(frames >= 0, points, np.nan)  # where nothing was measured files hold zeros
        known = points[np.isfinite(points)]
        if len(known) and stage.name not in found and not one_a_line:
            measured.append((stage.path, points))
        lines = stage.values if stage.demand and stage.values.ndim == 1 and len(shape) > 1 else None
        if stage.name in found:
            if found[stage.name].lines is None:
                found[stage.name].lines = lines
        elif len(known) and np.ptp(known) > 0:
            found[stage.name] = _Moving(stage.name, stage.path, stage.units, points, lines)
    for path, points in measured:
        lost = (frames >= 0) & ~np.isfinite(points)
        if lost.any():
            notes.append(f"{np.count_nonzero(lost)} points have no position in {path} and count as not measured")
            frames[lost] = -1
    return found


@dataclass(eq=False)
class _Scan:
    shape: tuple[int, ...]
    frames: NDArray[np.int64]
    moving: dict[str, _Moving]
    stated: tuple[str, ...]
    notes: list[str]
    angle_units: str

    def placed(self) -> Placed:
        if len(self.shape) == 1:
            return self._in_a_row()
        roles = self._roles()
        for axis, name in enumerate(roles):
            if name and self._lines(axis, name)[1] > _WORST:
                self._mask_strays(name, self.shape[axis])
        if not any(roles) or self._is_regular(roles):
            return self.numbered(roles=roles)
        return self._cells(roles) or self.numbered()

    def _in_a_row(self) -> Placed:
        """Place frames that are stored in one row: points of a grid, of a line, or only one after the other.

        Stages that only tremble, or move along with another, are left out one after the other.
        """
        said, spans = len(self.notes), {n: np.nanmax(m.points) - np.nanmin(m.points) for n, m in self.moving.items()}
        names = sorted(self.moving, key=lambda name: -float(spans[name]))
        before = self.frames.copy(), {name: self.moving[name].points.copy() for name in names}
        for count in range(len(names), 1, -1):
            for name in names[:count]:
                self._mask_strays(name, 0)
            found = self._cells(self._by_speed(names[:count]))
            if found is not None:
                return found
            why, self.notes[said:] = self.notes[said:], []
            self.frames[...] = before[0]
            for name, points in before[1].items():
                self.moving[name].points[...] = points
        if not names:
            return self.numbered()
        steps = np.diff(self.moving[names[0]].points[np.isfinite(self.moving[names[0]].points)])
        if np.all(steps > 0) or np.all(steps < 0):
            return self.numbered(roles=(names[0],))
        self.notes += (
            why if len(names) > 1 else [f"{self.moving[names[0]].path} runs to and fro: the frames are only numbered"]
        )
        return self.numbered()

    # which stage runs along which stored axis

    def _roles(self) -> tuple[str, ...]:
        """Return the stage that varies along every stored axis, empty where none does."""
        scores = []
        for name, each in self.moving.items():
            moved = [_variation(each.points, axis) for axis in range(len(self.shape))]
            span = max(moved) or 1.0  # not the whole range: one position may be nonsense
            for axis in range(len(self.shape)):
                if self._only_trembles(name, axis):
                    continue
                bonus = 0.01 if axis < len(self.stated) and self.stated[axis] == name else 0.0
                scores.append((moved[axis] / span + bonus, axis, name))
        roles = _best_roles(scores, len(self.shape))
        for name in self.moving:
            if name not in roles and any(each == name for _, _, each in scores):
                self.notes.append(f"{self.moving[name].path} moves too, along no axis of its own, and is not used")
        for axis, name in enumerate(roles):
            said = self.stated[axis] if axis < len(self.stated) else ""
            if name and said in self.moving and said != name:
                self.notes.append(f"the file calls axis {axis} {said}, but {self.moving[name].path} runs along it")
        return tuple(roles)

    def _mask_strays(self, name: str, expected: int) -> None:
        """Count the few points as not measured that lie far from all lines of their stage."""
        each = self.moving.get(name)
        if each is None:
            return
        known = np.isfinite(each.points)
        lines = each.lines if each.lines is not None else lines_of(each.points[known], expected)
        if lines is None:
            return
        stray = nearest(each.points, lines)[1] > _WORST
        count = int(np.count_nonzero(stray))
        if 0 < count <= max(1, _FEW * np.count_nonzero(known)):
            self.notes.append(f"WARNING: {count} points lie far off the grid in {each.path} and count as not measured")
            self.frames[stray] = -1
            each.points[stray] = np.nan

    def _by_speed(self, names: Sequence[str]) -> tuple[str, ...]:
        """Return moving stages of frames in one row, the slowest first."""
        moves: dict[str, int] = {}
        for name in names:
            each = self.moving[name]
            known = each.points[np.isfinite(each.points)]
            lines = lines_of(known)
            step = step_of(lines) if lines is not None and len(lines) > 1 else float(np.ptp(known))
            moves[name] = int(np.count_nonzero(np.abs(np.diff(known)) > 0.5 * step))
        usual = in_order(list(moves))
        alike = 0.2 * len(self.frames)  # moved nearly as often: no order can be told from that
        return tuple(sorted(usual, key=lambda name: sum(moves[name] > moves[other] + alike for other in moves)))

    def _only_trembles(self, name: str, axis: int) -> bool:
        """Return whether positions take far more values than a stored axis has lines: a stage that stands still."""
        if self._lines(axis, name)[1] <= _WORST:
            return False
        points = self.moving[name].points
        lines = lines_of(points[np.isfinite(points)], self.shape[axis])
        return lines is None or len(lines) > 2 * self.shape[axis]

    def _lines(self, axis: int, name: str) -> tuple[Floats | None, float]:
        """Return the mean position of every line of a stored axis and the largest deviation in steps."""
        points = self.moving[name].points
        others = tuple(n for n in range(points.ndim) if n != axis)
        known = np.isfinite(points)
        count = known.sum(axis=others)
        total = np.where(known, points, 0.0).sum(axis=others)
        lines = np.where(count > 0, total / np.maximum(count, 1), np.nan)
        form = [1] * points.ndim
        form[axis] = len(lines)
        off = np.abs(points - lines.reshape(form))[known]
        step = step_of(lines)
        planned = self.moving[name].lines
        if planned is not None and len(planned) == len(lines):
            lines = np.where(np.isfinite(lines), lines, planned)
        worst = float(off.max()) / step if step > 0 else np.inf
        return filled(lines), worst

    def _is_regular(self, roles: tuple[str, ...]) -> bool:
        return all(self._lines(axis, name)[1] <= _WORST for axis, name in enumerate(roles) if name)

    # grids

    def numbered(self, fixed: Sequence[str] = (), roles: tuple[str, ...] = ()) -> Placed:
        """Return the stored axes as they are, with coordinates where a stage runs along them."""
        names = tuple(fixed) or _names(self.shape, roles or ("",) * len(self.shape), self.stated)
        axes = []
        for axis, (name, size) in enumerate(zip(names, self.shape, strict=True)):
            along = name if name in self.moving and (fixed or (roles and roles[axis] == name)) else ""
            lines, worst = self._lines(axis, along) if along else (None, 0.0)
            if lines is None or worst > _WORST:
                axes.append(stage_axis(name, None, "px", size))
                if fixed and along:
                    self.notes.append(f"{self.moving[along].path} does not run along {name} and is not used")
                continue
            if worst > _PLAIN:
                path = self.moving[along].path
                self.notes.append(f"{path}: points lie up to {worst:.2f} steps off the grid, which is averaged")
            axes.append(self._axis(along, lines))
        return Placed(tuple(axes), self.frames, self.notes)

    def _cells(self, roles: tuple[str, ...]) -> Placed | None:
        """Put every point on the grid by its position; None where the points lie on no grid."""
        numbers, axes = [], []
        in_a_row = len(self.shape) == 1
        usual = _names(self.shape, roles, self.stated) if not in_a_row else roles
        for axis, name in enumerate(roles):
            if not name:
                form = np.ones(len(self.shape), dtype=int)
                form[axis] = self.shape[axis]
                numbers.append(np.broadcast_to(np.arange(self.shape[axis]).reshape(form), self.shape))
                axes.append(stage_axis(usual[axis], None, "px", self.shape[axis]))
                continue
            lines, number, worst = self._number(name, 0 if in_a_row else self.shape[axis], 0 if in_a_row else axis)
            if lines is None or worst > _WORST:
                self._no_grid(name, worst)
                return None
            if worst > _PLAIN:
                path = self.moving[name].path
                self.notes.append(f"{path}: points lie up to {worst:.2f} steps off the grid, which is averaged")
            numbers.append(number)
            axes.append(self._axis(name, lines))
        sizes = tuple(axis.size for axis in axes)
        there = self.frames >= 0
        count = int(np.count_nonzero(there))
        # frames in one row fill more than half of the grid of the rows that were begun
        if math.prod(sizes) >= 2 * count if in_a_row else math.prod(sizes) > 4 * math.prod(self.shape):
            self._no_grid(", ".join(roles), 0.0)
            return None
        cells = np.ravel_multi_index(tuple(each[there] for each in numbers), sizes)
        twice = len(cells) - len(np.unique(cells))
        if twice > 0.05 * len(cells):
            self._no_grid(", ".join(roles), 0.0)
            return None
        where = np.full(sizes, -1, dtype=np.int64)
        where.reshape(-1)[cells] = self.frames[there]
        if twice:
            self.notes.append(f"WARNING: {twice} points were measured twice: the later frame is taken")
        self._say_order(where, sizes)
        return Placed(tuple(axes), where, self.notes)

    def _number(self, name: str, expected: int, axis: int) -> tuple[Floats | None, NDArray[np.intp], float]:
        """Return the lines of a stage, the line of every point, and the largest deviation in steps."""
        each = self.moving[name]
        if each.lines is not None:
            number, off = nearest(each.points, each.lines)
            if off.max() <= _WORST:
                return each.lines, number, float(off.max())
        lines = lines_of(each.points[np.isfinite(each.points)], expected)
        if lines is None:
            return None, np.empty(0, dtype=np.intp), np.inf
        if _runs_back(each.points, axis, step_of(lines)):
            lines = lines[::-1]
        if 1 < len(lines) < expected:  # lines at the end that were never reached
            step = float(lines[-1] - lines[0]) / (len(lines) - 1)
            lines = np.concatenate([lines, lines[-1] + step * np.arange(1, expected - len(lines) + 1)])
        number, off = nearest(each.points, lines)
        return lines, number, float(off.max())

    def _axis(self, name: str, lines: Floats) -> Axis:
        each = self.moving[name]
        values, units, said = coordinate(name, np.asarray(lines), each.units, each.path, self.angle_units)
        self.notes += said
        return stage_axis(name, values, units, len(values))

    def _no_grid(self, names: str, worst: float) -> None:
        off = f" (up to {worst:.2f} steps off)" if 0 < worst < np.inf else ""
        self.notes.append(f"WARNING: the positions along {names} lie on no grid{off}: points are only numbered")

    def _say_order(self, where: NDArray[np.int64], sizes: tuple[int, ...]) -> None:
        rising = where[where >= 0]
        if np.all(np.diff(rising) > 0):
            if sizes != self.shape:
                text = " x ".join(str(n) for n in sizes)
                self.notes.append(f"frames stored as {' x '.join(map(str, self.shape))} are points of a {text} grid")
            return
        rows = where.reshape(-1, sizes[-1])
        back = sum(1 for row in rows if np.count_nonzero(row >= 0) > 1 and np.all(np.diff(row[row >= 0]) < 0))
        order = f"{back} of {len(rows)} rows ran backwards (snake order)" if back else "frames are not stored in order"
        self.notes.append(f"{order}: put right by the stage positions")


def _best_roles(scores: Sequence[tuple[float, int, str]], rank: int) -> list[str]:
    """Return the stage of every stored axis (empty for none), so that the scores of all together are highest."""
    table = {(axis, name): score for score, axis, name in scores if score > 0.3}
    names = list(dict.fromkeys(name for _, name in table))[:6]
    spare = [""] * rank
    best, found = -1.0, spare
    for order in itertools.permutations([*names, *spare], rank):
        total = sum(table.get(pair, -1.0) for pair in enumerate(order) if pair[1])
        # of equal ones the usual: x runs along the last axis
        usual = 1e-3 * sum(axis for axis, name in enumerate(order) if name == "x")
        if total + usual > best + 1e-9:
            best, found = total + usual, list(order)
    return found


def _variation(points: Floats, axis: int) -> float:
    """Return how far positions usually move along one stored axis."""
    lines = np.moveaxis(points, axis, -1).reshape(-1, points.shape[axis])
    lines = lines[np.isfinite(lines).sum(axis=1) > 1]
    if len(lines) == 0:
        return 0.0
    return float(np.median(np.nanmax(lines, axis=1) - np.nanmin(lines, axis=1)))


def _runs_back(points: Floats, axis: int, step: float) -> bool:
    """Return whether the first line of a stored axis runs towards smaller positions, step by step."""
    for line in np.moveaxis(points, axis, -1).reshape(-1, points.shape[axis]):
        moves = np.diff(line[np.isfinite(line)])
        moves = moves[np.abs(moves) > 0.5 * step]
        if len(moves):
            return bool(moves[0] < 0 and np.count_nonzero(np.abs(moves) < 1.5 * step) > 0.4 * len(moves))
    return False


def _names(shape: tuple[int, ...], roles: tuple[str, ...], stated: tuple[str, ...]) -> tuple[str, ...]:
    """Return names of the stored axes: their stage, what the file says, or what is usual."""
    names = list(roles)
    for axis, said in enumerate(stated):
        if not names[axis] and said and said not in names:
            names[axis] = said
    rank = len(shape)
    usual = {1: ["frame"], 2: ["y", "x"]}.get(rank, [*(f"scan_{n}" for n in range(rank - 3)), "frame", "y", "x"])
    if rank == 2 and shape[0] == 1 and not any(names):
        usual = ["scan", "frame"]
    spare = [name for name in (*usual, "frame", *(f"scan_{n}" for n in range(rank))) if name not in names]
    for axis in range(rank):
        if not names[axis]:
            names[axis] = usual[axis] if usual[axis] in spare else spare[0]
            spare.remove(names[axis])
    return tuple(names)
