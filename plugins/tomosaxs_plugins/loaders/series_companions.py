"""Flats, darks and monitors of one scan or of a series: one set for every tomogram, or one for all."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from tomosaxs import ArrayReader, Auxiliary
from tomosaxs_plugins.loaders.companions import Batch, batch_monitors, flat_weights, images, merged
from tomosaxs_plugins.loaders.series_readers import StackedReader

_IMAGE = ("detector_y", "detector_x")
Groups = list[tuple[Batch, ...]]


class Stream(Protocol):
    """What is needed of a scan."""

    flats: list[Batch]
    darks: list[Batch]
    projections: NDArray[np.intp]
    monitor: NDArray[np.float64] | None
    monitor_frames: NDArray[np.float64] | None


def companions_of(
    stacks: Sequence[Stream], frames: Sequence[NDArray[np.intp]], timed: bool, how: str, orientation: str
) -> tuple[dict[str, Auxiliary], list[str]]:
    """Return what goes with the projections, by name, and messages.

    Parameters
    ----------
    stacks : sequence
        One scan, or the scans of a series.
    frames : sequence of (n,) int array
        Frames of every tomogram in its stack.
    timed : bool
        The dataset has the axis ``time``.
    how : str
        ``mean``, ``median`` or ``none``: how flats of one group become one image.
    orientation : str
        How images are turned.
    """
    made: dict[str, Auxiliary] = {}
    said = _monitors(made, stacks, frames, timed)
    if len(stacks) == 1:
        _alone(made, stacks[0], frames, timed, how, orientation)
    else:
        said += _of_several(made, stacks, frames, how, orientation)
    return made, said


def _monitors(
    made: dict[str, Auxiliary], stacks: Sequence[Stream], frames: Sequence[NDArray[np.intp]], timed: bool
) -> list[str]:
    several = list(stacks) if len(stacks) > 1 else [stacks[0]] * len(frames)
    values: list[NDArray[np.float64]] = []
    for stack, own in zip(several, frames, strict=True):
        if stack.monitor is not None:
            order = np.argsort(stack.projections)
            values.append(stack.monitor[order[np.searchsorted(stack.projections, own, sorter=order)]])
    if len(values) == len(frames):
        names = ("time", "rotation_angle") if timed else ("rotation_angle",)
        made["monitor"] = Auxiliary(names, ArrayReader(np.stack(values) if timed else values[0]))
    elif values:
        return [f"monitor ignored: only {len(values)} of {len(frames)} tomograms have one"]
    return []


def _alone(
    made: dict[str, Auxiliary],
    stack: Stream,
    frames: Sequence[NDArray[np.intp]],
    timed: bool,
    how: str,
    orientation: str,
) -> None:
    flats = merged(stack.flats)
    if flats:
        names = ("flat", "time", "rotation_angle") if timed else ("flat", "rotation_angle")
        weights = flat_weights(flats, np.stack(frames) if timed else frames[0], how)
        made["flats"] = Auxiliary(("flat", *_IMAGE), images(flats, how, orientation), "counts")
        made["flat_weights"] = Auxiliary(names, ArrayReader(weights))
        monitors = batch_monitors(flats, stack.monitor_frames, how)
        if monitors is not None:
            made["monitor_flats"] = Auxiliary(("flat",), ArrayReader(monitors))
    if stack.darks:
        made["darks"] = Auxiliary(("dark", *_IMAGE), images([tuple(stack.darks)], "mean", orientation), "counts")


def _of_several(
    made: dict[str, Auxiliary],
    stacks: Sequence[Stream],
    frames: Sequence[NDArray[np.intp]],
    how: str,
    orientation: str,
) -> list[str]:
    flats = [merged(stack.flats) for stack in stacks]
    said: list[str] = []

    def weights(groups: Groups, number: int) -> NDArray[np.float64]:
        return flat_weights(groups, frames[number], how)

    if _shared([stack.flats for stack in stacks]):
        made["flats"] = Auxiliary(("flat", *_IMAGE), images(flats[0], how, orientation), "counts")
        made["flat_weights"] = _weights([weights(groups, number) for number, groups in enumerate(flats)])
    elif _as_many(flats, every=how == "none"):
        parts = StackedReader(tuple(images(groups, how, orientation) for groups in flats))
        made["flats"] = Auxiliary(("time", "flat", *_IMAGE), parts, "counts")
        made["flat_weights"] = _weights([weights(groups, number) for number, groups in enumerate(flats)])
        monitors = [
            batch_monitors(groups, stack.monitor_frames, how) for groups, stack in zip(flats, stacks, strict=True)
        ]
        known = [each for each in monitors if each is not None]
        if len(known) == len(stacks):
            made["monitor_flats"] = Auxiliary(("time", "flat"), ArrayReader(np.stack(known)))
    elif any(flats):
        pooled, starts = _pooled(stacks)
        groups = merged(pooled)
        each = [flat_weights(groups, frames[number] + start, how) for number, start in enumerate(starts)]
        made["flats"] = Auxiliary(("flat", *_IMAGE), images(groups, how, orientation), "counts")
        made["flat_weights"] = _weights(each)
        have = sum(1 for groups in flats if groups)
        kind = "interpolated in time over the series" if len(groups) > 1 else "their mean serves all"
        said.append(f"flats: {have} of {len(stacks)} scans have flats, or not equally many; {kind}")
    said += _darks(made, stacks, orientation)
    return said


def _darks(made: dict[str, Auxiliary], stacks: Sequence[Stream], orientation: str) -> list[str]:
    have = [stack.darks for stack in stacks if stack.darks]
    if not have:
        return []
    if len(have) == len(stacks) and not _shared([stack.darks for stack in stacks]):
        parts = StackedReader(tuple(images([tuple(darks)], "mean", orientation) for darks in have))
        made["darks"] = Auxiliary(("time", "dark", *_IMAGE), parts, "counts")
        return []
    shared = len(have) == len(stacks)
    batches = have[0] if shared else [batch for darks in have for batch in darks]
    made["darks"] = Auxiliary(("dark", *_IMAGE), images([tuple(batches)], "mean", orientation), "counts")
    return [] if shared else [f"darks: those of {len(have)} of {len(stacks)} scans serve all"]


def _shared(batches: Sequence[Sequence[Batch]]) -> bool:
    """Whether all scans have the same frames in the same files."""
    origins = [[(batch.origin, batch.place, batch.count) for batch in each] for each in batches]
    return all(origins[0] == each for each in origins) and bool(origins[0]) and all(name for name, *_ in origins[0])


def _as_many(groups: Sequence[Groups], *, every: bool) -> bool:
    """Whether all scans have as many groups (or with `every` as many frames) of flats, and some."""
    count: Callable[[Groups], int] = (lambda g: sum(b.count for each in g for b in each)) if every else len
    return len({count(each) for each in groups}) == 1 and bool(groups[0])


def _weights(each: Sequence[NDArray[np.float64]]) -> Auxiliary:
    if all(np.array_equal(each[0], other) for other in each):
        return Auxiliary(("flat", "rotation_angle"), ArrayReader(each[0]))
    return Auxiliary(("time", "flat", "rotation_angle"), ArrayReader(np.stack(each)))


def _pooled(stacks: Sequence[Stream]) -> tuple[list[Batch], list[int]]:
    """Return all batches with their times in one counting over the series, and where every scan begins in it."""
    batches: list[Batch] = []
    starts: list[int] = []
    start = 0
    for stack in stacks:
        starts.append(start)
        batches += [replace(b, time=None if b.time is None else b.time + start) for b in stack.flats]
        start += int(stack.projections.max()) + 2
    return batches, starts
