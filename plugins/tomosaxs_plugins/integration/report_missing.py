"""The list of frames that gave no curve."""

from __future__ import annotations

from html import escape
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tomosaxs import Dataset, Result, SavedDataset
from tomosaxs_plugins.savers.curve_files import file_stems

_LISTED = 300
_LOOKED_AT = 16


def missing_frames(step: Any, result: Result) -> str:
    """Return an HTML list of the frames of which a step made nothing but NaN; empty where there are none."""
    scan_axes = [name for name in step.inputs[0].dataset.names if name not in ("detector_y", "detector_x")]
    saved = _made_of(step, scan_axes, result)
    if saved is None:
        return ""
    core = len(saved.dataset.names) - len(scan_axes)
    empty = empty_frames(saved, core)
    if not len(empty):
        return ""
    scan = Dataset(saved.dataset.axes[: len(saved.dataset.axes) - core], saved.dataset.dtype)
    count = int(np.prod(scan.shape, dtype=np.int64))
    words = [escape(text) for text in _places(result, scan, empty[:_LISTED])]
    more = f" … and {len(empty) - _LISTED} more" if len(empty) > _LISTED else ""
    told = _not_measured(step, scan, empty)
    return (
        f"<h3>{len(empty)} of {count} frames gave nothing</h3><p>{escape(told)}The other frames went on.</p>"
        f'<p class="small">{"; ".join(words)}{more}</p>'
    )


def _made_of(step: Any, scan_axes: list[str], result: Result) -> SavedDataset | None:
    """Return the saved dataset of the step, or of a later step, with a value or curve for every frame."""
    fitting = [each for each in result.datasets if list(each.dataset.names[: len(scan_axes)]) == scan_axes]
    own = [each for each in fitting if each.step == step.label]
    return next(iter([*own, *reversed(fitting)]), None)


def empty_frames(saved: SavedDataset, core: int) -> NDArray[np.intp]:
    """Return the flat numbers of frames whose values are all NaN; the last `core` axes belong to a frame."""
    values = saved.values()
    shape = values.shape[: values.ndim - core]
    count = int(np.prod(shape, dtype=np.int64))
    if count == 0 or values.size == 0 or values.dtype.kind != "f":
        return np.zeros(0, dtype=np.intp)
    table = values.reshape(count, -1)
    some = np.unique(np.linspace(0, table.shape[1] - 1, _LOOKED_AT).astype(int))
    suspect = np.flatnonzero(np.isnan(table[:, some]).all(axis=1))
    return np.array([each for each in suspect if np.isnan(table[each]).all()], dtype=np.intp)


def _places(result: Result, scan: Dataset, empty: NDArray[np.intp]) -> list[str]:
    if not scan.axes:
        return ["the only frame"]
    stems = file_stems(result, scan.axes)
    if stems:
        return [stems[each] for each in empty]
    numbers = np.unravel_index(empty, scan.shape)
    places = [axis.index[each] for axis, each in zip(scan.axes, numbers, strict=True)]
    return [
        ", ".join(f"{axis.name} {place}" for axis, place in zip(scan.axes, row, strict=True))
        for row in zip(*places, strict=True)
    ]


def _not_measured(step: Any, scan: Dataset, empty: NDArray[np.intp]) -> str:
    """Say how many of the frames the data themselves call missing."""
    missing = step.inputs[0].dataset.auxiliaries.get("missing")
    names = [axis.name for axis in scan.axes]
    if missing is None or set(missing.axes) != set(names):
        return ""
    values = missing.reader.read(tuple(slice(None) for _ in missing.axes))
    flat = np.transpose(values, [missing.axes.index(name) for name in names]).reshape(-1) != 0
    absent = int(np.count_nonzero(flat[empty]))
    if not absent:
        return ""
    return f"{absent} of them were not measured. " if absent < len(empty) else "They were not measured. "
