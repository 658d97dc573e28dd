"""What a look at a few frames tells before they are integrated: too much masked, a direct beam that is not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tomosaxs import Dataset, InputError, Source
from tomosaxs_plugins.integration import masks
from tomosaxs_plugins.integration.frames import FrameParameters
from tomosaxs_plugins.integration.geometry import DetectorGeometry
from tomosaxs_plugins.integration.radial import radial_coordinate
from tomosaxs_plugins.scattering.per_point import corrections_of

MUCH = 0.6
"""Share of masked pixels above which a mask is doubted."""
_CORE = ("detector_y", "detector_x")
_NEAR, _AROUND = 3.0, 15.0  # px from the beam centre: what belongs to the beam, and what it is compared with
_TIMES, _DEVIATIONS = 5.0, 10.0


def look_at_frames(dataset: Dataset, source: Source | None, **parameters: Any) -> Iterator[str]:
    """Yield warnings about mask and beam centre; the rule ``look=`` of every step that integrates frames.

    Corrected intensities are no counts: their square root is not their uncertainty, which is warned of, too.
    Looks at the first, the middle and the last frame. `range`, `band` and `background` in `unit`, where a step has
    them, say what of the frames it uses.
    """
    own = {each.name for each in fields(FrameParameters) if each.init}
    step = FrameParameters(**{name: value for name, value in parameters.items() if name in own})
    frames = step.frames(dataset)
    static = step.masked_share
    if parameters.get("error_model") == "poisson" and not _counted(dataset):
        yield (
            "error_model poisson takes the values for counts, and these are not "
            f"({dataset.label or 'values'} in {dataset.units or 'other units'}): "
            "put poisson_uncertainty before the corrections and take error_model data"
        )
    twice = _corrected_twice(dataset, step)
    if twice:
        yield (
            f"the frames were corrected for {' and '.join(twice)} by an earlier step, and this one does it again: "
            "leave it out in one of them"
        )
    if static > MUCH:
        yield f"the mask hides {static:.0%} of the pixels: {step.masked_text}{_polarity(step)}"
    if source is None:
        return
    looked = [
        masks.unusable_to_nan(frame[None], step.mask_below, step.mask_above, step.mask_gaps)[0]
        for frame in sample(dataset, source)
    ]
    usable = [np.isfinite(frame) & ~frames.mask for frame in looked]
    shares = [1.0 - float(each.mean()) for each in usable if each.any()]
    if shares and min(shares) > MUCH >= static:
        yield f"{min(shares):.0%} of the pixels are masked or have no usable value in the frames that were looked at"
    text = _beam(frames.geometry, looked, usable, _used(frames.geometry, frames.shape, parameters))
    if text:
        yield text


def _counted(dataset: Dataset) -> bool:
    """Return whether the values may be counts, as far as the steps before tell."""
    return dataset.label != "intensity" and "/" not in dataset.units


def _corrected_twice(dataset: Dataset, step: FrameParameters) -> list[str]:
    asked = {
        "solid angle": step.solid_angle,
        "polarisation": step.polarization is not None,
        "flat field": step.flat is not None,
        "dark current": step.dark is not None,
        "angular efficiency": step.sensor_thickness is not None,
    }
    return [name for name in corrections_of(dataset) if asked.get(name)]


def _polarity(step: FrameParameters) -> str:
    if step.mask is None:
        return ""
    other = "used" if step.mask_marks == "masked" else "masked"
    return f"; if its file marks the pixels that are {other}, write mask_marks: {other}"


def sample(dataset: Dataset, source: Source, count: int = 3) -> list[NDArray[Any]]:
    """Return some (rows, columns) frames, spread evenly from the first to the last.

    Raises
    ------
    InputError
        When the data are no frames.
    """
    names = dataset.names
    if not set(_CORE) <= set(names):
        raise InputError(f"frames have the axes {', '.join(_CORE)}, these data ({', '.join(names)})")
    scanned = [axis for axis in dataset.axes if axis.name not in _CORE]
    total = int(np.prod([axis.size for axis in scanned], dtype=np.int64))
    found = []
    for flat in np.unique(np.linspace(0, total - 1, count).round().astype(np.int64)):
        place = dict(zip((a.name for a in scanned), np.unravel_index(flat, [a.size for a in scanned]), strict=True))
        chosen = tuple(slice(int(place[n]), int(place[n]) + 1) if n in place else slice(None) for n in names)
        part = np.asarray(source.reader.read(chosen))
        order = [names.index(name) for name in (*place, *_CORE)]
        found.append(np.transpose(part, order).reshape(part.shape[order[-2]], part.shape[order[-1]]))
    return found


def _used(geometry: DetectorGeometry, shape: tuple[int, int], parameters: dict[str, Any]) -> NDArray[np.bool_]:
    """Return which pixels lie in the intervals that the step makes bins of."""
    intervals = [parameters[name] for name in ("range", "band") if parameters.get(name)]
    unit = parameters.get("unit")
    if not intervals or not unit:
        return np.ones(shape, dtype=np.bool_)
    intervals += parameters.get("background") or []
    rows, columns = np.arange(shape[0])[:, None] + 0.5, np.arange(shape[1])[None, :] + 0.5
    try:
        place = radial_coordinate(geometry, unit, rows, columns)
    except ValueError as error:
        raise InputError(str(error)) from None
    used = np.zeros(shape, dtype=np.bool_)
    for low, high in intervals:
        used |= (place >= low) & (place <= high)
    return used


def _beam(
    geometry: DetectorGeometry,
    frames: list[NDArray[Any]],
    usable: list[NDArray[np.bool_]],
    used: NDArray[np.bool_],
) -> str:
    """Return a warning where pixels at the beam centre are in use and far brighter than those around; else nothing."""
    row, column = geometry.beam_centre
    shape = used.shape
    if not (-_NEAR <= row <= shape[0] + _NEAR and -_NEAR <= column <= shape[1] + _NEAR):
        return ""
    distance = np.hypot(np.arange(shape[0])[:, None] + 0.5 - row, np.arange(shape[1])[None, :] + 0.5 - column)
    worst = (0.0, 0.0, 0)
    for frame, good in zip(frames, usable, strict=True):
        near, around = (
            frame[good & used & (distance <= _NEAR)],
            frame[good & (distance > _NEAR) & (distance <= _AROUND)],
        )
        if not near.size or not around.size:
            continue
        level = float(np.median(around))
        limit = max(_TIMES * level, level + _DEVIATIONS * np.sqrt(max(level, 1.0)))
        hot = near[near > limit]
        if hot.size and float(hot.max()) > worst[0]:
            worst = float(hot.max()), level, int(hot.size)
    if not worst[2]:
        return ""
    return (
        f"the beam centre (row {row:.1f}, column {column:.1f}) lies on hot pixels that are not masked: {worst[2]} of "
        f"up to {worst[0]:g}, around them {worst[1]:g}; mask the direct beam, or check the centre"
    )
