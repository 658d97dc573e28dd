"""The work of `tomosaxs integrate`: several threads read, check and integrate files, eight frames at a time."""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tomosaxs import Axis, Dataset, FileRows, GrowingResult, InputError
from tomosaxs_plugins.commands.integrate_curve_files import CurveFiles
from tomosaxs_plugins.commands.integrate_frames import Unusable, open_frames
from tomosaxs_plugins.commands.integrate_places import Stamp, stamp_of
from tomosaxs_plugins.commands.integrate_read import BATCH, Outcome, Room, check, read_file, together

_ASKED = 7  # images, where neither calibration nor mask tell their shape
_AT_ONCE = 1 << 28
"""Bytes of the frames (as 32-bit numbers) that a thread holds, at most, unless one alone has more."""


class Job:
    """Turns image files into rows of a growing result.

    Parameters
    ----------
    growing : GrowingResult
        Where the curves go.
    shape : (rows, columns) or None
        Of the frames; None: that of the first image that can be read.
    curve_files : CurveFiles or None
        Files of single curves.
    threads : int
        Files are read and integrated by so many threads; the curves do not depend on it.
    stop : threading.Event
        Set from outside to end after what is being done.

    Attributes
    ----------
    unfinished : dict of Path to (Stamp, text)
        Files that were not whole when they were looked at, and why.
    """

    def __init__(
        self,
        growing: GrowingResult,
        shape: tuple[int, int] | None,
        curve_files: CurveFiles | None,
        threads: int,
        stop: threading.Event,
    ) -> None:
        self.growing, self.shape, self.curve_files, self.threads, self.stop = growing, shape, curve_files, threads, stop
        self.stamps: dict[Path, Stamp] = {}
        self.unfinished: dict[Path, tuple[Stamp, str]] = {}
        self.rooms: SimpleQueue[Room] = SimpleQueue()
        self.looked = False
        self.done = 0
        self.frames = 0
        self.made: Dataset | None = None
        if shape is not None:
            self.begin(shape)

    def begin(self, shape: tuple[int, int]) -> None:
        """Prepare for frames of this shape; says at once when they do not fit calibration or mask."""
        axes = Axis("frame", 1), Axis("detector_y", shape[0], None, "px"), Axis("detector_x", shape[1], None, "px")
        self.made = self.growing.begin(Dataset(axes, np.dtype(np.int32), "counts", "counts"))
        self.shape = shape

    @property
    def bad(self) -> list[FileRows]:
        """Files without usable curves."""
        return [file for file in self.growing.files.values() if file.problem]

    def take(self, files: Mapping[Path, Stamp]) -> Iterator[None]:
        """Integrate files; yields after every few, and leaves early when `stop` is set."""
        waiting = deque(files.items())
        if self.made is None:
            self._find_shape(waiting)
        pending: deque[Future[list[Outcome]]] = deque()
        with ThreadPoolExecutor(self.threads) as pool:
            try:
                while (waiting or pending) and not self.stop.is_set():
                    while waiting and len(pending) < 2 * self.threads:
                        batch = [waiting.popleft() for _ in range(min(self._most(BATCH), len(waiting)))]
                        pending.append(pool.submit(self._batch, batch))
                    for outcome in pending.popleft().result():
                        self._settle(outcome, pool)
                    yield
            finally:
                for future in pending:
                    future.cancel()

    def _most(self, frames: int) -> int:
        """Return how many frames to hold at once, of a wished number."""
        rows, columns = self.shape or (1, 1)
        return max(1, min(frames, _AT_ONCE // (4 * rows * columns)))

    def _find_shape(self, waiting: deque[tuple[Path, Stamp]]) -> None:
        """Take the shape that most of some images have; without a whole one, the files are done with for now."""
        shapes: Counter[tuple[int, int]] = Counter()
        unusable: list[tuple[tuple[Path, Stamp], Unusable]] = []
        for path, stamp in waiting:
            if self.stop.is_set() or shapes.total() >= _ASKED:
                break
            try:
                found = open_frames(path)
                check(found.shape, found.dtype, None)
                shapes[found.shape[1:]] += 1
            except Unusable as error:
                unusable.append(((path, stamp), error))
        if shapes:
            # of two that are as frequent, the larger one: a picture of something else is rather small
            self.begin(max(shapes, key=lambda shape: (shapes[shape], shape[0] * shape[1])))
            return
        for (path, stamp), fault in unusable:
            self._settle(Outcome(path, stamp, problem=str(fault), whole=fault.whole), None)
        waiting.clear()

    def _batch(self, files: Sequence[tuple[Path, Stamp]]) -> list[Outcome]:
        """Read, check and integrate a few files, in a thread of its own."""
        if self.stop.is_set():
            return []
        try:
            room = self.rooms.get_nowait()
        except Empty:
            room = Room()
        room.used = 0
        try:
            outcomes = [read_file(path, stamp, self.shape, room, self.growing.checksum) for path, stamp in files]
            self._integrate_all(outcomes, room)
        finally:
            self.rooms.put(room)
        return outcomes

    def _integrate_all(self, outcomes: list[Outcome], room: Room) -> None:
        kinds: dict[np.dtype[Any], list[Outcome]] = {}
        for outcome in outcomes:
            if outcome.frames is not None:
                kinds.setdefault(outcome.frames.dtype, []).append(outcome)
        for same in kinds.values():
            try:
                self._integrate(same, room)
            except ValueError:  # of one of them
                for outcome in same:
                    self._integrate_alone(outcome, room)

    def _integrate_alone(self, outcome: Outcome, room: Room) -> None:
        try:
            self._integrate([outcome], room)
        except ValueError as error:
            outcome.fail(str(error), whole=True)

    def _integrate(self, outcomes: list[Outcome], room: Room) -> None:
        """Integrate the frames of several files together; a curve does not depend on the others."""
        sizes = [0 if outcome.frames is None else len(outcome.frames) for outcome in outcomes]
        curves, sigma = self.growing.compute(together(outcomes, room))
        for outcome, size, end in zip(outcomes, sizes, np.cumsum(sizes), strict=True):
            outcome.curves = curves[end - size : end]
            outcome.sigma = None if sigma is None else sigma[end - size : end]
            outcome.problem = "; ".join(filter(None, [outcome.problem, _empty(outcome.curves)]))
            outcome.frames = None
            self._write_files(outcome.path, outcome.curves, outcome.sigma, 0, size)

    def _write_files(
        self, path: Path, curves: NDArray[Any], sigma: NDArray[Any] | None, first: int, count: int
    ) -> None:
        if self.curve_files is None or self.made is None:
            return
        try:
            self.curve_files.write(path, self.made.axes[-1], curves, sigma, first, count)
        except OSError as error:
            raise InputError(f"the curves of {path} cannot be written: {error}") from error

    def _settle(self, outcome: Outcome, pool: ThreadPoolExecutor | None) -> None:
        """Put an outcome into the result, or remember that the file was not whole."""
        if not outcome.whole:
            self.unfinished[outcome.path] = outcome.stamp, outcome.problem
            return
        if outcome.large and pool is not None:
            self._large(outcome, pool)
            return
        rows = [] if outcome.curves is None else [self.growing.keep(outcome.curves, outcome.sigma)]
        self._record(outcome, rows)
        if not outcome.problem:
            self._look(outcome.path)

    def look_at_earlier(self) -> None:
        """Let the step look at an image of an earlier run, for the report."""
        for file in self.growing.files.values():
            if not (file.problem or self.looked) and stamp_of(file.path) is not None:
                self._look(file.path)

    def _look(self, path: Path) -> None:
        """Let the step look at the first usable image and warn, for instance of a beam outside of the mask."""
        if self.looked:
            return
        self.looked = True
        try:
            self.growing.look(open_frames(path, self.shape).read(0, 1))
        except Unusable:  # it is gone or being overwritten: the next one will do
            self.looked = False

    def _record(self, outcome: Outcome, rows: list[tuple[int, int]]) -> None:
        self.unfinished.pop(outcome.path, None)
        self.stamps[outcome.path] = outcome.stamp
        if not rows:
            if self.made is None:  # there is no shape yet to keep missing rows of: looked at again later
                self.unfinished[outcome.path] = outcome.stamp, outcome.problem
                return
            rows = [self.growing.keep_missing()]
        size, modified, _ = outcome.stamp
        self.growing.files[outcome.path] = FileRows(
            outcome.path, size, modified, outcome.checksum, tuple(rows), outcome.problem
        )
        self.done += 1
        self.frames += self.growing.files[outcome.path].count
        if outcome.problem:
            self.growing.log(f"not usable: {outcome.path}: {outcome.problem}")

    def give_up(self, path: Path) -> None:
        """Note a file that does not become whole among the unusable ones."""
        stamp, text = self.unfinished[path]
        self._record(Outcome(path, stamp, problem=text), [])

    def _large(self, outcome: Outcome, pool: ThreadPoolExecutor) -> None:
        """Integrate a file of many frames part by part; the next part is read meanwhile."""
        path, rows, problems = outcome.path, [], set()
        before = stamp_of(path)
        checksum = pool.submit(self.growing.checksum, path) if self.threads > 1 else None
        try:
            found = open_frames(path, self.shape)
            count, size = found.shape[0], self._most(BATCH * self.threads)

            def part(first: int) -> NDArray[Any]:
                return np.ascontiguousarray(found.read(first, min(first + size, count)))

            with ThreadPoolExecutor(1) as ahead:
                coming = ahead.submit(part, 0)
                for first in range(0, count, size):
                    frames = coming.result()
                    if first + size < count:
                        coming = ahead.submit(part, first + size)
                    curves, sigma = self.growing.compute(frames)
                    problems.add(_empty(curves))
                    self._write_files(path, curves, sigma, first, count)
                    rows.append(self.growing.keep(curves, sigma))
                    if self.stop.is_set():
                        return
            outcome.checksum = checksum.result() if checksum is not None else self.growing.checksum(path)
        except (Unusable, OSError, ValueError, InputError) as error:
            self.unfinished[path] = outcome.stamp, str(error)
            return
        if stamp_of(path) != before:
            self.unfinished[path] = outcome.stamp, "it changed while it was read"
            return
        outcome.problem = "; ".join(filter(None, [found.problem(), *sorted(problems)]))
        self._record(outcome, rows)
        self._look(path)


def _empty(curves: NDArray[Any]) -> str:
    """Return what to say of frames of which nothing came out."""
    empty = int(np.isnan(curves).all(axis=1).sum())
    if not empty:
        return ""
    return "no usable pixel" if len(curves) == 1 else f"no usable pixel in {empty} of {len(curves)} frames"
